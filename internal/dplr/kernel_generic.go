package dplr

import "github.com/gorgonia-s4/s4/internal/num"

// stepGeneric is the kernel in portable Go.
func stepGeneric[T num.Float](x, y, u, p, phi []T, n, rank, channels, batch, ld int) {
	w := laneCount[T]()
	pair := 2 * w
	state, block := n*pair, (3+rank)*pair
	for b := range batch {
		x, u, y := x[b*state:][:state], u[b*ld:][:w], y[b*channels*ld:]
		q, p := p[:rank*state], p[rank*state:]
		for r := range rank {
			dotGeneric(phi[r*w:][:w], q[r*state:][:state], x)
		}
		clear(y[:w])
		for k := range n {
			advanceGeneric(y[:w], x[k*pair:][:pair], u, p[k*block:][:block], phi[:rank*w])
		}
		for c := 1; c < channels; c++ {
			dotGeneric(y[c*ld:][:w], p[n*block+(c-1)*state:][:state], x)
		}
	}
}

// advanceGeneric advances one state x (2, w) of a block, for p (3+rank, 2, w),
// and adds what it contributes to the output to y.
func advanceGeneric[T num.Float](y, x, u, p, phi []T) {
	w := len(u)
	c := p[len(p)-2*w:]
	for i, v := range u {
		aRe, aIm, xRe, xIm := p[i], p[w+i], x[i], x[w+i]
		re := aRe*xRe - aIm*xIm + p[2*w+i]*v
		im := aRe*xIm + aIm*xRe + p[3*w+i]*v
		for r := 0; r < len(phi); r += w {
			e := p[4*w+2*r:]
			re -= e[i] * phi[r+i]
			im -= e[w+i] * phi[r+i]
		}
		x[i], x[w+i] = re, im
		y[i] += c[i]*re + c[w+i]*im
	}
}

// dotGeneric sets dst (w) to the sum of the products of the rows of a and b.
func dotGeneric[T num.Float](dst, a, b []T) {
	clear(dst)
	w := len(dst)
	for lo := 0; lo < len(a); lo += w {
		for i, v := range a[lo:][:w] {
			dst[i] += v * b[lo+i]
		}
	}
}
