package krylov

// Models with a dense state matrix, x' = A x + B u with A (N, N): the form that
// the structured one, and the steps that both share, are judged by.

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// DenseParams are the raw parameters of a bank of kernels with dense state
// matrices, or the gradients with respect to them, held by E as in [Params].
// With S state matrices,
//
//	dt_h = Rate * DtTransform(Dt)
//	x'   = A x + B u
type DenseParams[E any] struct {
	Dt E // (H, 1): raw step sizes
	A  E // (S, N, N): state matrix
	B  E // (S, N): input
	C  E // (CH, H, N): output
}

// setDense makes v refer to p.
func (v *values[T]) setDense(p *DenseParams[[]T]) { v.set(p.Dt, p.C, p.A, p.B) }

// DensePlan is [Plan] for dense state matrices: those of any measure of package
// hippo, fixed or trainable.
type DensePlan[T num.Float] struct{ bank *bank[T] }

// NewDensePlan returns a plan for kernels of the given size.
func NewDensePlan[T num.Float](cfg Config, size Size) (*DensePlan[T], error) {
	b, err := newBank[T](cfg, size, denseKind)
	if err != nil {
		return nil, err
	}
	return &DensePlan[T]{b}, nil
}

// Forward writes the kernels (CH, H, L) to k. It returns an error if a length
// is wrong or a model cannot be discretised because A has the eigenvalue
// 1/(alpha dt).
func (p *DensePlan[T]) Forward(k []T, prm DenseParams[[]T]) error {
	p.bank.prm.setDense(&prm)
	if err := p.bank.forward(k); err != nil {
		return err
	}
	return nil
}

// Backward is [Plan.Backward] for dense state matrices.
func (p *DensePlan[T]) Backward(grad DenseParams[[]T], prm DenseParams[[]T], gk []T) error {
	p.bank.prm.setDense(&prm)
	p.bank.grad.setDense(&grad)
	if err := p.bank.backward(gk); err != nil {
		return err
	}
	return nil
}

// DiscretizeDense is [Discretize] for dense state matrices.
func DiscretizeDense[T num.Float](cfg Config, size Size, prm DenseParams[[]T]) (ab, bb []float64, err error) {
	b, err := newStepBank[T](cfg, size, denseKind)
	if err == nil {
		b.prm.setDense(&prm)
		ab, bb, err = b.discretize()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("krylov: DiscretizeDense: %w", err)
	}
	return ab, bb, nil
}

// DenseKernel is [Kernel] for dense state matrices, x' = A x + B u; see
// [DenseParams]. The shapes are
//
//	Dt     (H, 1) or (H)
//	A      (S, N, N), or (N, N) for S = 1
//	B      (S, N), or (N) for S = 1
//	C      (CH, H, N), or (H, N) for one channel
func DenseKernel(cfg Config, p DenseParams[*G.Node]) (*G.Node, error) {
	args := []graphop.Argument{graphop.Named("Dt", p.Dt), graphop.Named("A", p.A), graphop.Named("B", p.B), graphop.Named("C", p.C)}
	return apply("krylov.DenseKernel", cfg, denseKind, args, denseSize)
}

// denseSize reads S and N off the shapes of A and B.
func denseSize(parts []*G.Node) (s, n int, err error) {
	a := parts[0].Shape()
	d := a.Dims()
	if d != 2 && d != 3 || a[d-1] < 1 || a[d-1] != a[d-2] {
		return 0, 0, fmt.Errorf("A: want (S, N, N) or (N, N), N >= 1, got %v", a)
	}
	s, n = 1, a[d-1]
	if d == 3 {
		s = a[0]
	}
	shapes := [][]int{{s, n}}
	if s == 1 {
		shapes = append(shapes, []int{n})
	}
	return s, n, graphop.WantShape("B", parts[1], shapes...)
}

// dense is the form in which theta is F (N, N) and B (N) themselves.
type dense struct {
	n    int
	s    float64
	y    []float64 // (N, N) of the latest yosida
	long bool      // it was a long step: z is Z; otherwise scratch
	z, t []float64 // (N, N) scratch
	work gemm.Workspace[float64]

	eigen *symmetric // scratch of stabilise
}

