package conformance

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// input makes a graph input of an array of the case, with its shape or another
// of the same size, each element multiplied by sign.
func input(c *golden.Case, name string, sign float64, shape ...int) (testutil.Input, error) {
	a, err := c.Array(name)
	if err != nil {
		return testutil.Input{}, err
	}
	if len(shape) == 0 {
		shape = a.Shape
	}
	return testutil.Input{Name: name, Shape: shape, F: scaled(a.F, sign)}, nil
}

func scaled(v []float64, s float64) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = s * x
	}
	return w
}

// component returns the real (0) or imaginary (1) parts of complex values.
func component(v []float64, part int) []float64 {
	w := make([]float64, len(v)/2)
	for i := range w {
		w[i] = v[2*i+part]
	}
	return w
}

// refErr32 returns the reference's own float32 error of a gradient.
func refErr32(c *golden.Case, name string) float64 {
	m, _ := c.Meta["ref_float32_rel_err_grads"].(map[string]any)
	e, _ := m[name].(float64)
	return e
}

func runDiagInit(o *outcome, _ tensor.Dtype) error {
	c := o.c
	init := hippo.Init(c.String("init"))
	a, b, err := hippo.DiagInit(init, c.Int("N", 0), hippo.DiagOptions{
		ClipB:     hippo.ReferenceClipB,
		Normalize: c.Kind == "diag_init_normalized",
	})
	if err != nil {
		return err
	}
	results := map[string][]float64{"A": pairs(a), "B": pairs(b), "absB": make([]float64, len(b))}
	for i, v := range b {
		results["absB"][i] = math.Hypot(real(v), imag(v))
	}
	if init == hippo.InitLegS { // B has an arbitrary phase in each state
		delete(results, "B")
	}
	for _, name := range sortedKeys(results) {
		if !c.Has(name) { // by kind and initialisation: see the forms
			continue
		}
		if err := o.againstStored(name, results[name]); err != nil {
			return err
		}
	}
	return nil
}

// againstStored holds a float64 result against an array that the reference may
// have computed in float32 and stored widened, which shows in A: then it is
// held to float32 precision.
func (o *outcome) againstStored(array string, got []float64) error {
	want, err := o.c.Array(array)
	if err != nil {
		return err
	}
	stored := o.c.Arrays["A"].F
	if slices.ContainsFunc(stored, func(v float64) bool { return v != float64(float32(v)) }) || stored == nil {
		o.compare(tensor.Float64, array, got, want.F, 0)
		return nil
	}
	const tol = 1e-6 // an eigenvalue problem solved in float32
	o.compared++
	if e := testutil.RelErr(got, want.F); !(e <= tol) {
		o.fail("%s, stored in float32: relative error %.3g > %.3g", array, e, tol)
	}
	return nil
}

// pairs returns complex values as re, im.
func pairs(z []complex128) []float64 {
	v := make([]float64, 0, 2*len(z))
	for _, x := range z {
		v = append(v, real(x), imag(x))
	}
	return v
}

func runS4DKernel(o *outcome, dt tensor.Dtype) error {
	c := o.c
	logDt, err := input(c, "log_dt", 1)
	if err != nil {
		return err
	}
	a, err := c.Array("A")
	if err != nil {
		return err
	}
	half := a.Shape[:2]
	// Re A = -A_real with the transform None, Im A = -A_imag.
	aReal := testutil.Input{Name: "A_real", Shape: half, F: scaled(component(a.F, 0), -1)}
	aImag := testutil.Input{Name: "A_imag", Shape: half, F: scaled(component(a.F, 1), -1)}
	b, err := input(c, "B", 1)
	if err != nil {
		return err
	}
	cc, err := input(c, "C", 1)
	if err != nil {
		return err
	}
	w, err := c.Array("W")
	if err != nil {
		return err
	}
	cfg := vandermonde.Config{Dynamics: ssm.Dynamics{ATransform: ssm.None, Rate: c.Float("rate", 1)}, Disc: ssm.Disc(c.String("disc")), L: c.Int("L", 0)}
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return vandermonde.Kernel(cfg, vandermonde.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], B: n[3], C: n[4]})
	}, w.F, logDt, aReal, aImag, b, cc)
	if err != nil {
		return err
	}
	gA, err := c.Array("g_A")
	if err != nil {
		return err
	}
	o.compare(dt, "g_A.re", scaled(r.Grads[1], -1), component(gA.F, 0), refErr32(c, "A_real"))
	o.compare(dt, "g_A.im", scaled(r.Grads[2], -1), component(gA.F, 1), refErr32(c, "A_imag"))
	for _, x := range []struct {
		name  string
		got   []float64
		ref32 float64
	}{
		{"K", r.Out, c.Float("ref_float32_rel_err_K", 0)},
		{"g_log_dt", r.Grads[0], refErr32(c, "inv_dt")},
		{"g_B", r.Grads[3], refErr32(c, "B")},
		{"g_C", r.Grads[4], refErr32(c, "C")},
	} {
		if err := o.against(dt, x.name, x.got, x.ref32); err != nil {
			return err
		}
	}
	if dt == tensor.Float32 || !c.Has("dA") || !c.Has("dB") {
		return nil
	}
	return o.diagonalStep(cfg)
}

