package attention

import (
	"math"
	"math/cmplx"

	"github.com/gorgonia-s4/s4/internal/num"
)

// waves are cos(n theta_i) and sin(n theta_i) for n from 0 on, theta_i =
// base^(-2i/width).
type waves struct {
	theta []float64
	n     int
	table [][]complex128 // by i: e^(j n theta_i)
}

func newWaves(pairs int, width, base float64) waves {
	w := waves{theta: make([]float64, pairs), table: make([][]complex128, pairs)}
	for i := range w.theta {
		w.theta[i] = math.Pow(base, -2*float64(i)/width)
	}
	return w
}

// reach makes the table hold n steps.
func (w *waves) reach(n int) {
	if n <= w.n {
		return
	}
	for i, t := range w.theta {
		for k := w.n; k < n; k++ {
			s, c := math.Sincos(float64(k) * t)
			w.table[i] = append(w.table[i], complex(c, s))
		}
	}
	w.n = n
}

// waveRow sets cos and sin to the waves of pair i from a position on.
func waveRow[T num.Float](w waves, cos, sin []T, i int, position float64) {
	turn := cmplx.Rect(1, position*w.theta[i])
	for n, z := range w.table[i][:len(cos)] {
		if position != 0 {
			z *= turn
		}
		cos[n], sin[n] = T(real(z)), T(imag(z))
	}
}

// pair returns the two features that angle i rotates.
func (r Rotary) pair(i, hd int) (a, b int) {
	if r == RotaryHalf {
		return i, i + hd/2
	}
	return 2 * i, 2*i + 1
}

// rotation is the rotation of the steps of one row, (hd/2, n) each.
type rotation[T num.Float] struct {
	kind     Rotary
	cos, sin []T
	n, hd    int
}

// apply sets y (hd, n), rows spaced by ldy, to x rotated, backward for sign -1.
// They may be the same.
func (r *rotation[T]) apply(y []T, ldy int, x []T, ldx int, sign T) {
	for i := range r.hd / 2 {
		ia, ib := r.kind.pair(i, r.hd)
		xa, xb := x[ia*ldx:][:r.n], x[ib*ldx:][:r.n]
		ya, yb := y[ia*ldy:][:r.n], y[ib*ldy:][:r.n]
		cos, sin := r.cos[i*r.n:][:r.n], r.sin[i*r.n:][:r.n]
		for n, a := range xa {
			b, c, s := xb[n], cos[n], sign*sin[n]
			ya[n], yb[n] = a*c-b*s, b*c+a*s
		}
	}
}
