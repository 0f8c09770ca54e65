package layers_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/param"
)

// pacedConfig is a mixer from elsewhere: it asks for the rate, or is nothing but a layer
// inside, or neither.
type pacedConfig struct {
	DModel int
	Asks   bool
	Inside layers.MixerConfig
	Own    bool // it has a parameter besides
}

func (c pacedConfig) Validate() error         { return nil }
func (c pacedConfig) Features() (in, out int) { return c.DModel, c.DModel }
func (c pacedConfig) Build(b *layers.Builder) (layers.Layer, error) {
	l := &paced{}
	if c.Asks {
		b.Rate()
	}
	if c.Inside != nil {
		if _, err := b.Child("inside", c.Inside); err != nil {
			return nil, err
		}
	}
	if c.Own || c.Inside == nil {
		b.Param("w", param.Hint{}, layers.Ones, 1)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

type paced struct{ *layers.Base }

func (l *paced) Fwd(x *G.Node) (*G.Node, error)                 { return x, nil }
func (l *paced) FwdLengths(x, lengths *G.Node) (*G.Node, error) { return x, nil }

// What a rate is nothing to, and what heeds it, may be copied at another; what would
// ignore it is named.
func TestCheckRate(t *testing.T) {
	s4d := layers.S4DConfig{DModel: 4, DState: 4}
	cases := []struct {
		cfg  layers.MixerConfig
		want string // of the error
	}{
		{s4d, ""}, {layers.S4Config{DModel: 4, DState: 4, LMax: 8}, ""}, {layers.DSSConfig{DModel: 4, DState: 4}, ""}, {layers.LSSLConfig{DModel: 4, DState: 4}, ""},
		{layers.S5Config{DModel: 4, DState: 4}, ""}, {layers.LRUConfig{DModel: 4, DState: 4}, `LRU "blocks.0.layer"`},
		{layers.S4NDConfig{DModel: 4, S4NDAxis: layers.S4NDAxis{DState: 4}}, ""}, {layers.LinearConfig{In: 4, Out: 4}, ""}, {layers.FeedForwardConfig{DModel: 4, FF: 8}, ""},
		{layers.LSTMConfig{DModel: 4}, `LSTM "blocks.0.layer"`}, {layers.GRUConfig{DModel: 4}, `GRU "blocks.0.layer"`}, {layers.RNNConfig{DModel: 4}, `RNN "blocks.0.layer"`}, {layers.HiPPORNNConfig{DModel: 4}, `HiPPORNN "blocks.0.layer"`}, {layers.ESNConfig{DModel: 4}, `ESN "blocks.0.layer"`},
		{layers.Conv1DConfig{In: 4, Out: 4, Kernel: 3}, `Conv1D "blocks.0.layer"`}, {layers.LongConvConfig{DModel: 4, LMax: 8}, `LongConv "blocks.0.layer"`}, {layers.CKConvConfig{In: 4, Out: 4, LMax: 8}, ""}, {layers.CKBlockConfig{In: 4, Out: 4, LMax: 8}, ""},
		{layers.AttentionConfig{DModel: 4, Heads: 2}, `Attention "blocks.0.layer"`}, {layers.PositionConfig{DModel: 4}, `Position "blocks.0.layer"`},
		{layers.MambaConfig{DModel: 4}, `Mamba "blocks.0.layer"`},
		{layers.RetentionConfig{DModel: 4, Heads: 2}, `Retention "blocks.0.layer"`}, {layers.RetNetConfig{DModel: 4, Heads: 2}, `"blocks.0.layer`},
		{layers.EMAConfig{DModel: 4}, `EMA "blocks.0.layer"`}, {layers.MegaAttentionConfig{DModel: 4}, `"blocks.0.layer`}, {layers.MegaConfig{DModel: 4}, `"blocks.0.layer`},
		{layers.TCNConfig{In: 4, Out: 4, Levels: 1}, `"blocks.0.layer`}, {layers.ConvNetConfig{DModel: 4}, `"blocks.0.layer`}, {layers.TransformerConfig{DModel: 4, Heads: 2}, `"blocks.0.layer`},
		{pacedConfig{DModel: 4, Asks: true}, ""}, {pacedConfig{DModel: 4}, `paced "blocks.0.layer"`}, {pacedConfig{DModel: 4, Inside: s4d}, ""},
		{pacedConfig{DModel: 4, Inside: s4d, Own: true}, `paced "blocks.0.layer"`}, {pacedConfig{DModel: 4, Inside: layers.GRUConfig{DModel: 4}}, `GRU "blocks.0.layer.inside"`},
	}
	var all []layers.MixerConfig
	for _, c := range cases {
		all = append(all, c.cfg)
	}
	wantEveryKind(t, "cases", all...)
	for _, c := range cases {
		b := layers.BlockConfig{Mixer: c.cfg}
		switch c.cfg.(type) {
		case layers.TCNConfig, layers.CKBlockConfig, layers.TransformerConfig, layers.RetNetConfig, layers.MegaAttentionConfig, layers.MegaConfig:
			b.NoResidual, b.Norm = true, layers.NoNorm
		}
		s, err := layers.NewStack(G.NewGraph(), tensor.Float32, layers.StackConfig{Blocks: []layers.BlockConfig{b}}, layers.WithName("blocks"))
		if err != nil {
			t.Fatal(err)
		}
		if err := layers.CheckRate(s); err != nil {
			t.Errorf("%T at rate 1: %v", c.cfg, err)
		}
		other, err := s.CloneTo(G.NewGraph(), layers.AtRate(0.5))
		if err != nil {
			t.Fatal(err)
		}
		again, err := other.CloneTo(G.NewGraph())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []layers.Layer{other, again, other.Blocks()[0], other.Blocks()[0].Mixer()} {
			err := layers.CheckRate(l)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasSuffix(err.Error(), "AtRate: it has no step size, and reads at rate 0.5 what it would read at rate 1")) {
				t.Errorf("%T: got error %v, want one of %q", c.cfg, err, c.want)
			}
		}
	}
	if err := layers.CheckRate(nil); err == nil {
		t.Error("nil was accepted")
	}
}
