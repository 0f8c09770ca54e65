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
	checkpointVersion = 3
	optimizerTensor   = runTensor + "optimizer." // begin names of tensors
	metricTensor      = runTensor + "metric."
	stepKey           = "step" // in the metadata of the tensor file
)

// Checkpoint is a saved run. It is two files in one directory: JSON, which is
// this struct, and the safetensors file that it names, with the parameters and
// buffers under their own names and those of the run under names that begin with
// "train:optimizer.", "train:state." and "train:metric.".
//
// The tensor file is written first and has a name of its own, then the JSON
// file is replaced, which is the moment the new checkpoint counts, then the old
// tensor file is deleted: whenever a run is killed, the JSON file names a
// complete tensor file. The last checkpoint is written before the best one: the
// best is never of a step that the last does not know of, and one that is
// missing can be made from the last.
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
	// Data says what data the run is of.
	Data Data `json:"data"`
	// Metrics are the names of the run's metrics.
	Metrics []string `json:"metrics,omitempty"`
	// Optimizer is the type of the optimiser.
	Optimizer string `json:"optimizer"`
	// NotSaved says why no run can be resumed from the checkpoint; "" that one
	// can.
	NotSaved string `json:"not_saved,omitempty"`
	// State is where the run was.
	State State `json:"state"`

	path    string // of the JSON file
	home    string // its directory, whatever symbolic links path has
	tensors *safetensors.File
}

// Data identifies the data of a run; Val is nil without validation data.
type Data struct {
	Train DataID  `json:"train"`
	Val   *DataID `json:"val,omitempty"`
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
	// Window sums up the loss of the batches since the last evaluation.
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
	c, err := readHead(path)
	if err != nil {
		return nil, err
	}
	if c.tensors, err = safetensors.ReadFile(filepath.Join(c.home, c.Tensors)); err != nil {
		return nil, err
	}
	if got, want := c.tensors.Metadata[stepKey], strconv.Itoa(c.State.Step); got != want {
		return nil, fmt.Errorf("want the tensors of step %s, but %s has those of step %q", want, c.Tensors, got)
	}
	return c, nil
}

// readHead reads a checkpoint without its tensors.
func readHead(path string) (*Checkpoint, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := filepath.EvalSymlinks(path)
	if err == nil {
		file, err = filepath.Abs(file)
	}
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{path: path, home: filepath.Dir(file)}
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
	return c, c.Train.Validate()
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
	diff, err := differences(c.Model, config, inCheckpoint)
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
		if !strings.HasPrefix(t.Name, runTensor) {
			ts = append(ts, t)
		}
	}
	if s, ok := m.(settler); ok {
		return weights.LoadAndSettle(ts, modelVars(m), s.Settle)
	}
	return weights.Load(ts, modelVars(m))
}

// own returns the tensors whose names begin with a prefix.
func (c *Checkpoint) own(prefix string) []safetensors.Tensor {
	var ts []safetensors.Tensor
	for _, t := range c.tensors.Tensors {
		if strings.HasPrefix(t.Name, prefix) {
			ts = append(ts, t)
		}
	}
	return ts
}

// modelVars lists what a checkpoint stores of a model.
func modelVars(m Model) []weights.Var {
	var vars []weights.Var
	for _, p := range m.Params() {
		vars = append(vars, weights.Var{Name: p.Name, Value: p.Node.Value()})
	}
	return append(vars, bufferVars(m)...)
}

func bufferVars(m Model) []weights.Var {
	var vars []weights.Var
	for _, b := range m.Buffers() {
		vars = append(vars, weights.Var{Name: b.Name, Value: b.Value})
	}
	return vars
}

// compared says where two things that are compared are, for errors.
type compared struct{ first, second string }

var inCheckpoint = compared{"in the checkpoint", "here"}

// differences lists where two configurations, encoded as JSON, differ.
func differences(first, second []byte, where compared) ([]string, error) {
	a, err := decodeAny(first)
	if err != nil {
		return nil, err
	}
	b, err := decodeAny(second)
	if err != nil {
		return nil, err
	}
	return where.diff(nil, "", a, b), nil
}

