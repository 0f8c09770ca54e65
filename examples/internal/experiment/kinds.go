package experiment

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/ops/retention"
)

// special is what -model has to know of a kind of layer beyond the fields of its
// configuration. Most kinds need nothing.
type special struct {
	kind string
	// ssm says that the kind is one of those that share the fields of layers.SSM:
	// from one to another the values of all fields are kept.
	ssm bool
	// inits are what the field "init" can be; nil means anything.
	inits []hippo.Init
	// dropouts are the keys that -dropout sets as well; nil means none.
	dropouts []string
	// depth is the key that -layers sets, in the place of the number of blocks.
	depth string
	// lastNorm is the norm behind the last layer of a kind that normalises first; "" means
	// that it does so if "prenorm" says so.
	lastNorm layers.NormKind
	// start sets what the layer has other defaults of than the preset and its own
	// zero values.
	start func(r *Recipe, s Shape)
}

// specials are the kinds with something special, in the order in which help and
// errors name them; the other kinds follow by name.
var specials = []special{
	{kind: "s4d", ssm: true, dropouts: dropout, inits: hippo.DiagInits()},
	{
		kind: "s4", ssm: true, dropouts: dropout, inits: hippo.DPLRInits(),
		start: func(r *Recipe, _ Shape) { r.Model.Mixer.put("init", hippo.InitLegS) },
	},
	{
		kind: "dss", ssm: true, dropouts: dropout, inits: []hippo.Init{hippo.Init(layers.DSSInitLegS), hippo.Init(layers.DSSInitRandom)},
		start: func(r *Recipe, _ Shape) {
			r.Model.Mixer.put("init", hippo.InitLegS)
			r.Model.Mixer.put("dt", layers.DtPerPart)
		},
	},
	{
		kind: "lssl", ssm: true, dropouts: dropout, inits: []hippo.Init{hippo.Init(hippo.LegS), hippo.Init(hippo.LegT), hippo.Init(hippo.LagT)},
		start: func(r *Recipe, _ Shape) {
			r.Model.Mixer.put("init", hippo.InitLegS)
			r.Model.Mixer.put("lr_a", 1e-4)
			r.Model.Mixer.put("lr_b", 1e-4)
		},
	},
	{kind: "transformer", dropouts: []string{"dropout", "ff_dropout", "attention_dropout"}, start: startTransformer},
	{kind: "mega", dropouts: []string{"dropout", "ff_dropout"}, start: startMega},
	{kind: "mega-attention", dropouts: dropout, start: startMega},
	{kind: "retnet", dropouts: []string{"dropout", "ff_dropout"}, lastNorm: layers.RMSNorm, start: startRetNet},
	{kind: "retention", start: startRetention},
	{kind: "lstm", start: startRecurrent},
	{kind: "gru", start: startRecurrent},
	{kind: "rnn", start: startRecurrent},
	{kind: "hippo-rnn", start: startRecurrent},
	{kind: "esn", start: startRecurrent},
	{kind: "tcn", dropouts: dropout, depth: "levels", start: startTCN},
	{
		kind: "convnet", dropouts: dropout,
		start: func(r *Recipe, s Shape) {
			r.Model.Mixer.lookAhead(s.Kind != LanguageModel)
			r.Model.Mixer.put("norm", r.Model.Norm)
			r.Train.LR = slowRate
		},
	},
	{kind: "longconv", ssm: true, dropouts: dropout},
	{
		kind: "s4nd", ssm: true, dropouts: dropout, inits: hippo.DiagInits(),
		start: func(r *Recipe, s Shape) {
			r.Model.Mixer.lookAhead(s.Kind != LanguageModel)
			r.Model.Mixer.put("disc", nil) // that of its kernels
		},
	},
	{kind: "ckconv", start: func(r *Recipe, _ Shape) { r.Train.LR = slowRate }},
	{kind: "ckblock", dropouts: dropout, start: func(r *Recipe, _ Shape) { r.Train.LR = slowRate }},
	{kind: "conv1d", start: func(r *Recipe, _ Shape) { r.Model.Mixer.put("kernel", convKernel); r.Train.LR = slowRate }},
}

var dropout = []string{"dropout"}

// specialOf returns what is special about a kind.
func specialOf(kind string) special {
	for _, s := range specials {
		if s.kind == kind {
			return s
		}
	}
	return special{kind: kind}
}

