package cauchy_test

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// params64 and params32 are the parameters of a bank in either type.
type (
	params64 = cauchy.Params[[]float64]
	params32 = cauchy.Params[[]float32]
)

// randomParams draws parameters like a trained model's: dt in [0.01, 0.3],
// decay rates around 1/2, frequencies up to pi N. Where the raw dt is dt itself
// it is ten times longer and the frequencies ten times lower, so that a step of
// finite differences is small beside dt.
func randomParams(rng *rand.Rand, cfg cauchy.Config, s cauchy.Size) params64 {
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
	p := params64{
		Dt: normal(dtCount(s)), AReal: normal(s.S * s.N), AImag: normal(s.S * s.N),
		P: normal(s.R * s.S * s.N * 2), B: normal(s.S * s.N * 2), C: normal(s.CH * s.H * s.N * 2),
	}
	for i := range p.Dt {
		p.Dt[i] = inverse(cfg.DtTransform, unit*0.01*math.Pow(30, rng.Float64()))
	}
	for i := range p.AReal {
		p.AReal[i] = inverse(cfg.ATransform, 0.2+0.6*rng.Float64())
		p.AImag[i] = math.Pi * float64(i%s.N) * (1 + 0.1*rng.NormFloat64()) / unit
	}
	return p
}

// dtCount is the number of step sizes.
func dtCount(s cauchy.Size) int {
	if s.DtPerState {
		return s.H * s.N
	}
	return s.H
}

func clone(p params64) params64 {
	return params64{
		Dt: slices.Clone(p.Dt), AReal: slices.Clone(p.AReal), AImag: slices.Clone(p.AImag),
		P: slices.Clone(p.P), B: slices.Clone(p.B), C: slices.Clone(p.C),
	}
}

// to32 rounds parameters to float32.
func to32(p params64) params32 {
	return params32{Dt: testutil.Float32s(p.Dt), AReal: testutil.Float32s(p.AReal), AImag: testutil.Float32s(p.AImag), P: testutil.Float32s(p.P), B: testutil.Float32s(p.B), C: testutil.Float32s(p.C)}
}

// to64 returns the same values as float64.
func to64(p params32) params64 {
	return params64{Dt: testutil.Float64s(p.Dt), AReal: testutil.Float64s(p.AReal), AImag: testutil.Float64s(p.AImag), P: testutil.Float64s(p.P), B: testutil.Float64s(p.B), C: testutil.Float64s(p.C)}
}

