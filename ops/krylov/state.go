package krylov

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// scan runs the recurrence of every feature for a batch of rows at once, and
// its adjoint, behind graphop. Its inputs are dt and the parts of theta, then
//
//	for the output of a state:  C (CH, H, N), x0 (B, H, N)   to y (B, CH*H, L)
//	for the final state:        u (B, H, L), x0 or nothing   to x (B, H, N)
//
// The adjoint needs every state. They are computed anew in segments of about
// sqrt(L) steps, from the states where the segments begin.
type scan[T num.Float] struct {
	*bank[T]
	batch, ch, l int           // ch is 0 for the final state
	segment      int           // steps
	scratch      []scanScratch // of each worker

	// The call in progress. What is not an input, or has no gradient, is nil.
	out, gout, c, u, x0, gc, gu, gx0 []T
	scanLoop, adjointLoop            func(worker, i int)
}

// scanScratch is the scratch memory of one worker. States are (B, N).
type scanScratch struct {
	ab, gab []float64   // (N, N)
	bb, gbb []float64   // (N)
	starts  [][]float64 // states where the segments begin
	x       [][]float64 // (segment+1) states of a segment
	g, next []float64   // gradient of a state
	c, gc   []float64   // (CH, N)
	ws      gemm.Workspace[float64]
}

// newScan takes what has been checked: the bank cannot fail on it.
func newScan[T num.Float](cfg Config, size Size, batch, ch, l int) *scan[T] {
	b, err := newStepBank[T](cfg, size, structuredKind)
	if err != nil {
		panic(err)
	}
	s := &scan[T]{bank: b, batch: batch, ch: ch, l: l, segment: int(math.Ceil(math.Sqrt(float64(l))))}
	n := size.N
	states := func(count int) [][]float64 {
		x := make([][]float64, count)
		for i := range x {
			x[i] = make([]float64, batch*n)
		}
		return x
	}
	s.scratch = make([]scanScratch, len(b.workers))
	for i := range s.scratch {
		v := func(n int) []float64 { return make([]float64, n) }
		s.scratch[i] = scanScratch{
			ab: v(n * n), gab: v(n * n), bb: v(n), gbb: v(n),
			starts: states((l + s.segment - 1) / s.segment), x: states(s.segment + 1),
			g: v(batch * n), next: v(batch * n), c: v(ch * n), gc: v(ch * n),
		}
	}
	s.scanLoop, s.adjointLoop = s.scanFeature, s.adjointPiece
	return s
}

// bind takes over the inputs, and where their gradients go.
func (s *scan[T]) bind(in []graphop.Arg[T], grad [][]T) {
	own := 1 + len(s.parts)
	s.prm.dt, s.prm.parts = in[0].F, s.prm.parts[:0]
	for _, a := range in[1:own] {
		s.prm.parts = append(s.prm.parts, a.F)
	}
	s.c, s.u, s.x0, s.gc, s.gu, s.gx0 = nil, nil, nil, nil, nil, nil
	first, gFirst := &s.u, &s.gu
	if s.ch > 0 {
		first, gFirst = &s.c, &s.gc
	}
	*first = in[own].F
	if len(in) > own+1 {
		s.x0 = in[own+1].F
	}
	if grad == nil {
		return
	}
	s.bank.grad.set(grad[0], nil, grad[1:own]...)
	*gFirst = grad[own]
	if len(in) > own+1 {
		s.gx0 = grad[own+1]
	}
}

func (s *scan[T]) Forward(out []T, in []graphop.Arg[T]) error {
	s.bind(in, nil)
	if err := s.load(); err != nil {
		return err
	}
	s.out = out
	par.For(s.size.H, s.scanLoop)
	return s.failure("feature")
}

// start discretises feature h and sets x to its initial states.
func (s *scan[T]) start(worker, h int, x []float64) error {
	w := &s.scratch[worker]
	if err := s.workers[worker].step(w.ab, w.bb, s.model(s.theta, h), s.dt[h]); err != nil {
		return err
	}
	n := s.size.N
	for c := range s.ch {
		widen(w.c[c*n:][:n], s.c[(c*s.size.H+h)*n:])
	}
	clear(x)
	if s.x0 != nil {
		for b := range s.batch {
			widen(x[b*n:][:n], s.x0[(b*s.size.H+h)*n:])
		}
	}
	return nil
}

// advance sets dst to the states after step l, x being those before it.
func (s *scan[T]) advance(w *scanScratch, dst, x []float64, h, l int) {
	n := s.size.N
	gemm.Gemm(&w.ws, false, true, s.batch, n, n, x, n, w.ab, n, dst, n, false)
	if s.u == nil {
		return
	}
	for b := range s.batch {
		vec.Axpy(dst[b*n:][:n], float64(s.u[(b*s.size.H+h)*s.l+l]), w.bb)
	}
}

