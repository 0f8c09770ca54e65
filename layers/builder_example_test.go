package layers_test

import (
	"encoding/json"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/param"
)

// HighwayConfig configures a mixer of one's own: of any mixer inside, a gate of each
// feature lets through what it gives, or else the input, from which the mean of the
// data is taken.
type HighwayConfig struct {
	DModel int                `json:"d_model"`
	Inside layers.BlockConfig `json:"inside"`
	Start  string             `json:"start"` // of the gates: one of starts
	Tie    bool               `json:"tie"`   // the gates are those of another, which TiedTo names
}

// starts are ways in which gates may start, for h features.
func starts(h int) map[string]layers.Init {
	return map[string]layers.Init{
		"half": layers.Zeros, "open": layers.Ones,
		"normal": layers.Normal(0.02), "truncated": layers.TruncatedNormal(0.02),
		"torch": layers.UniformFanIn(h), "glorot": layers.XavierUniform(h, 1),
	}
}

// Validate implements layers.Config.
func (c HighwayConfig) Validate() error {
	if c.DModel < 1 || c.DModel != c.Inside.DModel() {
		return fmt.Errorf("HighwayConfig: want DModel >= 1, as Inside has, got %d and %d", c.DModel, c.Inside.DModel())
	}
	if starts(c.DModel)[c.Start] == nil {
		return fmt.Errorf("HighwayConfig: there is no Start %q", c.Start)
	}
	return c.Inside.Validate()
}

// Features implements layers.MixerConfig.
func (c HighwayConfig) Features() (in, out int) { return c.DModel, c.DModel }

// Build implements layers.Config.
func (c HighwayConfig) Build(b *layers.Builder) (layers.Layer, error) {
	h := c.DModel
	l := &Highway{mean: b.Buffer("mean", func() *tensor.Dense { return tensor.New(tensor.WithShape(h), tensor.Of(b.Dtype())) }, h)}
	if c.Tie {
		l.gate = b.Tied("gate", h)
	} else {
		l.gate = b.Param("gate", param.Hint{}, starts(h)[c.Start], h)
	}
	inside, err := b.Child("inside", c.Inside)
	if err != nil {
		return nil, err
	}
	l.inside = inside.(*layers.Block)
	_ = b.Rate() // whoever asks heeds it: what depends on it is inside
	if l.Base, err = b.Done(); err != nil {
		return nil, err
	}
	mean := l.mean.Clone().(*tensor.Dense)
	if err := mean.Reshape(1, h, 1); err != nil {
		return nil, err
	}
	l.centre = G.NodeFromAny(b.Graph(), mean, G.WithName(b.Name()+".centre"))
	return l, nil
}

// Highway is the mixer.
type Highway struct {
	*layers.Base
	gate   *G.Node       // (H)
	mean   *tensor.Dense // (H)
	centre *G.Node       // (1, H, 1)
	inside *layers.Block
}

// Fwd implements layers.Layer.
func (l *Highway) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths implements layers.Mixer.
func (l *Highway) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	x, err := G.BroadcastSub(x, l.centre, nil, []byte{0, 2})
	if err != nil {
		return nil, err
	}
	y, err := l.inside.FwdLengths(x, lengths)
	if err != nil {
		return nil, err
	}
	open := G.Must(G.Reshape(G.Must(G.Sigmoid(l.gate)), l.centre.Shape()))
	some, err := G.BroadcastHadamardProd(G.Must(G.Sub(y, x)), open, nil, []byte{0, 2})
	if err != nil {
		return nil, err
	}
	return G.Add(x, some)
}

// A mixer of one's own that has another one inside, and a name in JSON. Here one has the
// gates of the other.
func ExampleRegisterMixer() {
	if !slices.Contains(layers.MixerKinds(), "highway") { // once: as a rule by an init function
		check(layers.RegisterMixer[HighwayConfig]("highway"))
	}
	const text = `{"kind": "highway", "d_model": 4, "start": "half", "inside": {"mixer": {"kind": "s4d", "d_model": 4, "d_state": 4}}}`
	var cfg layers.BlockConfig
	check(json.Unmarshal([]byte(`{"mixer": `+text+`, "norm": "none"}`), &cfg))
	g := G.NewGraph()
	first, err := layers.NewBlock(g, tensor.Float64, cfg)
	check(err)

	tied := cfg.Mixer.(HighwayConfig)
	tied.Tie = true
	second, err := layers.New(g, tensor.Float64, tied, layers.WithName("second"), layers.TiedTo(first.Mixer()))
	check(err)
	y, err := first.Fwd(sample.Node(g, "x", 2, 4, 10))
	check(err)
	y, err = second.Fwd(y)
	check(err)
	fmt.Println(y.Shape())
	fmt.Println(first)
	fmt.Println(second)
	// Output:
	// (2, 4, 10)
	// Block "block": 11 parameters of 108 elements
	// Highway "second": 10 parameters of 104 elements
}