func forward[T num.Float](t testing.TB, cfg cauchy.Config, s cauchy.Size, p cauchy.Params[[]T]) []float64 {
	t.Helper()
	plan, err := cauchy.NewPlan[T](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	k := testutil.Unwritten[T](s.CH * s.H * cfg.L)
	if err := plan.Forward(k, p); err != nil {
		t.Fatal(err)
	}
	return testutil.Float64s(k)
}

// backward returns the gradients of sum(gk*K), all finite if none is missing.
func backward[T num.Float](t testing.TB, cfg cauchy.Config, s cauchy.Size, p cauchy.Params[[]T], gk []T) cauchy.Params[[]T] {
	t.Helper()
	plan, err := cauchy.NewPlan[T](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	g := cauchy.Params[[]T]{
		Dt: testutil.Unwritten[T](len(p.Dt)), AReal: testutil.Unwritten[T](len(p.AReal)), AImag: testutil.Unwritten[T](len(p.AImag)),
		P: testutil.Unwritten[T](len(p.P)), B: testutil.Unwritten[T](len(p.B)), C: testutil.Unwritten[T](len(p.C)),
	}
	if err := plan.Backward(g, p, gk); err != nil {
		t.Fatal(err)
	}
	return g
}

// named lists gradients with the names of their parameters.
func named(p params64) []struct {
	name string
	v    []float64
} {
	return []struct {
		name string
		v    []float64
	}{{"Dt", p.Dt}, {"AReal", p.AReal}, {"AImag", p.AImag}, {"P", p.P}, {"B", p.B}, {"C", p.C}}
}

// model is the discrete model of one feature as full matrices, written from the
// definition: M = diag(Lambda, conj Lambda) - sum_r p_r p_r^H.
type model struct {
	m, ab [][]complex128 // (2N, 2N) dt M and Ab
	b, bb []complex128   // (2N) dt b and Bb
	c     [][]complex128 // (CH, 2N) the rows of prm.C
}

func newModel(cfg cauchy.Config, s cauchy.Size, p params64, h int) model {
	value := map[ssm.Transform]func(float64) float64{
		"":           math.Exp,
		ssm.Exp:      math.Exp,
		ssm.Softplus: func(x float64) float64 { return math.Log(1 + math.Exp(x)) },
		ssm.ReLU:     func(x float64) float64 { return math.Max(x, 0) + 1e-4 },
		ssm.Sigmoid:  func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
		ssm.None:     func(x float64) float64 { return x },
	}
	full := func(v []float64, row int) []complex128 {
		z := make([]complex128, 2*s.N)
		for n := range s.N {
			z[n] = complex(v[2*(row*s.N+n)], v[2*(row*s.N+n)+1])
			z[s.N+n] = cmplx.Conj(z[n])
		}
		return z
	}
	dt := make([]complex128, 2*s.N)
	for i := range dt {
		raw := p.Dt[h*dtCount(s)/s.H]
		if s.DtPerState {
			raw = p.Dt[h*s.N+i%s.N]
		}
		dt[i] = complex(value[cfg.DtTransform](raw), 0)
		if cfg.Rate != 0 {
			dt[i] *= complex(cfg.Rate, 0)
		}
	}
	row := h % s.S
	var m model
	m.m = scaled(0, identity(2*s.N))
	entry := func(i, j int, v complex128) { m.m[i][j] += dt[i] * v }
	for n := range s.N {
		lambda := complex(-value[cfg.ATransform](p.AReal[row*s.N+n]), -p.AImag[row*s.N+n])
		entry(n, n, lambda)
		entry(s.N+n, s.N+n, cmplx.Conj(lambda))
	}
	for r := range s.R {
		pr := full(p.P, r*s.S+row)
		for i := range pr {
			for j := range pr {
				entry(i, j, -pr[i]*cmplx.Conj(pr[j]))
			}
		}
	}
	minus := sum(identity(2*s.N), scaled(-0.5, m.m))
	m.ab = solve(minus, sum(identity(2*s.N), scaled(0.5, m.m)))
	m.b = full(p.B, row)
	for i := range m.b {
		m.b[i] *= dt[i]
	}
	m.bb = transpose(solve(minus, transpose([][]complex128{m.b})))[0]
	for ch := range s.CH {
		m.c = append(m.c, full(p.C, ch*s.H+h))
	}
	return m
}

func identity(n int) [][]complex128 {
	m := make([][]complex128, n)
	for i := range m {
		m[i] = make([]complex128, n)
		m[i][i] = 1
	}
	return m
}

func scaled(f complex128, m [][]complex128) [][]complex128 {
	r := make([][]complex128, len(m))
	for i, row := range m {
		for _, v := range row {
			r[i] = append(r[i], f*v)
		}
	}
	return r
}

func sum(a, b [][]complex128) [][]complex128 {
	r := scaled(1, a)
	for i, row := range b {
		for j, v := range row {
			r[i][j] += v
		}
	}
	return r
}

func transpose(m [][]complex128) [][]complex128 {
	t := make([][]complex128, len(m[0]))
	for j := range t {
		for i := range m {
			t[j] = append(t[j], m[i][j])
		}
	}
	return t
}

func product(a, b [][]complex128) [][]complex128 {
	c := make([][]complex128, len(a))
	for i := range a {
		c[i] = make([]complex128, len(b[0]))
		for k, v := range a[i] {
			for j, w := range b[k] {
				c[i][j] += v * w
			}
		}
	}
	return c
}

// solve returns a^-1 b by Gaussian elimination with pivoting.
func solve(a, b [][]complex128) [][]complex128 {
	n := len(a)
	m := make([][]complex128, n)
	for i := range m {
		m[i] = append(append([]complex128{}, a[i]...), b[i]...)
	}
	for col := range n {
		pivot := col
		for i := col; i < n; i++ {
			if cmplx.Abs(m[i][col]) > cmplx.Abs(m[pivot][col]) {
				pivot = i
			}
		}
		m[col], m[pivot] = m[pivot], m[col]
		for i := range m {
			if i == col {
				continue
			}
			f := m[i][col] / m[col][col]
			for j := col; j < len(m[i]); j++ {
				m[i][j] -= f * m[col][j]
			}
		}
	}
	x := make([][]complex128, n)
	for i := range x {
		for _, v := range m[i][n:] {
			x[i] = append(x[i], v/m[i][i])
		}
	}
	return x
}

// minusPower returns I - ab^l.
func (m model) minusPower(l int) [][]complex128 {
	pow := identity(len(m.ab))
	for range l {
		pow = product(pow, m.ab)
	}
	return sum(identity(len(m.ab)), scaled(-1, pow))
}

// kernel returns c ab^l bb, l < L, for every channel.
func (m model) kernel(L int) [][]float64 {
	k := make([][]float64, len(m.c))
	x := transpose([][]complex128{m.bb})
	for range L {
		for ch, c := range m.c {
			k[ch] = append(k[ch], real(product([][]complex128{c}, x)[0][0]))
		}
		x = product(m.ab, x)
	}
	return k
}

// naive returns the kernels (CH, H, L) of p, in which C is C~ for n steps.
func naive(cfg cauchy.Config, s cauchy.Size, p params64, n int) []float64 {
	k := make([]float64, s.CH*s.H*cfg.L)
	for h := range s.H {
		m := newModel(cfg, s, p, h)
		m.c = transpose(solve(transpose(m.minusPower(n)), transpose(m.c)))
		for ch, row := range m.kernel(cfg.L) {
			copy(k[(ch*s.H+h)*cfg.L:], row)
		}
	}
	return k
}

// variants are the combinations of configuration and sharing under test.
var variants = []struct {
	name string
	cfg  cauchy.Config
	size cauchy.Size
}{
	{"rank 1", cauchy.Config{}, cauchy.Size{CH: 1, H: 3, S: 3, N: 4, R: 1}},
	{"rank 2", cauchy.Config{Dynamics: ssm.Dynamics{Rate: 1}}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 2}},
	{"rank 3", cauchy.Config{}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 3}},
	{"shared, channels", cauchy.Config{}, cauchy.Size{CH: 2, H: 6, S: 2, N: 3, R: 1}},
	{"rank 2, shared by all, channels", cauchy.Config{}, cauchy.Size{CH: 3, H: 4, S: 1, N: 2, R: 2}},
	{"rank above N", cauchy.Config{}, cauchy.Size{CH: 1, H: 2, S: 1, N: 1, R: 3}},
	{"softplus", cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.Softplus, ATransform: ssm.Softplus}}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 1}},
	{"relu, none", cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.ReLU}}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 1}},
	{"sigmoid", cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.Sigmoid, ATransform: ssm.Sigmoid}}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 1}},
	{"relu dt, free A", cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.ReLU, ATransform: ssm.None}}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 1}},
	{"dt of every state", cauchy.Config{}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 1, DtPerState: true}},
	{"dt of every state, rank 2, shared, channels, softplus", cauchy.Config{Dynamics: ssm.Dynamics{Rate: 1, DtTransform: ssm.Softplus}}, cauchy.Size{CH: 2, H: 4, S: 2, N: 3, R: 2, DtPerState: true}},
	{"dt of every state, one state", cauchy.Config{}, cauchy.Size{CH: 1, H: 2, S: 1, N: 1, R: 1, DtPerState: true}},
}

