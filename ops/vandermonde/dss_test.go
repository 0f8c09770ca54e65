package vandermonde_test

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// randomDSS draws the parameters of a trained model, dt in [0.001, 0.1] before
// Config.Rate. With growing, softmax has some states of positive real part.
func randomDSS(rng *rand.Rand, cfg vandermonde.DSSConfig, s vandermonde.DSSSize, growing bool) vandermonde.DSSParams[[]float64] {
	cols := 1
	if s.SeparateDt {
		cols = 2
	}
	p := vandermonde.DSSParams[[]float64]{
		LogDt: make([]float64, s.H*cols), Lambda: make([]float64, s.N*2), W: make([]float64, s.CH*s.H*s.N*2),
	}
	for i := range p.LogDt {
		p.LogDt[i] = math.Log(0.001 * math.Pow(100, rng.Float64()))
	}
	for n := range s.N {
		re, im := -0.2-0.6*rng.Float64(), math.Pi*(float64(n)+rng.Float64())
		switch cfg.Version {
		case vandermonde.DSSExp, vandermonde.DSSExpNoScale:
			re = math.Log(-re)
		case vandermonde.DSSExpReIm:
			re, im = math.Log(-re), math.Log(im)
		case vandermonde.DSSClip, vandermonde.DSSClipNoScale:
			if n%3 == 1 {
				re = 0.5 // clipped
			}
		default:
			if growing && n%2 == 1 {
				re = -re / 4
			}
		}
		p.Lambda[2*n], p.Lambda[2*n+1] = re, im
	}
	for i := range p.W {
		p.W[i] = rng.NormFloat64()
	}
	return p
}

func dss32(p vandermonde.DSSParams[[]float64]) vandermonde.DSSParams[[]float32] {
	return vandermonde.DSSParams[[]float32]{LogDt: testutil.Float32s(p.LogDt), Lambda: testutil.Float32s(p.Lambda), W: testutil.Float32s(p.W)}
}

func roundedDSS(p vandermonde.DSSParams[[]float64]) vandermonde.DSSParams[[]float64] {
	q := dss32(p)
	return vandermonde.DSSParams[[]float64]{LogDt: testutil.Float64s(q.LogDt), Lambda: testutil.Float64s(q.Lambda), W: testutil.Float64s(q.W)}
}

