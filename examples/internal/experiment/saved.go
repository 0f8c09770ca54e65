package experiment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
)

// saved is a trained model with what it is for.
type saved struct {
	dir   string // of the run, or of the model alone
	task  *Task
	shape Shape
	codec Codec
	model models.Model
}

// open reads the model of a run, or one by itself.
func (p *Program) open(dir string) (*saved, error) {
	if dir == "" {
		return nil, errors.New("want -run DIR, the directory of a run")
	}
	at := filepath.Join(dir, modelDir)
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, taskFile)); err != nil {
			return nil, fmt.Errorf("-run: want the directory of a run that has ended, or of its model, got %s, which has no %s: %w", dir, filepath.Join(modelDir, taskFile), err)
		}
		at = dir
	}
	s := &saved{dir: dir}
	var err error
	if s.task, s.shape, s.codec, err = p.readTask(at); err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	s.model, err = models.Open(G.NewGraph(), at)
	return s, err
}

// lengthen makes the model one that reads sequences of up to so many steps.
func (s *saved) lengthen(steps int) error {
	m, err := models.Clone(s.model, G.NewGraph(), layers.ForLength(steps))
	if err == nil {
		s.model = m
	}
	return err
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
