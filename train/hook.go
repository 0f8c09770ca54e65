package train

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/gorgonia-s4/s4/internal/guard"
)

// Hook watches a run: it is how progress displays, metrics files, and reports
// attach to the loop. The methods are called from the goroutine of Fit, one at
// a time, and hold it up; an error ends the run. Of the ranks of a group only rank 0
// calls its hooks. Embed [BaseHook] to implement only some of them.
type Hook interface {
	// OnStart is called once before the first step.
	OnStart(StartEvent) error
	// OnStep is called after every optimiser step.
	OnStep(StepEvent) error
	// OnEval is called after every evaluation on the validation data.
	OnEval(EvalEvent) error
	// OnCheckpoint is called after a checkpoint has been written, but for the one
	// that a run begins with, which is there at OnStart.
	OnCheckpoint(CheckpointEvent) error
	// OnEnd is called once at the end, also after an error. What Fit returns is
	// settled by then, unless it is nil and OnEnd fails.
	OnEnd(EndEvent) error
}

// BaseHook is a Hook that does nothing.
type BaseHook struct{}

// OnStart implements Hook.
func (BaseHook) OnStart(StartEvent) error { return nil }

// OnStep implements Hook.
func (BaseHook) OnStep(StepEvent) error { return nil }

// OnEval implements Hook.
func (BaseHook) OnEval(EvalEvent) error { return nil }

// OnCheckpoint implements Hook.
func (BaseHook) OnCheckpoint(CheckpointEvent) error { return nil }

// OnEnd implements Hook.
func (BaseHook) OnEnd(EndEvent) error { return nil }

// tell calls the hooks in order, up to the first error. Of a group those of rank 0 are
// called.
func (t *Trainer) tell(call func(h Hook) error) error {
	if !t.leads() {
		return nil
	}
	for _, h := range t.hooks {
		if err := guarded(func() error { return call(h) }); err != nil {
			return err
		}
	}
	return nil
}

// guarded calls f, whose panic is an error: f is of another package, and the run
// that it would end has something to save.
func guarded(f func() error) (err error) {
	defer guard.Panic(&err)
	return f()
}

// StartEvent says what run is about to begin or go on.
type StartEvent struct {
	Config Config
	Model  Model
	// Metrics are those of the run, which count nothing.
	Metrics []Metric
	// Resumed says that the run goes on from where it was interrupted.
	Resumed bool
	// Moved says that it goes on in another directory than the checkpoint's.
	Moved bool
	// Replaces says that the directory holds what is left of a run that had not
	// come to its first checkpoint: nothing that is worth keeping.
	Replaces bool
	// Step is the number of steps already done. Evaluated is the step of the last
	// evaluation, 0 if there was none.
	Step, Evaluated int
	// Steps is the number of steps of the run.
	Steps int
	// StepsPerEpoch is the number of steps of one pass over the data.
	StepsPerEpoch int
}

// StepEvent describes a step that has been done.
type StepEvent struct {
	// Step counts the steps from 1; Steps is their number in the run. Epoch is
	// the number of passes over the data, with its fraction.
	Step, Steps int
	Epoch       float64
	// Batch are the metrics of the batch, Train those of all batches since the
	// last evaluation.
	Batch, Train Metrics
	// Sequences is the number of sequences in the batch, without filling.
	Sequences int
	// LR is the learning rate of the parameters without a rate of their own.
	LR float64
	// GradNorm is the norm of all gradients before clipping.
	GradNorm float64
	// Duration is the time of the step, Elapsed that of the run so far, and
	// Remaining an estimate of what is left.
	Duration, Elapsed, Remaining time.Duration
}

// EvalEvent describes an evaluation on the validation data.
type EvalEvent struct {
	Record
	// Best says that it is better than all before.
	Best bool
	// Duration is the time the evaluation took.
	Duration time.Duration
}

// Record is an entry of a run's history: one evaluation.
type Record struct {
	// Step and Epoch are the steps and passes over the data done.
	Step  int     `json:"step"`
	Epoch float64 `json:"epoch"`
	// Train are the metrics of the training batches since the last evaluation,
	// each as it was when the batch was trained on; Val are those of the
	// validation data.
	Train Metrics `json:"train"`
	Val   Metrics `json:"val"`
	// LR is the learning rate of the last step.
	LR float64 `json:"lr"`
	// Elapsed is the time of the run so far.
	Elapsed Duration `json:"elapsed"`
}

// equal says whether two records are the same; a NaN is like another.
func (r *Record) equal(other *Record) bool {
	a, err1 := json.Marshal(r)
	b, err2 := json.Marshal(other)
	return err1 == nil && err2 == nil && bytes.Equal(a, b)
}

// CheckpointEvent describes a checkpoint that has been written.
type CheckpointEvent struct {
	// Path is the JSON file.
	Path string
	Step int
	// Best says that it is the best checkpoint; otherwise the last one.
	Best bool
	// NotSaved says why no run can be resumed from it, "" that one can.
	NotSaved string
}

// EndEvent says how a run ended.
type EndEvent struct {
	// Result is what Fit returns; nil after an error.
	Result *Result
	// Err is the error Fit returns; nil if the run came to its end.
	Err error
}
