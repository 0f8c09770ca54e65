package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/results/recipes"
	"github.com/gorgonia-s4/s4/train"
)

// row is what a run has found.
type row struct {
	Recipe  string `json:"recipe"`
	Variant string `json:"variant"`
	Seed    uint64 `json:"seed"`
	Task    string `json:"task"`
	Model   string `json:"model"`
	// Finished says that the training has come to its end and was tested.
	Finished bool `json:"finished"`
	// Command is that of the program, with the name of the data alone.
	Command []string `json:"command"`
	// Commits are those of the programs, in their order; Changed says that one had
	// changes that were not committed, Adopted that one was not started from here.
	Commits []string `json:"commits"`
	Changed bool     `json:"changed,omitempty"`
	Adopted bool     `json:"adopted,omitempty"`

	Parameters int     `json:"parameters"`
	Steps      int     `json:"steps"`
	Planned    int     `json:"planned_steps"`
	Epochs     float64 `json:"epochs"`
	// Sequences is the number of examples trained on.
	Sequences int `json:"sequences"`

	Began time.Time `json:"began"`
	// Train is the time of training and validation, Wall that of all processes, CPU
	// their time of all processors, in seconds. Of a process that was cut off with its
	// runner the last half minute is not in them. Wall and CPU are 0 where they are not
	// known of one of the processes: CPU of one that was adopted, both of one that went on
	// longer than its runner.
	Train float64 `json:"train_s"`
	Wall  float64 `json:"wall_s"`
	CPU   float64 `json:"cpu_s"`
	// Rate is the number of examples per second of the steps alone.
	Rate      float64 `json:"samples_per_s"`
	PeakBytes int64   `json:"peak_bytes"`
	Sessions  int     `json:"sessions"`
	// Cores are the different numbers of cores that the processes used, in their order.
	Cores []int `json:"cores"`
	// Machine and Processor are those of the last process.
	Machine   string `json:"machine"`
	Processor string `json:"processor"`

	Data []report.Split `json:"data"`
	// Best is the evaluation of the best checkpoint, which is tested; nil: there was none.
	Best  *train.Record       `json:"best"`
	Test  *train.Metrics      `json:"test"`
	Rates []report.RateTest   `json:"rates,omitempty"`
	Lens  []report.LengthTest `json:"lengths,omitempty"`
	Floor *report.Floor       `json:"floor,omitempty"`
}

