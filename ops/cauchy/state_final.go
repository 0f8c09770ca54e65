package cauchy

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// finalState is FinalState behind graphop: inputs are dt, aReal, aImag, p, b, u
// and, if there is one more, x0. It runs the recurrence in the Woodbury form of
// [discrete], and its adjoint.
//
// The adjoint is that of the implicit step, with M = Lambda - sum_r P_r P_r^H,
//
//	(I - dt/2 M) x_l = (I + dt/2 M) x_{l-1} + dt B u_l
//
// which makes it that of one product with M: where the loss changes by Re g dx_l
// and gamma = g (I - dt/2 M)^-1 = (g Ab + g)/2,
//
//	gamma (dt/2 dM (x_l + x_{l-1}) + ddt (M (x_l + x_{l-1})/2 + B u_l) + dt (dB u_l + B du_l)) + g Ab dx_{l-1}
type finalState[T num.Float] struct {
	*bank[T]
	batch, l int
	scratch  []finalScratch // of each worker

	// The call in progress. x0 and gx0 may be nil.
	out, gout, u, x0, gu, gx0 []T
	forward, adjoint          func(worker, h int)
}

// finalScratch is the scratch memory of one worker.
type finalScratch struct {
	x               [][]complex128 // (1 or L+1, N) states
	g, gamma, w, mw []complex128   // (N)
	phi             []float64      // (R)
}

func newFinalState[T num.Float](cfg Config, size Size, batch, l int) *finalState[T] {
	f := &finalState[T]{bank: newBank[T](cfg, size), batch: batch, l: l}
	f.scratch = make([]finalScratch, min(par.Workers(), size.H))
	for i := range f.scratch {
		z := func() []complex128 { return make([]complex128, size.N) }
		f.scratch[i] = finalScratch{x: newMatrix(1, size.N), g: z(), gamma: z(), w: z(), mw: z(), phi: make([]float64, size.R)}
	}
	f.forward, f.adjoint = f.forwardFeature, f.adjointFeature
	return f
}

func (f *finalState[T]) bind(in []graphop.Arg[T]) {
	f.load(Params[T]{Dt: in[0].F, AReal: in[1].F, AImag: in[2].F, P: in[3].F, B: in[4].F, C: f.noC()})
	f.u, f.x0 = in[5].F, nil
	if len(in) > 6 {
		f.x0 = in[6].F
	}
}

// noC stands in for C, which has no part in the state.
func (f *finalState[T]) noC() []T { return make([]T, f.size.H*f.size.N*2) }

func (f *finalState[T]) Forward(out []T, in []graphop.Arg[T]) error {
	f.bind(in)
	f.out = out
	par.For(f.size.H, f.forward)
	return nil
}

func (f *finalState[T]) forwardFeature(worker, h int) {
	s, d := &f.scratch[worker], newDiscrete(f.features[h])
	x := s.x[0]
	for b := range f.batch {
		row := b*f.size.H + h
		f.start(x, row)
		for _, u := range f.u[row*f.l:][:f.l] {
			d.advance(x, x, float64(u), s.phi)
		}
		for n, v := range x {
			set(f.out, row*f.size.N+n, v)
		}
	}
}

// start sets x to row number row of x0.
func (f *finalState[T]) start(x []complex128, row int) {
	clear(x)
	if f.x0 == nil {
		return
	}
	for n := range x {
		x[n] = at(f.x0, row*f.size.N+n)
	}
}

func (f *finalState[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	f.bind(in)
	f.gout, f.gu, f.gx0 = gout, grad[5], nil
	if len(grad) > 6 {
		f.gx0 = grad[6]
	}
	f.backward(Params[T]{Dt: grad[0], AReal: grad[1], AImag: grad[2], P: grad[3], B: grad[4]}, f.adjoint)
	return nil
}

func (f *finalState[T]) adjointFeature(worker, h int) {
	s, m, d := &f.scratch[worker], f.features[h], newDiscrete(f.features[h])
	if len(s.x) == 1 {
		s.x = newMatrix(f.l+1, f.size.N)
	}
	for b := range f.batch {
		row := b*f.size.H + h
		u := f.u[row*f.l:][:f.l]
		f.start(s.x[0], row)
		for l, v := range u {
			d.advance(s.x[l+1], s.x[l], float64(v), s.phi)
		}
		for n := range s.g {
			s.g[n] = derivative(f.gout, row*f.size.N+n)
		}
		for l := f.l - 1; l >= 0; l-- {
			gu := f.step(s, f.gradients[h], m, d, l, float64(u[l]))
			if f.gu != nil {
				f.gu[row*f.l+l] = T(gu)
			}
		}
		if f.gx0 != nil {
			for n, v := range s.g {
				put(f.gx0, row*f.size.N+n, v)
			}
		}
	}
}

// step takes g from x_{l+1} to x_l, adds to the gradients by the model and
// returns that by the input.
func (f *finalState[T]) step(s *finalScratch, dst *gradient, m *feature, d *discrete, l int, u float64) (gu float64) {
	copy(s.gamma, s.g)
	d.transpose(s.g, s.phi)
	dt := complex(m.dt, 0)
	for n, v := range s.g {
		s.gamma[n] = (s.gamma[n] + v) / 2
		s.w[n] = (s.x[l+1][n] + s.x[l][n]) / 2
	}
	m.lowRank(s.phi, s.w)
	m.multiply(s.mw, s.w, s.phi)
	for n, v := range s.gamma {
		dst.dt += real(v * (s.mw[n] + m.b[n]*complex(u, 0)))
		dst.b[n] += v * dt * complex(u, 0)
		gu += real(v * dt * m.b[n])
		s.gamma[n] *= dt
	}
	m.multiplyGrad(dst, nil, s.gamma, s.w, s.phi)
	return gu
}

// advance sets dst to Ab x + Bb u. dst may be x; phi is scratch.
func (d *discrete) advance(dst, x []complex128, u float64, phi []float64) {
	for r := range d.q {
		phi[r] = d.phi(r, x)
	}
	for n, p := range d.pole {
		v := p*x[n] + d.b[n]*complex(u, 0)
		for r, e := range d.e {
			v -= e[n] * complex(phi[r], 0)
		}
		dst[n] = v
	}
}

// transpose replaces the derivative g by Ab x by that by x. phi is scratch.
func (d *discrete) transpose(g []complex128, phi []float64) {
	for r, e := range d.e {
		phi[r] = 0
		for n, v := range e {
			phi[r] += real(g[n] * v)
		}
	}
	for n, p := range d.pole {
		g[n] *= p
		for r, q := range d.q {
			g[n] -= complex(2*phi[r], 0) * q[n]
		}
	}
}
