package train

import (
	"fmt"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

// tinyConfig is the configuration of tinyModel.
type tinyConfig struct {
	Vocab    int     `json:"vocab,omitempty"` // or Features
	Features int     `json:"features,omitempty"`
	Hidden   int     `json:"hidden"`
	Classes  int     `json:"classes"`
	Drop     float64 `json:"drop"`
	Position bool    `json:"position,omitempty"` // a label for each position
}

// tinyModel is a network of one hidden layer on the mean over the steps (or on
// each step) with dropout, whose random state is a buffer.
type tinyModel struct {
	cfg     tinyConfig
	dt      tensor.Dtype
	w1, w2  *tensor.Dense
	frozen  *tensor.Dense
	counter *tensor.Dense
	nodes   []param.Param
	builds  []string           // of the graphs built so far
	poison  func(*tinyModel)   // run at every Build
	lr      map[string]float64 // of parameters with their own
}

func newTinyModel(cfg tinyConfig, dt tensor.Dtype) *tinyModel {
	rng := rand.New(rand.NewPCG(7, 9))
	random := func(shape ...int) *tensor.Dense {
		n := tensor.Shape(shape).TotalSize()
		d := make([]float64, n)
		for i := range d {
			d[i] = rng.NormFloat64() / 2
		}
		if dt == tensor.Float64 {
			return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(d))
		}
		f := make([]float32, n)
		for i := range f {
			f[i] = float32(d[i])
		}
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(f))
	}
	m := &tinyModel{cfg: cfg, dt: dt}
	m.w1 = random(cfg.Vocab+cfg.Features, cfg.Hidden)
	m.w2 = random(cfg.Hidden, cfg.Classes)
	m.frozen = random(cfg.Hidden)
	m.counter = tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{0}))
	m.nodes = m.params(G.NewGraph())
	return m
}

func (m *tinyModel) params(g *G.ExprGraph) []param.Param {
	node := func(name string, t *tensor.Dense) param.Param {
		p := param.Param{Name: name, Node: G.NewTensor(g, m.dt, t.Dims(), G.WithShape(t.Shape()...), G.WithName(name), G.WithValue(t))}
		if lr, ok := m.lr[name]; ok {
			p.LR = &lr
		}
		return p
	}
	ps := []param.Param{node("hidden.weight", m.w1), node("fixed", m.frozen), node("out.weight", m.w2)}
	ps[1].Frozen = true
	return ps
}

func (m *tinyModel) Params() []param.Param { return m.nodes }
func (m *tinyModel) Buffers() []param.Buffer {
	return []param.Buffer{{Name: "dropout.counter", Value: m.counter}}
}
func (m *tinyModel) Config() any { return m.cfg }