func forwardDSS[T num.Float](t testing.TB, cfg vandermonde.DSSConfig, s vandermonde.DSSSize, p vandermonde.DSSParams[[]T]) []float64 {
	t.Helper()
	plan, err := vandermonde.NewDSSPlan[T](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	k := make([]T, s.CH*s.H*cfg.L)
	if err := plan.Forward(k, p); err != nil {
		t.Fatal(err)
	}
	return testutil.Float64s(k)
}

func backwardDSS[T num.Float](t testing.TB, cfg vandermonde.DSSConfig, s vandermonde.DSSSize, p vandermonde.DSSParams[[]T], gk []T) vandermonde.DSSParams[[]T] {
	t.Helper()
	plan, err := vandermonde.NewDSSPlan[T](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	g := vandermonde.DSSParams[[]T]{LogDt: make([]T, len(p.LogDt)), Lambda: make([]T, len(p.Lambda)), W: make([]T, len(p.W))}
	if err := plan.Backward(g, p, gk); err != nil {
		t.Fatal(err)
	}
	return g
}

// naiveDSS is the oracle, one exponential for every element of the Vandermonde
// matrix. For softmax the powers of each state are divided by their sum, by
// adding them up; the reciprocal is damped as published.
func naiveDSS(cfg vandermonde.DSSConfig, s vandermonde.DSSSize, p vandermonde.DSSParams[[]float64]) []float64 {
	rate := cfg.Rate
	if rate == 0 {
		rate = 1
	}
	k := make([]float64, s.CH*s.H*cfg.L)
	row := make([]complex128, cfg.L)
	for h := range s.H {
		dt0 := math.Exp(p.LogDt[h*len(p.LogDt)/s.H]) * rate
		dt1 := math.Exp(p.LogDt[(h+1)*len(p.LogDt)/s.H-1]) * rate
		for n := range s.N {
			re, im := p.Lambda[2*n], p.Lambda[2*n+1]
			switch cfg.Version {
			case "exp", "exp-no-scale":
				re = -math.Exp(re)
			case "exp-re-im":
				re, im = -math.Exp(re), math.Exp(im)
			case "clip", "clip-no-scale":
				re = math.Min(re, 1e-4)
			}
			lambda, z := complex(re, im), complex(dt0*re, dt1*im)
			scale := complex128(1)
			switch cfg.Version {
			case "exp", "exp-re-im", "clip":
				scale = (cmplx.Exp(z) - 1) / lambda
			}
			shift := 0.0 // the exponent where the powers are largest
			if softmax := cfg.Version == "softmax" || cfg.Version == ""; softmax {
				if re > 0 {
					shift = float64(cfg.L - 1)
				}
				var sum complex128
				for l := range row {
					sum += cmplx.Exp(complex(float64(l)-shift, 0) * z)
				}
				// 1/(lambda sum) = num/(lambda den), of which lambda den is damped.
				num := cmplx.Exp(z) - 1
				if re > 0 {
					num = cmplx.Exp(-z) - 1
				}
				x := lambda * sum * num
				scale = num * cmplx.Conj(x) / (x*cmplx.Conj(x) + 1e-7)
			}
			for l := range row {
				row[l] = scale * cmplx.Exp(complex(float64(l)-shift, 0)*z)
			}
			for c := range s.CH {
				o := (c*s.H+h)*s.N + n
				for l, v := range row {
					k[(c*s.H+h)*cfg.L+l] += real(complex(p.W[2*o], p.W[2*o+1]) * v)
				}
			}
		}
	}
	return k
}

func TestDSSKernelIsTheNaiveSum(t *testing.T) {
	const tol = 1e-11 // the oracle's sum of the powers cancels
	for _, version := range append(vandermonde.DSSVersions(), "") {
		for _, s := range []vandermonde.DSSSize{{CH: 1, H: 2, N: 5}, {CH: 2, H: 3, N: 4, SeparateDt: true}, {CH: 1, H: 1, N: 1}} {
			for _, L := range lengths {
				cfg := vandermonde.DSSConfig{Version: version, L: L}
				p := randomDSS(rand.New(rand.NewPCG(1, uint64(L))), cfg, s, true)
				if e := testutil.RelErr(forwardDSS(t, cfg, s, p), naiveDSS(cfg, s, p)); !(e <= tol) {
					t.Errorf("%q, %+v, L = %d: relative error %.3g > %.3g", version, s, L, e, tol)
				}
			}
		}
	}
}

// With W = Lambda the softmax kernel of one state sums to Re 1, whatever its
// sign (Proposition 1b).
func TestDSSSoftmaxSumsToOne(t *testing.T) {
	const tol = 1e-6 // dssEpsilon
	cfg := vandermonde.DSSConfig{L: 300}
	size := vandermonde.DSSSize{CH: 1, H: 1, N: 1}
	for _, lambda := range [][]float64{{-0.5, 3}, {0.4, 2}, {-1, 0}} {
		p := vandermonde.DSSParams[[]float64]{LogDt: []float64{-3}, Lambda: lambda, W: lambda}
		var sum float64
		for _, v := range forwardDSS(t, cfg, size, p) {
			sum += v
		}
		if math.Abs(sum-1) > tol {
			t.Errorf("lambda = %g: the kernel sums to %g, want 1", lambda, sum)
		}
	}
}

// States that grow over the whole length by far more than a float holds.
func TestDSSSoftmaxDoesNotOverflow(t *testing.T) {
	const tol = 1e-6
	cfg := vandermonde.DSSConfig{L: 5000}
	size := vandermonde.DSSSize{CH: 1, H: 1, N: 3}
	p := vandermonde.DSSParams[[]float64]{
		LogDt:  []float64{0},
		Lambda: []float64{2, 0.3, -0.4, 1, 0.001, 0.01}, // e^(2*5000)
		W:      []float64{1, 0.5, -0.3, 1, 0.7, 0},
	}
	want := naiveDSS(cfg, size, p)
	if e := testutil.RelErr(forwardDSS(t, cfg, size, p), want); !(e <= tol) {
		t.Errorf("float64: relative error %.3g > %.3g", e, tol)
	}
	if e := testutil.RelErr(forwardDSS(t, cfg, size, dss32(p)), want); !(e <= tol) {
		t.Errorf("float32: relative error %.3g > %.3g", e, tol)
	}
}

func TestDSSKernelIsTheImpulseResponse(t *testing.T) {
	const tol = 1e-11
	size := vandermonde.DSSSize{CH: 2, H: 3, N: 4, SeparateDt: true}
	for _, version := range vandermonde.DSSVersions() {
		cfg := vandermonde.DSSConfig{Version: version, L: 150, Rate: 1.5}
		p := randomDSS(rand.New(rand.NewPCG(3, 4)), cfg, size, true)
		ab, bb, err := vandermonde.DiscretizeDSS(cfg, size, p)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, size.CH*size.H*cfg.L)
		for h := range size.H {
			for n := range size.N {
				x := bb[h*size.N+n]
				for l := range cfg.L {
					for c := range size.CH {
						o := (c*size.H+h)*size.N + n
						want[(c*size.H+h)*cfg.L+l] += real(complex(p.W[2*o], p.W[2*o+1]) * x)
					}
					x *= ab[h*size.N+n]
				}
			}
		}
		if e := testutil.RelErr(forwardDSS(t, cfg, size, p), want); !(e <= tol) {
			t.Errorf("%q: relative error %.3g > %.3g", version, e, tol)
		}
	}
}

func TestDSSFloat32IsAccurateAtEveryLength(t *testing.T) {
	const (
		tolKernel = 5e-7
		tolGrad   = 1e-6
	)
	size := vandermonde.DSSSize{CH: 1, H: 4, N: 32}
	for _, version := range vandermonde.DSSVersions() {
		for _, L := range []int{256, 4096} {
			cfg := vandermonde.DSSConfig{Version: version, L: L}
			rng := rand.New(rand.NewPCG(5, uint64(L)))
			p := roundedDSS(randomDSS(rng, cfg, size, true))
			if e := testutil.RelErr(forwardDSS(t, cfg, size, dss32(p)), forwardDSS(t, cfg, size, p)); !(e <= tolKernel) {
				t.Errorf("%q, L = %d: kernel: relative error %.3g > %.3g", version, L, e, tolKernel)
			}
			gk := make([]float64, size.H*L)
			for i := range gk {
				gk[i] = float64(float32(rng.NormFloat64()))
			}
			got, want := backwardDSS(t, cfg, size, dss32(p), testutil.Float32s(gk)), backwardDSS(t, cfg, size, p, gk)
			for _, x := range []struct {
				name      string
				got, want []float64
			}{{"LogDt", testutil.Float64s(got.LogDt), want.LogDt}, {"Lambda", testutil.Float64s(got.Lambda), want.Lambda}, {"W", testutil.Float64s(got.W), want.W}} {
				e := testutil.RelErr(x.got, x.want)
				if !(e <= tolGrad) {
					t.Errorf("%q, L = %d: gradient of %s: relative error %.3g > %.3g", version, L, x.name, e, tolGrad)
				}
			}
		}
	}
}

func dssInputs(s vandermonde.DSSSize, p vandermonde.DSSParams[[]float64]) []testutil.Input {
	return []testutil.Input{
		{Name: "logDt", Shape: tensor.Shape{s.H, len(p.LogDt) / s.H}, F: p.LogDt},
		{Name: "lambda", Shape: tensor.Shape{s.N, 2}, F: p.Lambda},
		{Name: "w", Shape: tensor.Shape{s.CH, s.H, s.N, 2}, F: p.W},
	}
}

func dssKernelOf(cfg vandermonde.DSSConfig) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return vandermonde.DSSKernel(cfg, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1], W: n[2]})
	}
}

