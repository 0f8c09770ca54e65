package hippo

import (
	"fmt"
	"math"
	"math/cmplx"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// rules lists the discretisations with the alpha they take.
var rules = []struct {
	disc  ssm.Disc
	alpha float64
}{
	{ssm.ZOH, 0}, {ssm.Bilinear, 0}, {ssm.Euler, 0}, {ssm.BackwardEuler, 0}, {ssm.GBT, 0.3}, {ssm.GBT, 0.75},
}

func TestDenseGolden(t *testing.T) {
	const tol = 1e-12
	for _, c := range golden.Cases(t, "dense_ssm") {
		t.Run(c.Name, func(t *testing.T) {
			n := c.Int("N", 0)
			s := &SSM{A: mat.NewDense(n, n, c.F(t, "A")), B: c.F(t, "B"), C: c.F(t, "C")}
			r, err := s.Discretize(c.Float("dt", 0), ssm.Disc(c.String("method")), c.Float("alpha", 0))
			if err != nil {
				t.Fatal(err)
			}
			k, err := r.Kernel(c.Int("L", 0))
			if err != nil {
				t.Fatal(err)
			}
			within(t, "dA", elements(r.A), c.F(t, "dA"), tol)
			within(t, "dB", r.B, c.F(t, "dB"), tol)
			within(t, "K", k, c.F(t, "K"), tol)
		})
	}
}

// The LSSL cases have x' = -A x + B u.
func TestLSSLGolden(t *testing.T) {
	const tol = 1e-12
	for _, c := range golden.Cases(t, "lssl") {
		t.Run(c.Name, func(t *testing.T) {
			n, L := c.Int("N", 0), c.Int("L", 0)
			a := mat.NewDense(n, n, nil)
			a.Scale(-1, mat.NewDense(n, n, c.F(t, "A")))
			for h, logDt := range c.F(t, "log_dt") {
				s := &SSM{A: a, B: c.F(t, "Bvec"), C: c.F(t, "C")[h*n : (h+1)*n]}
				r, err := s.Discretize(math.Exp(logDt), ssm.GBT, c.Float("alpha", 0))
				if err != nil {
					t.Fatal(err)
				}
				k, err := r.Kernel(L)
				if err != nil {
					t.Fatal(err)
				}
				within(t, "dA", elements(r.A), c.F(t, "dA")[h*n*n:(h+1)*n*n], tol)
				within(t, "dB", r.B, c.F(t, "dB")[h*n:(h+1)*n], tol)
				within(t, "K", k, c.F(t, "K")[h*L:(h+1)*L], tol)
			}
		})
	}
}

// A rule of order p leaves an error of O(dt^p) against the continuous system;
// zero-order hold is exact for a constant input.
func TestDiscretizeFollowsTheContinuousModel(t *testing.T) {
	const n = 4
	a, b := mustTransition(t, LegS, n, MeasureOptions{})
	// x(1) for u = 1 from x(0) = 0: the integral of e^(sA) B.
	want := vector(n, func(i int) float64 {
		return gauss(func(s float64) float64 {
			phi, err := Basis(LegS, n, s, MeasureOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return math.Exp(-s) * phi[i]
		}, 0, 1)
	})
	for _, c := range []struct {
		disc  ssm.Disc
		alpha float64
		order float64
	}{
		{ssm.ZOH, 0, math.Inf(1)},
		{ssm.Bilinear, 0, 2},
		{ssm.Euler, 0, 1},
		{ssm.BackwardEuler, 0, 1},
		{ssm.GBT, 0.3, 1},
	} {
		after := func(steps int) float64 {
			r, err := (&SSM{A: a, B: b, C: make([]float64, n)}).Discretize(1/float64(steps), c.disc, c.alpha)
			if err != nil {
				t.Fatal(err)
			}
			x := make([]float64, n)
			u := make([]float64, steps)
			floats.AddConst(1, u)
			if _, err := r.Scan(x, u); err != nil {
				t.Fatal(err)
			}
			return relErr(x, want)
		}
		e1, e2 := after(200), after(400)
		if math.IsInf(c.order, 1) {
			if !(e1 < 1e-12 && e2 < 1e-12) {
				t.Errorf("%s: errors %.3g, %.3g, want exact", c.disc, e1, e2)
			}
			continue
		}
		if got := math.Log2(e1 / e2); !(math.Abs(got-c.order) < 0.05) {
			t.Errorf("%s: order %.3f, want %g", c.disc, got, c.order)
		}
	}
}

// The named rules are members of the generalised family.
func TestGBTNames(t *testing.T) {
	a, b := mustTransition(t, FouT, 8, MeasureOptions{})
	for disc, alpha := range map[ssm.Disc]float64{ssm.Euler: 0, ssm.Bilinear: 0.5, ssm.BackwardEuler: 1} {
		wantA, wantB, err := GBT(a, b, 0.02, alpha)
		if err != nil {
			t.Fatal(err)
		}
		for _, given := range []float64{0, alpha} {
			gotA, gotB, err := Discretize(a, b, 0.02, disc, given)
			if err != nil {
				t.Fatal(err)
			}
			if !mat.Equal(gotA, wantA) || !floats.Equal(gotB, wantB) {
				t.Errorf("%s is not GBT with alpha = %g", disc, alpha)
			}
		}
	}
}

// A stable continuous system stays stable under every rule with alpha >= 1/2,
// at any step.
func TestDiscretizeKeepsStability(t *testing.T) {
	for _, m := range []Measure{LegS, LegT, LagT, FouD} {
		a, b := mustTransition(t, m, 8, MeasureOptions{})
		for _, r := range rules {
			if r.disc == ssm.Euler || r.disc == ssm.GBT && r.alpha < 0.5 {
				continue
			}
			for _, dt := range []float64{1e-3, 0.1, 1, 30} {
				ab, _, err := Discretize(a, b, dt, r.disc, r.alpha)
				if err != nil {
					t.Fatal(err)
				}
				var eig mat.Eigen
				if !eig.Factorize(ab, mat.EigenNone) {
					t.Fatal("no eigenvalues")
				}
				for _, l := range eig.Values(nil) {
					if !(cmplx.Abs(l) < 1) {
						t.Errorf("%s %s dt=%g: eigenvalue %g outside the unit circle", m, r.disc, dt, l)
					}
				}
			}
		}
	}
}

// An element of a diagonal system is a dense real system of size 2.
func TestDiscretizeDiagonalIsDense(t *testing.T) {
	const tol = 1e-13
	a := []complex128{-0.5 - 3i, -2, -1e-9 + 1e-9i, 0, -0.25 + 40i}
	b := []complex128{1, 2 - 1i, 1i, 1 + 1i, -3}
	for _, r := range rules {
		for _, dt := range []float64{1e-4, 0.03, 1} {
			ab, bb, err := DiscretizeDiagonal(a, b, dt, r.disc, r.alpha)
			if err != nil {
				t.Fatal(err)
			}
			for i := range a {
				name := fmt.Sprintf("%s alpha=%g dt=%g A=%g", r.disc, r.alpha, dt, a[i])
				dense := mat.NewDense(2, 2, []float64{real(a[i]), -imag(a[i]), imag(a[i]), real(a[i])})
				da, db, err := Discretize(dense, []float64{real(b[i]), imag(b[i])}, dt, r.disc, r.alpha)
				if err != nil {
					t.Fatal(err)
				}
				within(t, name+" Ab", []float64{real(ab[i]), -imag(ab[i]), imag(ab[i]), real(ab[i])}, elements(da), tol)
				within(t, name+" Bb", []float64{real(bb[i]), imag(bb[i])}, db, tol)
			}
		}
	}
}

func TestDiscretizeErrors(t *testing.T) {
	a, b := mustTransition(t, LegS, 3, MeasureOptions{})
	dense := func(a *mat.Dense, b []float64, dt float64, d ssm.Disc, alpha float64) error {
		_, _, err := Discretize(a, b, dt, d, alpha)
		return err
	}
	diag := func(n int, dt float64, d ssm.Disc, alpha float64) error {
		_, _, err := DiscretizeDiagonal(make([]complex128, 2), make([]complex128, n), dt, d, alpha)
		return err
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{dense(a, b, 0.1, "tustin", 0), `hippo: Discretize: ssm: want discretisation "zoh"`},
		{dense(a, b, 0.1, "", 0), `got ""`},
		{dense(a, b, 0.1, ssm.GBT, 1.5), `hippo: Discretize: want alpha in [0, 1], got 1.5`},
		{dense(a, b, 0.1, ssm.GBT, math.NaN()), `want alpha in [0, 1], got NaN`},
		{dense(a, b, 1, ssm.Bilinear, 0.3), `hippo: Discretize: want no alpha with discretisation "bilinear", got 0.3: it is for "gbt"`},
		{dense(a, b, 1, ssm.ZOH, 0.5), `want no alpha with discretisation "zoh", got 0.5`},
		{dense(a, b, 1, ssm.Euler, math.NaN()), `want no alpha with discretisation "euler", got NaN`},
		{diag(2, 1, ssm.BackwardEuler, 0.3), `hippo: DiscretizeDiagonal: want no alpha with discretisation "backward_diff", got 0.3`},
		{dense(mat.NewDense(1, 1, []float64{math.NaN()}), []float64{1}, 1, ssm.ZOH, 0), `hippo: ZOH: want A finite, got one of norm NaN`},
		{dense(mat.NewDense(1, 1, []float64{math.Inf(-1)}), []float64{1}, 1, ssm.Bilinear, 0), `hippo: GBT: want A finite, got one of norm +Inf`},
		{dense(mat.NewDense(1, 1, []float64{1}), []float64{math.NaN()}, 1, ssm.ZOH, 0), `hippo: ZOH: want B finite, got NaN at element 0`},
		{dense(a, b, 0, ssm.ZOH, 0), `hippo: ZOH: want a finite step dt > 0, got 0`},
		{dense(a, b, -1, ssm.Euler, 0), `hippo: GBT: want a finite step dt > 0, got -1`},
		{dense(a, b, math.NaN(), ssm.Bilinear, 0), `got NaN`},
		{dense(a, b, math.Inf(1), ssm.Bilinear, 0), `got +Inf`},
		{dense(a, b[:2], 1, ssm.ZOH, 0), `want A (N, N) and B (N), N >= 1, got (3, 3) and (2)`},
		{dense(mat.NewDense(2, 3, nil), b, 1, ssm.Euler, 0), `got (2, 3) and (3)`},
		{dense(nil, b, 1, ssm.Euler, 0), `want a matrix A, got nil`},
		{dense(mat.NewDense(1, 1, []float64{2}), []float64{1}, 1, ssm.Bilinear, 0), `hippo: GBT: I - alpha dt A with alpha = 0.5, dt = 1: matrix singular`},
		{diag(3, 1, ssm.ZOH, 0), `hippo: DiscretizeDiagonal: want A and B of equal length, got 2 and 3`},
		{diag(2, 0, ssm.ZOH, 0), `hippo: DiscretizeDiagonal: want a finite step`},
		{diag(2, 1, "dss", 0), `hippo: DiscretizeDiagonal: ssm: want discretisation`},
		{diag(2, 1, ssm.GBT, -0.1), `want alpha in [0, 1], got -0.1`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