func (s *scan[T]) scanFeature(worker, h int) {
	w, n := &s.scratch[worker], s.size.N
	x, next := w.x[0], w.x[1]
	if s.errs[h] = s.start(worker, h, x); s.errs[h] != nil {
		return
	}
	for l := range s.l {
		s.advance(w, next, x, h, l)
		x, next = next, x
		for b := range s.batch {
			for c := range s.ch {
				s.out[s.row(b, c, h)+l] = T(vec.Dot(x[b*n:][:n], w.c[c*n:][:n]))
			}
		}
	}
	if s.ch > 0 {
		return
	}
	for b := range s.batch {
		round(s.out[(b*s.size.H+h)*n:], x[b*n:][:n])
	}
}

// row returns where row (b, c, h) of an output (B, CH*H, L) begins.
func (s *scan[T]) row(b, c, h int) int { return ((b*s.ch+c)*s.size.H + h) * s.l }

func (s *scan[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	s.bind(in, grad)
	if err := s.load(); err != nil {
		return err
	}
	s.gout = gout
	par.For(s.size.S*s.pieces, s.adjointLoop)
	if err := s.failure("feature"); err != nil {
		return err
	}
	s.storeGrads()
	return nil
}

func (s *scan[T]) adjointPiece(worker, p int) {
	s.eachOfPiece(p, func(h int, sum []float64) error { return s.adjointFeature(worker, h, sum) })
}

func (s *scan[T]) adjointFeature(worker, h int, sum []float64) error {
	w, n := &s.scratch[worker], s.size.N
	if err := s.start(worker, h, w.starts[0]); err != nil {
		return err
	}
	for i := 1; i < len(w.starts); i++ {
		s.states(w, h, i-1)
		copy(w.starts[i], w.x[s.segment])
	}
	clear(w.gab)
	clear(w.gbb)
	clear(w.gc)
	clear(w.g)
	if s.ch == 0 {
		for b := range s.batch {
			widen(w.g[b*n:][:n], s.gout[(b*s.size.H+h)*n:])
		}
	}
	for i := len(w.starts) - 1; i >= 0; i-- {
		count := s.states(w, h, i)
		for k := count - 1; k >= 0; k-- {
			s.adjointStep(w, h, i*s.segment+k, w.x[k], w.x[k+1])
		}
	}
	s.store(w, h)
	gDt := s.workers[worker].stepGrad(sum, s.model(s.theta, h), w.gab, w.gbb)
	if dt := s.bank.grad.dt; dt != nil {
		dt[h] = T(gDt * s.dDt[h])
	}
	return nil
}

// states sets x to the states of segment i, of count steps.
func (s *scan[T]) states(w *scanScratch, h, i int) (count int) {
	copy(w.x[0], w.starts[i])
	count = min(s.segment, s.l-i*s.segment)
	for k := range count {
		s.advance(w, w.x[k+1], w.x[k], h, i*s.segment+k)
	}
	return count
}

// adjointStep takes g from the states after step l to those before it.
func (s *scan[T]) adjointStep(w *scanScratch, h, l int, before, after []float64) {
	n := s.size.N
	for b := range s.batch {
		g := w.g[b*n:][:n]
		for c := range s.ch {
			gy := float64(s.gout[s.row(b, c, h)+l])
			vec.Axpy(g, gy, w.c[c*n:][:n])
			vec.Axpy(w.gc[c*n:][:n], gy, after[b*n:][:n])
		}
		if s.u == nil {
			continue
		}
		i := (b*s.size.H+h)*s.l + l
		vec.Axpy(w.gbb, float64(s.u[i]), g)
		if s.gu != nil {
			s.gu[i] = T(vec.Dot(g, w.bb))
		}
	}
	gemm.Gemm(&w.ws, true, false, n, n, s.batch, w.g, n, before, n, w.gab, n, true)
	gemm.Gemm(&w.ws, false, false, s.batch, n, n, w.g, n, w.ab, n, w.next, n, false)
	w.g, w.next = w.next, w.g
}

// store writes the gradients of C and x0 of feature h.
func (s *scan[T]) store(w *scanScratch, h int) {
	n := s.size.N
	if s.gc != nil {
		for c := range s.ch {
			round(s.gc[(c*s.size.H+h)*n:][:n], w.gc[c*n:])
		}
	}
	if s.gx0 != nil {
		for b := range s.batch {
			round(s.gx0[(b*s.size.H+h)*n:][:n], w.g[b*n:])
		}
	}
}
