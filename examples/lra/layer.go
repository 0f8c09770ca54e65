package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
)

// kind is a sequence layer that -layer names.
type kind struct {
	name string
	// takes are the options that are about the layer, of those that are not about
	// all.
	takes string
	// inits are what -init can be.
	inits []hippo.Init
	// own says that the layer has norms and residuals of its own.
	own bool
	// start sets what the layer has other defaults of than S4D. nil means nothing.
	start func(o *options)
	// stack makes the blocks.
	stack func(o *options) layers.StackConfig
}

// What several kinds take: all in a residual block, of those the ones that are long
// convolutions, and of those the state space layers.
const (
	inBlock    = "norm prenorm "
	kernels    = inBlock + "bidirectional activation mixing channels off-by-one lr-ssm follow-lr freeze "
	stateSpace = kernels + "d-state init dt-min dt-max lr-dt lr-a lr-b "
)

// kinds are the layers. The first is the default.
var kinds = []kind{
	{
		name: "s4d", takes: stateSpace + "n-ssm disc fixed-b dt dt-transform a-transform",
		inits: hippo.DiagInits(),
		stack: repeated(func(o *options) layers.MixerConfig { return o.s4d }),
	},
	{
		name: "s4", takes: stateSpace + "n-ssm rank dt dt-transform a-transform",
		inits: hippo.DPLRInits(),
		start: func(o *options) { o.s4d.Init = hippo.InitLegS },
		stack: repeated(s4),
	},
	{
		name: "dss", takes: stateSpace + "dt",
		inits: []hippo.Init{hippo.Init(layers.DSSInitLegS), hippo.Init(layers.DSSInitRandom)},
		start: func(o *options) { o.s4d.Init, o.s4d.Dt = hippo.InitLegS, layers.DtPerPart },
		stack: repeated(dss),
	},
	{
		name: "lssl", takes: stateSpace + "n-ssm dt-transform",
		inits: []hippo.Init{hippo.Init(hippo.LegS), hippo.Init(hippo.LegT), hippo.Init(hippo.LagT)},
		start: func(o *options) { o.s4d.Init, o.s4d.LRA, o.s4d.LRB = hippo.InitLegS, 1e-4, 1e-4 },
		stack: repeated(lssl),
	},
	{
		name: "transformer", takes: "prenorm bidirectional", own: true,
		start: startTransformer,
		stack: transformer,
	},
	{
		name: "lstm", takes: inBlock + "bidirectional",
		start: startRecurrent,
		stack: repeated(func(o *options) layers.MixerConfig {
			return layers.LSTMConfig{DModel: o.s4d.DModel, Bidirectional: o.s4d.Bidirectional}
		}),
	},
	{
		name: "gru", takes: inBlock + "bidirectional",
		start: startRecurrent,
		stack: repeated(func(o *options) layers.MixerConfig {
			return layers.GRUConfig{DModel: o.s4d.DModel, Bidirectional: o.s4d.Bidirectional}
		}),
	},
	{
		name: "rnn", takes: inBlock + "bidirectional",
		start: startRecurrent,
		stack: repeated(func(o *options) layers.MixerConfig {
			return layers.RNNConfig{DModel: o.s4d.DModel, Bidirectional: o.s4d.Bidirectional}
		}),
	},
	{
		name: "tcn", own: true,
		start: startTCN,
		stack: func(o *options) layers.StackConfig {
			return inRow(layers.TCNConfig{In: o.s4d.DModel, Out: o.s4d.DModel, Kernel: tcnKernel, Levels: o.depth, Dropout: o.block.Dropout})
		},
	},
	{
		name: "convnet", takes: inBlock + "bidirectional",
		start: func(o *options) { o.s4d.Bidirectional, o.train.LR = true, slowRate },
		stack: repeated(func(o *options) layers.MixerConfig {
			return layers.ConvNetConfig{DModel: o.s4d.DModel, Same: o.s4d.Bidirectional, Norm: o.block.Norm, Dropout: o.block.Dropout}
		}),
	},
	{
		name: "longconv", takes: kernels,
		stack: repeated(func(o *options) layers.MixerConfig {
			return layers.LongConvConfig{DModel: o.s4d.DModel, LMax: o.longest(), SSM: o.s4d.SSM}
		}),
	},
}

