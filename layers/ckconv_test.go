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

func TestCKConvConfig(t *testing.T) {
	for want, cfg := range map[string]layers.CKConvConfig{
		"want In >= 1, got 0":                    {Out: 1},
		"want Out >= 1, got -1":                  {In: 1, Out: -1},
		"want Hidden >= 1, got -2":               {In: 1, Out: 1, Hidden: -2},
		"want LMax in [2, ":                      {In: 1, Out: 1, LMax: 1},
		"want a finite Omega0 > 0, or 0":         {In: 1, Out: 1, Omega0: -3},
		"elements in the kernels (Out, In, LMax": {In: 1 << 10, Out: 1 << 10, LMax: 1 << 20, Hidden: 1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "CKConvConfig: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// The start: as in the public code, or as the paper intends.
func TestCKConvStart(t *testing.T) {
	for siren, want := range map[bool]map[string]float64{
		false: {"kernel_net.0.weight": 1, "kernel_net.4.weight_v": 0.25, "kernel_net.8.weight_v": 0.25, "kernel_net.0.bias": 1, "kernel_net.4.bias": 1},
		true:  {"kernel_net.0.weight": 1, "kernel_net.4.weight_v": math.Sqrt(6.0/16) / 20, "kernel_net.8.weight_v": math.Sqrt(6.0/16) / 20, "kernel_net.0.bias": 1, "kernel_net.4.bias": 1},
	} {
		l, err := layers.NewCKConv(G.NewGraph(), tensor.Float64, layers.CKConvConfig{In: 4, Out: 5, Hidden: 16, Omega0: 20, SIREN: siren})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range l.Params() {
			name := strings.TrimPrefix(p.Name, "ckconv.")
			if strings.HasSuffix(name, "weight_g") {
				continue
			}
			var most float64
			for _, v := range p.Node.Value().Data().([]float64) {
				most = max(most, math.Abs(v))
			}
			if bound := want[name]; !(most <= bound && most >= 0.7*bound) {
				t.Errorf("siren %t: %s starts up to %g, want %g", siren, name, most, bound)
			}
		}
	}
}

// At twice the rate of a smooth kernel, every second sample of an input gives nearly what
// the whole input does: the kernel is the same function, and sums are over time.
func TestCKConvAtAnotherRate(t *testing.T) {
	const n = 401
	cfg := layers.CKConvConfig{In: 1, Out: 1, LMax: n, Omega0: 2, Hidden: 8}
	whole, every := make([]float64, n), make([]float64, n/2+1)
	for i := range whole {
		whole[i] = math.Sin(float64(i) / 40)
		if i%2 == 0 {
			every[i/2] = whole[i]
		}
	}
	g := G.NewGraph()
	l, err := layers.NewCKConv(g, tensor.Float64, cfg, layers.WithSeed(1))
	if err != nil {
		t.Fatal(err)
	}
	y := forward(t, l, g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 1, n}, F: whole})
	g = G.NewGraph()
	c, err := l.CloneTo(g, layers.AtRate(2))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.StateShapes(1)[0].Shape[2]; got != (n-1)/2 {
		t.Errorf("state of %d inputs, want %d", got, (n-1)/2)
	}
	half := forward(t, c, g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 1, n/2 + 1}, F: every})
	var worst, most float64
	for i, v := range half {
		worst, most = max(worst, math.Abs(v-y[2*i])), max(most, math.Abs(v))
	}
	if !(worst < 0.02*most) {
		t.Errorf("at twice the rate outputs differ by %g of %g", worst, most)
	}
	if e := testutil.RelErr(half, y[:len(half)]); e < 0.1 {
		t.Errorf("the rate does nothing: outputs differ by %g", e)
	}
}

// A sequence longer than what was learned from sees the last LMax inputs alone.
func TestCKConvForgets(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	x := testutil.Normal(rng, "x", 1, 2, 20)
	var y [2][]float64
	for k := range y {
		g := G.NewGraph()
		l, err := layers.NewCKConv(g, tensor.Float64, layers.CKConvConfig{In: 2, Out: 1, LMax: 8, Hidden: 3}, layers.WithSeed(2))
		if err != nil {
			t.Fatal(err)
		}
		y[k] = forward(t, l, g, tensor.Float64, x)
		x.F[3] += 1
	}
	for i := range y[0] {
		if moved := math.Abs(y[0][i]-y[1][i]) > 1e-9; moved != (i >= 3 && i < 11) {
			t.Errorf("an input at step 3 moves output %d: %t", i, moved)
		}
	}
}
