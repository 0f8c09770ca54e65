package adaptive

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/softmax"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops"
)

const (
	tolValue = 1e-13
	testH    = 6
)

// variant is one of the forms of an adaptive softmax: its parameters, and what they are.
type variant struct {
	name   string
	vocab  int
	params []testutil.Input
	of     func(n []*G.Node) Softmax
}

// variants returns every form with random parameters.
func variants() []variant {
	rng := rand.New(rand.NewPCG(1, 1))
	normal := func(name string, shape ...int) testutil.Input { return testutil.Normal(rng, name, shape...) }
	cutoffs := []int{5, 9, 16}
	return []variant{
		{"projected", 23, []testutil.Input{
			normal("w0", 5, 6), normal("b0", 5), normal("q0", testH, 6), normal("w1", 4, 3), normal("b1", 4), normal("q1", testH, 3),
			normal("w2", 7, 1), normal("b2", 7), normal("q2", testH, 1), normal("w3", 7, 1), normal("b3", 7), normal("q3", testH, 1),
			normal("cw", 3, 6), normal("cb", 3),
		}, func(n []*G.Node) Softmax {
			s := Softmax{Vocab: 23, Cutoffs: cutoffs, ClusterWeight: n[12], ClusterBias: n[13], Reversed: true}
			for i := range 4 {
				s.Clusters = append(s.Clusters, Cluster{Weight: Rows{Node: n[3*i]}, Bias: Rows{Node: n[3*i+1]}, Proj: n[3*i+2]})
			}
			return s
		}},
		{"torch", 23, []testutil.Input{
			normal("head", 8, testH), normal("q1", 3, testH), normal("w1", 4, 3), normal("q2", 1, testH), normal("w2", 7, 1), normal("q3", 2, testH), normal("w3", 7, 2),
		}, func(n []*G.Node) Softmax {
			s := Softmax{Vocab: 23, Cutoffs: cutoffs, Clusters: []Cluster{{Weight: Rows{Node: n[0]}}}}
			for i := range 3 {
				s.Clusters = append(s.Clusters, Cluster{Weight: Rows{Node: n[2*i+2]}, Proj: n[2*i+1], ProjRows: true})
			}
			return s
		}},
		{"one table", 23, []testutil.Input{
			normal("w", 23, 4), normal("b", 23), normal("q", testH, 4), normal("q0", testH, 4), normal("cw", 3, 4),
		}, func(n []*G.Node) Softmax {
			s := Softmax{Vocab: 23, Cutoffs: cutoffs, ClusterWeight: n[4]}
			for i, at := range []int{0, 5, 9, 16} {
				c := Cluster{Weight: Rows{n[0], at}, Bias: Rows{n[1], at}, Proj: n[2]}
				if i == 0 {
					c.Proj = n[3]
				}
				s.Clusters = append(s.Clusters, c)
			}
			return s
		}},
		{"no clusters", 11, []testutil.Input{normal("w", 11, testH), normal("b", 11)}, func(n []*G.Node) Softmax {
			return Softmax{Vocab: 11, Clusters: []Cluster{{Weight: Rows{Node: n[0]}, Bias: Rows{Node: n[1]}}}}
		}},
		{"large", 1300, []testutil.Input{
			normal("w0", 300, 6), normal("b0", 300), normal("q0", testH, 6), normal("w1", 1000, 2), normal("b1", 1000), normal("q1", testH, 2), normal("cw", 1, 6),
		}, func(n []*G.Node) Softmax {
			return Softmax{Vocab: 1300, Cutoffs: []int{300}, ClusterWeight: n[6], Clusters: []Cluster{
				{Weight: Rows{Node: n[0]}, Bias: Rows{Node: n[1]}, Proj: n[2]}, {Weight: Rows{Node: n[3]}, Bias: Rows{Node: n[4]}, Proj: n[5]}}}
		}},
	}
}

