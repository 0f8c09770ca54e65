package krylov

import (
	"math"
	"math/bits"

	"github.com/gorgonia-s4/s4/internal/gemm"
)

// series computes the kernels K[c,l] = C_c Ab^l Bb of one feature, and their
// adjoint, with l = j T + t on two levels:
//
//	K[c, jT+t] = (C_c Ab^(jT)) (Ab^t Bb) = R[j,c] Q[t]
//
// a matrix product of R (J CH, N) and Q (T, N). Q grows by doubling,
// Q[h:2h] = Q[0:h] (Ab^h)^T for h = 1, 2, 4, ..., which takes the powers
// P_k = Ab^(2^k), each the square of the one before; R is a chain,
// R[j+1] = R[j] Ab^T. One goroutine at a time.
//
// The adjoint runs the same steps backwards. With G[j,c,t] the gradient of K:
//
//	gR = G Q,   gQ = G^T R
//	gR[j] += gR[j+1] P^T,  gP = sum_j R[j]^T gR[j+1],  P = Ab^T;    gC = gR[0]
//	gQ[i] += gQ[h+i] P_k,  gP_k += sum_i gQ[h+i]^T Q[i],  h = 2^k;  gBb = gQ[0]
//	gP_k  += gP_(k+1) P_k^T + P_k^T gP_(k+1)                        gAb = gP_0
//
// Forward takes log2(T) products of (N, N) matrices; backward repeats them and
// takes twice as many more. All else is O(N^2 (T + J CH) + N L CH).
type series struct {
	n, ch, l int
	t, j     int // t a power of 2 unless j = 1; (j-1)*t < l <= j*t

	power [][]float64 // P_k (N, N)
	own   factors     // for a feature whose factors are not kept
	c     []float64   // (CH, N) C, the first rows of rows
	rows  []float64   // (J, CH, N) R
	k     []float64   // (J, CH, T) K, or its gradient
	gRows []float64   // (J, CH, N)
	gQ    []float64   // (T, N)
	gP    []float64   // (N, N) gradient of a power, at last of Ab
	next  []float64   // (N, N) the one after it
	work  gemm.Workspace[float64]
}

// factors are what the kernel needs of Ab and Bb: O(N (N + T)) numbers that
// stay the same while C changes.
type factors struct {
	q    []float64 // (T, N) row t is Ab^t Bb
	step []float64 // (N, N) Ab^T; nil where there is one block
}

// split returns the number of columns t and of blocks j for length l. Both are
// about sqrt(l), with t above it since the products that a block costs are
// the less efficient ones. With frozen factors t is at least n: then the chain
// costs no more than the final product.
func split(l, n int, frozen bool) (t, j int) {
	want := 2 * math.Sqrt(float64(l))
	if frozen {
		want = max(want, float64(n))
	}
	t = 1 << bits.Len(uint(math.Ceil(want))-1)
	if t >= l {
		return l, 1
	}
	return t, (l + t - 1) / t
}

func newSeries(n, ch, l int, frozen bool) *series {
	s := &series{n: n, ch: ch, l: l}
	s.t, s.j = split(l, n, frozen)
	levels := max(1, bits.Len(uint(s.t-1))) // of columns
	if s.j > 1 {
		levels++ // Ab^T
	}
	for range levels {
		s.power = append(s.power, make([]float64, n*n))
	}
	s.own.q = make([]float64, s.t*n)
	if s.j > 1 {
		s.own.step = s.power[levels-1]
	}
	s.rows = make([]float64, s.j*ch*n)
	s.c = s.rows[:ch*n]
	s.k = make([]float64, s.j*ch*s.t)
	s.gRows = make([]float64, s.j*ch*n)
	s.gQ = make([]float64, s.t*n)
	s.gP = make([]float64, n*n)
	s.next = make([]float64, n*n)
	return s
}

// newFactors returns memory for the factors of a feature.
func (s *series) newFactors() factors {
	f := factors{q: make([]float64, len(s.own.q))}
	if s.j > 1 {
		f.step = make([]float64, s.n*s.n)
	}
	return f
}

// factorise computes the factors own of Ab, which is power[0], and Bb, which is
// the first row of own.q.
func (s *series) factorise() {
	n, q := s.n, s.own.q
	for k := range s.power {
		if k > 0 {
			square(&s.work, n, s.power[k], s.power[k-1])
		}
		if lo, hi := s.doubled(k); lo < hi {
			gemm.Gemm(&s.work, false, true, hi-lo, n, n, q, n, s.power[k], n, q[lo*n:], n, false)
		}
	}
}

// doubled returns the rows of Q that P_k gives.
func (s *series) doubled(k int) (lo, hi int) {
	return min(1<<k, s.t), min(2<<k, s.t)
}

// sum computes k from c and the factors.
func (s *series) sum(f *factors) {
	n := s.n
	s.chain(f)
	gemm.Gemm(&s.work, false, true, s.j*s.ch, s.t, n, s.rows, n, f.q, n, s.k, s.t, false)
}

// chain computes rows from c.
func (s *series) chain(f *factors) {
	n, block := s.n, s.ch*s.n
	for j := 1; j < s.j; j++ {
		gemm.Gemm(&s.work, false, false, s.ch, n, n, s.rows[(j-1)*block:], n, f.step, n, s.rows[j*block:], n, false)
	}
}

// gradC computes the gradient of C, given that of the kernel in k, and returns
// it: the first rows of gRows.
func (s *series) gradC(f *factors) []float64 {
	n, block := s.n, s.ch*s.n
	gemm.Gemm(&s.work, false, false, s.j*s.ch, n, s.t, s.k, s.t, f.q, n, s.gRows, n, false)
	for j := s.j - 1; j > 0; j-- {
		gemm.Gemm(&s.work, false, true, s.ch, n, n, s.gRows[j*block:], n, f.step, n, s.gRows[(j-1)*block:], n, true)
	}
	return s.gRows[:block]
}

// gradFactors carries the gradient of the kernel, in k, to Ab and Bb, after
// factorise and gradC with own. It needs c.
func (s *series) gradFactors() (gab, gbb []float64) {
	n, block, q := s.n, s.ch*s.n, s.own.q
	s.chain(&s.own)
	gemm.Gemm(&s.work, true, false, s.t, n, s.j*s.ch, s.k, s.t, s.rows, n, s.gQ, n, false)
	gemm.Gemm(&s.work, true, false, n, n, (s.j-1)*s.ch, s.rows, n, s.gRows[min(block, len(s.gRows)):], n, s.gP, n, false)
	for k := len(s.power) - 1; k >= 0; k-- {
		if k+1 < len(s.power) {
			s.gP, s.next = s.next, s.gP
			squareGrad(&s.work, n, s.gP, s.next, s.power[k])
		}
		if lo, hi := s.doubled(k); lo < hi {
			g := s.gQ[lo*n:]
			gemm.Gemm(&s.work, true, false, n, n, hi-lo, g, n, q, n, s.gP, n, true)
			gemm.Gemm(&s.work, false, false, hi-lo, n, n, g, n, s.power[k], n, s.gQ, n, true)
		}
	}
	return s.gP, s.gQ[:n]
}
