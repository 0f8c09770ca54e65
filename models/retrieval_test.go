package models_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
)

// pairs configures a model of pairs of documents.
func pairs() models.RetrievalConfig {
	return models.RetrievalConfig{
		Vocab: 7, Classes: 2, Head: 5,
		Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, PreNorm: true, Norm: layers.BatchNorm}}},
	}
}

func newRetrieval(t testing.TB, cfg models.RetrievalConfig, dt tensor.Dtype) *models.Retrieval {
	t.Helper()
	m, err := models.NewRetrieval(G.NewGraph(), dt, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pairScores runs a model in evaluation mode on documents 1 and 2.
func pairScores(t testing.TB, m *models.Retrieval, docs [][][]int) []float64 {
	t.Helper()
	n, l := len(docs[0]), 0
	for _, d := range slices.Concat(docs...) {
		l = max(l, len(d))
	}
	fields := task.Pair(task.Tokens("", 0))
	b := loaded(t, n, l, task.Col(fields[0], docs[0]), task.Col(fields[1], docs[1]), task.Col(task.Label(task.Target), make([]int, n)))
	gr, err := m.Build(task.Evaluation, n, l)
	if err != nil {
		t.Fatal(err)
	}
	return output(t, gr, b, task.Logits)
}

// output runs a graph in evaluation mode on a batch, and returns one of its outputs.
func output(t testing.TB, gr *task.Graph, b *task.Batch, name string) []float64 {
	t.Helper()
	feed(t, gr, b)
	var v G.Value
	G.Read(gr.Outputs[name], &v)
	vm := G.NewTapeMachine(gr.G, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(v)
}

// feed gives a graph a batch.
func feed(t testing.TB, gr *task.Graph, b *task.Batch) {
	t.Helper()
	for name, n := range gr.Inputs {
		a, err := b.Array(name)
		if err != nil {
			t.Fatal(err)
		}
		var v *tensor.Dense
		if n.Dtype() == tensor.Int {
			v = tensor.New(tensor.WithShape(a.Shape...), tensor.WithBacking(slices.Clone(a.Ints)))
		} else {
			f := make([]float64, a.Len())
			for i := range f {
				f[i] = a.At(i)
			}
			v = testutil.Dense(n.Dtype(), f, a.Shape...)
		}
		if err := G.Let(n, v); err != nil {
			t.Fatal(err)
		}
	}
}

// pairRunner runs a model of pairs on x, x2 and the lengths of both, nil without: its
// output is the logits, and its gradients those of the parameters, unless eval is set.
func pairRunner(cfg models.RetrievalConfig, eval bool, build func(m *models.Retrieval, n G.Nodes) (*G.Node, error)) testutil.Runner {
	return func(vm testutil.VM, dt tensor.Dtype, w []float64, in ...testutil.Input) (*testutil.Result, error) {
		g := G.NewGraph()
		m, err := models.NewRetrieval(g, dt, cfg, 1)
		if err != nil {
			return nil, err
		}
		nodes := nodesOf(g, dt, in, 4)
		out, err := build(m, nodes)
		if err != nil {
			return nil, err
		}
		return differentiated(vm, dt, eval, g, out, m.Learnables(), w, len(in))
	}
}

// differentiated runs a graph and returns an output and the gradients of sum(w*out) by
// parameters, unless eval is set.
func differentiated(vm testutil.VM, dt tensor.Dtype, eval bool, g *G.ExprGraph, out *G.Node, wrt G.Nodes, w []float64, inputs int) (*testutil.Result, error) {
	if w == nil {
		w = slices.Repeat([]float64{1}, out.Shape().TotalSize())
	}
	wn := G.NewTensor(g, dt, out.Shape().Dims(), G.WithShape(out.Shape()...), G.WithName("test.w"), G.WithValue(testutil.Dense(dt, w, out.Shape()...)))
	loss, err := G.Sum(G.Must(G.HadamardProd(out, wn)))
	if err != nil {
		return nil, err
	}
	return gradients(vm, eval, g, out, loss, wrt, inputs)
}

func fwdPairs(m *models.Retrieval, n G.Nodes) (*G.Node, error) { return m.Fwd(n[0], n[2], n[1], n[3]) }

// byHand is Retrieval.Fwd of plain Gorgonia ops behind encoder and blocks, which are
// run for each document by itself.
func byHand(m *models.Retrieval, n G.Nodes) (*G.Node, error) {
	g := n[0].Graph()
	node := map[string]*G.Node{}
	for _, p := range m.Params() {
		node[p.Name] = p.Node
	}
	var v [2]*G.Node // (B, H)
	for i := range v {
		// The pool of documents 1 or 2 alone: Embed of one, and the mean of what it pools.
		var err error
		if v[i], err = m.Embed(n[i], n[i+2]); err != nil {
			return nil, err
		}
	}
	a, b := v[0], v[1]
	parts := []*G.Node{a, b, G.Must(G.Sub(a, b)), G.Must(G.HadamardProd(a, b))}
	h := a.Shape()[1]
	// The head, quarter by quarter: W [a, b, a-b, a*b] is the sum of those of each.
	var hidden *G.Node
	for k, x := range parts {
		pick := make([]float64, 4*h*h)
		for i := range h {
			pick[(k*h+i)*h+i] = 1
		}
		sel := G.NewMatrix(g, a.Dtype(), G.WithShape(4*h, h), G.WithName(fmt.Sprint("select", k)), G.WithValue(testutil.Dense(a.Dtype(), pick, 4*h, h)))
		wk := G.Must(G.Mul(node["head.weight"], sel)) // (Head, H)
		y := G.Must(G.Mul(x, G.Must(G.Transpose(wk, 1, 0))))
		if hidden == nil {
			hidden = y
		} else {
			hidden = G.Must(G.Add(hidden, y))
		}
	}
	hidden = G.Must(G.BroadcastAdd(hidden, G.Must(G.Reshape(node["head.bias"], tensor.Shape{1, node["head.bias"].Shape()[0]})), nil, []byte{0}))
	act, err := ops.GELU(hidden)
	if err != nil {
		return nil, err
	}
	y := G.Must(G.Mul(act, G.Must(G.Transpose(node["decoder.weight"], 1, 0))))
	return G.Must(G.BroadcastAdd(y, G.Must(G.Reshape(node["decoder.bias"], tensor.Shape{1, node["decoder.bias"].Shape()[0]})), nil, []byte{0})), nil
}

// documents returns inputs of a batch of pairs.
func documents(cfg models.RetrievalConfig, l int, lengths ...[]int) []testutil.Input {
	n := len(lengths[0])
	x := make([]testutil.Input, 2)
	for i, name := range []string{"x", "x2"} {
		if cfg.Vocab == 0 {
			x[i] = testutil.Normal(rand.New(rand.NewPCG(9, uint64(i))), name, n, l, cfg.Features)
			continue
		}
		ids := make([]int, n*l)
		for k := range ids {
			ids[k] = (k*k + k*i + i + 1) % cfg.Vocab
		}
		x[i] = testutil.Ints(name, ids, n, l)
	}
	return append(x, testutil.Ints("x_lengths", lengths[0], n), testutil.Ints("x2_lengths", lengths[1], n))
}

// retrievals lists models of pairs of tokens and of features.
func retrievals() []models.RetrievalConfig {
	var list []models.RetrievalConfig
	for _, c := range classifiers() {
		r := models.RetrievalConfig{Vocab: c.Vocab, Features: c.Features, Classes: 2, Stack: c.Stack, Pool: c.Pool}
		list = append(list, r)
	}
	list[0].Head = 3
	return list
}

// Logits, and the gradients of all parameters, are those of a composition by hand.
func TestRetrievalIsTheCompositionByHand(t *testing.T) {
	for i, cfg := range retrievals() {
		for j := range cfg.Stack.Blocks {
			b := &cfg.Stack.Blocks[j]
			b.Dropout = 0
			if b.Norm == layers.BatchNorm { // sees the documents together: see below
				b.Norm = layers.LayerNorm
			}
			if m, ok := b.Mixer.(layers.S4DConfig); ok {
				m.Dropout, m.UntiedDropout = 0, false
				b.Mixer = m
			}
		}
		in := documents(cfg, 7, []int{7, 3, 5}, []int{2, 7, 1})
		w := testutil.Normal(rand.New(rand.NewPCG(3, uint64(i))), "w", 3, 2).F
		want, err := pairRunner(cfg, false, byHand)(testutil.Tape, tensor.Float64, w, in...)
		if err != nil {
			t.Fatal(err)
		}
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1e-4} {
			for _, vm := range []testutil.VM{testutil.Tape, testutil.Lisp} {
				got, err := pairRunner(cfg, false, fwdPairs)(vm, dt, w, in...)
				if err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(got.Out, want.Out); !(e <= tol) {
					t.Errorf("%d, %s, %v: logits: relative error %.3g", i, vm, dt, e)
				}
				for k := range want.Grads {
					if e := testutil.RelErr(got.Grads[k], want.Grads[k]); want.Grads[k] != nil && !(e <= tol) && dist(got.Grads[k], want.Grads[k]) > 1e-5 {
						t.Errorf("%d, %s, %v: gradient %d: relative error %.3g", i, vm, dt, k-4, e)
					}
				}
			}
		}
	}
}

// dist returns the largest difference.
func dist(a, b []float64) (d float64) {
	for i := range a {
		d = max(d, math.Abs(a[i]-b[i]))
	}
	return d
}

// The gradients by features are exact, of either document.
func TestRetrievalGradients(t *testing.T) {
	cfg := pairs()
	cfg.Vocab, cfg.Features = 0, 2
	for _, norm := range []layers.NormKind{layers.LayerNorm, layers.BatchNorm} {
		cfg.Stack.Blocks[0].Norm = norm
		in := documents(cfg, 5, []int{5, 2}, []int{3, 4})
		testutil.Check(t, func(g *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			m, err := models.NewRetrieval(g, n[0].Dtype(), cfg, 1)
			if err != nil {
				return nil, err
			}
			return fwdPairs(m, n)
		}, in...)
	}
}

// Batch normalisation sees the documents of both sides as one batch of 2B rows.
func TestRetrievalNormalisesBothDocumentsTogether(t *testing.T) {
	cfg := pairs()
	cfg.Stack.Repeat, cfg.Stack.Norm = 1, layers.NoNorm
	cfg.Stack.Blocks[0].PreNorm, cfg.Stack.Blocks[0].NoResidual = true, true
	in := documents(cfg, 4, []int{4, 2}, []int{1, 3})
	m := newRetrieval(t, cfg, tensor.Float64)
	gr, err := m.Build(task.Training, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]testutil.Input{task.X: in[0], task.X2: in[1], task.XLengths: in[2], task.X2Lengths: in[3], task.Target: testutil.Ints("y", []int{0, 1}, 2)} {
		if err := G.Let(gr.Inputs[name], x.Tensor(tensor.Float64)); err != nil {
			t.Fatal(err)
		}
	}
	vm := G.NewTapeMachine(gr.G)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	table := m.Params()[0].Node.Value().Data().([]float64)
	var mean [4]float64
	for k, x := range in[:2] {
		for i, id := range x.I {
			if i%4 < in[k+2].I[i/4] {
				for h := range mean {
					mean[h] += table[4*id+h] / 10
				}
			}
		}
	}
	for _, b := range m.Buffers() {
		if strings.HasSuffix(b.Name, "running_mean") {
			for h, v := range b.Value.Data().([]float64) {
				if math.Abs(v-0.1*mean[h]) > 1e-15 {
					t.Errorf("running mean of feature %d: got %g, want %g, a tenth of that of all ten steps", h, v, 0.1*mean[h])
				}
			}
		}
	}
}

// Nothing behind a length of either document is read, and a pair changes no other.
func TestRetrievalPaddingAndRows(t *testing.T) {
	lengths := [][]int{{13, 5, 0}, {2, 0, 13}}
	all := retrievals()
	for _, i := range []int{4, 5, 6, len(all) - 1} { // BatchNorm of features and of tokens, S4, PoolMax
		cfg := all[i]
		in := documents(cfg, 13, lengths...)
		name := fmt.Sprint(i, " documents 1")
		// CheckPadding pads behind the last input: the lengths of one side at a time.
		side := func(k int) testutil.Runner {
			return pairRunner(cfg, false, func(m *models.Retrieval, n G.Nodes) (*G.Node, error) {
				if k == 0 {
					return m.Fwd(n[0], n[3], n[1], n[2])
				}
				return m.Fwd(n[1], n[2], n[0], n[3])
			})
		}
		testutil.CheckPadding(t, name, side(0), []int{1}, in[0], in[1], in[3], in[2])
		testutil.CheckPadding(t, fmt.Sprint(i, " documents 2"), side(1), []int{1}, in[1], in[0], in[2], in[3])
		if cfg.Vocab == 0 {
			testutil.CheckRows(t, fmt.Sprint(i), pairRunner(cfg, true, func(m *models.Retrieval, n G.Nodes) (*G.Node, error) { return m.Fwd(n[0], nil, n[1], nil) }), 2, in[:2]...)
		}
	}
}

// A tower that steps gives at every prefix what Embed gives for it, and Score what the
// head gives.
func TestRetrievalStepByStep(t *testing.T) {
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1e-4} {
		m := newRetrieval(t, pairs(), dt)
		docs := [][][]int{{{1, 2, 3, 4, 5, 6, 0}}, {{6, 5, 1}}}
		r, err := m.Recurrence(1)
		if err != nil {
			t.Fatal(err)
		}
		read := func(ids []int) *tensor.Dense {
			r.Reset()
			var y *tensor.Dense
			for _, id := range ids {
				if y, err = r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id}))); err != nil {
					t.Fatal(err)
				}
			}
			return y.Clone().(*tensor.Dense)
		}
		b := read(docs[1][0])
		for n := 1; n <= 7; n++ {
			got, err := m.Score(read(docs[0][0][:n]), b)
			if err != nil {
				t.Fatal(err)
			}
			want := pairScores(t, m, [][][]int{{docs[0][0][:n]}, docs[1]})
			if e := testutil.RelErr(testutil.Floats(got), want); !(e <= tol) {
				t.Errorf("%v, %d steps: relative error %.3g", dt, n, e)
			}
		}
	}
	m := newRetrieval(t, pairs(), tensor.Float64)
	x := func(dt tensor.Dtype, shape ...int) *tensor.Dense {
		return tensor.New(tensor.Of(dt), tensor.WithShape(shape...))
	}
	for _, c := range [][2]*tensor.Dense{
		{nil, x(tensor.Float64, 2, 4)}, {x(tensor.Float64, 2, 4), nil}, {x(tensor.Float64, 2, 4), x(tensor.Float64, 3, 4)},
		{x(tensor.Float64, 2, 5), x(tensor.Float64, 2, 4)}, {x(tensor.Float32, 2, 4), x(tensor.Float64, 2, 4)}, {x(tensor.Float64, 8), x(tensor.Float64, 8)},
	} {
		if _, err := m.Score(c[0], c[1]); err == nil || !strings.HasPrefix(err.Error(), "models: Retrieval: Score: want ") {
			t.Errorf("got error %v", err)
		}
	}
}

func TestRetrievalSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	m := newRetrieval(t, pairs(), tensor.Float32)
	docs := [][][]int{{{1, 2, 3}, {4}}, {{6}, {5, 1}}}
	want := pairScores(t, m, docs)
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float32: 0, tensor.Float64: 1e-5} {
		l, err := models.LoadRetrieval(G.NewGraph(), dir, models.As(dt))
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(pairScores(t, l, docs), want); !(e <= tol) {
			t.Errorf("%v: relative error %.3g", dt, e)
		}
	}
	if got := m.Params(); len(got) < 4 || got[len(got)-4].Name != "head.weight" || got[len(got)-1].Name != "decoder.bias" {
		t.Errorf("got parameters %v", got)
	}
	if s := m.Summary(); !strings.Contains(s, "pool (mean) (2B, 4), compare (B, 16), head (B, 5), decoder (B, 2)") || !strings.Contains(s, "head ") {
		t.Errorf("got\n%s", s)
	}
}

func TestRetrievalErrors(t *testing.T) {
	for want, change := range map[string]func(*models.RetrievalConfig){
		"RetrievalConfig: want one of Vocab and Features positive, got Vocab 0 and Features 0": func(c *models.RetrievalConfig) { c.Vocab = 0 },
		"RetrievalConfig: want Head >= 1, or 0 for DModel, got -1":                             func(c *models.RetrievalConfig) { c.Head = -1 },
		"RetrievalConfig: head, with In = 4 DModel: LinearConfig: want Out at most":            func(c *models.RetrievalConfig) { c.Head = 1 << 40 },
		"RetrievalConfig: decoder, with Out = Classes: LinearConfig: want Out at most":         func(c *models.RetrievalConfig) { c.Classes = 1 << 40 },
		"RetrievalConfig: want Classes >= 2, got 1":                                            func(c *models.RetrievalConfig) { c.Classes = 1 },
		"RetrievalConfig: want a pooling mode of":                                              func(c *models.RetrievalConfig) { c.Pool = "x" },
		"RetrievalConfig: StackConfig: want at least one of Blocks":                            func(c *models.RetrievalConfig) { c.Stack.Blocks = nil },
	} {
		cfg := pairs()
		change(&cfg)
		if m, err := models.NewRetrieval(G.NewGraph(), tensor.Float32, cfg, 0); m != nil || err == nil || !strings.HasPrefix(err.Error(), "models: "+want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	m := newRetrieval(t, pairs(), tensor.Float32)
	if _, err := m.Build(task.Training, 0, 2); err == nil || err.Error() != "models: Retrieval: Build: want batch and length >= 1, got 0 and 2" {
		t.Errorf("got error %v", err)
	}
	g := G.NewGraph()
	c, err := m.CloneTo(g)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Int, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	x, n := ids("x", 2, 3), ids("n", 2)
	for want, f := range map[string]func() (*G.Node, error){
		"models: Retrieval: want lengths of both documents, or of none":                        func() (*G.Node, error) { return c.Fwd(x, n, x, nil) },
		"models: Retrieval: ops.StackRows: want b (2, 3), got (2, 4)":                          func() (*G.Node, error) { return c.Fwd(x, nil, ids("y", 2, 4), nil) },
		"models: Retrieval: ops.StackRows: want a (B, ...), got nil":                           func() (*G.Node, error) { return c.Fwd(nil, nil, x, nil) },
		"models: Retrieval: layers: Embedding \"encoder\": Fwd: want lengths (4) of dtype int": func() (*G.Node, error) { return c.Fwd(x, ids("m", 3), x, ids("m2", 3)) },
	} {
		if _, err := f(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
