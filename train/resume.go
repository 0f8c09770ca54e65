package train

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
)

// Resume makes Fit go on from a checkpoint. The model, the data sets, the metrics,
// the kind of optimiser and the settings must be those of the run that wrote it, the type of the numbers among
// them: weights of another type are for [Checkpoint.LoadModel], and a new run.
// Only how long to go on (Steps, Epochs, MaxDuration, Patience) and how to save
// may differ, and validation data that no evaluation has looked at. The data are
// read once to see that they are the same. In another directory than the
// checkpoint's, Fit begins with a copy of the last and the best checkpoint. A schedule
// that ends with the run then follows the new number of steps. After an error
// the trainer and the model are as they were, and the error says what differs.
//
// Of a group it is enough that rank 0 resumes, and the number of ranks may be another
// than that of the run that wrote the checkpoint: Fit hands to all what rank 0 has.
func (t *Trainer) Resume(c *Checkpoint) error {
	if err := t.resume(c); err != nil {
		return fmt.Errorf("train: resume from %s: %w", c.path, err)
	}
	return nil
}

func (t *Trainer) resume(c *Checkpoint) error {
	if err := t.checkSettings(c); err != nil {
		return err
	}
	if err := t.checkParts(c); err != nil {
		return err
	}
	window, err := t.readWindow(c)
	if err != nil {
		return err
	}
	carries, err := readCarries(c.own(stateTensor), t.cfg.BatchSize/t.cfg.micro())
	if err != nil {
		return err
	}
	st := deepcopy.Of(c.State)
	if c.Train.MaxDuration != t.cfg.MaxDuration || c.Train.Steps != t.cfg.Steps || c.Train.Epochs != t.cfg.Epochs {
		st.Limit, st.Paced = 0, false
	}
	schedule, err := NewScheduler(t.cfg.Schedule, t.cfg.planned(t.train.Batches(), st.Limit))
	if err != nil {
		return err
	}
	if err := t.load(c); err != nil {
		return err
	}
	schedule.SetState(st.Schedule)
	t.state, t.schedule, t.window = st, schedule, window
	if t.ranks != nil {
		t.ranks.streams, t.ranks.fresh = carries, true
	} else {
		t.carries = carries
	}
	t.safe, t.from, t.fromTensors = safetyNet{c.path, st.Step}, c.home, c.Tensors
	return nil
}

// checkSettings reports where the configuration of the run and its data differ
// from those of a checkpoint.
func (t *Trainer) checkSettings(c *Checkpoint) error {
	a, err := json.Marshal(c.Train.trajectory())
	if err != nil {
		return err
	}
	b, err := json.Marshal(t.cfg.trajectory())
	if err != nil {
		return err
	}
	d, err := differences(a, b, inCheckpoint)
	if err != nil {
		return err
	}
	other, err := t.otherData(c)
	if err != nil {
		return err
	}
	switch {
	case len(d) > 0 && len(other) > 0:
		return fmt.Errorf("the settings differ: %s; the data differ: %s", strings.Join(d, "; "), strings.Join(other, "; "))
	case len(d) > 0:
		return fmt.Errorf("the settings differ: %s", strings.Join(d, "; "))
	case len(other) > 0:
		return fmt.Errorf("the data differ: %s", strings.Join(other, "; "))
	}
	return nil
}

// checkParts reports where the model, the optimiser and the metrics are not
// those of a checkpoint.
func (t *Trainer) checkParts(c *Checkpoint) error {
	switch name := optimizerName(t.opt); {
	case c.NotSaved != "" && c.State.Step > 0:
		return fmt.Errorf("%s: its parameters are for Checkpoint.LoadModel, and a new run", c.NotSaved)
	case c.Optimizer != name:
		return fmt.Errorf("the optimiser is a %s in the checkpoint, a %s here", c.Optimizer, name)
	case !slices.Equal(c.Metrics, t.metricNames()):
		return fmt.Errorf("the metrics are %q in the checkpoint, %q here", c.Metrics, t.metricNames())
	case c.State.Position.Batch > t.train.Batches():
		return fmt.Errorf("want a position of at most %d batches, got %d", t.train.Batches(), c.State.Position.Batch)
	}
	return c.checkConfig(t.model)
}

// load puts the numbers of a checkpoint into the model and the optimiser, all of
// them or none.
func (t *Trainer) load(c *Checkpoint) error {
	before, err := newUndo(modelVars(t.model))
	if err != nil {
		return err
	}
	if err := c.loadTensors(t.model); err != nil {
		return err
	}
	if c.NotSaved != "" { // before the first step: there is no state
		return nil
	}
	var state []Tensor
	for _, ts := range c.own(optimizerTensor) {
		ts.Name = strings.TrimPrefix(ts.Name, optimizerTensor)
		state = append(state, Tensor(ts))
	}
	if err := t.opt.SetState(state); err != nil {
		before.restore()
		return fmt.Errorf("the optimiser's state: %w", err)
	}
	return nil
}

// readWindow returns what the metrics of a checkpoint have counted.
func (t *Trainer) readWindow(c *Checkpoint) (*meter, error) {
	m := newMeter(t.metrics)
	m.Tally = c.State.Window
	for _, k := range m.metrics {
		ts, ok := c.tensors.Lookup(metricTensor + k.Name())
		if !ok {
			continue
		}
		state, ok := ts.Data.([]float64)
		if !ok {
			return nil, fmt.Errorf("%s: want float64, got %T", ts.Name, ts.Data)
		}
		if err := k.Merge(state); err != nil {
			return nil, fmt.Errorf("metric %q: %w", k.Name(), err)
		}
	}
	return m, nil
}

// otherData lists where the data differ from those of a checkpoint. Validation
// data that have not been looked at yet may be others.
func (t *Trainer) otherData(c *Checkpoint) ([]string, error) {
	data, then := t.identify(), c.Data
	if c.State.Evaluated == 0 {
		then.Val = data.Val
	}
	same := (then.Val == nil) == (data.Val == nil) && (data.Val == nil || then.Val.same(*data.Val))
	if same && then.Train.same(data.Train) {
		return nil, nil
	}
	a, err := json.Marshal(then)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	return differences(a, b, inCheckpoint)
}