// slowRate is the learning rate of the layers that do not stand that of S4D.
const slowRate = 0.002

// startRecurrent bounds the gradient, which grows with the length.
func startRecurrent(o *options) { o.train.LR, o.train.Clip = slowRate, 1 }

// tcnKernel is the number of taps of a kernel of a TCN. That and the learning rate
// are those of Bai et al. 2018 for sequential images.
const tcnKernel = 7

// startTCN gives a TCN the levels that it needs for the last output to depend on the
// first input: the dilation doubles from level to level, of two convolutions each.
func startTCN(o *options) {
	for 1+2*(tcnKernel-1)*(1<<o.depth-1) < o.longest() {
		o.depth++
	}
	o.train.LR = slowRate
}

// layerNames lists the kinds.
func layerNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// findKind returns the kind of a name, nil if there is none.
func findKind(name string) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

// has says whether an option is about the layer, of those that are not about all.
func (k *kind) has(option string) bool {
	return k != nil && slices.Contains(strings.Fields(k.takes), option)
}

// takers lists the layers that an option is about; none if it is about all.
func takers(option string) []string {
	var names []string
	for i := range kinds {
		if kinds[i].has(option) {
			names = append(names, kinds[i].name)
		}
	}
	return names
}

// checkLayer reports an option that is set and is not about the layer.
func (o *options) checkLayer() error {
	k := findKind(o.layer)
	for _, name := range slices.Sorted(maps.Keys(o.set)) {
		of := takers(name)
		switch {
		case o.mixer.MixerConfig == nil && len(of) > 0 && !k.has(name):
			return fmt.Errorf("-%s is about -layer %s: want none with -layer %s", name, strings.Join(of, ", "), o.layer)
		case o.mixer.MixerConfig != nil && !o.mixer.allows(name):
			return fmt.Errorf("-mixer is the whole configuration of the layer: want no -%s with it", name)
		}
	}
	return nil
}

// repeated are blocks that are all alike, each with a residual.
func repeated(mixer func(o *options) layers.MixerConfig) func(o *options) layers.StackConfig {
	return func(o *options) layers.StackConfig {
		b := o.block
		b.Mixer = mixer(o)
		return layers.StackConfig{Blocks: []layers.BlockConfig{b}, Repeat: o.depth}
	}
}

// inRow are blocks of layers that have norms and residuals of their own.
func inRow(mixers ...layers.MixerConfig) layers.StackConfig {
	var s layers.StackConfig
	for _, m := range mixers {
		s.Blocks = append(s.Blocks, layers.BlockConfig{Mixer: m, Norm: layers.NoNorm, NoResidual: true})
		if t, ok := m.(layers.TransformerConfig); ok && t.PreNorm {
			s.Norm = layers.LayerNorm // the last one's sum has had none
		}
	}
	return s
}

// each makes a mixer for each of the blocks; of a number of blocks that is an error
// it makes one.
func (o *options) each(mixer func(i int) layers.MixerConfig) layers.StackConfig {
	if o.depth < 1 || o.depth > layers.MaxBlocks {
		s := inRow(mixer(0))
		s.Repeat = o.depth
		return s
	}
	var ms []layers.MixerConfig
	for i := range o.depth {
		ms = append(ms, mixer(i))
	}
	return inRow(ms...)
}

func s4(o *options) layers.MixerConfig {
	c := o.s4d
	return layers.S4Config{
		DModel: c.DModel, DState: c.DState, Rank: o.rank, NSSM: c.NSSM, LMax: o.longest(),
		Init: c.Init, DtMin: c.DtMin, DtMax: c.DtMax, Dt: c.Dt, DtTransform: c.DtTransform, ATransform: c.ATransform,
		SSM: c.SSM,
	}
}

