package vandermonde

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/ssmop"
)

// recurrences is a bank of diagonal models, H features of N states,
//
//	x_l = Ab x_{l-1} + Bb u_l,  y_l = gain Re(C x_l)
//
// to which the ops on their states carry gradients.
type recurrences[T num.Float] interface {
	// bind takes over the parameters, the first inputs of an op, and where their
	// gradients go, nil for nowhere. It returns how many inputs those are.
	bind(in []graphop.Arg[T], grad [][]T) int
	// discretize writes Ab and Bb (N) of feature h.
	discretize(worker, h int, ab, bb []complex128)
	// carry takes the derivatives by Ab and Bb of feature h to its parameters,
	// after discretize by the same worker.
	carry(worker, h int, gAb, gBb []complex128)
	// reduce finishes the gradients of what the features share.
	reduce()
	gain() float64
}

// banks makes a bank of one kind.
type banks[T num.Float] func() (recurrences[T], error)

// stateSize is the shape of an op on states.
type stateSize struct{ B, CH, H, N, L int }

func sizeOf(s ssmop.Shape) stateSize { return stateSize{s.B, s.CH, s.H, s.State[0], s.L} }

// stateWorker is the scratch memory of one worker. Complex rows are planar but
// for ab, bb and their gradients.
type stateWorker[T num.Float] struct {
	series           *series[T]
	ab, bb, gAb, gBb []complex128
	poles, coef      []float64
	s0, s1           []float64
	reversed         []T // (L)
}

func newStateWorkers[T num.Float](s stateSize) []stateWorker[T] {
	ws := make([]stateWorker[T], min(par.Workers(), s.H))
	for i := range ws {
		z := func() []complex128 { return make([]complex128, s.N) }
		v := func() []float64 { return make([]float64, 2*s.N) }
		ws[i] = stateWorker[T]{
			series: newSeries[T](s.N, s.L), ab: z(), bb: z(), gAb: z(), gBb: z(),
			poles: v(), coef: v(), s0: v(), s1: v(), reversed: make([]T, s.L),
		}
	}
	return ws
}

// load discretises feature h.
func (w *stateWorker[T]) load(r recurrences[T], worker, h int) {
	r.discretize(worker, h, w.ab, w.bb)
	for n, v := range w.ab {
		w.setPlanar(w.poles, n, v)
	}
	clear(w.gAb)
	clear(w.gBb)
}

func (w *stateWorker[T]) setPlanar(dst []float64, n int, v complex128) {
	dst[n], dst[len(w.ab)+n] = real(v), imag(v)
}

func (w *stateWorker[T]) planar(src []float64, n int) complex128 {
	return complex(src[n], src[len(w.ab)+n])
}

// stateOutput is what an initial state adds to the output,
//
//	y[b,c,h,l] = gain Re sum_n C[c,h,n] Ab[h,n]^(l+1) x0[b,h,n]
//
// behind graphop: inputs are the parameters of the bank, C (CH, H, N, 2) and x0
// (B, H, N, 2); the output is (B, CH*H, L).
type stateOutput[T num.Float] struct {
	bank    recurrences[T]
	size    stateSize
	workers []stateWorker[T]

	// The call in progress.
	out, gout, c, x0, gc, gx0 []T
	forward, backward         func(worker, h int)
}

func newStateOutput[T num.Float](s ssmop.Shape, bank banks[T]) (graphop.Core[T], error) {
	b, err := bank()
	if err != nil {
		return nil, err
	}
	k := &stateOutput[T]{bank: b, size: sizeOf(s), workers: newStateWorkers[T](sizeOf(s))}
	k.forward, k.backward = k.forwardFeature, k.backwardFeature
	return k, nil
}

func (k *stateOutput[T]) Forward(out []T, in []graphop.Arg[T]) error {
	n := k.bank.bind(in, nil)
	defer k.forget()
	k.out, k.c, k.x0 = out, in[n].F, in[n+1].F
	par.For(k.size.H, k.forward)
	return nil
}

// forget lets go of the arrays of a call, which are the caller's.
func (k *stateOutput[T]) forget() {
	k.out, k.gout, k.c, k.x0, k.gc, k.gx0 = nil, nil, nil, nil, nil, nil
}

// row returns row (b, ch, h) of an array (B, CH*H, L).
func (k *stateOutput[T]) row(y []T, b, ch, h int) []T {
	s := &k.size
	return y[((b*s.CH+ch)*s.H+h)*s.L:][:s.L]
}

func (k *stateOutput[T]) forwardFeature(worker, h int) {
	w, s, gain := &k.workers[worker], &k.size, complex(k.bank.gain(), 0)
	w.load(k.bank, worker, h)
	w.series.prepareSum(w.poles)
	for b := range s.B {
		for ch := range s.CH {
			for n, ab := range w.ab {
				w.setPlanar(w.coef, n, gain*num.Complex(k.c, (ch*s.H+h)*s.N+n)*ab*num.Complex(k.x0, (b*s.H+h)*s.N+n))
			}
			w.series.sum(k.row(k.out, b, ch, h), w.coef)
		}
	}
}

