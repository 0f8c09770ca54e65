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
	peaks  []T            // the highest score of each comb
	ranked []T            // the same, partly sorted
	stay   []candidate[T] // tokens that may be among those that stay
	sorted []candidate[T] // the same, partly sorted
	masses []float64      // the sum of the weights of each bucket
}

// teeth is the number of scores of which the highest is known, those of a comb: n combs
// have the scores i, i+n, i+2n, ... To find the highest k of all, those of combs are
// enough whose highest is among the highest k of combs. There are combs at least, or
// fewer teeth, so that vectors are long.
const teeth, combs = 32, 64

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

// everything is a candidate behind all others.
func everything[T num.Float]() candidate[T] { return candidate[T]{T(math.Inf(-1)), math.MaxInt32} }

// compare is before as slices.SortFunc asks for it.
func (a candidate[T]) compare(b candidate[T]) int {
	return cmp.Or(cmp.Compare(b.x, a.x), cmp.Compare(a.id, b.id))
}

// highest returns the highest of scores, and fills peaks. A NaN is passed over.
func (m *memory[T]) highest(x []T) T {
	n := max(min(len(x), combs), (len(x)+teeth-1)/teeth)
	m.peaks = num.Grow(m.peaks, n)
	for i := range m.peaks {
		m.peaks[i] = T(math.Inf(-1))
	}
	for ; len(x) > 0; x = x[min(n, len(x)):] {
		p := m.peaks[:min(n, len(x))]
		vec.Max(p, x[:len(p)], p)
	}
	return slices.Max(m.peaks)
}

// first returns the first token whose score is the highest.
func (m *memory[T]) first(x []T, highest T) int {
	id := len(x)
	for i, peak := range m.peaks {
		if peak != highest {
			continue
		}
		for ; i < id; i += len(m.peaks) {
			if x[i] == highest {
				id = i
			}
		}
	}
	return id
}