func dss(o *options) layers.MixerConfig {
	c := o.s4d
	return layers.DSSConfig{
		DModel: c.DModel, DState: c.DState, Init: layers.DSSInit(c.Init), LMax: o.longest(),
		DtMin: c.DtMin, DtMax: c.DtMax, Dt: c.Dt, SSM: c.SSM,
	}
}

func lssl(o *options) layers.MixerConfig {
	c := o.s4d
	return layers.LSSLConfig{
		DModel: c.DModel, DState: c.DState, NSSM: c.NSSM, Init: hippo.Measure(c.Init),
		DtMin: c.DtMin, DtMax: c.DtMax, DtTransform: c.DtTransform, SSM: c.SSM,
	}
}

// startTransformer sets what the baseline of Long Range Arena (Tay et al. 2021) has
// other than S4D: it is normalised first, sees all steps, and learns at these rates.
func startTransformer(o *options) {
	o.block.PreNorm, o.s4d.Bidirectional = true, true
	o.train.LR = 0.0016
	if o.task == "image" {
		o.train.LR = 0.0005
	}
}

// transformer is the encoder of the baseline: 8 heads, queries, keys and values
// without biases, positions added to what the first layer reads. For images it is as
// narrow as there: half the width for the heads, and learned positions.
func transformer(o *options) layers.StackConfig {
	h, drop := o.s4d.DModel, o.block.Dropout
	c := layers.TransformerConfig{
		DModel: h, Inner: h, FF: 2 * h, Activation: ops.ActGELUTanh, NoAttentionBias: true,
		Causal: !o.s4d.Bidirectional, PreNorm: o.block.PreNorm,
		Dropout: drop, FFDropout: drop, AttentionDropout: drop, UntiedDropout: true,
	}
	if o.task == "image" {
		c.Inner, c.FF = max(1, h/2), h
	}
	c.Heads = gcd(8, c.Inner)
	return o.each(func(i int) layers.MixerConfig {
		c := c
		switch {
		case i > 0:
		case o.task == "image":
			c.Positions, c.MaxLen = layers.LearnedPositions, o.longest()
		default:
			c.Positions = layers.SinusoidalPositions
		}
		return c
	})
}

// setLayer puts the blocks of the chosen layer into the configuration of the model.
func (o *options) setLayer() {
	m := o.mixer.MixerConfig
	switch {
	case m == nil:
		o.model.Stack = findKind(o.layer).stack(o)
	case o.mixer.own():
		o.model.Stack = inRow(m)
		o.model.Stack.Repeat = o.depth
	default:
		o.model.Stack = repeated(func(*options) layers.MixerConfig { return m })(o)
	}
}

// mixer is the flag.Value of -mixer: a configuration in JSON.
type mixer struct {
	layers.MixerConfig
	text string
}

func (m *mixer) String() string { return m.text }

func (m *mixer) Set(text string) error {
	var b layers.BlockConfig
	if !json.Valid([]byte(text)) {
		return errors.New("want an object in JSON")
	}
	if err := json.Unmarshal([]byte(`{"mixer":`+text+`}`), &b); err != nil {
		return err
	}
	if b.Mixer == nil {
		return errors.New("want an object, got null")
	}
	m.MixerConfig, m.text = b.Mixer, text
	return nil
}

// allows says whether an option goes with -mixer: one about a residual block only
// around a mixer that has no residuals of its own.
func (m *mixer) allows(option string) bool {
	if option == "dropout" || slices.Contains(strings.Fields(inBlock), option) {
		return !m.own()
	}
	return option != "layer" && option != "d-model" && len(takers(option)) == 0
}

// own says whether the mixer has norms and residuals of its own.
func (m *mixer) own() bool {
	k := findKind(m.kind())
	return k != nil && k.own
}

// kind returns the "kind" of a configuration in JSON, "" if it has none.
func (m *mixer) kind() string {
	var head struct {
		Kind string `json:"kind"`
	}
	_ = json.Unmarshal([]byte(m.text), &head) // Set has read it
	return head.Kind
}
