package layers_test

import (
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// newTied makes an embedding and a head that has its table.
func newTied(t testing.TB, g *G.ExprGraph, dt tensor.Dtype, vocab, h int) (*layers.Embedding, *layers.Softmax) {
	t.Helper()
	e, err := layers.NewEmbedding(g, dt, layers.EmbeddingConfig{Vocab: vocab, DModel: h})
	if err != nil {
		t.Fatal(err)
	}
	s, err := layers.NewSoftmax(g, dt, layers.SoftmaxConfig{DModel: h, Vocab: vocab, Tie: true}, layers.TiedTo(e))
	if err != nil {
		t.Fatal(err)
	}
	return e, s
}

func TestSoftmaxIsCrossEntropyOfItsScores(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const B, H, L, V = 2, 3, 5, 7
	labels := testutil.Ints("labels", []int{0, 1, -1, 6, 3, -1, 5, 2, 2, 1}, B, L)
	for _, noBias := range []bool{false, true} {
		f := func(byScores bool) testutil.Build {
			return func(g *G.ExprGraph, in []*G.Node) (*G.Node, error) {
				l, err := layers.NewSoftmax(g, in[0].Dtype(), layers.SoftmaxConfig{DModel: H, Vocab: V, NoBias: noBias})
				if err != nil {
					return nil, err
				}
				if byScores {
					y, err := l.FwdLengths(in[0], in[2])
					if err != nil {
						return nil, err
					}
					return ops.CrossEntropy(y, in[1])
				}
				y, err := l.NLL(in[0], in[1], in[2])
				if err != nil {
					return nil, err
				}
				return ops.MeanNLL(y, in[1])
			}
		}
		in := []testutil.Input{testutil.Normal(rng, "hidden", B, H, L), labels, testutil.Ints("lengths", []int{L, L}, B)}
		testutil.Check(t, f(false), in...)
		var of [2]*testutil.Result
		for i := range of {
			var err error
			if of[i], err = testutil.Run(testutil.Tape, tensor.Float64, f(i == 1), nil, in...); err != nil {
				t.Fatal(err)
			}
		}
		if e := max(testutil.RelErr(of[0].Out, of[1].Out), testutil.RelErr(of[0].Grads[0], of[1].Grads[0])); !(e <= 1e-13) {
			t.Errorf("no bias %v: off the cross-entropy of the scores by %.3g", noBias, e)
		}
	}
}

// A tied weight is one tensor, in the parameters of the embedding alone, with the
// gradients of both.
func TestSoftmaxTied(t *testing.T) {
	const B, H, L, V = 2, 3, 4, 6
	g := G.NewGraph()
	e, s := newTied(t, g, tensor.Float64, V, H)
	if ps := s.Params(); len(ps) != 1 || ps[0].Name != "softmax.bias" {
		t.Fatalf("want the bias alone among the parameters of the head, got %d", len(ps))
	}
	g2 := G.NewGraph()
	e2, err := layers.Clone(e, g2)
	if err != nil {
		t.Fatal(err)
	}
	s2, err := layers.Clone(s, g2, layers.TiedTo(e2))
	if err != nil {
		t.Fatal(err)
	}
	table := e.Params()[0].Node.Value().Data().([]float64)
	tokens := []int{0, 5, 2, 2, 1, 0, 3, 4}
	labels := []int{5, 2, 2, -1, 0, 3, 4, 1}
	loss := func(e *layers.Embedding, s *layers.Softmax, g *G.ExprGraph) *G.Node {
		x, err := e.Fwd(ids(g, B, L, tokens...))
		if err != nil {
			t.Fatal(err)
		}
		y := G.NewMatrix(g, tensor.Int, G.WithShape(B, L), G.WithName("labels"), G.WithValue(tensor.New(tensor.WithShape(B, L), tensor.WithBacking(labels))))
		nll, err := s.NLL(x, y, nil)
		if err != nil {
			t.Fatal(err)
		}
		mean, err := ops.MeanNLL(nll, y)
		if err != nil {
			t.Fatal(err)
		}
		return mean
	}
	of := func() float64 {
		g := G.NewGraph()
		e, err := layers.Clone(e, g)
		if err != nil {
			t.Fatal(err)
		}
		s, err := layers.Clone(s, g, layers.TiedTo(e))
		if err != nil {
			t.Fatal(err)
		}
		return run(t, g, loss(e, s, g))[0]
	}
	mean := loss(e2, s2, g2)
	wrt := append(e2.Learnables(), s2.Learnables()...)
	if _, err := G.Grad(mean, wrt...); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g2, G.BindDualValues(wrt...))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	gv, err := wrt[0].Grad()
	if err != nil {
		t.Fatal(err)
	}
	got, want := testutil.Floats(gv), make([]float64, len(table))
	const h = 1e-5
	for i := range table {
		v := table[i]
		table[i] = v + h
		want[i] = of()
		table[i] = v - h
		want[i] = (want[i] - of()) / (2 * h)
		table[i] = v
	}
	if e := testutil.RelErr(got, want); !(e <= 1e-8) {
		t.Errorf("gradient of the table off finite differences by %.3g", e)
	}
}

func TestSoftmaxSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-13, tensor.Float32: 1e-5} {
		g := G.NewGraph()
		_, s := newTied(t, g, dt, 9, 4)
		x := testutil.Normal(rng, "x", 3, 4, 5)
		y, err := s.Fwd(node(g, dt, x))
		if err != nil {
			t.Fatal(err)
		}
		want := run(t, g, y)
		r, err := s.Recurrence(3)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(stepAll(t, r, dt, x), want); !(e <= tol) {
			t.Errorf("%v: steps off by %.3g > %.3g", dt, e, tol)
		}
	}
}

func TestSoftmaxErrors(t *testing.T) {
	g := G.NewGraph()
	e, s := newTied(t, g, tensor.Float64, 6, 3)
	other, err := layers.NewLinear(g, tensor.Float64, layers.LinearConfig{In: 3, Out: 6, NoBias: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := layers.NewSoftmax(g, tensor.Float64, layers.SoftmaxConfig{DModel: 3, Vocab: 6, Tie: true}, layers.TiedTo(other), layers.WithName("linear2")); err != nil {
		t.Errorf("tied to a linear layer: %v", err)
	}
	tied := layers.SoftmaxConfig{DModel: 3, Vocab: 6, Tie: true}
	for _, c := range []struct {
		g    *G.ExprGraph
		dt   tensor.Dtype
		cfg  layers.SoftmaxConfig
		to   layers.Layer
		want string
	}{
		{g, tensor.Float64, layers.SoftmaxConfig{Vocab: 6}, nil, `layers: Softmax "s": SoftmaxConfig: want DModel >= 1, got 0`},
		{g, tensor.Float64, layers.SoftmaxConfig{DModel: 6}, nil, `layers: Softmax "s": SoftmaxConfig: want Vocab >= 1, got 0`},
		{g, tensor.Float64, tied, nil, `layers: Softmax "s": want the layer whose parameter "weight" is tied: give TiedTo, for a copy too`},
		{G.NewGraph(), tensor.Float64, tied, e, `layers: Softmax "s": want the layer that it is tied to on the same graph, got "embedding" on another: make a copy of it there first`},
		{g, tensor.Float64, layers.SoftmaxConfig{DModel: 3, Vocab: 5, Tie: true}, e, `layers: Softmax "s": want tied parameter "embedding.weight" (5, 3) of dtype float64, got (6, 3) of dtype float64`},
		{g, tensor.Float32, tied, e, `layers: Softmax "s": want tied parameter "embedding.weight" (6, 3) of dtype float32, got (6, 3) of dtype float64`},
		{g, tensor.Float64, tied, s, `layers: Softmax "s": want a parameter "softmax.weight" of the layer that it is tied to, which has softmax.bias`},
	} {
		_, err := layers.NewSoftmax(c.g, c.dt, c.cfg, layers.WithName("s"), layers.TiedTo(c.to))
		wantError(t, err, c.want)
	}
	_, err = layers.Clone(s, G.NewGraph())
	wantError(t, err, `layers: Softmax "softmax": want the layer whose parameter "weight" is tied: give TiedTo, for a copy too`)
	x, y := placeholder(g, tensor.Float64, "x", 2, 3, 5), placeholder(g, tensor.Int, "y", 2, 5)
	for _, c := range []struct {
		x, y, n *G.Node
		want    string
	}{
		{nil, y, nil, `want hidden (B, 3, L), got nil`},
		{placeholder(g, tensor.Float64, "x4", 2, 4, 5), y, nil, `want hidden (B, 3, L) of dtype float64, got (2, 4, 5) of dtype float64`},
		{placeholder(g, tensor.Float32, "x32", 2, 3, 5), y, nil, `want hidden (B, 3, L) of dtype float64, got (2, 3, 5) of dtype float32`},
		{x, nil, nil, `want labels (2, 5) of dtype int, got nil`},
		{x, placeholder(g, tensor.Int, "y4", 2, 4), nil, `want labels (2, 5) of dtype int, got (2, 4) of dtype int`},
		{x, placeholder(g, tensor.Float64, "yf", 2, 5), nil, `want labels (2, 5) of dtype int, got (2, 5) of dtype float64`},
	} {
		_, err := s.NLL(c.x, c.y, c.n)
		wantError(t, err, `layers: Softmax "softmax": NLL: `+c.want)
	}
}
