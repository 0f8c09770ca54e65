package cauchy

import (
	"math/bits"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// finalState is the state after the last step,
//
//	x = Ab^L x0 + sum_l Ab^(L-1-l) Bb u_l
//
// behind graphop: inputs dt, aReal, aImag, p, b, u (B, H, L) and, if there is
// one more, x0 (B, H, N, 2), otherwise 0; output (B, H, N, 2).
type finalState[T num.Float] struct {
	cfg     Config
	size    Size
	batch   int
	l       int
	workers []*finalWorker
	parts   []*gradient // (H)

	// The call in progress. x0, gu and gx0 may be nil.
	prm                       Params[T]
	u, x0, out, gout, gu, gx0 []T
	forward, backward         func(worker, h int)
}

func newFinalState[T num.Float](cfg Config, size Size, batch, l int, hasState bool) *finalState[T] {
	s := &finalState[T]{
		cfg: cfg, size: size, batch: batch, l: l,
		workers: make([]*finalWorker, min(par.Workers(), size.H)), parts: newGradients(&size),
	}
	for i := range s.workers {
		s.workers[i] = newFinalWorker(&size, batch, l, hasState)
	}
	s.forward, s.backward = s.forwardFeature, s.backwardFeature
	return s
}

func (s *finalState[T]) bind(in []graphop.Arg[T], grad [][]T) {
	s.prm = Params[T]{Dt: in[0].F, AReal: in[1].F, AImag: in[2].F, P: in[3].F, B: in[4].F}
	s.u, s.x0, s.gu, s.gx0 = in[5].F, nil, nil, nil
	if grad != nil {
		s.gu = grad[5]
	}
	if len(in) > 6 {
		s.x0 = in[6].F
		if grad != nil {
			s.gx0 = grad[6]
		}
	}
}

// Forward implements graphop.Core.
func (s *finalState[T]) Forward(out []T, in []graphop.Arg[T]) error {
	s.bind(in, nil)
	s.out = out
	par.For(s.size.H, s.forward)
	return nil
}

func (s *finalState[T]) forwardFeature(worker, h int) {
	w := s.workers[worker]
	s.run(w, h)
	for b := range s.batch {
		s.writeState(s.out, b, h, w.final(b))
	}
}

// run computes the final states of feature h.
func (s *finalState[T]) run(w *finalWorker, h int) {
	load(w.f, &s.prm, &s.cfg, &s.size, h)
	w.factorise()
	for b := range s.batch {
		u := s.u[(b*s.size.H+h)*s.l:][:s.l]
		for l, v := range u {
			w.u[w.step(b, l)] = float64(v)
		}
		if s.x0 != nil {
			s.readState(w.x[0][b*w.n:][:w.n], s.x0, b, h)
		}
	}
	w.run()
}

// readState and writeState convert row (b, h) of states (B, H, N, 2), real and
// imaginary part by turns, from and to the real form.
func (s *finalState[T]) readState(dst []float64, x []T, b, h int) {
	n := s.size.N
	for i := range n {
		v := at(x, (b*s.size.H+h)*n+i)
		dst[i], dst[n+i] = real(v), imag(v)
	}
}

func (s *finalState[T]) writeState(dst []T, b, h int, x []float64) {
	n := s.size.N
	row := dst[(b*s.size.H+h)*n*2:]
	for i := range n {
		row[2*i], row[2*i+1] = T(x[i]), T(x[n+i])
	}
}

// Backward implements graphop.Core.
func (s *finalState[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	s.bind(in, grad)
	s.gout = gout
	par.For(s.size.H, s.backward)
	g := Params[T]{Dt: grad[0], AReal: grad[1], AImag: grad[2], P: grad[3], B: grad[4]}
	store(&g, &s.prm, &s.cfg, &s.size, s.parts)
	return nil
}

func (s *finalState[T]) backwardFeature(worker, h int) {
	w := s.workers[worker]
	s.run(w, h)
	for b := range s.batch {
		s.readState(w.lambda[b*w.n:][:w.n], s.gout, b, h)
	}
	w.adjoint()
	w.modelGrad(s.parts[h])
	for b := range s.batch {
		if s.gu != nil {
			gu := s.gu[(b*s.size.H+h)*s.l:][:s.l]
			for l := range gu {
				gu[l] = T(w.gu[w.step(b, l)])
			}
		}
		if s.gx0 != nil {
			s.writeState(s.gx0, b, h, w.lambda[b*w.n:][:w.n])
		}
	}
}

// finalWorker computes the final states of one feature for a whole batch, and
// the gradient, with dense matrices in float64 and real form: states (Re x, Im
// x) in rows of n = 2N. It is scratch memory for one goroutine.
//
// The input is cut into J blocks of T = 2^m steps, with zeros before it. With
// the powers P_k = Ab^(2^k) and the rows Q[t] = Ab^t Bb, which grow by doubling,
//
//	Q[h:2h] = Q[0:h] P_k^T,  h = 2^k < T
//	z_{j+1} = z_j P_m^T + U_j Q,  U_j[b,t] = u of step T-1-t of block j
//	x_{i+1} = x_i P_k^T for every bit k of L
//
// the final states are z_J + x_last. The adjoint runs the same steps backwards.
// Time is O(N^3 log L + N^2 B L/T + N B L) in matrix products.
type finalWorker struct {
	f        *feature
	d        *discrete
	n        int
	batch, l int
	m, t, j  int
	bits     []int // of L; none without an initial state

	power, gPower [][]float64 // (n, n)
	q, gQ         []float64   // (T, n)
	u, gu         []float64   // (J, B, T)
	z, x          [][]float64 // (J+1), (bits+1) of (B, n)
	lambda, next  []float64   // (B, n) gradient of a state
	gz            []float64   // (B, n)
	s, g          []float64   // (n, n)
	y             []float64   // (n)
	ws            gemm.Workspace[float64]
}

// maxBlock is the largest number of steps of a block: above the usual state
// size, so that a step costs O(N).
const maxBlock = 128

func newFinalWorker(s *Size, batch, l int, hasState bool) *finalWorker {
	w := &finalWorker{f: newFeature(s), d: newDiscrete(s), n: 2 * s.N, batch: batch, l: l}
	w.m = bits.Len(uint(min(l, maxBlock) - 1))
	w.t = 1 << w.m
	w.j = (l + w.t - 1) / w.t
	if hasState {
		for k := range bits.Len(uint(l)) {
			if l>>k&1 == 1 {
				w.bits = append(w.bits, k)
			}
		}
	}
	powers := w.m + 1
	if hasState {
		powers = max(powers, bits.Len(uint(l)))
	}
	w.power, w.gPower = newRealRows(powers, w.n*w.n), newRealRows(powers, w.n*w.n)
	w.q, w.gQ = make([]float64, w.t*w.n), make([]float64, w.t*w.n)
	w.u, w.gu = make([]float64, w.j*batch*w.t), make([]float64, w.j*batch*w.t)
	w.z, w.x = newRealRows(w.j+1, batch*w.n), newRealRows(len(w.bits)+1, batch*w.n)
	w.lambda, w.next, w.gz = make([]float64, batch*w.n), make([]float64, batch*w.n), make([]float64, batch*w.n)
	w.s, w.g, w.y = make([]float64, w.n*w.n), make([]float64, w.n*w.n), make([]float64, w.n)
	return w
}

func newRealRows(count, n int) [][]float64 {
	r := make([][]float64, count)
	for i := range r {
		r[i] = make([]float64, n)
	}
	return r
}

// step returns where in u and gu step l of batch element b is.
func (w *finalWorker) step(b, l int) int {
	l += w.j*w.t - w.l // the zeros before it
	return (l/w.t*w.batch+b)*w.t + w.t - 1 - l%w.t
}

// times sets dst = a op(b) or, with add, adds it; a is (rows, k), op(b) (k, cols).
func (w *finalWorker) times(dst, a []float64, transA bool, b []float64, transB bool, rows, cols, k int, add bool) {
	lda, ldb := k, cols
	if transA {
		lda = rows
	}
	if transB {
		ldb = k
	}
	gemm.Gemm(&w.ws, transA, transB, rows, cols, k, a, lda, b, ldb, dst, cols, add)
}

// factorise computes the powers and Q of the feature loaded into f.
func (w *finalWorker) factorise() {
	n := w.n
	w.d.set(w.f)
	w.d.matrix(w.power[0])
	realColumn(w.q, w.d.b)
	for k := 1; k < len(w.power); k++ {
		w.times(w.power[k], w.power[k-1], false, w.power[k-1], false, n, n, n, false)
	}
	for k := range w.m {
		h := 1 << k
		w.times(w.q[h*n:], w.q, false, w.power[k], true, h, n, n, false)
	}
}

// block returns block j of u or gu.
func (w *finalWorker) block(u []float64, j int) []float64 {
	return u[j*w.batch*w.t:][:w.batch*w.t]
}

// run computes z and x.
func (w *finalWorker) run() {
	n := w.n
	for j := range w.j {
		w.times(w.z[j+1], w.block(w.u, j), false, w.q, false, w.batch, n, w.t, false)
		if j > 0 { // z_0 = 0
			w.times(w.z[j+1], w.z[j], false, w.power[w.m], true, w.batch, n, n, true)
		}
	}
	for i, k := range w.bits {
		w.times(w.x[i+1], w.x[i], false, w.power[k], true, w.batch, n, n, false)
	}
}

// final returns the final state of element b of the batch, in next.
func (w *finalWorker) final(b int) []float64 {
	x := w.next[b*w.n:][:w.n]
	vec.Add(x, w.z[w.j][b*w.n:][:w.n], w.x[len(w.bits)][b*w.n:][:w.n])
	return x
}

// adjoint computes the gradients of the powers, of Q and of u from that of the
// final states in lambda, and replaces the latter by that of x0.
func (w *finalWorker) adjoint() {
	n := w.n
	for _, g := range w.gPower {
		clear(g)
	}
	clear(w.gQ)
	copy(w.gz, w.lambda)
	for j := w.j - 1; j >= 0; j-- {
		w.times(w.block(w.gu, j), w.gz, false, w.q, true, w.batch, w.t, n, false)
		w.times(w.gQ, w.block(w.u, j), true, w.gz, false, w.t, n, w.batch, true)
		if j > 0 {
			w.gz = w.back(w.gz, w.z[j], w.m)
		}
	}
	for i := len(w.bits) - 1; i >= 0; i-- {
		w.lambda = w.back(w.lambda, w.x[i], w.bits[i])
	}
	for k := w.m - 1; k >= 0; k-- {
		h := 1 << k
		w.times(w.gPower[k], w.gQ[h*n:], true, w.q, false, n, n, h, true)
		w.times(w.gQ, w.gQ[h*n:], false, w.power[k], false, h, n, n, true)
	}
	for k := len(w.power) - 1; k > 0; k-- {
		w.times(w.gPower[k-1], w.gPower[k], false, w.power[k-1], true, n, n, n, true)
		w.times(w.gPower[k-1], w.power[k-1], true, w.gPower[k], false, n, n, n, true)
	}
}

// back is the adjoint of the product of the states x with P_k^T: it returns the
// gradient of x, given that of the product in g, whose memory becomes next.
func (w *finalWorker) back(g, x []float64, k int) []float64 {
	w.times(w.gPower[k], g, true, x, false, w.n, w.n, w.batch, true)
	gx := w.next
	w.times(gx, g, false, w.power[k], false, w.batch, w.n, w.n, false)
	w.next = g
	return gx
}

// modelGrad carries the gradients of Ab and Bb, gPower[0] and the first row of
// gQ, to the model. With Z = (I - dt/2 M)^-1 = (I + Ab)/2,
//
//	dAb = 2 Z d(dt/2 M) Z,  dBb = Z (d(dt/2 M) Bb + d(dt b))
//
// and M in real form is [Re Lambda, -Im Lambda; Im Lambda, Re Lambda] - 2 sum_r
// p_r p_r^T, p_r = (Re P_r, Im P_r).
func (w *finalWorker) modelGrad(dst *gradient) {
	n, half, f := w.n, w.n/2, w.f
	for i, v := range w.power[0] {
		w.s[i] = v / 2
	}
	for i := range n {
		w.s[i*n+i] += 0.5
	}
	// g = 2 Z^T gAb Z^T + Z^T gBb Bb^T is the gradient by dt/2 M.
	w.times(w.y, w.gQ[:n], false, w.s, false, 1, n, n, false)
	w.times(w.gPower[len(w.gPower)-1], w.s, true, w.gPower[0], false, n, n, n, false)
	w.times(w.g, w.gPower[len(w.gPower)-1], false, w.s, true, n, n, n, false)
	for i, y := range w.y {
		row := w.g[i*n:][:n]
		vec.Scale(row, 2, row)
		vec.Axpy(row, y, w.q[:n])
	}
	dst.clear()
	for i, a := range f.a {
		re := w.g[i*n+i] + w.g[(half+i)*n+half+i]
		im := w.g[(half+i)*n+i] - w.g[i*n+half+i]
		dst.a[i] = complex(f.dt/2*re, -f.dt/2*im)
		dst.b[i] = complex(f.dt*w.y[i], -f.dt*w.y[half+i])
		dst.dt += (re*real(a)+im*imag(a))/2 + w.y[i]*real(f.b[i]) + w.y[half+i]*imag(f.b[i])
	}
	for r, p := range f.p {
		w.lowRankGrad(dst, r, p)
	}
}

// lowRankGrad is the part of modelGrad for row r of P.
func (w *finalWorker) lowRankGrad(dst *gradient, r int, p []complex128) {
	n, half := w.n, w.n/2
	col := w.s[:n]
	realColumn(col, p)
	for i := range n { // y = (g + g^T) p
		w.y[i] = vec.Dot(w.g[i*n:][:n], col)
		for k, v := range col {
			w.y[i] += w.g[k*n+i] * v
		}
	}
	dst.dt -= vec.Dot(w.y, col) / 2
	for i := range p {
		dst.p[r][i] = complex(-w.f.dt*w.y[i], w.f.dt*w.y[half+i])
	}
}
