package tensorboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/train"
)

// The directories of what TensorBoard takes for three runs.
const (
	StepsDir      = "steps"
	TrainDir      = "train"
	ValidationDir = "validation"
)

// The tags of what is no metric, in the run of the steps.
const (
	LearningRate = "optimizer/learning_rate"
	GradientNorm = "optimizer/gradient_norm"
	Pace         = "pace/samples_per_second"
	Epoch        = "pace/epoch"
)

// flushEvery is how long a step waits at most to be seen, if others follow.
const flushEvery = 10 * time.Second

// Events is a train.Hook that writes event files. A metric has its name as a tag in
// all three runs, and parameters theirs behind "parameters/".
//
// A resumed run goes on with new files, which say from which step on the earlier ones
// no longer count, so that no step is there twice. A new run, and one that comes from
// a checkpoint in another directory, refuses a directory that has event files unless
// Config.Overwrite is set or they are of a run that had not come to its first
// checkpoint: then they are deleted. Files grow by whole events: what a run that was
// killed has left can be read. An error of writing ends the run.
type Events struct {
	train.BaseHook
	dir        string
	every      int
	histograms bool
	texts      []namedText
	now        func() time.Time

	steps, train, validation *file
	model                    train.Model
	flushed                  time.Duration // of the run, when the steps were written last
}

type namedText struct{ name, text string }

// An Option changes Events.
type Option func(*Events)

// Every writes the metrics of every n-th step alone, and of the first.
func Every(n int) Option { return func(e *Events) { e.every = n } }

// Histograms writes how the elements of every parameter are distributed, at the start
// and at every evaluation.
func Histograms() Option { return func(e *Events) { e.histograms = true } }

// Text writes a text beside the configuration: the command of the run, say.
func Text(name, text string) Option {
	return func(e *Events) { e.texts = append(e.texts, namedText{name, text}) }
}

// New returns Events that are written to a directory, which is made if it does not
// exist, when the run starts.
func New(dir string, opts ...Option) *Events {
	e := &Events{dir: dir, every: 1, now: time.Now}
	for _, o := range opts {
		o(e)
	}
	return e
}

// OnStart implements train.Hook.
func (e *Events) OnStart(s train.StartEvent) error {
	if e.every < 1 {
		return fmt.Errorf("tensorboard: want Every >= 1, got %d", e.every)
	}
	own, err := e.prepare(s)
	if err == nil {
		err = e.open(s)
	}
	if err == nil && !own {
		err = e.describe(s)
	}
	if err != nil {
		e.close()
		return e.wrap(err)
	}
	e.model, e.flushed = s.Model, 0
	if e.histograms && !own {
		return e.wrap(e.addHistograms(s.Step))
	}
	return nil
}

// wrap names the directory in an error, unless it is nil.
func (e *Events) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("tensorboard: %s: %w", e.dir, err)
}

// prepare makes sure that what is in the directory is of this run, which it returns,
// or of none.
func (e *Events) prepare(s train.StartEvent) (own bool, err error) {
	home := same(e.dir, s.Config.CheckpointDir) || same(filepath.Dir(e.dir), s.Config.CheckpointDir)
	if s.Resumed && !(home && s.Moved) {
		return true, nil
	}
	for _, run := range []string{StepsDir, TrainDir, ValidationDir} {
		dir := filepath.Join(e.dir, run)
		names, err := eventFiles(dir)
		if err != nil {
			return false, err
		}
		for _, name := range names {
			path := filepath.Join(dir, name)
			if !s.Config.Overwrite && !(home && s.Replaces) {
				return false, fmt.Errorf("event file %s exists: resume its run, choose another directory, or set Overwrite", path)
			}
			if err := os.Remove(path); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// same says whether two directories are one.
func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// open begins the files.
func (e *Events) open(s train.StartEvent) error {
	for _, r := range []struct {
		into  **file
		name  string
		first int
	}{{&e.steps, StepsDir, s.Step + 1}, {&e.train, TrainDir, s.Evaluated + 1}, {&e.validation, ValidationDir, s.Evaluated + 1}} {
		var err error
		if *r.into, err = create(filepath.Join(e.dir, r.name), e.now(), r.first); err != nil {
			return err
		}
	}
	return nil
}

// describe writes the texts: those given, and the configurations.
func (e *Events) describe(s train.StartEvent) error {
	values := make([]message, 0, len(e.texts)+2)
	for _, t := range e.texts {
		values = append(values, text(t.name, code(t.text)))
	}
	for _, c := range []struct {
		name  string
		value any
	}{{"training", s.Config}, {"model", s.Model.Config()}} {
		b, err := json.MarshalIndent(c.value, "", "  ")
		if err != nil {
			return err
		}
		values = append(values, text(c.name, code(string(b))))
	}
	e.steps.add(event(seconds(e.now()), s.Step).summary(values...))
	return e.steps.flush()
}

// code writes a text as code in Markdown.
func code(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

// OnStep implements train.Hook.
func (e *Events) OnStep(s train.StepEvent) error {
	if s.Step%e.every != 0 && s.Step != 1 {
		return nil
	}
	values := append(metrics(s.Batch), scalar(LearningRate, s.LR), scalar(GradientNorm, s.GradNorm), scalar(Epoch, s.Epoch))
	if s.Duration > 0 {
		values = append(values, scalar(Pace, float64(s.Sequences)/s.Duration.Seconds()))
	}
	e.steps.add(event(seconds(e.now()), s.Step).summary(values...))
	if s.Elapsed-e.flushed >= flushEvery {
		e.flushed = s.Elapsed
		return e.wrap(e.steps.flush())
	}
	return e.wrap(e.steps.flushIfFull())
}

// metrics returns the values of metrics.
func metrics(m train.Metrics) []message {
	values := []message{scalar(train.Loss, m.Loss)}
	for _, s := range m.Scores {
		values = append(values, scalar(s.Name, s.Value))
	}
	return values
}

// OnEval implements train.Hook.
func (e *Events) OnEval(v train.EvalEvent) error {
	at := seconds(e.now())
	e.train.add(event(at, v.Step).summary(metrics(v.Train)...))
	e.validation.add(event(at, v.Step).summary(metrics(v.Val)...))
	var err error
	if e.histograms {
		err = e.addHistograms(v.Step)
	}
	return e.wrap(errors.Join(err, e.flush()))
}

// addHistograms writes those of the parameters.
func (e *Events) addHistograms(step int) error {
	at := seconds(e.now())
	for _, p := range e.model.Params() {
		v, err := p.Value()
		if err != nil {
			return err
		}
		var h message
		switch data := v.Data().(type) {
		case []float32:
			h = histogram("parameters/"+p.Name, data)
		case []float64:
			h = histogram("parameters/"+p.Name, data)
		}
		if h == nil {
			continue
		}
		e.train.add(event(at, step).summary(h))
		if err := e.train.flushIfFull(); err != nil {
			return err
		}
	}
	return nil
}

// flush writes what has been added to all files.
func (e *Events) flush() error {
	return errors.Join(e.steps.flush(), e.train.flush(), e.validation.flush())
}

// OnCheckpoint implements train.Hook.
func (e *Events) OnCheckpoint(train.CheckpointEvent) error { return e.wrap(e.flush()) }

// OnEnd implements train.Hook.
func (e *Events) OnEnd(train.EndEvent) error { return e.wrap(e.close()) }

// close ends the files that there are.
func (e *Events) close() error {
	var err error
	for _, f := range []**file{&e.steps, &e.train, &e.validation} {
		if *f != nil {
			err = errors.Join(err, (*f).close())
			*f = nil
		}
	}
	return err
}