// The generating function at the roots of unity is the kernel by matrix powers:
// every variant, at even, odd, prime and short lengths.
func TestKernelIsThePowerOfTheMatrix(t *testing.T) {
	const tol = 1e-12
	for _, v := range variants {
		for _, L := range []int{1, 2, 3, 17, 64, 211} {
			cfg := v.cfg
			cfg.L = L
			p := randomParams(rand.New(rand.NewPCG(1, uint64(L))), cfg, v.size)
			if e := testutil.RelErr(forward(t, cfg, v.size, p), naive(cfg, v.size, p, L)); !(e <= tol) {
				t.Errorf("%s, L = %d: relative error %.3g > %.3g", v.name, L, e, tol)
			}
		}
	}
}

// Every number of nodes from 1 on, around the block length and through both
// transforms.
func TestEveryShortLength(t *testing.T) {
	const tol = 1e-12
	size := cauchy.Size{CH: 1, H: 1, S: 1, N: 3, R: 1}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cauchy.Config{}, size)
	for L := 1; L <= 300; L++ {
		cfg := cauchy.Config{L: L}
		if e := testutil.RelErr(forward(t, cfg, size, p), naive(cfg, size, p, L)); !(e <= tol) {
			t.Errorf("L = %d: relative error %.3g > %.3g", L, e, tol)
		}
	}
}

