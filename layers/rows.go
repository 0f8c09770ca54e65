package layers

import "github.com/gorgonia-s4/s4/ops"

// BeginRows says which rows of a larger batch the layers run on next, until it is said
// again: all dropouts in them draw what they would for the whole batch, those of later
// rows from the counter that the rows before them began with. See [ops.Masks].
func BeginRows(r ops.Rows, of ...Layer) {
	for _, l := range of {
		for _, m := range baseOf(l).masks {
			m.Begin(r)
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
