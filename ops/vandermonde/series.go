package vandermonde

import (
	"math"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
)

// series evaluates the power series of one feature, and their adjoint, on the
// grid l = j*t + i, 0 <= i < t. Arrays of complex numbers are planar: n real
// parts, then n imaginary parts. One goroutine at a time.
//
// Call prepareSum before sum and prepareAdjoint before adjoint; both may then
// be called any number of times for the same poles.
type series[T num.Float] struct {
	n, l int // poles, length of the series
	t, j int // (j-1)*t < l <= j*t

	low  []float64 // (t, 2n)  Ab^i
	high []float64 // (j, 2n)  Ab^(j*t), for sum
	step []float64 // (2n)     Ab^t
	pow  []float64 // (2n)     scratch of powers

	table    []T // sum: (t, 2n) low; adjoint: (t, 4n) low and i*Ab^(i-1)
	weighted []T // (j, 2n)  conj(coef * high)
	inner    []T // (j, 4n)  sums over i
	padded   []T // (j, t)   where j*t > l: the series with its tail
	work     gemm.Workspace[T]
}

// blockQuantum is what the length of a block is a multiple of, for series long
// enough: the width of a matrix product's micro-kernel.
const blockQuantum = 16

// split returns the block length t and number of blocks j for length l: both
// about sqrt(l), which minimises the tables.
func split(l int) (t, j int) {
	t = int(math.Ceil(math.Sqrt(float64(l))))
	t = (t + blockQuantum - 1) / blockQuantum * blockQuantum
	t = min(t, l)
	return t, (l + t - 1) / t
}

func newSeries[T num.Float](n, l int) *series[T] {
	t, j := split(l)
	s := &series[T]{
		n: n, l: l, t: t, j: j,
		low:      num.Aligned[float64](t * 2 * n),
		high:     num.Aligned[float64](j * 2 * n),
		step:     num.Aligned[float64](2 * n),
		pow:      num.Aligned[float64](2 * n),
		table:    num.Aligned[T](t * 4 * n),
		weighted: num.Aligned[T](j * 2 * n),
		inner:    num.Aligned[T](j * 4 * n),
	}
	if j*t > l {
		s.padded = num.Aligned[T](j * t)
	}
	return s
}

// prepareSum forms the powers of the poles ab that sum needs.
func (s *series[T]) prepareSum(ab []float64) {
	s.powers(s.low, ab)
	mulComplex(s.step, s.low[(s.t-1)*2*s.n:], ab)
	s.powers(s.high, s.step)
	flush[T](s.low, s.t)
	flush[T](s.high, s.j)
	round(s.table[:len(s.low)], s.low)
}

// sum writes k[l] = Re sum_n coef_n Ab_n^l.
func (s *series[T]) sum(k []T, coef []float64) {
	n := s.n
	cr, ci := coef[:n], coef[n:2*n]
	for j := range s.j {
		hr, hi := s.high[2*j*n:][:n], s.high[(2*j+1)*n:][:n]
		wr, wi := s.weighted[2*j*n:][:n], s.weighted[(2*j+1)*n:][:n]
		for i := range n {
			wr[i] = T(hr[i]*cr[i] - hi[i]*ci[i])
			wi[i] = -T(hr[i]*ci[i] + hi[i]*cr[i])
		}
	}
	out := k
	if s.padded != nil {
		out = s.padded
	}
	// (J, 2N) x (T, 2N)^T
	gemm.Gemm(&s.work, false, true, s.j, s.t, 2*n, s.weighted, 2*n, s.table, 2*n, out, s.t, false)
	if s.padded != nil {
		copy(k[:s.l], s.padded)
	}
}

// prepareAdjoint forms the powers of the poles ab that adjoint needs.
func (s *series[T]) prepareAdjoint(ab []float64) {
	n := s.n
	s.powers(s.low, ab)
	mulComplex(s.step, s.low[(s.t-1)*2*n:], ab)
	flush[T](s.low, s.t)
	clear(s.table[2*n : 4*n])
	for i := range s.t {
		row := s.low[2*i*n:][:2*n]
		round(s.table[4*i*n:][:2*n], row)
		if i+1 < s.t {
			roundScaled(s.table[(4*i+6)*n:][:2*n], row, float64(i+1))
		}
	}
}

