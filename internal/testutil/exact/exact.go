// Package exact computes discretised state space models and their kernels with
// numbers of 400 bits, by dense linear algebra: the oracle where float64 itself is
// in question. It is for tests and takes no care of time.
package exact

import (
	"errors"
	"math"
	"math/big"
)

const prec = 400

// Real is a real number.
type Real = *big.Float

// Num returns x.
func Num(x float64) Real { return new(big.Float).SetPrec(prec).SetFloat64(x) }

// add returns x + y. Package big would align the two bit by bit, however far apart
// they are.
func add(x, y Real) Real {
	if x.Sign() != 0 && y.Sign() != 0 {
		switch apart := x.MantExp(nil) - y.MantExp(nil); {
		case apart > prec+1:
			return Num(0).Set(x)
		case apart < -prec-1:
			return Num(0).Set(y)
		}
	}
	return Num(0).Add(x, y)
}

func sub(x, y Real) Real { return add(x, Num(0).Neg(y)) }
func mul(x, y Real) Real { return Num(0).Mul(x, y) }

// Model is the continuous model x' = dt (A x + B u), y = C x of one feature, where
// dt is diagonal: n states.
type Model struct {
	A    [][]Real // (n, n)
	B, C []Real   // (n)
	Dt   []Real   // (n)
}

// New returns a model of n states with nothing in it.
func New(n int) *Model {
	m := &Model{B: zeros(n), C: zeros(n), Dt: zeros(n)}
	for range n {
		m.A = append(m.A, zeros(n))
	}
	return m
}

func zeros(n int) []Real {
	v := make([]Real, n)
	for i := range v {
		v[i] = Num(0)
	}
	return v
}

// Of returns the model of real matrices, A (n, n), at one step size.
func Of(a, b, c []float64, dt float64) *Model {
	n := len(b)
	m := New(n)
	for i := range n {
		for j := range n {
			m.A[i][j] = Num(a[i*n+j])
		}
		m.B[i], m.C[i], m.Dt[i] = Num(b[i]), Num(c[i]), Num(dt)
	}
	return m
}

// DPLR returns the model with A = diag(lambda) - sum_r p_r p_r^H over both members
// of each conjugate pair, in real form, on the states (Re x, Im x): y = 2 Re(c x).
// dt is one for each pair.
func DPLR(lambda []complex128, p [][]complex128, b, c []complex128, dt []float64) *Model {
	n := len(lambda)
	m := New(2 * n)
	for i, l := range lambda {
		m.A[i][i], m.A[n+i][n+i] = Num(real(l)), Num(real(l))
		m.A[i][n+i], m.A[n+i][i] = Num(-imag(l)), Num(imag(l))
		m.B[i], m.B[n+i] = Num(real(b[i])), Num(imag(b[i]))
		m.C[i], m.C[n+i] = Num(2*real(c[i])), Num(-2*imag(c[i]))
		m.Dt[i], m.Dt[n+i] = Num(dt[i]), Num(dt[i])
	}
	for _, row := range p {
		v := zeros(2 * n)
		for i, x := range row {
			v[i], v[n+i] = Num(real(x)), Num(imag(x))
		}
		for i := range v {
			for j := range v {
				m.A[i][j] = sub(m.A[i][j], mul(Num(2), mul(v[i], v[j])))
			}
		}
	}
	return m
}

// Step is a discrete model x_l = Ab x_{l-1} + Bb u_l.
type Step struct {
	Ab [][]Real
	Bb []Real
}

// GBT discretises by the generalised bilinear transform.
func (m *Model) GBT(alpha float64) (*Step, error) {
	n := len(m.B)
	lhs, rhs := make([][]Real, n), make([][]Real, n)
	for i := range n {
		lhs[i], rhs[i] = zeros(n), zeros(n+1)
		for j := range n {
			x := mul(m.Dt[i], m.A[i][j])
			lhs[i][j] = sub(lhs[i][j], mul(Num(alpha), x))
			rhs[i][j] = mul(Num(1-alpha), x)
		}
		lhs[i][i] = add(lhs[i][i], Num(1))
		rhs[i][i] = add(rhs[i][i], Num(1))
		rhs[i][n] = mul(m.Dt[i], m.B[i])
	}
	if err := solve(lhs, rhs); err != nil {
		return nil, err
	}
	s := &Step{Ab: make([][]Real, n), Bb: make([]Real, n)}
	for i, row := range rhs {
		s.Ab[i], s.Bb[i] = row[:n], row[n]
	}
	return s, nil
}