func TestDSSKernelGradients(t *testing.T) {
	for _, version := range vandermonde.DSSVersions() {
		for _, s := range []vandermonde.DSSSize{{CH: 1, H: 3, N: 4}, {CH: 2, H: 3, N: 5, SeparateDt: true}, {CH: 1, H: 1, N: 1}} {
			for _, L := range []int{2, 17, 50} {
				t.Run(fmt.Sprintf("%s/CH%d_N%d/L%d", version, s.CH, s.N, L), func(t *testing.T) {
					// Raw step sizes around 0, so that a finite difference is small.
					cfg := vandermonde.DSSConfig{Version: version, Rate: 0.01, L: L}
					p := randomDSS(rand.New(rand.NewPCG(7, uint64(L))), cfg, s, true)
					for i := range p.LogDt {
						p.LogDt[i] = p.LogDt[i]/math.Log(100) + 2.5 // in [1, 2]
					}
					if version == vandermonde.DSSSoftmax {
						// Away from e^(L dt Lambda) = 1, where it bends too
						// sharply for finite differences.
						for n := range s.N {
							p.Lambda[2*n] *= 20
						}
					}
					testutil.Check(t, dssKernelOf(cfg), dssInputs(s, p)...)
				})
			}
		}
	}
}

// The reciprocal of a small Lambda is damped, and that has a gradient too.
func TestDSSGradientOfSmallLambda(t *testing.T) {
	size := vandermonde.DSSSize{CH: 1, H: 1, N: 1}
	p := vandermonde.DSSParams[[]float64]{LogDt: []float64{-2}, Lambda: []float64{-2e-4, 1e-4}, W: []float64{1, 0.3}}
	for _, version := range []vandermonde.DSSVersion{vandermonde.DSSSoftmax, vandermonde.DSSClip} {
		cfg := vandermonde.DSSConfig{Version: version, L: 20}
		gk := make([]float64, cfg.L)
		for i := range gk {
			gk[i] = math.Sin(float64(i))
		}
		loss := func(part int, step float64) float64 {
			q := p
			q.Lambda = append([]float64(nil), p.Lambda...)
			q.Lambda[part] += step
			var sum float64
			for i, v := range forwardDSS(t, cfg, size, q) {
				sum += gk[i] * v
			}
			return sum
		}
		g := backwardDSS(t, cfg, size, p, gk)
		for part := range 2 {
			const h = 1e-6
			want := (8*(loss(part, h/2)-loss(part, -h/2)) - (loss(part, h) - loss(part, -h))) / (6 * h)
			if math.Abs(g.Lambda[part]-want) > 1e-6*math.Abs(want) {
				t.Errorf("%q: part %d: gradient %g, finite differences %g", version, part, g.Lambda[part], want)
			}
		}
	}
}

