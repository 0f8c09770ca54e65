package ops

import (
	"fmt"
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/softmax"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// nllSizes are B, H, L and V: V of one tile of classes and of several, L of more steps
// than are taken at a time.
var nllSizes = [][4]int{{1, 1, 1, 2}, {2, 3, 5, 4}, {3, 5, 17, 61}, {1, 2, 300, 7}, {2, 4, 3, 1000}}

func linearNLL(opts ...NLLOption) testutil.Build {
	return build(func(n []*G.Node) (*G.Node, error) { return LinearNLL(n[0], n[1], n[2], n[3], opts...) })
}

// naiveNLL is the cross-entropy of each step by the logits.
func naiveNLL(hidden, w, bias testutil.Input, labels []int, smoothing float64) []float64 {
	nb, nh, nl, nv := hidden.Shape[0], hidden.Shape[1], hidden.Shape[2], w.Shape[0]
	z := naiveLinear(nb, nv, nh, nl, func(b, i, l int) float64 { return hidden.F[(b*nh+i)*nl+l] }, w.F, bias.F)
	nll := make([]float64, nb*nl)
	for b := range nb {
		for l := range nl {
			one := make([]float64, nv)
			for v := range one {
				one[v] = z[(b*nv+v)*nl+l]
			}
			nll[b*nl+l] = naiveCrossEntropy(one, 1, nv, 1, labels[b*nl+l:][:1], smoothing)
		}
	}
	return nll
}

func TestLinearNLL(t *testing.T) {
	rng := newRand(1)
	for _, smoothing := range []float64{0, 0.1} {
		f := linearNLL(LabelSmoothing(smoothing))
		for _, n := range nllSizes {
			t.Run(fmt.Sprint(smoothing, n), func(t *testing.T) {
				B, H, L, V := n[0], n[1], n[2], n[3]
				in := []testutil.Input{testutil.Normal(rng, "hidden", B, H, L), testutil.Normal(rng, "w", V, H), testutil.Normal(rng, "b", V),
					testutil.Ints("labels", someLabels(B*L, V), B, L)}
				checkValue(t, f, naiveNLL(in[0], in[1], in[2], in[3].I, smoothing), in...)
				testutil.Check(t, f, in...)
				noBias := build(func(n []*G.Node) (*G.Node, error) {
					return LinearNLL(n[0], n[1], nil, n[2], LabelSmoothing(smoothing))
				})
				testutil.Check(t, noBias, in[0], in[1], in[3])
				mean := build(func(n []*G.Node) (*G.Node, error) {
					nll, err := LinearNLL(n[0], n[1], n[2], n[3], LabelSmoothing(smoothing))
					if err != nil {
						return nil, err
					}
					return MeanNLL(nll, n[3])
				})
				testutil.Check(t, mean, in...)
				sameResults(t, mean, build(func(n []*G.Node) (*G.Node, error) {
					z, err := Linear(n[0], n[1], n[2])
					if err != nil {
						return nil, err
					}
					return CrossEntropy(z, n[3], LabelSmoothing(smoothing))
				}), in...)
			})
		}
	}
}

// A weight that is the table of an embedding has the gradients of both.
func TestLinearNLLTied(t *testing.T) {
	rng := newRand(2)
	const B, H, L, V = 2, 3, 5, 7
	ids := []int{0, 1, 6, 6, 3, 5, 0, 2, 2, 1}
	testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) {
		x, err := Embedding(n[0], n[1])
		if err != nil {
			return nil, err
		}
		nll, err := LinearNLL(x, n[1], n[2], n[3])
		if err != nil {
			return nil, err
		}
		return MeanNLL(nll, n[3])
	}), testutil.Ints("ids", ids, B, L), testutil.Normal(rng, "w", V, H), testutil.Normal(rng, "b", V), testutil.Ints("labels", someLabels(B*L, V), B, L))
}

