package hippo

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
)

// sizes are the state sizes the tables run over.
var sizes = []int{4, 8, 64, 256}

// relErr is |got-want|/|want| in the Euclidean norm, NaN where one has.
func relErr(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	return floats.Distance(got, want, 2) / math.Max(floats.Norm(want, 2), math.SmallestNonzeroFloat64)
}

// within fails the test unless got is within tol of want, relative in the
// Euclidean norm.
func within(t *testing.T, what string, got, want []float64, tol float64) {
	t.Helper()
	if e := relErr(got, want); !(e <= tol) {
		t.Errorf("%s: relative error %.3g, want at most %.3g", what, e, tol)
	}
}

func elements(a *mat.Dense) []float64 { return mat.DenseCopyOf(a).RawMatrix().Data }

func mustTransition(t *testing.T, m Measure, n int, opts MeasureOptions) (*mat.Dense, []float64) {
	t.Helper()
	a, b, err := Transition(m, n, opts)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestTransitionGolden(t *testing.T) {
	const tol = 1e-14
	for _, c := range golden.Cases(t, "hippo") {
		t.Run(c.Name, func(t *testing.T) {
			m, err := ParseMeasure(c.String("measure"))
			if err != nil {
				t.Fatal(err)
			}
			args, _ := c.Meta["args"].(map[string]any)
			alpha, _ := args["alpha"].(float64)
			beta, _ := args["beta"].(float64)
			a, b := mustTransition(t, m, c.Int("N", 0), MeasureOptions{Alpha: alpha, Beta: beta})
			within(t, "A", elements(a), c.F(t, "A"), tol)
			within(t, "B", b, c.F(t, "B"), tol)
		})
	}
}

func TestTransitionSmall(t *testing.T) {
	const tol = 1e-15
	r3, r5, r15, r2 := math.Sqrt(3), math.Sqrt(5), math.Sqrt(15), math.Sqrt2
	for _, c := range []struct {
		m    Measure
		a, b []float64
	}{
		// S4, eq. 2, written out.
		{LegS, []float64{-1, 0, 0, -r3, -2, 0, -r5, -r15, -3}, []float64{1, r3, r5}},
		{LegT, []float64{-.5, r3 / 2, -r5 / 2, -r3 / 2, -1.5, r15 / 2, -r5 / 2, -r15 / 2, -2.5}, []float64{.5, r3 / 2, r5 / 2}},
		{LMU, []float64{-1, -1, -1, 3, -3, -3, -5, 5, -5}, []float64{1, -3, 5}},
		{LagT, []float64{-.5, 0, 0, -1, -.5, 0, -1, -1, -.5}, []float64{1, 1, 1}},
		{TLagT, []float64{-1, 0, 0, -1, -1, 0, -1, -1, -1}, []float64{1, 1, 1}}, // Beta 1
		{GLagT, []float64{-.505, 0, 0, -1, -.505, 0, -1, -1, -.505}, []float64{.1, .1, .1}},
		{LegSD, []float64{-.5, r3 / 2, r5 / 2, -r3 / 2, -.5, r15 / 2, -r5 / 2, -r15 / 2, -.5}, []float64{.5, r3 / 2, r5 / 2}},
		{FouT, []float64{
			-1, 0, -r2, 0,
			0, 0, 0, 0,
			-r2, 0, -2, -math.Pi,
			0, 0, math.Pi, 0,
		}, []float64{1, 0, r2, 0}},
		{FouD, []float64{
			-.5, 0, 0, 0,
			0, -.5, 0, 0,
			0, 0, -.5, -2 * math.Pi,
			0, 0, 2 * math.Pi, -.5,
		}, []float64{1, 0, r2, 0}},
	} {
		a, b := mustTransition(t, c.m, len(c.b), MeasureOptions{})
		within(t, string(c.m)+" A", elements(a), c.a, tol)
		within(t, string(c.m)+" B", b, c.b, tol)
	}
}

// gauss integrates f over [lo, hi] with so many nodes that it is exact to
// rounding for every integrand here.
func gauss(f func(float64) float64, lo, hi float64) float64 {
	return quad.Fixed(f, lo, hi, 300, quad.Legendre{}, 1)
}

// legendreDerivatives returns P_0'..P_{n-1}' at x, from
// P_k+1' = P_k-1' + (2k+1) P_k.
func legendreDerivatives(n int, x float64) []float64 {
	p, d := make([]float64, n), make([]float64, n)
	legendre(p, x)
	for k := 0; k+1 < n; k++ {
		d[k+1] = float64(2*k+1) * p[k]
		if k > 0 {
			d[k+1] += d[k-1]
		}
	}
	return d
}

// The matrices again, from what they are for: x_n(t) = int u(t-s) phi_n(s)
// w(s) ds, differentiated in t. With kappa_n = phi_n w, by parts,
//
//	x_n' = kappa_n(0) u(t) - kappa_n(end) u(t-end) + int u(t-s) kappa_n'(s) ds
//
// and whatever is not u(t) is expressed in the x_k by the reconstruction
// u(t-s) = sum_k x_k phi_k(s).
func TestTransitionFromTheDefinition(t *testing.T) {
	const (
		n   = 8
		tol = 1e-12
	)
	basis := func(m Measure, s float64) []float64 {
		phi, err := Basis(m, n, s, MeasureOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return phi
	}
	for _, c := range []struct {
		m   Measure
		end float64 // of the window or, for the others, where the weight is 0
		// kappa' at age s
		derivative func(s float64) []float64
		// what u(t-end) is in terms of x and u(t): sum_k lost_k x_k + now u(t)
		lost func() (lost []float64, now float64)
		// kappa at the two ends
		weight float64
	}{
		{m: LegT, end: 2, weight: 0.5,
			derivative: func(s float64) []float64 {
				d := legendreDerivatives(n, 1-s)
				return vector(n, func(i int) float64 { return -0.5 * root(i) * d[i] })
			},
			lost: func() ([]float64, float64) { return basis(LegT, 2), 0 },
		},
		{m: FouT, end: 2, weight: 0.5,
			derivative: func(s float64) []float64 {
				return vector(n, func(i int) float64 {
					w := math.Pi * float64(i/2)
					if i%2 == 0 {
						return -0.5 * math.Sqrt2 * w * math.Sin(w*s)
					}
					return 0.5 * math.Sqrt2 * w * math.Cos(w*s)
				})
			},
			// A Fourier series meets a jump, here from u(t) to u(t-2), halfway.
			lost: func() ([]float64, float64) {
				phi := basis(FouT, 0)
				floats.Scale(2, phi)
				return phi, -1
			},
		},
		{m: LegS, end: 60, weight: 1,
			derivative: func(s float64) []float64 {
				y := math.Exp(-s)
				p, d := make([]float64, n), legendreDerivatives(n, 2*y-1)
				legendre(p, 2*y-1)
				return vector(n, func(i int) float64 { return -y * root(i) * (p[i] + 2*y*d[i]) })
			},
			lost: func() ([]float64, float64) { return make([]float64, n), 0 },
		},
		{m: LagT, end: 160, weight: 1,
			derivative: func(s float64) []float64 {
				// L_n' = -sum_{k<n} L_k^(0) = -L_{n-1}^(1)
				l, l1 := make([]float64, n), make([]float64, n)
				laguerre(l, 0, s, math.Exp(-s/2))
				laguerre(l1, 1, s, math.Exp(-s/2))
				return vector(n, func(i int) float64 {
					v := -l[i] / 2
					if i > 0 {
						v -= l1[i-1]
					}
					return v
				})
			},
			lost: func() ([]float64, float64) { return make([]float64, n), 0 },
		},
	} {
		lost, now := c.lost()
		atZero, atEnd := basis(c.m, 0), basis(c.m, c.end)
		if c.end > 2 { // no boundary term where the weight has died out
			clear(atEnd)
		}
		wantB := vector(n, func(i int) float64 { return c.weight * (atZero[i] - now*atEnd[i]) })
		wantA := matrix(n, func(i, k int) float64 {
			return gauss(func(s float64) float64 { return c.derivative(s)[i] * basis(c.m, s)[k] }, 0, c.end) -
				c.weight*atEnd[i]*lost[k]
		})
		a, b := mustTransition(t, c.m, n, MeasureOptions{})
		within(t, string(c.m)+" A", elements(a), elements(wantA), tol)
		within(t, string(c.m)+" B", b, wantB, tol)
	}
}

// The triangular measures close at any N: their kernel e^(sA) B is exactly
// the basis times the weight.
func TestKernelIsTheWeightedBasis(t *testing.T) {
	const tol = 1e-11
	for _, c := range []struct {
		m      Measure
		opts   MeasureOptions
		weight func(s float64) float64
	}{
		{LegS, MeasureOptions{}, func(s float64) float64 { return math.Exp(-s) }},
		{LagT, MeasureOptions{}, func(s float64) float64 { return 1 }},
		{TLagT, MeasureOptions{Beta: 0.5}, func(s float64) float64 { return 0.25 * math.Exp(-0.5*s) }},
		{GLagT, MeasureOptions{}, func(s float64) float64 { return 0.01 * math.Exp(-0.01*s) }},
		{GLagT, MeasureOptions{Alpha: 0.5, Beta: 0.3}, func(s float64) float64 {
			return math.Pow(0.3, 0.5) / math.Gamma(0.5) * math.Pow(s, -0.5) * math.Exp(-0.3*s)
		}},
		{GLagT, MeasureOptions{Alpha: -0.25, Beta: 1.5}, func(s float64) float64 {
			return math.Pow(1.5, 1.25) / math.Gamma(1.25) * math.Pow(s, 0.25) * math.Exp(-1.5*s)
		}},
	} {
		for _, n := range []int{1, 4, 9} {
			a, b := mustTransition(t, c.m, n, c.opts)
			for _, s := range []float64{0.01, 0.3, 2, 7} {
				_, kernel, err := zohState(a, b, s)
				if err != nil {
					t.Fatal(err)
				}
				phi, err := Basis(c.m, n, s, c.opts)
				if err != nil {
					t.Fatal(err)
				}
				floats.Scale(c.weight(s), phi)
				within(t, fmt.Sprintf("%s %+v N=%d s=%g", c.m, c.opts, n, s), kernel, phi, tol)
			}
		}
	}
}

// zohState returns e^(sA) and e^(sA) b.
func zohState(a *mat.Dense, b []float64, s float64) (*mat.Dense, []float64, error) {
	ab, _, err := ZOH(a, b, s)
	if err != nil {
		return nil, nil, err
	}
	x := make([]float64, len(b))
	mulVec(x, ab, b)
	return ab, x, nil
}

func TestBasisIsOrthonormal(t *testing.T) {
	const (
		n   = 8
		tol = 1e-11
	)
	for _, c := range []struct {
		m      Measure
		opts   MeasureOptions
		end    float64
		weight func(s float64) float64
	}{
		{LegS, MeasureOptions{}, 60, func(s float64) float64 { return math.Exp(-s) }},
		{LegT, MeasureOptions{}, 2, func(s float64) float64 { return 0.5 }},
		{FouT, MeasureOptions{}, 2, func(s float64) float64 { return 0.5 }},
		{LagT, MeasureOptions{}, 160, func(s float64) float64 { return 1 }},
		{TLagT, MeasureOptions{Beta: 0.5}, 160, func(s float64) float64 { return 0.25 * math.Exp(-0.5*s) }},
		{GLagT, MeasureOptions{Beta: 0.2}, 160, func(s float64) float64 { return 0.2 * math.Exp(-0.2*s) }},
	} {
		basis, err := basisOf(c.m, n, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		phi := make([]float64, n)
		got := matrix(n, func(i, k int) float64 {
			return gauss(func(s float64) float64 {
				basis(phi, s)
				return c.weight(s) * phi[i] * phi[k]
			}, 0, c.end)
		})
		want := matrix(n, func(i, k int) float64 {
			if i == k && !(c.m == FouT && i == 1) { // the sine of frequency 0 is 0
				return 1
			}
			return 0
		})
		within(t, string(c.m), elements(got), elements(want), tol)
	}
}

// LMU is LegT in another normalisation and at twice the speed.
func TestLMUIsLegT(t *testing.T) {
	const tol = 1e-14
	for _, n := range sizes {
		a, b := mustTransition(t, LegT, n, MeasureOptions{})
		scale := vector(n, func(i int) float64 { return root(i) * sign(i) })
		a.Apply(func(i, k int, v float64) float64 { return 2 * v * scale[i] / scale[k] }, a)
		floats.Mul(b, scale)
		floats.Scale(2, b)
		la, lb := mustTransition(t, LMU, n, MeasureOptions{})
		within(t, fmt.Sprintf("N=%d A", n), elements(la), elements(a), tol)
		within(t, fmt.Sprintf("N=%d B", n), lb, b, tol)
	}
}

func TestEigenvaluesAreStable(t *testing.T) {
	for _, m := range Measures() {
		for _, n := range []int{2, 4, 8, 16} {
			a, _ := mustTransition(t, m, n, MeasureOptions{})
			var eig mat.Eigen
			if !eig.Factorize(a, mat.EigenNone) {
				t.Fatalf("%s N=%d: no eigenvalues", m, n)
			}
			zero := 0
			for _, l := range eig.Values(nil) {
				if math.Abs(real(l)) < 1e-12 && math.Abs(imag(l)) < 1e-12 {
					zero++ // the sine of frequency 0 of FouT, which nothing drives
				} else if !(real(l) < 0) {
					t.Errorf("%s N=%d: eigenvalue %g", m, n, l)
				}
			}
			if want := map[Measure]int{FouT: 1}[m]; zero != want {
				t.Errorf("%s N=%d: %d eigenvalues 0, want %d", m, n, zero, want)
			}
		}
	}
}

func TestMeasureErrors(t *testing.T) {
	parse := func(name string) error { _, err := ParseMeasure(name); return err }
	transition := func(m Measure, n int, o MeasureOptions) error { _, _, err := Transition(m, n, o); return err }
	basis := func(m Measure, n int, s float64) error { _, err := Basis(m, n, s, MeasureOptions{}); return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{parse("LegS"), `hippo: want measure one of ["legs" "legt" "lmu" "lagt" "tlagt" "glagt" "fout" "legsd" "foud"], got "LegS"`},
		{transition("", 4, MeasureOptions{}), `hippo: want measure one of`},
		{transition(LegS, 0, MeasureOptions{}), `hippo: measure "legs": want N in [1, 32768], got 0`},
		{transition(FouT, 5, MeasureOptions{}), `measure "fout": want an even N (cosine and sine), got 5`},
		{transition(FouD, 1, MeasureOptions{}), `measure "foud": want an even N`},
		{transition(LegS, 4, MeasureOptions{Beta: 1}), `measure "legs": it has no Beta, got 1`},
		{transition(TLagT, 4, MeasureOptions{Alpha: 0.5}), `measure "tlagt": it has no Alpha, got 0.5`},
		{transition(TLagT, 4, MeasureOptions{Beta: -1}), `want a finite Beta > 0, or 0 for its default, got -1`},
		{transition(TLagT, 4, MeasureOptions{Beta: math.NaN()}), `got NaN`},
		{transition(GLagT, 4, MeasureOptions{Beta: math.Inf(1)}), `got +Inf`},
		{transition(GLagT, 4, MeasureOptions{Alpha: 1}), `want Alpha in (-1, 1), got 1`},
		{transition(GLagT, 4, MeasureOptions{Alpha: -1}), `want Alpha in (-1, 1), got -1`},
		{basis(LegSD, 4, 0), `hippo: measure "legsd": its kernels are no orthogonal basis: use "legs" or "fout"`},
		{basis(LegS, 4, -1), `hippo: want a finite age >= 0, got -1`},
		{basis(LagT, 4, math.Inf(1)), `got +Inf`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
