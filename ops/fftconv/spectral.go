package fftconv

import (
	"github.com/gorgonia-s4/s4/internal/fft"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// spectral is the method for long kernels: products of spectra.
//
// Its transforms have length n = 2P and are made of two halves, which are worked
// on one after the other. A kernel of both directions is one periodic sequence
// of length n, with the anticausal samples at negative lags.
//
// A task is a feature or, where there are few, a piece of its batch. Pieces
// share the spectra of the kernels, and each has its own sum for their
// gradients; the sums are added in order.
type spectral[T num.Float] struct {
	geometry
	fft     *fft.Plan[T]
	n       int
	pieces  int // of the batch of each feature
	workers []*scratch[T]
	k       [][]fft.Spectrum[T] // (workers, or with more than one piece H)(CH) kernels and d
	acc     [][]fft.Spectrum[T] // (workers, or with more than one piece H*pieces)(CH) correlations of dy and u

	call                                 *call[T] // in progress
	kernels, forwards, backwards, finals func(worker, i int)
}

// scratch is the memory of one worker.
type scratch[T num.Float] struct {
	row   []T             // (n) kernels of both directions, or their gradients
	z     fft.Spectrum[T] // a result on its way
	u     fft.Spectrum[T] // bins of u
	sum   fft.Spectrum[T] // bins of the gradient of u, with more than one channel
	dy    fft.Planes[T]   // bins of the gradient of y, with more than one channel
	slope fft.Planes[T]   // rows before the activation, then the gradients there
}

// halves of a transform.
var halves = [2]fft.Half{fft.Cyclic, fft.Negacyclic}

const (
	// minTasks is the number of tasks to make of features and pieces.
	minTasks = 32
	// minSamples is the size of u from which a batch is split.
	minSamples = 1 << 15
)

// pieces returns the number of pieces to make of the batch of each feature. It
// does not depend on the number of workers, because results depend on it.
func (g *geometry) pieces() int {
	if g.B*g.H*g.L < minSamples {
		return 1
	}
	return max(1, min(minTasks/g.H, g.pairs()))
}

// pairs returns the number of pairs of rows in the batch of a feature.
func (g *geometry) pairs() int { return (g.B + 1) / 2 }

func newSpectral[T num.Float](g geometry) *spectral[T] {
	return newSpectralPieces[T](g, g.pieces())
}

// newSpectralPieces is newSpectral with the batch of each feature in the given
// number of pieces.
func newSpectralPieces[T num.Float](g geometry, pieces int) *spectral[T] {
	plan := fft.New[T](g.L + g.reach())
	s := &spectral[T]{geometry: g, fft: plan, n: 2 * plan.Len(), pieces: pieces}
	s.workers = make([]*scratch[T], min(par.Workers(), g.H*s.pieces))
	s.k = make([][]fft.Spectrum[T], len(s.workers))
	if s.split() {
		s.k = make([][]fft.Spectrum[T], g.H)
	}
	for i := range s.workers {
		z := plan.NewSpectra(2)
		s.workers[i] = &scratch[T]{row: num.Aligned[T](s.n), z: z[0], u: z[1]}
	}
	for i := range s.k {
		s.k[i] = plan.NewSpectra(g.CH)
	}
	s.kernels = func(worker, h int) { s.kernelsOf(s.k[h], s.workers[worker], h) }
	s.forwards, s.backwards, s.finals = s.forwardTask, s.backwardTask, s.finalTask
	return s
}

// split reports whether a task is less than a feature.
func (s *spectral[T]) split() bool { return s.pieces > 1 }

// growBackward makes the memory that backward needs: a plan that only runs
// forward has no use for it.
func (s *spectral[T]) growBackward() {
	if s.acc != nil {
		return
	}
	s.acc = make([][]fft.Spectrum[T], len(s.workers))
	if s.split() {
		s.acc = make([][]fft.Spectrum[T], s.H*s.pieces)
	}
	for i := range s.acc {
		s.acc[i] = s.fft.NewSpectra(s.CH)
	}
	for _, w := range s.workers {
		if s.CH > 1 {
			w.sum, w.dy = s.fft.NewSpectra(1)[0], s.fft.NewPlanes(1)[0]
		}
		if s.activation != ops.ActIdentity {
			w.slope = fft.Planes[T]{Re: num.Aligned[T](s.L), Im: num.Aligned[T](s.L)}
		}
	}
}

func (s *spectral[T]) forward(a *call[T]) {
	s.call = a
	if s.split() {
		par.For(s.H, s.kernels)
	}
	par.For(s.H*s.pieces, s.forwards)
	s.call = nil
}

func (s *spectral[T]) backward(a *call[T]) {
	s.call = a
	s.growBackward()
	if s.split() {
		par.For(s.H, s.kernels)
	}
	par.For(s.H*s.pieces, s.backwards)
	if s.split() {
		par.For(s.H, s.finals)
	}
	s.call = nil
}

// task returns the feature of a task, the spectra of its kernels, and the rows of
// the batch that are its own, from lo to hi.
func (s *spectral[T]) task(worker, i int) (h int, k []fft.Spectrum[T], lo, hi int) {
	if !s.split() {
		s.kernelsOf(s.k[worker], s.workers[worker], i)
		return i, s.k[worker], 0, s.B
	}
	h, i = i/s.pieces, i%s.pieces
	lo, hi = 2*(i*s.pairs()/s.pieces), 2*((i+1)*s.pairs()/s.pieces)
	return h, s.k[h], lo, min(hi, s.B)
}

func (s *spectral[T]) forwardTask(worker, i int) {
	w := s.workers[worker]
	h, k, lo, hi := s.task(worker, i)
	for b := lo; b < hi; b += 2 {
		ua, ub := s.pairU(s.call.in.U, b, h)
		if s.CH > 1 {
			s.binsOfU(w, ua, ub)
		}
		for c := range s.CH {
			ya, yb := s.pairY(s.call.y, b, c, h)
			for _, half := range halves {
				if s.CH == 1 {
					s.fft.Convolve(half, w.z[half], ua, ub, k[c][half])
				} else {
					s.fft.Multiply(half, w.z[half], k[c][half], w.u[half])
				}
				if half == fft.Cyclic {
					s.fft.Prefetch(ya, yb)
				}
			}
			if b+2 < hi {
				s.fft.Prefetch(s.pairU(s.call.in.U, b+2, h))
			}
			s.fft.Store(ya, yb, w.z)
			s.activate(ya, yb)
		}
	}
}

// activate applies the activation to rows just written, which are still in the
// cache.
func (s *spectral[T]) activate(a, b []T) {
	if s.activation == ops.ActGELU {
		vec.GELU(a, a)
		vec.GELU(b, b)
	}
}

// binsOfU sets both halves of u.
func (s *spectral[T]) binsOfU(w *scratch[T], ua, ub []T) {
	for _, half := range halves {
		s.fft.Forward(half, w.u[half], ua, ub)
	}
}

func (s *spectral[T]) backwardTask(worker, i int) {
	h, k, lo, hi := s.task(worker, i)
	acc := s.acc[worker]
	if s.split() {
		acc = s.acc[i]
	}
	for c := range acc {
		acc[c][fft.Cyclic].Clear()
		acc[c][fft.Negacyclic].Clear()
	}
	w := s.workers[worker]
	for b := lo; b < hi; b += 2 {
		if s.CH == 1 {
			s.backwardPair(w, k[0], acc[0], b, h)
		} else {
			s.backwardChannels(w, k, acc, b, h)
		}
	}
	if !s.split() {
		s.gradients(w, acc, h)
	}
}

// finalTask adds up the pieces of feature h.
func (s *spectral[T]) finalTask(worker, h int) {
	acc := s.acc[h*s.pieces:][:s.pieces]
	for _, piece := range acc[1:] {
		for c := range piece {
			for _, half := range halves {
				vec.Add(acc[0][c][half].Re, acc[0][c][half].Re, piece[c][half].Re)
				vec.Add(acc[0][c][half].Im, acc[0][c][half].Im, piece[c][half].Im)
			}
		}
	}
	s.gradients(s.workers[worker], acc[0], h)
}

// toU reports whether the gradient of u is wanted, toK that of k or d.
func (a *call[T]) toU() bool { return a.grad.U != nil }
func (a *call[T]) toK() bool { return a.grad.K != nil || a.grad.D != nil }

// backwardPair adds the correlations of the rows b and b+1 to acc and writes
// their part of the gradient of u, as asked for. There is one channel.
func (s *spectral[T]) backwardPair(w *scratch[T], k, acc fft.Spectrum[T], b, h int) {
	a := s.call
	u := w.u
	ua, ub := s.pairU(a.in.U, b, h)
	ga, gb := s.pairY(a.y, b, 0, h)
	s.fft.Prefetch(ga, gb)
	if s.activation == ops.ActIdentity {
		u[fft.Negacyclic] = u[fft.Cyclic] // one half at a time: less of the cache
	} else {
		s.binsOfU(w, ua, ub)
		ga, gb = s.beforeActivation(w, k, ga, gb)
	}
	for _, half := range halves {
		if a.toK() && s.activation == ops.ActIdentity {
			s.fft.Forward(half, u[half], ua, ub)
		}
		switch {
		case !a.toU():
			s.fft.Forward(half, w.z[half], ga, gb)
			fft.MulAddConj(acc[half], u[half], w.z[half])
		case a.toK():
			s.fft.Backward(half, w.z[half], ga, gb, k[half], u[half], acc[half])
		default:
			s.fft.Correlate(half, w.z[half], ga, gb, k[half])
		}
		if half == fft.Cyclic && a.toU() {
			s.fft.Prefetch(s.pairU(a.grad.U, b, h))
		}
	}
	if b+2 < s.B {
		s.fft.Prefetch(s.pairU(a.in.U, b+2, h))
	}
	if a.toU() {
		da, db := s.pairU(a.grad.U, b, h)
		s.fft.Store(da, db, w.z)
	}
}

// backwardChannels is backwardPair for more than one channel.
func (s *spectral[T]) backwardChannels(w *scratch[T], k, acc []fft.Spectrum[T], b, h int) {
	a := s.call
	ua, ub := s.pairU(a.in.U, b, h)
	s.binsOfU(w, ua, ub)
	w.sum[fft.Cyclic].Clear()
	w.sum[fft.Negacyclic].Clear()
	for c := range s.CH {
		ga, gb := s.pairY(a.y, b, c, h)
		if s.activation != ops.ActIdentity {
			ga, gb = s.beforeActivation(w, k[c], ga, gb)
		}
		for _, half := range halves {
			s.fft.Forward(half, w.dy, ga, gb)
			if a.toK() {
				fft.MulAddConj(acc[c][half], w.u[half], w.dy)
			}
			if a.toU() {
				fft.MulAddConj(w.sum[half], k[c][half], w.dy)
			}
		}
	}
	if a.toU() {
		for _, half := range halves {
			s.fft.Inverse(half, w.sum[half])
		}
		da, db := s.pairU(a.grad.U, b, h)
		s.fft.Store(da, db, w.sum)
	}
}

// beforeActivation returns the gradients before the activation, given those after
// it, of a pair of rows of which u has the bins. The rows are computed again: to
// keep them from the forward pass would take longer, besides the memory.
func (s *spectral[T]) beforeActivation(w *scratch[T], k fft.Spectrum[T], ga, gb []T) (a, b []T) {
	for _, half := range halves {
		s.fft.Multiply(half, w.z[half], k[half], w.u[half])
	}
	a = w.slope.Re
	if gb != nil {
		b = w.slope.Im
	}
	s.fft.Store(a, b, w.z)
	vec.GELUGrad(a, a, ga)
	vec.GELUGrad(b, b, gb)
	return a, b
}

// pairU returns rows b and b+1 of an array like u; the second is nil where
// there is none.
func (s *spectral[T]) pairU(x []T, b, h int) (first, second []T) {
	first = row(x, s.L, s.uRow(b, h))
	if b+1 < s.B {
		second = row(x, s.L, s.uRow(b+1, h))
	}
	return first, second
}

// pairY is pairU for an array like y.
func (s *spectral[T]) pairY(x []T, b, c, h int) (first, second []T) {
	first = row(x, s.L, s.yRow(b, c, h))
	if b+1 < s.B {
		second = row(x, s.L, s.yRow(b+1, c, h))
	}
	return first, second
}

// kernelsOf sets k to the spectra of the kernels of feature h with d at lag zero,
// divided by n.
func (s *spectral[T]) kernelsOf(k []fft.Spectrum[T], w *scratch[T], h int) {
	a := s.call
	for c := range k {
		r := s.kernel(w.row, a, c, h)
		vec.Scale(r, 1/T(s.n), r)
		if a.in.D != nil {
			r[0] += a.in.D[s.dAt(c, h)] / T(s.n)
		}
		for _, half := range halves {
			s.fft.Forward(half, k[c][half], r, nil)
		}
	}
}

// kernel copies the samples of a kernel that have an effect to r, and the
// anticausal ones, if there are any, to n minus their lag.
func (s *spectral[T]) kernel(r []T, a *call[T], c, h int) []T {
	k := row(a.in.K, s.LK, s.kRow(0, c, h))[:s.taps[0]]
	if s.directions == 1 {
		return r[:copy(r, k)]
	}
	clear(r[copy(r, k):])
	for m, w := range row(a.in.K, s.LK, s.kRow(1, c, h))[:s.taps[1]] {
		r[s.anticausal(m)] += w
	}
	return r
}

// anticausal returns where sample m of an anticausal kernel is in a periodic
// sequence of length n.
func (s *spectral[T]) anticausal(m int) int { return (s.n - m - s.skip) % s.n }

// gradients turns acc into the gradients of the kernels and of d of feature h.
func (s *spectral[T]) gradients(w *scratch[T], acc []fft.Spectrum[T], h int) {
	a := s.call
	if !a.toK() {
		return
	}
	for c := range acc {
		r := w.row
		if s.directions == 1 {
			r = r[:s.taps[0]]
		}
		for _, half := range halves {
			s.fft.Inverse(half, acc[c][half])
		}
		s.fft.Store(r, nil, acc[c])
		if a.grad.D != nil {
			a.grad.D[s.dAt(c, h)] = r[0] / T(s.n)
		}
		for dir := range s.directions {
			if a.grad.K != nil {
				s.gradK(row(a.grad.K, s.LK, s.kRow(dir, c, h)), r, dir)
			}
		}
	}
}

// gradK writes the gradient of a kernel, which r has at its place in a periodic
// sequence, times n.
func (s *spectral[T]) gradK(dk, r []T, dir int) {
	scale := 1 / T(s.n)
	taps := s.taps[dir]
	clear(dk[taps:])
	if dir == 0 {
		vec.Scale(dk[:taps], scale, r[:taps])
		return
	}
	for m := range dk[:taps] {
		dk[m] = scale * r[s.anticausal(m)]
	}
}
