package train

import "fmt"

// states returns the states of the metrics, in the memory of s.
func (m *meter) states(s [][]float64) ([][]float64, error) {
	s = s[:0]
	for _, k := range m.metrics {
		err := guarded(func() error { s = append(s, k.State()); return nil })
		if err != nil {
			return s, fmt.Errorf("metric %q: %w", k.Name(), err)
		}
	}
	return s, nil
}

// count counts also what another meter has.
func (m *meter) count(t Tally, states [][]float64) error {
	for i, k := range m.metrics {
		if err := guarded(func() error { return k.Merge(states[i]) }); err != nil {
			return fmt.Errorf("metric %q: %w", k.Name(), err)
		}
	}
	m.Loss += t.Loss
	m.Count += t.Count
	return nil
}

func appendMeter(b []byte, t Tally, states [][]float64) []byte {
	b = appendFloat(appendFloat(b, t.Loss), t.Count)
	for _, s := range states {
		b = appendFloats(b, s)
	}
	return b
}

// meter reads what a rank has counted, the states of its metrics into the memory of s.
func (l *letter) meter(s [][]float64) Tally {
	t := Tally{Loss: l.float(), Count: l.float()}
	for i := range s {
		s[i] = l.floats(s[i])
	}
	return t
}

// mergeMeters returns what the meters of all ranks have counted, in their order; err is
// why this rank has none.
func (t *Trainer) mergeMeters(own *meter, err error) (*meter, error) {
	r := t.ranks
	if r.err != nil { // of an exchange before
		return nil, r.err
	}
	if r.isStop(err) {
		return nil, err
	}
	var states [][]float64
	if err == nil {
		states, err = own.states(nil)
	}
	letters, err := r.exchange(onEvaluation, t.state.Step, t.inEvaluation(err), func(b []byte) []byte {
		return appendMeter(b, own.Tally, states)
	})
	if err != nil {
		return nil, err
	}
	sum := newMeter(t.metrics)
	for rank := range letters {
		of := make([][]float64, len(states))
		tally := letters[rank].meter(of)
		if err := sum.count(tally, of); err != nil {
			return nil, fmt.Errorf("of rank %d: %w", rank, err)
		}
	}
	return sum, nil
}

// inEvaluation says where in a run an error was.
func (t *Trainer) inEvaluation(err error) error {
	if err == nil || t.ranks.in != inFit {
		return err
	}
	return fmt.Errorf("evaluation after step %d: %w", t.state.Step, err)
}

// sameRows returns the number of rows of a batch of an evaluation that rank 0 has
// found; err is why this one has found none.
func (t *Trainer) sameRows(rows int, err error) (int, error) {
	letters, err := t.ranks.exchange(onEvalBatch, t.state.Step, t.inEvaluation(err), func(b []byte) []byte { return appendInt(b, rows) })
	if err != nil {
		return 0, err
	}
	return letters[0].int(), nil
}
