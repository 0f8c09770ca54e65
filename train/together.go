package train

import (
	"errors"
	"fmt"
	"time"
)

// leads says whether this rank writes checkpoints and calls hooks: rank 0.
func (t *Trainer) leads() bool { return t.ranks == nil || t.ranks.Rank() == 0 }

// saves says whether the run is saved.
func (t *Trainer) saves() bool {
	if t.ranks != nil {
		return t.ranks.saves
	}
	return t.cfg.CheckpointDir != ""
}

// prepareGroup makes the trainer a rank. One that is the only one is as without a group.
func (t *Trainer) prepareGroup() error {
	if err := t.groupConfig.Validate(); err != nil {
		return err
	}
	if t.group != nil && t.gradients.Reducer != nil {
		return errors.New("train: want WithGroup or WithReducer, not both")
	}
	if alone(t.group) {
		return nil
	}
	rank, size := t.group.Rank(), t.group.Size()
	switch {
	case rank < 0 || rank >= size:
		return fmt.Errorf("train: WithGroup: want a rank in [0, %d), got %d", size, rank)
	case size > t.cfg.BatchSize:
		return fmt.Errorf("train: WithGroup: want at most one rank for each of the BatchSize = %d rows of a batch, got %d", t.cfg.BatchSize, size)
	}
	t.ranks = newRanks(t.group)
	buffers, err := newAverage(t.model)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	reducer, err := NewReducer(t.group, t.groupConfig)
	if err != nil {
		return err
	}
	t.sum = &stepSum{t: t, reducer: reducer, buffers: buffers}
	t.gradients.Reducer, t.gradients.shared = t.sum, t.cfg.SyncNorm
	return nil
}

// confess tells the other ranks an error that ends the run, unless they know. It
// returns what all ranks do.
func (t *Trainer) confess(err error) error {
	r := t.ranks
	if r.isStop(err) {
		return err
	}
	if r.err == nil {
		if _, e := r.exchange(onFailure, t.state.Step, err, nil); r.err == nil {
			return e // the end of the context, after all
		}
	}
	if r.broken && !errors.Is(err, r.err) {
		return errors.Join(err, r.err)
	}
	return fmt.Errorf("train: %w", r.err)
}

// startTogether makes the ranks start from one state.
func (t *Trainer) startTogether() error {
	t.ranks.now, t.ranks.clock = nil, 0
	t.sum.reducer.forget() // as a run does that another process goes on with
	err := t.compare()
	if err == nil {
		err = t.share()
	}
	if err == nil {
		err = t.start()
	}
	if t.ranks.err == nil && !t.ranks.isStop(err) {
		t.ranks.now = func() time.Duration { return t.now().Sub(t.begun) }
		_, err = t.ranks.exchange(onReady, t.state.Step, err, nil)
	}
	return t.ofAll(err)
}

// ofAll returns an error that all ranks have got.
func (t *Trainer) ofAll(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("train: %w", err)
}

// leaveTogether saves what was done before an error that ends the run of all ranks.
func (t *Trainer) leaveTogether(err error) error {
	if t.ranks.done { // interrupted
		return err
	}
	err = t.confess(err)
	if e := t.saveTogether(t.changed && !t.failed); e != nil && !errors.Is(err, e) {
		err = errors.Join(err, e)
	}
	return fmt.Errorf("%w (%v)", err, t.safe)
}

// interruptedTogether is interrupted on all ranks.
func (t *Trainer) interruptedTogether() error {
	e := &InterruptedError{Step: t.state.Step, Cause: t.ranks.stop}
	if err := t.saveTogether(true); err != nil {
		return errors.Join(e.Cause, t.ofAll(err))
	}
	if t.saves() {
		e.Checkpoint, e.NotSaved = t.safe.path, t.notSaved
	}
	return e
}

// saveTogether saves, as rank 0, at the end of a run, and tells all ranks where. It
// waits for them where streams are to be saved: they all end.
func (t *Trainer) saveTogether(save bool) error {
	r := t.ranks
	r.done = true
	own := t.gatherStreams(0)
	if t.leads() && t.saves() && save && own == nil {
		own = t.saveHere()
		if r.err != nil && errors.As(own, new(*NonFiniteError)) {
			own = nil // it is why the run ends
		}
	}
	if r.broken {
		return own
	}
	letters, err := r.exchange(onSaved, 0, nil, func(b []byte) []byte {
		b = appendInt(appendString(appendString(b, t.safe.path), t.notSaved), t.safe.step)
		if b = appendBool(b, own != nil); own != nil {
			b = appendError(b, own)
		}
		return b
	})
	if err != nil {
		return errors.Join(own, err)
	}
	errs := make([]error, len(letters))
	l := &letters[0]
	safe, notSaved, at := l.string(), l.string(), l.int()
	if l.bool() {
		errs[0] = l.error()
	}
	if !t.leads() {
		t.safe, t.notSaved, t.changed, t.newBest = safetyNet{safe, at}, notSaved, false, false
	} else {
		errs[0] = own
	}
	if err = rankErrors(errs); err != nil && r.err == nil {
		r.err = err
	}
	return err
}

// endTogether is the last of a run: no rank returns before rank 0 is done with it.
func (t *Trainer) endTogether(err error) error {
	r := t.ranks
	if r.broken {
		return err
	}
	own := err
	if r.err != nil || r.isStop(err) || errors.As(err, new(*InterruptedError)) {
		own = nil // all ranks have it
	}
	_, e := r.exchange(onEnd, 0, own, nil)
	if err == nil || own != nil {
		return t.ofAll(e)
	}
	return err
}