// diagonalStep compares the discretised A and B of every feature.
func (o *outcome) diagonalStep(cfg vandermonde.Config) error {
	a, b, logDt := complexes(o.c, "A"), complexes(o.c, "B"), o.c.Arrays["log_dt"]
	n := o.c.Int("N_half", 0)
	var ab, bb []float64
	for i := range o.c.Int("H", 0) * n { // state i mod n of feature i/n
		of := i % len(a)
		dt := cfg.Rate * math.Exp(logDt.F[i*logDt.Shape[1]/n])
		da, db, err := hippo.DiscretizeDiagonal(a[of:of+1], b[of:of+1], dt, cfg.Disc, 0)
		if err != nil {
			return err
		}
		ab, bb = append(ab, pairs(da)...), append(bb, pairs(db)...)
	}
	return o.all(map[string][]float64{"dA": ab, "dB": bb})
}

func runS4DMinimalKernel(o *outcome, dt tensor.Dtype) error {
	c := o.c
	h, n, l := c.Int("H", 0), c.Int("N_half", 0), c.Int("L", 0)
	var in []testutil.Input
	for _, x := range []struct {
		name  string
		sign  float64
		shape []int
	}{
		{"log_dt", 1, []int{h, 1}},
		{"log_A_real", 1, []int{h, n}},
		{"A_imag", -1, []int{h, n}}, // the minimal S4D stores Im A, we store -Im A
		{"C", 1, []int{1, h, n, 2}},
	} {
		v, err := input(c, x.name, x.sign, x.shape...)
		if err != nil {
			return err
		}
		in = append(in, v)
	}
	w, err := c.Array("W")
	if err != nil {
		return err
	}
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return vandermonde.Kernel(vandermonde.Config{L: l}, vandermonde.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], C: n[3]})
	}, w.F, in...)
	if err != nil {
		return err
	}
	if err := o.against(dt, "K", r.Out, 0); err != nil {
		return err
	}
	for i, x := range in {
		sign := 1.0
		if x.Name == "A_imag" {
			sign = -1
		}
		if err := o.against(dt, "g_"+x.Name, scaled(r.Grads[i], sign), 0); err != nil {
			return err
		}
	}
	return nil
}

func runConv(o *outcome, dt tensor.Dtype) error {
	c := o.c
	var in []testutil.Input
	for _, name := range []string{"u", "k", "D"} {
		x, err := input(c, name, 1)
		if err != nil {
			return err
		}
		in = append(in, x)
	}
	w, err := c.Array("W")
	if err != nil {
		return err
	}
	mode := fftconv.Causal
	switch bi := c.Meta["bidirectional"]; bi {
	case nil, false:
	case "reference":
		mode = fftconv.BidirectionalReference
	case "exact":
		mode = fftconv.Bidirectional
	default:
		return fmt.Errorf("unknown bidirectional mode %v", bi)
	}
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return fftconv.Conv(n[0], n[1], n[2], fftconv.WithMode(mode))
	}, w.F, in...)
	if err != nil {
		return err
	}
	if err := o.against(dt, "y", r.Out, 0); err != nil {
		return err
	}
	for i, x := range in {
		if err := o.against(dt, "g_"+x.Name, r.Grads[i], 0); err != nil {
			return err
		}
	}
	return nil
}
