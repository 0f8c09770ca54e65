package ndconv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// Tolerances: relative, in the Euclidean norm.
const (
	tol64 = 1e-12 // float64 against the definition
	tol32 = 2e-6  // float32 against float64
)

const (
	causal    = fftconv.Causal
	both      = fftconv.Bidirectional
	reference = fftconv.BidirectionalReference
)

// problem is a convolution to be computed.
type problem struct {
	Config
	b, h, ch int
	lk       []int // of each axis
	lengths  []int
}

func (p problem) geometry() geometry {
	g := geometry{B: p.b, H: p.h, CH: p.ch, R: p.rank(), L: tensor.Shape(p.Shape).TotalSize(), skip: true}
	for a, lk := range p.lk {
		g.axes = append(g.axes, newLine(p.Config, a, lk))
	}
	return g
}

// problems cover axes of length 1, kernels shorter and longer than their axis, every mode,
// terms, channels, and an odd number of lines.
func problems() []problem {
	return []problem{
		{Config: Config{Shape: []int{7}}, b: 2, h: 2, ch: 1, lk: []int{7}},
		{Config: Config{Shape: []int{1, 1}, Modes: []fftconv.Mode{both, reference}}, b: 1, h: 1, ch: 1, lk: []int{2, 2}},
		{Config: Config{Shape: []int{4, 5}}, b: 3, h: 2, ch: 2, lk: []int{4, 5}},
		{Config: Config{Shape: []int{3, 7}, Rank: 3}, b: 2, h: 3, ch: 2, lk: []int{9, 2}},
		{Config: Config{Shape: []int{5, 6}, Modes: []fftconv.Mode{both, causal}, Rank: 2}, b: 2, h: 1, ch: 1, lk: []int{5, 6}},
		{Config: Config{Shape: []int{6, 5}, Modes: []fftconv.Mode{"", reference}}, b: 3, h: 2, ch: 1, lk: []int{3, 8}, lengths: []int{30, 0, 17}},
		{Config: Config{Shape: []int{3, 4, 5}, Modes: []fftconv.Mode{reference, both, causal}, Rank: 2}, b: 2, h: 2, ch: 2, lk: []int{3, 3, 6}, lengths: []int{59, 60}},
		{Config: Config{Shape: []int{1, 8, 3}}, b: 1, h: 3, ch: 1, lk: []int{1, 8, 3}},
		{Config: Config{Shape: []int{129, 1}, Modes: []fftconv.Mode{reference, both}}, b: 1, h: 1, ch: 1, lk: []int{129, 1}},
	}
}

func draw[T num.Float](rng *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	return x
}

// inputsOf makes inputs, or gradients to be written, of which fill makes the arrays.
func inputsOf[T num.Float](g *geometry, lengths []int, fill func(n int) []T) inputs[T] {
	in := inputs[T]{U: fill(g.B * g.H * g.L), D: fill(g.CH * g.H), Lengths: lengths}
	for a := range g.axes {
		in.K[a] = fill(g.kernels(&g.axes[a]) * g.axes[a].lk)
	}
	return in
}

// definition evaluates the sums, and the gradients of sum(dy*y), pair by pair of samples.
func definition(g *geometry, in inputs[float64], dy []float64) (y []float64, grad inputs[float64]) {
	zeros := func(n int) []float64 { return make([]float64, n) }
	y, grad = zeros(len(dy)), inputsOf(g, nil, zeros)
	for b := range g.B {
		n := g.L
		if in.Lengths != nil {
			n = in.Lengths[b]
		}
		for h := range g.H {
			u, du := uRow(g, in.U, b, h), uRow(g, grad.U, b, h)
			for c := range g.CH {
				yr, gr, d := yRow(g, y, b, c, h), yRow(g, dy, b, c, h), c*g.H+h
				for l := range n {
					yr[l] += in.D[d] * u[l]
					du[l] += in.D[d] * gr[l]
					grad.D[d] += gr[l] * u[l]
					for j := range n {
						for r := range g.R {
							g.pair(&in, &grad, r, c, h, l, j, yr, gr, u, du)
						}
					}
				}
			}
		}
	}
	return y, grad
}

