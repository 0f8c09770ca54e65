package layers

import "github.com/gorgonia-s4/s4/ops"

// BeginRows says which rows of a larger batch the layers run on next, until it is said
// again: all dropouts in them draw what they would for the whole batch, those of later
// rows from the counter that the rows before them began with. See [ops.Masks].
func BeginRows(r ops.Rows, of ...Layer) {
	for _, l := range of {
		base := baseOf(l)
		for _, m := range base.masks {
			m.Begin(r)
		}
		for _, n := range base.ranks {
			n.Begin(r)
		}
	}
}

// SumAcross makes batch normalisations in the layers, when they train, normalise by the
// statistics of the rows of several ranks, each of which has copies of the same layers
// and runs them at the same time: sum replaces v by its sum over all, the same on each.
// All call it as often and in the same order. nil makes them one alone, which they are
// before. It does not concern copies. See [ops.Ranks], and BeginRows for the weights of
// the losses.
func SumAcross(sum func(v []float64) error, of ...Layer) {
	id := 0
	for _, l := range of {
		for _, n := range baseOf(l).ranks {
			id++
			n.Across(id, sum)
		}
	}
}

// baseOf returns the base of a layer, or one that has nothing.
func baseOf(l Layer) *Base {
	b, ok := l.(interface{ inner() *Base })
	if !ok || isNil(l) {
		return new(Base)
	}
	return b.inner().orZero()
}
