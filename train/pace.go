package train

import "time"

// pace lowers the number of steps if the time will not do for all. It looks
// when a tenth of the time that was left when Fit began is over, and after
// every evaluation from then on.
func (t *Trainer) pace() error {
	limit := time.Duration(t.cfg.MaxDuration)
	early := t.clock().Sub(t.begun) < (limit-t.before)/10
	if limit == 0 || early || t.state.Paced && !t.evaluated {
		return nil
	}
	t.state.Paced, t.evaluated = true, false
	fit := t.fitting(limit)
	if fit >= t.steps() {
		return nil
	}
	t.state.Limit = max(fit, t.state.Step+1, t.cfg.Schedule.WarmUp+1)
	old := t.schedule.State()
	var err error
	if t.schedule, err = NewScheduler(t.cfg.Schedule, t.steps()); err != nil {
		return err
	}
	t.schedule.SetState(old)
	return nil
}

// fitting estimates how many steps the run can have within a time limit, at the
// pace since Fit began.
func (t *Trainer) fitting(limit time.Duration) int {
	const use = 0.95 // of the time left; no pace is perfectly even
	spent, done := t.clock().Sub(t.begun), t.state.Step-t.firstStep
	step := float64(spent-t.evalTime) / float64(done)
	eval := float64(t.longestEval)
	if eval == 0 { // none so far: only the forward third of what a step does
		eval = step / 3 * float64(t.valExamples()) / float64(t.cfg.BatchSize)
	}
	left := use*float64(limit-t.elapsed()) - eval // the last evaluation
	return t.state.Step + int(left/(step+eval/float64(t.evalEvery())))
}

func (t *Trainer) elapsed() time.Duration { return t.before + t.clock().Sub(t.begun) }

// clock returns the time that is decided by: on all ranks of a group that of rank 0, as
// it was when they exchanged messages last.
func (t *Trainer) clock() time.Time {
	if t.ranks != nil {
		return t.begun.Add(t.ranks.clock)
	}
	return t.now()
}

// remaining estimates the time left, at the pace since Fit began.
func (t *Trainer) remaining() time.Duration {
	done, left := t.state.Step-t.firstStep, t.steps()-t.state.Step
	d := time.Duration(float64(t.clock().Sub(t.begun)) / float64(done) * float64(left))
	if limit := time.Duration(t.cfg.MaxDuration); limit > 0 {
		d = min(d, max(0, limit-t.elapsed()))
	}
	return d
}

func (t *Trainer) valExamples() int {
	if t.val == nil {
		return 0
	}
	return t.val.ds.Len()
}