// Nothing is read where a label is ignored.
func TestLinearNLLIgnores(t *testing.T) {
	rng := newRand(3)
	const B, H, L, V = 2, 3, 6, 5
	w, bias := testutil.Normal(rng, "w", V, H), testutil.Normal(rng, "b", V)
	hidden := testutil.Normal(rng, "hidden", B, H, L)
	labels := testutil.Ints("labels", someLabels(B*L, V), B, L)
	want, err := testutil.Run(testutil.Tape, tensor.Float64, linearNLL(), nil, hidden, w, bias, labels)
	if err != nil {
		t.Fatal(err)
	}
	gout := slices.Repeat([]float64{1}, B*L)
	for i, y := range labels.I {
		if y == IgnoreLabel {
			gout[i] = math.NaN()
			for h := range H {
				hidden.F[(i/L*H+h)*L+i%L] = math.NaN()
			}
		}
	}
	got, err := testutil.Run(testutil.Tape, tensor.Float64, linearNLL(), gout, hidden, w, bias, labels)
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range labels.I {
		if y == IgnoreLabel && (got.Out[i] != 0 || got.Grads[0][i/L*H*L+i%L] != 0) {
			t.Errorf("step %d is ignored: got %g and a gradient of %g, want 0", i, got.Out[i], got.Grads[0][i/L*H*L+i%L])
		}
	}
	for i := range got.Grads {
		if !slices.Equal(got.Grads[i], want.Grads[i]) {
			t.Errorf("gradient %d depends on what is ignored", i)
		}
	}
	if !slices.Equal(got.Out, want.Out) {
		t.Error("the output depends on what is ignored")
	}
}

// With no labels at all there is no loss, and no gradient.
func TestLinearNLLAllIgnored(t *testing.T) {
	rng := newRand(4)
	const B, H, L, V = 2, 3, 4, 5
	hidden := testutil.Normal(rng, "hidden", B, H, L)
	hidden.F[0] = math.NaN()
	labels := testutil.Ints("labels", slices.Repeat([]int{IgnoreLabel}, B*L), B, L)
	r, err := testutil.Run(testutil.Tape, tensor.Float64, build(func(n []*G.Node) (*G.Node, error) {
		nll, err := LinearNLL(n[0], n[1], n[2], n[3])
		if err != nil {
			return nil, err
		}
		return MeanNLL(nll, n[3])
	}), nil, hidden, testutil.Normal(rng, "w", V, H), testutil.Normal(rng, "b", V), labels)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range slices.Concat(r.Out, r.Grads[0], r.Grads[1], r.Grads[2]) {
		if v != 0 {
			t.Fatalf("loss %v, gradients %v: want zeros", r.Out, r.Grads)
		}
	}
}

// Large logits neither overflow nor lose precision, and a class may be masked out.
func TestLinearNLLIsStable(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		bias  []float64
		label int
		want  float64
	}{
		{[]float64{1e4, 0, -1e4}, 0, 0},
		{[]float64{1e4, 0, -1e4}, 2, 2e4},
		{[]float64{-1e4, -1e4, -1e4}, 1, math.Log(3)},
		{[]float64{0, -inf, 0}, 0, math.Log(2)},
		{[]float64{0, -inf, 0}, 1, inf},
		{append(slices.Repeat([]float64{-inf}, 300), 0, 0), 301, math.Log(2)}, // a whole tile
		{[]float64{0, math.NaN()}, 0, math.NaN()},
	} {
		v := len(c.bias)
		in := []testutil.Input{testutil.Normal(newRand(8), "hidden", 1, 2, 1), {Name: "w", Shape: tensor.Shape{v, 2}, F: make([]float64, 2*v)},
			{Name: "b", Shape: tensor.Shape{v}, F: c.bias}, testutil.Ints("labels", []int{c.label}, 1, 1)}
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			r, err := testutil.Run(testutil.Tape, dt, linearNLL(), nil, in...)
			if err != nil {
				t.Fatal(err)
			}
			got := r.Out[0]
			if math.IsNaN(c.want) {
				if !math.IsNaN(got) {
					t.Errorf("%v: got %g, want NaN", dt, got)
				}
				continue
			}
			if got != c.want && !(math.Abs(got-c.want) <= 1e-7*math.Abs(c.want)) {
				t.Errorf("%d classes, label %d, %v: got %g, want %g", v, c.label, dt, got, c.want)
			}
			for _, g := range slices.Concat(r.Grads[0], r.Grads[2]) {
				if math.IsNaN(g) || math.Abs(g) > 1 {
					t.Errorf("%d classes, label %d, %v: a gradient of %g", v, c.label, dt, g)
				}
			}
		}
	}
}

