package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
)

// Names of the two checkpoints of a run, in Config.CheckpointDir.
const (
	// LastCheckpoint is the file name of the latest checkpoint.
	LastCheckpoint = "last.json"
	// BestCheckpoint is the file name of the checkpoint with the best
	// validation metric.
	BestCheckpoint = "best.json"
)

const (
	checkpointFormat  = "gorgonia-s4 checkpoint"
	checkpointVersion = 1
	firstMoment       = "optimizer.m." // prefixes of tensor names
	secondMoment      = "optimizer.v."
	stepKey           = "step" // in the metadata of the tensor file
)

// Checkpoint is a saved run. It is two files in one directory: JSON, which is
// this struct, and the safetensors file that it names, with the parameters and
// buffers under their own names and the moments of the optimiser under
// "optimizer.m." and "optimizer.v." and the name of the parameter.
//
// The tensor file is written first and has a name of its own, then the JSON
// file is replaced, which is the moment the new checkpoint counts, then the old
// tensor file is deleted: whenever a run is killed, the JSON file names a
// complete tensor file.
type Checkpoint struct {
	// Format and Version identify the file.
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Tensors is the name of the tensor file.
	Tensors string `json:"tensors"`
	// Model is the configuration of the model, as Model.Config gave it.
	Model json.RawMessage `json:"model"`
	// Train is the configuration of the run.
	Train Config `json:"train"`
	// TrainExamples and ValExamples are the sizes of the data sets.
	TrainExamples int `json:"train_examples"`
	ValExamples   int `json:"val_examples"`
	// OptimizerSteps is the number of updates of each parameter.
	OptimizerSteps map[string]int `json:"optimizer_steps"`
	// State is where the run was.
	State State `json:"state"`

	path    string // of the JSON file
	tensors *safetensors.File
}

// State is where a run is between two steps, apart from the tensors.
type State struct {
	// Step is the number of steps done, Position the place in the data.
	Step     int      `json:"step"`
	Position Position `json:"position"`
	// Limit is the number of steps that MaxDuration leaves time for; 0 means
	// that it does not bind. Paced says that the pace has been looked at.
	Limit int  `json:"limit,omitempty"`
	Paced bool `json:"paced,omitempty"`
	// Elapsed is the time of the run so far.
	Elapsed Duration `json:"elapsed"`
	// Schedule is the state of the learning rate schedule.
	Schedule ScheduleState `json:"schedule"`
	// Evaluated is the step of the last evaluation, 0 if there was none.
	Evaluated int `json:"evaluated"`
	// Waiting is the number of evaluations since the best one.
	Waiting int `json:"waiting"`
	// Window sums up the batches since the last evaluation.
	Window Tally `json:"window"`
	// Best is the best evaluation; nil if there was none.
	Best *Record `json:"best,omitempty"`
	// History lists all evaluations.
	History []Record `json:"history,omitempty"`
}

// ReadCheckpoint reads the checkpoint whose JSON file is path, and its tensors.
// It fails, naming the file and what is wrong with it, if either is missing,
// truncated or inconsistent.
func ReadCheckpoint(path string) (*Checkpoint, error) {
	c, err := readCheckpoint(path)
	if err != nil {
		return nil, fmt.Errorf("train: checkpoint %s: %w", path, err)
	}
	return c, nil
}

func readCheckpoint(path string) (*Checkpoint, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{path: path}
	if err := strictjson.Decode(b, c); err != nil {
		return nil, err
	}
	switch {
	case c.Format != checkpointFormat:
		return nil, fmt.Errorf("want format %q, got %q", checkpointFormat, c.Format)
	case c.Version != checkpointVersion:
		return nil, fmt.Errorf("want version %d, got %d", checkpointVersion, c.Version)
	case c.Tensors == "" || filepath.Base(c.Tensors) != c.Tensors:
		return nil, fmt.Errorf("want the name of a tensor file in the same directory, got %q", c.Tensors)
	case c.State.Step < 0 || c.State.Position.Epoch < 0 || c.State.Position.Batch < 0:
		return nil, fmt.Errorf("want a step and position >= 0, got step %d, position %+v", c.State.Step, c.State.Position)
	}
	if err := c.Train.Validate(); err != nil {
		return nil, err
	}
	if c.tensors, err = safetensors.ReadFile(filepath.Join(filepath.Dir(path), c.Tensors)); err != nil {
		return nil, err
	}
	if got, want := c.tensors.Metadata[stepKey], strconv.Itoa(c.State.Step); got != want {
		return nil, fmt.Errorf("want the tensors of step %s, but %s has those of step %q", want, c.Tensors, got)
	}
	return c, nil
}

// LoadModel copies the parameters and buffers into a model. The configuration,
// the names and shapes must be those of the checkpoint; otherwise the model is
// left as it was and the error names the differences. So it does, with the
// tensor and the element, where one holds a NaN, an infinity or a negative
// variance. A model of another float type gets the numbers converted, unless
// one overflows.
func (c *Checkpoint) LoadModel(m Model) error {
	err := c.checkConfig(m)
	if err == nil {
		err = c.loadTensors(m)
	}
	if err != nil {
		return fmt.Errorf("train: checkpoint %s: %w", c.path, err)
	}
	return nil
}