// onGraph returns the parameters as nodes of a graph, and their values.
func (v variant) onGraph() (n []*G.Node, values map[*G.Node][]float64) {
	g := G.NewGraph()
	values = map[*G.Node][]float64{}
	for _, p := range v.params {
		n = append(n, G.NewTensor(g, tensor.Float64, p.Shape.Dims(), G.WithShape(p.Shape...), G.WithName(p.Name)))
		values[n[len(n)-1]] = p.F
	}
	return n, values
}

// logProbs is the formula, of one hidden vector.
func (v variant) logProbs(h []float64) []float64 {
	n, values := v.onGraph()
	s := v.of(n)
	k := len(s.Cutoffs)
	logSoftmax := func(z []float64) {
		var sum float64
		for _, v := range z {
			sum += math.Exp(v)
		}
		for i := range z {
			z[i] -= math.Log(sum)
		}
	}
	logits := func(c Cluster, classes int) []float64 {
		d := c.features()
		x := h
		if c.Proj != nil {
			x = make([]float64, d)
			for i := range d {
				for j, h := range h {
					if c.ProjRows {
						x[i] += values[c.Proj][i*testH+j] * h
					} else {
						x[i] += values[c.Proj][j*d+i] * h
					}
				}
			}
		}
		z := make([]float64, classes)
		for i := range z {
			for j, x := range x {
				z[i] += values[c.Weight.Node][(c.Weight.From+i)*d+j] * x
			}
			if c.Bias.Node != nil {
				z[i] += values[c.Bias.Node][c.Bias.From+i]
			}
		}
		return z
	}
	at := bounds(s.Vocab, s.Cutoffs)
	var head []float64
	if s.ClusterWeight == nil {
		head = logits(s.Clusters[0], at[1]+k)
	} else {
		c := Cluster{Weight: Rows{Node: s.ClusterWeight}, Bias: Rows{Node: s.ClusterBias}, Proj: s.Clusters[0].Proj}
		head = append(logits(s.Clusters[0], at[1]), logits(c, k)...)
	}
	logSoftmax(head)
	p := slices.Clone(head[:at[1]])
	for i := range k {
		z := logits(s.Clusters[i+1], at[i+2]-at[i+1])
		logSoftmax(z)
		column := at[1] + i
		if s.Reversed {
			column = at[1] + k - 1 - i
		}
		for _, v := range z {
			p = append(p, v+head[column])
		}
	}
	return p
}

// column returns the steps l of row b of hidden (B, H, L).
func column(hidden testutil.Input, b, l int) []float64 {
	h, n := hidden.Shape[1], hidden.Shape[2]
	x := make([]float64, h)
	for i := range x {
		x[i] = hidden.F[(b*h+i)*n+l]
	}
	return x
}

// labelsOf returns labels of all clusters, every fifth ignored.
func labelsOf(n, vocab int) []int {
	y := make([]int, n)
	for i := range y {
		y[i] = (7*i + 3) * 5 % vocab
		if i%5 == 4 {
			y[i] = softmax.Ignored
		}
	}
	return y
}

func nll(v variant) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return NLL(n[0], n[1], nil, v.of(n[2:])) }
}

func logProbs(v variant) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return LogProbs(n[0], nil, v.of(n[1:])) }
}

func TestNLL(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			const b, l = 3, 7
			rng := rand.New(rand.NewPCG(2, 1))
			hidden, labels := testutil.Normal(rng, "hidden", b, testH, l), testutil.Ints("labels", labelsOf(b*l, v.vocab), b, l)
			want := make([]float64, b*l)
			for i, y := range labels.I {
				if y != softmax.Ignored {
					want[i] = -v.logProbs(column(hidden, i/l, i%l))[y]
				}
			}
			in := append([]testutil.Input{hidden, labels}, v.params...)
			check(t, nll(v), want, in)
			if v.vocab < 100 { // finite differences of few parameters
				testutil.Check(t, nll(v), in...)
			}
		})
	}
}

