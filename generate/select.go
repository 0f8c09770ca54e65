package generate

import (
	"cmp"
	"math"
	"slices"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// memory is what choosing needs for scores of type T.
type memory[T num.Float] struct {
	x      []T            // (vocab) scores after biases and penalties
	w      []T            // (vocab) e to the scores less the highest
	peaks  []T            // the highest score of each span
	ranked []T            // the same, partly sorted
	stay   []candidate[T] // tokens that may be among those that stay, by id
	sorted []candidate[T] // the same, partly sorted
}

// span is the number of scores of which the highest is known: to find the highest k of
// all, those of spans are enough whose highest is among the highest k of spans.
const span = 32

// candidate is a token and its score.
type candidate[T num.Float] struct {
	x  T
	id int32
}

// before says whether a token goes first: the higher score, of two that are as high
// the lower id. No two tokens are equal.
func (a candidate[T]) before(b candidate[T]) bool {
	return a.x > b.x || a.x == b.x && a.id < b.id
}

// compare is before as slices.SortFunc asks for it.
func (a candidate[T]) compare(b candidate[T]) int {
	return cmp.Or(cmp.Compare(b.x, a.x), cmp.Compare(a.id, b.id))
}

// highest returns the highest of scores, and fills peaks. A NaN is passed over.
func (m *memory[T]) highest(x []T) T {
	m.peaks = num.Grow(m.peaks, (len(x)+span-1)/span)
	lowest := T(math.Inf(-1))
	top := lowest
	for i := range m.peaks {
		peak := lowest
		for _, v := range x[i*span : min(len(x), (i+1)*span)] {
			if v > peak {
				peak = v
			}
		}
		m.peaks[i] = peak
		top = max(top, peak)
	}
	return top
}

// first returns the first token whose score is the highest.
func (m *memory[T]) first(x []T, highest T) int {
	lo := slices.Index(m.peaks, highest) * span
	return lo + slices.Index(x[lo:], highest)
}

// exp sets w to e to the power of the scores, less the highest, over a temperature,
// and returns the sum.
func (m *memory[T]) exp(x []T, highest T, temperature float64) float64 {
	m.w = num.Grow(m.w, len(x))
	vec.Affine(m.w, x, highest, T(1/temperature), 0)
	vec.Exp(m.w, m.w)
	return m.sum()
}

// block is the number of weights that are summed at a time.
const block = 512

// sum returns the sum of the weights.
func (m *memory[T]) sum() float64 {
	z := 0.0
	for w := m.w; len(w) > 0; w = w[min(block, len(w)):] {
		z += vec.Sum64(w[:min(block, len(w))])
	}
	return z
}

// bound returns a score that the highest k are not below; false if every one may be
// among them. The peaks are of the scores.
func (m *memory[T]) bound(k int) (T, bool) {
	if k > len(m.peaks) {
		return 0, false
	}
	m.ranked = append(m.ranked[:0], m.peaks...)
	return kth(m.ranked, k), true
}

// collect sets stay to the tokens whose score is at least a bound, in all spans whose
// peak is.
func (m *memory[T]) collect(x []T, bound T) {
	m.stay = m.stay[:0]
	for i, peak := range m.peaks {
		if peak < bound {
			continue
		}
		for id := i * span; id < min(len(x), (i+1)*span); id++ {
			if x[id] >= bound {
				m.stay = append(m.stay, candidate[T]{x[id], int32(id)})
			}
		}
	}
}

// collectAll sets stay to all tokens.
func (m *memory[T]) collectAll(x []T) {
	m.stay = slices.Grow(m.stay[:0], len(x))[:len(x)]
	for id, v := range x {
		m.stay[id] = candidate[T]{v, int32(id)}
	}
}

// collectWeights sets stay to the tokens whose weight is at least least.
func (m *memory[T]) collectWeights(x []T, least T) {
	m.stay = m.stay[:0]
	for id, w := range m.w {
		if w >= least {
			m.stay = append(m.stay, candidate[T]{x[id], int32(id)})
		}
	}
}

// likeliest returns the n likeliest tokens, the likeliest first. The peaks are of x.
func (m *memory[T]) likeliest(x []T, n int, shift float64) []TokenLogProb {
	m.highestOf(x, n)
	m.sorted = append(m.sorted[:0], m.stay...)
	partition(m.sorted, n)
	slices.SortFunc(m.sorted[:n], candidate[T].compare)
	top := make([]TokenLogProb, n)
	for i, c := range m.sorted[:n] {
		top[i] = TokenLogProb{int(c.id), float64(c.x) - shift}
	}
	return top
}

// highestOf sets stay to few tokens among which the highest k are.
func (m *memory[T]) highestOf(x []T, k int) {
	if bound, ok := m.bound(k); ok {
		m.collect(x, bound)
	} else {
		m.collectAll(x)
	}
}

// draw draws a token by weights w of scores y, whose sum is z, with a random number u
// in [0, 1), of those that stay.
func (m *memory[T]) draw(o *Options, y []T, z, u float64) int {
	byRank, byMass := o.TopK > 0 && o.TopK < len(y), o.TopP > 0 && o.TopP < 1
	least := T(o.MinP) // of a weight; the highest is 1
	switch {
	case byRank:
		m.highestOf(y, o.TopK)
	case byMass:
		// What is below this is less than 1 - p of the mass even if all others are, so
		// that those above it are enough. The half is for rounding.
		m.collectWeights(y, max(least, T((1-o.TopP)*z/float64(len(y))/2)))
	case least > 0:
		m.collectWeights(y, least)
		return m.drawStaying(m.sumStaying(), u)
	default:
		return m.drawAny(z, u)
	}
	m.sorted = append(m.sorted[:0], m.stay...)
	last, sorted := candidate[T]{}, m.sorted
	if byRank {
		partition(sorted, o.TopK)
		sorted = sorted[:o.TopK]
		last = lowest(sorted)
		z = m.massOf(sorted)
	}
	if byMass {
		last = m.nucleus(sorted, o.TopP*z)
	}
	m.keep(last, least)
	return m.drawStaying(m.sumStaying(), u)
}

// massOf is the sum of the weights of candidates.
func (m *memory[T]) massOf(of []candidate[T]) float64 {
	z := 0.0
	for _, c := range of {
		z += float64(m.w[c.id])
	}
	return z
}

// sumStaying is the sum of the weights of those that stay.
func (m *memory[T]) sumStaying() float64 { return m.massOf(m.stay) }

// keep lets those stay that do not come behind the last, and whose weight is at least
// least. There always is one: the likeliest has weight 1.
func (m *memory[T]) keep(last candidate[T], least T) {
	m.stay = slices.DeleteFunc(m.stay, func(c candidate[T]) bool { return last.before(c) || m.w[c.id] < least })
}

// drawStaying draws a token of those that stay, whose weights sum to z.
func (m *memory[T]) drawStaying(z, u float64) int {
	left := u * z
	likeliest := 0
	for _, c := range m.stay {
		w := float64(m.w[c.id])
		if w > 0 {
			likeliest = int(c.id)
		}
		if left -= w; left < 0 {
			return int(c.id)
		}
	}
	return likeliest // rounding: the last that can be
}

// drawAny draws a token of all, whose weights sum to z.
func (m *memory[T]) drawAny(z, u float64) int {
	left, w, lo := u*z, m.w, 0
	last := 0
	for len(w) > 0 {
		n := min(block, len(w))
		s := vec.Sum64(w[:n])
		if s > 0 {
			last = lo
		}
		if left < s {
			break
		}
		left -= s
		w, lo = w[n:], lo+n
	}
	w = m.w[last:min(last+block, len(m.w))]
	id := 0
	for i, v := range w {
		if v > 0 {
			id = i
		}
		if left -= float64(v); left < 0 {
			break
		}
	}
	return last + id
}

// nucleus returns the last of the smallest number of first candidates whose weights
// sum to at least mass, the last of all if rounding leaves none. It orders them no more
// than it has to.
func (m *memory[T]) nucleus(of []candidate[T], mass float64) candidate[T] {
	for depth := 0; len(of) > few && depth < deep; depth++ {
		mid := split(of)
		left := m.massOf(of[:mid])
		if left >= mass {
			of = of[:mid]
			continue
		}
		left += float64(m.w[of[mid].id])
		if left >= mass || mid == len(of)-1 {
			return of[mid]
		}
		mass -= left
		of = of[mid+1:]
	}
	slices.SortFunc(of, candidate[T].compare)
	for _, c := range of {
		if mass -= float64(m.w[c.id]); mass <= 0 {
			return c
		}
	}
	return of[len(of)-1]
}

// Fewer candidates than few are sorted, and so are those that deep splits have not
// made few.
const few, deep = 24, 64

// partition puts the first k candidates in front, in any order.
func partition[T num.Float](of []candidate[T], k int) {
	for depth := 0; k > 0 && k < len(of); depth++ {
		if len(of) <= few || depth == deep {
			slices.SortFunc(of, candidate[T].compare)
			return
		}
		mid := split(of)
		if k <= mid {
			of = of[:mid]
		} else {
			of, k = of[mid+1:], k-mid-1
		}
	}
}

// split puts a candidate of the middle in its place, those before it in front of it
// and the others behind it, and returns the place.
func split[T num.Float](of []candidate[T]) int {
	n := len(of)
	a, b, c := 0, n/2, n-1
	if of[b].before(of[a]) {
		a, b = b, a
	}
	if of[c].before(of[b]) {
		b = c
		if of[b].before(of[a]) {
			b = a
		}
	}
	of[b], of[n-1] = of[n-1], of[b]
	pivot, mid := of[n-1], 0
	for i, v := range of[:n-1] {
		if v.before(pivot) {
			of[i], of[mid] = of[mid], v
			mid++
		}
	}
	of[n-1], of[mid] = of[mid], pivot
	return mid
}

// lowest returns the last of candidates.
func lowest[T num.Float](of []candidate[T]) candidate[T] {
	last := of[0]
	for _, c := range of[1:] {
		if last.before(c) {
			last = c
		}
	}
	return last
}

// kth returns the k-th highest number, k >= 1, and changes the order.
func kth[T num.Float](x []T, k int) T {
	for depth := 0; len(x) > few && depth < deep; depth++ {
		a, b, c := x[0], x[len(x)/2], x[len(x)-1]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := 0, len(x)-1 // what is before i is >= pivot, what is behind j <= pivot
		for i <= j {
			for x[i] > pivot {
				i++
			}
			for x[j] < pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		switch {
		case k <= j+1:
			x = x[:j+1]
		case k > i:
			x, k = x[i:], k-i
		default:
			return pivot
		}
	}
	slices.SortFunc(x, func(a, b T) int { return cmp.Compare(b, a) })
	return x[k-1]
}
