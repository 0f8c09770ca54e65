package vandermonde

import "github.com/gorgonia-s4/s4/internal/num"

// generic returns the passes in portable Go.
func generic[T num.Float]() passes[T] {
	return passes[T]{powers: powersGeneric[T], tangents: tangentsGeneric[T], horner: hornerGeneric[T]}
}

// chains are the powers z^i ... z^(i+group-1) of a pole.
type chains struct {
	p    [group]complex128
	step complex128 // z^group
}

func newChains(z complex128) chains {
	z2 := z * z
	return chains{[group]complex128{1, z, z2, z2 * z}, z2 * z2}
}

// advance moves chain k on by a group. Powers of a modulus below tiny become 0.
func (c *chains) advance(k int, tiny float64) {
	v := c.p[k] * c.step
	if re, im := real(v), imag(v); re*re+im*im < tiny*tiny {
		v = 0
	}
	c.p[k] = v
}

func powersGeneric[T num.Float](dst []T, x, z, c []float64, n, groups int) {
	tiny := tiny[T]()
	for col := range n {
		ch := newChains(complex(z[col], z[n+col]))
		coef := complex(c[col], c[n+col])
		at := col
		for range groups {
			for k := range ch.p {
				v := coef * ch.p[k]
				dst[at], dst[at+n] = T(real(v)), T(imag(v))
				at += 2 * n
				ch.advance(k, tiny)
			}
		}
		x[col], x[n+col] = real(ch.p[0]), imag(ch.p[0])
	}
}

func tangentsGeneric[T num.Float](dst []T, x, z []float64, n, groups int) {
	tiny := tiny[T]()
	for col := range n {
		ch := newChains(complex(z[col], z[n+col]))
		dst[2*n+col], dst[3*n+col] = 0, 0
		at, i := col, 1.0
		for range groups {
			for k := range ch.p {
				re, im := real(ch.p[k]), imag(ch.p[k])
				dst[at], dst[at+n] = T(re), T(im)
				at += 4 * n
				dst[at+2*n], dst[at+3*n] = T(i*re), T(i*im)
				i++
				ch.advance(k, tiny)
			}
		}
		x[col], x[n+col] = real(ch.p[0]), imag(ch.p[0])
	}
}

func hornerGeneric[T num.Float](s, x []float64, u []T, n, rows int) {
	for col := range n {
		z := complex(x[col], x[n+col])
		var s0, s1, d complex128
		for j := rows - 1; j >= 0; j-- {
			r := u[4*n*j+col:]
			d = d*z + s0
			s0 = s0*z + complex(float64(r[0]), float64(r[n]))
			s1 = s1*z + complex(float64(r[2*n]), float64(r[3*n]))
		}
		for i, v := range []complex128{s0, s1, d} {
			s[2*n*i+col], s[2*n*i+n+col] = real(v), imag(v)
		}
	}
}
