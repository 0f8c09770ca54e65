package cauchy_test

import (
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// tolGolden is how far float64 may lie from the golden arrays.
const tolGolden = 1e-10

// goldenDPLR reads the model of a case. Its A is stored as raw numbers: Re A =
// -AReal and Im A = -AImag, which is ssm.None.
func goldenDPLR(t *testing.T, c *golden.Case) (cauchy.Config, cauchy.Size, params64) {
	p := c.Arrays["P"].Shape
	size := cauchy.Size{CH: c.Arrays["Ct"].Shape[0], H: c.Int("H", 0), S: p[1], N: p[2], R: p[0]}
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{ATransform: ssm.None, Rate: c.Float("rate", 1)}, LKernel: c.Int("L_kernel", 0), L: c.Int("L", 0)}
	prm := params64{Dt: c.F(t, "log_dt"), P: c.F(t, "P"), B: c.F(t, "B"), C: c.F(t, "Ct")}
	a := c.F(t, "A")
	for i := 0; i < len(a); i += 2 {
		prm.AReal = append(prm.AReal, -a[i])
		prm.AImag = append(prm.AImag, -a[i+1])
	}
	return cfg, size, prm
}

// gradA is the gradient by the complex A of goldenDPLR. Real and imaginary part
// are compared as one array, which is what the golden one is exact as: its real
// part alone is off by 3e-9 in the case of FouT, see
// TestGradientNearAPole.
func gradA(g params64) []float64 {
	var v []float64
	for i, re := range g.AReal {
		v = append(v, -re, -g.AImag[i])
	}
	return v
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "dplr_kernel") {
		cfg, size, p := goldenDPLR(t, c)
		g := backward(t, cfg, size, p, c.F(t, "W"))
		for _, x := range []struct {
			name string
			got  []float64
		}{
			{"K", forward(t, cfg, size, p)},
			{"g_log_dt", g.Dt},
			{"g_A", gradA(g)},
			{"g_P", g.P},
			{"g_B", g.B},
			{"g_Ct", g.C},
		} {
			e := testutil.RelErr(x.got, c.F(t, x.name))
			t.Logf("%s: %s: %.2g", c.Name, x.name, e)
			if !(e <= tolGolden) {
				t.Errorf("%s: %s: relative error %.3g > %.3g", c.Name, x.name, e, tolGolden)
			}
		}
	}
}

// In float32 the kernel and its gradients must be at least as close to those of
// float64 as the reference implementation's, for the same parameters: the
// golden ones rounded to float32. Where the stored error is below one unit in
// the last place of a float32, that is the bound.
func TestGoldenFloat32(t *testing.T) {
	for _, c := range golden.Cases(t, "dplr_kernel") {
		cfg, size, p := goldenDPLR(t, c)
		p = to64(to32(p))
		w := testutil.Float32s(c.F(t, "W"))
		got, want := backward(t, cfg, size, to32(p), w), backward(t, cfg, size, p, testutil.Float64s(w))
		ref, _ := c.Meta["ref_float32_rel_err_grads"].(map[string]any)
		testutil.CheckRounded(t, c.Name+": K", forward(t, cfg, size, to32(p)), forward(t, cfg, size, p), c.Meta["ref_float32_rel_err_K"])
		testutil.CheckRounded(t, c.Name+": g_log_dt", testutil.Float64s(got.Dt), want.Dt, ref["inv_dt"])
		testutil.CheckRounded(t, c.Name+": g_A real", testutil.Float64s(got.AReal), want.AReal, ref["A_real"])
		testutil.CheckRounded(t, c.Name+": g_A imag", testutil.Float64s(got.AImag), want.AImag, ref["A_imag"])
		testutil.CheckRounded(t, c.Name+": g_P", testutil.Float64s(got.P), want.P, ref["P"])
		testutil.CheckRounded(t, c.Name+": g_B", testutil.Float64s(got.B), want.B, ref["B"])
		testutil.CheckRounded(t, c.Name+": g_Ct", testutil.Float64s(got.C), want.C, ref["C"])
	}
}

func TestGoldenTuneC(t *testing.T) {
	for _, c := range golden.Cases(t, "dplr_setupC") {
		cfg, size, p := goldenDPLR(t, c)
		L := cfg.L
		check := func(name string, got, want []float64) {
			t.Helper()
			e := testutil.RelErr(got, want)
			t.Logf("%s: %s: %.2g", c.Name, name, e)
			if !(e <= tolGolden) {
				t.Errorf("%s: %s: relative error %.3g > %.3g", c.Name, name, e, tolGolden)
			}
		}
		untuned, doubled := p, p
		untuned.C = c.F(t, "C")
		got := make([]float64, len(p.C))
		if err := cauchy.TuneC(got, cfg, size, untuned, L); err != nil {
			t.Fatal(err)
		}
		check("Ct", got, c.F(t, "Ct"))
		if err := cauchy.UntuneC(got, cfg, size, p, L); err != nil {
			t.Fatal(err)
		}
		check("C", got, c.F(t, "C"))
		check("K", forward(t, cfg, size, p), c.F(t, "K"))
		if c.Has("Ct2") {
			doubled.C = make([]float64, len(p.C))
			if err := cauchy.RetuneC(doubled.C, cfg, size, p, L); err != nil {
				t.Fatal(err)
			}
			check("Ct2", doubled.C, c.F(t, "Ct2"))
			twice := cfg
			twice.L = 2 * L
			check("K2", forward(t, twice, size, doubled), c.F(t, "K2"))
		}
		s, err := cauchy.NewDenseStep(cfg, size, p)
		if err != nil {
			t.Fatal(err)
		}
		n := size.N
		check("dA", s.A, realMatrices(c.F(t, "dA"), n))
		check("dB", s.B, realColumns(c.F(t, "dB"), n))
		check("dC", s.C, realRows(c.F(t, "dC"), n))
	}
}

