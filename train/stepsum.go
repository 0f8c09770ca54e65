package train

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/task"
)

// stepSum is what the ranks of a trainer add up in a step. It is the Reducer of the
// trainer's gradients: between the backward pass and the sum the ranks vote, so that a
// step is done by all or by none.
type stepSum struct {
	t       *Trainer
	reducer *GroupReducer
	buffers *average

	batch     *loaded
	part      *task.Batch // the last that ran
	meter     *meter      // of all of them
	states    [][]float64 // of the metrics of this rank
	counts    []tally     // of the ranks
	gathered  [][]float64 // states of the metrics of each rank, one rank after the other
	sequences int
}

// tally is what a rank has counted in a step.
type tally struct {
	targets, examples float64
	Tally
}

// begin prepares for a step on a batch.
func (s *stepSum) begin(b *loaded) {
	s.batch = b
	s.buffers.undo.keep()
}

// Sum implements Reducer.
func (s *stepSum) Sum(gradients []Learned, count float64) (float64, error) {
	err := s.check(gradients, count)
	if err == nil {
		s.states, err = s.meter.states(s.states)
	}
	step := s.t.state.Step + 1
	if err != nil {
		err = fmt.Errorf("step %d: in %v: %w", step, s.part, err)
	}
	r := s.t.ranks
	letters, err := r.exchange(onStep, step, err, func(b []byte) []byte {
		b = appendFloat(appendFloat(b, count), float64(len(s.batch.Examples)))
		return appendMeter(b, s.meter.Tally, s.states)
	})
	if err != nil {
		return 0, err
	}
	total := s.read(letters)
	// From here on nothing may fail on one rank alone.
	if err := s.reducer.sum(gradients, total); err != nil {
		return 0, r.breakOff(onStep, err)
	}
	if err := s.buffers.over(r, s.counts); err != nil {
		return 0, r.breakOff(onStep, err)
	}
	return total, nil
}

// check reports a gradient that is not finite, which after the sum would be that of all
// ranks. One of no targets counts nothing, and may be what a mean over none is, unless
// the targets of other ranks depend on it.
func (s *stepSum) check(gradients []Learned, count float64) error {
	for _, g := range gradients {
		e := nonFiniteAt(g.Name, g.Grad.Float32s)
		if g.Grad.Float64s != nil {
			e = nonFiniteAt(g.Name, g.Grad.Float64s)
		}
		switch {
		case e == nil:
		case count == 0 && !s.t.cfg.SyncNorm:
			clear(g.Grad.Float32s)
			clear(g.Grad.Float64s)
		default:
			e.Gradient = true
			return e
		}
	}
	return nil
}

// read takes over what the ranks have counted, and returns the number of targets.
func (s *stepSum) read(letters []letter) (total float64) {
	s.counts, s.gathered = s.counts[:0], resize(s.gathered, len(letters)*len(s.states))
	s.sequences = 0
	for rank := range letters {
		l := &letters[rank]
		c := tally{targets: l.float(), examples: l.float()}
		c.Tally = l.meter(s.gathered[rank*len(s.states):][:len(s.states)])
		s.counts = append(s.counts, c)
		s.sequences += int(c.examples)
		total += c.targets
	}
	return total
}

// measured returns what all ranks have measured in the step, and how many sequences.
func (s *stepSum) measured() (*meter, int, error) {
	m := newMeter(s.t.metrics)
	for rank, c := range s.counts {
		if err := m.count(c.Tally, s.gathered[rank*len(s.states):][:len(s.states)]); err != nil {
			return nil, 0, fmt.Errorf("of rank %d: %w", rank, err)
		}
	}
	return m, s.sequences, nil
}

// average makes buffers of floats, as running statistics are, their mean over the
// ranks: what changed in a step is weighted by the number of examples. What did not
// change stays as it is, to the bit.
type average struct {
	undo   *undo     // of the float buffers
	change []float64 // of all of them
}

func newAverage(m Model) (*average, error) {
	var floats []weights.Var
	for _, v := range bufferVars(m) {
		if isFloat(v.Value.Dtype()) {
			floats = append(floats, v)
		}
	}
	u, err := newUndo(floats)
	return &average{undo: u}, err
}

// over takes the mean over the ranks.
func (a *average) over(r *ranks, counts []tally) error {
	if len(a.undo.live) == 0 {
		return nil
	}
	examples := 0.
	for _, c := range counts {
		examples += c.examples
	}
	own := counts[r.Rank()].examples / examples
	a.change = a.change[:0]
	for i, live := range a.undo.live {
		switch v := live.(type) {
		case []float32:
			a.change = changes(a.change, v, a.undo.kept[i].([]float32), own)
		case []float64:
			a.change = changes(a.change, v, a.undo.kept[i].([]float64), own)
		}
	}
	if err := r.SumFloat64(a.change); err != nil {
		return err
	}
	change := a.change
	for i, live := range a.undo.live {
		switch v := live.(type) {
		case []float32:
			change = changed(change, v, a.undo.kept[i].([]float32))
		case []float64:
			change = changed(change, v, a.undo.kept[i].([]float64))
		}
	}
	return nil
}

// changes appends what each number has changed by, times a weight.
func changes[T num.Float](out []float64, now, before []T, weight float64) []float64 {
	for i, v := range now {
		d := 0.
		if v != before[i] && weight > 0 {
			d = weight * (float64(v) - float64(before[i]))
		}
		out = append(out, d)
	}
	return out
}

// changed makes numbers what they were and the change, and returns the other changes.
func changed[T num.Float](change []float64, now, before []T) []float64 {
	for i := range now {
		if now[i] = before[i]; change[i] != 0 {
			now[i] = T(float64(before[i]) + change[i])
		}
	}
	return change[len(now):]
}
