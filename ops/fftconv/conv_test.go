package fftconv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
)

// Tolerances: relative, in the Euclidean norm.
const (
	tol64     = 1e-12 // float64 against direct sums
	tol32     = 3e-7  // float32 against float64
	tolGolden = 1e-10
)

var modes = []Mode{Causal, Bidirectional, BidirectionalReference}

// lengths are the sizes of inputs, in the order U, K, D.
func (g *geometry) lengths() [3]int {
	return [3]int{g.B * g.H * g.L, g.directions * g.CH * g.H * g.LK, g.CH * g.H}
}

func random[T num.Float](rng *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	return x
}

func randomInputs[T num.Float](rng *rand.Rand, g *geometry) inputs[T] {
	n := g.lengths()
	return inputs[T]{U: random[T](rng, n[0]), K: random[T](rng, n[1]), D: random[T](rng, n[2])}
}

// unwritten returns gradients to be written, filled with a value that no test
// expects.
func unwritten[T num.Float](g *geometry) inputs[T] {
	n := g.lengths()
	fill := func(n int) []T { return slices.Repeat([]T{77}, n) }
	return inputs[T]{U: fill(n[0]), K: fill(n[1]), D: fill(n[2])}
}

func toFloat64[T num.Float](x []T) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// sums evaluates the definition, and the gradients of sum(dy*y), in float64:
// every sample of y takes every sample of u, weighted by their distance alone.
func sums(mode Mode, g *geometry, in inputs[float64], dy []float64) (y []float64, grad inputs[float64]) {
	n := g.lengths()
	y = make([]float64, g.B*g.CH*g.H*g.L)
	grad = inputs[float64]{U: make([]float64, n[0]), K: make([]float64, n[1]), D: make([]float64, n[2])}
	for c := range g.CH {
		for h := range g.H {
			weight, gWeight := make([]float64, 2*g.L-1), make([]float64, 2*g.L-1) // [L-1+lag]
			g.byLag(mode, c, h, func(w, at int) { weight[at] += in.K[w] }, func(d, at int) { weight[at] += in.D[d] })
			for b := range g.B {
				sumRow(row(y, g.L, g.yRow(b, c, h)), weight, row(in.U, g.L, g.uRow(b, h)),
					row(dy, g.L, g.yRow(b, c, h)), gWeight, row(grad.U, g.L, g.uRow(b, h)))
			}
			g.byLag(mode, c, h, func(w, at int) { grad.K[w] = gWeight[at] }, func(d, at int) { grad.D[d] = gWeight[at] })
		}
	}
	return y, grad
}

// byLag calls k for every element of K, and d for the element of D, that
// belongs to channel c and feature h and has an effect: at is L-1 plus its lag.
func (g *geometry) byLag(mode Mode, c, h int, k, d func(i, at int)) {
	for m := range min(g.LK, g.L) {
		k(g.kRow(0, c, h)*g.LK+m, g.L-1+m)
		if mode == Bidirectional {
			k(g.kRow(1, c, h)*g.LK+m, g.L-1-m)
		}
		if mode == BidirectionalReference && m+1 < g.L {
			k(g.kRow(1, c, h)*g.LK+m, g.L-1-m-1)
		}
	}
	d(g.dAt(c, h), g.L-1)
}

func sumRow(y, weight, u, dy, gWeight, du []float64) {
	for l := range y {
		w, gw := weight[l:], gWeight[l:]
		for j := range u {
			at := len(u) - 1 - j
			y[l] += w[at] * u[j]
			du[j] += w[at] * dy[l]
			gw[at] += u[j] * dy[l]
		}
	}
}

