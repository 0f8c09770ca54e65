package fftconv

import (
	"github.com/gorgonia-s4/s4/internal/fft"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
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
	fft    *fft.Plan[T]
	n      int
	pieces int // of the batch of each feature

	*spectralSpace[T] // during a call
	space             graphop.Common[spectralSpace[T]]

	call                                 *call[T] // in progress
	kernels, forwards, backwards, finals func(worker, i int)
}

// spectralSpace is the scratch memory of a call.
type spectralSpace[T num.Float] struct {
	workers []*scratch[T]
	k       [][]fft.Spectrum[T] // (workers, or with more than one piece H)(CH) kernels and d
	acc     [][]fft.Spectrum[T] // (workers, or with more than one piece H*pieces)(CH) correlations of dy and u
}

// scratch is the memory of one worker.
type scratch[T num.Float] struct {
	row           []T             // (n) kernels of both directions, or their gradients
	z             fft.Spectrum[T] // a result on its way
	u             fft.Spectrum[T] // bins of u
	sum           fft.Spectrum[T] // bins of the gradient of u, with more than one channel
	dy            fft.Planes[T]   // bins of the gradient of y, with more than one channel
	uRoom, dyRoom room[T]         // rows of u and of the gradient of y
	dyA, dyB      [][]T           // (CH) rows of the gradient of y
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
	workers, spectra := min(par.Workers(), g.H*s.pieces), g.H
	if !s.split() {
		spectra = workers
	}
	key := [...]int{s.n, g.L, g.CH, g.H * s.pieces, workers, spectra}
	s.space = graphop.NewCommon(key, func() *spectralSpace[T] { return newSpectralSpace(plan, g.L, g.CH, workers, spectra) })
	s.kernels = func(worker, h int) { s.kernelsOf(s.k[h], s.workers[worker], h) }
	s.forwards, s.backwards, s.finals = s.forwardTask, s.backwardTask, s.finalTask
	return s
}

// newSpectralSpace returns the memory that forward needs, for rows of l samples and
// some channels.
func newSpectralSpace[T num.Float](plan *fft.Plan[T], l, channels, workers, spectra int) *spectralSpace[T] {
	s := &spectralSpace[T]{workers: make([]*scratch[T], workers), k: make([][]fft.Spectrum[T], spectra)}
	for i := range s.workers {
		z := plan.NewSpectra(2)
		s.workers[i] = &scratch[T]{row: num.Aligned[T](2 * plan.Len()), z: z[0], u: z[1], uRoom: newRoom[T](l)}
	}
	for i := range s.k {
		s.k[i] = plan.NewSpectra(channels)
	}
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
		w.dyRoom = newRoom[T](s.L)
		w.dyA, w.dyB = make([][]T, s.CH), make([][]T, s.CH)
	}
}

func (s *spectral[T]) forward(a *call[T]) {
	s.call, s.spectralSpace = a, s.space.Get()
	if s.split() {
		par.For(s.H, s.kernels)
	}
	par.For(s.H*s.pieces, s.forwards)
	s.call = nil
}

func (s *spectral[T]) backward(a *call[T]) {
	s.call, s.spectralSpace = a, s.space.Get()
	s.growBackward()
	if s.split() {
		par.For(s.H, s.kernels)
	}
	par.For(s.H*s.pieces, s.backwards)
	if s.split() {
		par.For(s.H, s.finals)
	}
	for _, w := range s.workers { // the arrays are the caller's
		clear(w.dyA)
		clear(w.dyB)
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
		s.forwardRows(w, k, b, s.partner(b), h)
	}
}

// partner returns the row that row i of the batch is paired with, none if there
// is none.
func (s *spectral[T]) partner(i int) int {
	if i+1 < s.B {
		return i + 1
	}
	return none
}

// forwardRows writes the output of rows i and j of the batch, of feature h. j
// may be none.
func (s *spectral[T]) forwardRows(w *scratch[T], k []fft.Spectrum[T], i, j, h int) {
	a := s.call
	u, ok := w.uRoom.pair(s.counting(s.pairU(a.in.U, i, j, h)))
	switch {
	case !ok:
		s.forwardRows(w, k, i, none, h)
		s.forwardRows(w, k, j, none, h)
		return
	case j == none && areZero([][]T{u.a}):
		for c := range s.CH {
			s.pairY(a.y, i, j, c, h).clear()
		}
		return
	}
	if s.CH > 1 {
		s.binsOfU(w, u)
	}
	for c := range s.CH {
		y := s.pairY(a.y, i, j, c, h)
		for _, half := range halves {
			if s.CH == 1 {
				s.fft.Convolve(half, w.z[half], u.a, u.b, k[c][half])
			} else {
				s.fft.Multiply(half, w.z[half], k[c][half], w.u[half])
			}
			if half == fft.Cyclic {
				s.fft.Prefetch(y.a, y.b)
			}
		}
		s.prefetchU(i+2, h)
		s.store(y, w.z, u)
	}
}

// binsOfU sets both halves of u.
func (s *spectral[T]) binsOfU(w *scratch[T], u pair[T]) {
	for _, half := range halves {
		s.fft.Forward(half, w.u[half], u.a, u.b)
	}
}

// prefetchU brings the rows of u that are next into the cache.
func (s *spectral[T]) prefetchU(i, h int) {
	if i < s.B {
		u := s.pairU(s.call.in.U, i, s.partner(i), h)
		s.fft.Prefetch(u.a, u.b)
	}
}

// store writes the result z of rows that were scaled as p is to the rows x, and
// zeros behind their lengths.
func (s *spectral[T]) store(x rows[T], z fft.Spectrum[T], p pair[T]) {
	n := len(p.a)
	if x.b == nil {
		s.fft.Store(x.a[:n], nil, z)
	} else {
		s.fft.Store(x.a[:n], x.b[:n], z)
		s.finish(x.b, x.j, p.eb)
	}
	s.finish(x.a, x.i, p.ea)
}