func (k *stateOutput[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	n := k.bank.bind(in, grad)
	defer k.forget()
	k.gout, k.c, k.x0, k.gc, k.gx0 = gout, in[n].F, in[n+1].F, grad[n], grad[n+1]
	clear(k.gc)
	clear(k.gx0)
	par.For(k.size.H, k.backward)
	k.bank.reduce()
	return nil
}

func (k *stateOutput[T]) backwardFeature(worker, h int) {
	w, s, gain := &k.workers[worker], &k.size, complex(k.bank.gain(), 0)
	w.load(k.bank, worker, h)
	w.series.prepareAdjoint(w.poles)
	for b := range s.B {
		for ch := range s.CH {
			w.series.adjoint(w.s0, w.s1, k.row(k.gout, b, ch, h))
			for n, ab := range w.ab {
				ic, ix := (ch*s.H+h)*s.N+n, (b*s.H+h)*s.N+n
				c, x, s0 := num.Complex(k.c, ic), num.Complex(k.x0, ix), w.planar(w.s0, n)
				if k.gc != nil {
					num.AddGrad(k.gc, ic, gain*ab*x*s0)
				}
				if k.gx0 != nil {
					num.AddGrad(k.gx0, ix, gain*ab*c*s0)
				}
				w.gAb[n] += gain * c * x * (s0 + ab*w.planar(w.s1, n))
			}
		}
	}
	k.bank.carry(worker, h, w.gAb, w.gBb)
}

// finalState is the state after the last step,
//
//	x[b,h] = Ab^L x0 + sum_l Ab^(L-1-l) Bb u_l
//
// behind graphop: inputs are the parameters of the bank, u (B, H, L) and, if
// there is one more, x0 (B, H, N, 2), otherwise 0; the output is (B, H, N, 2).
type finalState[T num.Float] struct {
	bank    recurrences[T]
	size    stateSize
	workers []stateWorker[T]

	// The call in progress.
	out, gout         []T
	args              ssmop.FinalArgs[T]
	forward, backward func(worker, h int)
}

func newFinalState[T num.Float](s ssmop.Shape, bank banks[T]) (graphop.Core[T], error) {
	b, err := bank()
	if err != nil {
		return nil, err
	}
	f := &finalState[T]{bank: b, size: sizeOf(s), workers: newStateWorkers[T](sizeOf(s))}
	f.forward, f.backward = f.forwardFeature, f.backwardFeature
	return f, nil
}

func (f *finalState[T]) Forward(out []T, in []graphop.Arg[T]) error {
	defer f.forget()
	f.args.Bind(in[f.bank.bind(in, nil):], nil)
	f.out = out
	par.For(f.size.H, f.forward)
	return nil
}

// forget lets go of the arrays of a call, which are the caller's.
func (f *finalState[T]) forget() { f.out, f.gout, f.args = nil, nil, ssmop.FinalArgs[T]{} }

// reverse writes row (b, h) of u backwards to reversed.
func (f *finalState[T]) reverse(w *stateWorker[T], b, h int) {
	l := f.size.L
	for i, v := range f.args.U[(b*f.size.H+h)*l:][:l] {
		w.reversed[l-1-i] = v
	}
}

func (f *finalState[T]) forwardFeature(worker, h int) {
	w, s := &f.workers[worker], &f.size
	w.load(f.bank, worker, h)
	w.series.prepareAdjoint(w.poles)
	for b := range s.B {
		f.reverse(w, b, h)
		w.series.adjoint(w.s0, w.s1, w.reversed)
		for n, ab := range w.ab {
			i := (b*s.H+h)*s.N + n
			x := w.bb[n] * w.planar(w.s0, n)
			if f.args.X0 != nil {
				x += power(ab, s.L) * num.Complex(f.args.X0, i)
			}
			num.SetComplex(f.out, i, x)
		}
	}
}

func (f *finalState[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	n := f.bank.bind(in, grad)
	defer f.forget()
	f.args.Bind(in[n:], grad[n:])
	f.gout = gout
	par.For(f.size.H, f.backward)
	f.bank.reduce()
	return nil
}

func (f *finalState[T]) backwardFeature(worker, h int) {
	w, s := &f.workers[worker], &f.size
	w.load(f.bank, worker, h)
	if f.args.GradU != nil {
		f.inputGrad(w, h)
	}
	w.series.prepareAdjoint(w.poles)
	for b := range s.B {
		f.reverse(w, b, h)
		w.series.adjoint(w.s0, w.s1, w.reversed)
		for n, ab := range w.ab {
			i := (b*s.H+h)*s.N + n
			g := num.Derivative(f.gout, i)
			w.gBb[n] += g * w.planar(w.s0, n)
			w.gAb[n] += g * w.bb[n] * w.planar(w.s1, n)
			if f.args.X0 == nil {
				continue
			}
			last := power(ab, s.L-1)
			w.gAb[n] += g * complex(float64(s.L), 0) * last * num.Complex(f.args.X0, i)
			if f.args.GradX != nil {
				num.SetGrad(f.args.GradX, i, g*last*ab)
			}
		}
	}
	f.bank.carry(worker, h, w.gAb, w.gBb)
}

// inputGrad writes the gradients of the rows of u of feature h.
func (f *finalState[T]) inputGrad(w *stateWorker[T], h int) {
	s := &f.size
	w.series.prepareSum(w.poles)
	for b := range s.B {
		row := b*s.H + h
		for n, bb := range w.bb {
			w.setPlanar(w.coef, n, num.Derivative(f.gout, row*s.N+n)*bb)
		}
		w.series.sum(w.reversed, w.coef)
		for i, v := range w.reversed {
			f.args.GradU[row*s.L+s.L-1-i] = v
		}
	}
}

// power returns z^n, n >= 0, by repeated squaring.
func power(z complex128, n int) complex128 {
	p := complex128(1)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			p *= z
		}
		z *= z
	}
	return p
}

