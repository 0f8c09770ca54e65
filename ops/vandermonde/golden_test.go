package vandermonde_test

import (
	"math"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// tolGolden is how far float64 may lie from the golden arrays.
const tolGolden = 1e-10

// goldenS4D reads a case of kind s4d_kernel. Its A is stored discretely as raw
// numbers: Re A = -AReal and Im A = -AImag, which is ssm.None.
func goldenS4D(t *testing.T, c *golden.Case) (vandermonde.Config, vandermonde.Size, vandermonde.Params[[]float64]) {
	size := vandermonde.Size{
		CH: c.Int("channels", 1), H: c.Int("H", 0), S: c.Int("n_ssm", 1), N: c.Int("N_half", 0),
		DtPerState: c.Arrays["log_dt"].Shape[1] > 1,
	}
	cfg := vandermonde.Config{Dynamics: ssm.Dynamics{ATransform: ssm.None, Rate: c.Float("rate", 1)}, Disc: ssm.Disc(c.String("disc")), L: c.Int("L", 0)}
	p := vandermonde.Params[[]float64]{Dt: c.F(t, "log_dt"), B: c.F(t, "B"), C: c.F(t, "C")}
	p.AReal, p.AImag = negatedParts(c.F(t, "A"))
	return cfg, size, p
}

// negatedParts splits a complex array into minus its real and minus its
// imaginary part.
func negatedParts(v []float64) (re, im []float64) {
	for i := 0; i < len(v); i += 2 {
		re = append(re, -v[i])
		im = append(im, -v[i+1])
	}
	return re, im
}

func TestGoldenS4D(t *testing.T) {
	for _, c := range golden.Cases(t, "s4d_kernel") {
		cfg, size, p := goldenS4D(t, c)
		k := forward(t, cfg, size, p)
		g := backward(t, cfg, size, p, c.F(t, "W"))
		gRe, gIm := negatedParts(c.F(t, "g_A"))
		for _, x := range []struct {
			name      string
			got, want []float64
		}{
			{"K", k, c.F(t, "K")},
			{"g_log_dt", g.Dt, c.F(t, "g_log_dt")},
			{"g_A real", g.AReal, gRe},
			{"g_A imag", g.AImag, gIm},
			{"g_B", g.B, c.F(t, "g_B")},
			{"g_C", g.C, c.F(t, "g_C")},
		} {
			if e := testutil.RelErr(x.got, x.want); !(e <= tolGolden) {
				t.Errorf("%s: %s: relative error %.3g > %.3g", c.Name, x.name, e, tolGolden)
			}
		}
		ab, bb, err := vandermonde.Discretize(cfg, size, p)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(reIm(ab), c.F(t, "dA")); !(e <= tolGolden) {
			t.Errorf("%s: dA: relative error %.3g", c.Name, e)
		}
		if e := testutil.RelErr(reIm(bb), c.F(t, "dB")); !(e <= tolGolden) {
			t.Errorf("%s: dB: relative error %.3g", c.Name, e)
		}
	}
}

// reIm appends a trailing axis of real and imaginary part.
func reIm(v []complex128) []float64 {
	var r []float64
	for _, z := range v {
		r = append(r, real(z), imag(z))
	}
	return r
}

// In float32 the kernel and its gradients must be at least as close to those of
// float64 as the reference implementation's, for the same parameters. These are
// the golden ones rounded to float32 in the form in which the reference stores
// them, log(-Re A): rounding them moves the exact result further than any
// arithmetic here does. Where the stored error is below one unit in the last
// place of a float32, that is the bound.
func TestGoldenS4DFloat32(t *testing.T) {
	for _, c := range golden.Cases(t, "s4d_kernel") {
		cfg, size, p := goldenS4D(t, c)
		cfg.ATransform = ssm.Exp
		for i, v := range p.AReal {
			p.AReal[i] = math.Log(v)
		}
		p = rounded(p)
		w := testutil.Float64s(testutil.Float32s(c.F(t, "W")))
		want := backward(t, cfg, size, p, w)
		got := backward(t, cfg, size, to32(p), testutil.Float32s(w))
		ref, _ := c.Meta["ref_float32_rel_err_grads"].(map[string]any)
		testutil.CheckRounded(t, c.Name+": K", forward(t, cfg, size, to32(p)), forward(t, cfg, size, p), c.Meta["ref_float32_rel_err_K"])
		testutil.CheckRounded(t, c.Name+": g_log_dt", testutil.Float64s(got.Dt), want.Dt, ref["inv_dt"])
		testutil.CheckRounded(t, c.Name+": g_A real", testutil.Float64s(got.AReal), want.AReal, ref["A_real"])
		testutil.CheckRounded(t, c.Name+": g_A imag", testutil.Float64s(got.AImag), want.AImag, ref["A_imag"])
		testutil.CheckRounded(t, c.Name+": g_B", testutil.Float64s(got.B), want.B, ref["B"])
		testutil.CheckRounded(t, c.Name+": g_C", testutil.Float64s(got.C), want.C, ref["C"])
	}
}

// The minimal S4D stores +Im A and has B = 1.
func TestGoldenMinimalS4D(t *testing.T) {
	negated := func(v []float64) []float64 {
		r := make([]float64, len(v))
		for i, x := range v {
			r[i] = -x
		}
		return r
	}
	for _, c := range golden.Cases(t, "s4d_minimal_kernel") {
		h, n := c.Int("H", 0), c.Int("N_half", 0)
		size := vandermonde.Size{CH: 1, H: h, S: h, N: n}
		cfg := vandermonde.Config{L: c.Int("L", 0)}
		p := vandermonde.Params[[]float64]{
			Dt: c.F(t, "log_dt"), AReal: c.F(t, "log_A_real"), AImag: negated(c.F(t, "A_imag")), C: c.F(t, "C"),
		}
		k := forward(t, cfg, size, p)
		g := backward(t, cfg, size, p, c.F(t, "W"))
		for _, x := range []struct {
			name      string
			got, want []float64
		}{
			{"K", k, c.F(t, "K")},
			{"g_log_dt", g.Dt, c.F(t, "g_log_dt")},
			{"g_log_A_real", g.AReal, c.F(t, "g_log_A_real")},
			{"g_A_imag", negated(g.AImag), c.F(t, "g_A_imag")},
			{"g_C", g.C, c.F(t, "g_C")},
		} {
			if e := testutil.RelErr(x.got, x.want); !(e <= tolGolden) {
				t.Errorf("%s: %s: relative error %.3g > %.3g", c.Name, x.name, e, tolGolden)
			}
		}
	}
}
