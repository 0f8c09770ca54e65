package softmax

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Core is a graphop.Core: its output (B, L) is the negative log-likelihood of each label,
// 0 where there is none.
type Core[T num.Float] struct {
	Config
	of   []tokens // of each map
	maps []*mapper[T]

	work  graphop.Common[[]worker[T]]
	h     graphop.Scratch[T]       // (H, tokens): the hidden vectors, and then their gradients
	x     graphop.Scratch[T]       // (In, tokens): the features, where they are not these
	xg    graphop.Scratch[T]       // (In, tokens): times the gradients of the losses
	dx    graphop.Scratch[T]       // (In, tokens): the gradients of the features
	z     graphop.Scratch[T]       // (classes, tokens): logits, exponentials, probabilities
	top   graphop.Scratch[T]       // (tiles, tokens): the largest logits, and then the factors
	own   graphop.Scratch[T]       // (tokens): the logits of the labels
	gain  graphop.Scratch[T]       // (tokens): the gradients of the losses
	sum   graphop.Scratch[float64] // (tiles, tokens): of exponentials
	total graphop.Scratch[float64] // (tiles, tokens): of logits, with smoothing
	bias  graphop.Scratch[float64] // (classes): the gradients of the biases

	// In training Forward computes the gradients too, of the sum of the losses: with the
	// logits at hand that is one product of four less. They are those of any multiple of
	// it, such as a mean; where tokens count differently Backward begins anew.
	training bool
	ahead    []graphop.Room[T] // of each input
	isAhead  bool
}

// worker is the scratch memory of a worker.
type worker[T num.Float] struct {
	ws   gemm.Workspace[T]
	w    gemm.Packed[T]
	z    []T
	part []T
}

// New returns the core of a configuration.
func New[T num.Float](cfg Config) *Core[T] {
	c := &Core[T]{Config: cfg, of: make([]tokens, len(cfg.Maps)), work: graphop.PerWorker[worker[T]](), ahead: make([]graphop.Room[T], cfg.inputs())}
	for i := range cfg.Maps {
		c.maps = append(c.maps, newMapper(c, &cfg.Maps[i]))
	}
	return c
}

// Rooms implements graphop.Roomy.
func (c *Core[T]) Rooms() []graphop.Holder {
	rooms := []graphop.Holder{&c.work, &c.h, &c.x, &c.xg, &c.dx, &c.z, &c.top, &c.own, &c.gain, &c.sum, &c.total, &c.bias}
	for i := range c.ahead {
		rooms = append(rooms, &c.ahead[i])
	}
	return rooms
}

// SetTraining implements graphop.TrainModer.
func (c *Core[T]) SetTraining(training bool) { c.training = training }

