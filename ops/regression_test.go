package ops

import (
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// fixed is an input without a gradient.
func fixed(in testutil.Input) testutil.Input { in.Fixed = true; return in }

// naiveRegression is the mean, over what counts, of of(y - t).
func naiveRegression(of func(e float64, k int) float64, y, target, w []float64, q int) float64 {
	var sum, count float64
	for i, t := range target {
		if w[i] == 0 {
			continue
		}
		for k := range q {
			sum += w[i] * of(y[i*q+k]-t, k)
		}
		count += w[i]
	}
	if count == 0 {
		return 0
	}
	return sum / count / float64(q)
}

func TestRegression(t *testing.T) {
	quantiles := []float64{0.1, 0.5, 0.9}
	for _, c := range []struct {
		name string
		q    int
		op   func(y, target *G.Node, opts ...RegressionOption) (*G.Node, error)
		of   func(e float64, k int) float64
	}{
		{"mse", 1, MSE, func(e float64, _ int) float64 { return e * e }},
		{"mae", 1, MAE, func(e float64, _ int) float64 { return math.Abs(e) }},
		{"pinball", 3, func(y, target *G.Node, opts ...RegressionOption) (*G.Node, error) {
			return Pinball(quantiles, y, target, opts...)
		}, func(e float64, k int) float64 { return math.Max(-quantiles[k]*e, (1-quantiles[k])*e) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, shape := range [][]int{{1}, {3}, {3, 2, 4}} {
				n := tensor.Shape(shape).TotalSize()
				yShape := slices.Clone(shape)
				if c.name == "pinball" {
					yShape = append(yShape, c.q)
				}
				y, target := testutil.Normal(newRand(1), "y", yShape...), fixed(testutil.Normal(newRand(2), "t", shape...))
				w := fixed(testutil.Uniform(newRand(3), "w", 0.5, 2, shape...))
				ones := slices.Repeat([]float64{1}, n)
				f := build(func(n []*G.Node) (*G.Node, error) { return c.op(n[0], n[1]) })
				checkValue(t, f, []float64{naiveRegression(c.of, y.F, target.F, ones, c.q)}, y, target)
				testutil.Check(t, f, y, target)

				// What is missing is not read, whatever it is.
				w.F[0], target.F[0] = 0, math.NaN()
				lengths := make([]int, shape[0])
				for b := range lengths {
					lengths[b] = 7 * ((b + 1) % 3) // the last of three rows is not there
				}
				left := slices.Clone(w.F)
				for i := range left {
					if lengths[i*shape[0]/n] == 0 {
						left[i], y.F[i*c.q] = 0, 1e300
					}
				}
				y.F[0] = math.Inf(1)
				f = build(func(n []*G.Node) (*G.Node, error) { return c.op(n[0], n[1], Weighted(n[2]), CountRows(n[3])) })
				checkValue(t, f, []float64{naiveRegression(c.of, y.F, target.F, left, c.q)}, y, target, w, testutil.Ints("n", lengths, shape[0]))
				y.F[0], target.F[0] = 1, 1
				for i := range y.F {
					y.F[i] = math.Min(y.F[i], 5)
				}
				testutil.Check(t, f, y, target, w, testutil.Ints("n", lengths, shape[0]))
			}
		})
	}
}

func TestRegressionErrors(t *testing.T) {
	g := newGraph()
	y, target := g.f64("y", 2, 3), g.f64("t", 2, 3)
	for want, f := range map[string]func() (*G.Node, error){
		"ops.MSE: want target, got nil":                               func() (*G.Node, error) { return MSE(y, nil) },
		"ops.MSE: want target (B, ...), got ()":                       func() (*G.Node, error) { return MSE(y, g.f64("s")) },
		"ops.MSE: want y (2, 3), got nil":                             func() (*G.Node, error) { return MSE(nil, target) },
		"ops.MAE: want y (2, 3), got (3, 2)":                          func() (*G.Node, error) { return MAE(g.f64("z", 3, 2), target) },
		"ops.MAE: want y (2, 3) of dtype float64, got dtype float32":  func() (*G.Node, error) { return MAE(g.f32("u", 2, 3), target) },
		"ops.MAE: want weights (2, 3), got (3, 2)":                    func() (*G.Node, error) { return MAE(y, target, Weighted(g.f64("w", 3, 2))) },
		"ops.MAE: want lengths (2) of dtype int, got (3)":             func() (*G.Node, error) { return MAE(y, target, CountRows(g.ints("n", 3))) },
		"ops.Pinball: want y (2, 3, 1), got (2, 3)":                   func() (*G.Node, error) { return Pinball([]float64{0.5}, y, target) },
		"ops.Pinball: want at least one quantile, got none":           func() (*G.Node, error) { return Pinball(nil, y, target) },
		"ops.Pinball: want quantiles in (0, 1), got 1 at 1":           func() (*G.Node, error) { return Pinball([]float64{0.5, 1}, y, target) },
		"ops.SubtractLast: want x (B, L, F), got (2, 3)":              func() (*G.Node, error) { return SubtractLast(y, nil) },
		"ops.SubtractLast: want lengths (2) of dtype int, got (3)":    func() (*G.Node, error) { return SubtractLast(g.f64("x", 2, 3, 4), g.ints("m", 3)) },
		"ops.AddLast: want y (B, P, O) or (B, P, O, Q), got (2, 3)":   func() (*G.Node, error) { return AddLast(y, g.f64("x1", 2, 3, 4), nil) },
		"ops.AddLast: want y of at most 4 columns, the features of x": func() (*G.Node, error) { return AddLast(g.f64("y5", 2, 3, 5), g.f64("x2", 2, 3, 4), nil) },
		"ops.AddLast: want y of a batch of 2 and dtype float64, as x": func() (*G.Node, error) { return AddLast(g.f64("y3", 3, 3, 4), g.f64("x3", 2, 3, 4), nil) },
		"ops.TakeLast: want a place in [0, 3), got 3":                 func() (*G.Node, error) { return TakeLast(y, 3) },
		"ops.TakeLast: want x (..., N) of two axes or more, got (4)":  func() (*G.Node, error) { return TakeLast(g.f64("v", 4), 3) },
	} {
		_, err := f()
		wantError(t, err, want)
	}
	in := []testutil.Input{testutil.Normal(newRand(1), "y", 1, 2), testutil.Normal(newRand(2), "t", 1, 2)}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
		w := testutil.Input{Name: "w", Shape: tensor.Shape{1, 2}, F: []float64{1, bad}}
		_, err := testutil.Forward(tensor.Float64, build(func(n []*G.Node) (*G.Node, error) { return MSE(n[0], n[1], Weighted(n[2])) }), append(in, w)...)
		wantError(t, err, "ops.MSE: weights: want finite numbers >= 0, got ")
	}
}

