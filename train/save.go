package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/weights"
)

// safetyNet is the latest checkpoint; the zero value is none.
type safetyNet struct {
	path string
	step int
}

// String says where it is, for errors.
func (s safetyNet) String() string {
	if s.path == "" {
		return "there is no checkpoint to go back to"
	}
	return fmt.Sprintf("the latest checkpoint, %s, is of step %d", s.path, s.step)
}

// save writes the last checkpoint, and the best one if it is new, and tells the
// hooks.
func (t *Trainer) save() error {
	if t.ranks != nil && t.carries[0].holds() {
		if err := t.gatherStreams(t.state.Step); err != nil {
			return err
		}
	}
	if t.leads() {
		return t.saveHere()
	}
	t.changed, t.newBest = false, false
	return nil
}

// saveHere is save without what the other ranks have to do with it.
func (t *Trainer) saveHere() error {
	names := []string{LastCheckpoint}
	if t.newBest && t.state.Best.Step == t.state.Step {
		names = append(names, BestCheckpoint)
	}
	for _, name := range names {
		if err := t.write(name); err != nil {
			t.failed = true
			return fmt.Errorf("train: %w", err)
		}
	}
	t.changed, t.newBest = false, false
	for _, name := range names {
		e := CheckpointEvent{Path: t.dir.path(name), Step: t.state.Step, Best: name == BestCheckpoint, NotSaved: t.notSaved}
		if err := t.tell(func(h Hook) error { return h.OnCheckpoint(e) }); err != nil {
			return fmt.Errorf("train: after the checkpoint at step %d: %w", e.Step, err)
		}
	}
	return nil
}

// write writes a checkpoint. Parameters that are not finite are not saved: they
// would take the place of the last good ones.
func (t *Trainer) write(name string) error {
	t.state.Elapsed = Duration(t.elapsed())
	if e := nonFiniteValue(t.model.Params()); e != nil {
		return fmt.Errorf("step %d: %w (%v)", t.state.Step, e, t.safe)
	}
	c, err := t.checkpoint()
	if err == nil {
		err = t.dir.save(name, c)
	}
	if err != nil {
		return fmt.Errorf("saving %s after step %d: %w", t.dir.path(name), t.state.Step, err)
	}
	if name == LastCheckpoint {
		t.safe = safetyNet{t.dir.path(name), t.state.Step}
	}
	return nil
}

// saveDue says whether a checkpoint is due at this point, given why the run is
// over, if it is.
func (t *Trainer) saveDue(reason StopReason) bool {
	every := t.cfg.CheckpointEvery
	if every == 0 {
		every = t.evalEvery()
	}
	return t.saves() && t.changed && (t.state.Step%every == 0 || reason != "" || t.newBest)
}

// leave saves what was done before an error that ends the run, and adds to the
// error where that is.
func (t *Trainer) leave(err error) error {
	if t.ranks != nil {
		return t.leaveTogether(err)
	}
	if t.failed || errors.As(err, new(*InterruptedError)) {
		return err
	}
	if t.changed && t.cfg.CheckpointDir != "" {
		if e := t.save(); e != nil && !errors.As(e, new(*NonFiniteError)) {
			err = errors.Join(err, e)
		}
	}
	return fmt.Errorf("%w (%v)", err, t.safe)
}

// LoadBest puts the parameters and buffers of the best checkpoint into the
// model. Of a group all ranks call it, and rank 0 alone reads the file.
func (t *Trainer) LoadBest() error {
	if t.ranks != nil {
		return t.loadBestTogether()
	}
	c, err := t.best()
	if err != nil {
		return err
	}
	return c.LoadModel(t.model)
}

// best reads the best checkpoint.
func (t *Trainer) best() (*Checkpoint, error) {
	if t.cfg.CheckpointDir == "" {
		return nil, errors.New("train: the run has no checkpoint directory to load the best checkpoint from")
	}
	if t.opened && t.state.Best == nil {
		return nil, errors.New("train: the run has had no evaluation that could be the best")
	}
	c, err := ReadCheckpoint(t.dir.path(BestCheckpoint))
	if err != nil {
		return nil, err
	}
	if t.state.Best != nil && !c.isBest(t.state.Best) {
		return nil, fmt.Errorf("train: checkpoint %s is not the best of this run, which is of step %d", c.path, t.state.Best.Step)
	}
	return c, nil
}

// checkpoint gathers all of the run that has to be saved.
func (t *Trainer) checkpoint() (*Checkpoint, error) {
	config, err := json.Marshal(t.model.Config())
	if err != nil {
		return nil, fmt.Errorf("the model's configuration: %w", err)
	}
	ts, err := weights.Tensors(modelVars(t.model))
	if err != nil {
		return nil, err
	}
	own, err := t.ownTensors()
	if err != nil {
		return nil, err
	}
	st := t.state
	st.Schedule, st.Window = t.schedule.State(), t.window.Tally
	return &Checkpoint{
		Format: checkpointFormat, Version: checkpointVersion,
		Model: config, Train: t.cfg, Data: t.identify(),
		Metrics: t.metricNames(), Optimizer: optimizerName(t.opt), NotSaved: t.notSaved, State: st,
		tensors: &safetensors.File{Tensors: append(ts, own...), Metadata: map[string]string{stepKey: strconv.Itoa(st.Step)}},
	}, nil
}

// ownTensors returns the tensors of a checkpoint that are not the model's: the
// state of the optimiser, the states that go from batch to batch, and what the
// metrics have counted since the last evaluation.
func (t *Trainer) ownTensors() ([]safetensors.Tensor, error) {
	var ts []safetensors.Tensor
	state, err := t.optimizerState()
	switch t.notSaved = ""; {
	case errors.Is(err, ErrNotSaved):
		t.notSaved = err.Error()
	case err != nil:
		return nil, fmt.Errorf("the optimiser's state: %w", err)
	}
	for _, s := range state {
		s.Name = optimizerTensor + s.Name
		ts = append(ts, safetensors.Tensor(s))
	}
	carries := t.carries
	if t.ranks != nil {
		carries = t.ranks.streams
	}
	for i, c := range carries {
		ts = append(ts, c.tensors(i)...)
	}
	for _, m := range t.window.metrics {
		if s := m.State(); len(s) > 0 {
			ts = append(ts, safetensors.Tensor{Name: metricTensor + m.Name(), Shape: []int{len(s)}, Data: s})
		}
	}
	return ts, nil
}

// optimizerState returns the state of the optimiser, that of AdamW in place.
func (t *Trainer) optimizerState() ([]Tensor, error) {
	if o, ok := t.opt.(*AdamW); ok {
		return o.tensors(), nil
	}
	return t.opt.State()
}

func (t *Trainer) metricNames() []string {
	var names []string
	for _, m := range t.metrics {
		names = append(names, m.Name())
	}
	return names
}

// optimizerName returns the type of an optimiser, or of the solver it is made of.
func optimizerName(o Optimizer) string {
	if s, ok := o.(*solver); ok {
		return fmt.Sprintf("%T", s.s)
	}
	return fmt.Sprintf("%T", o)
}
