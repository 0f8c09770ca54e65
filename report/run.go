package report

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gorgonia-s4/s4/train"
)

// RunFile is the name of the file of a [Run] in a run's directory.
const RunFile = "run.json"

// Run is what was run. Every field may be left out.
type Run struct {
	// Task and Preset name what was learnt and by which recipe.
	Task   string `json:"task"`
	Preset string `json:"preset,omitempty"`
	// Model names the model in a word or two, such as "s4d".
	Model string `json:"model,omitempty"`
	// Command is the command line, word by word, as it would be typed again: see
	// [Command].
	Command []string `json:"command,omitempty"`
	// Recipe is the whole configuration of the run, as JSON.
	Recipe json.RawMessage `json:"recipe,omitempty"`
	// Data says what the model learnt from.
	Data []Split `json:"data,omitempty"`
	// Notes are remarks about the data or the run, each a sentence.
	Notes []string `json:"notes,omitempty"`
	// Versions are those of what the run depends on, by name.
	Versions map[string]string `json:"versions,omitempty"`
	// Machine says what it ran on, such as "linux/amd64, 2 cores".
	Machine string `json:"machine,omitempty"`
	// Cores is the number of those that Go used; 0 is not known.
	Cores int `json:"cores,omitempty"`
	// Began is when the run began; that of a run that was resumed is when it
	// began first.
	Began time.Time `json:"began,omitzero"`
	// Steps are those planned, which MaxDuration may lower.
	Steps int `json:"steps,omitempty"`
	// End says how the run ended; nil that it has not, or was killed.
	End *End `json:"end,omitempty"`
}

// Split is a part of the data.
type Split struct {
	// Name is such as "train" or "test", Source the file or directory.
	Name   string `json:"name"`
	Source string `json:"source,omitempty"`
	// Examples is their number, Longest the number of steps of the longest.
	Examples int `json:"examples"`
	Longest  int `json:"longest,omitempty"`
}

// End is how a run ended.
type End struct {
	// Reason is that of the trainer, such as "finished", or the error.
	Reason string `json:"reason"`
	// Steps are those done.
	Steps int `json:"steps"`
	// Elapsed is the time of training, with evaluations and all parts of a run
	// that was resumed.
	Elapsed train.Duration `json:"elapsed"`
	// PeakBytes is the largest resident memory of a process of the run; 0: not known.
	PeakBytes int64 `json:"peak_bytes,omitempty"`
	// Best is the best evaluation; nil without any.
	Best *train.Record `json:"best,omitempty"`
}

// Save writes the run to dir/run.json, which it replaces as a whole. dir is made
// if it does not exist.
func (r *Run) Save(dir string) error {
	if err := r.validate(); err != nil {
		return fmt.Errorf("report: %s: %w", RunFile, err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	return save(filepath.Join(dir, RunFile), text, err)
}

// ReadRun reads dir/run.json. The error of a file that is not there is an
// fs.ErrNotExist.
func ReadRun(dir string) (*Run, error) {
	r := new(Run)
	if err := read(filepath.Join(dir, RunFile), r); err != nil {
		return nil, err
	}
	return r, nil
}

// validate reports the first field that is out of range.
func (r *Run) validate() error {
	for i, s := range r.Data {
		if s.Examples < 0 || s.Longest < 0 {
			return fmt.Errorf("data %d: want examples and longest >= 0, got %d and %d", i, s.Examples, s.Longest)
		}
	}
	if r.Steps < 0 {
		return fmt.Errorf("want steps >= 0, got %d", r.Steps)
	}
	if e := r.End; e != nil && (e.Steps < 0 || e.Elapsed < 0 || e.PeakBytes < 0) {
		return fmt.Errorf("end: want steps, elapsed and peak_bytes >= 0, got %d, %v and %d", e.Steps, e.Elapsed, e.PeakBytes)
	}
	return nil
}
