package cauchy_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// advancer is a recurrence under test.
type advancer[T num.Float] interface {
	Advance(y, x, u []T) error
	StateLen(batch int) int
	Load(x, src []T) error
	Store(x []T) []T
}

// steps returns both recurrences.
func steps[T num.Float](t *testing.T, cfg cauchy.Config, s cauchy.Size, p cauchy.Params[[]T]) map[string]advancer[T] {
	t.Helper()
	linear, err := cauchy.NewStep(cfg, s, p)
	if err != nil {
		t.Fatal(err)
	}
	dense, err := cauchy.NewDenseStep(cfg, s, p)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]advancer[T]{"linear": linear, "dense": dense}
}

// impulse returns the first n outputs (CH, H, n) for the input 1, 0, 0...
func impulse[T num.Float](t *testing.T, r advancer[T], s cauchy.Size, n int) []float64 {
	t.Helper()
	k := make([]float64, s.CH*s.H*n)
	x, u, y := make([]T, r.StateLen(1)), make([]T, s.H), make([]T, s.CH*s.H)
	for h := range u {
		u[h] = 1
	}
	for l := range n {
		if err := r.Advance(y, x, u); err != nil {
			t.Fatal(err)
		}
		clear(u)
		for i, v := range y {
			k[i*n+l] = float64(v)
		}
	}
	return k
}

// RNN = CNN: the kernel is the impulse response of the recurrence, at any rate.
func TestKernelIsTheImpulseResponse(t *testing.T) {
	const tol = 1e-11
	for _, v := range variants {
		for _, rate := range []float64{1, 1.5, 0.4} {
			cfg := v.cfg
			cfg.LKernel, cfg.Rate, cfg.L = 60, rate, 40
			p := randomParams(rand.New(rand.NewPCG(3, 4)), cfg, v.size)
			want := forward(t, cfg, v.size, p)
			for name, r := range steps(t, cfg, v.size, p) {
				if e := testutil.RelErr(impulse(t, r, v.size, cfg.L), want); !(e <= tol) {
					t.Errorf("%s, rate %g, %s: relative error %.3g > %.3g", v.name, rate, name, e, tol)
				}
			}
		}
	}
}

// The same for the published initialisations at full length: the oracle of the
// kernel's float64 accuracy.
func TestKernelIsTheImpulseResponseOfMeasures(t *testing.T) {
	const tol = 1e-9
	for _, measure := range []string{"legs", "fout", "legt"} {
		for _, L := range []int{1024, 16384} {
			cfg, size, p := measured(t, measure, L)
			r, err := cauchy.NewStep(cfg, size, p)
			if err != nil {
				t.Fatal(err)
			}
			e := testutil.RelErr(impulse(t, r, size, L), forward(t, cfg, size, p))
			t.Logf("%s, L = %d: relative error %.2g", measure, L, e)
			if !(e <= tol) {
				t.Errorf("%s, L = %d: relative error %.3g > %.3g", measure, L, e, tol)
			}
		}
	}
}

// The model without C, tuned to nothing, is that of the recurrence.
func TestDiscretizeIsTheDenseStep(t *testing.T) {
	for _, v := range variants {
		cfg := v.cfg
		cfg.L = 16
		p := randomParams(rand.New(rand.NewPCG(9, 1)), cfg, v.size)
		step, err := cauchy.NewDenseStep(cfg, v.size, p)
		if err != nil {
			t.Fatal(err)
		}
		cfg.L, p.C = 0, nil
		a, b, err := cauchy.Discretize(cfg, v.size, p)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a, step.A) || !slices.Equal(b, step.B) {
			t.Errorf("%s: differs from NewDenseStep", v.name)
		}
		p.P = p.P[1:]
		if _, _, err := cauchy.Discretize(cfg, v.size, p); err == nil || !strings.Contains(err.Error(), "cauchy: Discretize: P: want") {
			t.Errorf("%s: a number missing: got error %v", v.name, err)
		}
	}
}

// A float32 recurrence stays close to the float64 one for as long as the
// sequence lasts. The reference's linear step is off by 7e-4 for FouT at 256.
func TestFloat32Step(t *testing.T) {
	const tol = 5e-6
	for _, measure := range []string{"legs", "fout", "legt"} {
		cfg, size, p := measured(t, measure, 2048)
		want := steps(t, cfg, size, p)
		for name, r := range steps(t, cfg, size, to32(p)) {
			e := testutil.RelErr(impulse(t, r, size, cfg.L), impulse(t, want[name], size, cfg.L))
			t.Logf("%s, %s: relative error %.2g", measure, name, e)
			if !(e <= tol) {
				t.Errorf("%s, %s: relative error %.3g > %.3g", measure, name, e, tol)
			}
		}
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	cfg := cauchy.Config{L: 16}
	size := cauchy.Size{CH: 2, H: 4, S: 2, N: 3, R: 2}
	p := to32(randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size))
	const batch = 3
	u, y := make([]float32, batch*size.H), make([]float32, batch*size.CH*size.H)
	for name, r := range steps(t, cfg, size, p) {
		x := make([]float32, r.StateLen(batch))
		testutil.CheckNoAllocations(t, name, func() error { return r.Advance(y, x, u) })
	}
}

func TestStepErrors(t *testing.T) {
	cfg := cauchy.Config{L: 16}
	size := cauchy.Size{CH: 2, H: 4, S: 2, N: 3, R: 1}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size)
	u, y := make([]float64, 2*4), make([]float64, 2*2*4)
	linear, err := cauchy.NewStep(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	dense, err := cauchy.NewDenseStep(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	x, xd := make([]float64, linear.StateLen(2)), make([]float64, dense.StateLen(2))
	_, none := cauchy.NewStep(cauchy.Config{}, size, p)
	_, bad := cauchy.NewDenseStep(cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.Transform("log")}, L: 16}, size, p)
	for _, c := range []struct {
		err  error
		want string
	}{
		{none, "cauchy: NewStep: want round(LKernel/Rate), the length that C~ is tuned to, at least 1, got 0"},
		{bad, "cauchy: NewDenseStep: field DtTransform: ssm: want transform"},
		{linear.Advance(y, x, u[1:]), "cauchy: Step.Advance: u: want (B, 4), got 7 elements"},
		{linear.Advance(y, x[1:], u), "cauchy: Step.Advance: x: want StateLen(2) = 96 elements, got 95"},
		{linear.Load(x, y[1:]), "cauchy: Step.Load: want states (B, 4, 3, 2), got 15 elements"},
		{dense.Advance(y, xd[1:], u), "cauchy: DenseStep.Advance: x: want (2, 4, 2, 3), got 47 elements"},
		{dense.Advance(y[1:], xd, u), "cauchy: DenseStep.Advance: y: want (2, 2, 4), got 15 elements"},
		{dense.Load(xd, xd[1:]), "cauchy: DenseStep.Load: want states (B, 4, 3, 2) and x of StateLen(B), got 47 and 48 elements"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
