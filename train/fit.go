package train

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/task"
)

// Fit trains until the run is over, from the beginning or from where Resume put
// it. When ctx ends, it finishes the step, saves, and returns an
// *[InterruptedError]. Any other error names the step and, where one is at
// fault, the example, and leaves a checkpoint of what has been done before it.
// A loss or gradient that is not finite wraps a *[NonFiniteError] with the
// parameter; one that is itself not finite is not saved, and the checkpoint of
// an earlier step stays.
//
// The ranks of a group end together, whichever of them is at fault, with a
// *[RankError] that says which it is, or all with an *[InterruptedError] when the
// context of one has ended.
func (t *Trainer) Fit(ctx context.Context) (*Result, error) {
	if t.ranks != nil {
		t.ranks.begin(inFit, ctx)
	}
	result, err := t.fit(ctx)
	if t.leads() {
		for _, h := range t.hooks {
			end := EndEvent{Result: deepcopy.Of(result), Err: err}
			if e := guarded(func() error { return h.OnEnd(end) }); e != nil && err == nil {
				result, err = nil, fmt.Errorf("train: at the end of the run: %w", e)
			}
		}
	}
	if t.ranks != nil {
		if err = t.endTogether(err); err != nil {
			result = nil
		}
	}
	return result, err
}

func (t *Trainer) fit(ctx context.Context) (*Result, error) {
	start := t.start
	if t.ranks != nil {
		start = t.startTogether
	}
	if err := start(); err != nil {
		return nil, err
	}
	defer func() { t.state.Elapsed = Duration(t.elapsed()) }()
	r, err := t.loop(ctx)
	if err != nil {
		return nil, t.leave(err)
	}
	return r, nil
}

func (t *Trainer) loop(ctx context.Context) (*Result, error) {
	data := ctx
	if t.ranks != nil {
		data = context.WithoutCancel(ctx) // it ends for all ranks after the same step
	}
	batches, err := t.train.Stream(data, t.state.Position, 0)
	if err != nil {
		return nil, err
	}
	defer batches.Close()
	for {
		reason := t.over()
		if t.evalDue(reason) {
			if err := t.validate(ctx); err != nil {
				return nil, t.orInterrupted(ctx, err)
			}
			reason = t.over()
		}
		if t.saveDue(reason) {
			if err := t.save(); err != nil {
				return nil, err
			}
		}
		if reason != "" {
			return t.result(reason), nil
		}
		if t.stopped(ctx) {
			return nil, t.interrupted(ctx)
		}
		n := t.state.Step + 1
		if _, err := batches.next(); err != nil {
			return nil, t.orInterrupted(ctx, fmt.Errorf("train: step %d: %w", n, err))
		}
		if err := t.step(batches.last); err != nil {
			err = fmt.Errorf("train: step %d: %w", n, err)
			if t.ranks != nil {
				err = t.orInterrupted(ctx, err)
			}
			return nil, err
		}
		if err := t.pace(); err != nil {
			return nil, err
		}
	}
}

// start prepares the checkpoint directory and tells the hooks.
func (t *Trainer) start() error {
	resumed := t.state.Step > 0 || t.safe.path != ""
	moved := false
	if t.cfg.CheckpointDir != "" && !t.opened && t.leads() {
		t.identify()
		moved = t.from != "" && !sameDir(t.from, t.cfg.CheckpointDir)
	}
	t.begun, t.before = t.now(), time.Duration(t.state.Elapsed)
	t.firstStep, t.evalTime, t.failed = t.state.Step, 0, false
	if t.cfg.CheckpointDir != "" && !t.opened && t.leads() {
		if err := t.open(); err != nil {
			return fmt.Errorf("train: checkpoint directory: %w", err)
		}
		t.begun = t.now() // writing the first checkpoint says nothing of the pace
	}
	e := StartEvent{Model: t.model, Resumed: resumed, Moved: moved, Replaces: t.replaces,
		Step: t.state.Step, Evaluated: t.state.Evaluated, Steps: t.steps(), StepsPerEpoch: t.train.Batches()}
	if err := t.tell(func(h Hook) error {
		e.Config, e.Metrics = deepcopy.Of(t.cfg), slices.Clone(t.metrics)
		return h.OnStart(e)
	}); err != nil {
		return fmt.Errorf("train: at the start of the run: %w", err)
	}
	return nil
}

