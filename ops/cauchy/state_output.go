package cauchy

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// stateOutput is StateOutput behind graphop: inputs are dt, aReal, aImag, p, c
// and x0. What a state x0 adds to the output is the kernel of another input
// vector,
//
//	B = x0/dt + M x0/2,  M = Lambda - sum_r P_r P_r^H,  for which Bb = Ab x0,
//
// so C~ serves as it is. Each row of the batch is a feature of its own of one
// plan, whose parameters are dt (but for the rate), -Lambda, P, B and C~.
type stateOutput[T num.Float] struct {
	*bank[T]
	batch       int
	plan        *Plan[float64]
	tiled, grad Params[float64] // of the plan, and their gradients
	k           []float64       // (CH, B*H, L) of the plan
	x0, gx0     []T             // of the call in progress

	tile, untile func(worker, h int)
}

// newStateOutput takes what StateOutput has checked: NewPlan cannot fail on it.
func newStateOutput[T num.Float](cfg Config, size Size, batch int) *stateOutput[T] {
	rows := batch * size.H
	inner := cfg
	inner.DtTransform, inner.ATransform = ssm.None, ssm.None
	plan, err := NewPlan[float64](inner, Size{CH: size.CH, H: rows, S: rows, N: size.N, R: size.R})
	if err != nil {
		panic(err)
	}
	n := rows * size.N
	params := func() Params[float64] {
		v := func(n int) []float64 { return make([]float64, n) }
		return Params[float64]{Dt: v(rows), AReal: v(n), AImag: v(n), P: v(size.R * n * 2), B: v(n * 2), C: v(size.CH * n * 2)}
	}
	s := &stateOutput[T]{
		bank: newBank[T](cfg, size), batch: batch,
		plan: plan, tiled: params(), grad: params(), k: make([]float64, size.CH*rows*cfg.L),
	}
	s.tile, s.untile = s.tileFeature, s.untileFeature
	return s
}

func (s *stateOutput[T]) bind(in []graphop.Arg[T]) {
	// B is not used: P is long enough to stand in for it.
	s.load(Params[T]{Dt: in[0].F, AReal: in[1].F, AImag: in[2].F, P: in[3].F, B: in[3].F, C: in[4].F})
	s.x0 = in[5].F
	par.For(s.size.H, s.tile)
}

func (s *stateOutput[T]) Forward(out []T, in []graphop.Arg[T]) error {
	s.bind(in)
	if err := s.plan.Forward(s.k, s.tiled); err != nil {
		return err
	}
	s.eachRow(func(row, k int) { round(out[row:], s.k[k:][:s.cfg.L]) })
	return nil
}

// eachRow calls f with the place of every row of the output (B, CH, H, L) and
// of the same row of the plan's kernels (CH, B, H, L).
func (s *stateOutput[T]) eachRow(f func(row, k int)) {
	l, h, ch := s.cfg.L, s.size.H, s.size.CH
	for b := range s.batch {
		for c := range ch {
			for i := range h {
				f(((b*ch+c)*h+i)*l, ((c*s.batch+b)*h+i)*l)
			}
		}
	}
}

// tileFeature sets the parameters of the plan for all rows of feature h.
func (s *stateOutput[T]) tileFeature(_, h int) {
	z, t, f := &s.size, &s.tiled, s.features[h]
	x, mx, phi := make([]complex128, z.N), make([]complex128, z.N), make([]float64, z.R)
	for b := range s.batch {
		row := b*z.H + h
		t.Dt[row] = f.dt / s.cfg.rate()
		s.state(x, row)
		f.lowRank(phi, x)
		f.multiply(mx, x, phi)
		for n, a := range f.a {
			i := row*z.N + n
			t.AReal[i], t.AImag[i] = -real(a), -imag(a)
			set(t.B, i, x[n]/complex(f.dt, 0)+mx[n]/2)
			for r := range f.p {
				set(t.P, s.tiledRow(r)+i, f.p[r][n])
			}
			for c := range f.c {
				set(t.C, s.tiledRow(c)+i, f.c[c][n])
			}
		}
	}
}

// state reads row number row of x0.
func (s *stateOutput[T]) state(x []complex128, row int) {
	for n := range x {
		x[n] = at(s.x0, row*s.size.N+n)
	}
}

// tiledRow returns where row r of P, or channel r of C, of the plan begins.
func (s *stateOutput[T]) tiledRow(r int) int { return r * s.batch * s.size.H * s.size.N }

func (s *stateOutput[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	s.bind(in)
	s.eachRow(func(row, k int) {
		for i, v := range gout[row:][:s.cfg.L] {
			s.k[k+i] = float64(v)
		}
	})
	if err := s.plan.Backward(s.grad, s.tiled, s.k); err != nil {
		return err
	}
	s.gx0 = grad[5]
	s.backward(Params[T]{Dt: grad[0], AReal: grad[1], AImag: grad[2], P: grad[3], C: grad[4]}, s.untile)
	return nil
}

// untileFeature carries the gradients of the plan, for all rows of feature h,
// to its model and to x0.
func (s *stateOutput[T]) untileFeature(_, h int) {
	z, f, g := &s.size, s.features[h], s.gradients[h]
	x, gx, gm, phi := make([]complex128, z.N), make([]complex128, z.N), make([]complex128, z.N), make([]float64, z.R)
	dt := complex(f.dt, 0)
	for b := range s.batch {
		row := b*z.H + h
		s.state(x, row)
		f.lowRank(phi, x)
		g.dt += s.grad.Dt[row] / s.cfg.rate()
		for n := range z.N {
			i := row*z.N + n
			g.a[n] += complex(-s.grad.AReal[i], s.grad.AImag[i])
			for r := range g.p {
				g.p[r][n] += derivative(s.grad.P, s.tiledRow(r)+i)
			}
			for c := range g.c {
				g.c[c][n] += derivative(s.grad.C, s.tiledRow(c)+i)
			}
			gb := derivative(s.grad.B, i)
			gx[n], gm[n] = gb/dt, gb/2
			g.dt -= real(gb * x[n] / (dt * dt))
		}
		f.multiplyGrad(g, gx, gm, x, phi)
		if s.gx0 != nil {
			for n, v := range gx {
				put(s.gx0, row*z.N+n, v)
			}
		}
	}
}
