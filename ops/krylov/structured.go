package krylov

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// structured is the form F = -A, A = diag(pl) (T^-1 + diag(c)) diag(pr),
// B = diag(pl) b with T tridiagonal (see ssm.Tridiagonal). Neither A nor T^-1 is
// formed: with p = pl pr and the tridiagonal matrix
//
//	M = diag(1 + s p c) T + s diag(p)
//
// the operator is
//
//	A (I + s A)^-1 = diag(pl) (I + diag(c) T) M^-1 diag(pr)
//
// To see it, solve (I + s A) x = v with pr x = T w: times pr that reads
// T w + s p (w + c T w) = M w = pr v, and A x = pl (w + c T w).
//
// Its companion is Z = (I + s A)^-1 = I - s A Z, and diag(pr) Z = T M^-1 diag(pr).
// Where s A is large, the former is a small difference; where T and an element of pr
// nearly cancel, or pr is 0, the latter is. Each element of Z is taken from that
// which has the smaller terms.
//
// Nothing else is divided by pr, nothing by p or c, and N solves with M are O(N^2).
type structured struct {
	n     int
	s     float64
	theta ssm.Tridiagonal[[]float64] // of the latest yosida
	p, r  []float64                  // (N) p, 1 + s p c
	lu    tridiagonal                // of M
	z, tz []float64                  // (N, N) Z = M^-1 diag(pr), T Z
	g, q  []float64                  // (N, N) scratch of yosidaGrad
	eigen *symmetric                 // scratch of stabilise
}

// structuredKind has n >= 2: T has a subdiagonal.
var structuredKind = kind{minN: 2, parts: structuredParts, form: newStructured}

func newStructured(n int) form {
	m := func() []float64 { return make([]float64, n*n) }
	return &structured{
		n: n, p: make([]float64, n), r: make([]float64, n), lu: newTridiagonal(n),
		z: m(), tz: m(), g: m(), q: m(), eigen: newSymmetric(n),
	}
}

// structuredParts are the parameters of the form, in the order of theta.
func structuredParts(n int) []part {
	return []part{{"A.Pl", n}, {"A.Dl", n - 1}, {"A.D", n}, {"A.Du", n - 1}, {"A.Pr", n}, {"A.C", n}, {"A.B", n}}
}

// splitTheta returns the parts of theta.
func splitTheta(theta []float64, n int) (t ssm.Tridiagonal[[]float64]) {
	take := func(n int) (v []float64) {
		v, theta = theta[:n:n], theta[n:]
		return v
	}
	t.Pl, t.Dl, t.D, t.Du, t.Pr, t.C, t.B = take(n), take(n-1), take(n), take(n-1), take(n), take(n), take(n)
	return t
}

func (f *structured) yosida(y, theta []float64, s float64) error {
	n, t := f.n, splitTheta(theta, f.n)
	f.s, f.theta = s, t
	for i := range n {
		f.p[i] = t.Pl[i] * t.Pr[i]
		f.r[i] = 1 + s*f.p[i]*t.C[i]
		f.lu.main[i] = f.r[i]*t.D[i] + s*f.p[i]
		if i > 0 {
			f.lu.mult[i-1] = f.r[i] * t.Dl[i-1]
			f.lu.upper[i-1] = f.r[i-1] * t.Du[i-1]
		}
	}
	if !f.lu.factor() {
		return errSingular
	}
	clear(f.z)
	for i, v := range t.Pr {
		f.z[i*n+i] = v
	}
	f.lu.solve(f.z)
	for i := range n {
		z, tz := row(f.z, i, n), row(f.tz, i, n)
		f.timesT(tz, f.z, i)
		yi := row(y, i, n)
		vec.Scale(yi, -t.Pl[i], z)
		vec.Axpy(yi, -t.Pl[i]*t.C[i], tz)
	}
	return nil
}