// pair adds what sample j of u contributes to sample l of y by a term.
func (g *geometry) pair(in, grad *inputs[float64], r, c, h, l, j int, y, gy, u, du []float64) {
	var weights [MaxAxes]float64
	product := 1 / float64(g.R)
	for a := range g.axes {
		for _, i := range g.samples(a, r, c, h, l, j) {
			weights[a] += in.K[a][i]
		}
		product *= weights[a]
	}
	y[l] += product * u[j]
	du[j] += product * gy[l]
	for a := range g.axes {
		others := gy[l] * u[j] / float64(g.R)
		for o := range g.axes {
			if o != a {
				others *= weights[o]
			}
		}
		for _, i := range g.samples(a, r, c, h, l, j) {
			grad.K[a][i] += others
		}
	}
}

// samples returns the elements of the kernels of an axis whose lag is that from j to l.
func (g *geometry) samples(axis, r, c, h, l, j int) (of []int) {
	a := &g.axes[axis]
	lag := l/a.inner%a.n - j/a.inner%a.n
	for d := range a.directions {
		m := lag
		if d == 1 {
			m = -lag - a.skip
		}
		if m >= 0 && m < a.lk {
			of = append(of, (((d*g.R+r)*g.CH+c)*g.H+h)*a.lk+m)
		}
	}
	return of
}

func byToeplitz[T num.Float](a line, ws *gemm.Workspace[T]) axis[T] { return newToeplitz[T](a, ws) }
func byFFT[T num.Float](a line, _ *gemm.Workspace[T]) axis[T]       { return newSpectral[T](a) }

func check[T num.Float](t *testing.T, what string, got []T, want []float64, tol float64) {
	t.Helper()
	if e := testutil.RelErr(testutil.Float64s(got), want); !(e <= tol) {
		t.Errorf("%s: relative error %.3g > %.3g", what, e, tol)
	}
}

// checkPlan compares a plan with what is wanted of it.
func checkPlan[T num.Float](t *testing.T, what string, p *plan[T], in inputs[T], dy []T, y []float64, want inputs[float64], tol float64) {
	t.Helper()
	got := testutil.Unwritten[T](len(y))
	if err := p.Forward(got, in); err != nil {
		t.Fatal(err)
	}
	check(t, what+": y", got, y, tol)
	grad := inputsOf(&p.geometry, nil, testutil.Unwritten[T])
	if err := p.Backward(grad, in, dy); err != nil {
		t.Fatal(err)
	}
	check(t, what+": du", grad.U, want.U, tol)
	const cancelled = 10 // a sum over all places may be much less than its terms
	check(t, what+": dd", grad.D, want.D, cancelled*tol)
	for a := range p.axes {
		tol := tol
		if p.geometry.axes[a].lk == 1 { // the gradient of one tap is such a sum
			tol *= cancelled
		}
		check(t, fmt.Sprintf("%s: dk%d", what, a), grad.K[a], want.K[a], tol)
	}
}

func TestDefinition(t *testing.T) {
	for i, c := range problems() {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		g := c.geometry()
		in := inputsOf(&g, c.lengths, func(n int) []float64 { return draw[float64](rng, n) })
		dy := draw[float64](rng, g.B*g.CH*g.H*g.L)
		y, grad := definition(&g, in, dy)
		what := fmt.Sprintf("%+v", c)
		checkPlan(t, what, newPlan[float64](g), in, dy, y, grad, tol64)
		checkPlan(t, what+" by products", newPlanBy(g, byToeplitz[float64]), in, dy, y, grad, tol64)
		checkPlan(t, what+" by FFT", newPlanBy(g, byFFT[float64]), in, dy, y, grad, tol64)
		single := inputsOf(&g, c.lengths, func(int) []float32 { return nil })
		single.U, single.D = testutil.Float32s(in.U), testutil.Float32s(in.D)
		for a := range g.axes {
			single.K[a] = testutil.Float32s(in.K[a])
		}
		checkPlan(t, what+" float32", newPlanBy(g, byToeplitz[float32]), single, testutil.Float32s(dy), y, grad, tol32)
		checkPlan(t, what+" float32 by FFT", newPlanBy(g, byFFT[float32]), single, testutil.Float32s(dy), y, grad, tol32)
	}
}

// TestLowerLevels runs the tests of the arithmetic with every instruction set below the one
// that the machine has.
func TestLowerLevels(t *testing.T) {
	for l := range cpu.Detected() {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.SetActive(cpu.SetActive(l))
			t.Run("Definition", TestDefinition)
			t.Run("SteadyStateDoesNotAllocate", TestSteadyStateDoesNotAllocate)
		})
	}
}