// kindNames lists all kinds.
func kindNames() []string {
	registered := layers.MixerKinds()
	var names []string
	for _, s := range specials {
		if slices.Contains(registered, s.kind) {
			names = append(names, s.kind)
		}
	}
	for _, name := range registered {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// decoderRate is the learning rate of a Transformer that writes.
const decoderRate = 0.001

// slowRate is the learning rate of the layers that do not stand that of S4D.
const slowRate = 0.002

// startRecurrent bounds the gradient, which grows with the length.
func startRecurrent(r *Recipe, _ Shape) { r.Train.LR, r.Train.Clip = slowRate, 1 }

const (
	// tcnKernel is the number of taps of a kernel of a TCN. That and the learning
	// rate are those of Bai et al. 2018 for sequential images.
	tcnKernel = 7
	// convKernel is that of a convolution by itself.
	convKernel = 7
)

// startTCN gives a TCN the levels that it needs for the last output to depend on the
// first input: the dilation doubles from level to level, of two convolutions each.
func startTCN(r *Recipe, s Shape) {
	levels := r.Model.Layers
	for 1+2*(tcnKernel-1)*(1<<levels-1) < r.longest(s) {
		levels++
	}
	r.Model.Layers = 1
	r.Model.Mixer.put("kernel", tcnKernel)
	r.Model.Mixer.put("levels", levels)
	r.Train.LR = slowRate
}

// startTransformer is the encoder of the baseline of Long Range Arena (Tay et al.
// 2021): 8 heads, queries, keys and values without biases, positions added to what
// the first layer reads, normalised first; it sees all steps. For real-valued inputs
// it is as narrow as there: half the width for the heads, and learned positions.
func startTransformer(r *Recipe, s Shape) {
	m, h := &r.Model.Mixer, r.Model.Mixer.features()
	inner, ff, positions, rate := h, 2*h, layers.SinusoidalPositions, 0.0016
	if s.Features > 0 {
		inner, ff, positions, rate = max(1, h/2), h, layers.LearnedPositions, 0.0005
	}
	for key, v := range map[string]any{
		"heads": gcd(8, inner), "inner": inner, "ff": ff, "positions": positions, "activation": ops.ActGELUTanh,
		"no_attention_bias": true, "prenorm": true, "untied_dropout": true, causal: false,
	} {
		m.put(key, v)
	}
	r.Train.LR = rate
	if s.Kind == LanguageModel {
		startDecoder(r)
	}
}

// startDecoder makes a Transformer one that writes: a step sees those before it, where
// they are is told by rotations, and its feed-forward network is that of the preset.
func startDecoder(r *Recipe) {
	m, h := &r.Model.Mixer, r.Model.Mixer.features()
	positions, rotary := layers.NoPositions, attention.RotaryHalf
	if h%2 != 0 { // no head has pairs of features
		positions, rotary = layers.SinusoidalPositions, attention.NoRotary
	}
	for key, v := range map[string]any{
		causal: true, "inner": h, "heads": gcd(8, max(1, h/2)), "ff": r.Model.FeedForward, "positions": positions, "rotary": rotary, "activation": ops.ActGELU,
	} {
		m.put(key, v)
	}
	r.Train.LR = decoderRate
}

// startRetention gives the heads an even number of features, whose pairs positions turn,
// if there is one.
func startRetention(r *Recipe, _ Shape) {
	m, h := &r.Model.Mixer, r.Model.Mixer.features()
	m.put("heads", gcd(8, max(1, h/2)))
	if h%2 != 0 {
		m.put("heads", gcd(8, h))
		m.put("positions", retention.NoPositions)
	}
	r.Train.LR = slowRate
}

// startRetNet is startRetention with the feed-forward network of the preset, if that has
// one.
func startRetNet(r *Recipe, s Shape) {
	startRetention(r, s)
	r.Model.Mixer.put("ff", r.Model.FeedForward)
	if s.Kind == LanguageModel {
		r.Train.LR = decoderRate
	}
}

// startMega has the norms of the preset, and its feed-forward network if that has one.
func startMega(r *Recipe, _ Shape) {
	m := &r.Model.Mixer
	m.put("norm", r.Model.Norm)
	m.put("prenorm", r.Model.PreNorm)
	m.put("ff", r.Model.FeedForward)
	r.Train.LR = slowRate
}

// switchKind makes the layer one of another kind, of the same number of features. It
// keeps what the preset sets and makes sense for the other.
func (r *Recipe) switchKind(kind string, s Shape) error {
	old := r.Model.Mixer
	if old.kind == kind {
		return nil
	}
	m, err := newMixer(kind)
	if err != nil {
		return err
	}
	from, to := specialOf(old.kind), specialOf(kind)
	if from.ssm && to.ssm {
		for key, v := range old.values {
			m.put(key, v)
		}
		if kind == "longconv" || old.kind == "longconv" { // their parameters have other names
			m.put("follow_lr", nil)
			m.put("frozen", nil)
		}
	}
	if from.depth != "" {
		r.Model.Layers = old.integer(from.depth)
	}
	m.setFeatures(old.features())
	_, ahead := old.looksAhead()
	m.lookAhead(ahead)
	if n := gcd(8, old.features()); m.has("heads") {
		m.put("heads", n)
	}
	r.Model.Mixer = m
	r.setDropout(r.Model.Dropout, nil)
	if to.start != nil {
		to.start(r, s)
	}
	return nil
}

// setDropout sets the dropout of the blocks, and that inside of the layer but for
// the keys that are set.
func (r *Recipe) setDropout(p float64, set func(key string) bool) {
	r.Model.Dropout = p
	keys := specialOf(r.Model.Mixer.kind).dropouts
	if keys == nil && r.ownResiduals() {
		keys = dropout
	}
	for _, key := range keys {
		if set == nil || !set(key) {
			r.Model.Mixer.put(key, p)
		}
	}
}

// ownResiduals says whether the layer has norms and residuals of its own.
func (r *Recipe) ownResiduals() bool {
	cfg, err := r.Model.Mixer.Config()
	return err == nil && layers.HasResidual(cfg)
}

// Stack makes the blocks, for sequences of up to so many steps.
func (r *Recipe) Stack(longest int) (layers.StackConfig, error) {
	m := r.Model.Mixer.clone()
	for _, key := range []string{"l_max", "max_len"} {
		if key == "max_len" && m.text("positions") != string(layers.LearnedPositions) {
			continue
		}
		if m.integer(key) == 0 {
			m.put(key, longest)
		}
	}
	if err := m.putShape(longest); err != nil {
		return layers.StackConfig{}, err
	}
	cfg, err := m.Config()
	if err != nil {
		return layers.StackConfig{}, err
	}
	if !layers.HasResidual(cfg) {
		return layers.StackConfig{Blocks: r.blocks(cfg), Repeat: r.Model.Layers, Norm: r.Model.LastNorm}, nil
	}
	return r.inRow(cfg, m)
}

// putShape gives a layer for images that does not say what theirs are those of squares.
func (m *Mixer) putShape(steps int) error {
	if !m.has("shape") {
		return nil
	}
	shape := get[[]int](m, "shape")
	if len(shape) == 0 {
		side := int(math.Round(math.Sqrt(float64(steps))))
		if side*side != steps {
			return fmt.Errorf("-model %s reads images: want sequences that are squares of pixels, or -shape to say what else, got %d steps", m.kind, steps)
		}
		m.put("shape", []int{side, side})
		return nil
	}
	pixels := 1
	for _, n := range shape {
		pixels *= n
	}
	if pixels != steps {
		return fmt.Errorf("-model %s reads images: want -shape of as many pixels as the %d steps of a sequence, got %s", m.kind, steps, timesText(shape))
	}
	return nil
}

// timesText is 32x32.
func timesText(shape []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", "x"), "[]")
}

// blocks are the residual blocks of one of Layers.
func (r *Recipe) blocks(mixer layers.MixerConfig) []layers.BlockConfig {
	m := &r.Model
	block := func(c layers.MixerConfig) layers.BlockConfig {
		return layers.BlockConfig{Mixer: c, Norm: m.Norm, PreNorm: m.PreNorm, Dropout: m.Dropout}
	}
	all := slices.Repeat([]layers.BlockConfig{block(mixer)}, max(1, m.Mixers))
	if m.FeedForward > 0 {
		n, _ := mixer.Features()
		all = append(all, block(layers.FeedForwardConfig{DModel: n, FF: m.FeedForward, Dropout: m.Dropout}))
	}
	return all
}

// inRow are blocks of layers that have norms and residuals of their own. Positions
// are added to what the first one reads.
func (r *Recipe) inRow(first layers.MixerConfig, m Mixer) (s layers.StackConfig, err error) {
	block := func(c layers.MixerConfig) layers.BlockConfig {
		return layers.BlockConfig{Mixer: c, Norm: layers.NoNorm, NoResidual: true}
	}
	switch last := specialOf(m.kind).lastNorm; { // the last one's sum has had none
	case last != "":
		s.Norm = last
	case m.truth("prenorm"):
		s.Norm = cmp.Or(layers.NormKind(m.text("norm")), layers.LayerNorm)
	}
	s.Blocks = []layers.BlockConfig{block(first)}
	n := r.Model.Layers
	if p := m.text("positions"); p == "" || p == string(layers.NoPositions) || n < 1 || n > layers.MaxBlocks {
		s.Repeat = n
		return s, nil
	}
	m.put("positions", "")
	m.put("max_len", 0)
	rest, err := m.Config()
	if err != nil {
		return s, err
	}
	for range n - 1 {
		s.Blocks = append(s.Blocks, block(rest))
	}
	return s, nil
}

// canFreeze lists which of some words the layer's configuration knows as parameters
// that it can freeze, and those that it does not.
func (m *Mixer) canFreeze(words []string) (known, others []string) {
	probe := m.clone()
	probe.put("l_max", 1) // which is not known yet
	cfg, err := probe.Config()
	f, ok := cfg.(layers.Freezable)
	if err != nil || !ok {
		return nil, words
	}
	for _, w := range words {
		if f.WithFrozen(w).Validate() == nil {
			known = append(known, w)
		} else {
			others = append(others, w)
		}
	}
	return known, others
}

// mixerFlag is the flag.Value of -mixer: a configuration in JSON.
type mixerFlag struct {
	m     *Mixer
	given string
}

func (f *mixerFlag) String() string { return f.given }

func (f *mixerFlag) Set(text string) error {
	if !json.Valid([]byte(text)) {
		return errors.New("want an object in JSON")
	}
	f.given = text
	return f.m.UnmarshalJSON([]byte(text))
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