func (m *tinyModel) Build(mode task.Mode, batch, length int) (*task.Graph, error) {
	m.builds = append(m.builds, fmt.Sprintf("%v %dx%d", mode, batch, length))
	if m.poison != nil {
		m.poison(m)
	}
	g := G.NewGraph()
	ps := m.params(g)
	var x *G.Node
	if m.cfg.Vocab > 0 {
		x = G.NewMatrix(g, tensor.Int, G.WithShape(batch, length), G.WithName("x"))
	} else {
		x = G.NewTensor(g, m.dt, 3, G.WithShape(batch, length, m.cfg.Features), G.WithName("x"))
	}
	lengths := G.NewVector(g, tensor.Int, G.WithShape(batch), G.WithName("lengths"))
	rows := batch
	shape := tensor.Shape{batch, m.cfg.Classes}
	target := G.NewVector(g, tensor.Int, G.WithShape(batch), G.WithName("target"))
	if m.cfg.Position {
		rows *= length
		shape = tensor.Shape{batch, m.cfg.Classes, length}
		target = G.NewMatrix(g, tensor.Int, G.WithShape(batch, length), G.WithName("target_of_each"))
	}
	pooled, err := graphop.Apply(graphop.Spec{Name: "test.pool", Out: tensor.Shape{rows, m.cfg.Hidden}, Ints: []int{1, 2}},
		func() graphop.Core[float32] { return &pool[float32]{b: batch, l: length, cfg: m.cfg} },
		func() graphop.Core[float64] { return &pool[float64]{b: batch, l: length, cfg: m.cfg} },
		ps[0].Node, x, lengths)
	if err != nil {
		return nil, err
	}
	hidden := G.Must(G.Tanh(pooled))
	dropped, err := graphop.Apply(graphop.Spec{Name: "test.drop", Out: hidden.Shape()},
		func() graphop.Core[float32] { return &drop[float32]{p: m.cfg.Drop, counter: m.counter} },
		func() graphop.Core[float64] { return &drop[float64]{p: m.cfg.Drop, counter: m.counter} },
		G.Must(G.BroadcastHadamardProd(hidden, ps[1].Node, nil, []byte{0})))
	if err != nil {
		return nil, err
	}
	flat := G.Must(G.Mul(dropped, ps[2].Node))
	logits, err := graphop.Apply(graphop.Spec{Name: "test.shape", Out: shape},
		func() graphop.Core[float32] { return classesFirst[float32]{rows / batch, m.cfg.Classes} },
		func() graphop.Core[float64] { return classesFirst[float64]{rows / batch, m.cfg.Classes} }, flat)
	if err != nil {
		return nil, err
	}
	loss, err := ops.CrossEntropy(logits, target)
	if err != nil {
		return nil, err
	}
	ranges := map[string]task.Range{task.Target: {High: m.cfg.Classes, Ignored: true}}
	if m.cfg.Vocab > 0 {
		ranges[task.X] = task.Range{High: m.cfg.Vocab}
	}
	return &task.Graph{
		G:      g,
		Inputs: map[string]*G.Node{task.X: x, task.Lengths: lengths, task.Target: target}, Ranges: ranges,
		Loss: loss, Count: task.CountLabels(task.Target), Outputs: map[string]*G.Node{task.Logits: logits}, Params: ps,
	}, nil
}

// pool is the mean of W^T x over the steps of each row, or W^T x of each step.
type pool[T num.Float] struct {
	b, l int
	cfg  tinyConfig
}

// each calls f for every step that is not padding, with the row of the output
// it counts in and its weight there.
func (p *pool[T]) each(lengths []int, f func(step, row int, weight T)) {
	for b := range p.b {
		for t := range lengths[b] {
			if p.cfg.Position {
				f(b*p.l+t, b*p.l+t, 1)
			} else {
				f(b*p.l+t, b, 1/T(lengths[b]))
			}
		}
	}
}

// inputs calls f for every input of a step that is not zero: its row of W and
// its value.
func (p *pool[T]) inputs(x graphop.Arg[T], step int, f func(row int, v T)) {
	if p.cfg.Vocab > 0 {
		f(x.I[step], 1)
		return
	}
	for i := range p.cfg.Features {
		f(i, x.F[step*p.cfg.Features+i])
	}
}

func (p *pool[T]) Forward(out []T, in []graphop.Arg[T]) error {
	clear(out)
	h := p.cfg.Hidden
	p.each(in[2].I, func(step, row int, weight T) {
		p.inputs(in[1], step, func(r int, v T) {
			for j := range h {
				out[row*h+j] += weight * v * in[0].F[r*h+j]
			}
		})
	})
	return nil
}

