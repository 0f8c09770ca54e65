package cauchy

import (
	"math/cmplx"

	"gonum.org/v1/gonum/mat"
)

// discrete is the bilinear recurrence of one feature,
//
//	x_l = Ab x_{l-1} + Bb u_l,  Ab = (I - dt/2 M)^-1 (I + dt/2 M),  Bb = (I - dt/2 M)^-1 dt b
//
// in the form that the Woodbury identity gives it: with g = 1/(1 - dt/2 Lambda)
// and the real R x R matrix W = (I + dt/2 p^H g p)^-1
//
//	Ab x = (2g - 1) x - sum_r e_r phi_r,  phi_r = 2 Re(q_r x)
//	q_r  = g conj(P_r),  e_r = dt g sum_s P_s W_sr,  Bb = dt g B - dt/2 sum_r e_r 2 Re(q_r B)
//
// It is the linear step of S4 (appendix C.2) multiplied out: no term of it is
// larger than the result by more than a small factor, so it may be rounded.
type discrete struct {
	pole []complex128   // (N) 2g - 1
	q, e [][]complex128 // (R, N)
	b    []complex128   // (N) Bb
}

func newDiscrete(f *feature) *discrete {
	n, rank := len(f.a), len(f.p)
	d := &discrete{pole: make([]complex128, n), q: newMatrix(rank, n), e: newMatrix(rank, n), b: make([]complex128, n)}
	w := newLU(rank)
	for i := range w.n {
		w.a[i*rank+i] = 1
	}
	dt := complex(f.dt, 0)
	for i, a := range f.a {
		z := dt / 2 * a
		g := 1 / (1 - z)
		d.pole[i] = (1 + z) * g
		d.b[i] = dt * g * f.b[i]
		for r := range rank {
			d.q[r][i] = g * cmplx.Conj(f.p[r][i])
			for s := range rank {
				w.a[r*rank+s] += complex(f.dt*real(d.q[r][i]*f.p[s][i]), 0)
			}
		}
	}
	w.factorise()
	row := make([]complex128, rank)
	for i := range f.a {
		for r := range rank {
			row[r] = f.p[r][i]
		}
		w.solveLeft(row)
		for r := range rank {
			d.e[r][i] = dt / (1 - dt/2*f.a[i]) * row[r]
		}
	}
	for r := range rank {
		phi := complex(f.dt/2*d.phi(r, f.b), 0)
		for i := range d.b {
			d.b[i] -= phi * d.e[r][i]
		}
	}
	return d
}

// phi returns 2 Re(q_r x).
func (d *discrete) phi(r int, x []complex128) float64 {
	var s float64
	for i, q := range d.q[r] {
		s += 2 * real(q*x[i])
	}
	return s
}

// matrix returns Ab as a real matrix (2N, 2N) on the state (Re x, Im x).
func (d *discrete) matrix() *mat.Dense {
	n := len(d.pole)
	m := mat.NewDense(2*n, 2*n, nil)
	for i, p := range d.pole {
		m.Set(i, i, real(p))
		m.Set(i, n+i, -imag(p))
		m.Set(n+i, i, imag(p))
		m.Set(n+i, n+i, real(p))
	}
	for r := range d.q {
		e, q := realColumn(d.e[r]), realRow(d.q[r])
		m.RankOne(m, -1, mat.NewVecDense(2*n, e), mat.NewVecDense(2*n, q))
	}
	return m
}

// realColumn returns (Re x, Im x).
func realColumn(x []complex128) []float64 {
	r := make([]float64, 2*len(x))
	for i, v := range x {
		r[i], r[len(x)+i] = real(v), imag(v)
	}
	return r
}

// realRow returns the row that takes (Re x, Im x) to 2 Re(c x).
func realRow(c []complex128) []float64 {
	r := make([]float64, 2*len(c))
	for i, v := range c {
		r[i], r[len(c)+i] = 2*real(v), -2*imag(v)
	}
	return r
}
