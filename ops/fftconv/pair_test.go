package fftconv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

// loudness is what a row and its gradient are multiplied by.
type loudness struct{ u, dy float64 }

var loudnesses = []loudness{
	{3, 1}, {1, 5}, {1e4, 1}, {1, 1e4}, {1e4, 1e-4}, {1e8, 1}, {1, 1e8}, {1e-8, 1e8}, {1e8, 1e-8},
	{1e20, 1}, {1, 1e20}, {1e20, 1e-20}, {1e-20, 1e20}, {1e-20, 1e-20}, {0, 1}, {1, 0}, {0, 0},
	{math.NaN(), 1}, {1, math.NaN()}, {math.Inf(1), 1}, {1, math.Inf(-1)},
}

// cut returns the inputs for row b alone, of its first n samples.
func (g *geometry) cut(in inputs[float64], dy []float64, b, n int) (inputs[float64], []float64) {
	alone := inputs[float64]{K: in.K, D: in.D}
	for h := range g.H {
		alone.U = append(alone.U, row(in.U, g.L, g.uRow(b, h))[:n]...)
	}
	var g1 []float64
	for c := range g.CH {
		for h := range g.H {
			g1 = append(g1, row(dy, g.L, g.yRow(b, c, h))[:n]...)
		}
	}
	return alone, g1
}

// aloneResults are what the rows of a batch give one by one, in float64.
type aloneResults struct {
	y    [][]float64
	grad []inputs[float64]
}

func alone(t *testing.T, cfg config, g *geometry, in inputs[float64], dy []float64, byFFT bool) (r aloneResults) {
	for b := range g.B {
		n := g.L
		if in.Lengths != nil {
			n = in.Lengths[b]
		}
		if n == 0 {
			none := inputs[float64]{K: make([]float64, len(in.K)), D: make([]float64, len(in.D))}
			r.y, r.grad = append(r.y, nil), append(r.grad, none)
			continue
		}
		p := planOf[float64](t, cfg, sizes{1, g.H, g.CH, n, g.LK}, byFFT)
		in, dy := g.cut(in, dy, b, n)
		r.y, r.grad = append(r.y, forward(t, p, in)), append(r.grad, backward(t, p, in, dy))
	}
	return r
}

func convert[T num.Float](x []float64) []T {
	y := make([]T, len(x))
	for i, v := range x {
		y[i] = T(v)
	}
	return y
}

// rounded returns x as T has it.
func rounded[T num.Float](x []float64) []float64 { return toFloat64(convert[T](x)) }

func convertInputs[T num.Float](in inputs[float64]) inputs[T] {
	return inputs[T]{U: convert[T](in.U), K: convert[T](in.K), D: convert[T](in.D), Lengths: in.Lengths}
}

// A row gives what it gives alone, to rounding of its own size, whatever its
// neighbours hold.
func TestNoRowHearsAnother(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testNoRowHearsAnother[float32](t, tol32) })
	t.Run("float64", func(t *testing.T) { testNoRowHearsAnother[float64](t, 1e-14) })
}

func testNoRowHearsAnother[T num.Float](t *testing.T, tol float64) {
	rng := rand.New(rand.NewPCG(8, 1))
	for i, l := range []int{1, 2, 3, 7, 13, 33, 64, 97, 255, 301, 511, 777, 1023, 1024} {
		for _, mode := range modes {
			cfg, size := config{Mode: mode}, sizes{B: 2 + i%3, H: 1, CH: 1 + i%2, L: l, LK: max(1, l-i%2)}
			for _, byFFT := range []bool{true, false} {
				if !byFFT && l > 100 {
					continue
				}
				for _, x := range loudnesses {
					checkRows[T](t, rng, cfg, size, x, byFFT, tol)
				}
			}
		}
	}
}

// checkRows makes row 0 of a batch loud and compares the others, and what is
// summed over the batch, with what they are alone.
func checkRows[T num.Float](t *testing.T, rng *rand.Rand, cfg config, size sizes, x loudness, byFFT bool, tol float64) {
	t.Helper()
	p := planOf[T](t, cfg, size, byFFT)
	g := &p.geometry
	in, dy := randomInputs[float64](rng, g), random[float64](rng, g.B*g.CH*g.H*g.L)
	for i := range in.K { // so that outputs are as large as inputs
		in.K[i] /= math.Sqrt(float64(g.LK))
	}
	for i := range g.L {
		in.U[i] *= x.u
	}
	for i := range g.CH * g.L {
		dy[i] *= x.dy
	}
	in.U, in.K, in.D, dy = rounded[T](in.U), rounded[T](in.K), rounded[T](in.D), rounded[T](dy)
	want := alone(t, cfg, g, in, dy, byFFT)
	y, grad := forward(t, p, convertInputs[T](in)), backward(t, p, convertInputs[T](in), convert[T](dy))
	what := fmt.Sprintf("%+v %+v fft %v, row 0 times %v", cfg, size, byFFT, x)
	kernels := norm(in.K) + norm(in.D)
	for b := range g.B {
		if b == 0 && !(num.Finite(x.u) && num.Finite(x.dy)) {
			continue
		}
		u, dyb := g.cut(in, dy, b, g.L)
		near(t, fmt.Sprintf("%s: y of row %d", what, b), y[b*g.CH*g.L:(b+1)*g.CH*g.L], want.y[b], tol*norm(u.U)*kernels)
		near(t, fmt.Sprintf("%s: du of row %d", what, b), grad.U[b*g.L:(b+1)*g.L], want.grad[b].U, tol*norm(dyb)*kernels)
	}
	checkSummed(t, what, g, grad, in, dy, want, tol)
}

