package ndconv

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
)

// axis is the convolution along one axis of an image, with the kernels of one term, channel
// and feature. It is the memory of a worker.
type axis[T num.Float] interface {
	// load takes the kernels of each direction, times scale.
	load(k [2][]T, scale T)
	// apply sets y to the convolution of the image x, or adds it.
	apply(y, x []T, add bool)
	// begin makes the sums of the gradient of the kernels zero.
	begin()
	// back adds to those sums for the image x and the gradient g of its convolution. Unless
	// dx is nil, it sets dx to the gradient of x, or adds that. x nil: no sums.
	back(dx, g, x []T, add bool)
	// gradient sets dk to scale times the sums.
	gradient(dk [2][]float64, scale float64)
}

// toeplitz is the method for short axes: products with the matrix M (n, n) whose element
// (l, j) is the kernel at lag l - j.
type toeplitz[T num.Float] struct {
	line
	ws      *gemm.Workspace[T]
	m       []T // (n, n)
	weights []T // (2n - 1) the kernel from the largest lag to the smallest
	dm      []T // (n, n) gradient of M

	// M and its transpose, as left factors or, of the last axis, as right ones.
	left  [2]gemm.Packed[T]
	right [2]gemm.PackedB[T]
}

func newToeplitz[T num.Float](a line, ws *gemm.Workspace[T]) *toeplitz[T] {
	return &toeplitz[T]{line: a, ws: ws, m: num.Aligned[T](a.n * a.n), weights: make([]T, 2*a.n-1), dm: num.Aligned[T](a.n * a.n)}
}

func (t *toeplitz[T]) load(k [2][]T, scale T) {
	n := t.n
	clear(t.weights)
	for d := range t.directions {
		for m, w := range k[d][:t.taps[d]] {
			t.weights[n-1-t.lag(d, m)] += scale * w
		}
	}
	for l := range n {
		copy(t.m[l*n:][:n], t.weights[n-1-l:])
	}
	for i, trans := range []bool{false, true} {
		if t.inner == 1 {
			t.right[i].Pack(!trans, n, n, t.m, n, nil)
		} else {
			t.left[i].Pack(trans, n, n, t.m, n, nil)
		}
	}
}

func (t *toeplitz[T]) apply(y, x []T, add bool) { t.multiply(0, y, x, add) }

// multiply sets y to the product of M, or with i = 1 its transpose, along the axis of x, or
// adds it.
func (t *toeplitz[T]) multiply(i int, y, x []T, add bool) {
	n := t.n
	switch {
	case t.inner == 1 && add:
		gemm.AddPackedB(t.ws, t.outer, x, n, &t.right[i], y, n)
	case t.inner == 1:
		gemm.GemmPackedB(t.ws, t.outer, x, n, &t.right[i], 0, n, y, n)
	default:
		for o := range t.outer {
			at := o * n * t.inner
			gemm.GemmPacked(t.ws, &t.left[i], false, t.inner, x[at:], t.inner, y[at:], t.inner, add, nil)
		}
	}
}

func (t *toeplitz[T]) begin() { clear(t.dm) }

func (t *toeplitz[T]) back(dx, g, x []T, add bool) {
	n := t.n
	switch {
	case x == nil:
	case t.inner == 1:
		gemm.Gemm(t.ws, true, false, n, n, t.outer, g, n, x, n, t.dm, n, true)
	default:
		for o := range t.outer {
			at := o * n * t.inner
			gemm.Gemm(t.ws, false, true, n, n, t.inner, g[at:], t.inner, x[at:], t.inner, t.dm, n, true)
		}
	}
	if dx != nil {
		t.multiply(1, dx, g, add)
	}
}

func (t *toeplitz[T]) gradient(dk [2][]float64, scale float64) {
	for d := range t.directions {
		clear(dk[d])
		for m := range t.taps[d] {
			dk[d][m] = scale * t.diagonal(t.lag(d, m))
		}
	}
}

// diagonal returns the sum of the gradient of M over the elements of a lag.
func (t *toeplitz[T]) diagonal(lag int) float64 {
	var s float64
	for l := max(0, lag); l < min(t.n, t.n+lag); l++ {
		s += float64(t.dm[l*t.n+l-lag])
	}
	return s
}