// adjoint writes s0_n = sum_l g[l] Ab_n^l and s1_n = sum_l l g[l] Ab_n^(l-1),
// its derivative with respect to Ab_n.
func (s *series[T]) adjoint(s0, s1 []float64, g []T) {
	n := s.n
	if s.padded != nil {
		clear(s.padded[copy(s.padded, g[:s.l]):])
		g = s.padded
	}
	// (J, T) x (T, 4N): U_j = sum_i g Ab^i and V_j = sum_i i g Ab^(i-1)
	gemm.Gemm(&s.work, false, false, s.j, 4*n, s.t, g, s.t, s.table, 4*n, s.inner, 4*n, false)
	// With X = Ab^t, by Horner: s0 = sum_j U_j X^j, its derivative by X in d,
	// and s1 = sum_j V_j X^j + d dX/dAb, dX/dAb = t Ab^(t-1).
	clear(s0[:2*n])
	clear(s1[:2*n])
	d := s.pow
	clear(d)
	for j := s.j - 1; j >= 0; j-- {
		s.horner(s0, s1, d, s.inner[4*j*n:][:4*n])
	}
	last := s.low[(s.t-1)*2*n:][:2*n]
	for i := range n {
		v := complex(d[i], d[n+i]) * complex(last[i], last[n+i]) * complex(float64(s.t), 0)
		s1[i] += real(v)
		s1[n+i] += imag(v)
	}
}

// horner is one step of adjoint: d = d*X + s0, s0 = s0*X + U, s1 = s1*X + V
// for one row u = (U, V).
func (s *series[T]) horner(s0, s1, d []float64, u []T) {
	n := s.n
	xr, xi := s.step[:n], s.step[n:2*n]
	ar, ai := s0[:n], s0[n:2*n]
	br, bi := s1[:n], s1[n:2*n]
	dr, di := d[:n], d[n:2*n]
	ur, ui, vr, vi := u[:n], u[n:2*n], u[2*n:3*n], u[3*n:4*n]
	for i, x := range xr {
		y := xi[i]
		dr[i], di[i] = dr[i]*x-di[i]*y+ar[i], dr[i]*y+di[i]*x+ai[i]
		ar[i], ai[i] = ar[i]*x-ai[i]*y+float64(ur[i]), ar[i]*y+ai[i]*x+float64(ui[i])
		br[i], bi[i] = br[i]*x-bi[i]*y+float64(vr[i]), br[i]*y+bi[i]*x+float64(vi[i])
	}
}

// powers writes the powers 0, 1, 2, ... of z, one a row, to the rows of dst,
// by doubling: the relative error of z^l is that of z times l and a few
// roundings.
func (s *series[T]) powers(dst, z []float64) {
	n := s.n
	rows := len(dst) / (2 * n)
	for i := range n {
		dst[i], dst[n+i] = 1, 0
	}
	copy(s.pow, z) // z^have
	for have := 1; have < rows; have *= 2 {
		for i := range min(have, rows-have) {
			mulComplex(dst[(have+i)*2*n:][:2*n], dst[i*2*n:], s.pow)
		}
		mulComplex(s.pow, s.pow, s.pow)
	}
}

// mulComplex writes the elementwise product of two planar complex rows. dst
// may be a or b.
func mulComplex(dst, a, b []float64) {
	n := len(dst) / 2
	dr, di := dst[:n], dst[n:2*n]
	ar, ai, br, bi := a[:n], a[n:2*n], b[:n], b[n:2*n]
	for i := range dr {
		x, y, u, v := ar[i], ai[i], br[i], bi[i]
		dr[i] = x*u - y*v
		di[i] = x*v + y*u
	}
}

// round rounds src to dst.
func round[T num.Float](dst []T, src []float64) {
	for i, v := range src[:len(dst)] {
		dst[i] = T(v)
	}
}

// roundScaled rounds f*src to dst.
func roundScaled[T num.Float](dst []T, src []float64, f float64) {
	for i, v := range src[:len(dst)] {
		dst[i] = T(f * v)
	}
}

// flush sets the powers in table, which has the given number of rows, to zero
// where they are so small that a product of two of them would be subnormal in
// T: arithmetic on subnormal numbers is a hundred times slower, and beside
// Ab^0 = 1 they are nothing.
func flush[T num.Float](table []float64, rows int) {
	tiny := 0x1p-500
	if unsafe.Sizeof(T(0)) == 4 {
		tiny = 0x1p-60
	}
	last := table[len(table)/rows*(rows-1):] // where decaying powers are smallest
	n := len(last) / 2
	for i, re := range last[:n] {
		if math.Abs(re)+math.Abs(last[n+i]) < tiny {
			for i, v := range table {
				if math.Abs(v) < tiny {
					table[i] = 0
				}
			}
			return
		}
	}
}