// planOf returns a plan that works by the given method, whatever its size.
func planOf[T num.Float](t testing.TB, cfg config, size sizes, byFFT bool) *plan[T] {
	t.Helper()
	p, err := newPlan[T](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	p.method = newDirect[T](p.geometry)
	if byFFT {
		p.method = newSpectral[T](p.geometry)
	}
	return p
}

func forward[T num.Float](t testing.TB, p *plan[T], in inputs[T]) []T {
	t.Helper()
	y := slices.Repeat([]T{77}, p.geometry.B*p.geometry.CH*p.geometry.H*p.geometry.L)
	if err := p.Forward(y, in); err != nil {
		t.Fatal(err)
	}
	return y
}

func backward[T num.Float](t testing.TB, p *plan[T], in inputs[T], dy []T) inputs[T] {
	t.Helper()
	grad := unwritten[T](&p.geometry)
	if err := p.Backward(grad, in, dy); err != nil {
		t.Fatal(err)
	}
	return grad
}

func check[T num.Float](t testing.TB, what string, got []T, want []float64, tol float64) {
	t.Helper()
	if e := testutil.RelErr(toFloat64(got), want); !(e <= tol) {
		t.Errorf("%s: relative error %.3g > %.3g", what, e, tol)
	}
}

// checkSums compares a convolution of the given size, and its gradients, by
// both methods, with the definition.
func checkSums(t *testing.T, rng *rand.Rand, mode Mode, size sizes) {
	t.Helper()
	g := newGeometry(config{Mode: mode}, size)
	in, dy := randomInputs[float64](rng, &g), random[float64](rng, g.B*g.CH*g.H*g.L)
	y, grad := sums(mode, &g, in, dy)
	for _, byFFT := range []bool{true, false} {
		p := planOf[float64](t, config{Mode: mode}, size, byFFT)
		checkPlan(t, fmt.Sprintf("%s %+v fft %v", mode, size, byFFT), p, in, dy, y, grad, tol64)
	}
}

func checkPlan[T num.Float](t *testing.T, what string, p *plan[T], in inputs[T], dy []T, y []float64, grad inputs[float64], tol float64) {
	t.Helper()
	check(t, what+": y", forward(t, p, in), y, tol)
	got := backward(t, p, in, dy)
	check(t, what+": du", got.U, grad.U, tol)
	check(t, what+": dk", got.K, grad.K, tol)
	// By FFT, a gradient of d is a sample of the correlation that is also dk:
	// every sample has an error in proportion to the norm of all.
	scale := norm(grad.D) + norm(grad.K)
	if e := distance(toFloat64(got.D), grad.D) / scale; !(e <= tol) {
		t.Errorf("%s: dd: relative error %.3g > %.3g", what, e, tol)
	}
}

func distance(x, y []float64) float64 {
	d := make([]float64, len(x))
	for i := range d {
		d[i] = x[i] - y[i]
	}
	return norm(d)
}

func norm(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v * v
	}
	return math.Sqrt(s)
}

func TestEveryShortLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for l := 1; l <= 70; l++ {
		for _, mode := range modes {
			for _, lk := range []int{1, (l + 1) / 2, max(l-1, 1), l, l + 1, 3 * l} {
				checkSums(t, rng, mode, sizes{B: 1 + rng.IntN(3), H: 1, CH: 1 + rng.IntN(2), L: l, LK: lk})
			}
		}
	}
}

func TestLongLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i, l := range []int{97, 100, 127, 128, 200, 255, 257, 489, 500, 625, 784, 1000, 1021, 1024, 1047} {
		lk := l
		if i%2 == 1 {
			lk = l/3 + 1
		}
		for _, mode := range modes {
			checkSums(t, rng, mode, sizes{B: 2, H: 1, CH: 1, L: l, LK: lk})
		}
	}
}

func TestEveryBatchAndChannelCount(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	for b := 1; b <= 5; b++ {
		for ch := 1; ch <= 3; ch++ {
			for _, mode := range modes {
				checkSums(t, rng, mode, sizes{B: b, H: 3, CH: ch, L: 37, LK: 23})
			}
		}
	}
}

func TestPicksTheMethodBySize(t *testing.T) {
	for _, c := range []struct {
		size   sizes
		direct bool
	}{
		{sizes{1, 1, 1, 1000, 1000}, false},
		{sizes{1, 1, 1, maxDirectTaps, 1000}, true},
		{sizes{1, 1, 1, 1000, maxDirectTaps}, true},
		{sizes{1, 1, 1, 1000, maxDirectTaps + 1}, false},
	} {
		p, err := newPlan[float64](config{}, c.size)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.method.(*direct[float64]); ok != c.direct {
			t.Errorf("%+v: %T", c.size, p.method)
		}
	}
}

func dot(x, y []float64) float64 {
	var s float64
	for i := range x {
		s += x[i] * y[i]
	}
	return s
}