// A rate resamples: dt is multiplied, the nodes divided, and the first L steps
// kept; halves round to even.
func TestRate(t *testing.T) {
	const tol = 1e-12
	size := cauchy.Size{CH: 1, H: 2, S: 1, N: 3, R: 1}
	for _, c := range []struct {
		rate       float64
		lKernel, L int
		nodes      int
	}{{2, 64, 32, 32}, {2, 64, 20, 32}, {0.5, 30, 60, 60}, {2, 37, 18, 18}, {2, 39, 20, 20}, {1.5, 31, 7, 21}} {
		cfg := cauchy.Config{Dynamics: ssm.Dynamics{Rate: c.rate}, LKernel: c.lKernel, L: c.L}
		p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size)
		if e := testutil.RelErr(forward(t, cfg, size, p), naive(cfg, size, p, c.nodes)); !(e <= tol) {
			t.Errorf("%+v: relative error %.3g > %.3g", c, e, tol)
		}
		cfg.L = c.nodes + 1
		if err := cfg.Validate(); err == nil {
			t.Errorf("%+v: L = %d is accepted", c, cfg.L)
		}
	}
}

// The first steps do not depend on the length that C~ is tuned to.
func TestPrefixIsIndependentOfLength(t *testing.T) {
	const tol = 1e-12
	size := cauchy.Size{CH: 1, H: 2, S: 1, N: 4, R: 1}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cauchy.Config{}, size)
	kernel := func(lKernel, L int) []float64 {
		q := p
		q.C = make([]float64, len(p.C))
		if err := cauchy.TuneC(q.C, cauchy.Config{}, size, p, lKernel); err != nil {
			t.Fatal(err)
		}
		return forward(t, cauchy.Config{LKernel: lKernel, L: L}, size, q)
	}
	want := kernel(50, 50)
	for _, n := range []int{50, 51, 64, 101, 1000} {
		if e := testutil.RelErr(kernel(n, 50), want); !(e <= tol) {
			t.Errorf("LKernel = %d: relative error %.3g > %.3g", n, e, tol)
		}
	}
	for h := range size.H {
		if e := testutil.RelErr(kernel(100, 30)[h*30:][:30], want[h*50:][:30]); !(e <= tol) {
			t.Errorf("truncated: relative error %.3g > %.3g", e, tol)
		}
	}
}

// zeroPair is a model of two states with the eigenvalue 0 twice, P along one
// direction of its plane: P P^H makes that direction decay, the other is out of
// reach. B and C~ have no part in the latter. It has the dynamics x' = -2|P|^2 x
// + B u.
func zeroPair() (cauchy.Config, cauchy.Size, params64) {
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.None}, L: 24}
	return cfg, cauchy.Size{CH: 1, H: 1, S: 1, N: 1, R: 1}, params64{
		Dt: []float64{0.2}, AReal: []float64{0}, AImag: []float64{0},
		P: []float64{0.6, 0.8}, B: []float64{0.6, 0.8}, C: []float64{0.3, -0.4},
	}
}

