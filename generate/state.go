package generate

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// The tensors that a State has besides those of the model, all of int64.
const (
	ours      = "generate."
	nextName  = ours + "next"  // (1, 1): the last token, which the model has not read
	seenName  = ours + "seen"  // (1, n): the latest tokens, that one included; those that were written as ^id
	countName = ours + "count" // (1, 1): of all tokens
)

// integers returns a tensor (1, n) of a state.
func integers(name string, of ...int) layers.StateTensor {
	d := make([]int64, len(of))
	for i, v := range of {
		d[i] = int64(v)
	}
	return layers.StateTensor{Name: name, Value: tensor.New(tensor.WithShape(1, len(d)), tensor.WithBacking(d))}
}

// place is where a sequence stands.
type place struct {
	model layers.State // nil: at the start
	next  int          // the token that the model has not read; -1: there is none
	seen  []int        // the latest tokens, as in a history
	count int
}

// placeOf takes a state apart.
func (s *source) placeOf(x layers.State) (place, error) {
	p := place{next: -1}
	mine := map[string][]int64{}
	for _, t := range x {
		if !strings.HasPrefix(t.Name, ours) {
			p.model = append(p.model, t)
			continue
		}
		if t.Value == nil || t.Value.Dims() != 2 || t.Value.Shape()[0] != 1 || t.Value.Dtype() != tensor.Int64 || t.Value.RequiresIterator() {
			return p, fmt.Errorf("want a state %q of int64 (1, n), got %s", t.Name, shapeOf(t.Value))
		}
		mine[t.Name] = t.Value.Int64s()
	}
	if len(mine) == 0 {
		return p, nil
	}
	next, seen, count := mine[nextName], mine[seenName], mine[countName]
	if len(mine) != 3 || len(next) != 1 || len(count) != 1 || len(seen) == 0 {
		return p, fmt.Errorf("want a state with one number %q, one %q, and %q, got %d, %d and %d of them in %d tensors", nextName, countName, seenName, len(next), len(count), len(seen), len(mine))
	}
	if count[0] < int64(len(seen)) || count[0] > maxCount {
		return p, fmt.Errorf("want a state %q in [%d, %d], got %d", countName, len(seen), int64(maxCount), count[0])
	}
	if n := len(seen); n > MaxPenaltyWindow {
		return p, fmt.Errorf("want a state %q of at most %d tokens, got %d", seenName, MaxPenaltyWindow, n)
	}
	for _, v := range append(slices.Clone(seen), next[0]) {
		id := v
		if id < 0 {
			id = ^v
		}
		if id >= int64(s.vocab) {
			return p, fmt.Errorf("want tokens of a state in [0, %d), got %d", s.vocab, id)
		}
		p.seen = append(p.seen, int(v))
	}
	p.seen, p.count = p.seen[:len(seen)], int(count[0])
	if p.next = int(next[0]); p.next < 0 || p.next != idOf(p.seen[len(seen)-1]) {
		return p, fmt.Errorf("want a state %q that is the last of %q, got %d", nextName, seenName, p.next)
	}
	return p, nil
}

// maxCount bounds the number of tokens of a sequence, so that it does not overflow.
const maxCount = 1 << 56

// state puts a state together.
func (p *place) state() layers.State {
	return append(slices.Clone(p.model), integers(nextName, p.next), integers(seenName, p.seen...), integers(countName, p.count))
}

// check reports a state of the model that is not one of its rows.
func (s *source) check(x layers.State) error {
	for _, t := range x {
		if t.Value != nil && len(t.Value.Shape()) > 0 && t.Value.Shape()[0] != 1 {
			return fmt.Errorf("want a state of one row, got %q %v", t.Name, t.Value.Shape())
		}
	}
	r, err := s.root.Fork(1)
	if err != nil {
		return err
	}
	return r.SetState(x)
}
