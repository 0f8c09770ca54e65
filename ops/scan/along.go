package scan

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Line describes a recurrence along steps whose rows are step-major.
type Line struct {
	P       int  // channels
	Complex bool // rows are P real and then P imaginary parts
	Varying bool // there is a row of a for each step, not one for all
	Reverse bool // from the last step: x_l = a_l x_{l+1} + b_l
	Conj    bool // with conj(a) in the place of a
}

// Width returns the number of elements of a row: P, or 2P of a complex one.
func (d Line) Width() int {
	if d.Complex {
		return 2 * d.P
	}
	return d.P
}

// Along replaces the rows b_l of x (L, Width) by the states x_l, for any number of
// steps, none included. a is (Width) or, with Varying, (L, Width). start (Width) is the
// state before the first step, with Reverse that behind the last one; nil is zero. It
// may be a row of x's own memory that is not among the L. Along panics if P < 1 or a length does
// not fit, and allocates nothing.
func Along[T num.Float](d Line, x, a, start []T) {
	w := d.Width()
	rows := d.rows("Along", "x", len(x))
	d.checkA("Along", len(a), rows)
	if start != nil {
		wantLength("Along", "start", w, len(start))
	}
	if rows == 0 {
		return
	}
	c := call{p: d.P, rows: rows, ldx: w}
	if d.Varying {
		c.lda = w
	}
	if d.Reverse {
		c.x, c.a = (rows-1)*c.ldx, (rows-1)*c.lda
		c.ldx, c.lda = -c.ldx, -c.lda
	}
	if start == nil { // the first row is its own state
		if start = x[c.x:][:w]; rows == 1 {
			return
		}
		c.x, c.a, c.rows = c.x+c.ldx, c.a+c.lda, rows-1
	}
	p := active[T]()
	switch {
	case !d.Complex:
		p.real(x, a, start, c.p, c.rows, c.x, c.ldx, c.a, c.lda)
	case d.Conj:
		p.conj(x, a, start, c.p, c.rows, c.x, c.ldx, c.a, c.lda)
	default:
		p.complex(x, a, start, c.p, c.rows, c.x, c.ldx, c.a, c.lda)
	}
}

// call is where the rows of a pass are: the first of x and a, and the distances to the
// next ones.
type call struct{ p, rows, x, ldx, a, lda int }

// GradA adds the gradient of a to da, (Width) or, with Varying, (L, Width): the sum of,
// or each, h_l conj(before_l), where h (L, Width) is the gradient of b and before
// (L, Width) the states that the steps began with, x_{l-1}, or with Reverse x_{l+1}.
// With Conj it is that of what conj(a) is of. GradA panics if a length does not fit,
// and allocates nothing.
func GradA[T num.Float](d Line, da, h, before []T) {
	w := d.Width()
	rows := d.rows("GradA", "h", len(h))
	wantLength("GradA", "before", len(h), len(before))
	d.checkA("GradA", len(da), rows)
	f := active[T]().gradReal
	if d.Complex {
		f = active[T]().gradComplex
	}
	if d.Complex && d.Conj { // conj(h conj(x)) = x conj(h)
		h, before = before, h
	}
	if !d.Varying {
		f(da, h, before, d.P, rows)
		return
	}
	for l := range rows {
		f(da[l*w:][:w], h[l*w:][:w], before[l*w:][:w], d.P, 1)
	}
}

// rows returns the number of rows of n elements. It panics if they are no whole rows.
func (d Line) rows(fn, operand string, n int) int {
	w := d.Width()
	if d.P < 1 || n%w != 0 {
		panic(fmt.Sprintf("scan: %s: want P >= 1 and %s of rows of %d, got P = %d and %d elements", fn, operand, w, d.P, n))
	}
	return n / w
}

// checkA panics unless a, or its gradient, has the length for that many steps.
func (d Line) checkA(fn string, n, rows int) {
	if !d.Varying {
		rows = 1
	}
	wantLength(fn, "a", rows*d.Width(), n)
}

// wantLength panics unless an operand has the length n.
func wantLength(fn, operand string, n, got int) {
	if n != got {
		panic(fmt.Sprintf("scan: %s: want %s of length %d, got %d", fn, operand, n, got))
	}
}