// s4dBank is the recurrences of a plan. Its first inputs are Dt, AReal, AImag
// and, if the models have one, B.
type s4dBank[T num.Float] struct {
	plan *plan[T]
	hasB bool
}

func s4dBanks[T num.Float](cfg Config, size Size, hasB bool) banks[T] {
	return func() (recurrences[T], error) {
		cfg.L = 1 // the plan computes no kernel
		plan, err := newPlan[T](cfg, size)
		return &s4dBank[T]{plan, hasB}, err
	}
}

func (s *s4dBank[T]) bind(in []graphop.Arg[T], grad [][]T) int {
	p := s.plan
	p.prm = Params[[]T]{Dt: in[0].F, AReal: in[1].F, AImag: in[2].F}
	p.grad = Params[[]T]{}
	if s.hasB {
		p.prm.B = in[3].F
	}
	if grad != nil {
		p.grad = Params[[]T]{Dt: grad[0], AReal: grad[1], AImag: grad[2]}
		if s.hasB {
			p.grad.B = grad[3]
		}
	}
	if s.hasB {
		return 4
	}
	return 3
}

func (s *s4dBank[T]) discretize(worker, h int, ab, bb []complex128) {
	w := &s.plan.workers[worker]
	setStates(w.states, &s.plan.prm, &s.plan.cfg, &s.plan.size, h)
	for n, st := range w.states {
		ab[n], bb[n] = st.Ab, complex(st.dt, 0)*st.b*st.Phi
	}
}

func (s *s4dBank[T]) carry(worker, h int, gAb, gBb []complex128) {
	s.plan.carry(h, s.plan.workers[worker].states, gAb, gBb)
}

func (s *s4dBank[T]) reduce() {
	s.plan.reduce()
	s.plan.grad = Params[[]T]{} // the arrays are the caller's
}

// gain counts the conjugate of each stored state.
func (s *s4dBank[T]) gain() float64 { return 2 }

// dssBank is the recurrences of a dssPlan. Its first inputs are LogDt and
// Lambda.
type dssBank[T num.Float] struct{ plan *dssPlan[T] }

func dssBanks[T num.Float](cfg DSSConfig, size DSSSize) banks[T] {
	return func() (recurrences[T], error) {
		plan, err := newDSSPlan[T](cfg, size)
		return &dssBank[T]{plan}, err
	}
}

func (d *dssBank[T]) bind(in []graphop.Arg[T], grad [][]T) int {
	d.plan.prm = DSSParams[[]T]{LogDt: in[0].F, Lambda: in[1].F}
	d.plan.grad = DSSParams[[]T]{}
	if grad != nil {
		d.plan.grad = DSSParams[[]T]{LogDt: grad[0], Lambda: grad[1]}
	}
	return 2
}

func (d *dssBank[T]) discretize(worker, h int, ab, bb []complex128) {
	w := &d.plan.workers[worker]
	setDSSStates(w.states, &d.plan.prm, &d.plan.cfg, &d.plan.size, h)
	for n := range w.states {
		ab[n], bb[n] = w.states[n].recurrence(d.plan.cfg.L)
	}
}

func (d *dssBank[T]) carry(worker, h int, gAb, gBb []complex128) {
	w := &d.plan.workers[worker]
	for n := range w.states {
		w.gAb[n], w.gScale[n] = d.plan.cfg.recurrenceGrad(&w.states[n], gAb[n], gBb[n])
	}
	d.plan.carry(h, w.states, w.gAb, w.gScale)
}

func (d *dssBank[T]) reduce() {
	d.plan.reduce()
	d.plan.grad = DSSParams[[]T]{} // the arrays are the caller's
}

// gain is 1: states come without conjugates.
func (d *dssBank[T]) gain() float64 { return 1 }