// step trains on one batch.
func (t *Trainer) step(b *loaded) error {
	began := t.now()
	factor := t.schedule.Factor(t.state.Step)
	t.undo.keep()
	if t.ranks != nil {
		t.sum.begin(b)
	}
	m, err := t.update(b, factor)
	if err != nil {
		t.undo.restore()
		return err
	}
	t.changed = true
	t.state.Step++
	t.state.Position = b.after
	sequences := len(b.Examples)
	if t.ranks != nil {
		if m, sequences, err = t.sum.measured(); err != nil {
			return err
		}
	}
	if err := t.window.merge(m); err != nil {
		return err
	}
	if !t.leads() {
		return nil
	}
	e := StepEvent{
		Step: t.state.Step, Steps: t.steps(), Epoch: t.epoch(),
		Batch: m.read(), Train: t.window.read(), Sequences: sequences,
		LR: t.cfg.LR * factor, GradNorm: t.gradients.Norm(),
		Duration: t.now().Sub(began), Elapsed: t.elapsed(), Remaining: t.remaining(),
	}
	return t.tell(func(h Hook) error { return h.OnStep(deepcopy.Of(e)) })
}

// update runs the graph on a batch, one micro-batch after the other, and then
// the optimiser.
func (t *Trainer) update(b *loaded, factor float64) (*meter, error) {
	if t.state.Position.Batch == 0 {
		for _, c := range t.carries {
			c.reset()
		}
	}
	m := newMeter(t.metrics)
	parts := t.split(b)
	for i := range parts {
		s, err := t.session(task.Training, &parts[i])
		if err == nil {
			err = s.checkRows(t.train.ds, t.cfg.BatchSize, t.train.cfg.Ranks)
		}
		if err != nil {
			t.gradients.Drop(nil)
			return nil, err
		}
		_, err = s.run(&parts[i], t.carries[i])
		if err == nil {
			err = t.learn(s, &parts[i], m, i+1 == len(parts), factor)
		}
		if err != nil {
			t.gradients.Drop(s.learn)
			return nil, err
		}
	}
	for i := range parts {
		t.carries[i].commit()
	}
	return m, nil
}

// split returns the micro-batches of a batch, but for those that only fill it on all
// ranks: as many as rank 0 has, for it has the most examples.
func (t *Trainer) split(b *loaded) []task.Batch {
	n := t.micro()
	parts := t.parts[:(min(b.total, b.B)+n-1)/n]
	for i := range parts {
		b.Rows(i*n, (i+1)*n, &parts[i])
	}
	return parts
}

// learn measures what a graph gave for a micro-batch, and takes its gradients:
// those of the last are a step.
func (t *Trainer) learn(s *session, b *task.Batch, m *meter, last bool, factor float64) error {
	err := m.add(&s.out, b)
	switch {
	case err != nil:
	case last && t.ranks != nil:
		t.sum.meter, t.sum.part = m, b
		fallthrough
	case last:
		err = t.gradients.Step(s.learn, s.out.Count, t.opt, factor)
	default:
		err = t.gradients.Add(s.learn, s.out.Count)
	}
	if err != nil {
		return fmt.Errorf("in %v: %w", b, err)
	}
	return nil
}

// over returns why the run is over, or "".
func (t *Trainer) over() StopReason {
	limit := time.Duration(t.cfg.MaxDuration)
	switch {
	case t.state.Step >= t.steps():
		return Finished
	case t.cfg.Patience > 0 && t.state.Waiting >= t.cfg.Patience:
		return EarlyStop
	case limit > 0 && t.elapsed()+t.longestEval >= limit:
		return TimeUp
	}
	return ""
}

func (t *Trainer) result(reason StopReason) *Result {
	st := deepcopy.Of(t.state)
	return &Result{Reason: reason, Steps: st.Step, Best: st.Best, History: st.History, Elapsed: t.elapsed()}
}

// steps returns the number of steps of the run.
func (t *Trainer) steps() int { return t.cfg.planned(t.train.Batches(), t.state.Limit) }

// epoch returns the passes over the training data done, with the fraction.
func (t *Trainer) epoch() float64 {
	p := t.state.Position
	return float64(p.Epoch) + float64(p.Batch)/float64(t.train.Batches())
}