func TestGoldenDSS(t *testing.T) {
	for _, c := range golden.Cases(t, "dss_kernel") {
		sep, _ := c.Meta["sep_dt_re_im"].(bool)
		size := vandermonde.DSSSize{CH: c.Int("channels", 1), H: c.Int("H", 0), N: c.Int("N", 0), SeparateDt: sep}
		cfg := vandermonde.DSSConfig{Version: vandermonde.DSSVersion(c.String("version")), DetachShift: true, L: c.Int("L", 0)}
		re, im := append([]float64(nil), c.F(t, "Lambda_re")...), append([]float64(nil), c.F(t, "Lambda_im")...)
		if strings.HasPrefix(string(cfg.Version), "exp") {
			for i := range re {
				re[i] = math.Log(-re[i])
				if cfg.Version == vandermonde.DSSExpReIm {
					im[i] = math.Log(im[i])
				}
			}
		}
		p := vandermonde.DSSParams[[]float64]{LogDt: c.F(t, "log_dt"), Lambda: interleave(re, im), W: c.F(t, "Wparam")}
		g := backwardDSS(t, cfg, size, p, c.F(t, "W"))
		for _, x := range []struct {
			name      string
			got, want []float64
		}{
			{"K", forwardDSS(t, cfg, size, p), c.F(t, "K")},
			{"g_log_dt", g.LogDt, c.F(t, "g_log_dt")},
			{"g_Lambda", g.Lambda, goldenLambdaGrad(t, c)},
			{"g_Wparam", g.W, c.F(t, "g_Wparam")},
		} {
			if e := testutil.RelErr(x.got, x.want); !(e <= tolGolden) {
				t.Errorf("%s: %s: relative error %.3g > %.3g", c.Name, x.name, e, tolGolden)
			}
		}
	}
}

// goldenLambdaGrad returns the gradient of the raw parameters of Lambda, which
// the exp versions store in two arrays.
func goldenLambdaGrad(t *testing.T, c *golden.Case) []float64 {
	if c.Has("g_Lambda") {
		return c.F(t, "g_Lambda")
	}
	im := "g_Lambda_im"
	if !c.Has(im) {
		im = "g_Lambda_log_im"
	}
	return interleave(c.F(t, "g_Lambda_log_neg_re"), c.F(t, im))
}

