package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train"
)

// saved is a trained model with what it is for.
type saved struct {
	dir   string // of the run, or of the model alone
	task  *Task
	shape Shape
	codec Codec
	model models.Model
}

// open reads the model of a run, or one by itself. Of a run that has not ended it is
// the best one so far.
func (p *Program) open(dir string) (*saved, error) {
	if dir == "" {
		return nil, errors.New("want -run DIR, the directory of a run")
	}
	at, tried := "", []string{filepath.Join(modelDir, taskFile), taskFile, filepath.Join(startDir, taskFile)}
	for i := len(tried) - 1; i >= 0; i-- {
		if _, err := os.Stat(filepath.Join(dir, tried[i])); err == nil {
			at = filepath.Join(dir, filepath.Dir(tried[i]))
		}
	}
	if at == "" {
		return nil, fmt.Errorf("-run: want the directory of a run, or of its model, got %s, which has none of %q", dir, tried)
	}
	s := &saved{dir: dir}
	var err error
	if s.task, s.shape, s.codec, err = p.readTask(at); err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	if s.model, err = models.Open(G.NewGraph(), at); err != nil {
		return s, err
	}
	if m, ok := s.model.(*models.LanguageModel); ok && s.shape.Answers > 0 {
		s.model = m.WithLogits()
	}
	if filepath.Base(at) != startDir {
		return s, nil
	}
	c, err := train.ReadCheckpoint(filepath.Join(dir, train.BestCheckpoint))
	if err == nil {
		err = c.LoadModel(s.model)
	}
	if err != nil {
		return nil, fmt.Errorf("-run: it has not ended, and has no best model yet: %w", err)
	}
	return s, nil
}

// lengthen makes the model one that reads sequences of up to so many steps.
func (s *saved) lengthen(steps int) error {
	m, err := models.Clone(s.model, G.NewGraph(), layers.ForLength(steps))
	if err == nil {
		s.model = m
	}
	return err
}

// apart makes a language model one whose sequences are apart, not pieces of streams.
func (s *saved) apart() {
	if m, ok := s.model.(*models.LanguageModel); ok {
		s.model, s.shape.Carry = m.WithCarry(false), false
	}
}

// recipe reads what a run was made from.
func (p *Program) recipe(dir string) (*Recipe, error) {
	run, err := report.ReadRun(dir)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	r, err := p.decode(run.Recipe)
	if err != nil {
		return nil, fmt.Errorf("-run: %s: recipe: %w", filepath.Join(dir, report.RunFile), err)
	}
	return r, nil
}
