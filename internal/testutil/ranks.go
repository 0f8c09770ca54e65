package testutil

import (
	"fmt"
	"sync"
)

// Sums returns what sums numbers over n ranks, a function for each of n goroutines:
// all call theirs as often, with as many numbers, and v becomes the sum, added in the
// order of the ranks.
func Sums(n int) []func(v []float64) error {
	s := &sums{parts: make([][]float64, n)}
	s.all = sync.NewCond(&s.mu)
	fs := make([]func(v []float64) error, n)
	for rank := range fs {
		fs[rank] = func(v []float64) error { return s.add(rank, v) }
	}
	return fs
}

// sums is what the ranks have in common.
type sums struct {
	mu    sync.Mutex
	all   *sync.Cond // the round has ended
	parts [][]float64
	here  int // ranks that have brought theirs
	round int
	total []float64
	err   error
}

func (s *sums) add(rank int, v []float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[rank] = v
	s.here++
	if s.here == len(s.parts) {
		s.finish()
	} else {
		for round := s.round; round == s.round; {
			s.all.Wait()
		}
	}
	if s.err == nil {
		copy(v, s.total)
	}
	return s.err
}

// finish ends a round: none begins the next before all have left this one, for it
// needs all.
func (s *sums) finish() {
	s.total, s.err = make([]float64, len(s.parts[0])), nil
	for rank, p := range s.parts {
		if len(p) != len(s.total) {
			s.err = fmt.Errorf("rank %d has %d numbers, rank 0 %d", rank, len(p), len(s.total))
			break
		}
		for i, x := range p {
			s.total[i] += x
		}
	}
	s.here = 0
	s.round++
	s.all.Broadcast()
}
