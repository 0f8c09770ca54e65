package hippornn

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
)

// The a of a step says what becomes of a row: dt/(2 t) for LegS, 0 for a constant
// measure, or one of these.
const (
	firstStep = -1 // of LegS: the memory is set
	noStep    = -2 // the row has ended: its next state is 0
)

// legs is the update of the memory by LegS. With r_n = sqrt(2n+1), A is -(n+1) on the
// diagonal and -r_n r_k below it, so that row n of (I - a A) m' = (I + a A) m + 2 a B f is
//
//	(1 + a(n+1)) m'_n = (1 - a(n+1)) m_n - a r_n s_n,   s_n = sum_{k<n} r_k (m_k + m'_k) - 2 f
//
// which is solved from the first coefficient to the last, with s_n+1 from s_n and m_n.
type legs[T num.Float] struct {
	r []float64 // (N)
	a float64   // that the coefficients below are of
	// s_n+1 = keep_n s_n + add_n m_n and m'_n = m_n - (lose_n m_n + take_n s_n)
	keep, add, lose, take []T // (N)
}

func newLegS[T num.Float](n int) *legs[T] {
	l := &legs[T]{r: make([]float64, n), a: math.NaN()}
	for i := range l.r {
		l.r[i] = math.Sqrt(float64(2*i + 1))
	}
	all := make([]T, 4*n)
	l.keep, l.add, l.lose, l.take = all[:n], all[n:2*n], all[2*n:3*n], all[3*n:]
	return l
}

// at computes the coefficients of a.
func (l *legs[T]) at(a float64) {
	if a == l.a {
		return
	}
	l.a = a
	for i, r := range l.r {
		n := float64(i)
		q := 1 / (1 + a*(n+1))
		l.keep[i], l.add[i] = T((1-a*n)*q), T(2*r*q)
		l.lose[i], l.take[i] = T(2*a*(n+1)*q), T(a*r*q)
	}
}

// forward writes the memory (M, N) of a row after the signals f (M).
func (l *legs[T]) forward(next, m, f []T, a float64) {
	n := len(l.r)
	if a == firstStep {
		clear(next)
		for j, v := range f {
			next[j*n] = v
		}
		return
	}
	l.at(a)
	for j, v := range f {
		l.update(next[j*n:][:n], m[j*n:][:n], v)
	}
}

// update is forward of one signal.
func (l *legs[T]) update(next, m []T, f T) {
	n := len(next)
	m, keep, add, lose, take := m[:n], l.keep[:n], l.add[:n], l.lose[:n], l.take[:n]
	s := -2 * f
	for i, v := range m {
		next[i] = v - (lose[i]*v + take[i]*s)
		s = keep[i]*s + add[i]*v
	}
}

// backward replaces the gradient dm (M, N) of the memory after the step by that of the
// memory before it, and writes that of the signals.
func (l *legs[T]) backward(dm, df []T, a float64) {
	n := len(l.r)
	if a == firstStep {
		for j := range df {
			df[j] = dm[j*n]
		}
		clear(dm)
		return
	}
	l.at(a)
	for j := range df {
		df[j] = l.adjoint(dm[j*n:][:n])
	}
}

// adjoint is backward of one signal.
func (l *legs[T]) adjoint(dm []T) (df T) {
	n := len(dm)
	keep, add, lose, take := l.keep[:n], l.add[:n], l.lose[:n], l.take[:n]
	var ds T
	for i := n - 1; i >= 0; i-- {
		d := dm[i]
		dm[i] = d - lose[i]*d + add[i]*ds
		ds = keep[i]*ds - take[i]*d
	}
	return -2 * ds
}
