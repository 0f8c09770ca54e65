package attention

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// heads reads what one head of one row works on off the inputs of an op, and
// writes its gradients back.
type heads[T num.Float] struct {
	dims
	operands
	waves waves
}

func newHeads[T num.Float](d dims, o operands) heads[T] {
	h := heads[T]{dims: d, operands: o}
	if d.Rotary != NoRotary {
		h.waves = newWaves(d.hd/2, float64(d.hd), d.base())
	}
	return h
}

// begin checks what is known when the graph runs.
func (h *heads[T]) begin(in []graphop.Arg[T]) error {
	if err := graphop.ValidLengths(ints(in, h.lengths), h.l); err != nil {
		return err
	}
	for b, v := range floats(in, h.position) {
		if err := validPosition("position", b, float64(v), size.MaxLength); err != nil {
			return err
		}
	}
	if h.Rotary != NoRotary {
		h.waves.reach(h.l)
	}
	return nil
}

// each runs f for every head of every row, spread over the workers.
func (h *heads[T]) each(f func(worker, u int)) { par.For(h.b*h.Heads, f) }

// head is one head of one row: n queries, and m = past + n keys and values, of
// which the first are those of a cache. They are rows of features, (hd, n) and
// (hd, m).
type head[T num.Float] struct {
	hd, n, past, m int
	q, k, v        []T // have room for one more feature
	dq, dk, dv     []T // gradients
	rot            rotation[T]
}

// counts sets the numbers of steps of unit u.
func (h *heads[T]) counts(s *head[T], in []graphop.Arg[T], u int) {
	b := u / h.Heads
	s.hd, s.n, s.past = h.hd, graphop.Length(ints(in, h.lengths), b, h.l), 0
	if h.position >= 0 {
		s.past = min(int(in[h.position].F[b]), h.slots)
	}
	s.m = s.past + s.n
}

// part returns queries, keys or values of unit u, rows spaced by L.
func (h *heads[T]) part(x []T, which, u int) []T {
	b, i := u/h.Heads, u%h.Heads
	return x[((b*3+which)*h.e+i*h.hd)*h.l:][:h.hd*h.l]
}

// output returns the output of unit u, rows spaced by L.
func (h *heads[T]) output(y []T, u int) []T { return y[u*h.hd*h.l:][:h.hd*h.l] }

// cached returns the valid slots of a cache of unit u, (past, hd).
func (h *heads[T]) cached(x []T, u, past int) []T {
	return x[(u*h.slots+h.slots-past)*h.hd:][:past*h.hd]
}

// read fills s with unit u. Queries are multiplied by scale.
func (h *heads[T]) read(s *head[T], in []graphop.Arg[T], u int, scale T) {
	h.counts(s, in, u)
	x := in[0].F
	h.turn(s, in, u)
	size, room := s.hd*s.m, (s.hd+1)*s.m
	s.q = num.Grow(s.q, (s.hd+1)*s.n)[:s.hd*s.n]
	s.k, s.v = num.Grow(s.k, room)[:size], num.Grow(s.v, room)[:size]
	h.readRows(s, s.q, s.n, h.part(x, 0, u), true)
	vec.Scale(s.q, scale, s.q)
	if s.past > 0 {
		transpose(s.k, s.m, h.cached(in[h.k].F, u, s.past), s.hd)
		transpose(s.v, s.m, h.cached(in[h.v].F, u, s.past), s.hd)
	}
	if s.n == 0 {
		return
	}
	h.readRows(s, s.k[s.past:], s.m, h.part(x, 1, u), true)
	h.readRows(s, s.v[s.past:], s.m, h.part(x, 2, u), false)
}

// readRows sets dst (hd, n), rows spaced by ld, to rows of src, rotated or not.
func (h *heads[T]) readRows(s *head[T], dst []T, ld int, src []T, rotated bool) {
	if rotated && h.Rotary != NoRotary {
		s.rot.apply(dst, ld, src, h.l, 1)
		return
	}
	for i := range s.hd {
		copy(dst[i*ld:][:s.n], src[i*h.l:])
	}
}

// turn prepares the rotation of unit u.
func (h *heads[T]) turn(s *head[T], in []graphop.Arg[T], u int) {
	if h.Rotary == NoRotary {
		return
	}
	r := &s.rot
	r.kind, r.n, r.hd = h.Rotary, s.n, h.hd
	r.cos, r.sin = num.Grow(r.cos, h.hd/2*s.n), num.Grow(r.sin, h.hd/2*s.n)
	position := starts(floats(in, h.position))(u / h.Heads)
	for i := range h.hd / 2 {
		waveRow(h.waves, r.cos[i*s.n:][:s.n], r.sin[i*s.n:][:s.n], i, position)
	}
}

// write writes the gradients of s, that of the queries multiplied by scale.
func (h *heads[T]) write(s *head[T], grad [][]T, u int, scale T) {
	vec.Scale(s.dq, scale, s.dq)
	h.writeRows(s, h.part(grad[0], 0, u), s.dq, s.n, true)
	h.writeRows(s, h.part(grad[0], 1, u), from(s.dk, s.past), s.m, true)
	h.writeRows(s, h.part(grad[0], 2, u), from(s.dv, s.past), s.m, false)
	h.writeCache(at(grad, h.k), s.dk, s, u)
	h.writeCache(at(grad, h.v), s.dv, s, u)
}

// writeRows is readRows backward: rows of dst are set to src (hd, n), rotated
// back or not, and to zero behind.
func (h *heads[T]) writeRows(s *head[T], dst, src []T, ld int, rotated bool) {
	if rotated && h.Rotary != NoRotary {
		s.rot.apply(dst, h.l, src, ld, -1)
	}
	for i := range s.hd {
		row := dst[i*h.l:][:h.l]
		if !rotated || h.Rotary == NoRotary {
			copy(row, from(src, i*ld)[:s.n])
		}
		clear(row[s.n:])
	}
}

// writeCache writes the gradient of the slots of a cache, unless it is nil.
func (h *heads[T]) writeCache(grad, d []T, s *head[T], u int) {
	if grad == nil || h.Form == Linear {
		return
	}
	clear(grad[u*h.slots*h.hd:][:(h.slots-s.past)*h.hd])
	to := h.cached(grad, u, s.past)
	for i := range s.hd {
		for j := range s.past {
			to[j*s.hd+i] = d[i*s.m+j]
		}
	}
}

// transpose sets rows of dst, spaced by ld, to the columns of src, which has
// rows of hd.
func transpose[T num.Float](dst []T, ld int, src []T, hd int) {
	for i := range hd {
		row := dst[i*ld:]
		for j := range len(src) / hd {
			row[j] = src[j*hd+i]
		}
	}
}

// from returns x[off:], or nil if x is shorter.
func from[T any](x []T, off int) []T {
	if off >= len(x) {
		return nil
	}
	return x[off:]
}
