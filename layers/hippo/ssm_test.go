package hippo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// normals returns n numbers drawn from N(0, 1).
func normals(rng *rand.Rand, n int) []float64 {
	return vector(n, func(int) float64 { return rng.NormFloat64() })
}

// measureSSM returns a measure as an SSM with random C and D.
func measureSSM(t *testing.T, rng *rand.Rand, m Measure, n int) *SSM {
	t.Helper()
	a, b := mustTransition(t, m, n, MeasureOptions{})
	return &SSM{A: a, B: b, C: normals(rng, n), D: rng.NormFloat64()}
}

func TestRecurrenceIsConvolution(t *testing.T) {
	const tol = 1e-11
	rng := rand.New(rand.NewPCG(1, 2))
	for _, m := range Measures() {
		for _, n := range []int{4, 8, 64} {
			for _, rule := range rules {
				for _, L := range []int{1, 3, 50} {
					s := measureSSM(t, rng, m, n)
					dt := 0.5 / float64(n*n) // forward Euler is stable too
					r, err := s.Discretize(dt, rule.disc, rule.alpha)
					if err != nil {
						t.Fatal(err)
					}
					u := normals(rng, L)
					rnn, err := r.Scan(nil, u)
					if err != nil {
						t.Fatal(err)
					}
					k, err := r.Kernel(L)
					if err != nil {
						t.Fatal(err)
					}
					cnn := Convolve(k, u)
					for l := range cnn {
						cnn[l] += s.D * u[l]
					}
					within(t, fmt.Sprintf("%s N=%d %s L=%d", m, n, rule.disc, L), rnn, cnn, tol)
				}
			}
		}
	}
}

// Two halves with the state carried over are the whole, and so are single
// steps; a start state adds its response to zero input.
func TestScanCarriesState(t *testing.T) {
	const tol = 1e-13
	rng := rand.New(rand.NewPCG(3, 4))
	const n, L, cut = 8, 31, 13
	r, err := measureSSM(t, rng, LegS, n).Discretize(0.05, "bilinear", 0)
	if err != nil {
		t.Fatal(err)
	}
	u, x0 := normals(rng, L), normals(rng, n)
	scan := func(x, u []float64) []float64 {
		y, err := r.Scan(x, u)
		if err != nil {
			t.Fatal(err)
		}
		return y
	}
	whole := append([]float64(nil), x0...)
	y := scan(whole, u)

	x := append([]float64(nil), x0...)
	halves := append(scan(x, u[:cut]), scan(x, u[cut:])...)
	within(t, "halves", halves, y, tol)
	within(t, "final state", x, whole, tol)

	x = append([]float64(nil), x0...)
	var steps []float64
	for _, v := range u {
		yl, err := r.Step(x, v)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, yl)
	}
	within(t, "steps", steps, y, tol)

	sum := scan(append([]float64(nil), x0...), make([]float64, L))
	for l, v := range scan(nil, u) {
		sum[l] += v
	}
	within(t, "superposition", sum, y, tol)
}

func TestConvolve(t *testing.T) {
	for _, c := range []struct{ k, u, want []float64 }{
		{[]float64{1, 2, 3}, []float64{1, 10, 100, 1000}, []float64{1, 12, 123, 1230}},
		{[]float64{1, 2, 3}, []float64{5}, []float64{5}},
		{nil, []float64{1, 2}, []float64{0, 0}},
		{[]float64{1}, nil, nil},
	} {
		if got := Convolve(c.k, c.u); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("Convolve(%g, %g) = %g, want %g", c.k, c.u, got, c.want)
		}
	}
}

func TestSSMErrors(t *testing.T) {
	a, b := mustTransition(t, LegS, 3, MeasureOptions{})
	r := &Recurrence{A: a, B: b, C: b}
	bad := &Recurrence{A: a, B: b, C: b[:2]}
	none := &Recurrence{}
	step := func(r *Recurrence, x []float64) error { _, err := r.Step(x, 1); return err }
	scan := func(r *Recurrence, x []float64) error { _, err := r.Scan(x, []float64{1}); return err }
	kernel := func(r *Recurrence, L int) error { _, err := r.Kernel(L); return err }
	tune := func(r *Recurrence, L int) error { _, err := r.TuneC(L); return err }
	untune := func(r *Recurrence, ct []float64, L int) error { _, err := r.UntuneC(ct, L); return err }
	_, discErr := (&SSM{A: a, B: b, C: b[:1]}).Discretize(1, "zoh", 0)
	_, stepErr := (&SSM{A: a, B: b, C: b}).Discretize(0, "zoh", 0)
	integrator := &Recurrence{A: mat.NewDense(1, 1, []float64{1}), B: []float64{1}, C: []float64{1}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{discErr, `hippo: SSM: want B and C of equal length, got 3 and 1`},
		{stepErr, `hippo: ZOH: want a finite step`},
		{step(bad, b), `hippo: Step: want C (3), got (2)`},
		{step(none, b), `hippo: Step: want a matrix A, got nil`},
		{step(r, b[:2]), `hippo: Step: want a state (3), got (2)`},
		{scan(bad, nil), `hippo: Scan: want C (3), got (2)`},
		{scan(r, b[:2]), `hippo: Scan: want a state (3), got (2)`},
		{kernel(r, 0), `hippo: Kernel: want L in [1, 1073741824], got 0`},
		{kernel(none, 1), `hippo: Kernel: want a matrix A, got nil`},
		{tune(r, 0), `hippo: TuneC: want L in [1, 1073741824], got 0`},
		{tune(bad, 1), `hippo: TuneC: want C (3), got (2)`},
		{untune(r, b[:2], 4), `hippo: UntuneC: want C~ (3), got (2)`},
		{untune(r, b, -1), `hippo: UntuneC: want L in [1, 1073741824], got -1`},
		{untune(integrator, []float64{1}, 4), `hippo: UntuneC: I - A^4: matrix singular`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}

// A discrete model has matrices of its own.
func TestDiscretizedModelSharesNoMemory(t *testing.T) {
	s := measureSSM(t, rand.New(rand.NewPCG(1, 7)), LegS, 3)
	for _, disc := range []ssm.Disc{ssm.ZOH, ssm.Bilinear} {
		r, err := s.Discretize(0.1, disc, 0)
		if err != nil {
			t.Fatal(err)
		}
		if shared := testutil.SharedMemory(s, r); shared != nil {
			t.Errorf("%s: %q", disc, shared)
		}
	}
}