// interleave returns re[0], im[0], re[1], ...
func interleave(re, im []float64) []float64 {
	var v []float64
	for i := range re {
		v = append(v, re[i], im[i])
	}
	return v
}

func TestDSSPlanDoesNotAllocate(t *testing.T) {
	cfg := vandermonde.DSSConfig{L: 100}
	size := vandermonde.DSSSize{CH: 1, H: 4, N: 3}
	p := dss32(randomDSS(rand.New(rand.NewPCG(1, 2)), cfg, size, true))
	plan, err := vandermonde.NewDSSPlan[float32](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	k := make([]float32, size.H*cfg.L)
	g := dss32(roundedDSS(randomDSS(rand.New(rand.NewPCG(1, 2)), cfg, size, true)))
	testutil.CheckNoAllocations(t, "a step",
		func() error { return plan.Forward(k, p) }, func() error { return plan.Backward(g, p, k) })
}

func TestDSSErrors(t *testing.T) {
	good := vandermonde.DSSConfig{L: 8}
	size := vandermonde.DSSSize{CH: 1, H: 2, N: 3}
	plan, err := vandermonde.NewDSSPlan[float64](good, size)
	if err != nil {
		t.Fatal(err)
	}
	p := randomDSS(rand.New(rand.NewPCG(1, 2)), good, size, false)
	k := make([]float64, size.H*good.L)
	short := p
	short.Lambda = short.Lambda[1:]
	_, badVersion := vandermonde.NewDSSPlan[float64](vandermonde.DSSConfig{Version: "gelu", L: 8}, size)
	_, badRate := vandermonde.NewDSSPlan[float64](vandermonde.DSSConfig{Rate: math.NaN(), L: 8}, size)
	_, badSize := vandermonde.NewDSSPlan[float64](good, vandermonde.DSSSize{CH: 1, N: 3})
	_, _, discretize := vandermonde.DiscretizeDSS(vandermonde.DSSConfig{}, size, p)
	_, _, discretizeShort := vandermonde.DiscretizeDSS(good, size, short)
	g := G.NewGraph()
	node := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	dt, lambda, w := node("dt", 2), node("lambda", 3, 2), node("w", 1, 2, 3, 2)
	op := func(cfg vandermonde.DSSConfig, dt, lambda, w *G.Node) error {
		_, err := vandermonde.DSSKernel(cfg, vandermonde.DSSParams[*G.Node]{LogDt: dt, Lambda: lambda, W: w})
		return err
	}
	for _, w := range []*G.Node{w, node("w of one channel", 2, 3, 2)} {
		if err := op(good, dt, lambda, w); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{badVersion, `want Version one of ["softmax" "exp" "exp-re-im" "exp-no-scale" "clip" "clip-no-scale"], got "gelu"`},
		{badRate, "want Rate a finite number"},
		{badSize, "want at least 1 feature H, got 0"},
		{plan.Forward(k[1:], p), "k: want 16 elements, got 15"},
		{plan.Forward(k, short), "Lambda: want 6 elements, got 5"},
		{plan.Backward(p, short, k), "Lambda: want 6 elements, got 5"},
		{plan.Backward(short, p, k), "gradient of Lambda: want 6 elements, got 5"},
		{plan.Backward(p, p, k[1:]), "gk: want 16 elements, got 15"},
		{discretize, "vandermonde: DiscretizeDSS: want kernel length L at least 1, got 0"},
		{discretizeShort, "vandermonde: DiscretizeDSS: Lambda: want 6 elements, got 5"},
		{op(vandermonde.DSSConfig{}, dt, lambda, w), "vandermonde.DSSKernel: want kernel length L at least 1, got 0"},
		{op(good, dt, nil, w), "vandermonde.DSSKernel: Lambda: want a node, got nil"},
		{op(good, dt, lambda, node("w3", 2, 3)), "vandermonde.DSSKernel: W: want (CH, H, 3, 2) or (H, 3, 2), got (2, 3)"},
		{op(good, dt, node("lambda1", 3), w), "Lambda: want (3, 2), got (3)"},
		{op(good, node("dt3", 2, 3), lambda, w), "LogDt: want (2, 1) or (2) or (2, 2), got (2, 3)"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
