package conformance

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// runDPLRKernel runs cauchy.Kernel, and for a new C~ cauchy.TuneC.
func runDPLRKernel(o *outcome, dt tensor.Dtype) error {
	c := o.c
	a, err := c.Array("A")
	if err != nil {
		return err
	}
	half := a.Shape[:2]
	in := []testutil.Input{
		{Name: "A_real", Shape: half, F: scaled(component(a.F, 0), -1)}, // the transform None
		{Name: "A_imag", Shape: half, F: scaled(component(a.F, 1), -1)},
	}
	for _, name := range []string{"log_dt", "P", "B", "Ct"} {
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
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{ATransform: ssm.None, Rate: c.Float("rate", 1)}, LKernel: c.Int("L_kernel", 0), L: c.Int("L", 0)}
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return cauchy.Kernel(cfg, cauchy.Params[*G.Node]{Dt: n[2], AReal: n[0], AImag: n[1], P: n[3], B: n[4], C: n[5]})
	}, w.F, in...)
	if err != nil {
		return err
	}
	gRe, gIm := scaled(r.Grads[0], -1), scaled(r.Grads[1], -1)
	if dt == tensor.Float32 || o.recording {
		o.compare(dt, "g_A.re", gRe, nil, refErr32(c, "A_real"))
		o.compare(dt, "g_A.im", gIm, nil, refErr32(c, "A_imag"))
	} else if err := o.against(dt, "g_A", interleaved(gRe, gIm), 0); err != nil {
		return err // as one array: that of FouT is 1e-10 of itself off, and its real part is small
	}
	for _, x := range []struct {
		name  string
		got   []float64
		ref32 float64
	}{
		{"K", r.Out, c.Float("ref_float32_rel_err_K", 0)},
		{"g_log_dt", r.Grads[2], refErr32(c, "inv_dt")},
		{"g_P", r.Grads[3], refErr32(c, "P")},
		{"g_B", r.Grads[4], refErr32(c, "B")},
		{"g_Ct", r.Grads[5], refErr32(c, "C")},
	} {
		if err := o.against(dt, x.name, x.got, x.ref32); err != nil {
			return err
		}
	}
	if dt == tensor.Float32 || !c.Has("C") {
		return nil
	}
	size := cauchy.Size{CH: c.Int("channels", 1), H: c.Int("H", 0), S: half[0], N: half[1], R: c.Int("rank", 1)}
	ct := make([]float64, len(c.Arrays["C"].F))
	cfg.Rate = 1 // what C~ is tuned at
	if err := cauchy.TuneC(ct, cfg, size, cauchy.Params[[]float64]{
		Dt: in[2].F, AReal: in[0].F, AImag: in[1].F, P: in[3].F, B: in[4].F, C: c.Arrays["C"].F,
	}, cfg.LKernel); err != nil {
		return err
	}
	return o.against(dt, "Ct", ct, 0)
}

// interleaved returns re, im of complex values.
func interleaved(re, im []float64) []float64 {
	v := make([]float64, 0, 2*len(re))
	for i, x := range re {
		v = append(v, x, im[i])
	}
	return v
}

