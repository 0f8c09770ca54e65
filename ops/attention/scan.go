package attention

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// scan is what a Step needs to take many steps at once: the core of the whole
// sequence, whose first keys are those of the cache.
type scan[T num.Float] struct {
	core     *softmax[T]
	spaces   []space[T]     // of core
	ws       []scanSpace[T] // of each worker
	position []int
	heads    *par.Loop
}

// scanSpace is the scratch memory of a worker.
type scanSpace[T num.Float] struct {
	rows []T // (L, hd)
	y    []T // (hd, L)
	lse  []T // (L)
}

// fewSteps is the number of steps from which Scan takes them at once: the panels of
// fewer are empty for the most part.
const fewSteps = 8

// Scan is Advance for the steps qkv (L, 3E) of one sequence, one after the other: it
// writes the outputs (L, E) to y. The state is, to the bit, the one that as many steps
// leave; the sums of the softmax are in another order. It returns an error as Advance
// does.
func (s *Step[T]) Scan(y, qkv []T) error {
	steps := len(y) / s.e
	if s.batch != 1 || len(y) != steps*s.e || len(qkv) != 3*len(y) {
		return named("Step.Scan", fmt.Errorf("want a batch of 1, qkv (L, %d) and y (L, %d), got a batch of %d, %d and %d elements", 3*s.e, s.e, s.batch, len(qkv), len(y)))
	}
	if s.Form == Linear || steps < fewSteps {
		for ; len(y) > 0; y, qkv = y[s.e:], qkv[3*s.e:] {
			if err := s.Advance(y[:s.e], qkv[:3*s.e]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.checkSize(1, s.seen(0, steps)); err != nil {
		return named("Step.Scan", err)
	}
	s.reserve(0, s.seen(0, steps))
	s.prepareScan(steps)
	s.y, s.qkv = y, qkv
	s.scan.heads.Run(s.Heads)
	s.y, s.qkv = nil, nil
	s.position[0] += steps
	s.cached[0] += steps
	if s.Window == 0 {
		s.slots += steps
	}
	return nil
}

// prepareScan makes the core one of as many steps, which are at the positions that
// follow.
func (s *Step[T]) prepareScan(steps int) {
	c := s.scan
	if c == nil {
		none := operands{k: -1, v: -1, position: -1, lengths: -1}
		c = &scan[T]{core: newSoftmax[T](dims{Config: s.Config, b: 1, e: s.e, hd: s.hd}, none), ws: make([]scanSpace[T], par.Workers())}
		c.spaces = *c.core.ws.Get()
		c.heads = par.NewLoop(s.scanHead)
		s.scan = c
	}
	c.core.l = steps
	if s.Rotary == NoRotary {
		return
	}
	c.position = c.position[:0]
	for t := range steps {
		c.position = append(c.position, s.position[0]+t)
	}
	s.turn.to(c.position)
}

// scanHead takes the steps of one head.
func (s *Step[T]) scanHead(worker, h int) {
	core, x, w := s.scan.core, &s.scan.spaces[worker], &s.scan.ws[worker]
	steps := core.l
	past := s.cached[0]
	if s.Window > 0 {
		past = min(past, s.Window-1)
	}
	x.hd, x.n, x.past, x.m = s.hd, steps, past, past+steps
	x.q = num.Grow(x.q, (s.hd+1)*steps)[:s.hd*steps]
	x.k, x.v = num.Grow(x.k, (s.hd+1)*x.m)[:s.hd*x.m], num.Grow(x.v, (s.hd+1)*x.m)[:s.hd*x.m]
	w.rows, w.y, w.lse = num.Grow(w.rows, s.hd*steps), num.Grow(w.y, s.hd*steps), num.Grow(w.lse, steps)
	s.scanRows(x.q, steps, w.rows, h, true)
	vec.Scale(x.q, T(s.scale(s.hd)), x.q)
	s.scanRows(x.k[past:], x.m, w.rows, s.Heads+h, true)
	s.scanRows(x.v[past:], x.m, w.rows, 2*s.Heads+h, false)
	c := &s.caches[0]
	s.eachRun(c, h, s.cached[0]-past, past, func(j, n, at, next int) {
		for i := range s.hd {
			copy(x.k[i*x.m+j:][:n], c.keys[at+i*next:])
			copy(x.v[i*x.m+j:][:n], c.values[at+i*next:])
		}
	})
	core.room(x)
	x.packForward()
	for i0 := 0; i0 < steps; i0 += x.w {
		core.queries(x, i0, w.y, w.lse)
	}
	gemm.Transpose(s.y[h*s.hd:], s.e, w.y, steps, s.hd, steps)
	kept := min(steps, c.room)
	s.eachRun(c, h, s.cached[0]+steps-kept, kept, func(j, n, at, next int) {
		from := x.m - kept + j
		for i := range s.hd {
			copy(c.keys[at+i*next:][:n], x.k[i*x.m+from:])
			copy(c.values[at+i*next:][:n], x.v[i*x.m+from:])
		}
	})
}

// scanRows sets dst (hd, L), rows spaced by ld, to part of qkv, the queries, keys or
// values of a head, rotated or not. rows is scratch memory.
func (s *Step[T]) scanRows(dst []T, ld int, rows []T, part int, rotated bool) {
	steps := len(rows) / s.hd
	for t := range steps {
		row := rows[t*s.hd:][:s.hd]
		copy(row, s.qkv[t*3*s.e+part*s.hd:])
		if rotated && s.Rotary != NoRotary {
			s.turn.apply(s.Rotary, t, row)
		}
	}
	gemm.Transpose(dst, ld, rows, s.hd, steps, s.hd)
}

// eachRun calls f for n of the steps of a row, from number first on, as many at a time as
// lie behind each other in the cache of head h: run steps from number first+j on, at
// being the place of the first feature of the first, next the distance to the second
// feature.
func (s *Step[T]) eachRun(c *rowCache[T], h, first, n int, f func(j, run, at, next int)) {
	for j := 0; j < n; {
		i := (first + j) % c.room
		at, next := s.slot(c, h, i)
		run := min(n-j, c.room-i, next-i%next)
		f(j, run, at, next)
		j += run
	}
}
