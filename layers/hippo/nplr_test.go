package hippo

import (
	"fmt"
	"math"
	"math/cmplx"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
)

// lowRank lists the measures that have an NPLR form, with their least rank.
var lowRank = []struct {
	m    Measure
	rank int
	opts MeasureOptions
}{
	{LegS, 1, MeasureOptions{}},
	{LegT, 2, MeasureOptions{}},
	{LagT, 1, MeasureOptions{}},
	{TLagT, 1, MeasureOptions{Beta: 0.5}},
	{GLagT, 1, MeasureOptions{Beta: 0.2}},
	{FouT, 1, MeasureOptions{}},
	{LegSD, 1, MeasureOptions{}},
	{FouD, 1, MeasureOptions{}},
}

func mustNPLR(t *testing.T, m Measure, n, rank int, opts NPLROptions) *DPLR {
	t.Helper()
	d, err := NPLR(m, n, rank, opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// complexes reads a complex golden array: (re, im) in the trailing axis.
func complexes(v []float64) []complex128 {
	c := make([]complex128, len(v)/2)
	for i := range c {
		c[i] = complex(v[2*i], v[2*i+1])
	}
	return c
}

// floats2 is the inverse of complexes.
func floats2(c []complex128) []float64 {
	v := make([]float64, 0, 2*len(c))
	for _, x := range c {
		v = append(v, real(x), imag(x))
	}
	return v
}

func moduli(c []complex128) []float64 {
	return vector(len(c), func(i int) float64 { return cmplx.Abs(c[i]) })
}

func TestNPLRGolden(t *testing.T) {
	const tol = 1e-13
	for _, c := range golden.Cases(t, "nplr") {
		t.Run(c.Name, func(t *testing.T) {
			d := mustNPLR(t, Measure(c.String("measure")), c.Int("N", 0), c.Int("rank", 0),
				NPLROptions{ClipB: c.Float("B_clip", 0)})
			within(t, "Lambda", floats2(d.Lambda), c.F(t, "Lambda"), tol)
			within(t, "|B|", moduli(d.B), c.F(t, "absB"), tol)
			var absP []float64
			var pb []complex128
			for _, p := range d.P {
				absP = append(absP, moduli(p)...)
				for i, v := range p {
					pb = append(pb, cmplx.Conj(v)*d.B[i])
				}
			}
			within(t, "|P|", absP, c.F(t, "absP"), tol)
			within(t, "conj(P) B", floats2(pb), c.F(t, "conjP_times_B"), tol)
		})
	}
}

// lowRankSum returns sum_r p_r p_r^T of the real correction.
func lowRankSum(t *testing.T, m Measure, n int, opts MeasureOptions) *mat.Dense {
	t.Helper()
	o, err := check(m, n, opts)
	if err != nil {
		t.Fatal(err)
	}
	_, p, err := normalPart(m, n, o)
	if err != nil {
		t.Fatal(err)
	}
	return matrix(n, func(i, k int) (v float64) {
		for _, row := range p {
			v += row[i] * row[k]
		}
		return v
	})
}

// lift returns 2 Re(V x): the real vector with the coordinates x.
func lift(v *mat.CDense, x []complex128) []float64 {
	n, half := v.Dims()
	return vector(n, func(i int) (sum float64) {
		for j := range half {
			sum += 2 * real(v.At(i, j)*x[j])
		}
		return sum
	})
}

func TestNPLRReconstructsHiPPO(t *testing.T) {
	const tol = 1e-13
	for _, c := range lowRank {
		for _, n := range []int{2, 4, 8, 64, 256} {
			t.Run(fmt.Sprintf("%s/N=%d", c.m, n), func(t *testing.T) {
				d := mustNPLR(t, c.m, n, c.rank+1, NPLROptions{MeasureOptions: c.opts})
				a, b := mustTransition(t, c.m, n, c.opts)
				normal := matrix(n, func(i, k int) (sum float64) {
					for j, l := range d.Lambda {
						sum += 2 * real(d.V.At(i, j)*l*cmplx.Conj(d.V.At(k, j)))
					}
					return sum
				})
				var got mat.Dense
				got.Sub(normal, lowRankSum(t, c.m, n, c.opts))
				within(t, "A", elements(&got), elements(a), tol)
				within(t, "B", lift(d.V, d.B), b, tol)
				// The same through P as stored.
				sum := mat.NewDense(n, n, nil)
				for _, p := range d.P {
					r := mat.NewVecDense(n, lift(d.V, p))
					sum.RankOne(sum, 1, r, r)
				}
				got.Sub(normal, sum)
				within(t, "A from P", elements(&got), elements(a), tol)
			})
		}
	}
}

// V and conj V together are an orthonormal basis.
func TestNPLREigenbasis(t *testing.T) {
	const tol = 1e-13
	for _, c := range lowRank {
		for _, n := range sizes {
			v := mustNPLR(t, c.m, n, c.rank, NPLROptions{MeasureOptions: c.opts}).V
			var worst float64
			for j := range n / 2 {
				for k := range n / 2 {
					var hermitian, plain complex128
					for i := range n {
						hermitian += cmplx.Conj(v.At(i, j)) * v.At(i, k)
						plain += v.At(i, j) * v.At(i, k)
					}
					if j == k {
						hermitian--
					}
					worst = max(worst, cmplx.Abs(hermitian), cmplx.Abs(plain))
				}
			}
			if !(worst <= tol) {
				t.Errorf("%s N=%d: V^H V - I or V^T V has an element %.3g", c.m, n, worst)
			}
		}
	}
}

func TestNPLRConventions(t *testing.T) {
	for _, c := range lowRank {
		for _, n := range sizes {
			name := fmt.Sprintf("%s N=%d", c.m, n)
			d := mustNPLR(t, c.m, n, c.rank+2, NPLROptions{MeasureOptions: c.opts})
			if len(d.P) != c.rank+2 || len(d.Lambda) != n/2 || len(d.B) != n/2 {
				t.Fatalf("%s: got P (%d, .), Lambda (%d), B (%d)", name, len(d.P), len(d.Lambda), len(d.B))
			}
			for i, l := range d.Lambda {
				if real(l) != real(d.Lambda[0]) || real(l) > 0 || imag(l) > 0 {
					t.Errorf("%s: Lambda[%d] = %g: want one real part <= 0 and Im <= 0", name, i, l)
				}
				if i > 0 && !(imag(l) > imag(d.Lambda[i-1])) {
					t.Errorf("%s: Lambda[%d] = %g after %g: want Im ascending", name, i, l, d.Lambda[i-1])
				}
				first := 0
				for cmplx.Abs(d.V.At(first, i)) < negligible {
					first++
				}
				if v := d.V.At(first, i); imag(v) != 0 || !(real(v) > 0) {
					t.Errorf("%s: column %d of V starts with %g: want it real and positive", name, i, v)
				}
				if first != 0 && c.m != FouT && c.m != FouD {
					t.Errorf("%s: component 0 of column %d of V is negligible", name, i)
				}
			}
			for _, v := range d.P[len(d.P)-1] {
				if v != 0 {
					t.Errorf("%s: the last row of P is padding: want zeros, got %g", name, v)
				}
			}
		}
	}
}

// Known spectra: the frequencies of FouT are 0, pi, 2 pi, ...; those of LagT
// are cot((2j+1) pi/(2N))/2, since 1/2 of the skew sign matrix is the Cayley
// transform of a shift; the fastest of LegS grows as N^2/pi.
func TestNPLRSpectra(t *testing.T) {
	const tol = 1e-13
	for _, n := range sizes {
		fout := mustNPLR(t, FouT, n, 1, NPLROptions{})
		lagt := mustNPLR(t, LagT, n, 1, NPLROptions{})
		var got, want []float64
		for i := range n / 2 {
			got = append(got, -imag(fout.Lambda[i]), -imag(lagt.Lambda[i]))
			want = append(want, math.Pi*float64(n/2-1-i), 0.5/math.Tan(float64(2*i+1)*math.Pi/float64(2*n)))
		}
		within(t, fmt.Sprintf("N=%d", n), got, want, tol)
		if l := fout.Lambda[n/2-1]; l != 0 {
			t.Errorf("FouT N=%d: last eigenvalue %g, want 0", n, l)
		}
		last := []complex128{fout.V.At(0, n/2-1), fout.V.At(1, n/2-1)}
		if cmplx.Abs(last[0]-math.Sqrt2/2) > tol || cmplx.Abs(last[1]-1i*math.Sqrt2/2) > tol {
			t.Errorf("FouT N=%d: last eigenvector starts %g, want (1, i)/sqrt2", n, last)
		}
	}
	for _, n := range []int{64, 256} {
		top := -imag(mustNPLR(t, LegS, n, 1, NPLROptions{}).Lambda[0])
		if want := float64(n*n) / math.Pi; math.Abs(top/want-1) > 0.002 {
			t.Errorf("LegS N=%d: fastest eigenvalue %g, want about N^2/pi = %g", n, top, want)
		}
	}
}

func TestNPLRClip(t *testing.T) {
	free := mustNPLR(t, LegS, 64, 1, NPLROptions{})
	d := mustNPLR(t, LegS, 64, 1, NPLROptions{ClipB: ReferenceClipB})
	clamped := 0
	for i, b := range d.B {
		want := complex(real(free.B[i]), max(-2, min(2, imag(free.B[i]))))
		if b != want {
			t.Errorf("B[%d] = %g, want %g", i, b, want)
		}
		if want != free.B[i] {
			clamped++
		}
	}
	if clamped == 0 {
		t.Error("nothing to clamp: this test needs a larger N")
	}
}

func TestNPLRErrors(t *testing.T) {
	nplr := func(m Measure, n, rank int, o NPLROptions) error { _, err := NPLR(m, n, rank, o); return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{nplr("hippo", 4, 1, NPLROptions{}), `hippo: want measure one of ["legs"`},
		{nplr(LegS, 5, 1, NPLROptions{}), `hippo: measure "legs": want an even N (conjugate pairs), got 5`},
		{nplr(LegS, 1, 1, NPLROptions{}), `want an even N`},
		{nplr(LegS, 0, 1, NPLROptions{}), `hippo: measure "legs": want N in [1, 32768], got 0`},
		{nplr(LegS, 4, 0, NPLROptions{}), `hippo: measure "legs": want rank >= 1, got 0`},
		{nplr(LegT, 4, 1, NPLROptions{}), `hippo: measure "legt": want rank >= 2, got 1`},
		{nplr(LegSD, 4, 0, NPLROptions{}), `want rank >= 1, got 0`},
		{nplr(LMU, 4, 2, NPLROptions{}), `measure "lmu": it has no low-rank correction; use "legt"`},
		{nplr(GLagT, 4, 1, NPLROptions{MeasureOptions: MeasureOptions{Alpha: 0.5}}), `measure "glagt": want Alpha 0, got 0.5`},
		{nplr(LegS, 4, 1, NPLROptions{MeasureOptions: MeasureOptions{Alpha: 0.5}}), `it has no Alpha`},
		{nplr(LegS, 4, 1, NPLROptions{ClipB: -2}), `want ClipB > 0, or 0 for no clamp, got -2`},
		{nplr(LegS, 4, 1, NPLROptions{ClipB: math.NaN()}), `got NaN`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