// recordAll makes the rows of runs from their directories, of those that there are.
func (o *options) recordAll(runs []recipes.Run, out io.Writer) error {
	var failed []error
	found := false
	for _, r := range runs {
		switch made, err := o.recordRun(r, out); {
		case err != nil:
			failed = append(failed, err)
		case made:
			fmt.Fprintln(out, o.rowFile(r))
		}
		if _, err := os.Stat(filepath.Join(o.dir(r), report.RunFile)); err == nil {
			found = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	if !found {
		failed = append(failed, fmt.Errorf("-record: want one of the runs of -run in %s, got none", o.runs))
	}
	return errors.Join(failed...)
}

// rowFile is the file of the row of a run.
func (o *options) rowFile(r recipes.Run) string { return filepath.Join(o.rows(), r.File()+".json") }

// recordRun makes the row of a run and its curves, and says whether it did: not of a run
// without an evaluation, and not in the place of the row of one that is finished before
// this one is.
func (o *options) recordRun(r recipes.Run, out io.Writer) (made bool, err error) {
	w, c, err := makeRow(o.dir(r), r)
	if err != nil {
		return false, fmt.Errorf("%s: the row: %w", r.Name(), err)
	}
	if w == nil {
		return false, nil
	}
	path := o.rowFile(r)
	if !w.Finished {
		if before, err := readRow(path); err == nil && before.Finished {
			fmt.Fprintf(out, "%s: %s stays that of the run that is finished until this one is\n", r.Name(), path)
			return false, nil
		}
	}
	if err := os.MkdirAll(o.rows(), 0o777); err != nil {
		return false, err
	}
	if err := c.save(filepath.Join(o.rows(), r.File()+".csv")); err != nil {
		return false, err
	}
	return true, writeJSON(path, w)
}

// makeRow reads the directory of a run; nil if nothing has been evaluated yet.
func makeRow(dir string, r recipes.Run) (*row, *curves, error) {
	info, err := report.ReadRun(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	h, err := readHistory(dir)
	if err != nil || len(h.evals) == 0 {
		return nil, nil, err
	}
	l, err := readLedger(dir)
	if err != nil {
		return nil, nil, err
	}
	w := &row{
		Recipe: r.Recipe.Name, Variant: r.Variant.Name, Seed: r.Seed, Task: info.Task, Model: info.Model,
		Finished: l.finished(), Command: plainCommand(r),
		Planned: info.Steps, Began: info.Began.UTC().Round(time.Second), Machine: info.Machine,
	}
	w.addHistory(h)
	w.addLedger(l)
	for _, d := range info.Data {
		d.Source = base(d.Source)
		w.Data = append(w.Data, d)
	}
	if e := info.End; e != nil {
		w.PeakBytes = e.PeakBytes
	}
	if w.Finished {
		if err := w.addTest(dir); err != nil {
			return nil, nil, err
		}
	}
	w.Parameters, err = countParameters(filepath.Join(dir, report.StartDir))
	return w, h.curves(), err
}

// plainCommand returns the command line of a run without where its files are.
func plainCommand(r recipes.Run) []string {
	c := append([]string{"go", "run", "./examples/" + r.Recipe.Program}, r.Args()...)
	if r.Recipe.Data != "" {
		c = append(c, "-data", r.Recipe.Data)
	}
	return c
}

// base is the name of a file; "" of none.
func base(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}

// addHistory adds what the steps and the evaluations were.
func (w *row) addHistory(h *history) {
	w.Steps, w.Epochs, w.Train, w.Sequences = h.step, h.epoch, h.elapsed, h.sequences
	if h.seconds > 0 {
		w.Rate = float64(h.sequences) / h.seconds
	}
	w.Best = h.best()
}

// unnoted is the time that a process of a run may have trained for after its times were
// noted last.
const unnoted = 30.0

// addLedger adds the processes, behind the history.
func (w *row) addLedger(l *ledger) {
	w.Sessions = len(l.Sessions)
	wall, cpu := true, true // are known
	for _, s := range l.Sessions {
		commit := s.Commit
		if commit == "" {
			commit = "unknown"
		}
		if !slices.Contains(w.Commits, commit) {
			w.Commits = append(w.Commits, commit)
		}
		w.Changed, w.Adopted = w.Changed || s.Dirty, w.Adopted || s.Adopted
		w.Wall, w.CPU, w.Processor = w.Wall+s.Wall, w.CPU+s.CPU, s.Processor
		wall, cpu = wall && s.Wall > 0, cpu && s.CPU > 0
		if s.Cores > 0 && !slices.Contains(w.Cores, s.Cores) {
			w.Cores = append(w.Cores, s.Cores)
		}
	}
	if w.Wall+unnoted*float64(w.Sessions) < w.Train {
		wall, cpu = false, false
	}
	if !wall {
		w.Wall = 0
	}
	if !cpu {
		w.CPU = 0
	}
}

// addTest adds the test of the best model.
func (w *row) addTest(dir string) error {
	t, err := report.ReadTest(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	w.Test, w.Rates, w.Lens, w.Floor = &t.Metrics, t.Rates, t.Lengths, t.Floor
	return nil
}

// countParameters returns the number of parameters of a saved model, learned or not.
func countParameters(dir string) (int, error) {
	m, err := models.Open(G.NewGraph(), dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range m.Params() {
		n += p.Node.Shape().TotalSize()
	}
	return n, nil
}
