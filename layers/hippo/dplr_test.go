package hippo

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// complexNormals returns n complex numbers with E|z|^2 = 1.
func complexNormals(rng *rand.Rand, n int) []complex128 {
	z := make([]complex128, n)
	for i := range z {
		z[i] = complex(rng.NormFloat64(), rng.NormFloat64()) / math.Sqrt2
	}
	return z
}

// goldenModel is the head h of a golden case: the model of its row h mod S and
// its step.
func goldenModel(t *testing.T, c *golden.Case, h int) (*DPLR, float64) {
	t.Helper()
	half := c.Int("N_half", 0)
	a, b := complexes(c.F(t, "A")), complexes(c.F(t, "B"))
	S := len(a) / half
	row := func(x []complex128, i int) []complex128 { return x[i*half : (i+1)*half] }
	d := &DPLR{Lambda: row(a, ssm.Row(h, S)), B: row(b, ssm.Row(h, S))}
	if c.Has("P") {
		p := complexes(c.F(t, "P"))
		for r := range len(p) / (S * half) {
			d.P = append(d.P, row(p, r*S+ssm.Row(h, S)))
		}
	}
	return d, math.Exp(c.F(t, "log_dt")[h]) * c.Float("rate", 1)
}

// recurrence discretises the model with the output row c.
func (d *DPLR) recurrence(t *testing.T, c []complex128, dt float64, disc ssm.Disc) *Recurrence {
	t.Helper()
	s, err := d.Real(c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Discretize(dt, disc, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kernel is the kernel of that recurrence.
func (d *DPLR) kernel(t *testing.T, c []complex128, dt float64, disc ssm.Disc, L int) []float64 {
	t.Helper()
	k, err := d.recurrence(t, c, dt, disc).Kernel(L)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The DPLR kernels, from C~ by matrix powers. C~ is tuned to Lk at rate 1; a
// rate r evaluates it at other steps and another length round(Lk/r).
func TestDPLRKernelGolden(t *testing.T) {
	const tol = 1e-10
	for _, c := range golden.Cases(t, "dplr_kernel") {
		t.Run(c.Name, func(t *testing.T) {
			half, H, L := c.Int("N_half", 0), c.Int("H", 0), c.Int("L", 0)
			nodes := int(math.Round(float64(c.Int("L_kernel", 0)) / c.Float("rate", 1)))
			ct := complexes(c.F(t, "Ct"))
			for i := range len(ct) / half { // (CH, H)
				d, dt := goldenModel(t, c, i%H)
				row, err := d.UntuneC(ct[i*half:(i+1)*half], dt, nodes)
				if err != nil {
					t.Fatal(err)
				}
				k, err := d.Kernel(row, dt, L)
				if err != nil {
					t.Fatal(err)
				}
				within(t, fmt.Sprintf("K %d", i), k, c.F(t, "K")[i*L:(i+1)*L], tol)
			}
		})
	}
}

func TestDPLRSetupGolden(t *testing.T) {
	const tol = 1e-11
	for _, c := range golden.Cases(t, "dplr_setupC") {
		t.Run(c.Name, func(t *testing.T) {
			half, L := c.Int("N_half", 0), c.Int("L", 0)
			row := func(name string, h int) []complex128 {
				return complexes(c.F(t, name))[h*half : (h+1)*half]
			}
			for h := range c.Int("H", 0) {
				d, dt := goldenModel(t, c, h)
				for name, n := range map[string]int{"Ct": L, "Ct2": 2 * L} {
					if !c.Has(name) {
						continue
					}
					ct, err := d.TuneC(row("C", h), dt, n)
					if err != nil {
						t.Fatal(err)
					}
					within(t, name, floats2(ct), floats2(row(name, h)), tol)
					back, err := d.UntuneC(ct, dt, n)
					if err != nil {
						t.Fatal(err)
					}
					within(t, "C from "+name, floats2(back), floats2(row("C", h)), tol)
				}
				within(t, "K", d.kernel(t, row("C", h), dt, ssm.Bilinear, L), c.F(t, "K")[h*L:(h+1)*L], tol)
				if c.Has("K2") {
					within(t, "K2", d.kernel(t, row("C", h), dt, ssm.Bilinear, 2*L), c.F(t, "K2")[2*h*L:2*(h+1)*L], tol)
				}

				// dA, dB of the pairs (x, conj x): x' = E x + F conj x.
				r := d.recurrence(t, row("C", h), dt, ssm.Bilinear)
				dA := complexes(c.F(t, "dA"))[4*h*half*half : 4*(h+1)*half*half]
				var got []complex128
				for i := range half {
					for k := range half {
						got = append(got, complex(r.A.At(i, k)+r.A.At(half+i, half+k), r.A.At(half+i, k)-r.A.At(i, half+k))/2)
					}
					for k := range half {
						got = append(got, complex(r.A.At(i, k)-r.A.At(half+i, half+k), r.A.At(half+i, k)+r.A.At(i, half+k))/2)
					}
				}
				within(t, "dA", floats2(got), floats2(dA[:2*half*half]), tol)
				dB := complexes(c.F(t, "dB"))[2*h*half : (2*h+1)*half]
				within(t, "dB", floats2(ComplexState(r.B)), floats2(dB), tol)
			}
		})
	}
}

func TestRecurrenceGolden(t *testing.T) {
	const tol = 1e-10
	for _, c := range golden.Cases(t, "recurrence") {
		t.Run(c.Name, func(t *testing.T) {
			half, H, L := c.Int("N_half", 0), c.Int("H", 0), c.Int("L", 0)
			for i := range c.Int("B_batch", 0) * H {
				h := i % H
				d, dt := goldenModel(t, c, h)
				r := d.recurrence(t, complexes(c.F(t, "C"))[h*half:(h+1)*half], dt, ssm.Disc(c.String("disc")))
				seq := func(name string) []float64 { return c.F(t, name)[i*L : (i+1)*L] }
				state := func(name string) []complex128 { return complexes(c.F(t, name))[i*half : (i+1)*half] }
				scan := func(x, u []float64) []float64 {
					y, err := r.Scan(x, u)
					if err != nil {
						t.Fatal(err)
					}
					return y
				}
				x := make([]float64, 2*half)
				within(t, "y from zero", scan(x, seq("u")), seq("y_zero_state"), tol)
				within(t, "x from zero", floats2(ComplexState(x)), floats2(state("x_final_zero")), tol)
				x = RealState(state("x0"))
				within(t, "K_state", scan(x, make([]float64, L)), seq("K_state"), tol)
				x = RealState(state("x0"))
				within(t, "y", scan(x, seq("u")), seq("y_with_state"), tol)
				within(t, "x", floats2(ComplexState(x)), floats2(state("x_final_with_state")), tol)
				if !c.Has("x_all_with_state") {
					continue
				}
				all := complexes(c.F(t, "x_all_with_state"))[i*half*L : (i+1)*half*L] // (N, L)
				x = RealState(state("x0"))
				for l, u := range seq("u") {
					scan(x, []float64{u})
					want := make([]complex128, half)
					for n := range want {
						want[n] = all[n*L+l]
					}
					within(t, fmt.Sprintf("x_%d", l), floats2(ComplexState(x)), floats2(want), tol)
				}
			}
		})
	}
}

// The S4D kernels: a model with a step per state is a sum of models of one
// state.
func TestDiagonalKernelGolden(t *testing.T) {
	const tol = 1e-10
	for _, c := range golden.Cases(t, "s4d_kernel") {
		t.Run(c.Name, func(t *testing.T) {
			half, H, L := c.Int("N_half", 0), c.Int("H", 0), c.Int("L", 0)
			disc, logDt := ssm.Disc(c.String("disc")), c.F(t, "log_dt")
			steps := len(logDt) / H // of one head: 1 or N/2
			rows := complexes(c.F(t, "C"))
			for i := range len(rows) / half { // (CH, H)
				d, dt := goldenModel(t, c, i%H)
				row := rows[i*half : (i+1)*half]
				want := c.F(t, "K")[i*L : (i+1)*L]
				got := make([]float64, L)
				for g := range steps {
					lo, hi := g*half/steps, (g+1)*half/steps
					dt := math.Exp(logDt[i%H*steps+g]) * c.Float("rate", 1)
					k, err := DiagonalKernel(d.Lambda[lo:hi], d.B[lo:hi], row[lo:hi], dt, disc, 0, L)
					if err != nil {
						t.Fatal(err)
					}
					floats.Add(got, k)
				}
				within(t, "K", got, want, tol)
				if steps == 1 {
					within(t, "K by dense powers", d.kernel(t, row, dt, disc, L), want, tol)
				}
			}
		})
	}
}

// The model in the eigenbasis is the measure: same kernel, for C = V^H c.
func TestDPLRIsTheMeasure(t *testing.T) {
	const tol = 1e-10
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range lowRank {
		for _, n := range []int{4, 8, 64} {
			for _, rule := range rules {
				d := mustNPLR(t, c.m, n, c.rank, NPLROptions{MeasureOptions: c.opts})
				a, b := mustTransition(t, c.m, n, c.opts)
				model := &SSM{A: a, B: b, C: normals(rng, n)}
				dt := 0.5 / float64(n*n)
				r, err := model.Discretize(dt, rule.disc, rule.alpha)
				if err != nil {
					t.Fatal(err)
				}
				want, err := r.Kernel(40)
				if err != nil {
					t.Fatal(err)
				}
				eigen, err := d.Real(conj(coordinates(d.V, model.C)))
				if err != nil {
					t.Fatal(err)
				}
				if r, err = eigen.Discretize(dt, rule.disc, rule.alpha); err != nil {
					t.Fatal(err)
				}
				got, err := r.Kernel(40)
				if err != nil {
					t.Fatal(err)
				}
				within(t, fmt.Sprintf("%s N=%d %s", c.m, n, rule.disc), got, want, tol)
			}
		}
	}
}

// The generating function with C~ is the discrete Fourier transform of the
// kernel, w = -1 included; without the tuning, it is the sum of the whole
// series inside the unit circle.
func TestGeneratingFunction(t *testing.T) {
	const tol = 1e-10
	rng := rand.New(rand.NewPCG(7, 8))
	for _, c := range lowRank {
		for _, n := range []int{4, 64} {
			for _, rank := range []int{c.rank, c.rank + 2} {
				for _, L := range []int{1, 2, 7, 32} {
					d := mustNPLR(t, c.m, n, rank, NPLROptions{MeasureOptions: c.opts})
					const dt = 0.03
					row := complexNormals(rng, n/2)
					k := d.kernel(t, row, dt, ssm.Bilinear, L)
					ct, err := d.TuneC(row, dt, L)
					if err != nil {
						t.Fatal(err)
					}
					var got, want []complex128
					for f := range L {
						if f == 0 && c.m == FouT {
							continue // the pole of its eigenvalue 0
						}
						w := cmplx.Rect(1, -2*math.Pi*float64(f)/float64(L))
						if 2*f == L {
							w = -1
						}
						g, err := d.GeneratingFunction(ct, dt, w)
						if err != nil {
							t.Fatal(err)
						}
						var sum complex128
						for l, v := range k {
							sum += complex(v, 0) * cmplx.Rect(1, -2*math.Pi*float64(f*l%L)/float64(L))
						}
						got, want = append(got, g), append(want, sum)
					}
					if len(got) > 0 {
						within(t, fmt.Sprintf("%s N=%d rank %d L=%d", c.m, n, rank, L), floats2(got), floats2(want), tol)
					}
				}
			}
		}
	}
	d := mustNPLR(t, LegS, 8, 1, NPLROptions{})
	row := complexNormals(rng, 4)
	w := 0.7 + 0.2i
	got, err := d.GeneratingFunction(row, 0.1, w)
	if err != nil {
		t.Fatal(err)
	}
	var want complex128
	power := complex128(1)
	for _, v := range d.kernel(t, row, 0.1, ssm.Bilinear, 200) {
		want += complex(v, 0) * power
		power *= w
	}
	within(t, "whole series", floats2([]complex128{got}), floats2([]complex128{want}), tol)
}

func TestComplexAndRealForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	x, c := complexNormals(rng, 5), complexNormals(rng, 5)
	if !slices.Equal(ComplexState(RealState(x)), x) || !slices.Equal(complexRow(realRow(c)), c) {
		t.Error("to the real form and back is not the same")
	}
	var want float64
	for i := range x {
		want += 2 * real(c[i]*x[i])
	}
	row, state := mat.NewVecDense(10, realRow(c)), mat.NewVecDense(10, RealState(x))
	if got := mat.Dot(row, state); math.Abs(got-want) > 1e-14 {
		t.Errorf("C x = %g, want 2 Re(C x) = %g", got, want)
	}
}

func TestDPLRErrors(t *testing.T) {
	d := mustNPLR(t, FouT, 4, 1, NPLROptions{})
	c := []complex128{1, 1}
	toReal := func(d *DPLR, c []complex128) error { _, err := d.Real(c); return err }
	kernel := func(c []complex128, dt float64, L int) error { _, err := d.Kernel(c, dt, L); return err }
	tune := func(c []complex128, dt float64, L int) error { _, err := d.TuneC(c, dt, L); return err }
	untune := func(c []complex128, dt float64, L int) error { _, err := d.UntuneC(c, dt, L); return err }
	generate := func(c []complex128, dt float64, w complex128) error {
		_, err := d.GeneratingFunction(c, dt, w)
		return err
	}
	diagonalKernel := func(c []complex128, dt float64, L int) error {
		_, err := DiagonalKernel(d.Lambda, d.B, c, dt, ssm.ZOH, 0, L)
		return err
	}
	for _, e := range []struct {
		err  error
		want string
	}{
		{toReal(&DPLR{}, nil), `hippo: DPLR: want Lambda, B and C of one length >= 1, got 0, 0 and 0`},
		{toReal(d, c[:1]), `got 2, 2 and 1`},
		{toReal(&DPLR{Lambda: c, B: c, P: [][]complex128{c, c[:1]}}, c), `hippo: DPLR: want P[1] (2), got (1)`},
		{kernel(c[:1], 1, 4), `hippo: DPLR: want Lambda, B and C of one length >= 1, got 2, 2 and 1`},
		{kernel(c, 1, 0), `hippo: Kernel: want L in [1, 1073741824], got 0`},
		{tune(c[:1], 1, 4), `got 2, 2 and 1`},
		{tune(c, 0, 4), `want a finite step dt > 0, got 0`},
		{tune(c, 1, 0), `want L in [1, 1073741824], got 0`},
		{untune(c, -1, 4), `want a finite step dt > 0, got -1`},
		{untune(c, 1, -4), `want L in [1, 1073741824], got -4`},
		{untune(c, 1, 4), `I - A^4: matrix singular`}, // FouT never forgets its sine of frequency 0
		{generate(c[:1], 1, 1i), `hippo: GeneratingFunction: want Lambda`},
		{generate(c, math.Inf(1), 1i), `hippo: GeneratingFunction: want a finite step`},
		{generate(c, 1, 1), `hippo: GeneratingFunction: w = (1+0i) is a pole of Lambda[1]`},
		{diagonalKernel(c[:1], 1, 4), `hippo: DiagonalKernel: want A and C of equal length, got 2 and 1`},
		{diagonalKernel(c, 1, 0), "hippo: DiagonalKernel: want L in [1, 1073741824], got 0"},
		{diagonalKernel(c, 0, 4), `want a finite step`},
	} {
		if e.err == nil || !strings.Contains(e.err.Error(), e.want) {
			t.Errorf("got error %v, want %q", e.err, e.want)
		}
	}
}