// The golden dense arrays are complex, on the state (x, conj x). On (Re x, Im
// x), x = Re x + i Im x, the matrix [[F, G], [conj G, conj F]] is
//
//	[ Re(F+G)  -Im(F-G) ]
//	[ Im(F+G)   Re(F-G) ]
func realMatrices(v []float64, n int) []float64 {
	var m []float64
	for ; len(v) > 0; v = v[8*n*n:] {
		at := func(i, j int) (f, g complex128) {
			o, p := 2*(i*2*n+j), 2*(i*2*n+n+j)
			return complex(v[o], v[o+1]), complex(v[p], v[p+1])
		}
		for i := range 2 * n {
			for j := range 2 * n {
				f, g := at(i%n, j%n)
				switch {
				case i < n && j < n:
					m = append(m, real(f+g))
				case i < n:
					m = append(m, -imag(f-g))
				case j < n:
					m = append(m, imag(f+g))
				default:
					m = append(m, real(f-g))
				}
			}
		}
	}
	return m
}

func realColumns(v []float64, n int) []float64 {
	var m []float64
	for ; len(v) > 0; v = v[4*n:] {
		for part := range 2 {
			for i := range n {
				m = append(m, v[2*i+part])
			}
		}
	}
	return m
}

// realRows is realColumns for rows: 2 Re(c x) = 2 Re c Re x - 2 Im c Im x.
func realRows(v []float64, n int) []float64 {
	m := realColumns(v, n)
	for i := range m {
		if i/n%2 == 0 {
			m[i] *= 2
		} else {
			m[i] *= -2
		}
	}
	return m
}

func TestGoldenRecurrence(t *testing.T) {
	for _, c := range golden.Cases(t, "recurrence") {
		if c.Arrays["P"].Shape == nil {
			continue // a diagonal model
		}
		cfg, size, p := goldenDPLR(t, c)
		batch := c.Int("B_batch", 0)
		x0 := c.F(t, "x0")
		for name, s := range steps(t, cfg, size, p) {
			check := func(what string, got []float64) {
				t.Helper()
				e := testutil.RelErr(got, c.F(t, what))
				t.Logf("%s: %s: %s: %.2g", c.Name, name, what, e)
				if !(e <= tolGolden) {
					t.Errorf("%s: %s: %s: relative error %.3g > %.3g", c.Name, name, what, e, tolGolden)
				}
			}
			y, x, _ := scan(t, s, size, make([]float64, len(x0)), c.F(t, "u"), batch, cfg.L)
			check("y_zero_state", y)
			check("x_final_zero", x)
			y, x, all := scan(t, s, size, x0, c.F(t, "u"), batch, cfg.L)
			check("y_with_state", y)
			check("x_final_with_state", x)
			if c.Has("x_all_with_state") {
				check("x_all_with_state", all)
			}
		}
		in := inputs(size, p)
		x0Input := testutil.Input{Name: "x0", Shape: tensor.Shape{batch, size.H, size.N, 2}, F: c.F(t, "x0")}
		k, err := testutil.Forward(tensor.Float64, outputOf(cfg), in[0], in[1], in[2], in[3], in[5], x0Input)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(k, c.F(t, "K_state")); !(e <= tolGolden) {
			t.Errorf("%s: K_state: relative error %.3g > %.3g", c.Name, e, tolGolden)
		}
		u := testutil.Input{Name: "u", Shape: tensor.Shape{batch, size.H, cfg.L}, F: c.F(t, "u")}
		x, err := testutil.Forward(tensor.Float64, finalOf(cfg), in[0], in[1], in[2], in[3], in[4], u, x0Input)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(x, c.F(t, "x_final_with_state")); !(e <= tolGolden) {
			t.Errorf("%s: final state: relative error %.3g > %.3g", c.Name, e, tolGolden)
		}
		if e := testutil.RelErr(forward(t, cfg, size, p), c.F(t, "K")); !(e <= tolGolden) {
			t.Errorf("%s: K: relative error %.3g > %.3g", c.Name, e, tolGolden)
		}
	}
}

// scan runs the input u (B, H, L) from the state x0 (B, H, N, 2) and returns the
// output (B, H, L), the last state and all states (B, H, N, L, 2).
func scan(t *testing.T, s advancer[float64], size cauchy.Size, x0, u []float64, batch, L int) (y, x, all []float64) {
	t.Helper()
	rows := batch * size.H
	state := make([]float64, s.StateLen(batch))
	if err := s.Load(state, x0); err != nil {
		t.Fatal(err)
	}
	y, all = make([]float64, rows*L), make([]float64, rows*size.N*L*2)
	ul, yl := make([]float64, rows), make([]float64, rows)
	for l := range L {
		for i := range ul {
			ul[i] = u[i*L+l]
		}
		if err := s.Advance(yl, state, ul); err != nil {
			t.Fatal(err)
		}
		for i, v := range yl {
			y[i*L+l] = v
		}
		x = s.Store(state)
		for i := range len(x) / 2 {
			copy(all[2*(i*L+l):][:2], x[2*i:])
		}
	}
	return y, x, all
}
