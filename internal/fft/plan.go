package fft

import (
	"sync"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Half names one of the two transforms of length P that make up one of length
// 2P.
type Half int

const (
	Cyclic     Half = iota // even bins: the signal mod z^P - 1
	Negacyclic             // odd bins: the signal mod z^P + 1
)

// Plan is a transform of length 2P. It is immutable and may be used by any
// number of goroutines; the planes they work on are their own.
//
// A row is a real signal of at most 2P samples; what is missing of 2P is zero.
// Rows come in pairs (a, b) of equal length, or alone with b nil. Rows given as
// input must not overlap rows given as output.
type Plan[T num.Float] struct {
	n      int // P
	passes *passSet[T]
	ends   [2][]T // twiddles of load and store, by Half
	levels []level[T]
}

// level is what one pass down and one pass up need.
type level[T num.Float] struct {
	radix, q int
	tw       []T
}

// plans holds the plans made so far: key[T] -> *Plan[T].
var plans sync.Map

type key[T num.Float] struct {
	n      int // P
	passes *passSet[T]
}

// New returns the cheapest plan for convolutions that must not wrap around
// within n samples: 2P >= n. Plans are made once and kept.
func New[T num.Float](n int) *Plan[T] {
	set := active[T]()
	k := key[T]{sizeFor((max(n, 1)+1)/2, 4*set.midPoints()), set}
	if p, ok := plans.Load(k); ok {
		return p.(*Plan[T])
	}
	p, _ := plans.LoadOrStore(k, newPlan(k.n, set))
	return p.(*Plan[T])
}

// levelCost is the time per point of a level down and up, by radix, in units of
// radix 4; endCost that of load, mid and store together. Measured on the Go
// passes.
var levelCost = [6]float64{2: 0.8, 3: 1.05, 4: 1, 5: 1.5}

const endCost = 2.2

// sizeFor returns the cheapest P >= n that is unit times a product of levels:
// powers of 2, 3 and 5.
func sizeFor(n, unit int) int {
	best, bestCost := 0, 0.0
	for fives := unit; fives < 2*max(n, unit); fives *= 5 {
		for p := fives; p < 2*max(n, unit); p *= 3 {
			size := p
			for size < n {
				size *= 2
			}
			cost := float64(endCost)
			for _, r := range radices(size / unit) {
				cost += levelCost[r]
			}
			if cost *= float64(size); best == 0 || cost < bestCost {
				best, bestCost = size, cost
			}
		}
	}
	return best
}

// radices splits m into levels, the largest blocks first.
func radices(m int) []int {
	var r []int
	for _, f := range []int{5, 3} {
		for m%f == 0 {
			r, m = append(r, f), m/f
		}
	}
	// What is left is a power of two. An odd one has one level of radix 2.
	even := m
	for even%4 == 0 {
		even /= 4
	}
	if even == 2 {
		r, m = append(r, 2), m/2
	}
	for ; m > 1; m /= 4 {
		r = append(r, 4)
	}
	return r
}

// newPlan returns a plan for P = size, a result of sizeFor for the set.
func newPlan[T num.Float](size int, set *passSet[T]) *Plan[T] {
	p := &Plan[T]{n: size, passes: set}
	block := size / 4
	p.ends[Cyclic] = twiddles[T](4, block, set.width, false)
	p.ends[Negacyclic] = twiddles[T](4, block, set.width, true)
	for _, r := range radices(block / set.midPoints()) {
		block /= r
		p.levels = append(p.levels, level[T]{r, block, twiddles[T](r, block, set.width, false)})
	}
	return p
}

// Len returns P: half the length of the transform, the points of each half.
func (p *Plan[T]) Len() int { return p.n }

// NewPlanes returns count planes of P points, zeroed, laid out to be worked on
// together.
func (p *Plan[T]) NewPlanes(count int) []Planes[T] { return newPlanes[T](p.n, count) }

// NewSpectra returns count spectra, zeroed.
func (p *Plan[T]) NewSpectra(count int) []Spectrum[T] {
	z := p.NewPlanes(2 * count)
	s := make([]Spectrum[T], count)
	for i := range s {
		s[i] = Spectrum[T]{z[2*i], z[2*i+1]}
	}
	return s
}

// Forward sets z to the bins of half h of a + ib.
func (p *Plan[T]) Forward(h Half, z Planes[T], a, b []T) {
	p.load(h, z, a, b)
	p.down(z)
	p.passes.midForward(z)
}

// Inverse is the inverse of Forward but for a factor 2P, and for the two
// halves being summed: the half that comes first must be Cyclic, which
// overwrites the rows; Negacyclic adds to them. It destroys z.
func (p *Plan[T]) Inverse(h Half, a, b []T, z Planes[T]) {
	p.passes.midInverse(z)
	p.up(z)
	p.store(h, a, b, z)
}

// Convolve is Forward of the rows ua and ub, a product with k, and Inverse to
// the rows ya and yb. z is scratch.
func (p *Plan[T]) Convolve(h Half, ya, yb, ua, ub []T, k, z Planes[T]) {
	p.load(h, z, ua, ub)
	p.down(z)
	p.passes.midConvolve(z, k)
	p.up(z)
	p.store(h, ya, yb, z)
}

// Backward is Convolve of the rows ga and gb with k to da and db, and on the
// way adds conj(u) times the bins of ga + i gb to acc. z is scratch.
func (p *Plan[T]) Backward(h Half, da, db, ga, gb []T, k, u, acc, z Planes[T]) {
	p.load(h, z, ga, gb)
	p.down(z)
	p.passes.midBackward(z, k, u, acc)
	p.up(z)
	p.store(h, da, db, z)
}

func (p *Plan[T]) down(z Planes[T]) {
	for _, l := range p.levels {
		p.passes.down[l.radix](z, l.q, l.tw)
	}
}

func (p *Plan[T]) up(z Planes[T]) {
	for i := len(p.levels) - 1; i >= 0; i-- {
		l := p.levels[i]
		p.passes.up[l.radix](z, l.q, l.tw)
	}
}

// load is the first pass. Rows longer than P are folded into z before it.
func (p *Plan[T]) load(h Half, z Planes[T], a, b []T) {
	if len(a) > p.n {
		fold(h, z.Re, a)
		a = z.Re
		if b != nil {
			fold(h, z.Im, b)
			b = z.Im
		}
	}
	p.passes.load[h](z, a, b, p.ends[h])
}

// store is the last pass. What lies beyond P of longer rows is made after it.
func (p *Plan[T]) store(h Half, a, b []T, z Planes[T]) {
	headA, headB := a, b
	if len(a) > p.n {
		headA = a[:p.n]
		if b != nil {
			headB = b[:p.n]
		}
	}
	p.passes.store[h](headA, headB, z, p.ends[h])
	if len(a) > p.n {
		unfold(h, a, p.n)
		unfold(h, b, p.n)
	}
}

// fold sets dst to the remainder of x, of length len(dst) to 2 len(dst), that
// half h sees.
func fold[T num.Float](h Half, dst, x []T) {
	tail := x[len(dst):]
	copy(dst, x)
	if h == Cyclic {
		add(dst[:len(tail)], tail)
		return
	}
	dst = dst[:len(tail)]
	for i, v := range tail {
		dst[i] -= v
	}
}

// unfold completes a row longer than n whose first n samples half h has been
// stored to: with c and d the two remainders, x = c + d and x = c - d there.
// In between, the tail holds c.
func unfold[T num.Float](h Half, x []T, n int) {
	if x == nil {
		return
	}
	head, tail := x[:n], x[n:]
	if h == Cyclic {
		copy(tail, head)
		return
	}
	head = head[:len(tail)]
	for i, c := range tail {
		tail[i] = 2*c - head[i]
	}
}
