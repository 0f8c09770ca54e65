package vandermonde_test

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// lengths are the kernel lengths of the tests: the smallest, below and above
// the block length, odd, prime, square and a power of two.
var lengths = []int{1, 2, 3, 17, 489, 1047, 4096}

// randomParams draws parameters like a trained model's: dt in [0.001, 0.1],
// decay rates around 1/2, frequencies up to pi N. Where the raw dt is dt
// itself the unit of time is ten times shorter, so that a step of finite
// differences is small beside dt.
func randomParams(rng *rand.Rand, cfg vandermonde.Config, s vandermonde.Size, withB bool) vandermonde.Params[[]float64] {
	normal := func(n int) []float64 { return testutil.Normal(rng, "", n).F }
	inverse := func(t ssm.Transform, v float64) float64 {
		raw, err := t.Inverse(v)
		if err != nil {
			panic(err)
		}
		return raw
	}
	unit := 1.0
	if cfg.DtTransform == ssm.None || cfg.DtTransform == ssm.ReLU {
		unit = 10
	}
	cols := 1
	if s.DtPerState {
		cols = s.N
	}
	p := vandermonde.Params[[]float64]{
		Dt: normal(s.H * cols), AReal: normal(s.S * s.N), AImag: normal(s.S * s.N), C: normal(s.CH * s.H * s.N * 2),
	}
	for i := range p.Dt {
		p.Dt[i] = inverse(cfg.DtTransform, unit*0.001*math.Pow(100, rng.Float64()))
	}
	for i := range p.AReal {
		p.AReal[i] = inverse(cfg.ATransform, (0.2+0.6*rng.Float64())/unit)
		p.AImag[i] = math.Pi * float64(i%s.N) * (1 + 0.1*rng.NormFloat64()) / unit
	}
	if withB {
		p.B = normal(s.S * s.N * 2)
	}
	return p
}

// to32 rounds parameters to float32.
func to32(p vandermonde.Params[[]float64]) vandermonde.Params[[]float32] {
	return vandermonde.Params[[]float32]{Dt: testutil.Float32s(p.Dt), AReal: testutil.Float32s(p.AReal), AImag: testutil.Float32s(p.AImag), B: testutil.Float32s(p.B), C: testutil.Float32s(p.C)}
}

// rounded returns p with every value rounded to float32.
func rounded(p vandermonde.Params[[]float64]) vandermonde.Params[[]float64] {
	q := to32(p)
	return vandermonde.Params[[]float64]{Dt: testutil.Float64s(q.Dt), AReal: testutil.Float64s(q.AReal), AImag: testutil.Float64s(q.AImag), B: testutil.Float64s(q.B), C: testutil.Float64s(q.C)}
}

// recurrence is the textbook discretisation, written from the formulas of the
// paper: ab, bb of feature h, state n.
func recurrence(cfg vandermonde.Config, s vandermonde.Size, p vandermonde.Params[[]float64], h, n int) (ab, bb complex128) {
	value := map[ssm.Transform]func(float64) float64{
		"":           math.Exp,
		ssm.Exp:      math.Exp,
		ssm.Softplus: func(x float64) float64 { return math.Log(1 + math.Exp(x)) },
		ssm.ReLU:     func(x float64) float64 { return math.Max(x, 0) + 1e-4 },
		ssm.Sigmoid:  func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
		ssm.None:     func(x float64) float64 { return x },
	}
	i := h%s.S*s.N + n
	raw := p.Dt[min(h, len(p.Dt)-1)]
	if s.DtPerState {
		raw = p.Dt[h*s.N+n]
	}
	dt := value[cfg.DtTransform](raw)
	if cfg.Rate != 0 {
		dt *= cfg.Rate
	}
	a := complex(-value[cfg.ATransform](p.AReal[i]), -p.AImag[i])
	b := complex128(1)
	if p.B != nil {
		b = complex(p.B[2*i], p.B[2*i+1])
	}
	z := complex(dt, 0) * a
	if cfg.Disc == ssm.Bilinear {
		return (1 + z/2) / (1 - z/2), b * complex(dt, 0) / (1 - z/2)
	}
	return cmplx.Exp(z), b * (cmplx.Exp(z) - 1) / a
}

