package train

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
)

// A checkpoint has the states that go from batch to batch as a trainer without ranks
// carries them, so that any number of ranks can go on: rank 0 puts together the rows
// of all ranks, and cuts them again.

// holds says whether there are states.
func (c *carry) holds() bool { return len(c.now) > 0 }

// gatherStreams brings the states of all ranks to rank 0, for a checkpoint.
func (t *Trainer) gatherStreams(step int) error {
	r := t.ranks
	if r.broken {
		if t.carries[0].holds() {
			return errors.New("train: nothing can be saved without the states that the other ranks carry")
		}
		return nil
	}
	letters, err := r.exchange(onStreams, step, nil, func(b []byte) []byte {
		b = appendInt(b, t.state.Step)
		for _, c := range t.carries {
			b = appendStates(b, c.now)
		}
		return b
	})
	if err != nil || !t.leads() {
		return err
	}
	if r.streams, err = t.joinStreams(letters); err != nil {
		return fmt.Errorf("train: the states of streams: %w", err)
	}
	return nil
}

// joinStreams makes of the states of the ranks those of a trainer without ranks.
func (t *Trainer) joinStreams(letters []letter) ([]*carry, error) {
	parts := make(map[string][]task.Array) // rows of each rank
	var late error
	for rank := range letters {
		l := &letters[rank]
		if step := l.int(); step != t.state.Step && late == nil { // an optimiser has failed
			late = fmt.Errorf("those of rank %d are of step %d, those of rank 0 of step %d", rank, step, t.state.Step)
		}
		of := make(map[string][]task.Array)
		for range t.carries {
			for name, a := range l.states() {
				of[name] = append(of[name], a)
			}
		}
		if l.short {
			return nil, fmt.Errorf("the message of rank %d is too short", rank)
		}
		c := t.loaderConfig(true)
		c.Rank = rank
		lo, hi, _ := c.Share()
		for name, as := range of {
			a, err := joinRows(as, t.micro())
			if err != nil {
				return nil, fmt.Errorf("state %q of rank %d: %w", name, rank, err)
			}
			parts[name] = append(parts[name], takeRows(a, 0, hi-lo, hi-lo))
		}
	}
	if len(parts) > 0 && late != nil {
		return nil, late
	}
	return cutStreams(parts, t.cfg.BatchSize, 0, t.cfg.BatchSize, t.cfg.BatchSize, t.cfg.micro())
}

// ownStreams returns the states of this rank of those that a trainer without ranks
// would carry.
func (t *Trainer) ownStreams(whole []*carry) ([]*carry, error) {
	parts := make(map[string][]task.Array)
	for _, c := range whole {
		for name, a := range c.now {
			if len(a.Shape) == 0 || a.Shape[0] != t.cfg.micro() {
				return nil, rowsError(name, a, t.cfg.micro())
			}
			parts[name] = append(parts[name], a)
		}
	}
	lo, hi, rows := t.loaderConfig(true).Share()
	return cutStreams(parts, t.cfg.BatchSize, lo, hi, rows, t.micro())
}

// cutStreams returns the rows [lo, hi) of states of so many rows in all, filled up with
// zeros, as those of micro-batches.
func cutStreams(parts map[string][]task.Array, all, lo, hi, rows, micro int) ([]*carry, error) {
	cs := make([]*carry, rows/micro)
	for i := range cs {
		cs[i] = newCarry()
	}
	for name, as := range parts {
		whole, err := joinRows(as, 0)
		if err == nil && whole.Shape[0] != all {
			err = fmt.Errorf("want %d rows in all, got %d", all, whole.Shape[0])
		}
		if err != nil {
			return nil, fmt.Errorf("state %q: %w", name, err)
		}
		own := takeRows(whole, lo, hi, rows)
		for i, c := range cs {
			c.now[name] = takeRows(own, i*micro, (i+1)*micro, micro)
		}
	}
	return cs, nil
}

func rowsError(name string, a task.Array, rows int) error {
	return fmt.Errorf("state %q: want the rows of a batch, %d, as the first axis, to be shared by ranks, got %v", name, rows, a)
}

// joinRows puts arrays one below the other, each of so many rows if that is not 0.
func joinRows(as []task.Array, rows int) (task.Array, error) {
	var out task.Array
	for i, a := range as {
		if len(a.Shape) == 0 || rows > 0 && a.Shape[0] != rows {
			return out, fmt.Errorf("want the rows of a micro-batch, %d, as the first axis, to be shared by ranks, got %v", rows, a)
		}
		if i == 0 {
			out.Shape = a.Shape.Clone()
		} else {
			if !slices.Equal(a.Shape[1:], out.Shape[1:]) || a.Dtype() != as[0].Dtype() {
				return out, fmt.Errorf("want the same on all ranks, got %v and %v", as[0], a)
			}
			out.Shape[0] += a.Shape[0]
		}
		out.Ints = append(out.Ints, a.Ints...)
		out.Float32s = append(out.Float32s, a.Float32s...)
		out.Float64s = append(out.Float64s, a.Float64s...)
	}
	return out, nil
}

// takeRows returns a copy of the rows [lo, hi), filled up with zeros.
func takeRows(a task.Array, lo, hi, rows int) task.Array {
	w := a.Shape[1:].TotalSize()
	shape := a.Shape.Clone()
	shape[0] = rows
	out := task.Array{Shape: shape}
	switch {
	case a.Float32s != nil:
		out.Float32s = make([]float32, rows*w)
		copy(out.Float32s, a.Float32s[lo*w:hi*w])
	case a.Float64s != nil:
		out.Float64s = make([]float64, rows*w)
		copy(out.Float64s, a.Float64s[lo*w:hi*w])
	default:
		out.Ints = make([]int, rows*w)
		copy(out.Ints, a.Ints[lo*w:hi*w])
	}
	return out
}

// appendStates writes states by name.
func appendStates(b []byte, states map[string]task.Array) []byte {
	b = appendInt(b, len(states))
	for _, name := range slices.Sorted(maps.Keys(states)) {
		b = appendArray(appendString(b, name), states[name])
	}
	return b
}

// states reads them.
func (l *letter) states() map[string]task.Array {
	out := make(map[string]task.Array)
	for n := l.int(); n > 0 && !l.short; n-- {
		name := l.string()
		out[name] = l.array()
	}
	return out
}

func appendArray(b []byte, a task.Array) []byte {
	b = appendInt(b, len(a.Shape))
	for _, n := range a.Shape {
		b = appendInt(b, n)
	}
	b = appendString(b, a.Dtype().String())
	for i := range a.Len() {
		if a.Dtype() == tensor.Int {
			b = appendInt(b, a.Ints[i])
		} else {
			b = appendFloat(b, a.At(i)) // exact of a float32 too
		}
	}
	return b
}

func (l *letter) array() task.Array {
	var a task.Array
	for n := l.int(); n > 0 && !l.short; n-- {
		a.Shape = append(a.Shape, l.int())
	}
	dtype, n := l.string(), a.Shape.TotalSize()
	if n < 0 || n > len(l.b)/8 {
		l.b, l.short = nil, true
		return a
	}
	for range n {
		switch dtype {
		case tensor.Float32.String():
			a.Float32s = append(a.Float32s, float32(l.float()))
		case tensor.Float64.String():
			a.Float64s = append(a.Float64s, l.float())
		default:
			a.Ints = append(a.Ints, l.int())
		}
	}
	return a
}