func check(t *testing.T, f testutil.Build, want []float64, in []testutil.Input) {
	t.Helper()
	got, err := testutil.Forward(tensor.Float64, f, in...)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(got, want); !(e <= tolValue) {
		t.Errorf("relative error %.3g > %.3g", e, tolValue)
	}
}

func TestLogProbs(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			const b, l = 2, 3
			rng := rand.New(rand.NewPCG(3, 1))
			hidden := testutil.Normal(rng, "hidden", b, testH, l)
			want := make([]float64, b*v.vocab*l)
			for i := range b * l {
				for y, p := range v.logProbs(column(hidden, i/l, i%l)) {
					want[(i/l*v.vocab+y)*l+i%l] = p
				}
			}
			in := append([]testutil.Input{hidden}, v.params...)
			check(t, logProbs(v), want, in)
			if v.vocab > 100 { // finite differences of few parameters
				return
			}
			testutil.Check(t, logProbs(v), in...)
			in[0] = testutil.Normal(rng, "hidden", b, testH)
			testutil.Check(t, logProbs(v), in...)
		})
	}
}

// The mean of the likelihoods is the cross-entropy of the scores, with the same gradients
// by all parameters, where the gradients are computed ahead and where they are not.
func TestNLLIsThatOfLogProbs(t *testing.T) {
	const b, l = 3, 60
	rng := rand.New(rand.NewPCG(12, 1))
	for _, v := range variants() {
		in := append([]testutil.Input{testutil.Normal(rng, "hidden", b, testH, l), testutil.Ints("labels", labelsOf(b*l, v.vocab), b, l)}, v.params...)
		mean := func(scale float64) testutil.Build {
			return func(g *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				y, err := NLL(n[0], n[1], nil, v.of(n[2:]))
				if err != nil {
					return nil, err
				}
				if scale != 1 { // of all rows but the first
					w := testutil.Dense(tensor.Float64, slices.Concat(slices.Repeat([]float64{1}, l), slices.Repeat([]float64{scale}, (b-1)*l)), b, l)
					if y, err = G.HadamardProd(y, G.NewMatrix(g, tensor.Float64, G.WithShape(b, l), G.WithName("weights"), G.WithValue(w))); err != nil {
						return nil, err
					}
				}
				return ops.MeanNLL(y, n[1])
			}
		}
		scores := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			y, err := LogProbs(n[0], nil, v.of(n[2:]))
			if err != nil {
				return nil, err
			}
			return ops.CrossEntropy(y, n[1])
		}
		run := func(f testutil.Build) *testutil.Result {
			r, err := testutil.Run(testutil.Tape, tensor.Float64, f, nil, in...)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		want, ahead, one, two := run(scores), run(mean(1)), run(mean(0)), run(mean(2))
		for i := range in {
			if want.Grads[i] == nil {
				continue
			}
			if e := testutil.RelErr(ahead.Grads[i], want.Grads[i]); !(e <= 1e-12) {
				t.Errorf("%s: gradient of %s off that by the scores by %.3g", v.name, in[i].Name, e)
			}
			sum := make([]float64, len(one.Grads[i])) // of weights 1, and 0 and 2
			for k := range sum {
				sum[k] = (one.Grads[i][k] + two.Grads[i][k]) / 2
			}
			if e := testutil.RelErr(sum, want.Grads[i]); !(e <= 1e-12) {
				t.Errorf("%s: gradient of %s of weighted rows off by %.3g", v.name, in[i].Name, e)
			}
		}
		if e := testutil.RelErr(ahead.Out, want.Out); !(e <= 1e-12) {
			t.Errorf("%s: off that of the scores by %.3g", v.name, e)
		}
	}
}

