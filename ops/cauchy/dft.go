package cauchy

import (
	"math"
	"math/bits"
	"math/cmplx"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/gorgonia-s4/s4/internal/num"
)

// dft is the discrete Fourier transform of length n between a real signal, of
// which the first samples matter, and its bins 0..n/2. It is scratch memory for
// one goroutine.
type dft[T num.Float] struct {
	fft transform
	seq []float64 // (n)
}

// transform is a real transform of a fixed length n, in both directions without
// a factor: bins_k = sum_l seq_l e^(-2 pi i kl/n) for k <= n/2, and its inverse
// times n. There may be more bins, which are left alone. The inverse does not read the imaginary parts of bin 0 and, for an
// even n, of bin n/2.
type transform interface {
	forward(bins row, seq []float64)
	inverse(seq []float64, bins row)
}

func newDFT[T num.Float](n int) *dft[T] {
	d := &dft[T]{seq: make([]float64, n)}
	if p := newPacked(n); p != nil {
		d.fft = p
	} else if largestPrime(n) > maxPrime {
		d.fft = newChirp(n)
	} else {
		d.fft = &mixed{fourier.NewFFT(n), make([]complex128, n/2+1)}
	}
	return d
}

// inverse writes the first samples of the signal with the given bins to k.
func (d *dft[T]) inverse(k []T, bins row) {
	d.fft.inverse(d.seq, bins)
	scale := 1 / float64(len(d.seq))
	for l := range k {
		k[l] = T(d.seq[l] * scale)
	}
}

// adjoint writes the gradient of sum_l g_l k_l, k the result of inverse, to
// bins: the sum changes by Re sum_k bins_k db_k when the bins b change by db.
// What bins has beyond those of the transform it sets to 0.
func (d *dft[T]) adjoint(bins row, g []T) {
	for l, v := range g {
		d.seq[l] = float64(v)
	}
	clear(d.seq[len(g):])
	d.fft.forward(bins, d.seq)
	n := len(d.seq)
	count := n/2 + 1
	for k := range count {
		f := occurrences(k, n) / float64(n)
		bins.re[k] *= f
		bins.im[k] *= -f
	}
	clear(bins.re[count:])
	clear(bins.im[count:])
}

// occurrences is how many bins of a whole spectrum bin k of the half one stands
// for.
func occurrences(k, n int) float64 {
	if k == 0 || 2*k == n {
		return 1
	}
	return 2
}

// mixed is gonum's transform, for a length with small prime factors.
type mixed struct {
	fft  *fourier.FFT
	bins []complex128
}

func (m *mixed) forward(bins row, seq []float64) {
	m.fft.Coefficients(m.bins, seq)
	for k, v := range m.bins {
		bins.set(k, v)
	}
}

func (m *mixed) inverse(seq []float64, bins row) {
	for k := range m.bins {
		m.bins[k] = bins.at(k)
	}
	m.fft.Sequence(seq, m.bins)
}

// maxPrime is the largest prime factor of a length for which gonum's transform,
// whose cost is n times the sum of the prime factors, beats chirp.
const maxPrime = 70

func largestPrime(n int) int {
	largest := 1
	for p := 2; p*p <= n; p++ {
		for n%p == 0 {
			largest, n = p, n/p
		}
	}
	return max(largest, n)
}

// chirp is a transform in O(n log n) for every n: with kl = (k^2 + l^2 -
// (k-l)^2)/2 it is a convolution, done by transforms whose length is a power of
// two (Bluestein, 1970).
type chirp struct {
	n    int
	w    []complex128 // (n) e^(pi i j^2/n)
	h    []complex128 // (m) transform of conj w_|j| around 0, divided by m
	fft  *fourier.CmplxFFT
	a, b []complex128 // (m)
}

func newChirp(n int) *chirp {
	m := 1 << bits.Len(uint(2*n-2)) // at least 2n - 1: one element for each difference k-l
	c := &chirp{
		n: n, w: make([]complex128, n), h: make([]complex128, m), fft: fourier.NewCmplxFFT(m),
		a: make([]complex128, m), b: make([]complex128, m),
	}
	for j := range n {
		s, co := math.Sincos(math.Pi * float64(j*j%(2*n)) / float64(n))
		c.w[j] = complex(co, s)
		c.a[j] = complex(co/float64(m), -s/float64(m))
		if j > 0 {
			c.a[m-j] = c.a[j]
		}
	}
	c.fft.Coefficients(c.h, c.a)
	return c
}

// sum replaces the first out elements of c.a by sum_i a_i e^(2 pi i ij/n), for
// the first in elements of c.a.
func (c *chirp) sum(in, out int) {
	for i := range in {
		c.a[i] *= c.w[i]
	}
	clear(c.a[in:])
	c.fft.Coefficients(c.b, c.a)
	for i, h := range c.h {
		c.b[i] *= h
	}
	c.fft.Sequence(c.a, c.b)
	for i := range out {
		c.a[i] *= c.w[i]
	}
}

func (c *chirp) forward(bins row, seq []float64) {
	for l, v := range seq {
		c.a[l] = complex(v, 0)
	}
	count := c.n/2 + 1
	c.sum(c.n, count)
	for k, v := range c.a[:count] {
		bins.set(k, cmplx.Conj(v))
	}
}

func (c *chirp) inverse(seq []float64, bins row) {
	count := c.n/2 + 1
	for k := range count {
		c.a[k] = complex(occurrences(k, c.n), 0) * bins.at(k)
	}
	c.a[0] = complex(real(c.a[0]), 0)
	if c.n%2 == 0 {
		c.a[c.n/2] = complex(real(c.a[c.n/2]), 0)
	}
	c.sum(count, c.n)
	for l := range seq {
		seq[l] = real(c.a[l])
	}
}
