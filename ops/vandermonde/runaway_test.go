package vandermonde_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

func finite[T num.Float](v []T) bool {
	for _, x := range v {
		if !num.Finite(x) {
			return false
		}
	}
	return true
}

// runaways returns DSS parameters one of which, or all of a kind, an optimiser
// has driven far out.
func runaways(cfg vandermonde.DSSConfig, s vandermonde.DSSSize) map[string]vandermonde.DSSParams[[]float64] {
	all := make(map[string]vandermonde.DSSParams[[]float64])
	for _, v := range []float64{20, 60, 800, 1000, 1e12, -60, -800, -1e12} {
		for _, step := range []int{1, 2} {
			p := randomDSS(rand.New(rand.NewPCG(3, 4)), cfg, s, true)
			for i := 0; i < len(p.LogDt); i += step {
				p.LogDt[i] = v
			}
			all[fmt.Sprintf("log dt %g, every %d", v, step)] = p
			p = randomDSS(rand.New(rand.NewPCG(3, 4)), cfg, s, true)
			for i := 0; i < len(p.Lambda); i += step {
				p.Lambda[i] = v
			}
			all[fmt.Sprintf("Lambda %g, every %d", v, step)] = p
		}
		p := randomDSS(rand.New(rand.NewPCG(3, 4)), cfg, s, true)
		for i := range p.LogDt {
			p.LogDt[i] = 1000
		}
		for i := range p.Lambda {
			p.Lambda[i] = v
		}
		all[fmt.Sprintf("log dt 1000, Lambda %g", v)] = p
	}
	return all
}

func TestRunawayDSSStaysFinite(t *testing.T) {
	size := vandermonde.DSSSize{CH: 1, H: 2, N: 3, SeparateDt: true}
	for _, version := range vandermonde.DSSVersions() {
		for _, l := range []int{1, 2, 8, 100} {
			cfg := vandermonde.DSSConfig{Version: version, L: l}
			for name, p := range runaways(cfg, size) {
				t.Run(fmt.Sprintf("%s/L%d/%s", version, l, name), func(t *testing.T) {
					checkFiniteDSS(t, cfg, size, p)
					checkFiniteDSS(t, cfg, size, dss32(p))
					checkFiniteStates(t, cfg, dssInputs(size, p))
				})
			}
		}
	}
}

func checkFiniteDSS[T num.Float](t *testing.T, cfg vandermonde.DSSConfig, s vandermonde.DSSSize, p vandermonde.DSSParams[[]T]) {
	t.Helper()
	if k := forwardDSS(t, cfg, s, p); !finite(k) {
		t.Errorf("%T: kernel %v", p, k)
	}
	gk := make([]T, s.CH*s.H*cfg.L)
	for i := range gk {
		gk[i] = T(math.Sin(float64(i + 1)))
	}
	g := backwardDSS(t, cfg, s, p, gk)
	if !finite(g.LogDt) || !finite(g.Lambda) || !finite(g.W) {
		t.Errorf("%T: gradients %v", p, g)
	}
	for i, v := range p.LogDt {
		if (v > 60 || v < -60) && g.LogDt[i] != 0 {
			t.Errorf("%T: gradient of a bounded log dt is %v, want 0", p, g.LogDt[i])
		}
	}
	ab, bb, err := vandermonde.DiscretizeDSS(cfg, s, p)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ab {
		if !finite([]T{T(real(ab[i])), T(imag(ab[i])), T(real(bb[i])), T(imag(bb[i]))}) {
			t.Errorf("%T: recurrence %v, %v", p, ab[i], bb[i])
		}
	}
}

func checkFiniteStates(t *testing.T, cfg vandermonde.DSSConfig, in []testutil.Input) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	x0, u := testutil.Normal(rng, "x0", 2, 2, 3, 2), testutil.Normal(rng, "u", 2, 2, cfg.L)
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		for _, c := range []struct {
			name  string
			build testutil.Build
			in    []testutil.Input
		}{
			{"output of the state", func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				return vandermonde.DSSStateOutput(cfg, cfg.L, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1], W: n[2]}, n[3])
			}, []testutil.Input{in[0], in[1], in[2], x0}},
			{"final state", func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				return vandermonde.DSSFinalState(cfg, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1]}, n[2], n[3])
			}, []testutil.Input{in[0], in[1], u, x0}},
		} {
			r, err := testutil.Run(testutil.Tape, dt, c.build, nil, c.in...)
			if err != nil {
				t.Fatal(err)
			}
			if !finite(r.Out) {
				t.Errorf("%v: %s: %v", dt, c.name, r.Out)
			}
			for i, g := range r.Grads {
				if !finite(g) {
					t.Errorf("%v: %s: gradient of input %d: %v", dt, c.name, i, g)
				}
			}
		}
	}
}

// What is not finite must not be hidden.
func TestInfiniteDSSStaysVisible(t *testing.T) {
	size := vandermonde.DSSSize{CH: 1, H: 1, N: 1}
	for _, version := range vandermonde.DSSVersions() {
		cfg := vandermonde.DSSConfig{Version: version, L: 4}
		for _, bad := range []float64{math.Inf(1), math.NaN()} {
			p := randomDSS(rand.New(rand.NewPCG(1, 2)), cfg, size, false)
			p.LogDt[0] = bad
			if k := forwardDSS(t, cfg, size, p); finite(k) {
				t.Errorf("%q: log dt = %g gives the kernel %v", version, bad, k)
			}
		}
	}
}

// The clip versions bound dt Re Lambda: DSSMaxGrowth.
func TestClipBoundsGrowth(t *testing.T) {
	size := vandermonde.DSSSize{CH: 1, H: 1, N: 1}
	for _, logDt := range []float64{math.Log(9), math.Log(11), 5, 1000} {
		p := vandermonde.DSSParams[[]float64]{LogDt: []float64{logDt}, Lambda: []float64{1, 0}}
		ab, _, err := vandermonde.DiscretizeDSS(vandermonde.DSSConfig{Version: vandermonde.DSSClip, L: 4}, size, p)
		if err != nil {
			t.Fatal(err)
		}
		dt, _ := ssm.Exp.Eval(logDt)
		want := math.Exp(min(dt*vandermonde.DSSMaxReal, vandermonde.DSSMaxGrowth))
		if got := real(ab[0]); math.Abs(got-want) > 1e-15 {
			t.Errorf("log dt = %g: Ab = %.17g, want %.17g", logDt, got, want)
		}
	}
}

// A growing state that numbers of a type cannot hold is left out of their
// recurrence: here e^100.
func TestUnreachableStates(t *testing.T) {
	size := vandermonde.DSSSize{CH: 1, H: 1, N: 2}
	cfg := vandermonde.DSSConfig{L: 100}
	p := vandermonde.DSSParams[[]float64]{LogDt: []float64{0}, Lambda: []float64{1, 2, 0.1, 2}}
	ab, bb, err := vandermonde.DiscretizeDSS(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	ab32, bb32, err := vandermonde.DiscretizeDSS(cfg, size, dss32(p))
	if err != nil {
		t.Fatal(err)
	}
	if ab[0] == 0 || bb[0] == 0 || ab32[0] != 0 || bb32[0] != 0 {
		t.Errorf("e^100: float64 %g, %g, want it kept; float32 %g, %g, want it left out", ab[0], bb[0], ab32[0], bb32[0])
	}
	if ab32[1] == 0 || bb32[1] == 0 {
		t.Errorf("e^10: float32 %g, %g, want it kept", ab32[1], bb32[1])
	}
}
