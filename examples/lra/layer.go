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
	// blocks makes the blocks.
	blocks func(o *options) []layers.BlockConfig
}

// What several kinds take: those in a residual block, and state space layers, which
// have directions, step sizes and learning rates too.
const (
	inBlock    = "norm prenorm "
	stateSpace = inBlock + "activation mixing d-state channels init bidirectional off-by-one dt-min dt-max lr-ssm lr-dt lr-a lr-b follow-lr freeze "
)

// kinds are the layers, those that read the most options first.
var kinds = []kind{
	{
		name: "s4d", takes: stateSpace + "n-ssm disc fixed-b dt dt-transform a-transform",
		inits:  hippo.DiagInits(),
		blocks: repeated(func(o *options) layers.MixerConfig { return o.s4d }),
	},
	{
		name: "s4", takes: stateSpace + "n-ssm rank dt dt-transform a-transform",
		inits:  hippo.DPLRInits(),
		start:  func(o *options) { o.s4d.Init = hippo.InitLegS },
		blocks: repeated(s4),
	},
	{
		name: "dss", takes: stateSpace + "dt",
		inits:  []hippo.Init{hippo.Init(layers.DSSInitLegS), hippo.Init(layers.DSSInitRandom)},
		start:  func(o *options) { o.s4d.Init, o.s4d.Dt = hippo.InitLegS, layers.DtPerPart },
		blocks: repeated(dss),
	},
	{
		name: "lssl", takes: stateSpace + "n-ssm dt-transform",
		inits:  []hippo.Init{hippo.Init(hippo.LegS), hippo.Init(hippo.LegT), hippo.Init(hippo.LagT)},
		start:  func(o *options) { o.s4d.Init, o.s4d.LRA, o.s4d.LRB = hippo.InitLegS, 1e-4, 1e-4 },
		blocks: repeated(lssl),
	},
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
func repeated(mixer func(o *options) layers.MixerConfig) func(o *options) []layers.BlockConfig {
	return func(o *options) []layers.BlockConfig {
		b := o.block
		b.Mixer = mixer(o)
		return []layers.BlockConfig{b}
	}
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

// setLayer puts the blocks of the chosen layer into the configuration of the model.
func (o *options) setLayer() {
	s := layers.StackConfig{Repeat: o.depth}
	if o.mixer.MixerConfig != nil {
		s.Blocks = []layers.BlockConfig{o.around(o.mixer.MixerConfig)}
	} else {
		s.Blocks = findKind(o.layer).blocks(o)
	}
	if len(s.Blocks) > 1 {
		s.Repeat = 0
	}
	o.model.Stack = s
}

// around is a block around a mixer of -mixer.
func (o *options) around(m layers.MixerConfig) layers.BlockConfig {
	b := o.block
	if o.mixer.own() {
		b = bare
	}
	b.Mixer = m
	return b
}

// bare is a block that is nothing but its mixer.
var bare = layers.BlockConfig{Norm: layers.NoNorm, NoResidual: true}

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