// naive is the oracle: K = 2 Re sum_n C Bb exp(l log Ab), one exponential for
// every element of the Vandermonde matrix.
func naive(cfg vandermonde.Config, s vandermonde.Size, p vandermonde.Params[[]float64]) []float64 {
	k := make([]float64, s.CH*s.H*cfg.L)
	for c := range s.CH {
		for h := range s.H {
			for n := range s.N {
				ab, bb := recurrence(cfg, s, p, h, n)
				o := (c*s.H+h)*s.N + n
				w := 2 * complex(p.C[2*o], p.C[2*o+1]) * bb
				for l := range cfg.L {
					k[(c*s.H+h)*cfg.L+l] += real(w * cmplx.Exp(complex(float64(l), 0)*cmplx.Log(ab)))
				}
			}
		}
	}
	return k
}

func forward[T num.Float](t testing.TB, cfg vandermonde.Config, s vandermonde.Size, p vandermonde.Params[[]T]) []float64 {
	t.Helper()
	plan, err := vandermonde.NewPlan[T](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	k := make([]T, s.CH*s.H*cfg.L)
	for i := range k {
		k[i] = T(math.NaN()) // every element must be written
	}
	if err := plan.Forward(k, p); err != nil {
		t.Fatal(err)
	}
	return testutil.Float64s(k)
}

func backward[T num.Float](t testing.TB, cfg vandermonde.Config, s vandermonde.Size, p vandermonde.Params[[]T], gk []T) vandermonde.Params[[]T] {
	t.Helper()
	plan, err := vandermonde.NewPlan[T](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	like := func(v []T) []T {
		if v == nil {
			return nil
		}
		g := make([]T, len(v))
		for i := range g {
			g[i] = T(math.NaN())
		}
		return g
	}
	g := vandermonde.Params[[]T]{Dt: like(p.Dt), AReal: like(p.AReal), AImag: like(p.AImag), B: like(p.B), C: like(p.C)}
	if err := plan.Backward(g, p, gk); err != nil {
		t.Fatal(err)
	}
	return g
}

// variants are the combinations of configuration and sharing under test.
var variants = []struct {
	name  string
	cfg   vandermonde.Config
	size  vandermonde.Size
	withB bool
}{
	{"s4d minimal", vandermonde.Config{}, vandermonde.Size{CH: 1, H: 3, S: 3, N: 4}, false},
	{"B", vandermonde.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.Exp, ATransform: ssm.Exp, Rate: 1}, Disc: ssm.ZOH}, vandermonde.Size{CH: 1, H: 2, S: 2, N: 5}, true},
	{"bilinear", vandermonde.Config{Disc: ssm.Bilinear}, vandermonde.Size{CH: 1, H: 3, S: 3, N: 4}, true},
	{"shared, channels", vandermonde.Config{}, vandermonde.Size{CH: 2, H: 6, S: 2, N: 3}, true},
	{"shared by all", vandermonde.Config{Disc: ssm.Bilinear}, vandermonde.Size{CH: 3, H: 4, S: 1, N: 2}, true},
	{"dt per state", vandermonde.Config{}, vandermonde.Size{CH: 1, H: 4, S: 2, N: 5, DtPerState: true}, true},
	{"one state", vandermonde.Config{}, vandermonde.Size{CH: 1, H: 1, S: 1, N: 1}, false},
	{"one state, dt per state", vandermonde.Config{Disc: ssm.Bilinear}, vandermonde.Size{CH: 2, H: 3, S: 1, N: 1, DtPerState: true}, true},
	{"rate", vandermonde.Config{Dynamics: ssm.Dynamics{Rate: 2.5}}, vandermonde.Size{CH: 1, H: 2, S: 1, N: 3}, true},
	{"softplus", vandermonde.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.Softplus, ATransform: ssm.Softplus}}, vandermonde.Size{CH: 1, H: 2, S: 2, N: 3}, true},
	{"relu, none", vandermonde.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.ReLU}}, vandermonde.Size{CH: 1, H: 2, S: 2, N: 3}, true},
	{"sigmoid", vandermonde.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.Sigmoid, ATransform: ssm.Sigmoid}}, vandermonde.Size{CH: 1, H: 2, S: 2, N: 3}, true},
	{"relu dt, free A", vandermonde.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.ReLU, ATransform: ssm.None}}, vandermonde.Size{CH: 1, H: 2, S: 2, N: 3}, true},
}

func TestKernelIsTheNaiveSum(t *testing.T) {
	const tol = 1e-12
	for _, v := range variants {
		for _, L := range lengths {
			cfg := v.cfg
			cfg.L = L
			p := randomParams(rand.New(rand.NewPCG(1, uint64(L))), cfg, v.size, v.withB)
			if e := testutil.RelErr(forward(t, cfg, v.size, p), naive(cfg, v.size, p)); !(e <= tol) {
				t.Errorf("%s, L = %d: relative error %.3g > %.3g", v.name, L, e, tol)
			}
		}
	}
}