// pieced is a convolution whose batch is worked on in pieces.
var pieced = problem{Config: Config{Shape: []int{33, 130}, Modes: []fftconv.Mode{both, causal}}, b: 5, h: 2, ch: 1, lk: []int{33, 130}}

func TestPieces(t *testing.T) {
	g := pieced.geometry()
	if got := newPlan[float64](g).tasks; got != g.B {
		t.Fatalf("%d pieces of a batch of %d", got, g.B)
	}
	rng := rand.New(rand.NewPCG(2, 1))
	in := inputsOf(&g, nil, func(n int) []float64 { return draw[float64](rng, n) })
	dy := draw[float64](rng, g.B*g.CH*g.H*g.L)
	whole := newPlan[float64](g)
	whole.tasks = 1
	y, grad := testutil.Unwritten[float64](len(dy)), inputsOf(&g, nil, testutil.Unwritten[float64])
	if err := whole.Forward(y, in); err != nil {
		t.Fatal(err)
	}
	if err := whole.Backward(grad, in, dy); err != nil {
		t.Fatal(err)
	}
	checkPlan(t, "pieces", newPlan[float64](g), in, dy, y, grad, tol64)
}

func TestSameBitsOnAnyNumberOfWorkers(t *testing.T) {
	g := pieced.geometry()
	rng := rand.New(rand.NewPCG(2, 2))
	in := inputsOf(&g, nil, func(n int) []float32 { return draw[float32](rng, n) })
	dy := draw[float32](rng, g.B*g.CH*g.H*g.L)
	testutil.CheckDeterministic(t, func() any {
		p := newPlan[float32](g)
		y, grad := make([]float32, len(dy)), inputsOf(&g, nil, func(n int) []float32 { return make([]float32, n) })
		if err := p.Forward(y, in); err != nil {
			t.Fatal(err)
		}
		if err := p.Backward(grad, in, dy); err != nil {
			t.Fatal(err)
		}
		return slices.Concat(y, grad.U, grad.K[0], grad.K[1], grad.D)
	})
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	c := problem{Config: Config{Shape: []int{20, 130}, Modes: []fftconv.Mode{both, causal}, Rank: 2}, b: 2, h: 2, ch: 2, lk: []int{20, 130}, lengths: []int{2600, 2000}}
	g := c.geometry()
	p := newPlan[float32](g)
	rng := rand.New(rand.NewPCG(2, 3))
	in := inputsOf(&g, c.lengths, func(n int) []float32 { return draw[float32](rng, n) })
	dy := draw[float32](rng, g.B*g.CH*g.H*g.L)
	y, grad := make([]float32, len(dy)), inputsOf(&g, nil, func(n int) []float32 { return make([]float32, n) })
	testutil.CheckNoAllocations(t, "Forward and Backward",
		func() error { return p.Forward(y, in) }, func() error { return p.Backward(grad, in, dy) })
}

// What is not asked for changes nothing of the rest.
func TestAnyGradientMayBeLeftOut(t *testing.T) {
	g := problems()[6].geometry()
	rng := rand.New(rand.NewPCG(2, 4))
	in := inputsOf(&g, nil, func(n int) []float64 { return draw[float64](rng, n) })
	dy := draw[float64](rng, g.B*g.CH*g.H*g.L)
	for _, method := range []func(line, *gemm.Workspace[float64]) axis[float64]{byToeplitz[float64], byFFT[float64]} {
		p := newPlanBy(g, method)
		all := inputsOf(&g, nil, testutil.Unwritten[float64])
		if err := p.Backward(all, in, dy); err != nil {
			t.Fatal(err)
		}
		some := inputs[float64]{U: testutil.Unwritten[float64](len(in.U))}
		if err := p.Backward(some, in, dy); err != nil {
			t.Fatal(err)
		}
		check(t, "du alone", some.U, all.U, tol64)
		some = inputs[float64]{K: [MaxAxes][]float64{1: testutil.Unwritten[float64](len(in.K[1]))}}
		if err := p.Backward(some, in, dy); err != nil {
			t.Fatal(err)
		}
		check(t, "dk1 alone", some.K[1], all.K[1], tol64)
	}
}
