package recall

import (
	"fmt"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/internal/splitmix"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// Dataset is examples of a task, each of which is drawn when it is read. It has the
// fields task.X and task.Target: tokens (L) and a label for each step, task.Ignore where
// nothing is to be told; of the adding problem features (L, 2) and a number (1, 1).
type Dataset struct {
	cfg Config
	key uint64
	n   int
}

// NewDataset returns n examples of a task, those of a part: of equal configurations,
// other parts have other examples.
func NewDataset(cfg Config, part uint64, n int) (*Dataset, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if n < 1 || n > maxExamples {
		return nil, fmt.Errorf("recall: NewDataset: want 1 to %d examples, got %d", maxExamples, n)
	}
	return &Dataset{cfg, mixed(cfg.Seed, part), n}, nil
}

// mixed returns a key that follows from two numbers.
func mixed(a, b uint64) uint64 {
	return splitmix.Mix(splitmix.Mix(a+splitmix.Golden) ^ b*splitmix.Golden)
}

// The parts of Splits.
const (
	testPart = iota
	valPart
	trainPart
)

// Splits returns examples for training, which are others in each pass, and others for
// validation and test.
func Splits(cfg Config, train, val, test int) (s data.Splits[task.Dataset], err error) {
	parts := make([]*Dataset, trainPart+1)
	for part, n := range []int{testPart: test, valPart: val, trainPart: train} {
		if parts[part], err = NewDataset(cfg, uint64(part), n); err != nil {
			return s, err
		}
	}
	return data.Splits[task.Dataset]{Train: Fresh{parts[trainPart]}, Val: parts[valPart], Test: parts[testPart]}, nil
}

// Config returns what the task is.
func (d *Dataset) Config() Config { return d.cfg }

// Len returns the number of examples.
func (d *Dataset) Len() int { return d.n }

// Length returns the number of steps of each example.
func (d *Dataset) Length(int) int { return d.cfg.Steps() }

// Fields declares the input and what is to be told.
func (d *Dataset) Fields() []task.Field {
	if d.cfg.Task == Adding {
		return []task.Field{task.Features(task.X, 2), task.Numbers(task.Target, 1, 1)}
	}
	return []task.Field{task.Tokens(task.X, 0), task.Labels(task.Target)}
}

// Example draws example i, 0 <= i < Len. It never fails.
func (d *Dataset) Example(i int, row *task.Row) error {
	r := rand.New(rand.NewPCG(d.key, splitmix.Mix(uint64(i))))
	if d.cfg.Task == Adding {
		x, sum := adding(r, d.cfg.Length)
		row.Floats(task.X, x...)
		row.Floats(task.Target, sum)
		return nil
	}
	x, answers := d.cfg.draw(r)
	target := make([]int, len(x))
	for l := range target {
		target[l] = task.Ignore
	}
	copy(target[len(x)-len(answers):], answers)
	row.Ints(task.X, x...)
	row.Ints(task.Target, target...)
	return nil
}

// draw draws the tokens of an example, and what is to be told at the last of them.
func (c Config) draw(r *rand.Rand) (x, answers []int) {
	switch c.Task {
	case SelectiveCopying:
		return copying(r, c, scattered)
	case DelayedRecall:
		return copying(r, c, first)
	}
	return induction(r, c.Length, c.Vocabulary)
}

// Fresh is a Dataset that has other examples in each pass over it.
type Fresh struct{ *Dataset }

var _ task.Epochs = Fresh{}

// Epoch implements task.Epochs.
func (f Fresh) Epoch(n int) task.Dataset {
	d := *f.Dataset
	d.key = mixed(d.key, uint64(n))
	return &d
}