// Every length from 1 on, through all shapes of the block grid.
func TestEveryShortLength(t *testing.T) {
	const tol = 1e-12
	size := vandermonde.Size{CH: 1, H: 1, S: 1, N: 3}
	cfg := vandermonde.Config{L: 600}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size, true)
	whole := naive(cfg, size, p)
	for L := 1; L <= 600; L++ {
		cfg.L = L
		if e := testutil.RelErr(forward(t, cfg, size, p), whole[:L]); !(e <= tol) {
			t.Errorf("L = %d: relative error %.3g > %.3g", L, e, tol)
		}
	}
}

// A kernel's beginning does not depend on how long it is.
func TestPrefixIsIndependentOfLength(t *testing.T) {
	const tol = 1e-12
	size := vandermonde.Size{CH: 1, H: 1, S: 1, N: 8}
	cfg := vandermonde.Config{L: 5000}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size, true)
	whole := forward(t, cfg, size, p)
	for _, L := range lengths {
		cfg.L = L
		if e := testutil.RelErr(forward(t, cfg, size, p), whole[:L]); !(e <= tol) {
			t.Errorf("L = %d: relative error %.3g > %.3g", L, e, tol)
		}
	}
}

// The kernel is the impulse response of the recurrence: RNN = CNN.
func TestKernelIsTheImpulseResponse(t *testing.T) {
	const tol = 1e-12
	for _, v := range variants {
		cfg, s := v.cfg, v.size
		cfg.L = 200
		p := randomParams(rand.New(rand.NewPCG(3, 4)), cfg, s, v.withB)
		ab, bb, err := vandermonde.Discretize(cfg, s, p)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, s.CH*s.H*cfg.L)
		for h := range s.H {
			x := make([]complex128, s.N)
			for l := range cfg.L {
				for n := range x {
					i := h*s.N + n
					x[n] *= ab[i]
					if l == 0 {
						x[n] += bb[i]
					}
					for c := range s.CH {
						o := (c*s.H+h)*s.N + n
						want[(c*s.H+h)*cfg.L+l] += 2 * real(complex(p.C[2*o], p.C[2*o+1])*x[n])
					}
				}
			}
		}
		if e := testutil.RelErr(forward(t, cfg, s, p), want); !(e <= tol) {
			t.Errorf("%s: relative error %.3g > %.3g", v.name, e, tol)
		}
	}
}

func TestFloat32IsAccurateAtEveryLength(t *testing.T) {
	const (
		tolKernel = 5e-7
		tolGrad   = 1e-6
	)
	size := vandermonde.Size{CH: 1, H: 4, S: 4, N: 32}
	for _, disc := range []ssm.Disc{ssm.ZOH, ssm.Bilinear} {
		for _, L := range []int{256, 1024, 4096, 16384} {
			cfg := vandermonde.Config{Disc: disc, L: L}
			rng := rand.New(rand.NewPCG(5, uint64(L)))
			p := rounded(randomParams(rng, cfg, size, true))
			eK := testutil.RelErr(forward(t, cfg, size, to32(p)), forward(t, cfg, size, p))
			if !(eK <= tolKernel) {
				t.Errorf("%s, L = %d: kernel: relative error %.3g > %.3g", disc, L, eK, tolKernel)
			}
			gk := make([]float64, size.H*L)
			for i := range gk {
				gk[i] = float64(float32(rng.NormFloat64()))
			}
			got := backward(t, cfg, size, to32(p), testutil.Float32s(gk))
			want := backward(t, cfg, size, p, gk)
			for _, x := range []struct {
				name      string
				got, want []float64
			}{
				{"Dt", testutil.Float64s(got.Dt), want.Dt},
				{"AReal", testutil.Float64s(got.AReal), want.AReal},
				{"AImag", testutil.Float64s(got.AImag), want.AImag},
				{"B", testutil.Float64s(got.B), want.B},
				{"C", testutil.Float64s(got.C), want.C},
			} {
				e := testutil.RelErr(x.got, x.want)
				if !(e <= tolGrad) {
					t.Errorf("%s, L = %d: gradient of %s: relative error %.3g > %.3g", disc, L, x.name, e, tolGrad)
				}
			}
		}
	}
}

