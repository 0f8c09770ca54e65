package mimo_test

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/mimo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// s5 adds the poles of S5, with dt and lengths if there are inputs for them.
func s5(cfg mimo.PolesConfig) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		n = append(n, nil, nil)
		return mimo.S5Poles(cfg, mimo.S5Params[*G.Node]{LambdaRe: n[0], LambdaIm: n[1], LogStep: n[2]}, n[3], n[4])
	}
}

// lru adds the poles of the LRU.
func lru(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
	return mimo.LRUPoles(mimo.LRUParams[*G.Node]{NuLog: n[0], ThetaLog: n[1], GammaLog: n[2]})
}

func s5Inputs(rng *rand.Rand, p int) []testutil.Input {
	return []testutil.Input{
		testutil.Uniform(rng, "re", -2, -0.1, p), testutil.Uniform(rng, "im", -3, 3, p), testutil.Uniform(rng, "log_step", -3, 0.5, p, 1),
	}
}

func TestPoleGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	for _, cfg := range []mimo.PolesConfig{{}, {Disc: ssm.Bilinear, Rate: 2}, {Unclipped: true, Rate: 0.5}} {
		in := s5Inputs(rng, 4)
		testutil.Check(t, s5(cfg), in...)
		in = append(in, testutil.Uniform(rng, "dt", 0.2, 2, 3, 5))
		testutil.Check(t, s5(cfg), in...)
		testutil.Check(t, s5(cfg), append(in, testutil.Ints("lengths", []int{5, 0, 2}, 3))...)
	}
	testutil.Check(t, lru, testutil.Uniform(rng, "nu", -4, 1, 5), testutil.Uniform(rng, "theta", -3, 1.8, 5), testutil.Uniform(rng, "gamma", -2, 0, 5))
}

// poles returns the poles and the factors that an op has written.
func poles(v []float64) (a, beta []complex128) {
	n := len(v) / 4
	for p := range n {
		a = append(a, complex(v[p], v[n+p]))
		beta = append(beta, complex(v[2*n+p], v[3*n+p]))
	}
	return a, beta
}

func TestPoleFormulas(t *testing.T) {
	const tol = 1e-13
	rng := rand.New(rand.NewPCG(2, 3))
	near := func(what string, got, want complex128) {
		t.Helper()
		if !(cmplx.Abs(got-want) <= tol*cmplx.Abs(want)) {
			t.Errorf("%s: got %g, want %g", what, got, want)
		}
	}
	const n = 6
	in := s5Inputs(rng, n)
	in[0].F[1] = 3 // clipped
	for _, disc := range []ssm.Disc{ssm.ZOH, ssm.Bilinear} {
		v, err := testutil.Forward(tensor.Float64, s5(mimo.PolesConfig{Disc: disc, Rate: 1.5}), in...)
		if err != nil {
			t.Fatal(err)
		}
		a, beta := poles(v)
		for p := range n {
			lambda, dt := complex(min(in[0].F[p], mimo.ClipRe), in[1].F[p]), complex(1.5*math.Exp(in[2].F[p]), 0)
			wantA, wantBeta := cmplx.Exp(lambda*dt), (cmplx.Exp(lambda*dt)-1)/lambda
			if disc == ssm.Bilinear {
				wantA, wantBeta = (1+dt*lambda/2)/(1-dt*lambda/2), dt/(1-dt*lambda/2)
			}
			near("a", a[p], wantA)
			near("beta", beta[p], wantBeta)
		}
	}
	raw := []testutil.Input{testutil.Uniform(rng, "nu", -4, 1, n), testutil.Uniform(rng, "theta", -3, 1.8, n), testutil.Uniform(rng, "gamma", -2, 0, n)}
	v, err := testutil.Forward(tensor.Float64, lru, raw...)
	if err != nil {
		t.Fatal(err)
	}
	a, beta := poles(v)
	for p := range n {
		near("a", a[p], cmplx.Exp(complex(-math.Exp(raw[0].F[p]), math.Exp(raw[1].F[p]))))
		near("beta", beta[p], complex(math.Exp(raw[2].F[p]), 0))
	}
}