// exp sets w to e to the power of the scores, less the highest, over a temperature,
// and returns the sum.
func (m *memory[T]) exp(x []T, highest T, temperature float64) float64 {
	const least = 0x1p-126 // above 0 in any type: what is -Inf stays so
	m.w = num.Grow(m.w, len(x))
	vec.Affine(m.w, x, highest, T(max(1/temperature, least)), 0)
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

// collect sets stay to the tokens whose score is at least a bound.
func (m *memory[T]) collect(x []T, bound T) {
	m.stay = m.stay[:0]
	for i, peak := range m.peaks {
		if peak < bound {
			continue
		}
		for ; i < len(x); i += len(m.peaks) {
			if x[i] >= bound {
				m.stay = append(m.stay, candidate[T]{x[i], int32(i)})
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

// highestOf sets stay to the tokens of the highest k scores, in any order.
func (m *memory[T]) highestOf(x []T, k int) {
	if bound, ok := m.bound(k); ok {
		m.collect(x, bound)
	} else {
		m.collectAll(x)
	}
	partition(m.stay, k)
	m.stay = m.stay[:k]
}

// likeliest returns the n likeliest tokens, the likeliest first. The peaks are of x.
func (m *memory[T]) likeliest(x []T, n int, shift float64) []TokenLogProb {
	m.highestOf(x, n)
	slices.SortFunc(m.stay, candidate[T].compare)
	top := make([]TokenLogProb, n)
	for i, c := range m.stay {
		top[i] = TokenLogProb{int(c.id), float64(c.x) - shift}
	}
	return top
}

// draw draws a token by weights w of scores y, whose sum is z, with a random number u
// in [0, 1), of those that stay.
func (m *memory[T]) draw(o *Options, y []T, z, u float64) int {
	byRank, byMass := o.TopK > 0 && o.TopK < len(y), o.TopP > 0 && o.TopP < 1
	least := T(o.MinP) // of a weight; the highest is 1
	switch {
	case byRank:
		m.highestOf(y, o.TopK)
		if byMass {
			last, _ := m.nucleus(m.stay, o.TopP*m.mass())
			m.stay = slices.DeleteFunc(m.stay, last.before)
		}
		m.stay = slices.DeleteFunc(m.stay, func(c candidate[T]) bool { return m.w[c.id] < least })
		slices.SortFunc(m.stay, func(a, b candidate[T]) int { return cmp.Compare(a.id, b.id) })
		return m.drawStaying(u)
	case byMass:
		return m.drawNucleus(o.TopP, y, z, least, u)
	case least > 0:
		return m.drawTo(y, everything[T](), least, -1, u)
	}
	return m.drawAny(z, u)
}

// massOf is the sum of the weights of candidates.
func (m *memory[T]) massOf(of []candidate[T]) float64 {
	z := 0.0
	for _, c := range of {
		z += float64(m.w[c.id])
	}
	return z
}

// mass is the sum of the weights of those that stay.
func (m *memory[T]) mass() float64 { return m.massOf(m.stay) }

// drawNucleus draws a token of the smallest number of the likeliest whose weights sum to
// at least p z.
func (m *memory[T]) drawNucleus(p float64, y []T, z float64, least T, u float64) int {
	// What is below this is less than 1 - p of the mass even if all others are, so that
	// those above it are enough. The half is for rounding.
	if !m.collectWeights(y, max(least, T((1-p)*z/float64(len(y))/2))) {
		last, mass := m.nucleusOfAll(y, p*z)
		return m.drawTo(y, last, least, mass, u)
	}
	m.sorted = append(m.sorted[:0], m.stay...)
	last, _ := m.nucleus(m.sorted, p*z)
	m.stay = slices.DeleteFunc(m.stay, last.before)
	return m.drawStaying(u)
}

// collectWeights sets stay to the tokens whose weight is at least least, by id, if they
// are few.
func (m *memory[T]) collectWeights(y []T, least T) bool {
	m.stay = m.stay[:0]
	for id, w := range m.w {
		if w >= least {
			m.stay = append(m.stay, candidate[T]{y[id], int32(id)})
			if len(m.stay) > max(few, len(y)/8) {
				return false
			}
		}
	}
	return true
}

// drawStaying draws a token of those that stay, which are by id.
func (m *memory[T]) drawStaying(u float64) int {
	left, id := u*m.mass(), 0
	for _, c := range m.stay {
		w := float64(m.w[c.id])
		if w > 0 {
			id = int(c.id) // the last that can be, where rounding leaves something
		}
		if left -= w; left < 0 {
			break
		}
	}
	return id
}

// drawTo draws a token of those that do not come behind the last, whose weights sum to
// z, and of which the weight is at least least. There always is one: the likeliest has
// weight 1.
func (m *memory[T]) drawTo(y []T, last candidate[T], least T, z, u float64) int {
	if least > 0 {
		z = 0
		for i, v := range y {
			if w := m.w[i]; w >= least && (v > last.x || v == last.x && int32(i) <= last.id) {
				z += float64(w)
			}
		}
	}
	left, id := u*z, 0
	for i, v := range y {
		if w := m.w[i]; w >= least && (v > last.x || v == last.x && int32(i) <= last.id) {
			if w > 0 {
				id = i
			}
			if left -= float64(w); left < 0 {
				break
			}
		}
	}
	return id
}

// nucleusOfAll is nucleus for all tokens, of which weights are summed in buckets first:
// only those of one bucket have to be compared with each other.
func (m *memory[T]) nucleusOfAll(y []T, mass float64) (last candidate[T], sum float64) {
	if len(m.w) < buckets {
		m.collectAll(y)
		return m.nucleus(m.stay, mass)
	}
	masses := m.fill()
	before := 0.0
	at := slices.IndexFunc(masses, func(z float64) bool {
		if z > 0 && before+z >= mass {
			return true
		}
		before += z
		return false
	})
	if at < 0 { // rounding
		return everything[T](), before
	}
	m.stay = m.stay[:0]
	for id, w := range m.w {
		if bucketOf(w) == at {
			m.stay = append(m.stay, candidate[T]{y[id], int32(id)})
		}
	}
	last, sum = m.nucleus(m.stay, mass-before)
	return last, before + sum
}

// fill sums the weights in buckets: each four of them in four sets of buckets, so that
// none waits for the sum of the one before.
func (m *memory[T]) fill() []float64 {
	if m.masses == nil {
		m.masses = make([]float64, 4*buckets)
	}
	clear(m.masses)
	a, b, c, d := m.masses[:buckets], m.masses[buckets:][:buckets], m.masses[2*buckets:][:buckets], m.masses[3*buckets:][:buckets]
	w := m.w
	for ; len(w) >= 4; w = w[4:] {
		a[bucketOf(w[0])] += float64(w[0])
		b[bucketOf(w[1])] += float64(w[1])
		c[bucketOf(w[2])] += float64(w[2])
		d[bucketOf(w[3])] += float64(w[3])
	}
	for _, v := range w {
		a[bucketOf(v)] += float64(v)
	}
	for i := range a {
		a[i] += b[i] + c[i] + d[i]
	}
	return a
}

// buckets is the number of buckets of weights: 8 for each power of 2 down to 2^-63, the
// last of which has what is below it, too.
const buckets = 512

// bucketOf returns the bucket of a weight in [0, 1]. That of a higher one is not behind
// it.
func bucketOf[T num.Float](w T) int {
	const one, shift = 0x3f800000, 20 // the bits of 1, and of those that a bucket has
	return min(int(one-math.Float32bits(float32(w)))>>shift, buckets-1)
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
// sum to at least mass, and their sum; all of them if rounding leaves that short. It
// orders them no more than it has to.
func (m *memory[T]) nucleus(of []candidate[T], mass float64) (last candidate[T], sum float64) {
	for depth := 0; len(of) > few && depth < deep; depth++ {
		mid := split(of)
		left := m.massOf(of[:mid])
		if sum+left >= mass {
			of = of[:mid]
			continue
		}
		sum += left + float64(m.w[of[mid].id])
		if sum >= mass || mid == len(of)-1 {
			return of[mid], sum
		}
		of = of[mid+1:]
	}
	slices.SortFunc(of, candidate[T].compare)
	for _, c := range of {
		last = c
		if sum += float64(m.w[c.id]); sum >= mass {
			break
		}
	}
	return last, sum
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
