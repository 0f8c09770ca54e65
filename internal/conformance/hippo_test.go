package conformance

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// all is against for several float64 results.
func (o *outcome) all(results map[string][]float64) error {
	for _, name := range sortedKeys(results) {
		if err := o.against(tensor.Float64, name, results[name], 0); err != nil {
			return err
		}
	}
	return nil
}

func runHiPPO(o *outcome, _ tensor.Dtype) error {
	c := o.c
	args, _ := c.Meta["args"].(map[string]any)
	alpha, _ := args["alpha"].(float64)
	beta, _ := args["beta"].(float64)
	a, b, err := hippo.Transition(hippo.Measure(c.String("measure")), c.Int("N", 0), hippo.MeasureOptions{Alpha: alpha, Beta: beta})
	if err != nil {
		return err
	}
	return o.all(map[string][]float64{"A": elements(a), "B": b})
}

// elements returns a matrix, row-major.
func elements(m *mat.Dense) []float64 { return mat.DenseCopyOf(m).RawMatrix().Data }

// runNPLR compares what does not depend on the phases of the eigenvectors. The
// clamped B does, but for its modulus under the phases of LAPACK, which are
// ours.
func runNPLR(o *outcome, _ tensor.Dtype) error {
	c := o.c
	clip := c.Float("B_clip", 0)
	d, err := hippo.NPLR(hippo.Measure(c.String("measure")), c.Int("N", 0), c.Int("rank", 0), hippo.NPLROptions{ClipB: clip})
	if err != nil {
		return err
	}
	results := map[string][]float64{"Lambda": pairs(d.Lambda), "absB": moduli(d.B)}
	var products []complex128
	for _, p := range d.P {
		results["absP"] = append(results["absP"], moduli(p)...)
		for i, v := range p {
			products = append(products, cmplx.Conj(v)*d.B[i])
		}
	}
	results["conjP_times_B"] = pairs(products)
	results["A"] = composed(d)
	for _, p := range d.P {
		results["P_real"] = append(results["P_real"], inBasis(d.V, p)...)
	}
	if clip == 0 {
		results["B_real"] = inBasis(d.V, d.B)
	}
	return o.all(results)
}

func moduli(z []complex128) []float64 {
	v := make([]float64, len(z))
	for i, x := range z {
		v[i] = cmplx.Abs(x)
	}
	return v
}

// inBasis returns 2 Re(V x), the real vector whose coordinates in the
// eigenbasis V (N, N/2) are x.
func inBasis(v *mat.CDense, x []complex128) []float64 {
	n, half := v.Dims()
	r := make([]float64, n)
	for i := range n {
		for j := range half {
			r[i] += 2 * real(v.At(i, j)*x[j])
		}
	}
	return r
}

// composed returns the matrix that was decomposed,
//
//	A = 2 Re(V diag(Lambda) V^H) - sum_r p_r p_r^T,  p_r = 2 Re(V P_r)
func composed(d *hippo.DPLR) []float64 {
	n, half := d.V.Dims()
	a := make([]float64, n*n)
	low := make([][]float64, len(d.P))
	for r, p := range d.P {
		low[r] = inBasis(d.V, p)
	}
	for i := range n {
		for k := range n {
			for j := range half {
				a[i*n+k] += 2 * real(d.V.At(i, j)*d.Lambda[j]*cmplx.Conj(d.V.At(k, j)))
			}
			for _, p := range low {
				a[i*n+k] -= p[i] * p[k]
			}
		}
	}
	return a
}

func runDense(o *outcome, _ tensor.Dtype) error {
	c := o.c
	f := func(name string) []float64 { return c.Arrays[name].F }
	n, l := c.Int("N", 0), c.Int("L", 0)
	s := &hippo.SSM{A: mat.NewDense(n, n, f("A")), B: f("B"), C: f("C")}
	r, err := s.Discretize(c.Float("dt", 0), ssm.Disc(c.String("method")), c.Float("alpha", 0))
	if err != nil {
		return err
	}
	k, err := r.Kernel(l)
	if err != nil {
		return err
	}
	return o.all(map[string][]float64{"dA": elements(r.A), "dB": r.B, "K": k})
}

