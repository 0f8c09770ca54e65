package cauchy

import (
	"math/cmplx"

	"github.com/gorgonia-s4/s4/internal/num"
)

// discrete is the bilinear recurrence of one feature,
//
//	x_l = Ab x_{l-1} + Bb u_l,  Ab = (I - dt/2 M)^-1 (I + dt/2 M),  Bb = (I - dt/2 M)^-1 dt b
//
// in the form that the Woodbury identity gives it: with g = 1/(1 - dt/2 Lambda)
// and the real R x R matrix W = (I + p^H g dt/2 p)^-1
//
//	Ab x = (2g - 1) x - sum_r e_r phi_r,  phi_r = 2 Re(q_r x)
//	q_r  = g conj(P_r),  e_r = dt g sum_s P_s W_sr,  Bb = dt g B - sum_r e_r Re(q_r dt B)
//
// It is the linear step of S4 (appendix C.2) multiplied out: no term of it is
// larger than the result by more than a small factor, so it may be rounded.
type discrete struct {
	pole []complex128   // (N) 2g - 1
	diff []complex128   // (N) 2g - 2 = dt Lambda g
	plus []complex128   // (N) 2g
	q, e [][]complex128 // (R, N)
	b    []complex128   // (N) Bb

	w   *lu          // (R, R)
	row []complex128 // (R)
}

func newDiscrete(s *Size) *discrete {
	return &discrete{
		pole: make([]complex128, s.N), diff: make([]complex128, s.N), plus: make([]complex128, s.N), q: newMatrix(s.R, s.N), e: newMatrix(s.R, s.N), b: make([]complex128, s.N),
		w: newLU(s.R), row: make([]complex128, s.R),
	}
}

// set discretises the model of a feature.
func (d *discrete) set(f *feature) {
	rank := len(f.p)
	clear(d.w.a)
	for r := range rank {
		d.w.a[r*rank+r] = 1
	}
	for n, a := range f.a {
		dt := complex(f.dt[n], 0)
		z := dt / 2 * a
		g := 1 / (1 - z)
		d.pole[n], d.diff[n], d.plus[n] = (1+z)*g, 2*z*g, 2*g
		d.b[n] = dt * g * f.b[n]
		for r := range rank {
			d.q[r][n] = g * cmplx.Conj(f.p[r][n])
			d.e[r][n] = dt * g
			for s := range rank {
				d.w.a[r*rank+s] += complex(f.dt[n]*real(d.q[r][n]*f.p[s][n]), 0)
			}
		}
	}
	d.w.factorise()
	for n := range f.a {
		for r := range rank {
			d.row[r] = f.p[r][n]
		}
		d.w.solveLeft(d.row)
		for r, v := range d.row {
			d.e[r][n] *= v
		}
	}
	for r := range rank {
		var phi complex128 // q_r dt B / 2
		for n, b := range f.b {
			phi += complex(f.dt[n]*real(d.q[r][n]*b), 0)
		}
		for n := range d.b {
			d.b[n] -= phi * d.e[r][n]
		}
	}
}

// matrix writes Ab to dst as a real matrix (2N, 2N), row-major, on the state
// (Re x, Im x).
func (d *discrete) matrix(dst []float64) { d.dense(dst, d.pole) }

// change writes Ab - I as matrix writes Ab, without loss where dt Lambda is
// small.
func (d *discrete) change(dst []float64) { d.dense(dst, d.diff) }

// sum writes Ab + I likewise, without loss where dt Lambda is large.
func (d *discrete) sum(dst []float64) { d.dense(dst, d.plus) }

// dense writes diag(poles) - sum_r e_r q_r as a real matrix.
func (d *discrete) dense(dst []float64, poles []complex128) {
	n := len(poles)
	clear(dst)
	at := func(i, j int) *float64 { return &dst[i*2*n+j] }
	for i, p := range poles {
		*at(i, i), *at(i, n+i) = real(p), -imag(p)
		*at(n+i, i), *at(n+i, n+i) = imag(p), real(p)
	}
	for r := range d.q {
		for i, e := range d.e[r] {
			for j, q := range d.q[r] { // times the row (2 Re q, -2 Im q)
				*at(i, j) -= 2 * real(e) * real(q)
				*at(i, n+j) += 2 * real(e) * imag(q)
				*at(n+i, j) -= 2 * imag(e) * real(q)
				*at(n+i, n+j) += 2 * imag(e) * imag(q)
			}
		}
	}
}

// realColumn writes (Re x, Im x) to dst.
func realColumn[T num.Float](dst []T, x []complex128) {
	for n, v := range x {
		dst[n], dst[len(x)+n] = T(real(v)), T(imag(v))
	}
}

// realRow writes the row that takes (Re x, Im x) to 2 Re(c x) to dst.
func realRow[T num.Float](dst []T, c []complex128) {
	for n, v := range c {
		dst[n], dst[len(c)+n] = T(2*real(v)), T(-2*imag(v))
	}
}