// A pole at the origin is an integrator, K[l] = 2 Re(C B dt), and has ordinary
// gradients.
func TestPoleAtTheOrigin(t *testing.T) {
	size := vandermonde.Size{CH: 1, H: 1, S: 1, N: 1}
	for _, disc := range []ssm.Disc{ssm.ZOH, ssm.Bilinear} {
		cfg := vandermonde.Config{Dynamics: ssm.Dynamics{ATransform: ssm.None, DtTransform: ssm.None}, Disc: disc, L: 50}
		p := vandermonde.Params[[]float64]{Dt: []float64{0.1}, AReal: []float64{0}, AImag: []float64{0}, B: []float64{2, 0}, C: []float64{3, 1}}
		for l, v := range forward(t, cfg, size, p) {
			if math.Abs(v-1.2) > 1e-14 {
				t.Fatalf("%s: K[%d] = %g, want 1.2", disc, l, v)
			}
		}
		gk := make([]float64, cfg.L)
		gk[7] = 1
		g := backward(t, cfg, size, p, gk)
		// dK[7]/dRe A = 2 C B dt^2 (7 + 1/2), and AReal = -Re A.
		if want := -2 * 3 * 2 * 0.01 * 7.5; math.Abs(g.AReal[0]-want) > 1e-14 {
			t.Errorf("%s: gradient of AReal %g, want %g", disc, g.AReal[0], want)
		}
		if math.Abs(g.Dt[0]-12) > 1e-13 {
			t.Errorf("%s: gradient of Dt %g, want 12", disc, g.Dt[0])
		}
	}
}

// The bilinear transform sends z = -2 to Ab = 0, where log Ab does not exist.
func TestPoleThatVanishesHasAGradient(t *testing.T) {
	size := vandermonde.Size{CH: 1, H: 1, S: 1, N: 1}
	cfg := vandermonde.Config{Dynamics: ssm.Dynamics{ATransform: ssm.None, DtTransform: ssm.None}, Disc: ssm.Bilinear, L: 40}
	p := vandermonde.Params[[]float64]{Dt: []float64{1}, AReal: []float64{2}, AImag: []float64{0}, C: []float64{1, 0}}
	gk := make([]float64, cfg.L)
	gk[1] = 1
	// K[1] = 2 dt (1 + z/2)/(1 - z/2)^2, dK[1]/dAReal = -2 dt^2 (1/2)/(1 - z/2)^2 at z = -2.
	if g := backward(t, cfg, size, p, gk); math.Abs(g.AReal[0]+0.25) > 1e-15 {
		t.Errorf("gradient of AReal %g, want -0.25", g.AReal[0])
	}
}

// Kernels that decay to nothing within a few samples must not slow down or
// become NaN, and their head must stay exact.
func TestFastDecay(t *testing.T) {
	size := vandermonde.Size{CH: 1, H: 1, S: 1, N: 2}
	cfg := vandermonde.Config{Dynamics: ssm.Dynamics{ATransform: ssm.None, DtTransform: ssm.None}, L: 2000}
	p := vandermonde.Params[[]float64]{Dt: []float64{1}, AReal: []float64{3, 500}, AImag: []float64{1, 0}, C: []float64{1, 0.5, 1, 0}}
	want := naive(cfg, size, p)
	if e := testutil.RelErr(forward(t, cfg, size, p), want); !(e <= 1e-14) {
		t.Errorf("float64: relative error %.3g", e)
	}
	if e := testutil.RelErr(forward(t, cfg, size, to32(p)), want); !(e <= 1e-7) {
		t.Errorf("float32: relative error %.3g", e)
	}
	gk := make([]float32, cfg.L)
	for i := range gk {
		gk[i] = 1
	}
	g := backward(t, cfg, size, to32(p), gk)
	for _, v := range append(append(g.AReal, g.AImag...), append(g.C, g.Dt...)...) {
		if !num.Finite(v) {
			t.Fatalf("gradient is not finite: %v", g)
		}
	}
}

// A plan gives the same bits however often it is used, and on one thread.
func TestPlanIsDeterministic(t *testing.T) {
	cfg := vandermonde.Config{L: 777}
	size := vandermonde.Size{CH: 2, H: 12, S: 3, N: 5}
	rng := rand.New(rand.NewPCG(1, 2))
	p := to32(randomParams(rng, cfg, size, true))
	gk := make([]float32, size.CH*size.H*cfg.L)
	for i := range gk {
		gk[i] = float32(rng.NormFloat64())
	}
	testutil.CheckDeterministic(t, func() any {
		return []any{forward(t, cfg, size, p), backward(t, cfg, size, p, gk)}
	})
}

