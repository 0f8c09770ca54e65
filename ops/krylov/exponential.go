package krylov

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// exponential discretises by zero-order hold, exact for an input that is
// constant over each step, by one matrix exponential that takes a singular F:
//
//	exp(dt [F B; 0 0]) = [Ab Bb; 0 1]
//
// The exponential is that of X/2^k, by its Taylor polynomial, squared k times.
type exponential struct {
	n, m    int // N, N+1
	squares int // k of the latest step
	dt      float64
	f, b    []float64   // F and B of the latest step
	x, g, h []float64   // (M, M) X/2^k; scratch
	taylor  [][]float64 // partial sums of Horner's rule, the last first
	power   [][]float64 // exp(X/2^k)^(2^i)
	work    gemm.Workspace[float64]
}

const (
	// taylorDegree and taylorRadius: below the radius, in the 1-norm, the next
	// term is under 1e-18 of the first.
	taylorDegree = 15
	taylorRadius = 0.5
	maxSquares   = 64
)

func newExponential(n int) *exponential {
	e := &exponential{n: n, m: n + 1}
	e.x, e.g, e.h = e.matrix(), e.matrix(), e.matrix()
	for range taylorDegree {
		e.taylor = append(e.taylor, e.matrix())
	}
	return e
}

func (e *exponential) matrix() []float64 { return make([]float64, e.m*e.m) }

// step writes Ab (N, N) and Bb (N). It keeps f (N, N) and b (N) for stepGrad.
func (e *exponential) step(ab, bb, f, b []float64, dt float64) {
	n, m := e.n, e.m
	e.f, e.b, e.dt = f, b, dt
	clear(e.x)
	for i := range n {
		vec.Scale(e.x[i*m:][:n], dt, row(f, i, n))
		e.x[i*m+n] = dt * b[i]
	}
	e.squares = e.scaling()
	vec.Scale(e.x, math.Ldexp(1, -e.squares), e.x)
	for len(e.power) <= e.squares {
		e.power = append(e.power, e.matrix())
	}
	e.sum(e.power[0])
	for k := range e.squares {
		square(&e.work, m, e.power[k+1], e.power[k])
	}
	for i := range n {
		r := e.power[e.squares][i*m:][:m]
		copy(row(ab, i, n), r)
		bb[i] = r[n]
	}
}

// scaling returns a k with |x|_1 <= 2^k taylorRadius, or maxSquares: beyond that
// rounding leaves nothing of the result.
func (e *exponential) scaling() int {
	var norm float64
	for j := range e.m {
		var s float64
		for i := range e.m {
			s += math.Abs(e.x[i*e.m+j])
		}
		norm = max(norm, s)
	}
	if !(norm > taylorRadius) {
		return 0
	}
	_, exp := math.Frexp(norm / taylorRadius) // less than 2^exp
	return min(exp, maxSquares)
}

// sum writes the Taylor polynomial of exp(x), by Horner's rule:
// E_k = I + x E_{k+1} / k, down to E_1.
func (e *exponential) sum(dst []float64) {
	m := e.m
	for k := taylorDegree; k >= 1; k-- {
		to := e.taylor[k-1]
		if k == taylorDegree {
			copy(to, e.x)
		} else {
			gemm.Gemm(&e.work, false, false, m, m, m, e.x, m, e.taylor[k], m, to, m, false)
		}
		vec.Scale(to, 1/float64(k), to)
		for i := range m {
			to[i*m+i]++
		}
	}
	copy(dst, e.taylor[0])
}

// stepGrad writes the gradients of F and B to gf and gb, given those of Ab and
// Bb of the latest step, and returns the derivative by dt.
func (e *exponential) stepGrad(gf, gb, gab, gbb []float64) (gDt float64) {
	n, m := e.n, e.m
	clear(e.g)
	for i := range n {
		copy(e.g[i*m:][:n], row(gab, i, n))
		e.g[i*m+n] = gbb[i]
	}
	for k := e.squares - 1; k >= 0; k-- {
		squareGrad(&e.work, m, e.h, e.g, e.power[k])
		e.g, e.h = e.h, e.g
	}
	gx := e.sumGrad()
	vec.Scale(gx, math.Ldexp(1, -e.squares), gx)
	for i := range n {
		g := gx[i*m:][:m]
		gDt += vec.Dot(g[:n], row(e.f, i, n)) + g[n]*e.b[i]
		vec.Scale(row(gf, i, n), e.dt, g[:n])
		gb[i] = e.dt * g[n]
	}
	return gDt
}

// sumGrad returns the gradient of x, given that of sum in g. It overwrites the
// partial sums.
func (e *exponential) sumGrad() []float64 {
	m := e.m
	gx := e.taylor[0] // E_1 is not needed
	clear(gx)
	for k := 1; k < taylorDegree; k++ {
		vec.Scale(e.g, 1/float64(k), e.g)
		gemm.Gemm(&e.work, false, true, m, m, m, e.g, m, e.taylor[k], m, gx, m, true)
		gemm.Gemm(&e.work, true, false, m, m, m, e.x, m, e.g, m, e.h, m, false)
		e.g, e.h = e.h, e.g
	}
	vec.Axpy(gx, 1./taylorDegree, e.g)
	return gx
}

// square sets dst = p p; all (n, n).
func square(ws *gemm.Workspace[float64], n int, dst, p []float64) {
	gemm.Gemm(ws, false, false, n, n, n, p, n, p, n, dst, n, false)
}

// squareGrad sets dst to the gradient of p, given the gradient g of p p.
func squareGrad(ws *gemm.Workspace[float64], n int, dst, g, p []float64) {
	gemm.Gemm(ws, false, true, n, n, n, g, n, p, n, dst, n, false)
	gemm.Gemm(ws, true, false, n, n, n, p, n, g, n, dst, n, true)
}
