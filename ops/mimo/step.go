package mimo

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/scan"
)

// Step is the recurrence of a model in one direction, without D,
//
//	s_l = a * s_{l-1} + beta * (B x_l),  y_l = gain Re(C s_l)
//
// O(P H) for each step. States are planes (B, 2P): [Step.Load] and [Step.Store] turn them
// from and to (B, P, 2).
//
// Its parameters do not change; its scratch memory is for one goroutine. [Step.Fork]
// shares the parameters.
type Step[T num.Float] struct {
	*weights[T]
	ws []gemm.Workspace[T] // of each worker
	v  []T                 // (rows, 2P)

	advance, read, write *par.Loop // over blocks of rows

	// Of the call under way.
	rows    int
	block   int // of rows, for a worker
	y, x, u []T
}

// weights are the parameters, prepared.
type weights[T num.Float] struct {
	n, h int // P, H
	a    []T // planes
	b, c gemm.PackedB[T]
}

// NewStep returns the recurrence of P states and H features with the parameters prm, of
// which Poles are (2, 2, P). It returns an error if a size or a length is wrong.
func NewStep[T num.Float](cfg Config, P, H int, prm Params[[]T]) (*Step[T], error) {
	err := size.First(size.Positive("P", P), size.Positive("H", H))
	if err == nil {
		err = size.First(sizes{B: 1, H: H, L: 1, P: P, S: 1}.validate(), num.CheckLen("Poles", prm.Poles, 4*P, false),
			num.CheckLen("B", prm.B, 2*P*H, false), num.CheckLen("C", prm.C, 2*P*H, false))
	}
	if err != nil {
		return nil, fmt.Errorf("mimo: NewStep: %w", err)
	}
	w := &weights[T]{n: P, h: H, a: append([]T(nil), prm.Poles[:2*P]...)}
	room := make([]T, 2*P*H)
	layB(room, prm.B, prm.Poles[2*P:], P, H)
	w.b.Pack(true, H, 2*P, room, H, nil)
	layC(room, prm.C, cfg.gain(), P, H)
	w.c.Pack(true, 2*P, H, room, 2*P, nil)
	return w.step(), nil
}

// blockRows is the largest number of rows that a worker multiplies at a time, and
// rowStep what fewer are a multiple of.
const blockRows, rowStep = 64, 4

// parallelProducts is the number of multiplications from which a call is spread over the
// workers: fewer take about as long as it takes to hand them over.
const parallelProducts = 1 << 17

func (w *weights[T]) step() *Step[T] {
	s := &Step[T]{weights: w, ws: make([]gemm.Workspace[T], par.Workers())}
	loop := func(f func(worker, lo, hi int)) *par.Loop {
		return par.NewLoop(func(worker, i int) { f(worker, i*s.block, min((i+1)*s.block, s.rows)) })
	}
	s.advance, s.read, s.write = loop(s.advanceRows), loop(s.readRows), loop(s.writeRows)
	return s
}

// Fork returns the same recurrence with scratch memory of its own.
func (s *Step[T]) Fork() *Step[T] { return s.step() }

// StateLen returns the length of the states of a batch.
func (s *Step[T]) StateLen(batch int) int { return batch * 2 * s.n }

// Load sets the states x to src (B, P, 2). It returns an error if a length is wrong.
func (s *Step[T]) Load(x, src []T) error {
	if len(x) == 0 || len(x)%(2*s.n) != 0 {
		return fmt.Errorf("mimo: Step.Load: x: want B states of %d elements, got %d elements", 2*s.n, len(x))
	}
	if err := num.CheckLen("src", src, len(x), false); err != nil {
		return fmt.Errorf("mimo: Step.Load: %w", err)
	}
	for at := 0; at < len(x); at += 2 * s.n {
		loadState(x[at:][:2*s.n], src[at:])
	}
	return nil
}