// checkConfig reports where the configuration of a model differs from that of
// the checkpoint.
func (c *Checkpoint) checkConfig(m Model) error {
	config, err := json.Marshal(m.Config())
	if err != nil {
		return fmt.Errorf("the model's configuration: %w", err)
	}
	diff, err := differences(c.Model, config)
	if err != nil {
		return fmt.Errorf("the model's configuration: %w", err)
	}
	if len(diff) > 0 {
		return fmt.Errorf("it is of another model: %s", strings.Join(diff, "; "))
	}
	return nil
}

// loadTensors copies the parameters and buffers, all of them or none.
func (c *Checkpoint) loadTensors(m Model) error {
	var ts []safetensors.Tensor
	for _, t := range c.tensors.Tensors {
		if !strings.HasPrefix(t.Name, firstMoment) && !strings.HasPrefix(t.Name, secondMoment) {
			ts = append(ts, t)
		}
	}
	return weights.Load(ts, modelVars(m))
}

// modelVars lists what a checkpoint stores of a model.
func modelVars(m Model) []weights.Var {
	var vars []weights.Var
	for _, p := range m.Params() {
		vars = append(vars, weights.Var{Name: p.Name, Value: p.Node.Value()})
	}
	for _, b := range m.Buffers() {
		vars = append(vars, weights.Var{Name: b.Name, Value: b.Value})
	}
	return vars
}

// moments returns the state of the optimiser.
func (c *Checkpoint) moments(params []param.Param) ([]Moments, error) {
	byName := make(map[string]safetensors.Tensor)
	for _, t := range c.tensors.Tensors {
		byName[t.Name] = t
	}
	var ms []Moments
	for _, p := range params {
		steps, ok := c.OptimizerSteps[p.Name]
		if !ok {
			continue
		}
		m, ok1 := byName[firstMoment+p.Name]
		v, ok2 := byName[secondMoment+p.Name]
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("the moments of parameter %q are missing", p.Name)
		}
		if err := weights.CheckFinite(m); err != nil {
			return nil, err
		}
		if err := weights.CheckVariance(v); err != nil {
			return nil, err
		}
		ms = append(ms, Moments{Name: p.Name, Shape: m.Shape, Step: steps, M: m.Data, V: v.Data})
	}
	if len(ms) != len(c.OptimizerSteps) {
		return nil, fmt.Errorf("want optimizer steps of the model's parameters only, got %v", c.OptimizerSteps)
	}
	return ms, nil
}

// differences lists where two configurations, encoded as JSON, differ.
func differences(checkpoint, current []byte) ([]string, error) {
	a, err := decodeAny(checkpoint)
	if err != nil {
		return nil, err
	}
	b, err := decodeAny(current)
	if err != nil {
		return nil, err
	}
	return diff(nil, "", a, b), nil
}

