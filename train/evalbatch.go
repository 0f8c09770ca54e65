package train

import (
	"errors"
	"fmt"

	"github.com/gorgonia-s4/s4/task"
)

// evalBatch returns the number of rows of a batch of an evaluation that
// Config.EvalBatchSize does not say. Micro-batches are small where memory is short, and
// an evaluation needs less of it for a row: it keeps nothing for a backward pass. So it
// has as many micro-batches at a time as fit in what a training graph keeps, for the
// longest sequences, but no more than make a batch. This follows from the graphs alone,
// not from the machine. Rows of streams, which carry states, stay what they are.
func (t *Trainer) evalBatch() (int, error) {
	micro := t.cfg.micro()
	switch {
	case t.cfg.EvalBatchSize > 0:
		return t.cfg.EvalBatchSize, nil
	case micro == t.cfg.BatchSize || t.cfg.InOrder:
		return micro, nil
	case t.evalRows > 0:
		return t.evalRows, nil
	}
	rows, err := t.fittingRows()
	if t.ranks != nil {
		rows, err = t.sameRows(rows, err)
	}
	if err == nil {
		t.evalRows = rows
	}
	return rows, err
}

// fittingRows returns the number of rows of a batch of an evaluation that fit in the
// memory of training, on all ranks.
func (t *Trainer) fittingRows() (int, error) {
	micro, ranks := t.micro(), 1
	if t.ranks != nil {
		ranks = t.ranks.Size()
	}
	b := task.NewBatch(t.train.ds)
	if err := b.Load(nil, micro, t.train.plan.buckets[len(t.train.plan.buckets)-1]); err != nil {
		return 0, err
	}
	training, err := t.session(task.Training, b)
	if err != nil {
		return 0, err
	}
	evaluation, err := newSession(t.model, t.cfg.Rules, task.Evaluation, b, nil)
	if err != nil {
		return 0, err
	}
	need, err := evaluation.memory.Forward()
	if err := errors.Join(err, evaluation.close()); err != nil {
		return 0, err
	}
	rows := micro
	if need > 0 {
		rows *= max(1, training.memory.Kept()/need)
	}
	return min(t.cfg.BatchSize, rows*ranks), nil
}

// evalLoader returns a loader of data for an evaluation.
func (t *Trainer) evalLoader(ds task.Dataset) (*Loader, error) {
	rows, err := t.evalBatch()
	if err != nil {
		return nil, fmt.Errorf("the size of its batches: %w", err)
	}
	cfg := t.loaderConfig(false)
	cfg.BatchSize = rows
	return newLoader(ds, cfg)
}