// A batch whose labels are all of one cluster, or of none, has gradients of zero for the
// others.
func TestClustersThatAreNotInUse(t *testing.T) {
	v := variants()[0]
	rng := rand.New(rand.NewPCG(4, 1))
	for label, used := range map[int][]string{2: {"0", "cw", "cb"}, 10: {"0", "2", "cw", "cb"}, softmax.Ignored: nil} {
		in := append([]testutil.Input{testutil.Normal(rng, "hidden", 1, testH, 4), testutil.Ints("labels", slices.Repeat([]int{label}, 4), 1, 4)}, v.params...)
		r, err := testutil.Run(testutil.Tape, tensor.Float64, nll(v), nil, in...)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range v.params {
			isUsed := slices.ContainsFunc(used, func(s string) bool { return strings.HasSuffix(p.Name, s) })
			if zero := !slices.ContainsFunc(r.Grads[i+2], func(g float64) bool { return g != 0 }); zero == isUsed {
				t.Errorf("labels %d: the gradient of %s is zero: %v, want %v", label, p.Name, zero, !isUsed)
			}
		}
	}
}

func TestRowsAreApart(t *testing.T) {
	for _, v := range variants()[:4] {
		const b, l = 3, 4
		rng := rand.New(rand.NewPCG(5, 1))
		hidden, labels := testutil.Normal(rng, "hidden", b, testH, l), testutil.Ints("labels", labelsOf(b*l, v.vocab), b, l)
		testutil.CheckRows(t, v.name+": NLL", testutil.RunnerOf(nll(v)), 2, append([]testutil.Input{hidden, labels}, v.params...)...)
		testutil.CheckRows(t, v.name+": LogProbs", testutil.RunnerOf(logProbs(v)), 1, append([]testutil.Input{hidden}, v.params...)...)
	}
}

func TestPaddingIsNotRead(t *testing.T) {
	for _, v := range variants()[:3] {
		const b, l = 4, 5
		rng := rand.New(rand.NewPCG(6, 1))
		hidden, labels := testutil.Normal(rng, "hidden", b, testH, l), testutil.Ints("labels", labelsOf(b*l, v.vocab), b, l)
		lengths := testutil.Ints("lengths", []int{3, 0, 5, 1}, b)
		n := len(v.params)
		testutil.CheckPadding(t, v.name+": NLL", testutil.RunnerOf(func(_ *G.ExprGraph, x []*G.Node) (*G.Node, error) {
			return NLL(x[0], x[1], x[2+n], v.of(x[2:]))
		}), []int{2, 1}, append(append([]testutil.Input{hidden, labels}, v.params...), lengths)...)
		testutil.CheckPadding(t, v.name+": LogProbs", testutil.RunnerOf(func(_ *G.ExprGraph, x []*G.Node) (*G.Node, error) {
			return LogProbs(x[0], x[1+n], v.of(x[1:]))
		}), []int{2}, append(append([]testutil.Input{hidden}, v.params...), lengths)...)
	}
}

// tables returns the forms of an embedding.
func tables() []variant {
	rng := rand.New(rand.NewPCG(7, 1))
	normal := func(name string, shape ...int) testutil.Input { return testutil.Normal(rng, name, shape...) }
	return []variant{
		{name: "projected", vocab: 23, params: []testutil.Input{normal("w0", 5, testH), normal("w1", 4, 3), normal("w2", 14, 1), normal("q0", testH, testH), normal("q1", testH, 3), normal("q2", testH, 1)}},
		{name: "one table", vocab: 23, params: []testutil.Input{normal("w0", 23, 4), normal("q0", testH, 4)}},
		{name: "identity", vocab: 23, params: []testutil.Input{normal("w0", 23, testH)}},
	}
}

func tableOf(v variant, n []*G.Node) Table {
	t := Table{Vocab: v.vocab, Scale: 1.5}
	switch v.name {
	case "projected":
		t.Cutoffs = []int{5, 9}
		for i := range 3 {
			t.Weights, t.Projs = append(t.Weights, Rows{Node: n[i]}), append(t.Projs, n[3+i])
		}
	case "one table":
		t.Weights, t.Projs = []Rows{{Node: n[0]}}, []*G.Node{n[1]}
	default:
		t.Weights, t.Projs = []Rows{{Node: n[0]}}, []*G.Node{nil}
	}
	return t
}