func TestLinearNLLRows(t *testing.T) {
	rng := newRand(5)
	const B, H, L, V = 3, 4, 5, 60
	labels := testutil.Ints("labels", someLabels(B*L, V), B, L)
	testutil.CheckRows(t, "LinearNLL", func(vm testutil.VM, dt tensor.Dtype, w []float64, in ...testutil.Input) (*testutil.Result, error) {
		return testutil.Run(vm, dt, build(func(n []*G.Node) (*G.Node, error) { return LinearNLL(n[0], n[2], n[3], n[1]) }), w, in...)
	}, 2, testutil.Normal(rng, "hidden", B, H, L), labels, testutil.Normal(rng, "w", V, H), testutil.Normal(rng, "b", V))
}

func TestLinearNLLPadding(t *testing.T) {
	rng := newRand(6)
	const B, H, L, V = 4, 3, 6, 5
	in := []testutil.Input{testutil.Normal(rng, "hidden", B, H, L), testutil.Ints("labels", someLabels(B*L, V), B, L),
		testutil.Normal(rng, "w", V, H), testutil.Normal(rng, "b", V), testutil.Ints("lengths", []int{3, 0, 6, 1}, B)}
	for name, f := range map[string]testutil.Build{
		"LinearNLL": build(func(n []*G.Node) (*G.Node, error) { return LinearNLL(n[0], n[2], n[3], n[1], Lengths(n[4])) }),
		"MeanNLL": build(func(n []*G.Node) (*G.Node, error) {
			nll, err := LinearNLL(n[0], n[2], n[3], n[1], Lengths(n[4]))
			if err != nil {
				return nil, err
			}
			return MeanNLL(nll, n[1], Lengths(n[4]))
		}),
	} {
		testutil.CheckPadding(t, name, testutil.RunnerOf(f), []int{2, 1}, in...)
	}
	testutil.CheckPadding(t, "MeanNLL alone", testutil.RunnerOf(build(func(n []*G.Node) (*G.Node, error) { return MeanNLL(n[0], n[1], Lengths(n[2])) })),
		[]int{1, 1}, testutil.Normal(rng, "nll", B, L), in[1], in[4])
}

func TestLinearNLLCores(t *testing.T) {
	for _, n := range [][4]int{{3, 20, 700, 50}, {2, 60, 200, 3000}} {
		for _, smoothing := range []float64{0, 0.1} {
			B, H, L, V := n[0], n[1], n[2], n[3]
			p := linearNLLPass(B, H, L, V, smoothing)
			checkPass(t, p, once)
			apart := p.results()
			p.core.(graphop.TrainModer).SetTraining(true)
			checkPass(t, p, once)
			for i := range p.gout { // all alike: the forward pass has computed the gradients
				p.gout[i] = 0.5
			}
			checkPass(t, p, once)
			ahead := p.results()
			p.core.(graphop.TrainModer).SetTraining(false)
			p.run(t)
			for i, r := range p.results() {
				if e := testutil.RelErr(wide(ahead[i]), wide(r)); !(e <= 1e-6) {
					t.Errorf("result %d computed ahead is off by %.3g", i, e)
				}
				if i > 0 && r != nil && slices.Equal(r, apart[i]) {
					t.Errorf("result %d does not depend on the gradient of the output", i)
				}
			}
		}
	}
	d := meanNLLDims{b: 3, l: 50, lengths: -1}
	checkPass(t, newPass[float32](&meanNLL[float32]{d}, 1, []int{d.b * d.l}, someLabels(d.b*d.l, 7)), once)
}

// wide returns x in float64.
func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// linearNLLPass is a pass of LinearNLL.
func linearNLLPass(b, h, l, v int, smoothing float64) *pass[float32] {
	cfg := softmax.Config{B: b, H: h, L: l, Labels: 3, Lengths: -1, Smoothing: smoothing,
		Maps: []softmax.Map{{Segments: []softmax.Segment{{Classes: v, Weight: 1, Bias: 2}}, In: h, Proj: -1}}}
	return newPass[float32](softmax.New[float32](cfg), b*l, []int{b * h * l, v * h, v}, someLabels(b*l, v))
}