func TestZeroEigenvalue(t *testing.T) {
	const tol = 1e-11
	cfg, size, p := zeroPair()
	// Along P the state is s (0.6 + 0.8i), s' = -2 s + u, and C~ x + conj = s 2 Re(C~ (0.6 + 0.8i)).
	const dt, a = 0.2, -2.0
	ab, bb := (1+dt/2*a)/(1-dt/2*a), dt/(1-dt/2*a)
	c := 2 * (0.3*0.6 + 0.4*0.8) / (1 - math.Pow(ab, float64(cfg.L)))
	want := make([]float64, cfg.L)
	for l := range want {
		want[l] = c * math.Pow(ab, float64(l)) * bb
	}
	if e := testutil.RelErr(forward(t, cfg, size, p), want); !(e <= tol) {
		t.Errorf("relative error %.3g > %.3g", e, tol)
	}
}

// A decay rate on its way to 0: where it is small but not 0, rounding is
// multiplied by the ratio of |p|^2 to it.
func TestVanishingEigenvalue(t *testing.T) {
	const eps = 1e-15
	cfg, size, p := zeroPair()
	want := forward(t, cfg, size, p)
	cfg.ATransform = ssm.Exp
	for raw := -10.0; raw > -800; raw *= 1.2 {
		p.AReal[0] = raw
		decay := math.Exp(raw)
		tol := 1e-11 + 10*decay // the exact kernel differs by so much
		if decay > 1e-12 {
			tol += eps / decay
		}
		e := testutil.RelErr(forward(t, cfg, size, p), want)
		if !(e <= tol) {
			t.Errorf("Lambda = -e^%g: relative error %.3g > %.3g", raw, e, tol)
		}
	}
}

// FouT as it is defined: all eigenvalues on the imaginary axis, one of them 0.
func TestUndampedEigenvalues(t *testing.T) {
	const tol = 1e-10
	for _, L := range []int{37, 500} {
		cfg, size, p := measured(t, "fout", L)
		cfg.ATransform = ssm.None
		clear(p.AReal)
		if p.AImag[size.N-1] != 0 {
			t.Fatalf("the last eigenvalue is %g, want 0", p.AImag[size.N-1])
		}
		want := make([]float64, size.H*L)
		for h := range size.H {
			copy(want[h*L:], newModel(cfg, size, p, h).kernel(L)[0])
		}
		if err := cauchy.TuneC(p.C, cfg, size, p, L); err != nil {
			t.Fatal(err)
		}
		e := testutil.RelErr(forward(t, cfg, size, p), want)
		t.Logf("L = %d: relative error %.2g", L, e)
		if !(e <= tol) {
			t.Errorf("L = %d: relative error %.3g > %.3g", L, e, tol)
		}
	}
}

// An undamped pole exactly on a node, where its terms are infinite: with dt =
// 1 and Lambda = -2i it is the node w = -i. What is left of them depends on how they
// are rounded, so there are many.
func TestPoleOnANode(t *testing.T) {
	const tol = 0x1p-52 / 1e-13 // of one bin of many
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.None}, L: 16}
	size := cauchy.Size{CH: 1, H: 1, S: 1, N: 2, R: 1}
	rng := rand.New(rand.NewPCG(1, 2))
	worst := 0.0
	for range 200 {
		p := params64{
			Dt: []float64{1}, AReal: []float64{0, 0.1}, AImag: []float64{2, 0.3},
			P: []float64{rng.Float64(), rng.Float64(), rng.Float64(), rng.Float64()},
			B: []float64{1, 0.5, 0.3, 0}, C: []float64{0.4, -0.1, rng.Float64(), 1},
		}
		want := naive(cfg, size, p, cfg.L)
		worst = max(worst, testutil.RelErr(forward(t, cfg, size, p), want))
		for _, g := range named(backward(t, cfg, size, p, want)) {
			for i, v := range g.v {
				if !num.Finite(v) {
					t.Fatalf("P = %v: gradient of %s[%d]: %g", p.P, g.name, i, v)
				}
			}
		}
	}
	t.Logf("relative error %.2g", worst)
	if !(worst <= tol) {
		t.Errorf("relative error %.3g > %.3g", worst, tol)
	}
}