// runDSSKernel runs vandermonde.DSSKernel with the gradient of the reference,
// which leaves a factor out.
func runDSSKernel(o *outcome, dt tensor.Dtype) error {
	c := o.c
	cfg := vandermonde.DSSConfig{Version: vandermonde.DSSVersion(c.String("version")), DetachShift: true, L: c.Int("L", 0)}
	n := c.Int("N", 0)
	lambda := testutil.Input{Name: "Lambda", Shape: tensor.Shape{n, 2}}
	for i := range n {
		re, im := c.Arrays["Lambda_re"].F[i], c.Arrays["Lambda_im"].F[i]
		switch cfg.Version {
		case vandermonde.DSSExp, vandermonde.DSSExpNoScale, vandermonde.DSSExpReIm:
			re = math.Log(-re)
		}
		if cfg.Version == vandermonde.DSSExpReIm {
			im = math.Log(im)
		}
		lambda.F = append(lambda.F, re, im)
	}
	logDt, err := input(c, "log_dt", 1)
	if err != nil {
		return err
	}
	wp, err := input(c, "Wparam", 1)
	if err != nil {
		return err
	}
	w, err := c.Array("W")
	if err != nil {
		return err
	}
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return vandermonde.DSSKernel(cfg, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1], W: n[2]})
	}, w.F, logDt, lambda, wp)
	if err != nil {
		return err
	}
	results := map[string][]float64{"K": r.Out, "g_log_dt": r.Grads[0], "g_Wparam": r.Grads[2]}
	for _, g := range lambdaGrads(cfg.Version) {
		if results[g.array] = r.Grads[1]; g.part != whole {
			results[g.array] = component(r.Grads[1], g.part)
		}
	}
	for _, name := range sortedKeys(results) {
		if err := o.against(dt, name, results[name], 0); err != nil {
			return err
		}
	}
	return nil
}

// whole stands for both parts of a complex array: see component.
const whole = -1

// lambdaGrad is an array that holds the gradient of Lambda, or of one part.
type lambdaGrad struct {
	array string
	part  int
}

// lambdaGrads returns the arrays of the gradient of Lambda: the versions have
// other parameters.
func lambdaGrads(version vandermonde.DSSVersion) []lambdaGrad {
	switch version {
	case vandermonde.DSSExp, vandermonde.DSSExpNoScale:
		return []lambdaGrad{{"g_Lambda_log_neg_re", 0}, {"g_Lambda_im", 1}}
	case vandermonde.DSSExpReIm:
		return []lambdaGrad{{"g_Lambda_log_neg_re", 0}, {"g_Lambda_log_im", 1}}
	}
	return []lambdaGrad{{"g_Lambda", whole}}
}

// lsslArrays are the arrays of a case that are the parameters of A and B, in
// the order of ssm.Tridiagonal.
var lsslArrays = []string{"pl", "dl", "d", "du", "pr", "c", "b"}

func runLSSL(o *outcome, dt tensor.Dtype) error {
	c := o.c
	var in []testutil.Input
	for _, name := range append([]string{"log_dt", "C"}, lsslArrays...) {
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
	cfg := krylov.Config{Disc: ssm.GBT, Alpha: c.Float("alpha", 0), L: c.Int("L", 0)}
	r, err := testutil.Run(testutil.Tape, dt, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		a := ssm.Tridiagonal[*G.Node]{Pl: n[2], Dl: n[3], D: n[4], Du: n[5], Pr: n[6], C: n[7], B: n[8]}
		return krylov.Kernel(cfg, krylov.Params[*G.Node]{Dt: n[0], A: a, C: n[1]})
	}, w.F, in...)
	if err != nil {
		return err
	}
	if err := o.against(dt, "K", r.Out, 0); err != nil {
		return err
	}
	for i, x := range in {
		if err := o.against(dt, "g_"+x.Name, r.Grads[i], 0); err != nil {
			return err
		}
	}
	if dt == tensor.Float32 {
		return nil
	}
	p := krylov.Params[[]float64]{Dt: in[0].F, C: in[1].F, A: ssm.Tridiagonal[[]float64]{
		Pl: in[2].F, Dl: in[3].F, D: in[4].F, Du: in[5].F, Pr: in[6].F, C: in[7].F, B: in[8].F,
	}}
	ab, bb, err := krylov.Discretize(cfg, krylov.Size{CH: 1, H: c.Int("H", 0), S: 1, N: c.Int("N", 0)}, p)
	if err != nil {
		return err
	}
	if err := o.all(map[string][]float64{"dA": ab, "dB": bb}); err != nil {
		return err
	}
	a, b, err := hippo.Untridiagonal(&p.A)
	if err != nil {
		return err
	}
	return o.all(map[string][]float64{"A": scaled(elements(a), -1), "Bvec": b}) // x' = -A x + B u
}