// decodeAny decodes JSON without rounding its numbers.
func decodeAny(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func (c compared) diff(out []string, path string, a, b any) []string {
	if la, ok := a.([]any); ok {
		if lb, ok := b.([]any); ok && len(la) == len(lb) {
			for i := range la {
				out = c.diff(out, fmt.Sprintf("%s.%d", path, i), la[i], lb[i])
			}
			return out
		}
	}
	ma, okA := a.(map[string]any)
	mb, okB := b.(map[string]any)
	if !okA || !okB {
		if !reflect.DeepEqual(a, b) {
			out = append(out, fmt.Sprintf("%s is %s %s, %s %s", strings.TrimPrefix(path, "."), showJSON(a), c.first, showJSON(b), c.second))
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
		out = c.diff(out, path+"."+k, ma[k], mb[k])
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
	var err error
	if c.Tensors, err = d.freeName(stem, c.State.Step); err != nil {
		return err
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := d.writeTensors(filepath.Join(d.dir, c.Tensors), c.tensors); err != nil {
		return err
	}
	if err := d.writeJSON(d.path(name), append(b, '\n')); err != nil {
		return errors.Join(err, d.dropUnnamed(name, c.Tensors))
	}
	return d.clean(stem, c.Tensors)
}

// dropUnnamed deletes a tensor file that the checkpoint called name does not have, after
// all.
func (d checkpointDir) dropUnnamed(name, tensors string) error {
	if c, err := readHead(d.path(name)); err == nil && c.Tensors == tensors || err != nil && exists(d.path(name)) {
		return nil // it has, or nobody knows
	}
	return d.remove(filepath.Join(d.dir, tensors))
}

// tensorsName names the tensor file of a checkpoint, "last-1200.safetensors", or
// where that is taken "last-1200-1.safetensors" and so on.
func tensorsName(stem string, step, copies int) string {
	if copies > 0 {
		return fmt.Sprintf("%s-%d-%d.safetensors", stem, step, copies)
	}
	return fmt.Sprintf("%s-%d.safetensors", stem, step)
}

// freeName returns the name of a tensor file that is not there yet: one that is
// may be that of the checkpoint before, which counts until the JSON file is
// replaced.
func (d checkpointDir) freeName(stem string, step int) (string, error) {
	for copies := 0; ; copies++ {
		name := tensorsName(stem, step, copies)
		_, err := os.Lstat(filepath.Join(d.dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// isTensorsName says whether a file is a tensor file of a checkpoint.
func isTensorsName(name, stem string) bool {
	numbers := strings.TrimSuffix(strings.TrimPrefix(name, stem+"-"), ".safetensors")
	first, second, _ := strings.Cut(numbers, "-")
	step, err := strconv.Atoi(first)
	copies, _ := strconv.Atoi(second)
	return err == nil && name == tensorsName(stem, step, copies)
}

// clean deletes the tensor files of a checkpoint except those to keep: that
// of the checkpoint before, and what a killed run may have left.
func (d checkpointDir) clean(stem string, keep ...string) error {
	files, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if name := f.Name(); isTensorsName(name, stem) && !slices.Contains(keep, name) {
			if err := d.remove(filepath.Join(d.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweep deletes what a killed run left: files that it was writing, and tensors
// of a best checkpoint that has been replaced, but for those to keep. Tensors of
// a last one go when the next is saved.
func (d checkpointDir) sweep(keep string) error {
	if c, err := readHead(d.path(BestCheckpoint)); err == nil {
		if err := d.clean(strings.TrimSuffix(BestCheckpoint, ".json"), c.Tensors, keep); err != nil {
			return err
		}
	}
	files, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		for _, of := range []string{LastCheckpoint, BestCheckpoint, "last-*.safetensors", "best-*.safetensors"} {
			if left, _ := filepath.Match(atomicfile.TempPattern(of), f.Name()); !left {
				continue
			}
			if err := d.remove(filepath.Join(d.dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds says what of a run the directory has: a checkpoint that another run may
// not replace, which is any but that of step 0; and one of those. What cannot
// be read is taken for the former. A best checkpoint that is mine does not
// count.
func (d checkpointDir) holds(mine *Record) (keep string, begun bool) {
	for _, name := range []string{LastCheckpoint, BestCheckpoint} {
		c, err := readHead(d.path(name))
		switch {
		case errors.Is(err, os.ErrNotExist) && !exists(d.path(name)):
		case err == nil && c.State.Step == 0:
			begun = true
		case err == nil && name == BestCheckpoint && c.isBest(mine):
		default:
			return d.path(name), begun
		}
	}
	return "", begun
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// isBest says whether a checkpoint is the one with the best evaluation of a run.
func (c *Checkpoint) isBest(best *Record) bool {
	return best != nil && c.State.Best != nil && c.State.Best.equal(best) && c.State.Step == best.Step
}

// dropBest deletes the best checkpoint: it is of a run that the last one is not
// of.
func (d checkpointDir) dropBest() error {
	if exists(d.path(BestCheckpoint)) {
		// The JSON file goes first, so that what is left is no checkpoint.
		if err := d.remove(d.path(BestCheckpoint)); err != nil {
			return err
		}
	}
	return d.clean(strings.TrimSuffix(BestCheckpoint, ".json"))
}

// sameDir says whether two paths lead to one directory.
func sameDir(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}