// Near an undamped pole the gradient by Lambda is a small difference of large
// terms. In the golden case of FouT it is compared with one that has no such
// terms, by dense resolvents.
func TestGradientNearAPole(t *testing.T) {
	const tol = 1e-10
	tested := false
	for _, c := range golden.Cases(t, "dplr_kernel") {
		if c.String("init") != "fout" {
			continue
		}
		tested = true
		cfg, size, p := goldenDPLR(t, c)
		got, want := backward(t, cfg, size, p, c.F(t, "W")).AReal, denseGradAReal(cfg, size, p, c.F(t, "W"))
		if e := testutil.RelErr(got, want); !(e <= tol) {
			t.Errorf("%s: relative error %.3g > %.3g", c.Name, e, tol)
		}
	}
	if !tested {
		t.Error("no golden case of FouT")
	}
}

// denseGradAReal returns the gradient of sum(gk*K) by AReal, for one channel
// and ssm.None. With the half-angle form of w = e^(-i theta), x = (2i sin(theta/2) -
// cos(theta/2) dt M)^-1 dt b and xi likewise from C~,
//
//	Khat = e^(i theta/2) C~ x,  dKhat = e^(i theta/2) cos(theta/2) xi d(dt M) x
func denseGradAReal(cfg cauchy.Config, s cauchy.Size, p params64, gk []float64) []float64 {
	grad := make([]float64, s.S*s.N)
	for h := range s.H {
		m := newModel(cfg, s, p, h)
		for k := range cfg.L {
			theta := 2 * math.Pi * float64(k) / float64(cfg.L)
			var g complex128 // by Khat(w)
			for l, v := range gk[h*cfg.L:][:cfg.L] {
				g += complex(v/float64(cfg.L), 0) * cmplx.Exp(complex(0, theta*float64(l)))
			}
			g *= cmplx.Exp(complex(0, theta/2)) * complex(math.Exp(p.Dt[h])*math.Cos(theta/2), 0)
			e := sum(scaled(complex(0, 2*math.Sin(theta/2)), identity(2*s.N)), scaled(complex(-math.Cos(theta/2), 0), m.m))
			x, xi := solve(e, transpose([][]complex128{m.b})), solve(transpose(e), transpose(m.c))
			for i := range x {
				grad[h%s.S*s.N+i%s.N] -= real(g * xi[i][0] * x[i][0])
			}
		}
	}
	return grad
}

// The gradient at an eigenvalue 0, in all directions that keep B and C~ in the
// reach of P. With one node, it is the only one.
func TestGradientAtZeroEigenvalue(t *testing.T) {
	const (
		step = 1e-3
		tol  = 1e-9
	)
	cfg, size, p := zeroPair()
	for _, cfg.L = range []int{cfg.L, 1} {
		gk := make([]float64, cfg.L)
		for l := range gk {
			gk[l] = math.Cos(float64(l))
		}
		loss := func(p params64) (s float64) {
			for l, v := range forward(t, cfg, size, p) {
				s += gk[l] * v
			}
			return s
		}
		for i, g := range named(backward(t, cfg, size, p, gk)) {
			for j := range g.v {
				moved := func(by float64) params64 {
					q := clone(p)
					named(q)[i].v[j] += by
					return q
				}
				want := (8*(loss(moved(step/2))-loss(moved(-step/2))) - (loss(moved(step)) - loss(moved(-step)))) / (6 * step)
				if !(math.Abs(g.v[j]-want) <= tol*(1+math.Abs(want))) {
					t.Errorf("L = %d: gradient of %s[%d]: %.10g, finite differences %.10g", cfg.L, g.name, j, g.v[j], want)
				}
			}
		}
	}
}