// decodeAny decodes JSON without rounding its numbers.
func decodeAny(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func diff(out []string, path string, a, b any) []string {
	ma, okA := a.(map[string]any)
	mb, okB := b.(map[string]any)
	if !okA || !okB {
		if !reflect.DeepEqual(a, b) {
			out = append(out, fmt.Sprintf("%s is %s in the checkpoint, %s here", strings.TrimPrefix(path, "."), showJSON(a), showJSON(b)))
		}
		return out
	}
	keys := make([]string, 0, len(ma))
	for k := range ma {
		keys = append(keys, k)
	}
	for k := range mb {
		if _, ok := ma[k]; !ok {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		out = diff(out, path+"."+k, ma[k], mb[k])
	}
	return out
}

// showJSON writes a decoded JSON value, which may be absent.
func showJSON(v any) string {
	if v == nil {
		return "not set"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// checkpointDir is where a run saves. The functions are the file system, which
// tests make fail.
type checkpointDir struct {
	dir          string
	writeTensors func(path string, f *safetensors.File) error
	writeJSON    func(path string, b []byte) error
	remove       func(path string) error
}

func newCheckpointDir(dir string) checkpointDir {
	return checkpointDir{
		dir:          dir,
		writeTensors: safetensors.WriteFile,
		writeJSON: func(path string, b []byte) error {
			return atomicfile.Write(path, 0o644, func(w io.Writer) error {
				_, err := w.Write(b)
				return err
			})
		},
		remove: os.Remove,
	}
}

// path returns the path of LastCheckpoint or BestCheckpoint.
func (d checkpointDir) path(name string) string { return filepath.Join(d.dir, name) }

// save writes a checkpoint called name. If it fails before the JSON file has
// been replaced, the previous checkpoint is whole.
func (d checkpointDir) save(name string, c *Checkpoint) error {
	stem := strings.TrimSuffix(name, ".json")
	c.Tensors = tensorsName(stem, c.State.Step)
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := d.writeTensors(filepath.Join(d.dir, c.Tensors), c.tensors); err != nil {
		return err
	}
	if err := d.writeJSON(d.path(name), append(b, '\n')); err != nil {
		return err
	}
	return d.clean(stem, c.Tensors)
}

// tensorsName names the tensor file of a checkpoint, "last-1200.safetensors".
func tensorsName(stem string, step int) string {
	return fmt.Sprintf("%s-%d.safetensors", stem, step)
}

// clean deletes the tensor files of a checkpoint except the one to keep: that
// of the checkpoint before, and what a killed run may have left.
func (d checkpointDir) clean(stem, keep string) error {
	files, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := f.Name()
		digits := strings.TrimSuffix(strings.TrimPrefix(name, stem+"-"), ".safetensors")
		step, err := strconv.Atoi(digits)
		if err != nil || name != tensorsName(stem, step) || name == keep {
			continue
		}
		if err := d.remove(filepath.Join(d.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the directory for a new run. One that holds checkpoints is
// refused, or emptied of them if overwrite is set.
func (d checkpointDir) prepare(overwrite bool) error {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{LastCheckpoint, BestCheckpoint} {
		path := d.path(name)
		if _, err := os.Stat(path); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			return err
		}
		if !overwrite {
			return fmt.Errorf("%s is a checkpoint of an earlier run: resume it, choose another directory, or set Overwrite", path)
		}
		// The JSON file goes first, so that what is left is no checkpoint.
		if err := d.remove(path); err != nil {
			return err
		}
		if err := d.clean(strings.TrimSuffix(name, ".json"), ""); err != nil {
			return err
		}
	}
	return nil
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
	steps := make(map[string]int)
	for _, m := range t.opt.State() {
		steps[m.Name] = m.Step
		ts = append(ts,
			safetensors.Tensor{Name: firstMoment + m.Name, Shape: m.Shape, Data: m.M},
			safetensors.Tensor{Name: secondMoment + m.Name, Shape: m.Shape, Data: m.V})
	}
	st := t.state
	st.Schedule = t.schedule.State()
	return &Checkpoint{
		Format: checkpointFormat, Version: checkpointVersion,
		Model: config, Train: t.cfg,
		TrainExamples: t.train.ds.Len(), ValExamples: t.valExamples(),
		OptimizerSteps: steps, State: st,
		tensors: &safetensors.File{Tensors: ts, Metadata: map[string]string{stepKey: strconv.Itoa(st.Step)}},
	}, nil
}

// Resume makes Fit go on from a checkpoint. The model, the data sets and the
// settings must be those of the run that wrote it, the type of the numbers among
// them: weights of another type are for [Checkpoint.LoadModel], and a new run.
// Only how long to go on (Steps, Epochs, MaxDuration, Patience) and how to save
// may differ. A schedule
// that ends with the run then follows the new number of steps. After an error
// the trainer and the model are as they were, and the error says what differs.
func (t *Trainer) Resume(c *Checkpoint) error {
	if err := t.resume(c); err != nil {
		return fmt.Errorf("train: resume from %s: %w", c.path, err)
	}
	return nil
}

func (t *Trainer) resume(c *Checkpoint) error {
	a, err := json.Marshal(c.Train.trajectory())
	if err != nil {
		return err
	}
	b, err := json.Marshal(t.cfg.trajectory())
	if err != nil {
		return err
	}
	d, err := differences(a, b)
	if err != nil {
		return err
	}
	if len(d) > 0 {
		return fmt.Errorf("the settings differ: %s", strings.Join(d, "; "))
	}
	if c.TrainExamples != t.train.ds.Len() || c.ValExamples != t.valExamples() {
		return fmt.Errorf("the data differ: want %d training and %d validation examples, got %d and %d",
			c.TrainExamples, c.ValExamples, t.train.ds.Len(), t.valExamples())
	}
	if c.State.Position.Batch > t.train.Batches() {
		return fmt.Errorf("want a position of at most %d batches, got %d", t.train.Batches(), c.State.Position.Batch)
	}
	if err := c.checkConfig(t.model); err != nil {
		return err
	}
	ms, err := c.moments(t.model.Params())
	if err != nil {
		return err
	}
	if _, err := t.opt.match(ms); err != nil {
		return err
	}
	st := c.State
	if c.Train.MaxDuration != t.cfg.MaxDuration || c.Train.Steps != t.cfg.Steps || c.Train.Epochs != t.cfg.Epochs {
		st.Limit, st.Paced = 0, false
	}
	schedule, err := NewScheduler(t.cfg.Schedule, t.cfg.planned(t.train.Batches(), st.Limit))
	if err != nil {
		return err
	}
	if err := c.loadTensors(t.model); err != nil {
		return err
	}
	schedule.SetState(st.Schedule)
	st.History = slices.Clone(st.History)
	t.state, t.schedule = st, schedule
	t.safe = safetyNet{c.path, st.Step}
	return t.opt.SetState(ms)
}
