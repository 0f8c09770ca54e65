package vandermonde

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Params are the raw parameters of a bank of S4D kernels, or the gradients
// with respect to them. E is what holds one of them: a slice, row-major, or a
// node of a graph.
//
//	dt_hn = Rate * DtTransform(Dt)
//	A_sn  = -ATransform(AReal) - i AImag
//
// so a positive AImag stores the member of a conjugate pair below the real
// axis, as state-spaces/s4 does.
type Params[E any] struct {
	Dt    E // (H, 1), or (H, N) with Size.DtPerState: raw step sizes
	AReal E // (S, N): raw decay rates
	AImag E // (S, N): minus the frequencies
	B     E // (S, N, 2): input; nil: all ones, as in the minimal S4D
	C     E // (CH, H, N, 2): output
}

// checkParams returns an error that names the first parameter of the wrong
// length. Where gradient is true, any may be nil.
func checkParams[T num.Float](p *Params[[]T], s Size, gradient bool) error {
	for _, x := range []struct {
		name string
		v    []T
		want int
		opt  bool
	}{
		{"Dt", p.Dt, s.H * s.dtCols(), gradient},
		{"AReal", p.AReal, s.S * s.N, gradient},
		{"AImag", p.AImag, s.S * s.N, gradient},
		{"B", p.B, s.S * s.N * 2, true},
		{"C", p.C, s.CH * s.H * s.N * 2, gradient},
	} {
		if err := num.CheckLen(x.name, x.v, x.want, x.opt); err != nil {
			return err
		}
	}
	return nil
}

// state is one state of one feature, discretised.
type state struct {
	a, b     complex128
	dt, dDt  float64 // dDt is d dt / d raw
	ssm.Pole         // of dt*a
}

// setStates discretises the states of feature h.
func setStates[T num.Float](dst []state, p *Params[[]T], c *Config, s *Size, h int) {
	row := ssm.Row(h, s.S) * s.N
	var dt, dDt float64
	for n := range dst {
		if n == 0 || s.DtPerState {
			dt, dDt = c.Dt(float64(p.Dt[h*s.dtCols()+n]))
		}
		a := c.Lambda(float64(p.AReal[row+n]), float64(p.AImag[row+n]))
		b := complex128(1)
		if p.B != nil {
			b = num.Complex(p.B, row+n)
		}
		dst[n] = state{a: a, b: b, dt: dt, dDt: dDt, Pole: c.pole(complex(dt, 0) * a)}
	}
}

// plan computes a bank of S4D kernels, see [Kernel], and its gradients. It owns its scratch memory, one set for every worker, and
// allocates nothing once made. Its methods may not run at the same time.
//
// Results do not depend on the number of workers.
type plan[T num.Float] struct {
	cfg     Config
	size    Size
	workers []kernelWorker[T]
	partA   []float64 // (H, N, 2) gradient of A as used by each feature: d/dRe, d/dIm
	partB   []float64 // (H, N, 2) and of B

	// The call in progress, for the two loop bodies, which are made once.
	k, gk             []T
	prm, grad         Params[[]T]
	forward, backward func(worker, h int)
}

// kernelWorker is the scratch memory of one worker. Complex rows are planar.
type kernelWorker[T num.Float] struct {
	series     *series[T]
	states     []state
	ab, coef   []float64 // (2N)
	s0, s1     []float64 // (2N)
	gCoef, gAb []complex128
}

