package ops

import (
	"fmt"
	"math"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

var naiveActivations = map[Activation]func(float64) float64{
	ActGELU:     func(x float64) float64 { return x * 0.5 * math.Erfc(-x/math.Sqrt2) },
	ActGELUTanh: func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) },
	ActReLU:     func(x float64) float64 { return math.Max(x, 0) },
	ActSiLU:     func(x float64) float64 { return x / (1 + math.Exp(-x)) },
	ActTanh:     math.Tanh,
	ActSigmoid:  func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	ActIdentity: func(x float64) float64 { return x },
}

func TestActivate(t *testing.T) {
	rng := newRand(1)
	for _, kind := range activations {
		t.Run(string(kind), func(t *testing.T) {
			for _, shape := range [][]int{{}, {1}, {17}, {3, 5}, {1, 3, 17}} {
				x := testutil.Uniform(rng, "x", -4, 4, shape...)
				want := make([]float64, len(x.F))
				for i, v := range x.F {
					want[i] = naiveActivations[kind](v)
				}
				f := build(func(n []*G.Node) (*G.Node, error) { return Activate(kind, n[0]) })
				checkValue(t, f, want, x)
				if kind == ActIdentity && len(shape) == 0 {
					continue // the loss would be the input itself
				}
				testutil.Check(t, f, x)
			}
		})
	}
}

func TestGELUIsActivate(t *testing.T) {
	x := testutil.Uniform(newRand(2), "x", -40, 40, 3, 100)
	want, err := testutil.Forward(tensor.Float64, build(func(n []*G.Node) (*G.Node, error) { return Activate(ActGELU, n[0]) }), x)
	if err != nil {
		t.Fatal(err)
	}
	checkValue(t, build(func(n []*G.Node) (*G.Node, error) { return GELU(n[0]) }), want, x)
}

func TestReLUAtZeroAndNaN(t *testing.T) {
	p := newPass[float64](newActivation[float64](ActReLU), 3, []int{3})
	copy(p.in[0].F, []float64{0, -1, math.NaN()})
	p.run(t)
	if p.out[0] != 0 || p.grad[0][0] != 0 {
		t.Errorf("at 0: got value %g and derivative %g, want 0 and 0", p.out[0], p.grad[0][0])
	}
	if !math.IsNaN(p.out[2]) {
		t.Errorf("at NaN: got %g, want NaN", p.out[2])
	}
}

func TestGLU(t *testing.T) {
	rng := newRand(3)
	f := build(func(n []*G.Node) (*G.Node, error) { return GLU(n[0]) })
	for _, n := range bhlSizes {
		B, H, L := n[0], n[1], n[2]
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			x := testutil.Normal(rng, "x", B, 2*H, L)
			checkValue(t, f, naiveGLU(x.F, B, H, L), x)
			testutil.Check(t, f, x)
			x = testutil.Normal(rng, "x", B, 2*H)
			checkValue(t, f, naiveGLU(x.F, B, H, 1), x)
			testutil.Check(t, f, x)
		})
	}
}

func TestActivationCores(t *testing.T) {
	const n = 50000
	for _, kind := range activations {
		if kind == ActIdentity {
			continue
		}
		p := newPass[float32](newActivation[float32](kind), n, []int{n})
		p.readOut = kind == ActTanh || kind == ActSigmoid
		checkPass(t, p, once)
	}
	checkPass(t, newPass[float32](&glu[float32]{b: 2, half: n}, 2*n, []int{4 * n}), once)
}

func TestActivationErrors(t *testing.T) {
	g := newGraph()
	_, err := Activate("swish", g.f64("x", 3))
	wantError(t, err, `ops.Activate: want an activation of ["gelu" "gelu_tanh" "relu" "silu" "tanh" "sigmoid" "identity"], got "swish"`)
	_, err = Activate(ActIdentity, nil)
	wantError(t, err, "ops.Activate: want x, got nil")
	_, err = GELU(g.ints("i", 3))
	wantError(t, err, "ops.GELU: want x of dtype float32 or float64, got dtype int")
	_, err = GELU(g.f64("empty", 3, 0))
	wantError(t, err, "ops.GELU: want x with every axis at least 1, got (3, 0)")
	_, err = GLU(g.f64("odd", 2, 3, 5))
	wantError(t, err, "ops.GLU: want x (B, 2H, L) or (B, 2H), got (2, 3, 5)")
	_, err = GLU(g.f64("flat", 4))
	wantError(t, err, "ops.GLU: want x (B, 2H, L) or (B, 2H), got (4)")
}

func BenchmarkGELU(b *testing.B) {
	const n = 50 * 128 * 1024
	bench(b, newPass[float32](newActivation[float32](ActGELU), n, []int{n}))
}