// A plan gives the same bits however often it is used, on any number of
// threads, and whether or not Forward came first.
func TestPlanIsDeterministic(t *testing.T) {
	cfg := cauchy.Config{L: 300}
	size := cauchy.Size{CH: 2, H: 12, S: 3, N: 5, R: 2}
	rng := rand.New(rand.NewPCG(1, 2))
	p := to32(randomParams(rng, cfg, size))
	gk := make([]float32, size.CH*size.H*cfg.L)
	for i := range gk {
		gk[i] = float32(rng.NormFloat64())
	}
	k, g := forward(t, cfg, size, p), backward(t, cfg, size, p, gk)
	testutil.CheckDeterministic(t, func() any {
		return []any{forward(t, cfg, size, p), backward(t, cfg, size, p, gk)}
	})
	plan, err := cauchy.NewPlan[float32](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	out, g2 := make([]float32, len(gk)), like(p)
	for range 3 {
		if err := plan.Forward(out, p); err != nil {
			t.Fatal(err)
		}
		if err := plan.Backward(g2, p, gk); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(k, testutil.Float64s(out)) || !equal(g, g2) {
			t.Fatal("a plan used again gives another result")
		}
	}
}

// like returns parameters of the same sizes, all zero.
func like[T num.Float](p cauchy.Params[[]T]) cauchy.Params[[]T] {
	return cauchy.Params[[]T]{
		Dt: make([]T, len(p.Dt)), AReal: make([]T, len(p.AReal)), AImag: make([]T, len(p.AImag)),
		P: make([]T, len(p.P)), B: make([]T, len(p.B)), C: make([]T, len(p.C)),
	}
}

// equal reports whether two sets of parameters are the same, bit for bit but
// for signs of zero.
func equal(a, b params32) bool {
	other := named(to64(b))
	for i, x := range named(to64(a)) {
		if !slices.Equal(x.v, other[i].v) {
			return false
		}
	}
	return true
}

// The parameters of the last Forward count, not those of the first.
func TestBackwardFollowsForward(t *testing.T) {
	cfg := cauchy.Config{L: 40}
	size := cauchy.Size{CH: 1, H: 3, S: 3, N: 4, R: 1}
	plan, err := cauchy.NewPlan[float64](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	k, gk := make([]float64, size.H*cfg.L), make([]float64, size.H*cfg.L)
	gk[5], gk[60] = 1, -2
	for seed := range uint64(3) {
		p := randomParams(rand.New(rand.NewPCG(seed, 2)), cfg, size)
		if err := plan.Forward(k, p); err != nil {
			t.Fatal(err)
		}
		got := like(p)
		if err := plan.Backward(got, p, gk); err != nil {
			t.Fatal(err)
		}
		want := named(backward(t, cfg, size, p, gk))
		for i, g := range named(got) {
			if !slices.Equal(g.v, want[i].v) {
				t.Errorf("step %d: gradient of %s differs from that of a new plan", seed, g.name)
			}
		}
	}
}

func TestPlanDoesNotAllocate(t *testing.T) {
	for _, rank := range []int{1, 2} {
		cfg := cauchy.Config{L: 100}
		size := cauchy.Size{CH: 2, H: 4, S: 2, N: 3, R: rank}
		p := to32(randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size))
		plan, err := cauchy.NewPlan[float32](cfg, size)
		if err != nil {
			t.Fatal(err)
		}
		k, g := make([]float32, size.CH*size.H*cfg.L), like(p)
		testutil.CheckNoAllocations(t, fmt.Sprintf("rank %d", rank),
			func() error { return plan.Forward(k, p) }, func() error { return plan.Backward(g, p, k) })
	}
}

// The memory of a plan is proportional to L for each feature, not to N L: at L
// = 16384 one array (H, N, L) of complex float32 would take 256 MiB.
func TestPlanMemory(t *testing.T) {
	const limit = 20 << 20
	cfg := cauchy.Config{L: 16384}
	size := cauchy.Size{CH: 1, H: 64, S: 64, N: 32, R: 1}
	p := to32(randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size))
	k, g := make([]float32, size.H*cfg.L), like(p)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	plan, err := cauchy.NewPlan[float32](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Forward(k, p); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	forward := after.TotalAlloc - before.TotalAlloc
	if err := plan.Backward(g, p, k); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	total := after.TotalAlloc - before.TotalAlloc
	t.Logf("%.1f MiB for the kernel, %.1f MiB with its gradients", float64(forward)/(1<<20), float64(total)/(1<<20))
	if total > limit {
		t.Errorf("a plan takes %d bytes, want at most %d", total, limit)
	}
}

func TestGradientsMayBeLeftOut(t *testing.T) {
	cfg := cauchy.Config{L: 30}
	size := cauchy.Size{CH: 1, H: 2, S: 1, N: 3, R: 1}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cfg, size)
	gk := make([]float64, size.H*cfg.L)
	gk[3] = 1
	want := named(backward(t, cfg, size, p, gk))
	plan, err := cauchy.NewPlan[float64](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	for i, set := range []func(dst *params64, v []float64){
		func(d *params64, v []float64) { d.Dt = v },
		func(d *params64, v []float64) { d.AReal = v },
		func(d *params64, v []float64) { d.AImag = v },
		func(d *params64, v []float64) { d.P = v },
		func(d *params64, v []float64) { d.B = v },
		func(d *params64, v []float64) { d.C = v },
	} {
		var g params64
		got := testutil.Unwritten[float64](len(want[i].v))
		set(&g, got)
		if err := plan.Backward(g, p, gk); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want[i].v) {
			t.Errorf("gradient of %s alone differs", want[i].name)
		}
	}
}

