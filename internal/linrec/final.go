package linrec

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/ssmop"
)

// Final is the states after the last step,
//
//	x[b,h] = A_h^L x0[b,h] + sum_l A_h^(L-1-l) b_h u[b,h,l]
//
// a [graphop.Core]: its inputs are the parameters of the bank, u (B, H, L) and,
// if there is one more, x0 (B, H, N), else 0; its output is (B, H, N).
type Final[T num.Float] struct {
	features[T]
	workers []*finalWorker

	// The call in progress.
	out, gout []T
	args      ssmop.FinalArgs[T]
}

// finalWorker computes the states of one feature. It is scratch memory for one
// goroutine.
//
// L = J T + R: the J blocks of T steps are followed by the tail of R < T steps,
// which are one product with a power of A for each bit of R.
type finalWorker struct {
	*powers
	batch, r int
	states   *chain    // z_j at the ends of the blocks, and after each bit of R
	table    *table    // columns A^t b
	u, gu    []float64 // (J, B, T) and (B, R), each run of steps backwards
}

// NewFinal returns the core for a bank.
func NewFinal[T num.Float](bank Bank[T], size Size) *Final[T] {
	f := &Final[T]{workers: make([]*finalWorker, min(par.Workers(), size.H))}
	for i := range f.workers {
		f.workers[i] = newFinalWorker(&size)
	}
	f.features = newFeatures(bank, size, f.forwardFeature, f.backwardFeature)
	return f
}

func newFinalWorker(s *Size) *finalWorker {
	m := blockSteps(s.B, 1, s.N, s.L)
	w := &finalWorker{powers: newPowers(s.N, m), batch: s.B, r: s.L % (1 << m)}
	w.states = newChain(w.powers, s.B, s.L>>m, m, bitsOf(w.r))
	w.table = newTable(w.powers, m, 1, true)
	w.u, w.gu = make([]float64, s.B*s.L), make([]float64, s.B*s.L)
	return w
}

// tail returns the part of u or gu that is not in blocks.
func (w *finalWorker) tail(u []float64) []float64 { return u[len(u)-w.batch*w.r:] }

// last returns the last states of z or g, (B, N).
func (w *finalWorker) last(z []float64) []float64 { return w.states.at(z, w.states.steps()) }

// run computes the states from A, the first column and the first states.
func (w *finalWorker) run() {
	n, t, q := w.n, 1<<w.table.m, w.table.q
	w.square()
	w.table.grow()
	gemm.Gemm(&w.ws, false, false, w.states.blocks*w.batch, n, t, w.u, t, q, n, w.states.at(w.states.z, 1), n, false)
	w.states.run(true)
	if w.r > 0 {
		gemm.Gemm(&w.ws, false, false, w.batch, n, w.r, w.tail(w.u), w.r, q, n, w.last(w.states.z), n, true)
	}
}

// runGrad carries the gradient of the last states to all that run starts from,
// and returns that of A.
func (w *finalWorker) runGrad() []float64 {
	n, t, q, gq := w.n, 1<<w.table.m, w.table.q, w.table.g
	many := w.states.blocks * w.batch
	w.clear()
	w.states.runGrad()
	v := w.states.at(w.states.g, 1) // gradient of the inputs of the blocks
	gemm.Gemm(&w.ws, false, true, many, t, n, v, n, q, n, w.gu, t, false)
	gemm.Gemm(&w.ws, true, false, t, n, many, w.u, t, v, n, gq, n, false)
	if w.r > 0 {
		v = w.last(w.states.g)
		gemm.Gemm(&w.ws, false, true, w.batch, w.r, n, v, n, q, n, w.tail(w.gu), w.r, false)
		gemm.Gemm(&w.ws, true, false, w.r, n, w.batch, w.tail(w.u), w.r, v, n, gq, n, true)
	}
	w.table.growGrad()
	return w.squareGrad()
}

// bind takes over the inputs, and where their gradients go.
func (f *Final[T]) bind(in []graphop.Arg[T], grad [][]T) error {
	n, err := f.bank.Bind(in, grad)
	if err != nil {
		return err
	}
	if grad != nil {
		grad = grad[n:]
	}
	f.args.Bind(in[n:], grad)
	return nil
}

// forget lets go of the arrays of a call, which are the caller's.
func (f *Final[T]) forget() { f.out, f.gout, f.args = nil, nil, ssmop.FinalArgs[T]{} }

// Forward implements graphop.Core. It returns an error where the bank does.
func (f *Final[T]) Forward(out []T, in []graphop.Arg[T]) error {
	defer f.forget()
	if err := f.bind(in, nil); err != nil {
		return err
	}
	f.out = out
	return f.run(f.forward)
}

// start computes the states of feature h.
func (f *Final[T]) start(worker, h int) error {
	w, s := f.workers[worker], &f.size
	if err := f.bank.Discretize(worker, h, w.e[0], nil, w.table.q[:s.N]); err != nil {
		return err
	}
	f.eachRun(w, h, func(u []T, block []float64) {
		for i, v := range u {
			block[len(block)-1-i] = float64(v)
		}
	}, f.args.U, w.u)
	if f.args.X0 != nil {
		for b := range s.B {
			load(w.states.z[b*s.N:][:s.N], f.args.X0[s.row(b, h):], s.Complex)
		}
	}
	w.run()
	return nil
}

// eachRun calls do for every run of steps of a row of u (B, H, L) of feature h
// within a block or the tail, with its place in one of the worker's arrays.
func (f *Final[T]) eachRun(w *finalWorker, h int, do func(u []T, block []float64), u []T, to []float64) {
	s, t := &f.size, 1<<w.table.m
	for b := range s.B {
		row := u[(b*s.H+h)*s.L:][:s.L]
		for j := range w.states.blocks {
			do(row[j*t:][:t], to[(j*s.B+b)*t:][:t])
		}
		do(row[s.L-w.r:], w.tail(to)[b*w.r:][:w.r])
	}
}

func (f *Final[T]) forwardFeature(worker, h int) error {
	if err := f.start(worker, h); err != nil {
		return err
	}
	w, s := f.workers[worker], &f.size
	for b := range s.B {
		store(f.out[s.row(b, h):], w.last(w.states.z)[b*s.N:][:s.N], s.Complex)
	}
	return nil
}

// Backward implements graphop.Core.
func (f *Final[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	defer f.forget()
	if err := f.bind(in, grad); err != nil {
		return err
	}
	f.gout = gout
	if err := f.run(f.backward); err != nil {
		return err
	}
	f.bank.Store()
	return nil
}

func (f *Final[T]) backwardFeature(worker, h int) error {
	if err := f.start(worker, h); err != nil {
		return err
	}
	w, s := f.workers[worker], &f.size
	clear(w.states.g)
	for b := range s.B {
		load(w.last(w.states.g)[b*s.N:][:s.N], f.gout[s.row(b, h):], s.Complex)
	}
	ga := w.runGrad()
	f.bank.Carry(worker, h, ga, w.table.g[:s.N])
	if f.args.GradU != nil {
		f.eachRun(w, h, func(gu []T, block []float64) {
			for i := range gu {
				gu[i] = T(block[len(block)-1-i])
			}
		}, f.args.GradU, w.gu)
	}
	if f.args.GradX != nil {
		for b := range s.B {
			store(f.args.GradX[s.row(b, h):], w.states.g[b*s.N:][:s.N], s.Complex)
		}
	}
	return nil
}
