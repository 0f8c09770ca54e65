package ops

import (
	"fmt"
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// naiveCrossEntropy is the mean over positions of -sum(target * log(softmax)).
func naiveCrossEntropy(z []float64, nb, nc, nl int, labels []int, smoothing float64) float64 {
	var loss float64
	count := 0
	for b := range nb {
		for l := range nl {
			y := labels[b*nl+l]
			if y == IgnoreLabel {
				continue
			}
			count++
			var sum float64
			for c := range nc {
				sum += math.Exp(z[(b*nc+c)*nl+l])
			}
			for c := range nc {
				target := smoothing / float64(nc)
				if c == y {
					target += 1 - smoothing
				}
				loss -= target * (z[(b*nc+c)*nl+l] - math.Log(sum))
			}
		}
	}
	if count == 0 {
		return 0
	}
	return loss / float64(count)
}

// someLabels returns labels in [0, c), with every third ignored.
func someLabels(n, c int) []int {
	y := make([]int, n)
	for i := range y {
		y[i] = (5*i + 1) % c
		if i%3 == 2 {
			y[i] = IgnoreLabel
		}
	}
	return y
}

func TestCrossEntropy(t *testing.T) {
	rng := newRand(1)
	for _, smoothing := range []float64{0, 0.1, 1} {
		f := build(func(n []*G.Node) (*G.Node, error) { return CrossEntropy(n[0], n[1], LabelSmoothing(smoothing)) })
		for _, n := range [][3]int{{1, 2, 1}, {2, 3, 17}, {3, 17, 1}, {1, 2, 300}, {5, 300, 1}} {
			B, C, L := n[0], n[1], n[2]
			t.Run(fmt.Sprint(smoothing, n), func(t *testing.T) {
				z := testutil.Normal(rng, "logits", B, C, L)
				y := testutil.Ints("labels", someLabels(B*L, C), B, L)
				checkValue(t, f, []float64{naiveCrossEntropy(z.F, B, C, L, y.I, smoothing)}, z, y)
				testutil.Check(t, f, z, y)

				z, y = testutil.Normal(rng, "logits", B, C), testutil.Ints("labels", someLabels(B, C), B)
				checkValue(t, f, []float64{naiveCrossEntropy(z.F, B, C, 1, y.I, smoothing)}, z, y)
				testutil.Check(t, f, z, y)
			})
		}
	}
}

func crossEntropy1(n []*G.Node) (*G.Node, error) { return CrossEntropy(n[0], n[1]) }

func TestCrossEntropyAllIgnored(t *testing.T) {
	for _, L := range []int{1, 4} {
		z := testutil.Normal(newRand(2), "logits", 2, 3, L)
		z.F[0], z.F[1] = math.NaN(), math.Inf(1)
		y := slices.Repeat([]int{IgnoreLabel}, 2*L)
		r, err := testutil.Run(testutil.Tape, tensor.Float64, build(crossEntropy1), nil, z, testutil.Ints("labels", y, 2, L))
		if err != nil {
			t.Fatal(err)
		}
		if r.Out[0] != 0 {
			t.Errorf("loss: got %g, want 0", r.Out[0])
		}
		for i, g := range r.Grads[0] {
			if g != 0 {
				t.Fatalf("gradient %d: got %g, want 0", i, g)
			}
		}
	}
}

// With one class there is nothing to lose.
func TestCrossEntropyOneClass(t *testing.T) {
	z, y := testutil.Normal(newRand(4), "logits", 2, 1, 3), testutil.Ints("labels", make([]int, 6), 2, 3)
	r, err := testutil.Run(testutil.Tape, tensor.Float64, build(crossEntropy1), nil, z, y)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(r.Out, r.Grads[0]...) {
		if v != 0 {
			t.Fatalf("loss %v, gradient %v: want zeros", r.Out, r.Grads[0])
		}
	}
}

// Ignored positions may hold anything.
func TestCrossEntropyIgnoresNaN(t *testing.T) {
	nan := math.NaN()
	z := testutil.Input{Name: "logits", Shape: tensor.Shape{1, 2, 3}, F: []float64{1, nan, 3, 2, nan, 5}}
	y := testutil.Ints("labels", []int{0, IgnoreLabel, 1}, 1, 3)
	r, err := testutil.Run(testutil.Tape, tensor.Float64, build(crossEntropy1), nil, z, y)
	if err != nil {
		t.Fatal(err)
	}
	p, q := 1/(1+math.Exp(1)), 1/(1+math.Exp(2)) // of the wrong classes: 1-p is that of label 1 at step 0
	wantLoss := -(math.Log(p) + math.Log(1-q)) / 2
	if e := testutil.RelErr(r.Out, []float64{wantLoss}); !(e <= tolValue) {
		t.Errorf("loss: got %g, want %g", r.Out[0], wantLoss)
	}
	want := []float64{(p - 1) / 2, 0, q / 2, (1 - p) / 2, 0, -q / 2}
	if e := testutil.RelErr(r.Grads[0], want); !(e <= tolValue) {
		t.Errorf("gradient: got %v, want %v", r.Grads[0], want)
	}
}

func TestCrossEntropyIsStable(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		z     []float64
		label int
		want  float64
	}{
		{[]float64{1e4, 0, -1e4}, 0, 0},
		{[]float64{1e4, 0, -1e4}, 2, 2e4},
		{[]float64{-1e4, -1e4, -1e4}, 1, math.Log(3)},
		{[]float64{0, -inf, 0}, 0, math.Log(2)}, // a class that is masked out
		{[]float64{0, -inf, 0}, 1, inf},
	} {
		for _, shape := range [][]int{{1, 3}, {1, 3, 1}} {
			z := testutil.Input{Name: "logits", Shape: shape, F: c.z}
			y := testutil.Ints("labels", []int{c.label}, append([]int{1}, shape[2:]...)...)
			for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
				r, err := testutil.Run(testutil.Tape, dt, build(crossEntropy1), nil, z, y)
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Out[0]; got != c.want && !(math.Abs(got-c.want) <= 1e-7*math.Abs(c.want)) {
					t.Errorf("%v, label %d, %v: got %g, want %g", c.z, c.label, dt, got, c.want)
				}
				for _, g := range r.Grads[0] {
					if math.IsNaN(g) || math.Abs(g) > 1 {
						t.Errorf("%v, label %d, %v: gradient %v", c.z, c.label, dt, r.Grads[0])
					}
				}
			}
		}
	}
	// NaN is not hidden.
	z := testutil.Input{Name: "logits", Shape: tensor.Shape{1, 2, 2}, F: []float64{0, 0, math.NaN(), 0}}
	out, err := testutil.Forward(tensor.Float64, build(crossEntropy1), z, testutil.Ints("labels", []int{0, 0}, 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(out[0]) {
		t.Errorf("a NaN logit: got loss %g, want NaN", out[0])
	}
}

func TestCrossEntropyCores(t *testing.T) {
	for _, d := range []crossEntropyDims{{b: 3, c: 11, l: 700, steps: true}, {b: 9, c: 2000, l: 1, smoothing: 0.1}} {
		p := newPass[float32](newCrossEntropy[float32](d), 1, []int{d.b * d.c * d.l}, someLabels(d.b*d.l, d.c))
		checkPass(t, p, once)
	}
}

func TestCrossEntropyErrors(t *testing.T) {
	g := newGraph()
	z := g.f64("z", 2, 4)
	for _, c := range []struct {
		z, y *G.Node
		opts []CrossEntropyOption
		want string
	}{
		{nil, g.ints("y", 2), nil, "ops.CrossEntropy: want logits (B, C) or (B, C, L), got nil"},
		{g.f64("z1", 2), g.ints("y", 2), nil, "ops.CrossEntropy: want logits (B, C) or (B, C, L), got (2)"},
		{z, nil, nil, "ops.CrossEntropy: want labels (B), got nil"},
		{z, g.f64("yf", 2), nil, "ops.CrossEntropy: want labels (B) of dtype int, got dtype float64"},
		{z, g.ints("y3", 3), nil, "ops.CrossEntropy: want labels (2), got (3)"},
		{g.f64("z3", 2, 4, 5), g.ints("y", 2), nil, "ops.CrossEntropy: want labels (B, L), got (2)"},
		{g.f64("z4", 2, 4, 5), g.ints("y4", 2, 4), nil, "ops.CrossEntropy: want labels (2, 5), got (2, 4)"},
		{z, g.ints("y", 2), []CrossEntropyOption{LabelSmoothing(1.5)}, "ops.CrossEntropy: want label smoothing in [0, 1], got 1.5"},
		{z, g.ints("y", 2), []CrossEntropyOption{LabelSmoothing(math.NaN())}, "ops.CrossEntropy: want label smoothing in [0, 1], got NaN"},
	} {
		_, err := CrossEntropy(c.z, c.y, c.opts...)
		wantError(t, err, c.want)
	}

	rng := newRand(3)
	_, err := testutil.Forward(tensor.Float64, build(crossEntropy1), testutil.Normal(rng, "z", 2, 4), testutil.Ints("y", []int{3, 4}, 2))
	wantError(t, err, "ops.CrossEntropy: labels[1]: want a class in [0, 4) or -1 (IgnoreLabel), got 4")
	_, err = testutil.Forward(tensor.Float64, build(crossEntropy1), testutil.Normal(rng, "z", 2, 4, 2), testutil.Ints("y", []int{0, 1, 2, -2}, 2, 2))
	wantError(t, err, "ops.CrossEntropy: labels[1, 1]: want a class in [0, 4) or -1 (IgnoreLabel), got -2")
}

func BenchmarkCrossEntropy(b *testing.B) {
	for _, d := range []crossEntropyDims{{b: 50, c: 10, l: 1}, {b: 50, c: 128, l: 1024, steps: true}, {b: 50, c: 20000, l: 1}} {
		b.Run(fmt.Sprintf("B%d_C%d_L%d", d.b, d.c, d.l), func(b *testing.B) {
			bench(b, newPass[float32](newCrossEntropy[float32](d), 1, []int{d.b * d.c * d.l}, someLabels(d.b*d.l, d.c)))
		})
	}
}