// near compares vectors up to an absolute error.
func near[T num.Float](t *testing.T, what string, got []T, want []float64, most float64) {
	t.Helper()
	if e := distance(toFloat64(got), want); !(e <= most) {
		t.Errorf("%s: error %.3g > %.3g", what, e, most)
	}
}

// checkSummed compares the gradients of the kernels with the sums of those of
// the rows alone: the error is in proportion to what the rows have, and none has
// a part that is not a product of its own.
func checkSummed[T num.Float](t *testing.T, what string, g *geometry, grad inputs[T], in inputs[float64], dy []float64, want aloneResults, tol float64) {
	t.Helper()
	sumK, sumD := make([]float64, len(grad.K)), make([]float64, len(grad.D))
	var products float64
	for b := range g.B {
		for i, v := range want.grad[b].K {
			sumK[i] += v
		}
		for i, v := range want.grad[b].D {
			sumD[i] += v
		}
		n := g.L
		if in.Lengths != nil {
			n = in.Lengths[b]
		}
		u, dyb := g.cut(in, dy, b, n)
		products += norm(u.U) * norm(dyb)
	}
	if !num.Finite(products) {
		if s := norm(toFloat64(grad.K)); num.Finite(s) {
			t.Errorf("%s: dk: want a sum that is not finite, got norm %v", what, s)
		}
		return
	}
	near(t, what+": dk", grad.K, sumK, 2*tol*products)
	near(t, what+": dd", grad.D, sumD, 2*tol*products)
}

// Nothing behind a length is read, and what is written there is 0.
func TestLengths(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testLengths[float32](t, tol32) })
	t.Run("float64", func(t *testing.T) { testLengths[float64](t, 1e-14) })
}

func testLengths[T num.Float](t *testing.T, tol float64) {
	rng := rand.New(rand.NewPCG(8, 2))
	for i, lengths := range [][]int{{40, 300}, {300, 1}, {0, 300}, {0, 0, 17}, {300, 300, 299}, {5, 5}, {0}, {13, 1, 2, 30}, {2, 9}} {
		for _, mode := range modes {
			for _, byFFT := range []bool{true, false} {
				l := max(slices.Max(lengths), 7)
				cfg, size := config{Mode: mode}, sizes{B: len(lengths), H: 2, CH: 1 + i%2, L: l, LK: l}
				checkLengths[T](t, rng, cfg, size, lengths, byFFT, tol)
			}
		}
	}
}

func checkLengths[T num.Float](t *testing.T, rng *rand.Rand, cfg config, size sizes, lengths []int, byFFT bool, tol float64) {
	t.Helper()
	p := planOf[T](t, cfg, size, byFFT)
	g := &p.geometry
	in, dy := randomInputs[float64](rng, g), random[float64](rng, g.B*g.CH*g.H*g.L)
	in.Lengths = lengths
	in.U, in.K, in.D, dy = rounded[T](in.U), rounded[T](in.K), rounded[T](in.D), rounded[T](dy)
	want := alone(t, cfg, g, in, dy, byFFT)
	what := fmt.Sprintf("%+v %+v fft %v, lengths %v", cfg, size, byFFT, lengths)
	var first []T
	for _, junk := range []float64{0, 1e8, math.NaN(), math.Inf(1)} {
		u, g1 := slices.Clone(in.U), slices.Clone(dy)
		spoil(u, lengths, g.H, g.L, junk)
		spoil(g1, lengths, g.CH*g.H, g.L, junk)
		inT := convertInputs[T](in)
		inT.U = convert[T](u)
		y, grad := forward(t, p, inT), backward(t, p, inT, convert[T](g1))
		all := slices.Concat(y, grad.U, grad.K, grad.D)
		if first == nil {
			first = all
			compareRows(t, what, g, lengths, y, grad, want, tol)
			checkSummed(t, what, g, grad, in, dy, want, 2*tol)
		}
		if !slices.Equal(all, first) {
			t.Errorf("%s: padding %v changes results", what, junk)
		}
	}
}

// compareRows compares results with those of the rows alone, and what is behind
// a length with 0.
func compareRows[T num.Float](t *testing.T, what string, g *geometry, lengths []int, y []T, grad inputs[T], want aloneResults, tol float64) {
	for b, n := range lengths {
		for c := range g.CH {
			for h := range g.H {
				compareRow(t, what+": y", row(y, g.L, g.yRow(b, c, h)), row(want.y[b], n, c*g.H+h), n, tol)
			}
		}
		for h := range g.H {
			compareRow(t, what+": du", row(grad.U, g.L, g.uRow(b, h)), row(want.grad[b].U, n, h), n, tol)
		}
	}
}

func compareRow[T num.Float](t *testing.T, what string, got []T, want []float64, n int, tol float64) {
	t.Helper()
	near(t, what, got[:n], want, 3*tol*(norm(want)+float64(n)))
	for l, v := range got[n:] {
		if v != 0 {
			t.Errorf("%s: want 0 behind the length, got %v at %d", what, v, n+l)
			return
		}
	}
}

// spoil sets what is behind the lengths of rows of l samples, perSequence for
// each sequence.
func spoil(x []float64, lengths []int, perSequence, l int, v float64) {
	for r := range len(x) / l {
		for i := lengths[r/perSequence]; i < l; i++ {
			x[r*l+i] = v
		}
	}
}
