package train

import (
	"context"
	"fmt"
	"io"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/task"
)

// validate evaluates on the validation data and draws the conclusions.
func (t *Trainer) validate(ctx context.Context) error {
	began := t.clock()
	val, err := t.evaluateVal(ctx)
	if err != nil {
		return fmt.Errorf("train: evaluation after step %d: %w", t.state.Step, err)
	}
	st := &t.state
	r := Record{
		Step: st.Step, Epoch: t.epoch(), Train: t.window.read(), Val: val,
		LR: t.cfg.LR * t.schedule.Factor(max(st.Step-1, 0)), Elapsed: Duration(t.elapsed()),
	}
	best := st.Best == nil || t.monitor.prefers(val, st.Best.Val)
	t.changed, t.newBest = true, t.newBest || best
	st.Evaluated, t.window = st.Step, newMeter(t.metrics)
	st.History = append(st.History, r)
	st.Waiting++
	if best {
		st.Best, st.Waiting = &r, 0
	}
	t.schedule.Observe(best)
	took := t.clock().Sub(began)
	t.evalTime += took
	t.longestEval, t.evaluated = max(t.longestEval, took), true
	if err := t.tell(func(h Hook) error {
		return h.OnEval(EvalEvent{Record: deepcopy.Of(r), Best: best, Duration: took})
	}); err != nil {
		return fmt.Errorf("train: after the evaluation at step %d: %w", st.Step, err)
	}
	return nil
}

// Evaluate returns the metrics of the model as it is on other data: the test
// data. It changes nothing. each, if there is one, is called with every batch and
// what the model makes of it, which are valid until it returns. Of a group all ranks
// call it, and get the same metrics; each has its own rows of every batch.
func (t *Trainer) Evaluate(ctx context.Context, ds task.Dataset, each ...func(out *task.Outputs, b *task.Batch) error) (Metrics, error) {
	if t.ranks != nil {
		t.ranks.begin(inEvaluate, ctx)
	}
	l, err := t.evalLoader(ds)
	m, err := t.evaluateAll(ctx, l, err, each...)
	if err != nil {
		return Metrics{}, fmt.Errorf("train: Evaluate: %w", err)
	}
	return m, nil
}

// evaluateVal evaluates on the validation data.
func (t *Trainer) evaluateVal(ctx context.Context) (Metrics, error) {
	rows, err := t.evalBatch()
	if err == nil && t.val.cfg.BatchSize != rows {
		var l *Loader
		if l, err = t.evalLoader(t.val.ds); err == nil {
			t.val = l
		}
	}
	return t.evaluateAll(ctx, t.val, err)
}

// evaluateAll evaluates on the data of a loader, on all ranks; err is why this one
// cannot.
func (t *Trainer) evaluateAll(ctx context.Context, l *Loader, err error, each ...func(out *task.Outputs, b *task.Batch) error) (Metrics, error) {
	var m *meter
	if err == nil {
		m, err = t.evaluate(ctx, l, each...)
	}
	if t.ranks != nil {
		m, err = t.mergeMeters(m, err)
	}
	if err != nil {
		return Metrics{}, err
	}
	return m.read(), nil
}

// evaluate measures the rows of this rank.
func (t *Trainer) evaluate(ctx context.Context, l *Loader, each ...func(out *task.Outputs, b *task.Batch) error) (*meter, error) {
	batches, err := l.Stream(ctx, Position{}, 1)
	if err != nil {
		return nil, err
	}
	defer batches.Close()
	sum, states := newMeter(t.metrics), newCarry()
	for {
		b, err := batches.next()
		if err == io.EOF { // not wrapped: that would be a data set's
			return sum, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if len(b.Examples) == 0 { // the others have some
			continue
		}
		s, err := t.session(task.Evaluation, b)
		if err == nil {
			err = s.checkRows(l.ds, l.cfg.BatchSize, l.cfg.Ranks)
		}
		if err != nil {
			return nil, err
		}
		out, err := s.run(b, states)
		if err != nil {
			return nil, err
		}
		if err := sum.add(out, b); err != nil {
			return nil, fmt.Errorf("in %v: %w", b, err)
		}
		for _, f := range each {
			if err := f(out, b); err != nil {
				return nil, err
			}
		}
		states.commit()
	}
}

// evalEvery returns the number of steps between evaluations.
func (t *Trainer) evalEvery() int {
	if t.cfg.EvalEvery > 0 {
		return t.cfg.EvalEvery
	}
	return t.train.Batches()
}

// evalDue says whether an evaluation is due at this point, given why the run is
// over, if it is.
func (t *Trainer) evalDue(reason StopReason) bool {
	step := t.state.Step
	return t.val != nil && step > t.state.Evaluated && (step%t.evalEvery() == 0 || reason != "")
}
