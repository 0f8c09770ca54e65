package layers_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops"
)

func newS4(t testing.TB, g *G.ExprGraph, dt tensor.Dtype, cfg layers.S4Config, opts ...layers.Option) *layers.S4 {
	t.Helper()
	l, err := layers.NewS4(g, dt, cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lKernel returns the length that kernel.C is tuned to.
func lKernel(t *testing.T, l layers.Layer) int {
	t.Helper()
	for _, b := range l.Buffers() {
		if strings.HasSuffix(b.Name, "kernel.l_kernel") {
			return int(b.Value.Data().([]int64)[0])
		}
	}
	t.Fatal("no buffer kernel.l_kernel")
	return 0
}

func TestS4ParameterNamesAndShapes(t *testing.T) {
	shapes := func(l layers.Layer) string {
		var s []string
		for _, p := range l.Params() {
			s = append(s, fmt.Sprint(strings.TrimPrefix(p.Name, "s4."), p.Node.Shape()))
		}
		return strings.Join(s, " ")
	}
	plain := newS4(t, G.NewGraph(), tensor.Float32, layers.S4Config{DModel: 4, DState: 6, NSSM: 2, Rank: 3, SSM: layers.SSM{Channels: 5, Bidirectional: true}})
	want := "kernel.log_dt(4, 1) kernel.A_real(2, 3) kernel.A_imag(2, 3) kernel.P(3, 2, 3, 2) kernel.B(2, 3, 2) kernel.C(10, 4, 3, 2) D(5, 4) output_linear.weight(8, 20) output_linear.bias(8)"
	if got := shapes(plain); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	gated := newS4(t, G.NewGraph(), tensor.Float32, layers.S4Config{DModel: 4, DState: 2, SSM: layers.SSM{Bottleneck: 2, Gate: 3}})
	want = "input_linear.weight(2, 4) input_linear.bias(2) input_gate.weight(12, 4) input_gate.bias(12) output_gate.weight(12, 2) output_gate.bias(12) " +
		"kernel.log_dt(2, 1) kernel.A_real(2, 1) kernel.A_imag(2, 1) kernel.P(1, 2, 1, 2) kernel.B(2, 1, 2) kernel.C(1, 2, 1, 2) D(1, 2) output_linear.weight(8, 12) output_linear.bias(8)"
	if got := shapes(gated); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestS4Hints(t *testing.T) {
	layer := newS4(t, G.NewGraph(), tensor.Float32, layers.S4Config{DModel: 2, SSM: layers.SSM{LRA: 1e-4, FollowLR: []string{"dt"}, Frozen: []string{"A", "B"}}})
	got := map[string]string{}
	for _, p := range layer.Params() {
		lr, decay := "-", "-"
		if p.LR != nil {
			lr = fmt.Sprint(*p.LR)
		}
		if p.WeightDecay != nil {
			decay = fmt.Sprint(*p.WeightDecay)
		}
		got[strings.TrimPrefix(p.Name, "s4.")] = fmt.Sprint(lr, " ", decay, " ", p.Frozen)
	}
	for name, want := range map[string]string{
		"kernel.log_dt": "- 0 false", "kernel.A_real": "0.0001 0 true", "kernel.A_imag": "0.0001 0 true",
		"kernel.P": "0.0001 0 true", "kernel.B": "0.001 0 true", "kernel.C": "- - false", "D": "- - false",
	} {
		if got[name] != want {
			t.Errorf("%s: lr, decay, frozen: got %q, want %q", name, got[name], want)
		}
	}
}

// Construction tunes kernel.C, to LMax or its default, and no sequence tunes it
// again. What it is tuned to does not matter to shorter ones.
func TestS4IsTunedByConstruction(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	x := testutil.Normal(rng, "x", 1, 2, 30)
	var want []float64
	for _, lMax := range []int{0, 30, 100} {
		g := G.NewGraph()
		layer := newS4(t, g, tensor.Float64, layers.S4Config{DModel: 2, DState: 4, LMax: lMax})
		tuned := layer.Config().LMax
		if n := lKernel(t, layer); n != tuned || lMax > 0 && n != lMax || lMax == 0 && n != 1024 {
			t.Errorf("LMax %d: Config has %d, kernel.C is tuned to %d", lMax, tuned, n)
		}
		r, err := layer.Recurrence(1)
		if err != nil {
			t.Fatal(err)
		}
		y := forward(t, layer, g, tensor.Float64, x)
		if want == nil {
			want = y
		}
		for what, got := range map[string][]float64{"Fwd": y, "Recurrence": stepAll(t, r, tensor.Float64, x)} {
			if e := testutil.RelErr(got, want); !(e <= 1e-10) {
				t.Errorf("LMax %d: %s: relative error %.3g", lMax, what, e)
			}
		}
		// A sequence that is longer than one before it.
		g = G.NewGraph()
		c, err := layer.CloneTo(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []int{1, tuned} {
			if _, err := c.Kernel(l); err != nil {
				t.Errorf("LMax %d: %v", lMax, err)
			}
		}
		if n := lKernel(t, layer); n != tuned {
			t.Errorf("LMax %d: afterwards kernel.C is tuned to %d", lMax, n)
		}
	}
}

func TestS4ForLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 2))
	const short, long = 20, 75
	x := testutil.Normal(rng, "x", 2, 4, long)
	for _, init := range []hippo.Init{hippo.InitLegS, hippo.InitLegT, hippo.InitFouT} {
		layer := newS4(t, G.NewGraph(), tensor.Float64, layers.S4Config{DModel: 4, DState: 8, Init: init, LMax: short})
		if _, err := layer.Kernel(short + 1); err == nil || !strings.Contains(err.Error(), `layers: S4 "s4": Kernel: want at most 20 steps, what kernel.C is tuned to, got 21: for more, set LMax, feed the sequence in parts with FwdState, or make a copy with CloneTo and the option ForLength(21)`) {
			t.Errorf("%s: a kernel longer than kernel.C is tuned to: got error %v", init, err)
		}
		g := G.NewGraph()
		c, err := layer.CloneTo(g, layers.ForLength(long))
		if err != nil {
			t.Fatal(err)
		}
		if n := lKernel(t, c); n != 80 || lKernel(t, layer) != short {
			t.Errorf("%s: the copy is tuned to %d, want 80; the original to %d, want %d", init, n, lKernel(t, layer), short)
		}
		r, err := layer.Recurrence(2)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(forward(t, c, g, tensor.Float64, x), stepAll(t, r, tensor.Float64, x)); !(e <= 1e-9) {
			t.Errorf("%s: the longer kernel is off the recurrence by %.3g", init, e)
		}
		for i, p := range layer.Params() {
			shared := weights.Same(c.Params()[i].Node.Value(), p.Node.Value())
			if own := strings.HasSuffix(p.Name, "kernel.C"); shared == own {
				t.Errorf("%s: %s: shared %v", init, p.Name, shared)
			}
		}
		same, err := layer.CloneTo(G.NewGraph(), layers.ForLength(short))
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range layer.Params() {
			if !weights.Same(same.Params()[i].Node.Value(), p.Node.Value()) {
				t.Errorf("%s: a copy for no more steps does not share %s", init, p.Name)
			}
		}
	}
	// In a block, and at a rate: 40 steps at twice the speed reach back 80.
	block, err := layers.NewBlock(G.NewGraph(), tensor.Float32, layers.BlockConfig{Mixer: layers.S4Config{DModel: 2, DState: 4, LMax: 20}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := block.CloneTo(G.NewGraph(), layers.ForLength(40), layers.AtRate(2))
	if err != nil {
		t.Fatal(err)
	}
	if n := lKernel(t, c); n != 80 {
		t.Errorf("in a block at rate 2: tuned to %d, want 80", n)
	}
}

func TestS4ConfigErrors(t *testing.T) {
	for want, cfg := range map[string]layers.S4Config{
		"want DModel >= 1, got 0":                                {},
		"want an even DState >= 2 (conjugate pairs), got 7":      {DModel: 4, DState: 7},
		"want Rank >= 1 for init \"legs\"":                       {DModel: 4, Rank: -1},
		"want Rank >= 2 for init \"legt\", whose state matrix":   {DModel: 4, Rank: 1, Init: hippo.InitLegT},
		"init \"lin\" is diagonal, which needs no low-rank part": {DModel: 4, Init: hippo.InitLin},
		"got \"x\"": {DModel: 4, Init: "x"},
		"want NSSM a divisor of the number of features H = 2, got 4": {DModel: 4, NSSM: 4, SSM: layers.SSM{Bottleneck: 2}},
		"want LMax >= 1": {DModel: 4, LMax: -1},
		"want 0 < DtMin <= DtMax, got DtMin = 1, DtMax = 0.1": {DModel: 4, DtMin: 1},
		"OffByOne is about the second kernel":                 {DModel: 4, SSM: layers.SSM{OffByOne: true}},
		"want Bottleneck a divisor of DModel = 4":             {DModel: 4, SSM: layers.SSM{Bottleneck: 3}},
		"want Gate >= 1, or 0 for none, got -1":               {DModel: 4, SSM: layers.SSM{Gate: -1}},
		"a gated layer maps its Gate*DModel features back":    {DModel: 4, SSM: layers.SSM{Gate: 2, Mixing: layers.MixNone}},
		"GateActivation and MultActivation are about a gate":  {DModel: 4, SSM: layers.SSM{MultActivation: ops.ActGELU}},
		`want Frozen to name some of dt, A, B, C, D, got "W"`: {DModel: 4, SSM: layers.SSM{Frozen: []string{"W"}}},
	} {
		_, err := layers.NewS4(G.NewGraph(), tensor.Float32, cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), `layers: S4 "s4": S4Config: `) {
			t.Errorf("%+v: got error %v, want %q", cfg, err, want)
		}
	}
	if _, err := layers.NewS4(G.NewGraph(), tensor.Float32, layers.S4Config{DModel: 3, Init: hippo.InitHiPPO}); err == nil || !strings.Contains(err.Error(), "multiple of its 2 part(s), got 3") {
		t.Errorf("a mixture that cannot be shared out: got error %v", err)
	}
}