// Forward implements graphop.Core.
func (c *Core[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.isAhead = false
	if err := c.begin(in); err != nil {
		return err
	}
	clear(out)
	var grad [][]T
	if c.training {
		grad = make([][]T, len(c.ahead))
		for i := range c.ahead {
			grad[i] = c.ahead[i].Of(len(in[i].F))
		}
		setZero(grad)
	}
	c.sweep(in, out, nil, grad)
	c.isAhead = c.training
	return nil
}

// Backward implements graphop.Core.
func (c *Core[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	if g, ok := c.factor(gout); ok {
		for i, d := range grad {
			if i < len(c.ahead) && d != nil {
				ahead := c.ahead[i].Of(len(d))
				par.Blocks(len(d), grain, func(_, lo, hi int) { vec.Scale(d[lo:hi], g, ahead[lo:hi]) })
			}
		}
		return nil
	}
	if err := c.begin(in); err != nil {
		return err
	}
	setZero(grad)
	c.sweep(in, nil, gout, grad)
	return nil
}

// factor returns what the gradients that Forward has computed are to be multiplied by, if
// that is all that is left to do.
func (c *Core[T]) factor(gout []T) (g T, ok bool) {
	if !c.isAhead {
		return 0, false
	}
	at := c.of[0].at
	if len(at) > 0 {
		g = gout[at[0]]
	}
	for _, i := range at {
		if gout[i] != g {
			return 0, false
		}
	}
	return g, true
}

// setZero clears slices, spread over the workers.
func setZero[T num.Float](xs [][]T) {
	for _, x := range xs {
		par.Blocks(len(x), grain, func(_, lo, hi int) { clear(x[lo:hi]) })
	}
}

// grain is the number of elements that a worker sets at a time.
const grain = 1 << 15

// begin checks lengths and labels and sorts the tokens.
func (c *Core[T]) begin(in []graphop.Arg[T]) error {
	c.work.Get()
	lens, err := c.lens(in)
	if err != nil {
		return err
	}
	return c.sort(c.of, in[c.Labels].I, lens)
}

// lens returns the lengths, nil if there are none.
func (c *Core[T]) lens(in []graphop.Arg[T]) ([]int, error) {
	if c.Lengths < 0 {
		return nil, nil
	}
	lens := in[c.Lengths].I
	return lens, graphop.ValidLengths(lens, c.L)
}

// sweep adds the losses of all tokens to out, and their gradients to grad, unless these
// are nil. gout is the gradient of the losses, where nil is ones.
func (c *Core[T]) sweep(in []graphop.Arg[T], out, gout []T, grad [][]T) {
	for i, m := range c.maps {
		width := m.width()
		if grad != nil {
			clear(c.bias.Of(m.n))
		}
		for lo := 0; lo < len(c.of[i].at); lo += width {
			hi := min(lo+width, len(c.of[i].at))
			m.run(in, c.of[i].at[lo:hi], c.of[i].class[lo:hi], out, gout, grad)
		}
		m.finish(grad)
	}
}

// tile is a range of classes of a segment.
type tile struct {
	seg    *Segment
	lo, hi int // in the segment
	first  int // class of the map
}

// mapper computes a map.
type mapper[T num.Float] struct {
	*Map
	*Core[T]
	n     int // classes
	tiles []tile

	// Of the tokens under way.
	in        []graphop.Arg[T]
	at, class []int
	runs      []run
}

// maxTile is the largest number of classes in a tile: their logits of one step of
// gemm.GemmPacked stay in the second-level cache with the weights.
const maxTile = 240

// tileOf returns the number of classes in a tile of a map of n.
func tileOf(n int) int {
	const step = 24 // a multiple of the rows of every kernel
	return min(maxTile, max(2*step, (n/16+step-1)/step*step))
}

func newMapper[T num.Float](c *Core[T], m *Map) *mapper[T] {
	p := &mapper[T]{Map: m, Core: c, n: m.classes()}
	size, first := tileOf(p.n), 0
	for i := range m.Segments {
		s := &m.Segments[i]
		for lo := 0; lo < s.Classes; lo += size {
			p.tiles = append(p.tiles, tile{s, lo, min(lo+size, s.Classes), first + lo})
		}
		first += s.Classes
	}
	return p
}

// span is the number of tokens in a piece of work.
const span = 128

// width returns the number of tokens that are under way at a time.
func (m *mapper[T]) width() int {
	const logits = 1 << 23
	return max(1, min(16, logits/m.n/span)) * span
}

// run adds the losses of tokens at places of the batch to out and their gradients to
// grad.
func (m *mapper[T]) run(in []graphop.Arg[T], at, class []int, out, gout []T, grad [][]T) {
	m.in, m.at, m.class = in, at, class
	h := m.gather()
	x := m.features(h)
	if grad == nil {
		m.logits(x, nil, keepNothing)
		m.losses(out, false)
		return
	}
	z := m.z.Of(m.n * len(at))
	m.logits(x, z, keepExponentials)
	m.losses(out, true)
	m.backward(h, x, z, m.gains(gout), grad, m.lessLabels)
}

// gather returns the hidden vectors, (H, tokens).
func (m *mapper[T]) gather() []T {
	n := len(m.at)
	h, from := m.h.Of(m.H*n), m.in[0].F
	m.findRuns()
	par.Blocks(m.H, 16, func(_, lo, hi int) {
		for _, r := range m.runs {
			for f := lo; f < hi; f++ {
				copy(h[f*n+r.first:][:r.n], from[r.place+f*m.L:])
			}
		}
	})
	return h
}

// run is n tokens, from first on, that follow one another in a sequence: the first
// feature of the first is at place of the batch.
type run struct{ first, n, place int }

// findRuns divides the tokens under way into runs.
func (m *mapper[T]) findRuns() {
	m.runs = m.runs[:0]
	for i, at := range m.at {
		if k := len(m.runs) - 1; i > 0 && at == m.at[i-1]+1 && at%m.L != 0 {
			m.runs[k].n++
			continue
		}
		m.runs = append(m.runs, run{i, 1, m.place(at)})
	}
}

// place returns where in hidden the first feature of a step is.
func (c *Core[T]) place(at int) int { return at/c.L*c.H*c.L + at%c.L }

// features returns what the weights are of, (In, tokens).
func (m *mapper[T]) features(h []T) []T {
	if m.Proj < 0 {
		return h
	}
	n, proj := len(m.at), m.in[m.Proj].F
	x := m.x.Of(m.In * n)
	par.Blocks(n, span, func(w, lo, hi int) {
		gemm.Gemm(m.workspace(w), !m.ProjRows, false, m.In, hi-lo, m.H, proj, m.leading(), h[lo:], n, x[lo:], n, false)
	})
	return x
}

// leading returns the leading dimension of the projection.
func (m *mapper[T]) leading() int {
	if m.ProjRows {
		return m.H
	}
	return m.In
}

func (m *mapper[T]) worker(w int) *worker[T]            { return &(*m.work.Get())[w] }
func (m *mapper[T]) workspace(w int) *gemm.Workspace[T] { return &m.worker(w).ws }

// keep is what logits writes to z.
type keep int

const (
	keepNothing      keep = iota // z is nil
	keepExponentials             // of the logits less what top has
	keepLogits
)

// logits computes the logits of the tokens under way, the largest of each tile and the sum
// of the exponentials less that.
func (m *mapper[T]) logits(x, z []T, what keep) {
	n := len(m.at)
	top, sum, own := m.top.Of(len(m.tiles)*n), m.sum.Of(len(m.tiles)*n), m.own.Of(n)
	total := m.totalOf(n)
	par.For(len(m.tiles), func(w, i int) {
		t, k := m.tiles[i], m.worker(w)
		rows := t.hi - t.lo
		k.part = num.Grow(k.part, span)
		weight, bias := m.params(t)
		k.w.Pack(false, rows, m.In, weight, m.In, bias)
		y := k.room(z, t.first*n, rows*n)
		gemm.GemmPacked(&k.ws, &k.w, false, n, x, n, y, n, false, func(j0, j1 int) {
			m.takeLabels(t, own, y, j0, j1)
			if total != nil {
				k.totals(rows, y[j0:], n, total[i*n+j0:i*n+j1])
			}
			e, ld := y[j0:], n
			if what == keepLogits {
				e, ld = k.copy(rows, e, n, j1-j0), span
			}
			k.exponentials(rows, e, ld, top[i*n+j0:i*n+j1], sum[i*n+j0:i*n+j1])
		})
	})
}

// room returns n elements of z, or of the worker's where z is nil.
func (k *worker[T]) room(z []T, at, n int) []T {
	if z != nil {
		return z[at:][:n]
	}
	k.z = num.Grow(k.z, n)
	return k.z
}

// copy returns a copy of the first columns of some rows, of leading dimension span.
func (k *worker[T]) copy(rows int, y []T, ld, columns int) []T {
	k.z = num.Grow(k.z, rows*span)
	for r := range rows {
		copy(k.z[r*span:][:columns], y[r*ld:])
	}
	return k.z
}

// totalOf returns room for the sums of the logits, nil without smoothing.
func (m *mapper[T]) totalOf(n int) []float64 {
	if m.Smoothing == 0 {
		return nil
	}
	return m.total.Of(len(m.tiles) * n)
}

// params returns the weights and the biases of a tile, nil for none.
func (m *mapper[T]) params(t tile) (weight, bias []T) {
	weight = m.in[t.seg.Weight].F[(t.seg.Row+t.lo)*m.In:][:(t.hi-t.lo)*m.In]
	if t.seg.Bias >= 0 {
		bias = m.in[t.seg.Bias].F[t.seg.BiasRow+t.lo:][:t.hi-t.lo]
	}
	return weight, bias
}

// takeLabels keeps the logits of the labels of tokens [j0, j1) that are in a tile.
func (m *mapper[T]) takeLabels(t tile, own, y []T, j0, j1 int) {
	n, rows := len(m.at), t.hi-t.lo
	for j := j0; j < j1 && m.class != nil; j++ {
		if r := m.class[j] - t.first; r >= 0 && r < rows {
			own[j] = y[r*n+j]
		}
	}
}

// exponentials replaces some rows y, as long as top, by the exponentials of the elements
// less the largest of each column, and writes that to top and their sum to sum.
func (k *worker[T]) exponentials(rows int, y []T, ld int, top []T, sum []float64) {
	n := len(top)
	fill(top, lowest[T]()) // finite: a class may have a bias of -Inf
	for r := range rows {
		vec.Max(top, y[r*ld:][:n], top)
	}
	k.sumRows(rows, sum, func(r int) []T {
		e := y[r*ld:][:n]
		vec.Sub(e, e, top)
		vec.Exp(e, e)
		return e
	})
}

// totals writes the sums of the columns of some rows, as long as total, to it.
func (k *worker[T]) totals(rows int, y []T, ld int, total []float64) {
	k.sumRows(rows, total, func(r int) []T { return y[r*ld:][:len(total)] })
}

// sumRows sets sum to the sum of some rows.
func (k *worker[T]) sumRows(rows int, sum []float64, row func(r int) []T) {
	const run = 16 // rows added up in T before they enter a sum
	part := k.part[:len(sum)]
	clear(sum)
	for lo := 0; lo < rows; lo += run {
		clear(part)
		for r := lo; r < min(lo+run, rows); r++ {
			vec.Add(part, part, row(r))
		}
		for i, v := range part {
			sum[i] += float64(v)
		}
	}
}

// lowest returns the least finite number.
func lowest[T num.Float]() T {
	if _, ok := any(T(0)).(float32); ok {
		return -math.MaxFloat32
	}
	v := -math.MaxFloat64
	return T(v)
}

func fill[T num.Float](x []T, v T) {
	for i := range x {
		x[i] = v
	}
}

// losses adds the losses to out, unless it is nil. With factors it turns the largest
// logits of the tiles into what the exponentials of a tile are to be multiplied by.
func (m *mapper[T]) losses(out []T, factors bool) {
	n := len(m.at)
	top, sum, own := m.top.Of(len(m.tiles)*n), m.sum.Of(len(m.tiles)*n), m.own.Of(n)
	total := m.totalOf(n)
	par.Blocks(n, span, func(_, lo, hi int) {
		for j := lo; j < hi; j++ {
			lse := m.logSum(top, sum, j)
			if out != nil {
				out[m.at[j]] += T(lse - m.target(float64(own[j]), total, j))
			}
			if factors {
				for i := range m.tiles {
					top[i*n+j] = T(math.Exp(float64(top[i*n+j]) - lse))
				}
			}
		}
	})
}

// target returns the sum of the logits of token j times its target, of which own is that
// of the label.
func (m *mapper[T]) target(own float64, total []float64, j int) float64 {
	if total == nil {
		return own
	}
	var sum float64
	for i := range m.tiles {
		sum += total[i*len(m.at)+j]
	}
	return (1-m.Smoothing)*own + m.Smoothing/float64(m.n)*sum
}

// logSum returns log(sum(exp(logits))) of token j.
func (m *mapper[T]) logSum(top []T, sum []float64, j int) float64 {
	n := len(m.at)
	most := top[j]
	for i := range m.tiles {
		most = max(most, top[i*n+j])
	}
	var s float64
	for i := range m.tiles {
		s += sum[i*n+j] * math.Exp(float64(top[i*n+j])-float64(most))
	}
	return float64(most) + math.Log(s)
}
