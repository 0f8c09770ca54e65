package layers_test

import (
	"reflect"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// configured is a layer with the configuration that it was made of.
type configured[C any] interface {
	layers.Layer
	Config() C
}

// keeper makes a layer of cfg and says what it keeps and hands out.
func keeper[C any, L configured[C]](t *testing.T, cfg C, newLayer func(*G.ExprGraph, tensor.Dtype, C, ...layers.Option) (L, error)) func() (given, kept any, out []any) {
	return func() (given, kept any, out []any) {
		l, err := newLayer(G.NewGraph(), tensor.Float32, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return cfg, l, []any{l.Config(), l.Config(), l.Params(), l.Params(), l.Buffers(), l.Buffers()}
	}
}

// No layer has memory in common with the configuration it is made of, nor with
// those and the parameters that it returns, but for nodes and tensors.
func TestLayersShareNoMemoryWithTheirCaller(t *testing.T) {
	block := func(mixer layers.MixerConfig) func() (given, kept any, out []any) {
		return keeper(t, layers.BlockConfig{Mixer: mixer}, layers.NewBlock)
	}
	padding := 1
	s4 := layers.S4Config{DModel: 2, DState: 4, LMax: 8, SSM: layers.SSM{Frozen: []string{"A", "D"}, FollowLR: []string{"A"}}}
	s4d := layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Frozen: []string{"A", "B"}, FollowLR: []string{"A"}}}
	dss := layers.DSSConfig{DModel: 2, DState: 4, Version: vandermonde.DSSExp, SSM: layers.SSM{Frozen: []string{"C"}, FollowLR: []string{"A"}}}
	lssl := layers.LSSLConfig{DModel: 2, DState: 4, SSM: layers.SSM{Frozen: []string{"dt", "A", "B"}, FollowLR: []string{"A"}}}
	testutil.CheckConfigs(t, map[string][]func() (given, kept any, out []any){
		"S4Config":                {keeper(t, s4, layers.NewS4)},
		"S4DConfig":               {keeper(t, s4d, layers.NewS4D)},
		"DSSConfig":               {keeper(t, dss, layers.NewDSS)},
		"LSSLConfig":              {keeper(t, lssl, layers.NewLSSL)},
		"S5Config":                {keeper(t, layers.S5Config{DModel: 2, DState: 4, SSM: layers.SSM{Frozen: []string{"B"}, FollowLR: []string{"dt"}}}, layers.NewS5)},
		"LRUConfig":               {keeper(t, layers.LRUConfig{DModel: 2, DState: 3, SSM: layers.SSM{Frozen: []string{"A"}, FollowLR: []string{"B"}}}, layers.NewLRU)},
		"S4NDConfig":              {keeper(t, layers.S4NDConfig{DModel: 2, Shape: []int{2, 2}, Axes: []layers.S4NDAxis{{DState: 2}, {DState: 4}}, TwoWay: []int{1}, SSM: layers.SSM{Frozen: []string{"A"}, FollowLR: []string{"B"}}}, layers.NewS4ND)},
		"HiPPORNNConfig":          {keeper(t, layers.HiPPORNNConfig{DModel: 2}, layers.NewHiPPORNN)},
		"CKConvConfig":            {keeper(t, layers.CKConvConfig{In: 2, Out: 2, LMax: 4}, layers.NewCKConv)},
		"CKBlockConfig":           {keeper(t, layers.CKBlockConfig{In: 2, Out: 4, LMax: 4}, layers.NewCKBlock)},
		"ESNConfig":               {keeper(t, layers.ESNConfig{DModel: 2}, layers.NewESN)},
		"FeedForwardConfig":       {keeper(t, layers.FeedForwardConfig{DModel: 2, Gate: true}, layers.NewFeedForward)},
		"AttentionConfig":         {keeper(t, layers.AttentionConfig{DModel: 2, Heads: 1}, layers.NewAttention)},
		"PositionConfig":          {keeper(t, layers.PositionConfig{DModel: 2, Positions: layers.LearnedPositions, MaxLen: 3}, layers.NewPosition)},
		"TransformerConfig":       {keeper(t, layers.TransformerConfig{DModel: 2, Heads: 1, Positions: layers.SinusoidalPositions}, layers.NewTransformer)},
		"LinearConfig":            {keeper(t, layers.LinearConfig{In: 2, Out: 3}, layers.NewLinear)},
		"NormConfig":              {keeper(t, layers.NormConfig{DModel: 2, Kind: layers.BatchNorm}, layers.NewNorm)},
		"DropoutConfig":           {keeper(t, layers.DropoutConfig{P: 0.5}, layers.NewDropout)},
		"EmbeddingConfig":         {keeper(t, layers.EmbeddingConfig{Vocab: 3, DModel: 2, Padding: &padding}, layers.NewEmbedding)},
		"SoftmaxConfig":           {keeper(t, layers.SoftmaxConfig{DModel: 2, Vocab: 3}, layers.NewSoftmax)},
		"AdaptiveEmbeddingConfig": {keeper(t, layers.AdaptiveEmbeddingConfig{Vocab: 5, DModel: 2, Cutoffs: []int{2, 3}}, layers.NewAdaptiveEmbedding)},
		"AdaptiveSoftmaxConfig":   {keeper(t, layers.AdaptiveSoftmaxConfig{Vocab: 5, DModel: 2, Cutoffs: []int{2, 3}, TieProjs: []bool{false, false}}, layers.NewAdaptiveSoftmax)},
		"StackConfig":             {keeper(t, layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: s4d}, {Mixer: s4}}, Repeat: 2}, layers.NewStack)},
		"LSTMConfig":              {keeper(t, layers.LSTMConfig{DModel: 2, Layers: 2, Dropout: 0.1}, layers.NewLSTM)},
		"GRUConfig":               {keeper(t, layers.GRUConfig{DModel: 2, Bidirectional: true}, layers.NewGRU)},
		"RNNConfig":               {keeper(t, layers.RNNConfig{DModel: 2}, layers.NewRNN)},
		"Conv1DConfig":            {keeper(t, layers.Conv1DConfig{In: 2, Out: 4, Kernel: 3}, layers.NewConv1D)},
		"TCNConfig":               {keeper(t, layers.TCNConfig{In: 2, Out: 4, Kernel: 3, Levels: 2}, layers.NewTCN)},
		"ConvNetConfig":           {keeper(t, layers.ConvNetConfig{DModel: 2}, layers.NewConvNet)},
		"LongConvConfig":          {keeper(t, layers.LongConvConfig{DModel: 2, LMax: 8, SSM: layers.SSM{Frozen: []string{"kernel"}, FollowLR: []string{"D"}}}, layers.NewLongConv)},
		"RetentionConfig":         {keeper(t, layers.RetentionConfig{DModel: 2, Heads: 1}, layers.NewRetention)},
		"RetNetConfig":            {keeper(t, layers.RetNetConfig{DModel: 2, Heads: 1}, layers.NewRetNet)},
		"EMAConfig":               {keeper(t, layers.EMAConfig{DModel: 2, DState: 3}, layers.NewEMA)},
		"MegaAttentionConfig":     {keeper(t, layers.MegaAttentionConfig{DModel: 2}, layers.NewMegaAttention)},
		"MegaConfig":              {keeper(t, layers.MegaConfig{DModel: 2}, layers.NewMega)},
		"MambaConfig":             {keeper(t, layers.MambaConfig{DModel: 2, DState: 3, Bias: true}, layers.NewMamba)},
		"BlockConfig": {
			block(s4), block(s4d), block(dss), block(lssl), block(layers.LSTMConfig{DModel: 2}),
		},
	})
}