// At lengths where the sums would take too long, the identities of the
// convolution and its adjoints.
func TestIdentitiesAtLargeLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	for _, l := range []int{4093, 20011} {
		for _, mode := range modes {
			p := planOf[float64](t, config{Mode: mode}, sizes{B: 3, H: 1, CH: 2, L: l, LK: l - 5}, true)
			in := randomInputs[float64](rng, &p.geometry)
			dy := random[float64](rng, 3*2*l)
			y := forward(t, p, in)
			grad := backward(t, p, in, dy)
			scale := norm(y) * norm(dy)
			if e := math.Abs(dot(y, dy)-dot(in.U, grad.U)) / scale; e > 1e-14 {
				t.Errorf("%s L=%d: <y, dy> and <u, du> differ by %.3g", mode, l, e)
			}
			if e := math.Abs(dot(y, dy)-dot(in.K, grad.K)-dot(in.D, grad.D)) / scale; e > 1e-14 {
				t.Errorf("%s L=%d: <y, dy> and <k, dk> + <d, dd> differ by %.3g", mode, l, e)
			}
			// Linear in u and in the kernels.
			more := randomInputs[float64](rng, &p.geometry)
			both := inputs[float64]{U: make([]float64, len(in.U)), K: in.K, D: in.D}
			for i := range both.U {
				both.U[i] = 2*in.U[i] - 3*more.U[i]
			}
			want := make([]float64, len(y))
			for i, v := range forward(t, p, inputs[float64]{U: more.U, K: in.K, D: in.D}) {
				want[i] = 2*y[i] - 3*v
			}
			check(t, fmt.Sprintf("%s L=%d: linearity in u", mode, l), forward(t, p, both), want, tol64)
			both = inputs[float64]{U: in.U, K: make([]float64, len(in.K)), D: make([]float64, len(in.D))}
			for i := range both.K {
				both.K[i] = 2*in.K[i] - 3*more.K[i]
			}
			for i := range both.D {
				both.D[i] = 2*in.D[i] - 3*more.D[i]
			}
			for i, v := range forward(t, p, inputs[float64]{U: in.U, K: more.K, D: more.D}) {
				want[i] = 2*y[i] - 3*v
			}
			check(t, fmt.Sprintf("%s L=%d: linearity in k and d", mode, l), forward(t, p, both), want, tol64)
		}
	}
}

// An impulse in u writes the kernels, and nothing before it in causal mode.
func TestImpulseResponse(t *testing.T) {
	const l, at = 600, 217
	rng := rand.New(rand.NewPCG(1, 5))
	for _, mode := range modes {
		p := planOf[float64](t, config{Mode: mode}, sizes{B: 1, H: 1, CH: 1, L: l, LK: l}, true)
		in := randomInputs[float64](rng, &p.geometry)
		clear(in.U)
		in.U[at] = 1
		want := make([]float64, l)
		want[at] = in.D[0]
		for n := range l {
			if n >= at {
				want[n] += in.K[n-at]
			}
			if n <= at && mode == Bidirectional {
				want[n] += in.K[l+at-n]
			}
			if n < at && mode == BidirectionalReference {
				want[n] += in.K[l+at-n-1]
			}
		}
		y := forward(t, p, in)
		check(t, string(mode)+": impulse response", y, want, tol64)
		if mode == Causal {
			if e := norm(y[:at]) / norm(y); e > 1e-14 {
				t.Errorf("an impulse at %d is seen before: %.3g", at, e)
			}
		}
	}
}

// What lies in a kernel beyond the rows has no effect and no gradient.
func TestKernelLongerThanRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 6))
	for _, byFFT := range []bool{true, false} {
		long := planOf[float64](t, config{Mode: Causal}, sizes{B: 2, H: 2, CH: 1, L: 40, LK: 55}, byFFT)
		short := planOf[float64](t, config{Mode: Causal}, sizes{B: 2, H: 2, CH: 1, L: 40, LK: 40}, byFFT)
		in := randomInputs[float64](rng, &long.geometry)
		cut := in
		cut.K = slices.Concat(in.K[:40], in.K[55:95])
		if !slices.Equal(forward(t, long, in), forward(t, short, cut)) {
			t.Errorf("fft %v: the end of the kernel has an effect", byFFT)
		}
		dk := backward(t, long, in, random[float64](rng, 2*2*40)).K
		for _, v := range slices.Concat(dk[40:55], dk[95:]) {
			if v != 0 {
				t.Errorf("fft %v: the end of the kernel has the gradient %g", byFFT, v)
			}
		}
	}
}

