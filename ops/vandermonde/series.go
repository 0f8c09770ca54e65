package vandermonde

import (
	"math"

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

	ones  []float64 // (2n)
	conj  []float64 // (2n)  conj Ab, for sum
	coef  []float64 // (2n)  conj coef
	step  []float64 // (2n)  Ab^t, where j > 1
	scrap []float64 // (2n)
	sums  []float64 // (3, 2n) of horner

	table    []T // sum: (t, 2n) Ab^i; adjoint: (t, 4n) Ab^i and i*Ab^(i-1); and some rows more
	weighted []T // (j, 2n)  conj(coef * Ab^(j*t)), and some rows more
	inner    []T // (j, 4n)  sums over i
	padded   []T // (j, t)   where j*t > l: the series with its tail
	work     gemm.Workspace[T]
}

// blockQuantum is what the length of a block is a multiple of, for series longer
// than one block: the width of a matrix product's micro-kernel, and a multiple of
// group.
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
	row := func(k int) []float64 { return num.Aligned[float64](2 * n * k) }
	s := &series[T]{
		n: n, l: l, t: t, j: j,
		ones: row(1), conj: row(1), coef: row(1), step: row(1), scrap: row(1), sums: row(3),
		table:    num.Aligned[T]((group*groups(t) + 1) * 4 * n),
		weighted: num.Aligned[T](group * groups(j) * 2 * n),
		inner:    num.Aligned[T](j * 4 * n),
	}
	for i := range n {
		s.ones[i] = 1
	}
	if j*t > l {
		s.padded = num.Aligned[T](j * t)
	}
	return s
}

// prepareSum forms the powers of the poles ab that sum needs.
func (s *series[T]) prepareSum(ab []float64) {
	k := groups(s.t)
	powers(s.table[:group*k*2*s.n], s.step, ab, s.ones, k)
	conj(s.conj, s.step)
}

// sum writes k[l] = Re sum_n coef_n Ab_n^l.
func (s *series[T]) sum(k []T, coef []float64) {
	n := s.n
	conj(s.coef, coef)
	powers(s.weighted, s.scrap, s.conj, s.coef, groups(s.j))
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
	tangents(s.table, s.step, ab, groups(s.t))
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
	// With X = Ab^t: s0 = sum_j U_j X^j, its derivative by X in d, and
	// s1 = sum_j V_j X^j + d dX/dAb, dX/dAb = t Ab^(t-1).
	horner(s.sums, s.step, s.inner)
	copy(s0[:2*n], s.sums)
	copy(s1[:2*n], s.sums[2*n:])
	d, last := s.sums[4*n:], s.table[(s.t-1)*4*n:]
	for i := range n {
		v := complex(d[i], d[n+i]) * complex(float64(last[i]), float64(last[n+i])) * complex(float64(s.t), 0)
		s1[i] += real(v)
		s1[n+i] += imag(v)
	}
}

// conj writes the conjugates of a complex row.
func conj(dst, z []float64) {
	n := len(dst) / 2
	copy(dst[:n], z)
	for i, v := range z[n : 2*n] {
		dst[n+i] = -v
	}
}
