package experiment

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train"
)

// What a run's directory holds beside the checkpoints, the metrics, and run.json and
// test.json of package report.
const (
	startDir = "start"     // the model before training
	modelDir = "model"     // the model after it
	taskFile = "task.json" // in modelDir: savedTask

	metricsFile = "metrics.jsonl"
)

// savedTask is what a saved model is for.
type savedTask struct {
	Task  string          `json:"task"`
	Shape Shape           `json:"shape"`
	Codec json.RawMessage `json:"codec"`
}

// runFiles is a Hook that keeps run.json and start/.
type runFiles struct {
	train.BaseHook
	r    *training
	peak int64 // of the parts of a resumed run before this one, in bytes
}

func newRunFiles(r *training) *runFiles { return &runFiles{r: r} }

// OnStart implements train.Hook.
func (h *runFiles) OnStart(e train.StartEvent) error {
	r, dir := h.r, h.r.options.out
	r.info = r.describe(e.Steps)
	if e.Resumed {
		if old, err := report.ReadRun(dir); err == nil {
			r.info.Began = old.Began
			if old.End != nil {
				h.peak = old.End.PeakBytes
			}
		}
	}
	if e.Resumed && e.Step > 0 {
		return r.info.Save(dir)
	}
	if err := earlierModel(r.dir); err != nil {
		return err
	}
	for _, f := range []string{report.TestFile, report.PageFile} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := r.saveModel(filepath.Join(dir, startDir)); err != nil {
		return err
	}
	return r.info.Save(dir)
}

// OnEnd implements train.Hook.
func (h *runFiles) OnEnd(e train.EndEvent) error {
	info := h.r.info
	if info == nil {
		return nil
	}
	info.End = &report.End{Reason: "failed"}
	switch {
	case e.Err != nil:
		info.End.Reason = e.Err.Error()
	case e.Result != nil:
		*info.End = report.End{
			Reason: string(e.Result.Reason), Steps: e.Result.Steps, Elapsed: train.Duration(e.Result.Elapsed), Best: e.Result.Best,
		}
	}
	info.End.PeakBytes = max(h.peak, peak())
	return info.Save(h.r.options.out)
}

// describe returns what is run.
func (r *training) describe(steps int) *report.Run {
	recipe, err := r.text()
	if err != nil {
		recipe = nil
	}
	cores := runtime.GOMAXPROCS(0)
	machine := fmt.Sprintf("%s/%s, %s, %d core", runtime.GOOS, runtime.GOARCH, cpu.Active(), cores)
	if cores > 1 {
		machine += "s"
	}
	if r.g != nil {
		machine += ", " + r.ranks.String()
	}
	run := &report.Run{
		Task: r.Task, Preset: r.Preset, Model: r.Model.Mixer.kind, Command: report.Command(), Recipe: recipe, Notes: r.data.Notes,
		Versions: versions(), Machine: machine, Cores: cores,
		Began: r.began, Steps: steps,
	}
	for _, p := range parts(r.data) {
		run.Data = append(run.Data, report.Split{Name: p.name, Source: r.Path, Examples: p.Len(), Longest: longestIn(p.Dataset)})
	}
	return run
}

// versions returns those of Go, of this module and of what it depends on most.
func versions() map[string]string {
	v := map[string]string{"go": runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v[info.Main.Path] = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v["revision"] = s.Value
		}
	}
	for _, d := range info.Deps {
		if d.Path == "gorgonia.org/gorgonia" || d.Path == "gorgonia.org/tensor" {
			v[d.Path] = d.Version
		}
	}
	return v
}

// saveModel writes the model with what it is for.
func (r *training) saveModel(dir string) error {
	if err := r.model.Save(dir); err != nil {
		return err
	}
	codec, err := json.Marshal(r.data.Codec)
	if err != nil {
		return fmt.Errorf("the codec: %w", err)
	}
	return atomicfile.Write(filepath.Join(dir, taskFile), 0o666, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(savedTask{r.Task, r.data.Model, codec})
	})
}

// plot draws the picture of a test if the codec has one.
func (r *training) plot(_ context.Context, test *report.Test) error {
	p, ok := r.data.Codec.(Plotter)
	if !ok {
		return nil
	}
	path, err := p.Plot(r.options.out, test)
	if err != nil || path == "" {
		return err
	}
	fmt.Fprintf(r.out, "picture in %s\n", path)
	return nil
}

// page writes the page of the run if it is asked for.
func (r *training) page() error {
	if !r.options.report {
		return nil
	}
	if err := report.Write(r.options.out); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "page in %s\n", filepath.Join(r.options.out, report.PageFile))
	return nil
}

// readTask reads the task.json of a model, with the codec of the task.
func (p *Program) readTask(dir string) (*Task, Shape, Codec, error) {
	s, err := readSavedTask(dir)
	if err != nil {
		return nil, Shape{}, nil, err
	}
	t, err := p.find(s.Task)
	if err != nil {
		return nil, Shape{}, nil, fmt.Errorf("%s: %w", filepath.Join(dir, taskFile), err)
	}
	c, err := t.codec(dir, s)
	return t, s.Shape, c, err
}

// readSavedTask reads the task.json of a model.
func readSavedTask(dir string) (*savedTask, error) {
	path := filepath.Join(dir, taskFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := new(savedTask)
	if err := strictjson.Decode(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// codec returns the codec of a model of the task that is saved in dir.
func (t *Task) codec(dir string, s *savedTask) (Codec, error) {
	c := t.Codec()
	if err := strictjson.Decode(s.Codec, c); err != nil {
		return nil, fmt.Errorf("%s: codec: %w", filepath.Join(dir, taskFile), err)
	}
	return c, nil
}
