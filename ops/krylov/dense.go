package krylov

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// dense is the form in which theta is F (N, N) and B (N) themselves.
type dense struct {
	n    int
	s    float64
	e    []float64 // (N, N) E = (I - s F)^-1 of the latest yosida
	y    []float64 // (N, N) its result
	t    []float64 // (N, N) scratch
	perm []int     // (N) row exchanges of the inversion
	work gemm.Workspace[float64]

	eigen *symmetric // scratch of stabilise
}

var denseKind = kind{minN: 1, parts: denseParts, form: newDense}

func newDense(n int) form {
	m := func() []float64 { return make([]float64, n*n) }
	return &dense{n: n, e: m(), y: m(), t: m(), perm: make([]int, n), eigen: newSymmetric(n)}
}

// denseParts are the parameters of the form, in the order of theta.
func denseParts(n int) []part { return []part{{"A", n * n}, {"B", n}} }

func (f *dense) yosida(y, theta []float64, s float64) error {
	n, a := f.n, theta[:f.n*f.n]
	f.s = s
	copy(y, a)
	if s != 0 {
		vec.Scale(f.e, -s, a)
		for i := range n {
			f.e[i*n+i]++
		}
		if !invert(f.e, n, f.perm) {
			return errSingular
		}
		gemm.Gemm(&f.work, false, false, n, n, n, f.e, n, a, n, y, n, false)
	}
	copy(f.y, y)
	return nil
}

// yosidaGrad follows from dE = s E dF E + ds Y E:
//
//	dY = E dF E + ds Y^2,  gF = E^T gY E^T
func (f *dense) yosidaGrad(gTheta, gy []float64) (gs float64) {
	n, ga := f.n, gTheta[:f.n*f.n]
	if f.s == 0 {
		vec.Add(ga, ga, gy)
	} else {
		gemm.Gemm(&f.work, true, false, n, n, n, f.e, n, gy, n, f.t, n, false)
		gemm.Gemm(&f.work, false, true, n, n, n, f.t, n, f.e, n, ga, n, true)
	}
	gemm.Gemm(&f.work, false, false, n, n, n, f.y, n, f.y, n, f.t, n, false)
	return vec.Dot(gy, f.t)
}

func (f *dense) input(b, theta []float64) { copy(b, theta[f.n*f.n:]) }

func (f *dense) inputGrad(gTheta, _, gb []float64) {
	g := gTheta[f.n*f.n:]
	vec.Add(g, g, gb)
}

// stabilise subtracts rho >= 0 from the diagonal of F, the smallest for which
// the symmetric part of F is not positive. With its eigenvector v,
// d rho = v^T dF v.
func (f *dense) stabilise(theta, slope []float64) error {
	n := f.n
	clear(slope)
	for i := range n {
		for j := range n {
			f.eigen.a[i*n+j] = (theta[i*n+j] + theta[j*n+i]) / 2
		}
	}
	rho := f.eigen.excess()
	if rho == 0 {
		return nil
	}
	for i, v := range f.eigen.v {
		theta[i*n+i] -= rho
		vec.Scale(row(slope, i, n), v, f.eigen.v)
	}
	return nil
}

func (f *dense) stabiliseGrad(gTheta, _, slope []float64) {
	var gRho float64
	for i := range f.n {
		gRho -= gTheta[i*f.n+i]
	}
	vec.Axpy(gTheta, gRho, slope)
}

// invert replaces a (n, n) by its inverse, by Gauss-Jordan elimination with
// partial pivoting, and reports whether it has one. perm (n) is scratch.
func invert(a []float64, n int, perm []int) bool {
	for k := range n {
		p := k
		for i := k + 1; i < n; i++ {
			if math.Abs(a[i*n+k]) > math.Abs(a[p*n+k]) {
				p = i
			}
		}
		perm[k] = p
		pivot := row(a, k, n)
		if p != k {
			exchange(pivot, row(a, p, n))
		}
		if pivot[k] == 0 {
			return false
		}
		f := 1 / pivot[k]
		pivot[k] = 1
		vec.Scale(pivot, f, pivot)
		for i := range n {
			if i != k {
				r := row(a, i, n)
				f := r[k]
				r[k] = 0
				vec.Axpy(r, -f, pivot)
			}
		}
	}
	for k := n - 1; k >= 0; k-- {
		if p := perm[k]; p != k {
			for i := range n {
				a[i*n+k], a[i*n+p] = a[i*n+p], a[i*n+k]
			}
		}
	}
	return true
}