func TestLinearNLLErrors(t *testing.T) {
	g := newGraph()
	x, w, b, y := g.f64("x", 2, 3, 5), g.f64("w", 4, 3), g.f64("b", 4), g.ints("y", 2, 5)
	for _, c := range []struct {
		x, w, b, y *G.Node
		opts       []NLLOption
		want       string
	}{
		{nil, w, b, y, nil, "ops.LinearNLL: want hidden (B, H, L), got nil"},
		{g.f64("x2", 2, 3), w, b, y, nil, "ops.LinearNLL: want hidden (B, H, L), got (2, 3)"},
		{x, nil, b, y, nil, "ops.LinearNLL: want weight (V, H), got nil"},
		{x, g.f64("w5", 4, 5), b, y, nil, "ops.LinearNLL: want weight (4, 3), got (4, 5)"},
		{x, g.f32("w32", 4, 3), b, y, nil, "ops.LinearNLL: want weight (4, 3) of dtype float64, got dtype float32"},
		{x, w, g.f64("b3", 3), y, nil, "ops.LinearNLL: want bias (4), got (3)"},
		{x, w, b, nil, nil, "ops.LinearNLL: want labels (2, 5), got nil"},
		{x, w, b, g.ints("y4", 2, 4), nil, "ops.LinearNLL: want labels (2, 5), got (2, 4)"},
		{x, w, b, g.f64("yf", 2, 5), nil, "ops.LinearNLL: want labels (2, 5) of dtype int, got dtype float64"},
		{x, w, b, y, []NLLOption{LabelSmoothing(2)}, "ops.LinearNLL: want label smoothing in [0, 1], got 2"},
		{x, w, b, y, []NLLOption{Lengths(g.ints("n", 3))}, "ops.LinearNLL: want lengths (2) of dtype int, got (3)"},
	} {
		_, err := LinearNLL(c.x, c.w, c.b, c.y, c.opts...)
		wantError(t, err, c.want)
	}
	nll := g.f64("nll", 2, 5)
	for _, c := range []struct {
		nll, y *G.Node
		want   string
	}{
		{nil, y, "ops.MeanNLL: want nll (B, L), got nil"},
		{x, y, "ops.MeanNLL: want nll (B, L), got (2, 3, 5)"},
		{nll, g.ints("y2", 2, 4), "ops.MeanNLL: want labels (2, 5), got (2, 4)"},
	} {
		_, err := MeanNLL(c.nll, c.y)
		wantError(t, err, c.want)
	}
	_, err := MeanNLL(nll, y, Lengths(g.ints("n3", 3)))
	wantError(t, err, "ops.MeanNLL: want lengths (2) of dtype int, got (3)")

	rng := newRand(7)
	in := []testutil.Input{testutil.Normal(rng, "x", 1, 2, 2), testutil.Normal(rng, "w", 3, 2), testutil.Normal(rng, "b", 3)}
	for label, want := range map[int]string{
		3:  "ops.LinearNLL: labels[0, 1]: want a class in [0, 3) or -1 (ignored), got 3",
		-2: "ops.LinearNLL: labels[0, 1]: want a class in [0, 3) or -1 (ignored), got -2",
	} {
		_, err := testutil.Forward(tensor.Float64, linearNLL(), append(in, testutil.Ints("y", []int{0, label}, 1, 2))...)
		wantError(t, err, want)
	}
	if softmax.Ignored != IgnoreLabel {
		t.Errorf("want one label that is ignored, got %d and %d", softmax.Ignored, IgnoreLabel)
	}
}

// BenchmarkLinearNLL times a training step, and beside it the linear map of which it is a
// part: three products, with all logits in memory.
func BenchmarkLinearNLL(b *testing.B) {
	for _, n := range [][4]int{{16, 256, 512, 4096}, {4, 256, 512, 10000}, {16, 256, 512, 256}} {
		B, H, L, V := n[0], n[1], n[2], n[3]
		p := linearNLLPass(B, H, L, V, 0)
		for i := range p.in[3].I { // all count
			p.in[3].I[i] = (5*i + 1) % V
		}
		for i := range p.gout {
			p.gout[i] = 1 / float32(B*L)
		}
		name := fmt.Sprintf("B%d_H%d_L%d_V%d/", B, H, L, V)
		b.Run(name+"evaluation", func(b *testing.B) {
			for b.Loop() {
				p.forward(b)
			}
		})
		b.Run(name+"training", func(b *testing.B) {
			p.core.(graphop.TrainModer).SetTraining(true)
			for b.Loop() {
				p.run(b)
			}
		})
		if testing.Short() {
			continue
		}
		linear := newPass[float32](newLinear[float32](linearDims{b: B, i: H, o: V, l: L, bias: 2}, linearOptions{act: ActIdentity}), B*V*L, []int{B * H * L, V * H, V})
		b.Run(name+"linear", func(b *testing.B) {
			for b.Loop() {
				linear.run(b)
			}
		})
	}
}