// However far the parameters run away, the numbers that a pole is made of have a modulus
// below 1, and all are finite.
func TestPolesStayInside(t *testing.T) {
	values := []float64{0, 1, -1, 30, -30, 700, -700, 1e6, -1e6, 1e30, -1e30}
	var re, im, step []float64
	for _, a := range values {
		for _, b := range values {
			for _, c := range values {
				re, im, step = append(re, a), append(im, b), append(step, c)
			}
		}
	}
	n := len(re)
	in := []testutil.Input{
		{Name: "re", Shape: tensor.Shape{n}, F: re}, {Name: "im", Shape: tensor.Shape{n}, F: im}, {Name: "step", Shape: tensor.Shape{n, 1}, F: step},
	}
	flat := append([]testutil.Input{}, in...)
	flat[2].Shape = tensor.Shape{n}
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		for _, c := range []struct {
			name  string
			build testutil.Build
			in    []testutil.Input
		}{{"zoh", s5(mimo.PolesConfig{}), in}, {"bilinear", s5(mimo.PolesConfig{Disc: ssm.Bilinear}), in}, {"lru", lru, flat}} {
			v, err := testutil.Forward(dt, c.build, c.in...)
			if err != nil {
				t.Fatal(err)
			}
			a, beta := poles(v)
			for p := range n {
				if r := real(a[p])*real(a[p]) + imag(a[p])*imag(a[p]); !(r < 1) || cmplx.IsNaN(beta[p]) || cmplx.IsInf(beta[p]) {
					t.Fatalf("%s %v: parameters %g, %g, %g: pole %g of modulus %g, factor %g", c.name, dt, re[p], im[p], step[p], a[p], cmplx.Abs(a[p]), beta[p])
				}
			}
		}
	}
}

// Steps that are all 1 are those of no dt.
func TestRegularSteps(t *testing.T) {
	in := s5Inputs(rand.New(rand.NewPCG(3, 3)), 3)
	want, err := testutil.Forward(tensor.Float64, s5(mimo.PolesConfig{}), in...)
	if err != nil {
		t.Fatal(err)
	}
	ones := testutil.Input{Name: "dt", Shape: tensor.Shape{2, 2}, F: []float64{1, 1, 1, 1}}
	got, err := testutil.Forward(tensor.Float64, s5(mimo.PolesConfig{}), append(in, ones)...)
	if err != nil {
		t.Fatal(err)
	}
	w := len(want) / 2
	for i, v := range got {
		if v != want[i/(4*w)*w+i%w] {
			t.Fatalf("element %d: got %g, want %g", i, v, want[i/(4*w)*w+i%w])
		}
	}
}

func TestPoleErrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 3))
	dt := func(v ...float64) testutil.Input {
		return testutil.Input{Name: "dt", Shape: tensor.Shape{1, len(v)}, F: v}
	}
	positive := s5Inputs(rng, 2)
	positive[0].F[1] = 0
	for _, c := range []struct {
		cfg  mimo.PolesConfig
		in   []testutil.Input
		want string
	}{
		{mimo.PolesConfig{Disc: ssm.Euler}, s5Inputs(rng, 2), `want discretisation "zoh" or "bilinear", got "euler"`},
		{mimo.PolesConfig{Rate: -1}, s5Inputs(rng, 2), "want Rate a finite number"},
		{mimo.PolesConfig{Unclipped: true}, positive, "mimo.S5Poles: LambdaRe: want < 0, as Unclipped does not keep it so, got 0 at state 1"},
		{mimo.PolesConfig{}, append(s5Inputs(rng, 2), dt(1, 0)), "mimo.S5Poles: dt: want finite step sizes > 0, got 0 at step 1 of row 0"},
		{mimo.PolesConfig{}, append(s5Inputs(rng, 2), dt(-2, 1)), "got -2 at step 0 of row 0"},
		{mimo.PolesConfig{}, append(s5Inputs(rng, 2), dt(1, math.NaN())), "got NaN at step 1 of row 0"},
		{mimo.PolesConfig{}, append(s5Inputs(rng, 2), dt(math.Inf(1))), "got +Inf at step 0 of row 0"},
		{mimo.PolesConfig{}, append(s5Inputs(rng, 2), testutil.Normal(rng, "dt", 3)), "dt: want (B, L), each at least 1, got (3)"},
		{mimo.PolesConfig{}, append(s5Inputs(rng, 2), dt(1, 1), testutil.Ints("lengths", []int{3}, 1)), "lengths[0]: want a length in [0, 2], got 3"},
		{mimo.PolesConfig{}, append(s5Inputs(rng, 2)[:2], testutil.Normal(rng, "step", 2)), "LogStep: want (2, 1), got (2)"},
	} {
		if _, err := testutil.Forward(tensor.Float64, s5(c.cfg), c.in...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
	// A step behind the end of a row is not read.
	if _, err := testutil.Forward(tensor.Float64, s5(mimo.PolesConfig{}), append(s5Inputs(rng, 2), dt(1, 0), testutil.Ints("lengths", []int{1}, 1))...); err != nil {
		t.Error(err)
	}
	args := []testutil.Argument{testutil.Arg("LambdaRe", 3), testutil.Arg("LambdaIm", 3), testutil.Arg("LogStep", 3, 1), testutil.Arg("dt", 2, 4)}
	testutil.CheckArguments(t, "mimo.S5Poles", args, func(n []*G.Node) (*G.Node, error) { return s5(mimo.PolesConfig{})(nil, n) })
	args = []testutil.Argument{testutil.Arg("NuLog", 3), testutil.Arg("ThetaLog", 3), testutil.Arg("GammaLog", 3)}
	testutil.CheckArguments(t, "mimo.LRUPoles", args, func(n []*G.Node) (*G.Node, error) { return lru(nil, n) })
}
