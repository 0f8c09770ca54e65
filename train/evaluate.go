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
	began := t.now()
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
	took := t.now().Sub(began)
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
// what the model makes of it, which are valid until it returns.
func (t *Trainer) Evaluate(ctx context.Context, ds task.Dataset, each ...func(out *task.Outputs, b *task.Batch) error) (Metrics, error) {
	l, err := t.evalLoader(ds)
	if err != nil {
		return Metrics{}, fmt.Errorf("train: Evaluate: %w", err)
	}
	m, err := t.evaluate(ctx, l, each...)
	if err != nil {
		return Metrics{}, fmt.Errorf("train: Evaluate: %w", err)
	}
	return m, nil
}

// evaluateVal evaluates on the validation data.
func (t *Trainer) evaluateVal(ctx context.Context) (Metrics, error) {
	rows, err := t.evalBatch()
	if err == nil && t.val.cfg.BatchSize != rows {
		t.val, err = t.evalLoader(t.val.ds)
	}
	if err != nil {
		return Metrics{}, err
	}
	return t.evaluate(ctx, t.val)
}

func (t *Trainer) evaluate(ctx context.Context, l *Loader, each ...func(out *task.Outputs, b *task.Batch) error) (Metrics, error) {
	batches, err := l.Stream(ctx, Position{}, 1)
	if err != nil {
		return Metrics{}, err
	}
	defer batches.Close()
	sum, states := newMeter(t.metrics), newCarry()
	for {
		b, err := batches.next()
		if err == io.EOF { // not wrapped: that would be a data set's
			return sum.read(), nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Metrics{}, err
		}
		s, err := t.session(task.Evaluation, b)
		if err == nil {
			err = s.checkRows(l.ds, l.cfg.BatchSize)
		}
		if err != nil {
			return Metrics{}, err
		}
		out, err := s.run(b, states)
		if err != nil {
			return Metrics{}, err
		}
		if err := sum.add(out, b); err != nil {
			return Metrics{}, fmt.Errorf("in %v: %w", b, err)
		}
		for _, f := range each {
			if err := f(out, b); err != nil {
				return Metrics{}, err
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