func TestEmbedding(t *testing.T) {
	const b, l = 2, 9
	ids := testutil.Ints("ids", []int{0, 22, 5, 4, 4, 9, 8, 22, 22, 1, 4, 0, 13, 9, 5, 5, 22, 2}, b, l)
	for _, v := range tables() {
		f := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			return Embedding(n[0], nil, tableOf(v, n[1:]), testH)
		}
		n, values := v.onGraph()
		table := tableOf(v, n)
		want := make([]float64, b*testH*l)
		for i, id := range ids.I {
			k := len(slices.DeleteFunc(slices.Clone(table.Cutoffs), func(c int) bool { return id < c }))
			if k > 0 {
				id -= table.Cutoffs[k-1]
			}
			d := table.Weights[k].Node.Shape()[1]
			row := values[table.Weights[k].Node][id*d:][:d]
			for h := range testH {
				y := &want[(i/l*testH+h)*l+i%l]
				for j, w := range row {
					switch {
					case table.Projs[k] != nil:
						*y += 1.5 * values[table.Projs[k]][h*d+j] * w
					case j == h:
						*y += 1.5 * w
					}
				}
			}
		}
		in := append([]testutil.Input{ids}, v.params...)
		check(t, f, want, in)
		testutil.Check(t, f, in...)

		lengths := testutil.Ints("lengths", []int{4, 9}, b)
		testutil.CheckPadding(t, v.name, testutil.RunnerOf(func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			return Embedding(n[0], n[len(n)-1], tableOf(v, n[1:]), testH)
		}), []int{1}, append(in, lengths)...)
	}
}

// An embedding and a softmax with the same parameters add their gradients up.
func TestTied(t *testing.T) {
	v := variants()[0]
	const b, l = 2, 5
	ids, labels := testutil.Ints("ids", []int{0, 22, 5, 4, 4, 9, 8, 22, 16, 1}, b, l), testutil.Ints("labels", labelsOf(b*l, 23), b, l)
	testutil.Check(t, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		s := v.of(n[2:])
		table := Table{Vocab: 23, Cutoffs: s.Cutoffs, Scale: 2}
		for _, c := range s.Clusters {
			table.Weights, table.Projs = append(table.Weights, c.Weight), append(table.Projs, c.Proj)
		}
		x, err := Embedding(n[0], nil, table, testH)
		if err != nil {
			return nil, err
		}
		return NLL(x, n[1], nil, s)
	}, append([]testutil.Input{ids, labels}, v.params...)...)
}

// Results do not depend on the number of processors.
func TestResultsDoNotDependOnProcessors(t *testing.T) {
	v := variants()[4]
	rng := rand.New(rand.NewPCG(8, 1))
	const b, l = 3, 150
	in := append([]testutil.Input{testutil.Normal(rng, "hidden", b, testH, l), testutil.Ints("labels", labelsOf(b*l, v.vocab), b, l)}, v.params...)
	ids := testutil.Ints("ids", make([]int, b*l), b, l)
	for i := range ids.I {
		ids.I[i] = 13 * i % v.vocab
	}
	fixed := slices.Clone(v.params)
	for _, i := range []int{1, 4, 6} { // which an embedding does not have
		fixed[i].Fixed = true
	}
	runs := map[string]func() (*testutil.Result, error){
		"NLL": func() (*testutil.Result, error) {
			return testutil.Run(testutil.Tape, tensor.Float32, nll(v), testutil.Normal(rand.New(rand.NewPCG(9, 1)), "w", b*l).F, in...)
		},
		"LogProbs": func() (*testutil.Result, error) {
			return testutil.Run(testutil.Tape, tensor.Float32, logProbs(v), nil, append([]testutil.Input{in[0]}, v.params...)...)
		},
		"Embedding": func() (*testutil.Result, error) {
			return testutil.Run(testutil.Tape, tensor.Float32, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				s := v.of(n[1:])
				return Embedding(n[0], nil, Table{Vocab: v.vocab, Cutoffs: s.Cutoffs, Scale: 1, Weights: []Rows{s.Clusters[0].Weight, s.Clusters[1].Weight}, Projs: []*G.Node{s.Clusters[0].Proj, s.Clusters[1].Proj}}, testH)
			}, nil, append([]testutil.Input{ids}, fixed...)...)
		},
	}
	par.Workers() // start the pool before limiting it
	for name, run := range runs {
		procs := runtime.GOMAXPROCS(1)
		want, err := run()
		runtime.GOMAXPROCS(procs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := run()
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Grads {
			if !slices.Equal(got.Grads[i], want.Grads[i]) {
				t.Errorf("%s: gradient %d differs between 1 and %d processors", name, i, procs)
			}
		}
		if !slices.Equal(got.Out, want.Out) {
			t.Errorf("%s: the output differs between 1 and %d processors", name, procs)
		}
	}
}