// finish undoes the scale of a row just written, and clears what is behind its
// length.
func (s *spectral[T]) finish(x []T, i, e int) {
	n := s.call.length(i, s.L)
	if e != 0 {
		scale(x[:n], x[:n], -e)
	}
	clear(x[n:])
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
		s.backwardRows(w, k, acc, b, s.partner(b), h)
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

// backwardRows adds the correlations of rows i and j of the batch to acc and
// writes their part of the gradient of u, as asked for. j may be none.
func (s *spectral[T]) backwardRows(w *scratch[T], k, acc []fft.Spectrum[T], i, j, h int) {
	if !s.backwardPair(w, k, acc, i, j, h) {
		s.backwardPair(w, k, acc, i, none, h)
		s.backwardPair(w, k, acc, j, none, h)
	}
}

// backwardPair is backwardRows for rows that may share a transform. Where they
// may not, it returns false and adds nothing.
//
// The gradient of a kernel is the real part of what conj(u) dy transforms to,
// the products of each row with its own gradient. Those with the gradient of the
// other row are the imaginary part, but their rounding is in both. So u is
// scaled by the inverse of what brings dy to one size: the real part is what it
// was, and the imaginary part no larger.
func (s *spectral[T]) backwardPair(w *scratch[T], k, acc []fft.Spectrum[T], i, j, h int) bool {
	a := s.call
	ua, ub := s.counting(s.pairU(a.in.U, i, j, h))
	var du rows[T]
	if a.toU() {
		du = s.pairU(a.grad.U, i, j, h)
	}
	for c := range s.CH {
		w.dyA[c], w.dyB[c] = s.counting(s.pairY(a.y, i, j, c, h))
	}
	s.fft.Prefetch(w.dyA[0], w.dyB[0])
	ea, eb, ok := exponents(w.dyA, w.dyB)
	switch {
	case !ok:
		return false
	case j == none && areZero(w.dyA):
		du.clear()
		return true
	}
	var u pair[T]
	if a.toK() {
		u = w.uRoom.fit(ua, ub, -ea, -eb)
	}
	z, dy := w.z, w.dyRoom.fit(w.dyA[0], w.dyB[0], ea, eb)
	if s.CH == 1 {
		s.backwardChannel(w, k[0], acc[0], u, dy, du)
	} else {
		z = w.sum
		s.backwardChannels(w, k, acc, u, dy)
	}
	s.prefetchU(i+2, h)
	if a.toU() {
		s.store(du, z, dy)
	}
	return true
}

// backwardChannel adds the correlation of u and dy to acc and sets w.z to the
// gradient of u, which is to be stored in du, as asked for. There is one channel.
func (s *spectral[T]) backwardChannel(w *scratch[T], k, acc fft.Spectrum[T], u, dy pair[T], du rows[T]) {
	a := s.call
	bins := w.u
	if u.a != nil {
		bins[fft.Negacyclic] = bins[fft.Cyclic] // one half at a time: less of the cache
	}
	for _, half := range halves {
		if u.a != nil {
			s.fft.Forward(half, bins[half], u.a, u.b)
		}
		switch {
		case !a.toU():
			s.fft.Forward(half, w.z[half], dy.a, dy.b)
			fft.MulAddConj(acc[half], bins[half], w.z[half])
		case a.toK():
			s.fft.Backward(half, w.z[half], dy.a, dy.b, k[half], bins[half], acc[half])
		default:
			s.fft.Correlate(half, w.z[half], dy.a, dy.b, k[half])
		}
		if half == fft.Cyclic {
			s.fft.Prefetch(du.a, du.b)
		}
	}
}

// backwardChannels is backwardChannel for more than one, into w.sum. dy is that
// of the first, and the others are scaled as it is.
func (s *spectral[T]) backwardChannels(w *scratch[T], k, acc []fft.Spectrum[T], u, dy pair[T]) {
	a := s.call
	if u.a != nil {
		s.binsOfU(w, u)
	}
	w.sum[fft.Cyclic].Clear()
	w.sum[fft.Negacyclic].Clear()
	for c := range s.CH {
		dy = w.dyRoom.fit(w.dyA[c], w.dyB[c], dy.ea, dy.eb)
		for _, half := range halves {
			s.fft.Forward(half, w.dy, dy.a, dy.b)
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
	}
}

// none is the number of a row that there is not.
const none = -1

// rows is rows i and j of the batch of an array; b is nil where j is none.
type rows[T num.Float] struct {
	a, b []T
	i, j int
}

// clear sets the rows to zero.
func (r rows[T]) clear() {
	clear(r.a)
	clear(r.b)
}

// pairU returns rows i and j of an array like u.
func (s *spectral[T]) pairU(x []T, i, j, h int) rows[T] {
	r := rows[T]{a: row(x, s.L, s.uRow(i, h)), i: i, j: j}
	if j != none {
		r.b = row(x, s.L, s.uRow(j, h))
	}
	return r
}

// pairY is pairU for an array like y.
func (s *spectral[T]) pairY(x []T, i, j, c, h int) rows[T] {
	r := rows[T]{a: row(x, s.L, s.yRow(i, c, h)), i: i, j: j}
	if j != none {
		r.b = row(x, s.L, s.yRow(j, c, h))
	}
	return r
}

// counting returns the samples of the rows that count.
func (s *spectral[T]) counting(r rows[T]) (a, b []T) {
	a = r.a[:s.call.length(r.i, s.L)]
	if r.j != none {
		b = r.b[:s.call.length(r.j, s.L)]
	}
	return a, b
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
