package conv1d

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// rowBlock is the number of steps that all taps are applied to at a time: they
// and what the taps read stay in the first-level cache.
const rowBlock = 2048

// clip returns which of the m steps of the output from step from on read x (n)
// with tap j, [lo, hi), and where the first of them reads.
func (t *taps) clip(j, from, m, n int) (lo, hi, at int) {
	s := t.stride
	off := from*s + j*t.dilation - t.left
	if off < 0 {
		lo = min(m, (-off+s-1)/s)
	}
	hi = lo
	if n > off {
		hi = max(lo, min(m, (n-off+s-1)/s))
	}
	return lo, hi, off + lo*s
}

// inState is where taps are that read the state: x0 is in front of x, where the
// zeros would be.
func (t *taps) inState() taps {
	s := *t
	s.left = 0
	return s
}

// backwards is where the taps of the kernel in reverse are that gives the gradient
// of x, which is a convolution of that of the output, where the stride is 1.
func (t *taps) backwards() taps {
	b := *t
	b.left = t.reach() - t.left
	return b
}

// convolve sets y to start and what it has of x with the kernel w.
func convolve[T num.Float](t *taps, y, x, w []T, start T) {
	for from := 0; from < len(y); from += rowBlock {
		y := y[from:min(from+rowBlock, len(y))]
		addTaps(t, y, x, w, from, setTap(t, y, x, w, from, start))
	}
}

// convolveMore adds to y what it has of x with the kernel w.
func convolveMore[T num.Float](t *taps, y, x, w []T) {
	for from := 0; from < len(y); from += rowBlock {
		addTaps(t, y[from:min(from+rowBlock, len(y))], x, w, from, -1)
	}
}

// setTap sets y, the steps of the output from step from on, to start and what a tap
// adds that reads x at all of them, and returns that tap, or -1 if there is none.
func setTap[T num.Float](t *taps, y, x, w []T, from int, start T) int {
	if t.stride == 1 {
		for j := len(w) - 1; j >= 0; j-- { // the last one, of a causal kernel
			if lo, hi, at := t.clip(j, from, len(y), len(x)); lo == 0 && hi == len(y) {
				vec.Affine(y, x[at:at+len(y)], 0, w[j], start)
				return j
			}
		}
	}
	fill(y, start)
	return -1
}

// addTaps adds to y, the steps of the output from step from on, what the taps add but
// the one of index done.
func addTaps[T num.Float](t *taps, y, x, w []T, from, done int) {
	for j, w := range w {
		lo, hi, at := t.clip(j, from, len(y), len(x))
		if lo < hi && j != done {
			gather(y[lo:hi], w, x[at:], t.stride)
		}
	}
}

// fill sets every element of y.
func fill[T num.Float](y []T, v T) {
	if v == 0 || len(y) == 0 {
		clear(y)
		return
	}
	y[0] = v
	for n := 1; n < len(y); n *= 2 {
		copy(y[n:], y[:n])
	}
}

// correlate adds to sums (K) the gradient of the kernel, for the gradient g of the
// output.
func correlate[T num.Float](t *taps, sums []float64, g, x []T) {
	for from := 0; from < len(g); from += rowBlock {
		g := g[from:min(from+rowBlock, len(g))]
		for j := range t.k {
			if lo, hi, at := t.clip(j, from, len(g), len(x)); lo < hi {
				sums[j] += dot(g[lo:hi], x[at:], t.stride)
			}
		}
	}
}

// spread adds to dx the gradient of what the kernel w reads, for the gradient g of
// the output.
func spread[T num.Float](t *taps, dx, g, w []T) {
	for j, w := range w {
		if lo, hi, at := t.clip(j, 0, len(g), len(dx)); lo < hi {
			scatter(dx[at:], w, g[lo:hi], t.stride)
		}
	}
}

// gather adds w x[l*stride] to every y[l].
func gather[T num.Float](y []T, w T, x []T, stride int) {
	if stride == 1 {
		vec.Axpy(y, w, x[:len(y)])
		return
	}
	for l := range y {
		y[l] += w * x[l*stride]
	}
}

// scatter adds w y[l] to every x[l*stride].
func scatter[T num.Float](x []T, w T, y []T, stride int) {
	if stride == 1 {
		vec.Axpy(x[:len(y)], w, y)
		return
	}
	for l, v := range y {
		x[l*stride] += w * v
	}
}

// dot returns the sum of g[l] x[l*stride].
func dot[T num.Float](g, x []T, stride int) float64 {
	if stride == 1 {
		return float64(vec.Dot(g, x[:len(g)]))
	}
	var s float64
	for l, v := range g {
		s += float64(v) * float64(x[l*stride])
	}
	return s
}

// read writes to dst what tap j reads of x at the steps of the output from step
// from on: 0 where that is not in x.
func read[T num.Float](t *taps, dst, x []T, j, from int) {
	lo, hi, at := t.clip(j, from, len(dst), len(x))
	clear(dst[:lo])
	clear(dst[hi:])
	if lo < hi {
		overwrite(dst[lo:hi], x[at:], t.stride)
	}
}

// readState is read of a state x0, which leaves what it does not have.
func readState[T num.Float](t *taps, dst, x0 []T, j, from int) {
	lo, hi, at := t.clip(j, from, len(dst), len(x0))
	if lo < hi {
		overwrite(dst[lo:hi], x0[at:], t.stride)
	}
}

// overwrite sets every dst[l] to x[l*stride].
func overwrite[T num.Float](dst, x []T, stride int) {
	if stride == 1 {
		copy(dst, x)
		return
	}
	for l := range dst {
		dst[l] = x[l*stride]
	}
}

// write adds src, the gradient of what read returns, to dx.
func write[T num.Float](t *taps, dx, src []T, j, from int) {
	lo, hi, at := t.clip(j, from, len(src), len(dx))
	if lo < hi {
		scatter(dx[at:], 1, src[lo:hi], t.stride)
	}
}
