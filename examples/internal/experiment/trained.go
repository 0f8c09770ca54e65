package experiment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/models"
)

// Trained is the model of a run with what it is for, for the commands of a program.
type Trained struct {
	Dir   string // of the run, or of the model alone
	Shape Shape
	Codec Codec
	Model models.Model
	// Recipe is what the run was made from; nil if there is the model alone.
	Recipe *Recipe
	Task   *Task
}

// Open reads the model of a run, or one by itself. Of a run that has not ended it is
// the best one so far.
func (p Program) Open(dir string) (*Trained, error) {
	s, err := p.open(dir)
	if err != nil {
		return nil, err
	}
	t := &Trained{Dir: dir, Shape: s.shape, Codec: s.codec, Model: s.model, Task: s.task}
	if t.Recipe, err = p.recipe(dir); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return t, err
}

// CacheDir returns where data of a task are kept: a directory that the user has, unless
// cache names another.
func CacheDir(cache, task string) (string, error) {
	if cache != "" {
		return cache, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep generated data, give one with -cache: %w", err)
	}
	return filepath.Join(dir, "gorgonia-s4", task), nil
}