var denseKind = kind{minN: 1, parts: denseParts, form: newDense}

func newDense(n int) form {
	m := func() []float64 { return make([]float64, n*n) }
	return &dense{n: n, y: m(), z: m(), t: m(), eigen: newSymmetric(n)}
}

// denseParts are the parameters of the form, in the order of theta.
func denseParts(n int) []part { return []part{{"A", n * n}, {"B", n}} }

// longStep is the size of s F from which on Z is found first.
const longStep = 1e3

// yosida solves (I - s F) Y = F. A product of F with the inverse would lose
// digits: for LegS the entries of F grow with N and cancel. At long steps, where I +
// s Y would, it solves for Z, from which Y = (Z - I)/s.
func (f *dense) yosida(y, theta []float64, s float64) error {
	n, a := f.n, theta[:f.n*f.n]
	f.s = s
	f.long = s*math.Sqrt(vec.Dot(a, a)) > longStep
	x := f.y
	if f.long {
		x = f.z
		setIdentity(x, n)
	} else {
		copy(x, a)
	}
	if s != 0 {
		vec.Scale(f.t, -s, a)
		for i := range n {
			f.t[i*n+i]++
		}
		if !solve(f.t, x, n) {
			return errSingular
		}
	}
	if f.long {
		vec.Scale(f.y, 1/s, f.z)
		for i := range n {
			f.y[i*n+i] -= 1 / s
		}
	}
	copy(y, f.y)
	return nil
}

func (f *dense) inverse(z []float64) {
	if f.long {
		copy(z, f.z)
		return
	}
	vec.Scale(z, f.s, f.y)
	for i := range f.n {
		z[i*f.n+i]++
	}
}

func (f *dense) solve(x, b, y []float64) {
	if f.long {
		for i := range x {
			x[i] = vec.Dot(row(f.z, i, f.n), b)
		}
		return
	}
	copy(x, b)
	vec.Axpy(x, f.s, y)
}

// setIdentity sets m (n, n) to the identity.
func setIdentity(m []float64, n int) {
	clear(m)
	for i := range n {
		m[i*n+i] = 1
	}
}

// yosidaGrad follows from
//
//	dY = Z dF Z + ds Y^2,  gF = Z^T gY Z^T
func (f *dense) yosidaGrad(gTheta, gy []float64) (gs float64) {
	n, ga := f.n, gTheta[:f.n*f.n]
	if f.s == 0 {
		vec.Add(ga, ga, gy)
	} else {
		if !f.long {
			f.inverse(f.z)
		}
		gemm.Gemm(&f.work, true, false, n, n, n, f.z, n, gy, n, f.t, n, false)
		gemm.Gemm(&f.work, false, true, n, n, n, f.t, n, f.z, n, ga, n, true)
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

// solve replaces x by a^-1 x, both (n, n), by elimination with partial pivoting,
// and reports whether a is regular. It overwrites a.
func solve(a, x []float64, n int) bool {
	for k := range n {
		p := k
		for i := k + 1; i < n; i++ {
			if math.Abs(a[i*n+k]) > math.Abs(a[p*n+k]) {
				p = i
			}
		}
		if p != k {
			exchange(row(a, k, n), row(a, p, n))
			exchange(row(x, k, n), row(x, p, n))
		}
		pivot := row(a, k, n)[k:]
		if pivot[0] == 0 {
			return false
		}
		for i := k + 1; i < n; i++ {
			r := row(a, i, n)[k:]
			f := r[0] / pivot[0]
			vec.Axpy(r, -f, pivot)
			vec.Axpy(row(x, i, n), -f, row(x, k, n))
		}
	}
	for i := n - 1; i >= 0; i-- {
		to := row(x, i, n)
		for j := i + 1; j < n; j++ {
			vec.Axpy(to, -a[i*n+j], row(x, j, n))
		}
		vec.Scale(to, 1/a[i*n+i], to)
	}
	return true
}
