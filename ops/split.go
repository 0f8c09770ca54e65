package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// columns cuts a batch of B sequences of L steps into units of at most width
// consecutive steps of one sequence: the pieces of work of the ops that mix
// features, small enough that a unit's features stay in the cache. How it cuts
// depends on the shapes alone, so that sums over units do too.
type columns struct{ b, l, width int }

func (c columns) perSequence() int { return (c.l + c.width - 1) / c.width }

// units returns the number of units.
func (c columns) units() int { return c.b * c.perSequence() }

// unit returns the sequence of unit u and its steps [lo, hi).
func (c columns) unit(u int) (b, lo, hi int) {
	n := c.perSequence()
	b, lo = u/n, u%n*c.width
	return b, lo, min(lo+c.width, c.l)
}

// counting is unit with end, the first of the steps [lo, hi) that is at or behind
// the length of its sequence.
func (c columns) counting(u int, lens []int) (b, lo, end, hi int) {
	b, lo, hi = c.unit(u)
	return b, lo, max(lo, min(hi, graphop.Length(lens, b, c.l))), hi
}

// clearColumns sets columns [lo, hi) of x to zero, which has rows spaced by ld.
func clearColumns[T num.Float](x []T, rows, ld, lo, hi int) {
	if lo == hi {
		return
	}
	for r := range rows {
		clear(x[r*ld+lo : r*ld+hi])
	}
}

// groups deals a number of units out to n tasks, in order: a sum over units is
// accumulated per task, and the tasks' partial sums are added in order.
type groups struct{ units, n int }

// group returns the units [lo, hi) of task i.
func (g groups) group(i int) (lo, hi int) { return i * g.units / g.n, (i + 1) * g.units / g.n }