func (f *structured) inverse(z []float64) {
	n, t := f.n, &f.theta
	for i := range n {
		zi, w, tw := row(z, i, n), row(f.z, i, n), row(f.tz, i, n)
		for j := range zi {
			var at float64
			if i == j {
				at = 1
			}
			y := -t.Pl[i] * (w[j] + t.C[i]*tw[j])
			zi[j] = f.resolve(i, at, y, tw[j], f.z[j:], n)
		}
	}
}

// mayLose is how much less than one of its terms a difference may be before another
// form of it is looked at.
const mayLose = 0.1

func (f *structured) solve(x, b, y []float64) {
	n, w := f.n, f.q[:f.n]
	lost := false
	for i, bi := range b {
		x[i] = bi + f.s*y[i]
		lost = lost || math.Abs(x[i]) < mayLose*math.Abs(bi)
	}
	if !lost {
		return
	}
	for i := range w {
		w[i] = vec.Dot(row(f.z, i, n), b)
	}
	for i := range x {
		x[i] = f.resolve(i, b[i], y[i], vec.Dot(row(f.tz, i, n), b), w, 1)
	}
}

// resolve returns element i of Z b, given those of b, of y = Y b and of T w, and
// all of w = M^-1 diag(pr) b, whose elements are stride apart.
func (f *structured) resolve(i int, b, y, tw float64, w []float64, stride int) float64 {
	t := &f.theta
	terms := math.Abs(t.D[i] * w[i*stride])
	if i > 0 {
		terms = max(terms, math.Abs(t.Dl[i-1]*w[(i-1)*stride]))
	}
	if i+1 < f.n {
		terms = max(terms, math.Abs(t.Du[i]*w[(i+1)*stride]))
	}
	if terms < max(math.Abs(b), math.Abs(f.s*y))*math.Abs(t.Pr[i]) {
		return tw / t.Pr[i]
	}
	return b + f.s*y
}

// timesT writes row i of T x, x (N, N).
func (f *structured) timesT(dst, x []float64, i int) {
	n, t := f.n, &f.theta
	vec.Scale(dst, t.D[i], row(x, i, n))
	if i > 0 {
		vec.Axpy(dst, t.Dl[i-1], row(x, i-1, n))
	}
	if i+1 < n {
		vec.Axpy(dst, t.Du[i], row(x, i+1, n))
	}
}

// yosidaGrad is the adjoint of yosida line by line, with V = (I + diag(c) T) Z:
//
//	Y = -diag(pl) V        gV = -diag(pl) gY
//	V = Z + diag(c) T Z    gZ = gV + T^T diag(c) gV,  gT += diag(c) gV Z^T
//	Z = M^-1 diag(pr)      Q  = M^-T gZ,  gpr += diag(Q),  gM = -Q Z^T
//	M = diag(r) T + s diag(p),  r = 1 + s p c
//
// Of gT and gM only the three diagonals are computed.
func (f *structured) yosidaGrad(gTheta, gy []float64) (gs float64) {
	n, t, gt := f.n, &f.theta, splitTheta(gTheta, f.n)
	for i := range n {
		gyi := row(gy, i, n)
		gz, gtz := vec.Dot(gyi, row(f.z, i, n)), vec.Dot(gyi, row(f.tz, i, n))
		gt.Pl[i] -= gz + t.C[i]*gtz
		gt.C[i] -= t.Pl[i] * gtz
		vec.Scale(row(f.g, i, n), -t.Pl[i], gyi)
	}
	for i := range n {
		q := row(f.q, i, n)
		vec.Scale(q, 1+t.D[i]*t.C[i], row(f.g, i, n))
		if i > 0 {
			vec.Axpy(q, t.Du[i-1]*t.C[i-1], row(f.g, i-1, n))
		}
		if i+1 < n {
			vec.Axpy(q, t.Dl[i]*t.C[i+1], row(f.g, i+1, n))
		}
	}
	f.lu.solveTrans(f.q)
	for i := range n {
		gt.Pr[i] += f.q[i*n+i]
		var gr, gm float64 // of r_i and of M_ii
		f.eachOfT(i, &gt, func(j int, v float64, gv *float64) {
			z := row(f.z, j, n)
			m := -vec.Dot(row(f.q, i, n), z)
			*gv += t.C[i]*vec.Dot(row(f.g, i, n), z) + f.r[i]*m
			gr += m * v
			if j == i {
				gm = m
			}
		})
		gp := gm + t.C[i]*gr // but for the factor s
		gs += f.p[i] * gp
		gt.C[i] += f.s * f.p[i] * gr
		gt.Pl[i] += f.s * gp * t.Pr[i]
		gt.Pr[i] += f.s * gp * t.Pl[i]
	}
	return gs
}

