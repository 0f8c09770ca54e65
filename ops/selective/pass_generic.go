package selective

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// decays sets the tile of decays to exp(delta' A) of one state, A = a (lanes).
func decays[T num.Float](tiles, a []T, steps int) []T {
	w := len(a)
	dt, e := tile(tiles, tileDelta), tile(tiles, tileDecay)[:steps*w]
	for l := range steps {
		vec.Mul(e[l*w:][:w], dt[l*w:][:w], a)
	}
	vec.Exp(e, e)
	return e
}

// states sets the tile of states to those of one state number, from x (lanes), adds
// what they give to the output and replaces x by the last. b and c are its numbers.
func states[T num.Float](tiles, x []T, b, c operand[T], e []T, steps int) {
	w := len(x)
	v, y, s := tile(tiles, tileInput), tile(tiles, tileOut), tile(tiles, tileState)
	copy(s, x)
	for l := range steps {
		for j := range w {
			k := l*w + j
			next := addMul(e[k]*s[k], v[k], b.v[l*b.step+j*b.lane])
			s[k+w] = next
			y[k] = addMul(y[k], next, c.v[l*c.step+j*c.lane])
		}
	}
	copy(x, s[steps*w:])
}

// addMul returns x + a b, for float32 rounded once as the assembly does.
func addMul[T num.Float](x, a, b T) T { return T(float64(x) + float64(a)*float64(b)) }

// from returns the operand for the states from i on.
func (o operand[T]) from(i int) operand[T] {
	o.v = o.v[i*o.state:]
	return o
}

func forwardGeneric[T num.Float](tiles, x, a []T, b, c operand[T], n, steps int) {
	w := lanesOf[T]()
	for i := range n {
		e := decays(tiles, a[i*w:][:w], steps)
		states(tiles, x[i*w:][:w], b.from(i), c.from(i), e, steps)
	}
}

func backwardGeneric[T num.Float](tiles, sums, x, h, a, da []T, b, c operand[T], n, steps int) {
	w := lanesOf[T]()
	for i := range n {
		ai, bi, ci := a[i*w:][:w], b.from(i), c.from(i)
		e := decays(tiles, ai, steps)
		states(tiles, x[i*w:][:w], bi, ci, e, steps)
		adjoint(tiles, tile(sums, 2*i), tile(sums, 2*i+1), h[i*w:][:w], ai, da[i*w:][:w], bi, ci, e, steps)
	}
}

// adjoint takes the gradient h of the last of the states in the tile back through the
// steps.
func adjoint[T num.Float](tiles, sb, sc, h, a, da []T, b, c operand[T], e []T, steps int) {
	w := len(h)
	dt, v, s := tile(tiles, tileDelta), tile(tiles, tileInput), tile(tiles, tileState)
	gy, gdt, gv := tile(tiles, tileGOut), tile(tiles, tileGDelta), tile(tiles, tileGInput)
	for l := steps - 1; l >= 0; l-- {
		for j := range w {
			k := l*w + j
			g := addMul(h[j], gy[k], c.v[l*c.step+j*c.lane])
			sc[k] = addMul(sc[k], gy[k], s[k+w])
			sb[k] = addMul(sb[k], g, v[k])
			gv[k] = addMul(gv[k], g, b.v[l*b.step+j*b.lane])
			h[j] = g * e[k]
			d := h[j] * s[k] // by delta' A
			gdt[k] = addMul(gdt[k], d, a[j])
			da[j] = addMul(da[j], d, dt[k])
		}
	}
}
