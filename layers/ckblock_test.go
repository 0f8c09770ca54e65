package layers_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

func TestCKBlockConfig(t *testing.T) {
	for want, cfg := range map[string]layers.CKBlockConfig{
		"CKBlockConfig: want In >= 1, got 0":                                         {Out: 1},
		"CKBlockConfig: want Out >= 1, got -1":                                       {In: 1, Out: -1},
		"CKBlockConfig: want Hidden >= 1, got -2":                                    {In: 1, Out: 1, Hidden: -2},
		"CKBlockConfig: want LMax in [2, ":                                           {In: 1, Out: 1, LMax: 1},
		"CKBlockConfig: Dropout: DropoutConfig: want P in [0, 1), got 1":             {In: 1, Out: 1, Dropout: 1},
		"CKBlockConfig: cconv2: want at most 2147483647 elements in kernel_net.8.we": {In: 1, Out: 1 << 16, Hidden: 1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// TestCKBlockIsTheFormula composes the block from its parts: the kernels are what the
// convolutions make of an impulse.
func TestCKBlockIsTheFormula(t *testing.T) {
	const n, out = 9, 3
	for _, in := range []int{2, out} {
		cfg := layers.CKBlockConfig{In: in, Out: out, Hidden: 4, LMax: n, Omega0: 5}
		g := G.NewGraph()
		l, err := layers.NewCKBlock(g, tensor.Float64, cfg)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(7, uint64(in)))
		for _, p := range l.Params() { // norms and biases that are seen
			v := p.Node.Value().Data().([]float64)
			for i := range v {
				v[i] += 0.3 * rng.NormFloat64()
			}
		}
		input := testutil.Normal(rng, "x", 1, in, n)
		u, width := input.F, in
		for _, k := range []string{"1", "2"} {
			u = convolvedByCKConv(t, l, "cconv"+k, u, width, out, n, cfg)
			weight, bias := weightsOf(t, l, "norm"+k+".weight"), weightsOf(t, l, "norm"+k+".bias")
			for s := range n {
				var mean, variance float64
				for f := range out {
					mean += u[f*n+s] / out
				}
				for f := range out {
					variance += (u[f*n+s] - mean) * (u[f*n+s] - mean) / out
				}
				for f := range out {
					u[f*n+s] = max((u[f*n+s]-mean)/math.Sqrt(variance+1e-5)*weight[f]+bias[f], 0)
				}
			}
			width = out
		}
		x := input.F
		if in != out {
			x = convolved(x, in, n, weightsOf(t, l, "shortcut.weight"), weightsOf(t, l, "shortcut.bias"), out, 1, 1, 1, 1, 0)
		}
		for i := range u {
			u[i] = max(u[i]+x[i], 0)
		}
		if e := testutil.RelErr(forward(t, l, g, tensor.Float64, input), u); !(e <= 1e-12) {
			t.Errorf("%d features to %d: off by %.3g", in, out, e)
		}
		want := 2 * (9 + 2)
		if in != out {
			want += 2
		}
		if got := len(l.Params()); got != want {
			t.Errorf("%d parameters, want %d", got, want)
		}
	}
}

// convolvedByCKConv is what a CKConv with the parameters of the layer's of that name makes
// of x (in, n).
func convolvedByCKConv(t *testing.T, l layers.Layer, name string, x []float64, in, out, n int, cfg layers.CKBlockConfig) []float64 {
	t.Helper()
	g := G.NewGraph()
	conv, err := layers.NewCKConv(g, tensor.Float64, layers.CKConvConfig{In: in, Out: out, Hidden: cfg.Hidden, LMax: cfg.LMax, Omega0: cfg.Omega0}, layers.WithName("conv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range conv.Params() {
		copy(p.Node.Value().Data().([]float64), weightsOf(t, l, name+strings.TrimPrefix(p.Name, "conv")))
	}
	return forward(t, conv, g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, in, n}, F: x})
}
