package experiment

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/task"
)

// examples is a data set of examples in memory, for a model of a shape.
type examples struct {
	shape Shape
	list  []Example
}

// Fields implements task.Dataset.
func (d *examples) Fields() []task.Field {
	s := d.shape
	x := task.Features(task.X, max(s.Features, 1))
	if s.Vocab > 0 {
		pad := 0
		if s.Padding != nil {
			pad = *s.Padding
		}
		x = task.Tokens(task.X, pad)
	}
	switch s.Kind {
	case LanguageModel:
		return []task.Field{x, task.Labels(task.Target)}
	case Retrieval:
		return append(task.Pair(x), task.Label(task.Target))
	case Forecaster:
		fs := []task.Field{x, task.Numbers(task.Target, s.Horizon, s.outputs())}
		if s.Weighted {
			fs = append(fs, task.Numbers(task.Weights, s.Horizon, s.outputs()))
		}
		return fs
	}
	return []task.Field{x, task.Label(task.Target)}
}

func (s Shape) outputs() int {
	if s.Outputs == 0 {
		return s.Features
	}
	return s.Outputs
}

// Len implements task.Dataset.
func (d *examples) Len() int { return len(d.list) }

// Length implements task.Dataset.
func (d *examples) Length(i int) int { return d.shape.length(d.list[i]) }

// length returns the number of steps of an example. A language model reads all tokens
// but the last, which it only tells, unless it tells answers.
func (s Shape) length(e Example) int {
	if s.Kind == LanguageModel && s.Answers == 0 {
		return len(e.Tokens) - 1
	}
	if s.Vocab > 0 {
		return max(len(e.Tokens), len(e.Tokens2))
	}
	return len(e.Features) / max(s.Features, 1)
}

// Origin implements task.Located.
func (d *examples) Origin(i int) string { return d.list[i].Origin }

// Example implements task.Dataset.
func (d *examples) Example(i int, row *task.Row) error {
	e, s := d.list[i], d.shape
	if n := s.length(e); s.Kind == LanguageModel {
		row.Ints(task.X, e.Tokens[:n]...)
		row.Ints(task.Target, s.told(e)...)
		return nil
	}
	if s.Vocab > 0 {
		row.Ints(task.X, e.Tokens...)
	} else {
		row.Floats(task.X, e.Features...)
	}
	switch s.Kind {
	case Retrieval:
		row.Ints(task.X2, e.Tokens2...)
		row.Ints(task.Target, e.Target)
	case Forecaster:
		n := s.Horizon * s.outputs()
		row.Floats(task.Target, make([]float32, n)...)
		if s.Weighted {
			row.Floats(task.Weights, make([]float32, n)...)
		}
	default:
		row.Ints(task.Target, e.Target)
	}
	return nil
}

// told returns what a language model is to tell at each step.
func (s Shape) told(e Example) []int {
	if s.Answers == 0 {
		return e.Tokens[1:]
	}
	target := make([]int, len(e.Tokens))
	for i := range target {
		target[i] = task.Ignore
	}
	copy(target[len(target)-len(e.Answers):], e.Answers)
	return target
}

// check reports an example that no model of the shape reads.
func (s Shape) check(e Example) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w", e.Origin, fmt.Errorf(format, args...))
	}
	switch {
	case s.Answers > 0 && len(e.Tokens) < s.Answers:
		return fail("want at least %d tokens, a step for each answer, got %d", s.Answers, len(e.Tokens))
	case e.Answers != nil && len(e.Answers) != s.Answers:
		return fail("want %d answers, got %d", s.Answers, len(e.Answers))
	case s.Kind == LanguageModel && s.Answers == 0 && len(e.Tokens) < 2:
		return fail("want at least 2 tokens, the second of which is told from the first, got %d", len(e.Tokens))
	case s.length(e) < 1:
		return fail("want at least 1 step, got none")
	case s.Vocab == 0 && len(e.Features)%max(s.Features, 1) != 0:
		return fail("want %d numbers for each step, got %d numbers in all", s.Features, len(e.Features))
	case s.Kind == Retrieval && (len(e.Tokens) == 0 || len(e.Tokens2) == 0):
		return fail("want two documents, got one of %d and one of %d tokens", len(e.Tokens), len(e.Tokens2))
	case s.classifies() && e.Target != task.Ignore && (e.Target < 0 || e.Target >= s.Classes):
		return fail("want a class in [0, %d), got %d", s.Classes, e.Target)
	}
	for _, t := range slices.Concat(e.Tokens, e.Tokens2, e.Answers) {
		if t < 0 || t >= s.Vocab {
			return fail("want tokens in [0, %d), got %d", s.Vocab, t)
		}
	}
	return nil
}

// classifies says whether what a model gives is scores of classes.
func (s Shape) classifies() bool { return s.Kind != Forecaster && s.Kind != LanguageModel }

// errNoExamples is what reading a file without examples gives.
var errNoExamples = errors.New("want at least one example, got none")
