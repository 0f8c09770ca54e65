package cauchy

import "math"

// nodes returns the points of the unit circle w_k = e^(-i theta_k), theta_k =
// 2 pi k/n, 0 <= k <= n/2, at which the generating function is evaluated. With
// half-angles, y = 2 sin(theta/2) and c = cos(theta/2), everything is real but
// for one phase:
//
//	1 - w = i y e^(-i theta/2),  1 + w = 2 c e^(-i theta/2)
//	2 (1-w) - (1+w) lambda = 2 e^(-i theta/2) (i y - c lambda)
//
// At w = -1, c is exactly 0.
func nodes(n int) (y, c []float64) {
	count := n/2 + 1
	y, c = make([]float64, count), make([]float64, count)
	for k := range count {
		y[k] = 2 * math.Sin(math.Pi*float64(k)/float64(n))
		c[k] = math.Sin(math.Pi * float64(n-2*k) / float64(2*n))
	}
	return y, c
}
