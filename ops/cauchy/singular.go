package cauchy

import (
	"fmt"
	"math"
	"math/cmplx"

	"github.com/gorgonia-s4/s4/internal/vec"
)

const (
	// noPart is how small, relative to its terms, a part of C or of B in a mode is
	// that counts as none.
	noPart = 1e-10
	// strayPart is noPart for what P, B and C~ together have in a mode that P was
	// to keep them out of, where a learning step or two has moved them: it is left
	// out.
	strayPart = 1e-4
	// tooClose is how close to a node a pole may not be, relative to its distance
	// from w = 1, nor to the imaginary axis with it: rounding leaves 10 digits.
	tooClose = 1e-6
	// keepsNone is what errors say of a mode with the eigenvalue 1.
	keepsNone = "of which C~ = C (I - Ab^n) keeps nothing: the kernel does not follow from it"
)

// singular returns an error if the kernel has a mode that C~, tuned to n steps,
// cannot hold: one of eigenvalue 1 of Ab^n, that the input reaches and the output
// sees. B and C have to be loaded; C may be C itself.
func (f *feature) singular(n int) error {
	if z := f.zeroPoles(); len(z) > 0 {
		if err := f.singularZero(z); err != nil {
			return err
		}
	}
	for i, a := range f.a {
		if math.Abs(real(a)) < tooClose*math.Abs(imag(a)) && !f.corrected(i) && f.connected(i) && onNode(f.dt[i]*imag(a), n) {
			return fmt.Errorf("pole %d: Lambda = %g does not decay, has no part in P and at dt = %g repeats itself in n = %d steps: Ab^n has the eigenvalue 1, %s", i, a, f.dt[i], n, keepsNone)
		}
	}
	return nil
}

// lost is singular by the dense matrix p.e = Ab^l - I: an error if a direction in
// which that has no inverse is one that the input reaches, of which the rows of C
// have a part. b is Bb.
func (f *feature) lost(p *power, b []float64) error {
	at := -1
	for _, u := range p.inv.LostLeft() {
		if part(u, b) > noPart {
			at = largest(u) % len(f.a)
		}
	}
	if at < 0 {
		return nil
	}
	c := make([]float64, len(b))
	for _, row := range f.c {
		realRow(c, row)
		for _, v := range p.inv.LostRight() {
			if part(c, v) > noPart {
				return fmt.Errorf("the power Ab^%d has the eigenvalue 1 to rounding, in a mode nearest to pole %d: Lambda = %g, %s", p.l, at, f.a[at], keepsNone)
			}
		}
	}
	return nil
}

// part returns |x y|, relative to its terms.
func part(x, y []float64) float64 {
	var sum, size float64
	for i, v := range x {
		sum += v * y[i]
		size += math.Abs(v * y[i])
	}
	if size == 0 {
		return 0
	}
	return math.Abs(sum) / size
}

// corrected reports whether pole i has a part in P.
func (f *feature) corrected(i int) bool {
	for _, p := range f.p {
		if p[i] != 0 {
			return true
		}
	}
	return false
}

// connected reports whether pole i has a part in B and in some C.
func (f *feature) connected(i int) bool {
	if f.b[i] == 0 {
		return false
	}
	for _, c := range f.c {
		if c[i] != 0 {
			return true
		}
	}
	return false
}

// onNode reports whether the undamped pole i freq, in units of the step, is as
// good as on one of the n-th roots of unity. At w = 1 and w = -1 there is no such
// thing: both are exact.
func onNode(freq float64, n int) bool {
	k := float64(n) / math.Pi * math.Atan(math.Abs(freq)/2)
	at := math.Round(k)
	return at > 0 && 2*at != float64(n) && math.Abs(k-at) < tooClose*k
}

// zeroPoles lists the eigenvalues that are 0.
func (f *feature) zeroPoles() (z []int) {
	for n, a := range f.a {
		if math.Abs(real(a)) <= zeroEigenvalue && math.Abs(imag(a)) <= zeroEigenvalue {
			z = append(z, n)
		}
	}
	return z
}

// isZero reports whether eigenvalue n, a, counts as 0.
func (f *feature) isZero(n int, a complex128) bool {
	return cmplx.Abs(a) <= max(zeroRatio*f.low(n), zeroEigenvalue)
}

// low returns |p_n|^2.
func (f *feature) low(n int) (p2 float64) {
	for _, p := range f.p {
		p2 += 2 * (real(p[n])*real(p[n]) + imag(p[n])*imag(p[n]))
	}
	return p2
}

// singularZero is singular for the eigenvalues z, which are 0. In real form, of
// two states each, P P^H lets decay what lies along the rows of P, restricted to
// z. What is perpendicular to them stays as it is for ever: K has a constant part
// there, of which C~ has none.
func (f *feature) singularZero(z []int) error {
	var rows [][]float64 // orthonormal, of P
	for _, p := range f.p {
		r := restrict(p, z)
		size := norm(r)
		remove(r, rows)
		if norm(r) > noPart*size {
			vec.Scale(r, 1/norm(r), r)
			rows = append(rows, r)
		}
	}
	b := restrict(f.b, z)
	size := norm(b)
	remove(b, rows)
	if norm(b) <= noPart*size {
		return nil
	}
	tol := noPart
	if len(rows) > 0 {
		tol = strayPart
	}
	for _, row := range f.c {
		c := restrict(row, z)
		for i := range c {
			if i%2 == 1 {
				c[i] = -c[i]
			}
		}
		if math.Abs(vec.Dot(c, b)) <= tol*norm(c)*size {
			continue
		}
		i := z[largest(b)/2]
		return fmt.Errorf("pole %d: Lambda = %g is 0, B has a part in it that P lets not decay: Ab has the eigenvalue 1, %s", i, f.a[i], keepsNone)
	}
	return nil
}

// restrict returns the elements z of x, as real and imaginary parts by turns.
func restrict(x []complex128, z []int) []float64 {
	r := make([]float64, 0, 2*len(z))
	for _, n := range z {
		r = append(r, real(x[n]), imag(x[n]))
	}
	return r
}

// remove takes what lies along the orthonormal rows out of x, twice against
// rounding.
func remove(x []float64, rows [][]float64) {
	for range 2 {
		for _, r := range rows {
			vec.Axpy(x, -vec.Dot(x, r), r)
		}
	}
}

func norm(x []float64) float64 { return math.Sqrt(vec.Dot(x, x)) }

// largest returns the index of the element of the largest modulus.
func largest(x []float64) (at int) {
	for i, v := range x {
		if math.Abs(v) > math.Abs(x[at]) {
			at = i
		}
	}
	return at
}