// ZOH discretises by zero-order hold: the exponential of dt [A B; 0 0].
func (m *Model) ZOH() *Step {
	n := len(m.B)
	x := make([][]Real, n+1)
	var size float64
	for i := range x {
		x[i] = zeros(n + 1)
		if i == n {
			continue
		}
		for j := range n {
			x[i][j] = mul(m.Dt[i], m.A[i][j])
		}
		x[i][n] = mul(m.Dt[i], m.B[i])
		for _, v := range x[i] {
			f, _ := v.Float64()
			size = max(size, math.Abs(f)*float64(n+1))
		}
	}
	squares := math.Ilogb(size+1) + 16
	for _, row := range x {
		for j := range row {
			row[j] = Num(0).SetMantExp(row[j], -squares)
		}
	}
	e := identity(n + 1)
	for k := 26; k >= 1; k-- { // Horner, to 2^-400
		e = times(x, e)
		for i, row := range e {
			for j := range row {
				row[j] = Num(0).Quo(row[j], Num(float64(k)))
			}
			row[i] = add(row[i], Num(1))
		}
	}
	for range squares {
		e = times(e, e)
	}
	s := &Step{Bb: make([]Real, n)}
	for i := range n {
		s.Ab, s.Bb[i] = append(s.Ab, e[i][:n]), e[i][n]
	}
	return s
}

func identity(n int) [][]Real {
	m := make([][]Real, n)
	for i := range m {
		m[i] = zeros(n)
		m[i][i] = Num(1)
	}
	return m
}

func times(a, b [][]Real) [][]Real {
	c := make([][]Real, len(a))
	for i := range a {
		c[i] = zeros(len(b[0]))
		for k, x := range a[i] {
			if x.Sign() == 0 { // most are, of a diagonal model
				continue
			}
			for j, y := range b[k] {
				if y.Sign() != 0 {
					c[i][j] = add(c[i][j], mul(x, y))
				}
			}
		}
	}
	return c
}

// solve replaces the rows of x by those of a^-1 x. It overwrites a.
func solve(a, x [][]Real) error {
	n := len(a)
	for k := range n {
		p := k
		for i := k; i < n; i++ {
			if Num(0).Abs(a[i][k]).Cmp(Num(0).Abs(a[p][k])) > 0 {
				p = i
			}
		}
		if a[p][k].Sign() == 0 {
			return errors.New("exact: the matrix is singular")
		}
		a[k], a[p] = a[p], a[k]
		x[k], x[p] = x[p], x[k]
		for i := range n {
			if i == k {
				continue
			}
			f := Num(0).Quo(a[i][k], a[k][k])
			for j := k; j < n; j++ {
				a[i][j] = sub(a[i][j], mul(f, a[k][j]))
			}
			for j := range x[i] {
				x[i][j] = sub(x[i][j], mul(f, x[k][j]))
			}
		}
	}
	for i := range n {
		for j := range x[i] {
			x[i][j] = Num(0).Quo(x[i][j], a[i][i])
		}
	}
	return nil
}

// Floats returns Ab (n, n) and Bb (n), rounded.
func (s *Step) Floats() (ab, bb []float64) {
	for i, row := range s.Ab {
		for _, x := range row {
			f, _ := x.Float64()
			ab = append(ab, f)
		}
		f, _ := s.Bb[i].Float64()
		bb = append(bb, f)
	}
	return ab, bb
}

// Kernel returns the kernel c Ab^i Bb, i < l, rounded.
func (s *Step) Kernel(c []Real, l int) []float64 {
	k := make([]float64, l)
	x := s.Bb
	for i := range k {
		y := Num(0)
		for j, v := range x {
			y = add(y, mul(c[j], v))
		}
		k[i], _ = y.Float64()
		next := zeros(len(x))
		for a, row := range s.Ab {
			for b, v := range row {
				next[a] = add(next[a], mul(v, x[b]))
			}
		}
		x = next
	}
	return k
}

// Structured returns the model of ssm.Tridiagonal at one step size: A = -diag(pl)
// (T^-1 + diag(c)) diag(pr), with T of the diagonals dl, d and du, and B = diag(pl)
// b. out is the row of the output.
func Structured(pl, dl, d, du, pr, c, b, out []float64, dt float64) (*Model, error) {
	n := len(pl)
	t, inv := make([][]Real, n), identity(n)
	for i := range t {
		t[i] = zeros(n)
		t[i][i] = Num(d[i])
		if i > 0 {
			t[i][i-1], t[i-1][i] = Num(dl[i-1]), Num(du[i-1])
		}
	}
	if err := solve(t, inv); err != nil {
		return nil, err
	}
	m := New(n)
	for i := range n {
		inv[i][i] = add(inv[i][i], Num(c[i]))
		for j := range n {
			m.A[i][j] = mul(Num(-pl[i]), mul(inv[i][j], Num(pr[j])))
		}
		m.B[i], m.C[i], m.Dt[i] = mul(Num(pl[i]), Num(b[i])), Num(out[i]), Num(dt)
	}
	return m, nil
}