func (p *pool[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	clear(grad[0])
	h := p.cfg.Hidden
	p.each(in[2].I, func(step, row int, weight T) {
		p.inputs(in[1], step, func(r int, v T) {
			for j := range h {
				grad[0][r*h+j] += weight * v * gout[row*h+j]
			}
		})
	})
	return nil
}

// drop is dropout whose masks come from a counter.
type drop[T num.Float] struct {
	p        float64
	counter  *tensor.Dense
	training bool
	mask     []T
}

func (d *drop[T]) SetTraining(training bool) { d.training = training }

func (d *drop[T]) Forward(out []T, in []graphop.Arg[T]) error {
	copy(out, in[0].F)
	if !d.training {
		return nil
	}
	c := d.counter.Int64s()
	rng := rand.New(rand.NewPCG(3, uint64(c[0])))
	c[0]++
	d.mask = num.Grow(d.mask, len(out))
	for i := range out {
		d.mask[i] = 0
		if rng.Float64() >= d.p {
			d.mask[i] = T(1 / (1 - d.p))
		}
		out[i] *= d.mask[i]
	}
	return nil
}

func (d *drop[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	for i := range gout {
		grad[0][i] = gout[i] * d.mask[i]
	}
	return nil
}

// classesFirst moves the axis of the classes: (B L, C) to (B, C, L).
type classesFirst[T num.Float] struct{ l, c int }

func (x classesFirst[T]) move(n int, f func(from, to int)) {
	for i := range n {
		b, l, c := i/(x.l*x.c), i/x.c%x.l, i%x.c
		f(i, (b*x.c+c)*x.l+l)
	}
}

func (x classesFirst[T]) Forward(out []T, in []graphop.Arg[T]) error {
	x.move(len(out), func(from, to int) { out[to] = in[0].F[from] })
	return nil
}

func (x classesFirst[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	x.move(len(gout), func(from, to int) { grad[0][from] = gout[to] })
	return nil
}

// tokenData are sequences of varying length over a vocabulary; the label is
// the residue that is most frequent among the tokens.
type tokenData struct {
	examples []example
	pad      int           // token
	fail     map[int]error // examples that cannot be read
	lengths  []int         // of the examples, where they do not say
}

// example is tokens or features, with one label or one for each position.
type example struct {
	Tokens   []int
	Features []float32
	Label    int
	Labels   []int
}

func newTokenData(n, minLen, maxLen, vocab, classes int, seed uint64) *tokenData {
	rng := rand.New(rand.NewPCG(seed, 1))
	d := &tokenData{}
	for range n {
		tokens := make([]int, minLen+rng.IntN(maxLen-minLen+1))
		count := make([]int, classes)
		label := rng.IntN(classes)
		for t := range tokens {
			tokens[t] = rng.IntN(vocab)
			if rng.IntN(2) == 0 { // half of the tokens tell
				tokens[t] = tokens[t]/classes*classes + label
				tokens[t] = min(tokens[t], vocab-1)
			}
			count[tokens[t]%classes]++
		}
		best := 0
		for c, k := range count {
			if k > count[best] {
				best = c
			}
		}
		d.examples = append(d.examples, example{Tokens: tokens, Label: best})
	}
	return d
}

func (d *tokenData) Len() int { return len(d.examples) }
func (d *tokenData) Length(i int) int {
	if d.lengths != nil {
		return d.lengths[i]
	}
	return max(len(d.examples[i].Tokens), len(d.examples[i].Labels))
}

// Fields declares what the first example has.
func (d *tokenData) Fields() []task.Field {
	x, y := task.Tokens(task.X, d.pad), task.Label(task.Target)
	if len(d.examples) > 0 {
		if n := len(d.examples[0].Features); n > 0 {
			x = task.Features(task.X, n/d.Length(0))
		}
		if d.examples[0].Labels != nil {
			y = task.Labels(task.Target)
		}
	}
	return []task.Field{x, y}
}

func (d *tokenData) Example(i int, row *task.Row) error {
	if err := d.fail[i]; err != nil {
		return err
	}
	e := d.examples[i]
	if e.Features != nil {
		row.Floats(task.X, e.Features...)
	}
	if e.Tokens != nil {
		row.Ints(task.X, e.Tokens...)
	}
	if e.Labels != nil {
		row.Ints(task.Target, e.Labels...)
	} else {
		row.Ints(task.Target, e.Label)
	}
	return nil
}

// asFeatures gives the examples of d one feature per step, and a label for each.
func (d *tokenData) asFeatures(classes int) *tokenData {
	out := &tokenData{}
	for _, e := range d.examples {
		f := example{Features: make([]float32, 2*len(e.Tokens)), Labels: make([]int, len(e.Tokens))}
		for t, k := range e.Tokens {
			f.Features[2*t], f.Features[2*t+1] = float32(k%classes), 1
			f.Labels[t] = k % classes
		}
		out.examples = append(out.examples, f)
	}
	return out
}
