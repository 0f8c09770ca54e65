package train

import (
	"context"
	"errors"
	"fmt"
)

// InterruptedError is what Fit returns when its context ends: the state has
// been saved and the run can go on from there. It unwraps to the cause.
type InterruptedError struct {
	// Step is the number of steps done.
	Step int
	// Checkpoint is the path of the checkpoint to resume from; "" if the run has
	// no checkpoint directory.
	Checkpoint string
	// NotSaved says why no run can be resumed from it; "" that one can.
	NotSaved string
	// Cause is why the context ended.
	Cause error
}

// Error implements error.
func (e *InterruptedError) Error() string {
	if e.Checkpoint == "" {
		return fmt.Sprintf("train: interrupted after step %d (%v): nothing is saved, because the run has no checkpoint directory", e.Step, e.Cause)
	}
	if e.NotSaved != "" {
		return fmt.Sprintf("train: interrupted after step %d (%v): saved in %s, but no run can be resumed from it: %s", e.Step, e.Cause, e.Checkpoint, e.NotSaved)
	}
	return fmt.Sprintf("train: interrupted after step %d (%v): saved, to be resumed from %s", e.Step, e.Cause, e.Checkpoint)
}

// Unwrap returns the cause.
func (e *InterruptedError) Unwrap() error { return e.Cause }

// stopped says whether the run is to stop: that its context has ended, on any rank.
func (t *Trainer) stopped(ctx context.Context) bool {
	if t.ranks != nil {
		return t.ranks.stop != nil
	}
	return ctx.Err() != nil
}

// orInterrupted returns err, or saves if the end of the context caused it.
func (t *Trainer) orInterrupted(ctx context.Context, err error) error {
	if t.ranks != nil {
		if err = t.confess(err); !t.ranks.isStop(err) {
			return err
		}
		return t.interrupted(ctx)
	}
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	return t.interrupted(ctx)
}

func (t *Trainer) interrupted(ctx context.Context) error {
	if t.ranks != nil {
		return t.interruptedTogether()
	}
	e := &InterruptedError{Step: t.state.Step, Cause: context.Cause(ctx)}
	if t.cfg.CheckpointDir == "" {
		return e
	}
	if err := t.save(); err != nil {
		return errors.Join(e.Cause, err)
	}
	e.Checkpoint, e.NotSaved = t.dir.path(LastCheckpoint), t.notSaved
	return e
}
