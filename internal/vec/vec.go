package vec

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
)

// kernels is one implementation of the package. The functions trust their
// arguments: lengths are checked before the call.
type kernels[T num.Float] struct {
	exp, sigmoid, tanh, erf, gelu, silu func(dst, x []T)
	geluTanh, softplus                  func(dst, x []T)
	geluGrad, geluTanhGrad, siluGrad    func(dst, x, g []T)
	geluBoth, geluTanhBoth, siluBoth    func(y, dy, x []T)
	glu, add, sub, mul, max             func(dst, a, b []T)
	gluGrad                             func(da, db, a, b, g []T)
	axpy, scale                         func(dst []T, alpha T, x []T)
	addDiff, addSquareDiff, addMul      func(dst, a, b []T)
	normalise                           func(dst, x, mean, rstd []T, w, b T)
	normProducts                        func(xh, gx, sg, sgx, x, g, mean, rstd []T, w T)
	normGrad                            func(dst, xh, g, rstd, mg, mgx []T, w T)
	affine                              func(dst, x []T, c, k, b T)
	affineGrad                          func(dst, x, g []T, c, k, mg, q T)
	sumSqDiff                           func(x []T, c float64) float64 // len(x) a multiple of tail
	dotDiff                             func(g, x []T, c float64) float64
	sum                                 func(x []T) float64
	dot                                 func(a, b []T) float64
	roughSumSq                          func(x []T) float64
	lstm                                func(z, c0, c1, h1 []T)
	lstmGrad                            func(dz, z, c0, c1, dh, dc, g []T)
	gru                                 func(z, h0, h1 []T)
	gruGrad                             func(dz, z, h0, dh, g []T)
	rotate                              func(ya, yb, a, b, cos, sin []T)
	rotateBy                            func(a, b []T, cos, sin T)
	fetch                               func(x []T, ld, rows, lines int)
	retain                              func(y, a, b, v []T, cos, sin, ka, kb, qa, qb T)
	adamW                               func(p, g, m, v []T, decay, beta1, gain1, beta2, gain2, rate, root, eps T)
}

// active returns the implementation in use for T.
func active[T num.Float]() *kernels[T] {
	l := cpu.Active()
	if k, ok := any(&kernels32[l]).(*kernels[T]); ok {
		return k
	}
	return any(&kernels64[l]).(*kernels[T])
}

// want panics unless an operand has the length n of the destination.
func want(fn, operand string, n, got int) {
	if n != got {
		panic(fmt.Sprintf("vec: %s: want %s of length %d, got %d", fn, operand, n, got))
	}
}
