package cauchy

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// stateBank is the recurrences of a bank of kernels as dense real ones, on
// states (Re x, Im x), behind a [linrec.Bank]. Its first inputs are Dt, AReal,
// AImag, P and, with hasB, B.
type stateBank[T num.Float] struct {
	cfg       Config
	size      Size
	hasB      bool
	workers   []stateWorker
	parts     []*gradient // (H)
	prm, grad Params[[]T]
}

// stateWorker is the scratch memory of one worker, n = 2N.
type stateWorker struct {
	f      *feature
	d      *discrete
	bb     []float64 // (n) Bb of the latest feature, in the caller's memory
	z, g   []float64 // (n, n)
	y, col []float64 // (n)
	ws     gemm.Workspace[float64]
}

func newStateBank[T num.Float](cfg Config, size Size, hasB bool) *stateBank[T] {
	s := &stateBank[T]{
		cfg: cfg, size: size, hasB: hasB,
		workers: make([]stateWorker, min(par.Workers(), size.H)), parts: newGradients(&size),
	}
	n := 2 * size.N
	for i := range s.workers {
		s.workers[i] = stateWorker{
			f: newFeature(&size), d: newDiscrete(&size),
			z: make([]float64, n*n), g: make([]float64, n*n), y: make([]float64, n), col: make([]float64, n),
		}
	}
	return s
}

// Bind implements linrec.Bank.
func (s *stateBank[T]) Bind(in []graphop.Arg[T], grad [][]T) (int, error) {
	s.prm = Params[[]T]{Dt: in[0].F, AReal: in[1].F, AImag: in[2].F, P: in[3].F}
	s.grad = Params[[]T]{}
	if s.hasB {
		s.prm.B = in[4].F
	}
	if grad != nil {
		s.grad = Params[[]T]{Dt: grad[0], AReal: grad[1], AImag: grad[2], P: grad[3]}
		if s.hasB {
			s.grad.B = grad[4]
		}
	}
	if s.hasB {
		return 5, nil
	}
	return 4, nil
}

// Discretize implements linrec.Bank.
func (s *stateBank[T]) Discretize(worker, h int, e, plus, bb []float64) error {
	w := &s.workers[worker]
	load(w.f, &s.prm, &s.cfg, &s.size, h)
	w.d.set(w.f)
	w.d.change(e)
	if plus != nil {
		w.d.sum(plus)
	}
	realColumn(bb, w.d.b)
	w.bb = bb
	return nil
}

// Carry implements linrec.Bank.
func (s *stateBank[T]) Carry(worker, h int, gab, gbb []float64) {
	s.workers[worker].modelGrad(s.parts[h], gab, gbb)
}

// Store implements linrec.Bank.
func (s *stateBank[T]) Store() {
	store(&s.grad, &s.prm, &s.cfg, &s.size, s.parts)
	s.grad = Params[[]T]{} // the arrays are the caller's
}

// modelGrad carries the gradients of Ab and Bb to the model. With Z = (I - dt/2
// M)^-1 = (Ab + I)/2,
//
//	dAb = 2 Z d(dt/2 M) Z,  dBb = Z (d(dt/2 M) Bb + d(dt b))
//
// and M in real form is [Re Lambda, -Im Lambda; Im Lambda, Re Lambda] - 2 sum_r
// p_r p_r^T, p_r = (Re P_r, Im P_r). It overwrites gab.
func (w *stateWorker) modelGrad(dst *gradient, gab, gbb []float64) {
	n, f := len(w.y), w.f
	half := n / 2
	w.d.sum(w.z)
	vec.Scale(w.z, 0.5, w.z)
	// g = 2 Z^T gAb Z^T + Z^T gBb Bb^T is the gradient by dt/2 M.
	gemm.Gemm(&w.ws, false, false, 1, n, n, gbb, n, w.z, n, w.y, n, false)
	gemm.Gemm(&w.ws, true, false, n, n, n, w.z, n, gab, n, w.g, n, false)
	gemm.Gemm(&w.ws, false, true, n, n, n, w.g, n, w.z, n, gab, n, false)
	for i, y := range w.y {
		row := w.g[i*n:][:n]
		vec.Scale(row, 2, gab[i*n:][:n])
		vec.Axpy(row, y, w.bb)
	}
	dst.clear()
	for i, a := range f.a {
		re := w.g[i*n+i] + w.g[(half+i)*n+half+i]
		im := w.g[(half+i)*n+i] - w.g[i*n+half+i]
		dt := f.dt[i]
		dst.a[i] = complex(dt/2*re, -dt/2*im)
		dst.b[i] = complex(dt*w.y[i], -dt*w.y[half+i])
		dst.dt[i] += (re*real(a)+im*imag(a))/2 + w.y[i]*real(f.b[i]) + w.y[half+i]*imag(f.b[i])
	}
	for r, p := range f.p {
		w.lowRankGrad(dst, r, p)
	}
}

// lowRankGrad is the part of modelGrad for row r of P.
func (w *stateWorker) lowRankGrad(dst *gradient, r int, p []complex128) {
	n := len(w.y)
	realColumn(w.col, p)
	clear(w.y) // y = (dt g + g^T dt) p
	for i, v := range w.col {
		row, k := w.g[i*n:][:n], i%len(p)
		gp, dt := vec.Dot(row, w.col), w.f.dt[k]
		vec.Axpy(w.y, dt*v, row)
		w.y[i] += dt * gp
		dst.dt[k] -= v * gp
	}
	for i := range p {
		dst.p[r][i] = complex(-w.y[i], w.y[len(p)+i])
	}
}
