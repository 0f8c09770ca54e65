package retention

import (
	"slices"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// chunked is the core of plain retention. Within a chunk of n steps, whose queries Q and
// keys K are turned as positions 0, 1, .., with S the state before it turned by a step,
// and columns of steps,
//
//	A = K^T Q, times gamma^(i-j) for the key j of query i >= j, else 0
//	O = V A + S^T Qd,      Qd: column i of Q times gamma^(i+1)
//	U = gamma^n S + Kd V^T, Kd: column j of K times gamma^(n-1-j)
//
// and U turned by n steps is the S of the next chunk, by n-1 the state after this one.
type chunked[T num.Float] struct {
	dims
	places
	withEnd   bool
	turnings  []turning
	qs, ks    turn[T]
	one, next frame[T] // of a step and of a whole chunk
	decays    []decays[T]
	ws        graphop.Common[[]space[T]]
}

// decays are the powers of the decay of a head.
type decays[T num.Float] struct {
	up   []T // gamma^0 .. gamma^C
	down []T // gamma^(C-1) .. gamma^0
}

// ofHeads returns the decays of all heads for chunks of n steps.
func ofHeads[T num.Float](c Config, n int) []decays[T] {
	all := make([]decays[T], c.Heads)
	for h, gamma := range c.Gammas() {
		up := powers[T](gamma, n+1)
		down := slices.Clone(up[:n])
		slices.Reverse(down)
		all[h] = decays[T]{up, down}
	}
	return all
}

// space is the scratch memory of a worker. C is the number of steps of a chunk, which
// rows of steps are spaced by.
type space[T num.Float] struct {
	gemm   gemm.Workspace[T]
	q, k   []T // (dk, C), turned
	qd, kd []T // (dk, C), decayed
	a, da  []T // (C, C), keys by queries
	dq, dk []T // (dk, C)
	states []T // (dk, dv); backward: one for every chunk
	ds     []T // (dk, dv)
}

func newChunked[T num.Float](d dims, at places, withEnd bool) *chunked[T] {
	c := &chunked[T]{dims: d, places: at, withEnd: withEnd, turnings: d.turnings(d.dk), ws: graphop.PerWorker[space[T]]()}
	n := min(d.chunk(), d.l)
	c.Chunk = n
	c.qs, c.ks = newTurn[T](c.turnings, d.dk, n, 1, 1), newTurn[T](c.turnings, d.dk, n, -1, d.keyScale(d.dk))
	c.one, c.next = newFrame[T](c.turnings, d.dv, 1), newFrame[T](c.turnings, d.dv, n)
	c.decays = ofHeads[T](d.Config, n)
	return c
}

// Rooms implements graphop.Roomy.
func (c *chunked[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.ws} }

// each runs f for every head of every row, spread over the workers.
func (c *chunked[T]) each(in []graphop.Arg[T], f func(u *unit[T])) {
	spaces := *c.ws.Get()
	var lengths []int
	if c.lengths >= 0 {
		lengths = in[c.lengths].I
	}
	par.For(c.b*c.Heads, func(worker, i int) {
		u := unit[T]{chunked: c, s: &spaces[worker], i: i, n: graphop.Length(lengths, i/c.Heads, c.l), decays: c.decays[i%c.Heads]}
		u.q, u.k, u.v = u.rows(in[0].F, c.dk), u.rows(in[1].F, c.dk), u.rows(in[2].F, c.dv)
		u.reserve()
		f(&u)
	})
}

// unit is a head of a row: n steps of queries, keys and values, rows spaced by L.
type unit[T num.Float] struct {
	*chunked[T]
	s       *space[T]
	i, n    int
	q, k, v []T
	decays  decays[T]
}

// rows returns the features of the unit, d of x (B, H d, L).
func (u *unit[T]) rows(x []T, d int) []T { return x[u.i*d*u.l:][:d*u.l] }

// state returns that of the unit among those of a batch, nil if there are none.
func (u *unit[T]) state(x []T) []T {
	if x == nil {
		return nil
	}
	n := u.dk * u.dv
	return x[u.i*n:][:n]
}

func (u *unit[T]) reserve() {
	s, n := u.s, u.Chunk
	for _, v := range []*[]T{&s.q, &s.k, &s.qd, &s.kd, &s.dq, &s.dk} {
		*v = num.Grow(*v, u.dk*n)
	}
	s.a, s.da = num.Grow(s.a, n*n), num.Grow(s.da, n*n)
	s.ds = num.Grow(s.ds, u.dk*u.dv)
}

// chunks returns the number of chunks with steps that count.
func (u *unit[T]) chunks() int { return (u.n + u.Chunk - 1) / u.Chunk }

// chunk returns the first step of a chunk and how many there are.
func (u *unit[T]) chunk(i int) (lo, n int) { return i * u.Chunk, min(u.Chunk, u.n-i*u.Chunk) }

// begin sets s to the state at the start, turned by a step.
func (u *unit[T]) begin(s, start []T) {
	if start == nil {
		clear(s)
		return
	}
	copy(s, start)
	u.one.apply(s)
}

// fetch asks for the steps of a chunk, unless there is no such chunk, of some of the unit's
// rows.
func (u *unit[T]) fetch(i int, rows ...[]T) {
	if i < 0 || i >= u.chunks() {
		return
	}
	lo, n := u.chunk(i)
	for _, x := range rows {
		vec.Fetch(x[lo:], u.l, len(x)/u.l, n)
	}
}

// open turns and decays queries and keys of n steps from lo on.
func (u *unit[T]) open(lo, n int) {
	s, ld := u.s, u.Chunk
	u.openKeys(lo, n)
	u.qs.apply(s.q, ld, u.q[lo:], u.l, 0, n)
	for f := range u.dk {
		vec.Mul(s.qd[f*ld:][:n], s.q[f*ld:][:n], u.decays.up[1:n+1])
	}
}

// openKeys is open for keys alone.
func (u *unit[T]) openKeys(lo, n int) {
	s, ld := u.s, u.Chunk
	u.ks.apply(s.k, ld, u.k[lo:], u.l, 0, n)
	for f := range u.dk {
		vec.Mul(s.kd[f*ld:][:n], s.k[f*ld:][:n], u.decays.down[ld-n:])
	}
}

// queriesAtOnce is the number of queries whose products with keys are one product of
// matrices: those of later keys are left out.
const queriesAtOnce = 32

// eachBlock calls f for a few queries of n steps at a time, w from i on, which see keys
// [0, i+w).
func eachBlock(n int, f func(i, w int)) {
	for i := 0; i < n; i += queriesAtOnce {
		f(i, min(queriesAtOnce, n-i))
	}
}

// weights sets A of n steps, as far as it is read: keys [0, i+w) of a block of queries.
func (u *unit[T]) weights(n int) {
	s, ld := u.s, u.Chunk
	eachBlock(n, func(i, w int) {
		gemm.Gemm(&s.gemm, true, false, i+w, w, u.dk, s.k, ld, s.q[i:], ld, s.a[i:], ld, false)
	})
	u.decay(s.a, n)
}

// decay multiplies a (n, n), keys by queries, by the decays, as far as it is read.
func (u *unit[T]) decay(a []T, n int) {
	for j := range n {
		row := a[j*u.Chunk:][:n]
		clear(row[j/queriesAtOnce*queriesAtOnce : j])
		vec.Mul(row[j:], row[j:], u.decays.up[:n-j])
	}
}

// advance replaces the state S of the chunk of n steps from lo on by its U.
func (u *unit[T]) advance(state []T, lo, n int) {
	vec.Scale(state, u.decays.up[n], state)
	gemm.Gemm(&u.s.gemm, false, true, u.dk, u.dv, n, u.s.kd, u.Chunk, u.v[lo:], u.l, state, u.dv, true)
}

func (c *chunked[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if c.lengths >= 0 {
		if err := graphop.ValidLengths(in[c.lengths].I, c.l); err != nil {
			return err
		}
	}
	y, ends := c.split(out)
	starts := floats(in, c.start)
	c.each(in, func(u *unit[T]) {
		u.s.states = num.Grow(u.s.states, c.dk*c.dv)
		u.forward(u.rows(y, c.dv), u.state(starts), u.state(ends))
	})
	return nil
}

// split returns the parts of an output.
func (c *chunked[T]) split(out []T) (y, end []T) {
	if !c.withEnd {
		return out, nil
	}
	n := c.b * c.v * c.l
	return out[:n], out[n:]
}

func (u *unit[T]) forward(y, start, end []T) {
	s, ld := u.s, u.Chunk
	state := s.states
	u.begin(state, start)
	last := u.chunks() - 1
	for i := range last + 1 {
		lo, n := u.chunk(i)
		u.fetch(i+1, u.q, u.k, u.v, y)
		u.open(lo, n)
		u.weights(n)
		gemm.Gemm(&s.gemm, true, false, u.dv, n, u.dk, state, u.dv, s.qd, ld, y[lo:], u.l, false)
		eachBlock(n, func(i, w int) {
			gemm.Gemm(&s.gemm, false, false, u.dv, w, i+w, u.v[lo:], u.l, s.a[i:], ld, y[lo+i:], u.l, true)
		})
		if i == last && end == nil {
			break
		}
		u.advance(state, lo, n)
		u.turnTo(state, i, n, (*frame[T]).apply)
	}
	for f := range u.dv {
		clear(y[f*u.l+u.n : (f+1)*u.l])
	}
	u.end(end, start, state)
}

// turnTo turns U of chunk i of n steps, or its gradient, to the frame of the next chunk,
// or after the last one to that of its last step.
func (u *unit[T]) turnTo(state []T, i, n int, by func(f *frame[T], s []T)) {
	if i < u.chunks()-1 {
		by(&u.next, state)
		return
	}
	f := newFrame[T](u.turnings, u.dv, n-1)
	by(&f, state)
}

// end writes the state after the last step, unless it is not wanted.
func (u *unit[T]) end(end, start, state []T) {
	switch {
	case end == nil:
	case u.n > 0:
		copy(end, state)
	case start != nil:
		copy(end, start)
	default:
		clear(end)
	}
}

func (c *chunked[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	if err := size.Tensor("the states before the chunks of a head (chunks, dk, dv)", (c.l+c.Chunk-1)/c.Chunk, c.dk, c.dv); err != nil {
		return err
	}
	gy, gEnds := c.split(gout)
	starts, dStarts := floats(in, c.start), []T(nil)
	if c.start >= 0 {
		dStarts = grad[c.start]
	}
	c.each(in, func(u *unit[T]) {
		g := gradients[T]{u.rows(grad[0], c.dk), u.rows(grad[1], c.dk), u.rows(grad[2], c.dv)}
		u.backward(g, u.rows(gy, c.dv), u.state(starts), u.state(gEnds), u.state(dStarts))
	})
	return nil
}

// gradients are those of queries, keys and values of a unit, rows spaced by L.
type gradients[T num.Float] struct{ q, k, v []T }

// backward goes through the chunks forward for the state before each, and back.
func (u *unit[T]) backward(g gradients[T], gy, start, gEnd, dStart []T) {
	s, size, last := u.s, u.dk*u.dv, u.chunks()-1
	s.states = num.Grow(s.states, size*max(1, last+1))
	u.begin(s.states[:size], start)
	for i := range max(0, last) {
		lo, n := u.chunk(i)
		next := s.states[(i+1)*size:][:size]
		u.fetch(i+1, u.k, u.v)
		copy(next, s.states[i*size:])
		u.openKeys(lo, n)
		u.advance(next, lo, n)
		u.next.apply(next)
	}
	if gEnd != nil {
		copy(s.ds, gEnd)
	} else {
		clear(s.ds)
	}
	for i := last; i >= 0; i-- {
		lo, n := u.chunk(i)
		u.fetch(i-1, u.q, u.k, u.v, gy, g.q, g.k, g.v)
		u.turnTo(s.ds, i, n, (*frame[T]).back)
		u.open(lo, n)
		u.weights(n)
		u.backwardChunk(g, gy, s.states[i*size:][:size], lo, n)
	}
	if last >= 0 {
		u.one.back(s.ds)
	}
	if dStart != nil {
		copy(dStart, s.ds)
	}
	for _, x := range [][]T{g.q, g.k, g.v} {
		for at := u.n; at < len(x); at += u.l {
			clear(x[at : at+u.l-u.n])
		}
	}
}

// backwardChunk writes the gradients of n steps from lo on, with the state S before
// them, and replaces ds, the gradient of U, by that of S.
func (u *unit[T]) backwardChunk(g gradients[T], gy, state []T, lo, n int) {
	s, ld, dk, dv := u.s, u.Chunk, u.dk, u.dv
	gy, v := gy[lo:], u.v[lo:]
	gemm.Gemm(&s.gemm, true, false, dv, n, dk, s.ds, dv, s.kd, ld, g.v[lo:], u.l, false)
	eachBlock(n, func(i, w int) { // of keys, which queries [i, n) see
		gemm.Gemm(&s.gemm, false, true, dv, w, n-i, gy[i:], u.l, s.a[i*ld+i:], ld, g.v[lo+i:], u.l, true)
	})

	// By way of the state: first, since what it leaves has no decays of single steps.
	gemm.Gemm(&s.gemm, false, false, dk, n, dv, state, dv, gy, u.l, s.dq, ld, false)
	gemm.Gemm(&s.gemm, false, false, dk, n, dv, s.ds, dv, v, u.l, s.dk, ld, false)
	up, down := u.decays.up[1:n+1], u.decays.down[ld-n:]
	for f := range dk {
		vec.Mul(s.dq[f*ld:][:n], s.dq[f*ld:][:n], up)
		vec.Mul(s.dk[f*ld:][:n], s.dk[f*ld:][:n], down)
	}
	vec.Scale(s.ds, u.decays.up[n], s.ds)
	gemm.Gemm(&s.gemm, false, true, dk, dv, n, s.qd, ld, gy, u.l, s.ds, dv, true)

	eachBlock(n, func(i, w int) {
		gemm.Gemm(&s.gemm, true, false, i+w, w, dv, v, u.l, gy[i:], u.l, s.da[i:], ld, false)
	})
	u.decay(s.da, n)
	eachBlock(n, func(i, w int) {
		gemm.Gemm(&s.gemm, false, false, dk, w, i+w, s.k, ld, s.da[i:], ld, s.dq[i:], ld, true)
		gemm.Gemm(&s.gemm, false, true, dk, w, n-i, s.q[i:], ld, s.da[i*ld+i:], ld, s.dk[i:], ld, true)
	})
	u.qs.back(g.q[lo:], u.l, s.dq, ld, 0, n)
	u.ks.back(g.k[lo:], u.l, s.dk, ld, 0, n)
}
