package conformance

import (
	"fmt"
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// all is against for several float64 results, as far as the case has them.
func (o *outcome) all(results map[string][]float64) error {
	for name, got := range results {
		if !o.c.Has(name) {
			continue
		}
		if err := o.against(tensor.Float64, name, got, 0); err != nil {
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
	d, err := hippo.NPLR(hippo.Measure(c.String("measure")), c.Int("N", 0), c.Int("rank", 0), hippo.NPLROptions{ClipB: c.Float("B_clip", 0)})
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
	return o.all(results)
}

func moduli(z []complex128) []float64 {
	v := make([]float64, len(z))
	for i, x := range z {
		v[i] = cmplx.Abs(x)
	}
	return v
}

// composed returns the matrix that was decomposed,
//
//	A = 2 Re(V diag(Lambda) V^H) - sum_r p_r p_r^T,  p_r = 2 Re(V P_r)
func composed(d *hippo.DPLR) []float64 {
	n, half := d.V.Dims()
	a := make([]float64, n*n)
	low := make([][]float64, len(d.P))
	for r, p := range d.P {
		low[r] = make([]float64, n)
		for i := range n {
			for j := range half {
				low[r][i] += 2 * real(d.V.At(i, j)*p[j])
			}
		}
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
	if len(f("A")) != n*n || len(f("B")) != n || len(f("C")) != n {
		return fmt.Errorf("want A (%d, %[1]d), B and C (%[1]d)", n)
	}
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

// runSetupC runs the conversions between C and C~ of every feature.
func runSetupC(o *outcome, _ tensor.Dtype) error {
	c := o.c
	a, err := c.Array("A")
	if err != nil {
		return err
	}
	logDt, err := c.Array("log_dt")
	if err != nil {
		return err
	}
	h, s, n, l := c.Int("H", 0), a.Shape[0], a.Shape[1], c.Int("L", 0)
	results := map[string][]float64{}
	for i := range h {
		row := func(name string, of int) []complex128 { return complexes(c, name)[of*n : (of+1)*n] }
		d := &hippo.DPLR{Lambda: row("A", i%s), B: row("B", i%s)}
		for r := range len(c.Arrays["P"].F) / (2 * s * n) {
			d.P = append(d.P, row("P", r*s+i%s))
		}
		dt := math.Exp(logDt.F[i])
		ct, err := d.TruncateC(row("C", i), dt, l)
		if err != nil {
			return err
		}
		ct2, err := d.TruncateC(row("C", i), dt, 2*l)
		if err != nil {
			return err
		}
		back, err := d.UntruncateC(row("Ct", i), dt, l)
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
		for name, v := range map[string][]float64{"Ct": pairs(ct), "Ct2": pairs(ct2), "C": pairs(back), "K": k, "K2": k2} {
			results[name] = append(results[name], v...)
		}
	}
	return o.all(results)
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