// What the caller does to a configuration afterwards, or to one that was handed
// out, does not reach the layer, nor its clones.
func TestConfigurationsOfTheCallerAreNotRead(t *testing.T) {
	cfg := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Frozen: []string{"A"}, FollowLR: []string{"A"}}}}
	want := deepcopy.Of(cfg)
	b, err := layers.NewBlock(G.NewGraph(), tensor.Float32, cfg)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"B"}
	refrozen := layers.WithFrozen(names...)
	names[0] = "nothing"
	params := b.Params()
	for _, c := range []layers.BlockConfig{cfg, b.Config()} {
		c.Mixer.(layers.S4DConfig).Frozen[0] = "nothing"
	}
	for _, p := range params {
		if p.LR != nil {
			*p.LR = -1
		}
	}
	if got := b.Config(); !reflect.DeepEqual(got, want) {
		t.Errorf("want %+v, got %+v", want, got)
	}
	for _, p := range b.Params() {
		if p.LR != nil && *p.LR < 0 {
			t.Errorf("%s: got LR %g", p.Name, *p.LR)
		}
	}
	if _, err := b.CloneTo(G.NewGraph()); err != nil {
		t.Error(err)
	}
	if _, err := b.CloneTo(G.NewGraph(), refrozen); err != nil {
		t.Error(err)
	}
}

// A System shares no memory with its layer, nor the continuous one with the
// discrete one.
func TestSystemsShareNoMemory(t *testing.T) {
	eachStateSpace(t, func(t *testing.T, v variant) {
		l := stateSpace(t, v.on(t, G.NewGraph(), tensor.Float64))
		var systems [2]*layers.System
		for i := range systems {
			s, err := l.System(0, 0)
			if err != nil {
				t.Skip(err)
			}
			systems[i] = s
			if shared := testutil.SharedMemory(s.Continuous, s.Discrete); shared != nil {
				t.Errorf("continuous and discrete: %q", shared)
			}
			if shared := testutil.SharedMemory(s, l); shared != nil {
				t.Errorf("with the layer: %q", shared)
			}
			for _, p := range l.Params() {
				if d, ok := p.Node.Value().Data().([]float64); ok && testutil.SharedMemory(s, d) != nil {
					t.Errorf("with %s", p.Name)
				}
			}
		}
		if shared := testutil.SharedMemory(systems[0], systems[1]); shared != nil {
			t.Errorf("with another: %q", shared)
		}
	})
}