// runSetupC runs the conversions between C and C~ of every feature, and the
// discretisation.
func runSetupC(o *outcome, _ tensor.Dtype) error {
	c := o.c
	h, s, n, l := c.Int("H", 0), c.Arrays["A"].Shape[0], c.Int("N_half", 0), c.Int("L", 0)
	results := map[string][]float64{}
	for i := range h {
		row := func(name string, of int) []complex128 { return complexes(c, name)[of*n : (of+1)*n] }
		d := &hippo.DPLR{Lambda: row("A", i%s), B: row("B", i%s)}
		for r := range c.Arrays["P"].Shape[0] {
			d.P = append(d.P, row("P", r*s+i%s))
		}
		dt := math.Exp(c.Arrays["log_dt"].F[i])
		ct, err := d.TuneC(row("C", i), dt, l)
		if err != nil {
			return err
		}
		ct2, err := d.TuneC(row("C", i), dt, 2*l)
		if err != nil {
			return err
		}
		back, err := d.UntuneC(row("Ct", i), dt, l)
		if err != nil {
			return err
		}
		k, err := d.Kernel(row("C", i), dt, l)
		if err != nil {
			return err
		}
		k2, err := d.Kernel(row("C", i), dt, 2*l)
		if err != nil {
			return err
		}
		dense, err := d.Real(row("C", i))
		if err != nil {
			return err
		}
		r, err := dense.Discretize(dt, ssm.Bilinear, 0)
		if err != nil {
			return err
		}
		da, db, dc := conjugatePairs(r)
		for name, v := range map[string][]float64{
			"Ct": pairs(ct), "Ct2": pairs(ct2), "C": pairs(back), "K": k, "K2": k2, "dA": pairs(da), "dB": pairs(db), "dC": pairs(dc),
		} {
			results[name] = append(results[name], v...)
		}
	}
	for _, name := range []string{"Ct2", "K2"} {
		if !c.Has(name) { // of the double length: not in every case
			delete(results, name)
		}
	}
	return o.all(results)
}

// conjugatePairs returns a model whose state is (Re x, Im x), (N) each, as the
// same one whose state is (x, conj x): A (2N, 2N), B (2N), C (2N). Blocks
// [P Q; R S] of A become [W Z; conj Z conj W],
//
//	W = (P + S + i (R - Q)) / 2,  Z = (P - S + i (R + Q)) / 2
func conjugatePairs(m *hippo.Recurrence) (a, b, c []complex128) {
	n := len(m.B) / 2
	a, b, c = make([]complex128, 4*n*n), make([]complex128, 2*n), make([]complex128, 2*n)
	for i := range n {
		for k := range n {
			p, q, r, s := m.A.At(i, k), m.A.At(i, n+k), m.A.At(n+i, k), m.A.At(n+i, n+k)
			w, z := complex(p+s, r-q)/2, complex(p-s, r+q)/2
			a[i*2*n+k], a[i*2*n+n+k] = w, z
			a[(n+i)*2*n+k], a[(n+i)*2*n+n+k] = cmplx.Conj(z), cmplx.Conj(w)
		}
		b[i] = complex(m.B[i], m.B[n+i])
		c[i] = complex(m.C[i], -m.C[n+i]) / 2
		b[n+i], c[n+i] = cmplx.Conj(b[i]), cmplx.Conj(c[i])
	}
	return a, b, c
}

// complexes returns a complex array of the case, nil if it has none of that
// name.
func complexes(c *golden.Case, name string) []complex128 {
	v := c.Arrays[name].F
	z := make([]complex128, len(v)/2)
	for i := range z {
		z[i] = complex(v[2*i], v[2*i+1])
	}
	return z
}
