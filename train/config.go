package train

import (
	"fmt"
	"math"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
)

// Duration is a time.Duration that JSON writes as text: "9m30s".
type Duration time.Duration

// String returns the duration as time.Duration writes it.
func (d Duration) String() string { return time.Duration(d).String() }

func (d Duration) seconds() float64 { return time.Duration(d).Seconds() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// DType names the type of a model's parameters.
type DType string

// The types a model can be trained in.
const (
	Float32 DType = "float32"
	Float64 DType = "float64"
)

// Tensor returns the type as package tensor has it: what to build the model
// with.
func (d DType) Tensor() tensor.Dtype {
	if d == Float64 {
		return tensor.Float64
	}
	return tensor.Float32
}

// Config configures a run. It is stored in every checkpoint. BatchSize, LR, and
// Steps or Epochs must be set; the zero value of the others is a sensible
// default.
type Config struct {
	// Steps is the number of optimiser steps.
	Steps int `json:"steps,omitempty"`
	// Epochs is the number of passes over the training data. If Steps is set as
	// well, the run has the smaller number of steps.
	Epochs int `json:"epochs,omitempty"`
	// MaxDuration bounds the time of the run, evaluations and interrupted parts
	// included; 0 means no bound. A tenth of it into the run, and after every
	// evaluation from then on, the trainer looks at the pace: if the run would
	// not end in time, the number of steps is lowered to what fits, so that the
	// schedule comes to its end. Should the time run out all the same, the run
	// stops there.
	MaxDuration Duration `json:"max_duration,omitzero"`

	// BatchSize is the number of sequences of a training step (B).
	BatchSize int `json:"batch_size"`
	// MicroBatch is the number of sequences that run at a time: a step adds up
	// the gradients of BatchSize/MicroBatch graphs, which need so much less
	// memory, and is the same to rounding, dropout included. What a model computes
	// over the rows of a batch together, as batch normalisation does, it computes
	// over those of a micro-batch. 0 means BatchSize.
	MicroBatch int `json:"micro_batch,omitempty"`
	// SyncNorm makes batch normalisation, where ranks train together, that of the rows
	// that all of them run at a time, not of those of each: of the whole batch, but of
	// a part of it with MicroBatch, and then of another for every number of ranks. See
	// task.Graph.Across. One rank by itself does what it does without.
	SyncNorm bool `json:"sync_norm,omitempty"`
	// EvalBatchSize is that of an evaluation, whose result does not depend on it
	// beyond rounding. 0 means MicroBatch, or BatchSize, and where several
	// micro-batches make a batch as many of them as fit in the memory of training:
	// that follows from the model, not from the machine. With InOrder it is
	// MicroBatch, or BatchSize: its rows are those of the streams.
	EvalBatchSize int `json:"eval_batch_size,omitempty"`
	// Buckets are the lengths that batches are padded to, ascending; nil means
	// that of the longest sequence. See LoaderConfig.Buckets.
	Buckets []int `json:"buckets,omitempty"`
	// DropLast leaves out an epoch's last training batch if it is not full,
	// instead of filling it up with masked rows.
	DropLast bool `json:"drop_last,omitempty"`
	// InOrder takes the training examples in their own order, bucket by bucket,
	// not in a new one for every epoch: for models that carry a state from batch
	// to batch.
	InOrder bool `json:"in_order,omitempty"`
	// Seed chooses the order of the examples.
	Seed uint64 `json:"seed"`

	// DType is the type of the model's parameters; "" means Float32. A model of
	// another type is refused.
	DType DType `json:"dtype,omitempty"`

	// LR is the peak learning rate of the parameters that have none of their
	// own.
	LR float64 `json:"lr"`
	// WeightDecay is the decoupled weight decay of the parameters that have
	// none of their own.
	WeightDecay float64 `json:"weight_decay"`
	// Clip bounds the norm of all gradients; 0 means no bound.
	Clip float64 `json:"clip,omitempty"`
	// Rules change what the model's parameters recommend about themselves: one can be
	// frozen, or have a rate of its own.
	Rules param.Rules `json:"rules,omitempty"`
	// Schedule says how the learning rates change over the run.
	Schedule Schedule `json:"schedule"`

	// EvalEvery is the number of steps between evaluations; 0 means one
	// evaluation per epoch. There is always one at the end.
	EvalEvery int `json:"eval_every,omitempty"`
	// Monitor is the metric of the validation data that says which checkpoint is
	// the best, when to stop early, and when Plateau falls: Loss, or the name of
	// one of the trainer's metrics. "" means the first of those, or Loss if there
	// is none.
	Monitor string `json:"monitor,omitempty"`
	// Patience stops the run after so many evaluations in a row without
	// improvement; 0 means never.
	Patience int `json:"patience,omitempty"`

	// CheckpointDir is the directory of the checkpoints, made if it does not
	// exist; "" means that none are written. A run with checkpoints reads its
	// data once before it starts, for a fingerprint of them.
	CheckpointDir string `json:"checkpoint_dir,omitempty"`
	// CheckpointEvery is the number of steps between checkpoints; 0 means as
	// often as evaluations. There is always one at the start, at the end, on
	// interruption and after an error, and one with every best checkpoint.
	CheckpointEvery int `json:"checkpoint_every,omitempty"`
	// Overwrite lets a new run replace the checkpoints of an earlier one in
	// CheckpointDir; otherwise it refuses to start. One that had not come to its
	// first step's checkpoint is replaced in any case.
	Overwrite bool `json:"overwrite,omitempty"`
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	fail := func(field, want string, got any) error {
		return fmt.Errorf("train: Config: want %s %s, got %v", field, want, got)
	}
	for _, f := range []struct {
		name string
		v    int
	}{
		{"Steps", c.Steps}, {"Epochs", c.Epochs},
		{"EvalBatchSize", c.EvalBatchSize}, {"MicroBatch", c.MicroBatch}, {"EvalEvery", c.EvalEvery},
		{"Patience", c.Patience}, {"CheckpointEvery", c.CheckpointEvery},
	} {
		if f.v < 0 {
			return fail(f.name, ">= 0", f.v)
		}
	}
	switch {
	case c.Steps == 0 && c.Epochs == 0:
		return fail("Steps or Epochs", ">= 1", "neither")
	case c.MaxDuration < 0:
		return fail("MaxDuration", ">= 0", c.MaxDuration)
	case c.BatchSize < 1:
		return fail("BatchSize", ">= 1", c.BatchSize)
	case c.MicroBatch > 0 && c.BatchSize%c.MicroBatch != 0:
		return fail("MicroBatch", fmt.Sprintf("to divide BatchSize, %d", c.BatchSize), c.MicroBatch)
	case !(c.LR > 0) || !finite(c.LR):
		return fail("LR", "> 0", c.LR)
	case !(c.WeightDecay >= 0) || !finite(c.WeightDecay):
		return fail("WeightDecay", ">= 0", c.WeightDecay)
	case !(c.Clip >= 0) || !finite(c.Clip):
		return fail("Clip", ">= 0", c.Clip)
	case c.DType != "" && c.DType != Float32 && c.DType != Float64:
		return fail("DType", fmt.Sprintf("%q or %q", Float32, Float64), fmt.Sprintf("%q", c.DType))
	}
	if err := checkBuckets("Config", c.Buckets); err != nil {
		return err
	}
	for _, r := range c.Rules {
		if err := r.Validate(); err != nil {
			return fmt.Errorf("train: Config: %w", err)
		}
	}
	return c.Schedule.Validate()
}

// planned returns the number of steps of the run, given those of an epoch and,
// unless it is 0, an upper limit.
func (c Config) planned(perEpoch, limit int) int {
	n := math.MaxInt
	if c.Steps > 0 {
		n = c.Steps
	}
	if c.Epochs > 0 {
		n = min(n, c.Epochs*perEpoch)
	}
	if limit > 0 {
		n = min(n, limit)
	}
	return n
}

// micro returns the number of sequences that run at a time.
func (c Config) micro() int {
	if c.MicroBatch > 0 {
		return c.MicroBatch
	}
	return c.BatchSize
}

// trajectory returns the configuration without what may differ between a run
// and its continuation: how long it goes on, and where and how often it saves.
func (c Config) trajectory() Config {
	c.Steps, c.Epochs, c.MaxDuration, c.Patience = 0, 0, 0, 0
	c.CheckpointDir, c.CheckpointEvery, c.Overwrite = "", 0, false
	return c
}
