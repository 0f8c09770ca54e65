package attention

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Regroup makes the batch the rows keep, in that order, and those of the states join
// behind them. A row may be kept several times, and goes on apart each time. The cache
// of a row that is kept once is not copied. It returns an error, and changes nothing,
// if there is no such row, a state is wrong, or the batch would be empty or too large.
func (s *Step[T]) Regroup(keep []int, join ...State[T]) error {
	if err := s.CheckRegroup(keep, join...); err != nil {
		return err
	}
	old := *s
	s.batch = len(keep)
	for _, x := range join {
		s.batch += x.Batch
	}
	s.position, s.cached = make([]int, s.batch), make([]int, s.batch)
	for i, b := range keep {
		s.position[i], s.cached[i] = old.position[b], old.cached[b]
	}
	if s.Form == Linear {
		s.regroupSums(&old, keep, join)
	} else {
		s.regroupCaches(&old, keep)
	}
	at := len(keep)
	for _, x := range join {
		for row := range x.Batch {
			if s.hasPosition() {
				s.position[at] = int(x.Tensors[2][row])
			}
			if s.Form != Linear {
				s.fill(at, x, row)
			}
			at++
		}
	}
	if s.Form != Linear && s.Window == 0 {
		s.slots = 1
		for _, n := range s.cached {
			s.slots = max(s.slots, n)
		}
	}
	return nil
}

// CheckRegroup returns the error of Regroup.
func (s *Step[T]) CheckRegroup(keep []int, join ...State[T]) error {
	batch, most := len(keep), 1
	for i, b := range keep {
		if b < 0 || b >= s.batch {
			return named("Step.Regroup", fmt.Errorf("keep[%d]: want a row in [0, %d), got %d", i, s.batch, b))
		}
		most = max(most, s.seen(b, 1))
	}
	for i, x := range join {
		if err := s.checkState(x); err != nil {
			return named("Step.Regroup", fmt.Errorf("join[%d]: %w", i, err))
		}
		batch, most = batch+x.Batch, max(most, x.Slots)
	}
	if batch < 1 {
		return named("Step.Regroup", fmt.Errorf("want batch >= 1, got %d", batch))
	}
	return named("Step.Regroup", s.checkSize(batch, most))
}

// regroupSums puts the state of the linear form together.
func (s *Step[T]) regroupSums(old *Step[T], keep []int, join []State[T]) {
	all := make([]int, 0, s.batch)
	for i, t := range []*[]T{&s.s, &s.z} {
		n := len(*t) / old.batch
		x := num.Aligned[T](s.batch * n)
		num.CopyRows(x, s.batch, 0, *t, old.batch, keep, n)
		at := len(keep)
		for _, j := range join {
			for len(all) < j.Batch {
				all = append(all, len(all))
			}
			num.CopyRows(x, s.batch, at, j.Tensors[i], j.Batch, all[:j.Batch], n)
			at += j.Batch
		}
		*t = x
	}
}

// regroupCaches gives the rows that are kept their caches: the first of each that of
// the row itself, others a copy, in the memory of a row that leaves where one has as
// much.
func (s *Step[T]) regroupCaches(old *Step[T], keep []int) {
	s.caches = make([]rowCache[T], s.batch)
	taken := make([]bool, old.batch)
	for i, b := range keep {
		if !taken[b] {
			s.caches[i], taken[b] = old.caches[b], true
		}
	}
	for i, b := range keep {
		if s.caches[i].room == 0 {
			s.caches[i] = old.caches[b].copyTo(old.leaving(taken, old.caches[b].room))
		}
	}
	for i := len(keep); i < s.batch; i++ {
		c := old.leaving(taken, s.firstCache())
		clear(c.keys) // what has not been written is multiplied by 0
		clear(c.values)
		s.caches[i] = c
	}
}

// firstCache is the room of a cache at the start of a sequence.
func (s *Step[T]) firstCache() int {
	if s.Window > 0 {
		return min(firstRoom, s.Window)
	}
	return firstRoom
}

// leaving returns the cache of a row that has not been taken with the given room, or
// none.
func (s *Step[T]) leaving(taken []bool, room int) rowCache[T] {
	for b, c := range s.caches {
		if !taken[b] && c.room == room {
			taken[b] = true
			return c
		}
	}
	return rowCache[T]{}
}

// copyTo returns a copy in the memory of another cache, which has as much room or
// none.
func (c rowCache[T]) copyTo(to rowCache[T]) rowCache[T] {
	to.room, to.keys, to.values = c.room, num.Grow(to.keys, len(c.keys)), num.Grow(to.values, len(c.values))
	copy(to.keys, c.keys)
	copy(to.values, c.values)
	return to
}
