package ops

import (
	"fmt"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// sequenceOp is an op on a batch of sequences: its first inputs are batched, and
// steps are the axes of their steps. With counted, the inputs end in lengths.
type sequenceOp struct {
	name  string
	f     func(n []*G.Node, opts ...Option) (*G.Node, error)
	in    []testutil.Input
	steps []int
	after bool // takes no lengths: it is for rows alone
}

func sequenceOps(b, l int) []sequenceOp {
	const h = 4
	rng := newRand(uint64(100*b + l))
	x, y := testutil.Normal(rng, "x", b, h, l), testutil.Normal(rng, "y", b, h, l)
	twice := testutil.Normal(rng, "x", b, 2*h, l)
	last := testutil.Normal(rng, "x", b, l, h)
	flat := testutil.Normal(rng, "x", b, h)
	weight, bias := testutil.Normal(rng, "weight", h), testutil.Normal(rng, "bias", h)
	w, wb := testutil.Normal(rng, "w", 6, h), testutil.Normal(rng, "b", 6)
	ids, table := testutil.Ints("ids", someIDs(b*l, 5), b, l), testutil.Normal(rng, "table", 5, h)
	labels := testutil.Ints("labels", someIDs(b, h), b)
	all := []testutil.Input{x, weight, bias}
	one, two := []int{2}, []int{2, 2}
	linear := func(f func(x, w, b *G.Node, opts ...LinearOption) (*G.Node, error), more ...LinearOption) func(n []*G.Node, opts ...Option) (*G.Node, error) {
		return func(n []*G.Node, opts ...Option) (*G.Node, error) {
			all := slices.Clone(more)
			for _, o := range opts {
				all = append(all, o)
			}
			return f(n[0], n[1], n[2], all...)
		}
	}
	list := []sequenceOp{
		{"LayerNorm", func(n []*G.Node, opts ...Option) (*G.Node, error) {
			return LayerNorm(n[0], n[1], n[2], 1e-5, opts...)
		}, all, one, false},
		{"AddLayerNorm", func(n []*G.Node, opts ...Option) (*G.Node, error) {
			return AddLayerNorm(n[0], n[1], n[2], n[3], 1e-5, opts...)
		}, []testutil.Input{x, y, weight, bias}, two, false},
		{"Add", func(n []*G.Node, opts ...Option) (*G.Node, error) { return Add(n[0], n[1], opts...) }, []testutil.Input{x, y}, two, false},
		{"Linear", linear(Linear), []testutil.Input{x, w, wb}, one, false},
		{"Linear of GELU", linear(Linear, Activated(ActGELU)), []testutil.Input{x, w, wb}, one, false},
		{"Linear of a gate", linear(Linear, Gated(ActSigmoid)), []testutil.Input{twice, w, wb}, one, false},
		{"FeedForward", func(n []*G.Node, opts ...Option) (*G.Node, error) {
			all := []LinearOption{Activated(ActSigmoid)}
			for _, o := range opts {
				all = append(all, o)
			}
			return FeedForward(n[0], FeedForwardWeights{W1: n[1], B1: n[2], W2: n[3]}, all...)
		}, []testutil.Input{x, w, wb, testutil.Normal(rng, "w2", 5, 6)}, one, false},
		{"LinearGLU", linear(LinearGLU), []testutil.Input{x, w, wb}, one, false},
		{"LinearGLU of SiLU", linear(LinearGLU, Activated(ActSiLU)), []testutil.Input{x, w, wb}, one, false},
		{"FeatureLinear", linear(FeatureLinear), []testutil.Input{last, w, wb}, []int{1}, false},
		{"Embedding", func(n []*G.Node, opts ...Option) (*G.Node, error) {
			var more []EmbeddingOption
			for _, o := range opts {
				more = append(more, o)
			}
			return Embedding(n[0], n[1], more...)
		}, []testutil.Input{ids, table}, []int{1}, false},
		{"Linear of vectors", linear(Linear), []testutil.Input{flat, w, wb}, nil, true},
		{"CrossEntropy", func(n []*G.Node, _ ...Option) (*G.Node, error) { return CrossEntropy(n[0], n[1]) }, []testutil.Input{flat, labels}, nil, true},
		{"CrossEntropy smoothed", func(n []*G.Node, _ ...Option) (*G.Node, error) {
			return CrossEntropy(n[0], n[1], LabelSmoothing(0.1))
		}, []testutil.Input{flat, labels}, nil, true},
		{"GLU", func(n []*G.Node, _ ...Option) (*G.Node, error) { return GLU(n[0]) }, []testutil.Input{x}, nil, true},
		{"SwapHL", func(n []*G.Node, _ ...Option) (*G.Node, error) { return SwapHL(n[0]) }, []testutil.Input{x}, nil, true},
		{"FirstSteps", func(n []*G.Node, _ ...Option) (*G.Node, error) { return FirstSteps(n[0], 1) }, []testutil.Input{x}, nil, true},
	}
	for _, a := range Activations() {
		list = append(list, sequenceOp{string(a), func(n []*G.Node, _ ...Option) (*G.Node, error) { return Activate(a, n[0]) }, []testutil.Input{x}, nil, true})
	}
	for _, mode := range poolModes {
		list = append(list, sequenceOp{"Pool " + string(mode), func(n []*G.Node, _ ...Option) (*G.Node, error) { return Pool(mode, n[0], nil) }, []testutil.Input{x}, nil, true})
	}
	return list
}

// withLengths is the ops that take lengths, with those of rows.
func withLengths(lengths []int, l int) []sequenceOp {
	b := len(lengths)
	counted := func(op sequenceOp) sequenceOp {
		f := op.f
		op.f = func(n []*G.Node, _ ...Option) (*G.Node, error) { return f(n, Lengths(n[len(n)-1])) }
		op.in = append(op.in[:len(op.in):len(op.in)], testutil.Ints("lengths", lengths, b))
		return op
	}
	var list []sequenceOp
	for _, op := range sequenceOps(b, l) {
		if !op.after {
			list = append(list, counted(op))
		}
	}
	x := testutil.Normal(newRand(9), "x", b, 4, l)
	list = append(list, counted(sequenceOp{name: "BatchNorm", in: []testutil.Input{x}, steps: []int{2}, f: func(n []*G.Node, opts ...Option) (*G.Node, error) {
		return BatchNorm(n[0], nil, nil, NewBatchNormStats(n[0].Dtype(), 4), opts[0])
	}}), counted(sequenceOp{name: "Mask", in: []testutil.Input{x}, steps: []int{2}, f: func(n []*G.Node, _ ...Option) (*G.Node, error) {
		return Mask(n[0], n[len(n)-1])
	}}))
	for _, mode := range poolModes {
		list = append(list, counted(sequenceOp{name: "Pool " + string(mode), in: []testutil.Input{x}, steps: []int{2}, f: func(n []*G.Node, _ ...Option) (*G.Node, error) {
			return Pool(mode, n[0], n[len(n)-1])
		}}))
	}
	return list
}

func TestNothingBehindALengthIsRead(t *testing.T) {
	for _, c := range []struct {
		lengths []int
		l       int
	}{{[]int{3, 0, 7}, 7}, {[]int{1, 600, 513}, 1100}, {[]int{0, 4}, 5}} {
		for _, op := range withLengths(c.lengths, c.l) {
			f := build(func(n []*G.Node) (*G.Node, error) { return op.f(n) })
			testutil.CheckPadding(t, fmt.Sprintf("%s, lengths %v of %d", op.name, c.lengths, c.l), testutil.RunnerOf(f), op.steps, op.in...)
			if c.l < 10 {
				testutil.Check(t, f, op.in...)
			}
		}
	}
}

// A row gives with its length what it gives alone.
func TestLengthsAreThoseOfShorterRows(t *testing.T) {
	const l = 530
	lengths := []int{l, 520, 3}
	for _, op := range sequenceOps(len(lengths), l) {
		if op.after {
			continue
		}
		in := append(op.in[:len(op.in):len(op.in)], testutil.Ints("lengths", lengths, len(lengths)))
		f := build(func(n []*G.Node) (*G.Node, error) { return op.f(n, Lengths(n[len(n)-1])) })
		masked := build(func(n []*G.Node) (*G.Node, error) {
			y, err := op.f(n[:len(n)-1])
			if err != nil {
				return nil, err
			}
			return Mask(y, n[len(n)-1])
		})
		t.Run(op.name, func(t *testing.T) { sameResults(t, f, masked, in...) })
	}
}

// No row of a batch changes another.
func TestRowsAreApart(t *testing.T) {
	for _, size := range [][2]int{{3, 1}, {2, 7}, {4, 33}, {3, 600}} {
		for _, op := range sequenceOps(size[0], size[1]) {
			f := testutil.RunnerOf(build(func(n []*G.Node) (*G.Node, error) { return op.f(n) }))
			batched := 0
			for _, x := range op.in {
				if x.Shape[0] == size[0] && x.Name != "weight" && x.Name != "bias" && x.Name != "w" {
					batched++
				}
			}
			if op.name == "Embedding" {
				continue // a loud row is one of the table, for all who name it
			}
			testutil.CheckRows(t, fmt.Sprintf("%s %v", op.name, size), f, batched, op.in...)
		}
	}
}

func TestLengthsErrors(t *testing.T) {
	g := newGraph()
	x, w, n := g.f64("x", 2, 3, 5), g.f64("w", 4, 3), g.ints("n", 3)
	const want = "want lengths (2) of dtype int, got (3) of dtype int"
	_, err := LayerNorm(x, nil, nil, 0, Lengths(n))
	wantError(t, err, "ops.LayerNorm: "+want)
	_, err = AddLayerNorm(x, x, nil, nil, 0, Lengths(n))
	wantError(t, err, "ops.AddLayerNorm: "+want)
	_, err = Add(x, x, Lengths(n))
	wantError(t, err, "ops.Add: "+want)
	_, err = Linear(x, w, nil, Lengths(n))
	wantError(t, err, "ops.Linear: "+want)
	_, err = LinearGLU(x, w, nil, Lengths(n))
	wantError(t, err, "ops.LinearGLU: "+want)
	_, err = FeatureLinear(g.f64("x2", 2, 5, 3), w, nil, Lengths(n))
	wantError(t, err, "ops.FeatureLinear: "+want)
	_, err = Embedding(g.ints("ids", 2, 5), w, Lengths(n))
	wantError(t, err, "ops.Embedding: "+want)
	_, err = Linear(g.f64("v", 2, 3), w, nil, Lengths(g.ints("n2", 2)))
	wantError(t, err, "ops.Linear: want Lengths with x (B, I, L) only, got x (2, 3)")
	_, err = Add(g.f64("v1", 4), g.f64("v2", 4), Lengths(n))
	wantError(t, err, "ops.Add: want a (B, H, L) or (B, H), got (4)")

	for _, op := range withLengths([]int{3, 6}, 5) {
		f := build(func(n []*G.Node) (*G.Node, error) { return op.f(n) })
		_, err := testutil.Forward(tensor.Float64, f, op.in...)
		wantError(t, err, "lengths[1]: want a length in [0, 5], got 6")
	}
}

// The gradient of a sum with lengths is that of its output but behind them, also
// where memory is lent, and nobody else's is trimmed with it.
func TestAddTrimsItsOwnGradient(t *testing.T) {
	const b, h, l = 3, 2, 6
	rng := newRand(4)
	lengths := testutil.Ints("lengths", []int{l, 2, 0}, b)
	in := []testutil.Input{testutil.Normal(rng, "x", b, h, l), testutil.Normal(rng, "v", b, h, l), lengths}
	model := func(masked, swapped bool) testutil.Build {
		return build(func(n []*G.Node) (*G.Node, error) {
			x, v, lengths := n[0], n[1], n[2]
			v, err := GELU(v)
			if err != nil {
				return nil, err
			}
			y, err := GELU(x)
			if err != nil {
				return nil, err
			}
			if masked {
				if y, err = Add(x, y); err == nil {
					y, err = Mask(y, lengths)
				}
			} else {
				y, err = Add(x, y, Lengths(lengths))
			}
			if err != nil {
				return nil, err
			}
			if swapped {
				v, y = y, v
			}
			if y, err = Add(v, y); err != nil {
				return nil, err
			}
			return GELU(y)
		})
	}
	for _, swapped := range []bool{false, true} {
		sameResults(t, model(false, swapped), model(true, swapped), in...)
		testutil.Check(t, model(false, swapped), in...)
	}
	testutil.CheckPadding(t, "residual block", testutil.RunnerOf(build(func(n []*G.Node) (*G.Node, error) {
		y, err := Mask(n[0], n[1])
		if err != nil {
			return nil, err
		}
		if y, err = GELU(y); err != nil {
			return nil, err
		}
		if y, err = Add(n[0], y, Lengths(n[1])); err != nil {
			return nil, err
		}
		return GELU(y)
	})), []int{2}, in[0], lengths)
}