func TestPlanErrors(t *testing.T) {
	good := cauchy.Config{L: 10}
	size := cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 1}
	with := func(f func(*cauchy.Config, *cauchy.Size)) error {
		c, s := good, size
		f(&c, &s)
		_, err := cauchy.NewPlan[float32](c, s)
		return err
	}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), good, size)
	plan, err := cauchy.NewPlan[float64](good, size)
	if err != nil {
		t.Fatal(err)
	}
	k := make([]float64, size.H*good.L)
	short, missing := p, p
	short.AImag = short.AImag[1:]
	missing.P = nil
	for _, c := range []struct {
		err  error
		want string
	}{
		{with(func(c *cauchy.Config, _ *cauchy.Size) { c.L = 0 }), "want kernel length L at least 1, got 0"},
		{with(func(c *cauchy.Config, _ *cauchy.Size) { c.LKernel = 9 }), "want kernel length L at most round(LKernel/Rate) = 9, the length that C~ is tuned to, got 10: RetuneC tunes it to twice that"},
		{with(func(c *cauchy.Config, _ *cauchy.Size) { c.LKernel = -1 }), "want LKernel a length, not negative (0 means L), got -1"},
		{with(func(c *cauchy.Config, _ *cauchy.Size) { c.Rate = 1e-300 }), "want LKernel/Rate at most 1073741824, got 1e+301"},
		{with(func(c *cauchy.Config, _ *cauchy.Size) { c.Rate = 2 }), "round(LKernel/Rate) = 5"},
		{with(func(c *cauchy.Config, _ *cauchy.Size) { c.Rate = -1 }), "want Rate a finite number, not negative (0 means 1), got -1"},
		{with(func(c *cauchy.Config, _ *cauchy.Size) { c.DtTransform = "log" }), `field DtTransform: ssm: want transform`},
		{with(func(c *cauchy.Config, _ *cauchy.Size) { c.ATransform = "log" }), `field ATransform: ssm: want transform`},
		{with(func(_ *cauchy.Config, s *cauchy.Size) { s.N = 0 }), "want at least 1 stored state N, got 0"},
		{with(func(_ *cauchy.Config, s *cauchy.Size) { s.CH = 0 }), "want at least 1 channel CH, got 0"},
		{with(func(_ *cauchy.Config, s *cauchy.Size) { s.R = 0 }), "want rank R at least 1, got 0 (without a low-rank part the kernel is vandermonde.Kernel)"},
		{with(func(_ *cauchy.Config, s *cauchy.Size) { s.H = 3 }), "got H = 3, S = 2"},
		{plan.Forward(k[1:], p), "k: want 20 elements, got 19"},
		{plan.Forward(k, short), "AImag: want 6 elements, got 5"},
		{plan.Forward(k, missing), "P: want 12 elements, got 0"},
		{plan.Backward(short, p, k), "gradient of AImag: want 6 elements, got 5"},
		{plan.Backward(p, short, k), "AImag: want 6 elements, got 5"},
		{plan.Backward(p, p, k[1:]), "gk: want 20 elements, got 19"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
