package ops

import (
	"errors"
	"fmt"
)

// Ranks are those that train one model together, each on its rows of every batch, as
// an op sees them that computes something over all rows of a batch: BatchNorm. The
// zero value, and nil, is one that trains alone.
type Ranks struct {
	id     int
	sum    func(v []float64) error
	weight float64 // of the loss of this rank
	apart  bool    // other rows of the batch are elsewhere
	v      []float64
}

// Across makes ops sum over ranks: sum replaces v, which is as long on all ranks, by
// its sum over them, the same on each. All ranks call it in the same order while their
// graphs run. nil makes them one alone. id, at least 1, is the same for an op on all
// ranks and another for each op: that they go on side by side is checked by it.
func (r *Ranks) Across(id int, sum func(v []float64) error) {
	if r != nil {
		r.id, r.sum = id, sum
	}
}

// Begin says what the loss of the next run weighs among those of the ranks: gradients
// that come back through a sum over ranks are those of the weighted sum of all
// losses, divided by the weight of this one. Where it has some rows of a batch only, they
// may all be rows that only fill.
func (r *Ranks) Begin(of Rows) {
	if r == nil {
		return
	}
	if r.weight = of.Weight; !(r.weight > 0) { // a loss of no target, whose gradient is 0
		r.weight = 1
	}
	r.apart = of.Of > of.N
}

// several says whether there are others.
func (r *Ranks) several() bool { return r != nil && r.sum != nil }

// mayBeNone says whether the rows may be none of those that a batch has.
func (r *Ranks) mayBeNone() bool { return r != nil && r.apart }

// loss returns the weight of the loss.
func (r *Ranks) loss() float64 {
	if r.weight == 0 { // Begin was not called
		return 1
	}
	return r.weight
}

// total replaces v by its sum over the ranks, in one of the passes of an op. It tells
// whether all are there: of numbers k of n ranks, n sum(k^2) = sum(k)^2 only if all
// are equal.
func (r *Ranks) total(pass int, v []float64) error {
	k := float64(passes*r.id + pass)
	r.v = append(append(r.v[:0], v...), 1, k, k*k)
	if err := r.sum(r.v); err != nil {
		return fmt.Errorf("sum over ranks: %w", err)
	}
	n := len(v)
	if ranks, sum, squares := r.v[n], r.v[n+1], r.v[n+2]; ranks*squares != sum*sum {
		return errors.New("sum over ranks: want all of them in the same pass of the same op, got others: they have diverged")
	}
	copy(v, r.v)
	return nil
}

// passes is how many passes an op has at most.
const passes = 3
