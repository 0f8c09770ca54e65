package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Splits are the three parts of a data set.
type Splits[D any] struct {
	Train, Val, Test D
}

// SplitNames are the names of the parts, in the order of Splits.All.
var SplitNames = [3]string{"train", "val", "test"}

// All returns the parts in order.
func (s Splits[D]) All() [3]D { return [3]D{s.Train, s.Val, s.Test} }

// Map returns what f makes of each part, in order. The error is the first, and
// names the part.
func Map[D, E any](s Splits[D], f func(part D) (E, error)) (Splits[E], error) {
	var parts [3]E
	for i, part := range s.All() {
		var err error
		if parts[i], err = f(part); err != nil {
			return Splits[E]{}, fmt.Errorf("%s: %w", SplitNames[i], err)
		}
	}
	return Splits[E]{parts[0], parts[1], parts[2]}, nil
}

// HoldOut draws which of the examples 0 to n-1, n >= 2, of a training set are held
// out for validation: the given share of them, rounded, but at least one and not
// all. Both lists ascend.
func HoldOut(n int, share float64, seed uint64) (rest, held []int) {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(n)
	k := min(max(int(math.Round(float64(n)*share)), 1), n-1)
	rest, held = order[k:], order[:k]
	slices.Sort(rest)
	slices.Sort(held)
	return rest, held
}