// A step makes no garbage once it has run.
func TestCoresMakeNoGarbage(t *testing.T) {
	ids := []int{0, 22, 5, 4, 4, 9, 8, 22, 16, 1}
	d := embeddingDims{b: 2, h: testH, l: 5, vocab: 23, ids: 2, lengths: -1, scale: 1, clusters: []embeddingCluster{{d: 4, weight: 0, proj: 1}}}
	c := newEmbedding[float32](d)
	in := []graphop.Arg[float32]{{F: make([]float32, 23*4)}, {F: make([]float32, testH*4)}, {I: ids}}
	grad := [][]float32{make([]float32, 23*4), make([]float32, testH*4), nil}
	out := make([]float32, 2*testH*5)
	step := func() {
		if err := c.Forward(out, in); err != nil {
			t.Fatal(err)
		}
		if err := c.Backward(grad, in, nil, out); err != nil {
			t.Fatal(err)
		}
	}
	step()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	step()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<10 {
		t.Errorf("a forward and a backward pass allocate %d bytes, want at most %d", n, 16<<10)
	}
}

// Steps are the rows of the whole.
func TestSteps(t *testing.T) {
	const b = 5
	rng := rand.New(rand.NewPCG(10, 1))
	for _, v := range variants() {
		n, values := v.onGraph()
		w, err := NewWeights(v.of(n), testH, func(n *G.Node) ([]float64, error) { return values[n], nil })
		if err != nil {
			t.Fatal(err)
		}
		hidden := testutil.Normal(rng, "hidden", b, testH, 1)
		got := make([]float64, b*v.vocab)
		step := w.NewStep()
		for range 2 { // a second one is as the first
			step.Apply(got, hidden.F, b)
		}
		for i := range b {
			if e := testutil.RelErr(got[i*v.vocab:][:v.vocab], v.logProbs(column(hidden, i, 0))); !(e <= tolValue) {
				t.Errorf("%s: row %d: relative error %.3g > %.3g", v.name, i, e, tolValue)
			}
		}
	}
	for _, v := range tables() {
		n, values := v.onGraph()
		w, err := NewTableWeights(tableOf(v, n), testH, func(n *G.Node) ([]float64, error) { return values[n], nil })
		if err != nil {
			t.Fatal(err)
		}
		ids := []int{22, 0, 5, 8, 22}
		want, err := testutil.Forward(tensor.Float64, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			return Embedding(n[0], nil, tableOf(v, n[1:]), testH)
		}, append([]testutil.Input{testutil.Ints("ids", ids, b, 1)}, v.params...)...)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float64, b*testH)
		step := w.NewStep()
		for range 2 {
			step.Apply(got, ids)
		}
		if e := testutil.RelErr(got, want); !(e <= tolValue) {
			t.Errorf("%s: steps: relative error %.3g > %.3g", v.name, e, tolValue)
		}
	}
}