// Store returns the states x as (B, P, 2), where len(x) = StateLen(B).
func (s *Step[T]) Store(x []T) []T {
	dst := make([]T, len(x))
	for at := 0; at+2*s.n <= len(x); at += 2 * s.n {
		storeState(dst[at:][:2*s.n], x[at:])
	}
	return dst
}

// CopyRows copies rows of the states src to the states dst, from row at on. Both are of
// whole batches, and do not overlap.
func (s *Step[T]) CopyRows(dst []T, at int, src []T, rows []int) {
	n := 2 * s.n
	num.CopyRows(dst, len(dst)/n, at, src, len(src)/n, rows, n)
}

// Advance replaces the states x by their successors for the input u (B, H), and writes
// the output (B, H) to y. It returns an error, and changes nothing, if a length is wrong.
func (s *Step[T]) Advance(y, x, u []T) error {
	if err := s.check(y, x, u, len(u)/s.h); err != nil {
		return fmt.Errorf("mimo: Step.Advance: %w", err)
	}
	s.begin(y, x, u)
	if s.rows*4*s.n*s.h < parallelProducts {
		s.advanceRows(0, 0, s.rows)
	} else {
		s.advance.Run(s.blocks())
	}
	s.end()
	return nil
}

// Scan is Advance for the steps u (L, H) of one sequence, one after the other: it writes
// the outputs (L, H) to y, to the bit those of as many steps. It returns an error, and
// changes nothing, if a length is wrong.
func (s *Step[T]) Scan(y, x, u []T) error {
	if err := s.check(y, x, u, 1); err != nil {
		return fmt.Errorf("mimo: Step.Scan: %w", err)
	}
	s.begin(y, x, u)
	s.read.Run(s.blocks())
	scan.Along(scan.Line{P: s.n, Complex: true}, s.v, s.a, x)
	copy(x, s.v[(s.rows-1)*2*s.n:])
	s.write.Run(s.blocks())
	s.end()
	return nil
}

// check checks the lengths of the arguments of a call, with states of so many rows.
func (s *Step[T]) check(y, x, u []T, states int) error {
	rows := len(u) / s.h
	if rows < 1 || len(u) != rows*s.h {
		return fmt.Errorf("u: want rows of %d elements, got %d elements", s.h, len(u))
	}
	return size.First(num.CheckLen("y", y, len(u), false), num.CheckLen("x", x, s.StateLen(states), false))
}

func (s *Step[T]) begin(y, x, u []T) {
	s.rows = len(u) / s.h
	s.block = min(blockRows, par.Share(s.rows, rowStep))
	s.y, s.x, s.u = y, x, u
	s.v = num.Grow(s.v, s.rows*2*s.n)
}

func (s *Step[T]) end() { s.y, s.x, s.u = nil, nil, nil }

// blocks is the number of blocks of rows.
func (s *Step[T]) blocks() int { return (s.rows + s.block - 1) / s.block }

// readRows maps inputs to what they add to the states.
func (s *Step[T]) readRows(worker, lo, hi int) {
	gemm.GemmPackedB(&s.ws[worker], hi-lo, s.u[lo*s.h:], s.h, &s.b, 0, 2*s.n, s.v[lo*2*s.n:], 2*s.n)
}

// writeRows maps states to outputs.
func (s *Step[T]) writeRows(worker, lo, hi int) {
	gemm.GemmPackedB(&s.ws[worker], hi-lo, s.v[lo*2*s.n:], 2*s.n, &s.c, 0, s.h, s.y[lo*s.h:], s.h)
}

// advanceRows advances rows of a batch by a step.
func (s *Step[T]) advanceRows(worker, lo, hi int) {
	w := 2 * s.n
	s.readRows(worker, lo, hi)
	for r := lo; r < hi; r++ {
		scan.Along(scan.Line{P: s.n, Complex: true}, s.v[r*w:][:w], s.a, s.x[r*w:][:w])
	}
	copy(s.x[lo*w:hi*w], s.v[lo*w:])
	s.writeRows(worker, lo, hi)
}