func TestFloat32AgainstFloat64(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	for _, size := range []sizes{
		{3, 2, 1, 12, 12}, {3, 2, 2, 37, 37}, {5, 1, 1, 100, 41}, {2, 1, 3, 784, 784}, {2, 3, 1, 1000, 1000}, {2, 1, 1, 1021, 2000},
		{2, 1, 1, 4096, 4096}, {3, 1, 1, 10000, 10000}, {2, 1, 1, 65536, 65536},
	} {
		for _, mode := range modes {
			p32, err := newPlan[float32](config{Mode: mode}, size)
			if err != nil {
				t.Fatal(err)
			}
			p64 := planOf[float64](t, config{Mode: mode}, size, true)
			in, dy := randomInputs[float32](rng, &p32.geometry), random[float32](rng, size.B*size.CH*size.H*size.L)
			in64, dy64 := inputs[float64]{U: toFloat64(in.U), K: toFloat64(in.K), D: toFloat64(in.D)}, toFloat64(dy)
			checkPlan(t, fmt.Sprintf("%s %+v", mode, size), p32, in, dy, forward(t, p64, in64), backward(t, p64, in64, dy64), tol32)
		}
	}
}

// Leaving gradients out leaves the others as they are.
func TestAnyGradientMayBeLeftOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 8))
	for _, size := range []sizes{{3, 2, 1, 50, 50}, {3, 2, 2, 50, 30}, {2, 2, 1, 9, 9}} {
		for _, mode := range modes {
			for _, byFFT := range []bool{true, false} {
				p := planOf[float64](t, config{Mode: mode}, size, byFFT)
				in := randomInputs[float64](rng, &p.geometry)
				dy := random[float64](rng, p.geometry.B*p.geometry.CH*p.geometry.H*p.geometry.L)
				all := backward(t, p, in, dy)
				for mask := range 8 {
					grad := unwritten[float64](&p.geometry)
					for i, x := range []*[]float64{&grad.U, &grad.K, &grad.D} {
						if mask>>i&1 == 0 {
							*x = nil
						}
					}
					if err := p.Backward(grad, in, dy); err != nil {
						t.Fatal(err)
					}
					what := fmt.Sprintf("%s %+v fft %v, gradients %03b: ", mode, size, byFFT, mask)
					for _, x := range []struct {
						name      string
						got, want []float64
					}{{"du", grad.U, all.U}, {"dk", grad.K, all.K}, {"dd", grad.D, all.D}} {
						if x.got != nil {
							check(t, what+x.name, x.got, x.want, tol64)
						}
					}
				}
			}
		}
	}
}

func TestNoSkipIsASkipOfZero(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	for _, byFFT := range []bool{true, false} {
		p := planOf[float64](t, config{Mode: Causal}, sizes{B: 3, H: 2, CH: 2, L: 33, LK: 33}, byFFT)
		in := randomInputs[float64](rng, &p.geometry)
		dy := random[float64](rng, 3*2*2*33)
		clear(in.D)
		y, du := forward(t, p, in), backward(t, p, in, dy).U
		in.D = nil
		if !slices.Equal(forward(t, p, in), y) || !slices.Equal(backward(t, p, in, dy).U, du) {
			t.Errorf("fft %v: not the same without D", byFFT)
		}
	}
}

// A plan gives the same bits again, after other data, and on one worker.
func TestSameBitsAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 10))
	for _, size := range []sizes{{5, 9, 1, 300, 300}, {4, 9, 2, 100, 40}, {3, 9, 1, 10, 10}, {9, 1, 1, 4000, 4000}, {12, 3, 2, 1024, 1024}} {
		for _, mode := range modes {
			p, err := newPlan[float32](config{Mode: mode}, size)
			if err != nil {
				t.Fatal(err)
			}
			in, other := randomInputs[float32](rng, &p.geometry), randomInputs[float32](rng, &p.geometry)
			dy := random[float32](rng, p.geometry.B*p.geometry.CH*p.geometry.H*p.geometry.L)
			y, grad := forward(t, p, in), backward(t, p, in, dy)
			forward(t, p, other)
			backward(t, p, other, dy)
			again := func(what string) {
				if !slices.Equal(forward(t, p, in), y) {
					t.Errorf("%s %+v: y differs %s", mode, size, what)
				}
				g := backward(t, p, in, dy)
				if !slices.Equal(g.U, grad.U) || !slices.Equal(g.K, grad.K) || !slices.Equal(g.D, grad.D) {
					t.Errorf("%s %+v: gradients differ %s", mode, size, what)
				}
			}
			again("after other data")
			old := runtime.GOMAXPROCS(1)
			again("on one worker")
			runtime.GOMAXPROCS(old)
			if p, err = newPlan[float32](config{Mode: mode}, size); err != nil {
				t.Fatal(err)
			}
			again("in a new plan")
		}
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 11))
	for _, size := range []sizes{{3, 4, 1, 200, 200}, {3, 4, 2, 200, 200}, {3, 4, 1, 9, 9}} {
		for _, mode := range modes {
			p, err := newPlan[float32](config{Mode: mode}, size)
			if err != nil {
				t.Fatal(err)
			}
			in := randomInputs[float32](rng, &p.geometry)
			y, grad := forward(t, p, in), unwritten[float32](&p.geometry)
			testutil.CheckNoAllocations(t, fmt.Sprintf("%s %+v", mode, size),
				func() error { return p.Forward(y, in) }, func() error { return p.Backward(grad, in, y) })
		}
	}
}

