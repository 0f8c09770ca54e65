package cauchy

import (
	"math"
	"math/cmplx"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Params are the raw parameters of a bank of DPLR kernels, or the gradients
// with respect to them. E is what holds one of them: a slice, row-major, or a
// node of a graph.
//
//	dt_hn     = Rate * DtTransform(Dt)
//	Lambda_sn = -ATransform(AReal) - i AImag
//
// so a positive AImag stores the member of a conjugate pair below the real
// axis, as state-spaces/s4 does.
type Params[E any] struct {
	Dt    E // (H, 1), or (H, N) with Size.DtPerState: raw step sizes
	AReal E // (S, N): raw decay rates
	AImag E // (S, N): minus the frequencies
	P     E // (R, S, N, 2): low-rank part of the state matrix
	B     E // (S, N, 2): input
	C     E // (CH, H, N, 2): output, as C~ = C (I - Ab^LKernel)
}

// checkParams returns an error that names the first parameter of the wrong
// length. Where gradient is true, any may be nil.
func checkParams[T num.Float](p *Params[[]T], s Size, gradient bool) error {
	for _, x := range []struct {
		name string
		v    []T
		want int
	}{
		{"Dt", p.Dt, s.H * s.dtCols()},
		{"AReal", p.AReal, s.S * s.N},
		{"AImag", p.AImag, s.S * s.N},
		{"P", p.P, s.R * s.S * s.N * 2},
		{"B", p.B, s.S * s.N * 2},
		{"C", p.C, s.CH * s.H * s.N * 2},
	} {
		if err := num.CheckLen(x.name, x.v, x.want, gradient); err != nil {
			return err
		}
	}
	return nil
}

// feature is the continuous model of one feature.
type feature struct {
	dt []float64      // (N)
	a  []complex128   // (N) Lambda
	p  [][]complex128 // (R, N)
	b  []complex128   // (N)
	c  [][]complex128 // (CH, N) C~
}

func newFeature(s *Size) *feature {
	return &feature{
		dt: make([]float64, s.N),
		a:  make([]complex128, s.N), p: newMatrix(s.R, s.N),
		b: make([]complex128, s.N), c: newMatrix(s.CH, s.N),
	}
}

func newMatrix(rows, cols int) [][]complex128 {
	m := make([][]complex128, rows)
	for i := range m {
		m[i] = make([]complex128, cols)
	}
	return m
}

// load reads feature h of the parameters. B and C may be nil, to be left alone.
func load[T num.Float](f *feature, prm *Params[[]T], c *Config, s *Size, h int) {
	row, cols := ssm.Row(h, s.S), s.dtCols()
	for n := range f.a {
		i := row*s.N + n
		if n < cols {
			f.dt[n], _ = c.Dt(float64(prm.Dt[h*cols+n]))
		} else {
			f.dt[n] = f.dt[0]
		}
		f.a[n] = c.Lambda(float64(prm.AReal[i]), float64(prm.AImag[i]))
		if prm.B != nil {
			f.b[n] = num.Complex(prm.B, i)
		}
		for r := range f.p {
			f.p[r][n] = num.Complex(prm.P, r*s.S*s.N+i)
		}
		for ch := range f.c {
			if prm.C != nil {
				f.c[ch][n] = num.Complex(prm.C, (ch*s.H+h)*s.N+n)
			}
		}
	}
}

// minDamping is the least |Re lambda| / |lambda| that a pole is taken to have.
// An undamped one could lie on a node, where its terms are infinite though
// their combination is not; so far off the axis they are huge, and what rounding
// leaves is good to 2^-52/minDamping, 2e-3, in that one bin. All others change by
// 1e-13.
const minDamping = 1e-13

// lambda returns dt_n Lambda_n.
func (f *feature) lambda(n int) complex128 {
	l := complex(f.dt[n], 0) * f.a[n]
	if floor := minDamping * cmplx.Abs(l); math.Abs(real(l)) < floor {
		l = complex(-floor, imag(l))
	}
	return l
}

// An eigenvalue counts as 0 if its modulus is at most zeroRatio |p_n|^2, where
// p_n are both members of P_n: below that, rounding leaves less of the
// generating function at w = 1 than [feature.shift] does. Without a P_n that
// removes it, it only must not underflow to the fourth power.
const (
	zeroRatio      = 1e-12
	zeroEigenvalue = 1e-60
)

// shiftRatio is how far the node w = 1 is moved, in units of dt |p_n|^2, off an
// eigenvalue 0.
const shiftRatio = 1e-6

// shift returns the value of y at which to evaluate the node w = 1: 0 unless
// some eigenvalue is 0. There the Cauchy sums have a pole which the Woodbury
// correction removes, in exact arithmetic only. But the real part of the
// generating function, all that counts at this node, is even in y: at a small
// y it is right to the second order.
func (f *feature) shift() float64 {
	y := math.Inf(1)
	for n, a := range f.a {
		if !f.isZero(n, a) {
			continue
		}
		p2 := f.low(n)
		if p2 == 0 {
			p2 = 1
		}
		y = min(y, shiftRatio*f.dt[n]*p2)
	}
	if math.IsInf(y, 1) {
		return 0
	}
	return y
}