// newPlan returns a plan for kernels of the given size.
func newPlan[T num.Float](cfg Config, size Size) (*plan[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := size.Validate(); err != nil {
		return nil, err
	}
	p := &plan[T]{
		cfg: cfg, size: size,
		workers: make([]kernelWorker[T], min(par.Workers(), size.H)),
		partA:   make([]float64, size.H*size.N*2),
		partB:   make([]float64, size.H*size.N*2),
	}
	n := size.N
	for i := range p.workers {
		p.workers[i] = kernelWorker[T]{
			series: newSeries[T](n, cfg.L),
			states: make([]state, n),
			ab:     make([]float64, 2*n), coef: make([]float64, 2*n),
			s0: make([]float64, 2*n), s1: make([]float64, 2*n),
			gCoef: make([]complex128, n), gAb: make([]complex128, n),
		}
	}
	p.forward, p.backward = p.forwardFeature, p.backwardFeature
	return p, nil
}

// check returns an error if the kernels k, or a parameter, have the wrong length.
func (p *plan[T]) check(name string, k []T, prm *Params[[]T]) error {
	if err := checkParams(prm, p.size, false); err != nil {
		return err
	}
	return num.CheckLen(name, k, p.size.CH*p.size.H*p.cfg.L, false)
}

// Forward writes the kernels (CH, H, L) to k. It returns an error if a length
// is wrong.
func (p *plan[T]) Forward(k []T, prm Params[[]T]) error {
	if err := p.check("k", k, &prm); err != nil {
		return err
	}
	p.k, p.prm = k, prm
	par.For(p.size.H, p.forward)
	p.k, p.prm = nil, Params[[]T]{}
	return nil
}

func (p *plan[T]) forwardFeature(worker, h int) {
	w, s, l := &p.workers[worker], &p.size, p.cfg.L
	setStates(w.states, &p.prm, &p.cfg, s, h)
	w.poles()
	w.series.prepareSum(w.ab)
	for c := range s.CH {
		row := c*s.H + h
		for n := range w.states {
			st := &w.states[n]
			v := complex(2*st.dt, 0) * st.b * st.Phi * num.Complex(p.prm.C, row*s.N+n)
			w.coef[n], w.coef[s.N+n] = real(v), imag(v)
		}
		w.series.sum(p.k[row*l:][:l], w.coef)
	}
}

// poles writes the discretised poles of the states to ab.
func (w *kernelWorker[T]) poles() {
	for n := range w.states {
		v := w.states[n].Ab
		w.ab[n], w.ab[len(w.states)+n] = real(v), imag(v)
	}
}

// Backward writes to grad the gradients of sum(gk*K) with respect to the raw
// parameters, gk (CH, H, L) being the gradient of the kernels, overwriting
// them. Gradients of complex parameters are (d/dRe, d/dIm); those of shared
// ones are summed over the features. A nil slice of grad is left out. It
// returns an error if a length is wrong.
func (p *plan[T]) Backward(grad Params[[]T], prm Params[[]T], gk []T) error {
	if err := p.check("gk", gk, &prm); err != nil {
		return err
	}
	if err := checkParams(&grad, p.size, true); err != nil {
		return fmt.Errorf("gradient of %w", err)
	}
	p.grad, p.prm, p.gk = grad, prm, gk
	par.For(p.size.H, p.backward)
	p.reduce()
	p.grad, p.prm, p.gk = Params[[]T]{}, Params[[]T]{}, nil
	return nil
}

// backwardFeature writes the gradients of feature h: those of C and dt to
// their place, those of A and B to partA and partB.
//
// All quantities g here are holomorphic derivatives: the loss changes by
// Re(g dx). Its derivatives by the real and imaginary part of x are then Re g
// and -Im g.
func (p *plan[T]) backwardFeature(worker, h int) {
	w, s, l := &p.workers[worker], &p.size, p.cfg.L
	setStates(w.states, &p.prm, &p.cfg, s, h)
	w.poles()
	w.series.prepareAdjoint(w.ab)
	clear(w.gCoef)
	clear(w.gAb)
	for c := range s.CH {
		row := c*s.H + h
		w.series.adjoint(w.s0, w.s1, p.gk[row*l:][:l])
		for n := range w.states {
			st := &w.states[n]
			s0, s1 := complex(w.s0[n], w.s0[s.N+n]), complex(w.s1[n], w.s1[s.N+n])
			cn := num.Complex(p.prm.C, row*s.N+n)
			w.gCoef[n] += 2 * cn * s0 // by dt b Phi
			w.gAb[n] += 2 * cn * s1   // by Ab, but for the factor dt b Phi
			if p.grad.C != nil {
				num.SetGrad(p.grad.C, row*s.N+n, complex(2*st.dt, 0)*st.b*st.Phi*s0)
			}
		}
	}
	for n := range w.states {
		st := &w.states[n]
		w.gAb[n] *= complex(st.dt, 0) * st.b * st.Phi
	}
	p.carry(h, w.states, w.gAb, w.gCoef)
}

// carry takes the derivatives by Ab and Bb of the states of feature h to those
// by A and B, in partA and partB, and by dt.
func (p *plan[T]) carry(h int, states []state, gAb, gBb []complex128) {
	s := &p.size
	var gDt float64
	for n := range states {
		st := &states[n]
		dt, g := complex(st.dt, 0), gBb[n]
		gz := st.DAb*gAb[n] + dt*st.b*st.DPhi*g
		num.SetGrad(p.partA, h*s.N+n, gz*dt)
		num.SetGrad(p.partB, h*s.N+n, dt*st.Phi*g)
		gDt += real(st.b*st.Phi*g+gz*st.a) * st.dDt
		if p.grad.Dt != nil && (s.DtPerState || n == s.N-1) {
			p.grad.Dt[h*s.dtCols()+n%s.dtCols()] = T(gDt)
			gDt = 0
		}
	}
}

// reduce sums partA and partB over the features that share a state matrix, in
// order, and carries them to the raw parameters.
func (p *plan[T]) reduce() {
	s := &p.size
	for i := range s.S * s.N {
		var aRe, aIm, bRe, bIm float64
		for h := i / s.N; h < s.H; h += s.S {
			o := 2 * (h*s.N + i%s.N)
			aRe += p.partA[o]
			aIm += p.partA[o+1]
			bRe += p.partB[o]
			bIm += p.partB[o+1]
		}
		if p.grad.AReal != nil {
			_, dDecay := p.cfg.ATransform.Eval(float64(p.prm.AReal[i]))
			p.grad.AReal[i] = T(-dDecay * aRe)
		}
		if p.grad.AImag != nil {
			p.grad.AImag[i] = T(-aIm)
		}
		if p.grad.B != nil {
			p.grad.B[2*i], p.grad.B[2*i+1] = T(bRe), T(bIm)
		}
	}
}

// Discretize returns the recurrence whose impulse response the kernel is, in
// float64 whatever T: for every feature h and state n
//
//	x_l = ab[h,n] x_{l-1} + bb[h,n] u_l,  y_l = 2 Re sum_n C[h,n] x_l
//
// ab and bb are (H, N). Config.L, Size.CH and Params.C are not used. It returns
// an error if the configuration or a length is wrong.
func Discretize[T num.Float](cfg Config, size Size, prm Params[[]T]) (ab, bb []complex128, err error) {
	size.CH = 1
	for _, e := range []error{cfg.validateStep(), size.Validate()} {
		if e != nil {
			return nil, nil, fmt.Errorf("vandermonde: Discretize: %w", e)
		}
	}
	prm.C = make([]T, size.H*size.N*2) // not used
	if err := checkParams(&prm, size, false); err != nil {
		return nil, nil, fmt.Errorf("vandermonde: Discretize: %w", err)
	}
	ab = make([]complex128, size.H*size.N)
	bb = make([]complex128, size.H*size.N)
	states := make([]state, size.N)
	for h := range size.H {
		setStates(states, &prm, &cfg, &size, h)
		for n, st := range states {
			ab[h*size.N+n] = st.Ab
			bb[h*size.N+n] = complex(st.dt, 0) * st.b * st.Phi
		}
	}
	return ab, bb, nil
}