// A class that is masked out has no probability, and NaN is not hidden.
func TestStepsOfExtremes(t *testing.T) {
	inf := math.Inf(-1)
	v := variants()[3]
	n, values := v.onGraph()
	for i := range values[n[1]] {
		values[n[1]][i] = inf
	}
	values[n[1]][4] = 1
	read := func(n *G.Node) ([]float64, error) { return values[n], nil }
	of := func() []float64 {
		w, err := NewWeights(v.of(n), testH, read)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]float64, v.vocab)
		w.NewStep().Apply(p, make([]float64, testH), 1)
		return p
	}
	for i, p := range of() {
		if want := map[bool]float64{true: 0, false: inf}[i == 4]; p != want {
			t.Errorf("class %d: got %g, want %g", i, p, want)
		}
	}
	values[n[1]][2] = math.NaN()
	if p := of(); !math.IsNaN(p[4]) {
		t.Errorf("with a logit that is NaN: got %g, want NaN", p[4])
	}
}

func TestErrors(t *testing.T) {
	g := G.NewGraph()
	node := func(dt tensor.Dtype, name string, shape ...int) *G.Node {
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	f64 := func(name string, shape ...int) *G.Node { return node(tensor.Float64, name, shape...) }
	hidden, labels := f64("hidden", 2, 6, 4), node(tensor.Int, "labels", 2, 4)
	w0, w1, q1, cw := f64("w0", 3, 6), f64("w1", 4, 2), f64("q1", 6, 2), f64("cw", 1, 6)
	good := func() Softmax {
		return Softmax{Vocab: 7, Cutoffs: []int{3}, ClusterWeight: cw, Clusters: []Cluster{{Weight: Rows{Node: w0}}, {Weight: Rows{Node: w1}, Proj: q1}}}
	}
	if _, err := NLL(hidden, labels, nil, good()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		alter func(s *Softmax)
		want  string
	}{
		{func(s *Softmax) { s.Cutoffs = []int{3, 3} }, "want cutoffs that increase from 1 on, got 3 at 1 after 3"},
		{func(s *Softmax) { s.Cutoffs = []int{0} }, "want cutoffs that increase from 1 on, got 0 at 0 after 0"},
		{func(s *Softmax) { s.Cutoffs = []int{7} }, "want cutoffs less than the vocabulary of 7, got 7"},
		{func(s *Softmax) { s.Clusters = s.Clusters[:1] }, "want the parameters of a shortlist and 1 clusters, got 1"},
		{func(s *Softmax) { s.Clusters[0].Weight.Node = nil }, "cluster 0: Weight: want (classes, D), got nil"},
		{func(s *Softmax) { s.Clusters[1].Weight.From = 1 }, "cluster 1: Weight: want rows [1, 5) of a parameter of rows (2), got (4, 2)"},
		{func(s *Softmax) { s.Clusters[1].Weight.From = -1 }, "cluster 1: Weight: want rows [-1, 3) of a parameter of rows (2), got (4, 2)"},
		{func(s *Softmax) { s.Clusters[1].Weight.Node = node(tensor.Float32, "w32", 4, 2) }, "cluster 1: Weight: want dtype float64 like the other inputs, got float32"},
		{func(s *Softmax) { s.Clusters[1].Weight.Node = node(tensor.Int, "wi", 4, 2) }, "cluster 1: Weight: want dtype float32 or float64, got int"},
		{func(s *Softmax) { s.Clusters[1].Bias.Node = f64("b3", 3) }, "cluster 1: Bias: want rows [0, 4) of a parameter of rows (), got (3)"},
		{func(s *Softmax) { s.Clusters[1].Proj = nil }, "cluster 1: Proj: want a projection, as there are 2 features for hidden vectors of 6, got nil"},
		{func(s *Softmax) { s.Clusters[1].ProjRows = true }, "cluster 1: Proj: want (2, 6), got (6, 2)"},
		{func(s *Softmax) { s.ClusterWeight = f64("cw2", 2, 5) }, "ClusterWeight: want rows [0, 1) of a parameter of rows (6), got (2, 5)"},
		{func(s *Softmax) { s.ClusterBias = f64("cb2", 1, 1) }, "ClusterBias: want rows [0, 1) of a parameter of rows (), got (1, 1)"},
		{func(s *Softmax) { s.ClusterWeight = nil }, "cluster 0: Weight: want rows [0, 4) of a parameter of rows (6), got (3, 6)"},
	} {
		s := good()
		c.alter(&s)
		_, err := NLL(hidden, labels, nil, s)
		wantError(t, err, "adaptive.NLL: "+c.want)
		_, err = LogProbs(hidden, nil, s)
		wantError(t, err, "adaptive.LogProbs: "+c.want)
	}
	for want, f := range map[string]func() (*G.Node, error){
		"adaptive.NLL: hidden: want (B, H, L), got nil":                                            func() (*G.Node, error) { return NLL(nil, labels, nil, good()) },
		"adaptive.NLL: labels: want (2, 4) of dtype int, got nil":                                  func() (*G.Node, error) { return NLL(hidden, nil, nil, good()) },
		"adaptive.NLL: labels: want (2, 4) of dtype int, got (2, 3) of dtype int":                  func() (*G.Node, error) { return NLL(hidden, node(tensor.Int, "l3", 2, 3), nil, good()) },
		"adaptive.NLL: want lengths (2) of dtype int, got (3) of dtype int":                        func() (*G.Node, error) { return NLL(hidden, labels, node(tensor.Int, "n3", 3), good()) },
		"adaptive.LogProbs: want lengths with hidden (B, H, L) only, got hidden (2, 6)":            func() (*G.Node, error) { return LogProbs(f64("h2", 2, 6), node(tensor.Int, "n2", 2), good()) },
		"adaptive.LogProbs: hidden: want (B, H, L) or (B, H), got (2)":                             func() (*G.Node, error) { return LogProbs(f64("h1", 2), nil, good()) },
		"adaptive.Embedding: ids: want (B, L) of dtype int, got (2)":                               func() (*G.Node, error) { return Embedding(node(tensor.Int, "i1", 2), nil, table(w0), 6) },
		"adaptive.Embedding: ids: want (2, 4) of dtype int, got (2, 4) of dtype float64":           func() (*G.Node, error) { return Embedding(f64("i2", 2, 4), nil, table(w0), 6) },
		"adaptive.Embedding: cluster 0: Projs: want a projection, as there are 6 features for":     func() (*G.Node, error) { return Embedding(labels, nil, table(w0), 5) },
		"adaptive.Embedding: cluster 0: Weights: want rows [0, 3) of a parameter of rows (2), got": func() (*G.Node, error) { return Embedding(labels, nil, table(f64("w2", 2, 2)), 6) },
		"adaptive.Embedding: want the weights and projections, or nil, of 1 clusters, got 0 and 0": func() (*G.Node, error) { return Embedding(labels, nil, Table{Vocab: 3}, 6) },
	} {
		_, err := f()
		wantError(t, err, want)
	}
	// When a graph runs.
	v := variants()[0]
	in := append([]testutil.Input{testutil.Normal(rand.New(rand.NewPCG(11, 1)), "hidden", 1, testH, 2), testutil.Ints("labels", []int{0, 23}, 1, 2)}, v.params...)
	_, err := testutil.Forward(tensor.Float64, nll(v), in...)
	wantError(t, err, "adaptive.NLL: labels[0, 1]: want a class in [0, 23) or -1 (ignored), got 23")
	e := tables()[0]
	_, err = testutil.Forward(tensor.Float64, func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return Embedding(n[0], nil, tableOf(e, n[1:]), testH)
	},
		append([]testutil.Input{testutil.Ints("ids", []int{0, -1}, 1, 2)}, e.params...)...)
	wantError(t, err, "adaptive.Embedding: ids[0, 1]: want an id in [0, 23), got -1")
}

// table is one of 3 tokens without a projection.
func table(w *G.Node) Table {
	return Table{Vocab: 3, Weights: []Rows{{Node: w}}, Projs: []*G.Node{nil}, Scale: 1}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v\nwant %s", err, want)
	}
}