// eachOfT calls do for every element of row i of T: its column, its value and
// its place in g.
func (f *structured) eachOfT(i int, g *ssm.Tridiagonal[[]float64], do func(j int, v float64, gv *float64)) {
	t := &f.theta
	if i > 0 {
		do(i-1, t.Dl[i-1], &g.Dl[i-1])
	}
	do(i, t.D[i], &g.D[i])
	if i+1 < f.n {
		do(i+1, t.Du[i], &g.Du[i])
	}
}

func (f *structured) input(b, theta []float64) {
	t := splitTheta(theta, f.n)
	vec.Mul(b, t.Pl, t.B)
}

func (f *structured) inputGrad(gTheta, theta, gb []float64) {
	t, gt := splitTheta(theta, f.n), splitTheta(gTheta, f.n)
	for i, g := range gb {
		gt.Pl[i] += g * t.B[i]
		gt.B[i] += g * t.Pl[i]
	}
}

// stabilise takes pl and pr to their absolute values and adds rho >= 0 to every
// element of c, the smallest for which the symmetric part of T^-1 + diag(c) is
// not negative. slope is the gradient of rho: with the eigenvector v,
//
//	rho = -lambda_min,  d rho = -v^T d(T^-1) v - sum v_n^2 dc_n = (T^-T v)^T dT (T^-1 v) - sum v_n^2 dc_n
func (f *structured) stabilise(theta, slope []float64) error {
	n, t, w := f.n, splitTheta(theta, f.n), splitTheta(slope, f.n)
	clear(slope)
	for i := range n {
		t.Pl[i], t.Pr[i] = math.Abs(t.Pl[i]), math.Abs(t.Pr[i])
	}
	copy(f.lu.mult, t.Dl)
	copy(f.lu.main, t.D)
	copy(f.lu.upper, t.Du)
	if !f.lu.factor() {
		return errSingular
	}
	inv := f.z
	clear(inv)
	for i := range n {
		inv[i*n+i] = 1
	}
	f.lu.solve(inv)
	for i := range n {
		for j := range n {
			f.eigen.a[i*n+j] = -(inv[i*n+j] + inv[j*n+i]) / 2
		}
		f.eigen.a[i*n+i] -= t.C[i]
	}
	rho := f.eigen.excess()
	if rho == 0 {
		return nil
	}
	v, x, y := f.eigen.v, f.p, f.r // x = T^-T v, y = T^-1 v
	clear(x)
	for i := range n {
		vec.Axpy(x, v[i], row(inv, i, n))
		y[i] = vec.Dot(row(inv, i, n), v)
	}
	for i := range n {
		t.C[i] += rho
		w.C[i] = -v[i] * v[i]
		w.D[i] = x[i] * y[i]
		if i+1 < n {
			w.Dl[i] = x[i+1] * y[i]
			w.Du[i] = x[i] * y[i+1]
		}
	}
	return nil
}

func (f *structured) stabiliseGrad(gTheta, raw, slope []float64) {
	g, t := splitTheta(gTheta, f.n), splitTheta(raw, f.n)
	var gRho float64
	for i := range f.n {
		gRho += g.C[i]
		g.Pl[i] = math.Copysign(1, t.Pl[i]) * g.Pl[i]
		g.Pr[i] = math.Copysign(1, t.Pr[i]) * g.Pr[i]
	}
	vec.Axpy(gTheta, gRho, slope)
}