func TestPlanErrors(t *testing.T) {
	good := sizes{B: 1, H: 2, CH: 1, L: 4, LK: 4}
	for _, c := range []struct {
		cfg  config
		size sizes
		want string
	}{
		{config{Mode: "acausal"}, good, `Mode: want "causal", "bidirectional" or "bidirectional-reference", got "acausal"`},
		{config{}, sizes{B: 0, H: 2, CH: 1, L: 4, LK: 4}, "B: want at least 1, got 0"},
		{config{}, sizes{B: 1, H: -2, CH: 1, L: 4, LK: 4}, "H: want at least 1, got -2"},
		{config{}, sizes{B: 1, H: 2, CH: 0, L: 4, LK: 4}, "CH: want at least 1, got 0"},
		{config{}, sizes{B: 1, H: 2, CH: 1, L: 0, LK: 4}, "L: want at least 1, got 0"},
		{config{}, sizes{B: 1, H: 2, CH: 1, L: 4}, "LK: want at least 1, got 0"},
	} {
		if _, err := newPlan[float64](c.cfg, c.size); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
	}
	p, err := newPlan[float64](config{Mode: Bidirectional}, good)
	if err != nil {
		t.Fatal(err)
	}
	vec := func(n int) []float64 { return make([]float64, n) }
	shared := vec(12)
	in := inputs[float64]{U: vec(8), K: vec(16), D: vec(2)}
	for _, c := range []struct {
		want string
		err  error
	}{
		{"y: want B CH H L = 8 elements, got 7", p.Forward(vec(7), in)},
		{"U: want B H L = 8 elements, got 0", p.Forward(vec(8), inputs[float64]{K: in.K})},
		{"K: want 2 CH H LK = 16 elements, got 8", p.Forward(vec(8), inputs[float64]{U: in.U, K: vec(8)})},
		{"D: want CH H = 2 elements, got 1", p.Forward(vec(8), inputs[float64]{U: in.U, K: in.K, D: vec(1)})},
		{"y: want memory of its own", p.Forward(shared[:8], inputs[float64]{U: shared[4:], K: in.K})},
		{"dy: want B CH H L = 8 elements, got 9", p.Backward(inputs[float64]{}, in, vec(9))},
		{"grad.K: want 2 CH H LK = 16 elements, got 1", p.Backward(inputs[float64]{K: vec(1)}, in, vec(8))},
		{"grad.U: want memory of its own", p.Backward(inputs[float64]{U: in.U}, in, vec(8))},
		{"grad.U: want memory of its own", p.Backward(inputs[float64]{U: shared[:8]}, in, shared[4:])},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}

func goldenMode(t *testing.T, c *golden.Case) Mode {
	switch bi := c.Meta["bidirectional"]; bi {
	case nil, false:
		return Causal
	case "exact":
		return Bidirectional
	case "reference":
		return BidirectionalReference
	default:
		t.Fatalf("%s: unknown mode %v", c.Name, bi)
		return ""
	}
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "fftconv") {
		size := sizes{B: c.Int("B", 0), H: c.Int("H", 0), CH: c.Int("channels", 1), L: c.Int("L", 0), LK: c.Int("L_kernel", 0)}
		in := inputs[float64]{U: c.F(t, "u"), K: c.F(t, "k"), D: c.F(t, "D")}
		for _, byFFT := range []bool{true, false} {
			p := planOf[float64](t, config{Mode: goldenMode(t, c)}, size, byFFT)
			what := fmt.Sprintf("%s fft %v: ", c.Name, byFFT)
			check(t, what+"y", forward(t, p, in), c.F(t, "y"), tolGolden)
			g := backward(t, p, in, c.F(t, "W"))
			check(t, what+"g_u", g.U, c.F(t, "g_u"), tolGolden)
			check(t, what+"g_k", g.K, c.F(t, "g_k"), tolGolden)
			check(t, what+"g_D", g.D, c.F(t, "g_D"), tolGolden)
		}
	}
}
