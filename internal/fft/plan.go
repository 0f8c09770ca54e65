package fft

import (
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
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
//
// Forward makes the spectrum of rows, one half at a time. Convolve, Correlate,
// Backward, Multiply and Inverse leave a half of a result in planes, all but its
// last level, and Store puts the two halves together as rows.
type Plan[T num.Float] struct {
	n      int // P
	passes *passSet[T]
	ends   [2][]T // twiddles of the first and the last level, by Half
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
	k := cheapest(sets[T](cpu.Active()), (max(n, 1)+1)/2)
	if p, ok := plans.Load(k); ok {
		return p.(*Plan[T])
	}
	p, _ := plans.LoadOrStore(k, newPlan(k.n, k.passes))
	return p.(*Plan[T])
}

// cheapest returns the pass set and the P >= n that take the least time.
func cheapest[T num.Float](sets []*passSet[T], n int) key[T] {
	var best key[T]
	bestCost := math.Inf(1)
	for _, s := range sets {
		if size, cost := s.cost.sizeFor(n, s.unit()); cost < bestCost {
			best, bestCost = key[T]{size, s}, cost
		}
	}
	return best
}

// sizeFor returns the cheapest P >= n that is unit times a product of levels,
// powers of 2, 3 and 5, and its time.
func (c *costs) sizeFor(n, unit int) (best int, bestCost float64) {
	bestCost = math.Inf(1)
	for fives := unit; fives < 2*max(n, unit); fives *= 5 {
		for p := fives; p < 2*max(n, unit); p *= 3 {
			size := p
			for size < n {
				size *= 2
			}
			if cost := c.of(size, unit); cost < bestCost {
				best, bestCost = size, cost
			}
		}
	}
	return best, bestCost
}

// of returns the time of a plan for P = size.
func (c *costs) of(size, unit int) float64 {
	perPoint := c.ends
	for _, r := range c.radices(size / unit) {
		perPoint += c.level[r]
	}
	return perPoint * float64(size)
}

// radices splits m into the cheapest levels, the largest blocks first.
func (c *costs) radices(m int) []int {
	var r []int
	for _, f := range []int{5, 3} {
		for m%f == 0 {
			r, m = append(r, f), m/f
		}
	}
	return append(r, c.binary(bits.TrailingZeros(uint(m)))...)
}

// binary splits 2^e into the cheapest levels.
func (c *costs) binary(e int) []int {
	var best []int
	bestCost := math.Inf(1)
	for eights := 0; 3*eights <= e; eights++ {
		fours, twos := (e-3*eights)/2, (e-3*eights)%2
		cost := float64(eights)*c.level[8] + float64(fours)*c.level[4] + float64(twos)*c.level[2]
		if c.level[8] == 0 && eights > 0 || cost >= bestCost {
			continue
		}
		bestCost = cost
		best = slices.Concat(slices.Repeat([]int{2}, twos), slices.Repeat([]int{8}, eights), slices.Repeat([]int{4}, fours))
	}
	return best
}

// newPlan returns a plan for P = size, a multiple of the set's unit by powers of
// 2, 3 and 5.
func newPlan[T num.Float](size int, set *passSet[T]) *Plan[T] {
	p := &Plan[T]{n: size, passes: set}
	block := size / 4
	p.ends[Cyclic] = twiddles[T](4, block, set.width, false)
	p.ends[Negacyclic] = twiddles[T](4, block, set.width, true)
	for _, r := range set.cost.radices(block / set.midPoints()) {
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

// Inverse turns the bins z into a half of a result. With Store, it is the inverse
// of Forward but for a factor 2P.
func (p *Plan[T]) Inverse(h Half, z Planes[T]) {
	p.passes.midInverse(z)
	p.up(h, z)
}

// Multiply is Inverse of the product of the bins k and u, into z.
func (p *Plan[T]) Multiply(h Half, z, k, u Planes[T]) {
	p.passes.midProduct(z, k, u)
	p.up(h, z)
}

// Convolve is Forward of the rows a and b, a product with k, and Inverse, all in
// z.
func (p *Plan[T]) Convolve(h Half, z Planes[T], a, b []T, k Planes[T]) {
	p.load(h, z, a, b)
	p.down(z)
	p.passes.midConvolve(z, k)
	p.up(h, z)
}

// Correlate is Convolve with conj(k).
func (p *Plan[T]) Correlate(h Half, z Planes[T], a, b []T, k Planes[T]) {
	p.load(h, z, a, b)
	p.down(z)
	p.passes.midCorrelate(z, k)
	p.up(h, z)
}

// Backward is Correlate, and on the way adds conj(u) times the bins of a + ib to
// acc.
func (p *Plan[T]) Backward(h Half, z Planes[T], a, b []T, k, u, acc Planes[T]) {
	p.load(h, z, a, b)
	p.down(z)
	p.passes.midBackward(z, k, u, acc)
	p.up(h, z)
}

// Store writes the result whose halves are s to the rows a and b. It destroys s.
func (p *Plan[T]) Store(a, b []T, s Spectrum[T]) {
	c, z := s[Cyclic], s[Negacyclic]
	headA, headB := a, b
	if len(a) > p.n {
		headA = a[:p.n]
		if b != nil {
			headB = b[:p.n]
		}
	}
	p.passes.store(headA, headB, c, z, p.ends[Negacyclic])
	if len(a) > p.n {
		unfold(a, c.Re)
		if b != nil {
			unfold(b, c.Im)
		}
	}
}

// Prefetch brings rows that a later call will read or write into the cache, while
// the next one goes on: to have rows at hand takes as long as to transform
// them. It does not change them.
func (p *Plan[T]) Prefetch(a, b []T) {
	p.passes.prefetch(a)
	p.passes.prefetch(b)
}

func (p *Plan[T]) down(z Planes[T]) {
	for i := range p.levels {
		l := &p.levels[i]
		p.passes.down[l.radix](z, l.q, l.tw)
	}
}

// up is all levels of the inverse, but the last of the negacyclic half, which
// store does.
func (p *Plan[T]) up(h Half, z Planes[T]) {
	for i := len(p.levels) - 1; i >= 0; i-- {
		l := &p.levels[i]
		p.passes.up[l.radix](z, l.q, l.tw)
	}
	if h == Cyclic {
		p.passes.up[4](z, p.n/4, p.ends[Cyclic])
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

// fold sets dst to the remainder of x, of length len(dst) to 2 len(dst), that
// half h sees.
func fold[T num.Float](h Half, dst, x []T) {
	tail := x[len(dst):]
	copy(dst, x)
	sign := T(1)
	if h == Negacyclic {
		sign = -1
	}
	vec.Axpy(dst[:len(tail)], sign, tail)
}

// unfold completes a row longer than the planes of the cyclic remainder c. With d
// the other remainder, its head is c + d and its tail c - d.
func unfold[T num.Float](x, c []T) {
	head, tail := x[:len(c)], x[len(c):]
	vec.Scale(tail, 2, c[:len(tail)])
	vec.Axpy(tail, -1, head[:len(tail)])
}