func TestPlanDoesNotAllocate(t *testing.T) {
	cfg := vandermonde.Config{L: 100}
	size := vandermonde.Size{CH: 1, H: 4, S: 2, N: 3}
	p := to32(randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size, true))
	plan, err := vandermonde.NewPlan[float32](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	k := make([]float32, size.H*cfg.L)
	g := to32(rounded(randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size, true)))
	testutil.CheckNoAllocations(t, "a step",
		func() error { return plan.Forward(k, p) }, func() error { return plan.Backward(g, p, k) })
}

func TestGradientsMayBeLeftOut(t *testing.T) {
	cfg := vandermonde.Config{L: 30}
	size := vandermonde.Size{CH: 1, H: 2, S: 1, N: 3}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size, true)
	gk := make([]float64, size.H*cfg.L)
	gk[3] = 1
	want := backward(t, cfg, size, p, gk)
	plan, err := vandermonde.NewPlan[float64](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	got := vandermonde.Params[[]float64]{C: make([]float64, len(p.C))}
	if err := plan.Backward(got, p, gk); err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(got.C, want.C); e != 0 {
		t.Errorf("gradient of C alone differs by %.3g", e)
	}
}

func TestPlanErrors(t *testing.T) {
	good := vandermonde.Config{L: 10}
	size := vandermonde.Size{CH: 1, H: 2, S: 2, N: 3}
	with := func(f func(*vandermonde.Config, *vandermonde.Size)) error {
		c, s := good, size
		f(&c, &s)
		_, err := vandermonde.NewPlan[float32](c, s)
		return err
	}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), good, size, true)
	plan, err := vandermonde.NewPlan[float64](good, size)
	if err != nil {
		t.Fatal(err)
	}
	k := make([]float64, size.H*good.L)
	short := p
	short.AImag = short.AImag[1:]
	missing := p
	missing.Dt = nil
	_, _, discretize := vandermonde.Discretize(vandermonde.Config{Dynamics: ssm.Dynamics{Rate: math.Inf(1)}}, size, p)
	_, _, discretizeShort := vandermonde.Discretize(good, size, short)
	_, _, discretizeSize := vandermonde.Discretize(good, vandermonde.Size{H: -2, S: 1, N: 3}, p)
	for _, c := range []struct {
		err  error
		want string
	}{
		{with(func(c *vandermonde.Config, _ *vandermonde.Size) { c.L = 0 }), "want kernel length L at least 1, got 0"},
		{with(func(c *vandermonde.Config, _ *vandermonde.Size) { c.Disc = ssm.Euler }), `Disc: ssm: want discretisation "zoh" or "bilinear", got "euler"`},
		{with(func(c *vandermonde.Config, _ *vandermonde.Size) { c.DtTransform = "log" }), `DtTransform: ssm: want transform`},
		{with(func(c *vandermonde.Config, _ *vandermonde.Size) { c.ATransform = "log" }), `ATransform: ssm: want transform`},
		{with(func(c *vandermonde.Config, _ *vandermonde.Size) { c.Rate = -1 }), "want Rate a finite number, not negative (0 means 1), got -1"},
		{with(func(_ *vandermonde.Config, s *vandermonde.Size) { s.N = 0 }), "want at least 1 stored state N, got 0"},
		{with(func(_ *vandermonde.Config, s *vandermonde.Size) { s.CH = 0 }), "want at least 1 channel CH, got 0"},
		{with(func(_ *vandermonde.Config, s *vandermonde.Size) { s.H = 3 }), "got H = 3, S = 2"},
		{plan.Forward(k[1:], p), "k: want 20 elements, got 19"},
		{plan.Forward(k, short), "AImag: want 6 elements, got 5"},
		{plan.Forward(k, missing), "Dt: want 2 elements, got 0"},
		{plan.Backward(short, p, k), "gradient of AImag: want 6 elements, got 5"},
		{plan.Backward(p, short, k), "AImag: want 6 elements, got 5"},
		{plan.Backward(p, p, k[1:]), "gk: want 20 elements, got 19"},
		{discretize, "vandermonde: Discretize: want Rate a finite number"},
		{discretizeShort, "vandermonde: Discretize: AImag: want 6 elements, got 5"},
		{discretizeSize, "vandermonde: Discretize: ssm: want the number of features H"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