func TestSubtractAndAddLast(t *testing.T) {
	for _, s := range [][5]int{{1, 1, 1, 1, 1}, {3, 5, 2, 4, 2}, {3, 4, 3, 2, 1}} {
		b, l, f, p, o := s[0], s[1], s[2], s[3], s[4]
		x, lens := testutil.Normal(newRand(1), "x", b, l, f), someLengths(b, l)
		for _, q := range []int{0, 1, 3} {
			shape := []int{b, p, o}
			if q > 0 {
				shape = append(shape, q)
			}
			for _, lens := range [][]int{nil, lens} {
				last := func(row, feature int) float64 {
					n := l
					if lens != nil {
						n = lens[row]
					}
					if n == 0 {
						return math.NaN()
					}
					return x.F[(row*l+n-1)*f+feature]
				}
				y := testutil.Normal(newRand(2), "y", shape...)
				wantX, wantY := make([]float64, b*l*f), make([]float64, len(y.F))
				for i, v := range x.F {
					if row := i / (l * f); lens == nil || i/f%l < lens[row] {
						wantX[i] = v - last(row, i%f)
					}
				}
				for i, v := range y.F {
					row := i / (len(y.F) / b)
					if z := last(row, i/max(q, 1)%o); z == z {
						wantY[i] = v + z
					}
				}
				in := []testutil.Input{y, x}
				node := func(n []*G.Node) *G.Node { return nil }
				if lens != nil {
					in = append(in, testutil.Ints("lengths", lens, b))
					node = func(n []*G.Node) *G.Node { return n[len(n)-1] }
				}
				sub := build(func(n []*G.Node) (*G.Node, error) { return SubtractLast(n[0], node(n)) })
				add := build(func(n []*G.Node) (*G.Node, error) { return AddLast(n[0], n[1], node(n)) })
				checkValue(t, sub, wantX, in[1:]...)
				testutil.Check(t, sub, in[1:]...)
				checkValue(t, add, wantY, in...)
				testutil.Check(t, add, in...)
				if lens != nil {
					testutil.CheckPadding(t, "SubtractLast", testutil.RunnerOf(func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
						y, err := SubtractLast(n[0], n[1])
						if err != nil {
							return nil, err
						}
						return SwapHL(y) // the steps last
					}), []int{1}, in[1:]...)
					testutil.CheckPadding(t, "AddLast", testutil.RunnerOf(func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
						z, err := AddLast(n[1], n[0], n[2])
						if err != nil {
							return nil, err
						}
						return Reshape(z, b, len(y.F)/b)
					}), []int{1}, x, y, in[2])
				}
			}
		}
	}
}

func TestTakeLast(t *testing.T) {
	x := testutil.Normal(newRand(1), "x", 2, 3, 4)
	f := build(func(n []*G.Node) (*G.Node, error) { return TakeLast(n[0], 2) })
	var want []float64
	for i := 2; i < len(x.F); i += 4 {
		want = append(want, x.F[i])
	}
	checkValue(t, f, want, x)
	testutil.Check(t, f, x)
}
