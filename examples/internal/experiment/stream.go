package experiment

import (
	"context"
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

// stepper reads a sequence step by step.
type stepper struct {
	*layers.Recurrence
	ids      *tensor.Dense // (1), of a model of tokens
	features *tensor.Dense // (1, F), of others
}

// newStepper returns the model as a recurrent network. It is an error if the model
// sees the future, or otherwise cannot step.
func newStepper(s *saved) (*stepper, error) {
	m, ok := s.model.(interface {
		Recurrence(batch int) (*layers.Recurrence, error)
	})
	if !ok {
		return nil, fmt.Errorf("-stream: want a model that can step, got a %s", s.model.Kind())
	}
	r, err := m.Recurrence(1)
	if err != nil {
		return nil, fmt.Errorf("-stream: want a model that can step, as one that is not bidirectional: %w", err)
	}
	st := &stepper{Recurrence: r}
	if s.shape.Vocab > 0 {
		st.ids = tensor.New(tensor.Of(tensor.Int), tensor.WithShape(1))
	} else {
		st.features = tensor.New(tensor.Of(s.model.Dtype()), tensor.WithShape(1, s.shape.Features))
	}
	return st, nil
}

// read consumes step i of an example, or of its second sequence, and returns what the
// model makes of what it has read.
func (st *stepper) read(tokens []int, features []float32, i int) (*tensor.Dense, error) {
	if st.ids != nil {
		st.ids.Ints()[0] = tokens[i]
		return st.Step(st.ids)
	}
	n := st.features.Shape()[1]
	for j, v := range features[i*n : (i+1)*n] {
		if st.features.Dtype() == tensor.Float32 {
			st.features.Float32s()[j] = v
		} else {
			st.features.Float64s()[j] = float64(v)
		}
	}
	return st.Step(st.features)
}

// all consumes a sequence and calls every, if it is not nil, after each step but the
// last. It returns a copy of what the model makes of all of it.
func (st *stepper) all(ctx context.Context, tokens []int, features []float32, every func(step int, y *tensor.Dense) error) (*tensor.Dense, error) {
	st.Reset()
	n := len(tokens)
	if st.ids == nil {
		n = len(features) / st.features.Shape()[1]
	}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		y, err := st.read(tokens, features, i)
		if err != nil {
			return nil, err
		}
		if i == n-1 {
			return y.Clone().(*tensor.Dense), nil
		}
		if every != nil {
			if err := every(i+1, y); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("want at least 1 step, got none")
}

// step predicts an example step by step.
func (q *prediction) step(ctx context.Context, e Example) error {
	switch q.shape.Kind {
	case Retrieval:
		return q.stepPair(ctx, e)
	case LanguageModel:
		if q.shape.Answers > 0 {
			return q.stepAnswers(ctx, e)
		}
		return q.stepText(ctx, e)
	}
	say := func(step int, y *tensor.Dense) error {
		if q.shape.Kind != Forecaster {
			return q.classified(e, step, float64s(y))
		}
		if k := len(q.shape.Quantiles); k > 0 {
			all := float64s(y)
			return q.forecast(e, step, medians(all, q.shape.Quantiles), all)
		}
		return q.forecast(e, step, float64s(y), nil)
	}
	var every func(step int, y *tensor.Dense) error
	if q.every > 0 {
		every = func(step int, y *tensor.Dense) error {
			if step%q.every != 0 {
				return nil
			}
			return say(step, y)
		}
	}
	y, err := q.stepper.all(ctx, e.Tokens, e.Features, every)
	if err != nil {
		return err
	}
	return say(0, y)
}

// stepText tells the tokens of an example one after the other.
func (q *prediction) stepText(ctx context.Context, e Example) error {
	sum, n := 0.0, q.shape.length(e)
	add := func(step int, y *tensor.Dense) error {
		sum -= math.Log(probabilities(float64s(y))[e.Tokens[step]])
		if q.every > 0 && step%q.every == 0 && step < n {
			return q.toldOf(e, step, sum)
		}
		return nil
	}
	y, err := q.stepper.all(ctx, e.Tokens[:n], nil, add)
	if err == nil {
		err = add(n, y)
	}
	if err != nil {
		return err
	}
	return q.toldOf(e, 0, sum)
}

// stepAnswers reads the tokens of an example one after the other, and tells the answers
// at the last of them.
func (q *prediction) stepAnswers(ctx context.Context, e Example) error {
	var scores [][]float64
	add := func(step int, y *tensor.Dense) error {
		if step > len(e.Tokens)-q.shape.Answers {
			scores = append(scores, float64s(y))
		}
		return nil
	}
	y, err := q.stepper.all(ctx, e.Tokens, nil, add)
	if err == nil {
		err = add(len(e.Tokens), y)
	}
	if err != nil {
		return err
	}
	return q.answered(e, scores)
}

// stepPair predicts a pair: it reads one document, then the other, and compares.
func (q *prediction) stepPair(ctx context.Context, e Example) error {
	m, ok := q.model.(*models.Retrieval)
	if !ok {
		return fmt.Errorf("want a model of pairs, got a %s", q.model.Kind())
	}
	a, err := q.stepper.all(ctx, e.Tokens, nil, nil)
	if err != nil {
		return err
	}
	b, err := q.stepper.all(ctx, e.Tokens2, nil, nil)
	if err != nil {
		return err
	}
	y, err := m.Score(a, b)
	if err != nil {
		return err
	}
	return q.classified(e, 0, float64s(y))
}

// medians returns of the quantiles of each number the one nearest to 1/2.
func medians(all, levels []float64) []float64 {
	at := 0
	for i, q := range levels {
		if abs(q-0.5) < abs(levels[at]-0.5) {
			at = i
		}
	}
	var y []float64
	for i := at; i < len(all); i += len(levels) {
		y = append(y, all[i])
	}
	return y
}

func abs(v float64) float64 { return max(v, -v) }

// float64s returns the numbers of a tensor.
func float64s(t *tensor.Dense) []float64 {
	v := make([]float64, t.DataSize())
	for i := range v {
		if t.Dtype() == tensor.Float32 {
			v[i] = float64(t.Float32s()[i])
		} else {
			v[i] = t.Float64s()[i]
		}
	}
	return v
}
