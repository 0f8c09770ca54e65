package linrec

import (
	"math/bits"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// Output is what the states x0 before the first step add to the outputs,
//
//	y[b,c,h,l] = C[c,h] A_h^(l+1) x0[b,h],  l = 0..L-1
//
// a [graphop.Core]: its inputs are the parameters of the bank, C (CH, H, N) and
// x0 (B, H, N), its output is (B, CH*H, L).
type Output[T num.Float] struct {
	features[T]
	workers []*outputWorker

	// The call in progress. What has no gradient is nil.
	out, gout, c, x0, gc, gx0 []T
}

// outputWorker computes the outputs of one feature. It is scratch memory for
// one goroutine.
type outputWorker struct {
	*powers
	untune *untune   // nil without Tuned
	states *chain    // z_j at the beginning of each block
	table  *table    // rows C A^(t+1)
	c, gc  []float64 // (CH, N)
	b, gb  []float64 // (N); gb is zero
	y      []float64 // (J, B, T, CH) output of the blocks, or its gradient
}

// NewOutput returns the core for a bank.
func NewOutput[T num.Float](bank Bank[T], size Size) *Output[T] {
	o := &Output[T]{workers: make([]*outputWorker, min(par.Workers(), size.H))}
	for i := range o.workers {
		o.workers[i] = newOutputWorker(&size)
	}
	o.features = newFeatures(bank, size, o.forwardFeature, o.backwardFeature)
	return o
}

func newOutputWorker(s *Size) *outputWorker {
	m := blockSteps(s.B, s.CH, s.N, s.L)
	blocks := (s.L + 1<<m - 1) >> m
	w := &outputWorker{powers: newPowers(s.N, max(m, bits.Len(uint(s.Tuned))-1))}
	if s.Tuned > 0 {
		w.plus = make([]float64, s.N*s.N)
		w.untune = newUntune(w.powers, s.Tuned)
	}
	w.states = newChain(w.powers, s.B, blocks-1, m, nil)
	w.table = newTable(w.powers, m, s.CH, false)
	w.c, w.gc = make([]float64, s.CH*s.N), make([]float64, s.CH*s.N)
	w.b, w.gb = make([]float64, s.N), make([]float64, s.N)
	w.y = make([]float64, blocks*s.B<<m*s.CH)
	return w
}

// bind takes over the inputs, and where their gradients go.
func (o *Output[T]) bind(in []graphop.Arg[T], grad [][]T) error {
	n, err := o.bank.Bind(in, grad)
	if err != nil {
		return err
	}
	o.c, o.x0, o.gc, o.gx0 = in[n].F, in[n+1].F, nil, nil
	if grad != nil {
		o.gc, o.gx0 = grad[n], grad[n+1]
	}
	return nil
}

// forget lets go of the arrays of a call, which are the caller's.
func (o *Output[T]) forget() { o.out, o.gout, o.c, o.x0, o.gc, o.gx0 = nil, nil, nil, nil, nil, nil }

// Forward implements graphop.Core. It returns an error where the bank does, and
// where A^Tuned is not finite.
func (o *Output[T]) Forward(out []T, in []graphop.Arg[T]) error {
	defer o.forget()
	if err := o.bind(in, nil); err != nil {
		return err
	}
	o.out = out
	return o.run(o.forward)
}

// start computes all that the outputs of feature h are products of.
func (o *Output[T]) start(worker, h int) error {
	w, s := o.workers[worker], &o.size
	if err := o.bank.Discretize(worker, h, w.e[0], w.plus, w.b); err != nil {
		return err
	}
	w.square()
	for c := range s.CH {
		row := w.c[c*s.N:][:s.N]
		load(row, o.c[s.row(c, h):], s.Complex)
		dual(row, s.Complex)
	}
	if w.untune != nil {
		if err := w.untune.rows(w.c); err != nil {
			return err
		}
	}
	w.times(w.table.q, w.c, false, 0, s.CH, false)
	w.table.grow()
	for b := range s.B {
		load(w.states.z[b*s.N:][:s.N], o.x0[s.row(b, h):], s.Complex)
	}
	w.states.run(false)
	return nil
}

func (o *Output[T]) forwardFeature(worker, h int) error {
	if err := o.start(worker, h); err != nil {
		return err
	}
	w, n := o.workers[worker], o.size.N
	many, cols := len(w.states.z)/n, len(w.table.q)/n
	gemm.Gemm(&w.ws, false, true, many, cols, n, w.states.z, n, w.table.q, n, w.y, cols, false)
	o.eachRun(w, h, func(y []T, block []float64) {
		for i := range y {
			y[i] = T(block[i*o.size.CH])
		}
	}, o.out)
	return nil
}

// eachRun calls do for every run of steps of a row of y (B, CH*H, L) of feature
// h within a block, with where in w.y its first one is; the others follow CH
// apart.
func (o *Output[T]) eachRun(w *outputWorker, h int, do func(y []T, block []float64), y []T) {
	s, t := &o.size, 1<<w.table.m
	for b := range s.B {
		for c := range s.CH {
			row := y[((b*s.CH+c)*s.H+h)*s.L:][:s.L]
			for j := 0; len(row) > 0; j++ {
				count := min(t, len(row))
				do(row[:count], w.y[(j*s.B+b)*t*s.CH+c:])
				row = row[count:]
			}
		}
	}
}

// Backward implements graphop.Core.
func (o *Output[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	defer o.forget()
	if err := o.bind(in, grad); err != nil {
		return err
	}
	o.gout = gout
	if err := o.run(o.backward); err != nil {
		return err
	}
	o.bank.Store()
	return nil
}

func (o *Output[T]) backwardFeature(worker, h int) error {
	if err := o.start(worker, h); err != nil {
		return err
	}
	w, s := o.workers[worker], &o.size
	clear(w.y) // the last block goes beyond L
	o.eachRun(w, h, func(gy []T, block []float64) {
		for i, v := range gy {
			block[i*s.CH] = float64(v)
		}
	}, o.gout)
	many, cols := len(w.states.z)/s.N, len(w.table.q)/s.N
	w.clear()
	gemm.Gemm(&w.ws, false, false, many, s.N, cols, w.y, cols, w.table.q, s.N, w.states.g, s.N, false)
	gemm.Gemm(&w.ws, true, false, cols, s.N, many, w.y, cols, w.states.z, s.N, w.table.g, s.N, false)
	w.states.runGrad()
	w.table.growGrad()
	w.collect(w.c, w.table.g, false, 0, s.CH)
	clear(w.gc)
	w.timesGrad(w.gc, w.table.g, false, 0, s.CH)
	if w.untune != nil {
		w.untune.rowsGrad(w.gc, w.c)
	}
	o.bank.Carry(worker, h, w.squareGrad(), w.gb)
	o.storeInputs(w, h)
	return nil
}

// storeInputs writes the gradients of C and x0 of feature h.
func (o *Output[T]) storeInputs(w *outputWorker, h int) {
	s := &o.size
	if o.gc != nil {
		for c := range s.CH {
			row := w.gc[c*s.N:][:s.N]
			dual(row, s.Complex)
			store(o.gc[s.row(c, h):], row, s.Complex)
		}
	}
	if o.gx0 != nil {
		for b := range s.B {
			store(o.gx0[s.row(b, h):], w.states.g[b*s.N:][:s.N], s.Complex)
		}
	}
}
