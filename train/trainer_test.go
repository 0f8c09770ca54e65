package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
)

// Sizes of the run that most tests do: 4 batches an epoch, two lengths.
const (
	tinyVocab   = 12
	tinyClasses = 3
	tinySteps   = 19
)

func tinyRun(dir string) (Config, tinyConfig, *tokenData, *tokenData) {
	cfg := Config{
		Steps: tinySteps, BatchSize: 16, EvalBatchSize: 20, Buckets: []int{12, 24}, Seed: 4,
		LR: 0.05, WeightDecay: 0.01, Clip: 1, Schedule: Schedule{Kind: Cosine, WarmUp: 3},
		EvalEvery: 5, CheckpointDir: dir, CheckpointEvery: 3, DType: Float32,
	}
	mc := tinyConfig{Vocab: tinyVocab, Hidden: 8, Classes: tinyClasses, Drop: 0.2}
	return cfg, mc, newTokenData(61, 3, 24, tinyVocab, tinyClasses, 1), newTokenData(33, 3, 24, tinyVocab, tinyClasses, 2)
}

func newTrainer(t *testing.T, cfg Config, m Model, train, val task.Dataset, hooks ...Hook) *Trainer {
	t.Helper()
	tr, err := New(cfg, m, train, val, WithMetrics(Accuracy()), WithHooks(hooks...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

// stepHook calls a function after every step.
type stepHook struct {
	BaseHook
	f func(StepEvent) error
}

func (h stepHook) OnStep(e StepEvent) error { return h.f(e) }

// losses collects the losses of all steps.
type losses struct {
	BaseHook
	loss []float64
}

func (l *losses) OnStep(e StepEvent) error {
	l.loss = append(l.loss, e.Batch.Loss)
	return nil
}

// outcome is all that a run leaves behind, without times.
type outcome struct {
	Tensors map[string]any
	History []Record
	Best    Record
	Losses  []float64
}

func outcomeOf(t *testing.T, tr *Trainer, r *Result, l []float64) outcome {
	t.Helper()
	c, err := tr.checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{Tensors: make(map[string]any), Best: *r.Best, Losses: l}
	for _, s := range c.tensors.Tensors {
		switch d := s.Data.(type) {
		case []float32:
			o.Tensors[s.Name] = slices.Clone(d)
		case []float64:
			o.Tensors[s.Name] = slices.Clone(d)
		case []int64:
			o.Tensors[s.Name] = slices.Clone(d)
		}
	}
	for _, h := range r.History {
		h.Elapsed = 0
		o.History = append(o.History, h)
	}
	o.Best.Elapsed = 0
	return o
}

// unbroken is the outcome of a run that is never stopped.
func unbroken(t *testing.T, cfg Config, mc tinyConfig, train, val task.Dataset) outcome {
	t.Helper()
	cfg.CheckpointDir = t.TempDir()
	l := &losses{}
	tr := newTrainer(t, cfg, newTinyModel(mc, cfg.DType.Tensor()), train, val, l)
	r, err := tr.Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return outcomeOf(t, tr, r, l.loss)
}

// resumed opens the run in a directory again, with a model as it was before
// training.
func resumed(t *testing.T, cfg Config, mc tinyConfig, train, val task.Dataset, hooks ...Hook) *Trainer {
	t.Helper()
	tr := newTrainer(t, cfg, newTinyModel(mc, cfg.DType.Tensor()), train, val, hooks...)
	c, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, LastCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Resume(c); err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestFitLearns(t *testing.T) {
	tokens := newTokenData(300, 3, 20, tinyVocab, tinyClasses, 1)
	test := newTokenData(100, 3, 20, tinyVocab, tinyClasses, 2)
	for name, c := range map[string]struct {
		mc          tinyConfig
		dt          DType
		train, test *tokenData
		want        float64
	}{
		"tokens, float32":       {tinyConfig{Vocab: tinyVocab, Hidden: 16, Classes: tinyClasses, Drop: 0.1}, Float32, tokens, test, 0.85},
		"tokens, float64":       {tinyConfig{Vocab: tinyVocab, Hidden: 16, Classes: tinyClasses, Drop: 0.1}, Float64, tokens, test, 0.85},
		"per position, float64": {tinyConfig{Features: 2, Hidden: 16, Classes: tinyClasses, Position: true}, Float64, tokens.asFeatures(tinyClasses), test.asFeatures(tinyClasses), 0.99},
		"per position, float32": {tinyConfig{Features: 2, Hidden: 16, Classes: tinyClasses, Position: true}, Float32, tokens.asFeatures(tinyClasses), test.asFeatures(tinyClasses), 0.99},
	} {
		cfg := Config{Epochs: 12, BatchSize: 32, Buckets: []int{10, 20}, LR: 0.05, DType: c.dt,
			Schedule: Schedule{Kind: Cosine, WarmUp: 10}}
		m := newTinyModel(c.mc, c.dt.Tensor())
		tr := newTrainer(t, cfg, m, c.train, c.test)
		before, err := tr.Evaluate(context.Background(), c.test)
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Fit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		counter := m.counter.Int64s()[0]
		after, err := tr.Evaluate(context.Background(), c.test)
		if err != nil {
			t.Fatal(err)
		}
		if after.Value("accuracy") < c.want || after.Loss >= before.Loss {
			t.Errorf("%s: accuracy %.3f (before %.3f), want %.2f; loss %.3f (before %.3f)", name, after.Value("accuracy"), before.Value("accuracy"), c.want, after.Loss, before.Loss)
		}
		if last := r.History[len(r.History)-1]; r.Reason != Finished || len(r.History) != 12 || !reflect.DeepEqual(last.Val, after) {
			t.Errorf("%s: %s after %d evaluations, the last %+v, want 12, %+v", name, r.Reason, len(r.History), last.Val, after)
		}
		if m.counter.Int64s()[0] != counter {
			t.Errorf("%s: an evaluation changed a buffer", name)
		}
		slices.Sort(m.builds)
		want := []string{"evaluation 32x10", "evaluation 32x20", "training 32x10", "training 32x20"}
		if !slices.Equal(m.builds, want) {
			t.Errorf("%s: graphs %q, want %q once each", name, m.builds, want)
		}
	}
}

func TestMetricsIgnorePadding(t *testing.T) {
	_, mc, _, val := tinyRun("")
	cfg := Config{Steps: 1, BatchSize: 16, LR: 0.1}
	m := newTinyModel(mc, tensor.Float32)
	var got []Metrics
	for _, b := range []int{1, 7, 33, 50} { // 33 examples: with and without filling
		cfg.EvalBatchSize = b
		e, err := newTrainer(t, cfg, m, val, nil).Evaluate(context.Background(), val)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	for _, e := range got {
		if e.Count != float64(val.Len()) || e.Value("accuracy") != got[0].Value("accuracy") || math.Abs(e.Loss-got[0].Loss) > 1e-6 {
			t.Errorf("%+v: want %+v for every batch size", e, got[0])
		}
	}
}

// A run that is interrupted after any of its steps, and then resumed, leaves
// exactly what an unbroken run leaves.
func TestResumeIsBitForBit(t *testing.T) {
	plateau := func(c *Config) {
		c.DType, c.Schedule, c.Monitor = Float64, Schedule{Kind: Plateau, Drop: 0.5}, Loss
	}
	epochs := func(c *Config) {
		c.Steps, c.Epochs, c.EvalEvery, c.CheckpointEvery, c.DropLast = 0, 5, 0, 0, true
	}
	for _, c := range []struct {
		name   string
		stride int // between the steps that are tried
		change func(*Config)
	}{{"float32, cosine", 1, func(*Config) {}}, {"float64, plateau", 5, plateau}, {"epochs", 4, epochs}} {
		t.Run(c.name, func(t *testing.T) {
			cfg, mc, train, val := tinyRun("")
			c.change(&cfg)
			want := unbroken(t, cfg, mc, train, val)
			for stop := 1; stop < len(want.Losses); stop += c.stride {
				cfg.CheckpointDir = t.TempDir()
				ctx, cancel := context.WithCancel(context.Background())
				first := &losses{}
				tr := newTrainer(t, cfg, newTinyModel(mc, cfg.DType.Tensor()), train, val, first, stepHook{f: func(e StepEvent) error {
					if e.Step == stop {
						cancel()
					}
					return nil
				}})
				_, err := tr.Fit(ctx)
				var in *InterruptedError
				if !errors.As(err, &in) || in.Step != stop || in.Checkpoint != filepath.Join(cfg.CheckpointDir, LastCheckpoint) {
					t.Fatalf("stopped after step %d: got error %v", stop, err)
				}
				rest := &losses{}
				tr = resumed(t, cfg, mc, train, val, rest)
				r, err := tr.Fit(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if got := outcomeOf(t, tr, r, append(first.loss, rest.loss...)); !reflect.DeepEqual(got, want) {
					t.Fatalf("stopped after step %d:\n%+v\nunbroken:\n%+v", stop, got, want)
				}
			}
		})
	}
}

func TestResumeFinishedRun(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val)
	want, err := tr.Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	l := &losses{}
	got, err := resumed(t, cfg, mc, train, val, l).Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.loss) != 0 || got.Steps != want.Steps || len(got.History) != len(want.History) {
		t.Errorf("%d steps done, result %+v, want none and %+v", len(l.loss), got, want)
	}
	cfg.Steps += 5
	if got, err = resumed(t, cfg, mc, train, val, l).Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(l.loss) != 5 || got.Steps != tinySteps+5 {
		t.Errorf("%d more steps, %d in all, want 5 and %d", len(l.loss), got.Steps, tinySteps+5)
	}
}

func TestInterrupt(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	quit := errors.New("the user pressed Ctrl-C")
	stopAfter := func(step int, cancel context.CancelCauseFunc) Hook {
		return stepHook{f: func(e StepEvent) error {
			if e.Step == step {
				cancel(quit)
			}
			return nil
		}}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	_, err := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, stopAfter(4, cancel)).Fit(ctx)
	if !errors.Is(err, quit) {
		t.Fatalf("got error %v, want one that wraps %q", err, quit)
	}
	last := filepath.Join(cfg.CheckpointDir, LastCheckpoint)
	if want := "train: interrupted after step 4 (the user pressed Ctrl-C): saved, to be resumed from " + last; err.Error() != want {
		t.Errorf("got error %q, want %q", err, want)
	}
	if c, err := ReadCheckpoint(last); err != nil || c.State.Step != 4 {
		t.Errorf("checkpoint of step %d, error %v", c.State.Step, err)
	}
	// Before the first step there is something to save, too.
	cfg.CheckpointDir = t.TempDir()
	metrics := filepath.Join(cfg.CheckpointDir, "metrics.jsonl")
	if _, err = newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, NewMetricsFile(metrics)).Fit(ctx); !errors.Is(err, quit) {
		t.Errorf("got error %v", err)
	}
	r, err := resumed(t, cfg, mc, train, val, NewMetricsFile(metrics)).Fit(context.Background())
	if err != nil || r.Steps != tinySteps {
		t.Errorf("got %+v, error %v", r, err)
	}
	// Without a directory the error says so, and the trainer can go on.
	cfg.CheckpointDir = ""
	ctx, cancel = context.WithCancelCause(context.Background())
	tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, stopAfter(2, cancel))
	if _, err := tr.Fit(ctx); err == nil || !strings.Contains(err.Error(), "nothing is saved") {
		t.Errorf("got error %v", err)
	}
	if r, err := tr.Fit(context.Background()); err != nil || r.Steps != tinySteps {
		t.Errorf("got %+v, error %v", r, err)
	}
}

func TestNonFiniteStopsWithTheParameter(t *testing.T) {
	weight := func(m *tinyModel) { m.w2.Float32s()[5] = float32(math.NaN()) }
	fixed := func(m *tinyModel) { m.frozen.Float32s()[2] = float32(math.Inf(1)) }
	for name, c := range map[string]struct {
		after int // step after which the parameters are spoilt
		spoil func(*tinyModel)
		want  []string
	}{
		"a parameter":        {7, weight, []string{"train: step 8: the loss is NaN: ", `parameter "out.weight" is NaN at element 5 (`}},
		"a frozen parameter": {7, fixed, []string{"train: step 8: the loss is ", `parameter "fixed" is +Inf at element 2 (`}},
		// There is a checkpoint after step 9: it must not be made.
		"when saving": {9, weight, []string{"train: step 9: ", `parameter "out.weight" is NaN at element 5 (`}},
	} {
		cfg, mc, train, val := tinyRun(t.TempDir())
		m := newTinyModel(mc, tensor.Float32)
		tr := newTrainer(t, cfg, m, train, val, stepHook{f: func(e StepEvent) error {
			if e.Step == c.after {
				c.spoil(m)
			}
			return nil
		}})
		_, err := tr.Fit(context.Background())
		var bad *NonFiniteError
		if !errors.As(err, &bad) {
			t.Fatalf("%s: error %v wraps no *NonFiniteError", name, err)
		}
		last := filepath.Join(cfg.CheckpointDir, LastCheckpoint)
		for _, want := range append(c.want, "(the latest checkpoint, "+last+", is of step 6)") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q does not say %q", name, err, want)
			}
		}
		ck, err := ReadCheckpoint(last)
		if err != nil {
			t.Fatal(err)
		}
		if err := ck.LoadModel(m); err != nil || ck.State.Step != 6 {
			t.Fatalf("%s: checkpoint of step %d, error %v", name, ck.State.Step, err)
		}
		if e := findNonFinite(m.Params()); e != nil {
			t.Errorf("%s: the checkpoint is spoilt: %v", name, e)
		}
	}
}

// A loss that is not finite though the data and the parameters are names the
// batch, and what the step did to the buffers is undone.
func TestNonFiniteLossLeavesTheStepBefore(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	cfg.EvalEvery, cfg.CheckpointEvery = 100, 100
	m := newTinyModel(mc, tensor.Float32)
	_, err := newTrainer(t, cfg, m, train, val, stepHook{f: func(e StepEvent) error {
		if e.Step == 4 {
			for i := range m.frozen.Float32s() {
				m.frozen.Float32s()[i] = math.MaxFloat32 // which dropout scales up
			}
		}
		return nil
	}}).Fit(context.Background())
	last := filepath.Join(cfg.CheckpointDir, LastCheckpoint)
	c, err1 := ReadCheckpoint(last)
	if err1 != nil {
		t.Fatal(err1)
	}
	done := c.State.Step
	for _, want := range []string{fmt.Sprintf("train: step %d: the loss is NaN: ", done+1), " example", fmt.Sprintf("(the latest checkpoint, %s, is of step %d)", last, done)} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	counter, _ := c.tensors.Lookup("dropout.counter")
	if got := counter.Data.([]int64)[0]; got != int64(done) || done < 4 {
		t.Errorf("the checkpoint is of step %d and has drawn %d masks, want as many", done, got)
	}
}

func TestEarlyStopAndBest(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	cfg.Steps, cfg.Patience, cfg.EvalEvery, cfg.Monitor = 1000, 3, 2, Loss
	m := newTinyModel(mc, tensor.Float32)
	// After step 8 the rate is so high that things get worse.
	tr := newTrainer(t, cfg, m, train, val, stepHook{f: func(e StepEvent) error {
		if e.Step >= 8 {
			for i := range m.w2.Float32s() {
				m.w2.Float32s()[i] *= -2
			}
		}
		return nil
	}})
	r, err := tr.Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	best := slices.MinFunc(r.History, func(a, b Record) int {
		return int(math.Copysign(1, a.Val.Loss-b.Val.Loss))
	})
	if r.Reason != EarlyStop || !r.Best.equal(&best) || r.Steps != best.Step+3*2 {
		t.Errorf("%s after step %d, best %+v; want the best, %+v, and 3 evaluations more", r.Reason, r.Steps, r.Best, best)
	}
	if err := tr.LoadBest(); err != nil {
		t.Fatal(err)
	}
	if e, err := tr.Evaluate(context.Background(), val); err != nil || !reflect.DeepEqual(e, best.Val) {
		t.Errorf("the best checkpoint has %+v (%v), want %+v", e, err, best.Val)
	}
	c, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, BestCheckpoint))
	if err != nil || c.State.Step != best.Step || !c.State.Best.equal(&best) {
		t.Errorf("best checkpoint of step %d (%v), want %d", c.State.Step, err, best.Step)
	}
}

// clock is a clock that steps and evaluations move.
type clock struct {
	BaseHook
	at         time.Time
	step, eval time.Duration
}

func (c *clock) now() time.Time { return c.at }

func (c *clock) OnStep(StepEvent) error {
	c.at = c.at.Add(c.step)
	return nil
}

// slowData takes the time of an evaluation on a clock to read its first example.
type slowData struct {
	*tokenData
	c *clock
}

func (d slowData) Example(i int, row *task.Row) error {
	if i == 0 {
		d.c.at = d.c.at.Add(d.c.eval)
	}
	return d.tokenData.Example(i, row)
}

func TestSlowEvaluationsShortenTheRunAgain(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	cfg.Steps, cfg.MaxDuration, cfg.EvalEvery = 10000, Duration(200*time.Second), 25
	c := &clock{step: time.Second, eval: 20 * time.Second}
	var planned []int
	tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, slowData{val, c}, c, stepHook{f: func(e StepEvent) error {
		planned = append(planned, e.Steps)
		return nil
	}})
	c.at = time.Unix(0, 0)
	tr.now = c.now
	r, err := tr.Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	// A tenth of the time into the run there has been no evaluation: their cost
	// is a guess, and too low.
	if first := planned[22]; r.Reason != Finished || r.Steps >= first {
		t.Errorf("%s after %d steps; first planned %d", r.Reason, r.Steps, first)
	}
	if r.Elapsed > 200*time.Second || r.Elapsed < 150*time.Second {
		t.Errorf("the run took %v of %v", r.Elapsed, cfg.MaxDuration)
	}
}

func TestMaxDurationShortensTheRun(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	cfg.Steps, cfg.MaxDuration, cfg.EvalEvery = 10000, Duration(100*time.Second), 5
	run := func(c *clock, slow int) (*Result, []StepEvent) {
		t.Helper()
		var steps []StepEvent
		tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, slowData{val, c}, c, stepHook{f: func(e StepEvent) error {
			if e.Step == slow {
				c.step *= 10
			}
			steps = append(steps, e)
			return nil
		}})
		c.at = time.Unix(0, 0)
		tr.now = c.now
		r, err := tr.Fit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return r, steps
	}
	// After 10 seconds, 8 steps and an evaluation, 0.95 of the 90 seconds left,
	// less an evaluation, are enough for 59 steps of 1 s and 0.4 s each for the
	// evaluations.
	r, steps := run(&clock{step: time.Second, eval: 2 * time.Second}, 0)
	if r.Reason != Finished || r.Steps != 8+59 || steps[7].Steps != 10000 || steps[8].Steps != 67 {
		t.Errorf("%s after %d steps; planned %d, then %d", r.Reason, r.Steps, steps[7].Steps, steps[8].Steps)
	}
	if r.Elapsed < 90*time.Second || r.Elapsed > 100*time.Second {
		t.Errorf("the run took %v of %v", r.Elapsed, cfg.MaxDuration)
	}
	last := steps[len(steps)-1].LR
	if last != cfg.LR*cfg.Schedule.Min {
		t.Errorf("the last rate is %v, want %v: the end of the schedule", last, cfg.LR*cfg.Schedule.Min)
	}
	// If the machine then slows down, the time decides, and there is still an
	// evaluation at the end.
	r, _ = run(&clock{step: time.Second, eval: 2 * time.Second}, 30)
	end := r.History[len(r.History)-1]
	if r.Reason != TimeUp || r.Steps >= 67 || end.Step != r.Steps || r.Elapsed > 110*time.Second {
		t.Errorf("%s after %d steps and %v, last evaluation %+v", r.Reason, r.Steps, r.Elapsed, end)
	}
	// With time enough nothing changes.
	cfg.Steps = 40
	r, steps = run(&clock{step: time.Second, eval: 2 * time.Second}, 0)
	if r.Reason != Finished || r.Steps != 40 || steps[39].Steps != 40 {
		t.Errorf("%s after %d steps, planned %d", r.Reason, r.Steps, steps[39].Steps)
	}
}

func TestElapsedAddsUpOverResumes(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	c := &clock{at: time.Unix(0, 0), step: time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, c, stepHook{f: func(e StepEvent) error {
		if e.Step == 7 {
			cancel()
		}
		return nil
	}})
	tr.now = c.now
	if _, err := tr.Fit(ctx); err == nil {
		t.Fatal("not interrupted")
	}
	c.at = c.at.Add(time.Hour) // between the two parts
	tr = resumed(t, cfg, mc, train, val, c)
	tr.now = c.now
	r, err := tr.Fit(context.Background())
	if err != nil || r.Elapsed != tinySteps*time.Second {
		t.Errorf("elapsed %v (%v), want %v", r.Elapsed, err, tinySteps*time.Second)
	}
}

// failingHook fails in one method.
type failingHook struct {
	BaseHook
	in  string
	err error
}

func (h failingHook) fail(in string) error {
	if h.in == in {
		return h.err
	}
	return nil
}
func (h failingHook) OnStart(StartEvent) error           { return h.fail("start") }
func (h failingHook) OnStep(StepEvent) error             { return h.fail("step") }
func (h failingHook) OnEval(EvalEvent) error             { return h.fail("eval") }
func (h failingHook) OnCheckpoint(CheckpointEvent) error { return h.fail("checkpoint") }
func (h failingHook) OnEnd(EndEvent) error               { return h.fail("end") }

// endings collects what OnEnd was told.
type endings struct {
	BaseHook
	events []EndEvent
}

func (e *endings) OnEnd(ev EndEvent) error {
	e.events = append(e.events, ev)
	return nil
}

func TestHookErrorEndsTheRun(t *testing.T) {
	full := errors.New("disk full")
	for _, in := range []string{"start", "step", "eval", "checkpoint", "end"} {
		cfg, mc, train, val := tinyRun(t.TempDir())
		end := &endings{}
		tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, failingHook{in: in, err: full}, end)
		r, err := tr.Fit(context.Background())
		if r != nil || !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "train: ") {
			t.Errorf("%s: result %v, error %v", in, r, err)
		}
		if len(end.events) != 1 || in != "end" && end.events[0].Err != err {
			t.Errorf("%s: OnEnd was told %+v", in, end.events)
		}
	}
}

// filed is data of a file.
type filed struct{ *tokenData }

func (filed) Origin(i int) string { return fmt.Sprintf("data.tsv:%d", i+2) }

// What is wrong with an example is told with its number and where it is from,
// in training, validation and test data alike, and what has been trained until
// then is saved.
func TestDataErrorsNameTheExample(t *testing.T) {
	for _, c := range []struct {
		want  string
		kind  string // tokens, features, or positions: features with a label for each
		spoil func(*tokenData, *example)
	}{
		{"file does not exist", "tokens", func(d *tokenData, _ *example) { d.fail = map[int]error{17: os.ErrNotExist} }},
		{"target: want a number in [0, 3), or -1 to ignore it, got 3", "tokens", func(_ *tokenData, e *example) { e.Label = 3 }},
		{"target: want a number in [0, 3), or -1 to ignore it, got -2", "tokens", func(_ *tokenData, e *example) { e.Label = -2 }},
		{"target of step 2: want a number in [0, 3), or -1 to ignore it, got 9", "positions", func(_ *tokenData, e *example) { e.Labels[2] = 9 }},
		{"x of step 1: want a number in [0, 12), got 12", "tokens", func(_ *tokenData, e *example) { e.Tokens[1] = 12 }},
		{"x of step 2: want a number in [0, 12), got -1", "tokens", func(_ *tokenData, e *example) { e.Tokens[2] = -1 }},
		{"x[1] of step 2: want a finite number, got NaN", "features", func(_ *tokenData, e *example) { e.Features[5] = float32(math.NaN()) }},
		{"x[0] of step 0: want a finite number, got +Inf", "features", func(_ *tokenData, e *example) { e.Features[0] = float32(math.Inf(1)) }},
		{"x: want numbers of type float32, got int", "features", func(_ *tokenData, e *example) { e.Tokens = []int{0} }},
	} {
		for _, split := range []string{"training", "validation", "test"} {
			cfg, mc, train, val := tinyRun(t.TempDir())
			if c.kind != "tokens" {
				mc.Vocab, mc.Features, mc.Position = 0, 2, c.kind == "positions"
				train, val = train.asFeatures(tinyClasses), val.asFeatures(tinyClasses)
			}
			if c.kind == "features" {
				for _, d := range []*tokenData{train, val} {
					for i := range d.examples {
						d.examples[i].Label, d.examples[i].Labels = d.examples[i].Labels[0], nil
						d.lengths = append(d.lengths, len(d.examples[i].Features)/2)
					}
				}
			}
			bad := &tokenData{examples: slices.Clone(train.examples), lengths: train.lengths}
			if split != "training" {
				bad = &tokenData{examples: slices.Clone(val.examples), lengths: val.lengths}
			}
			e := &bad.examples[17]
			e.Tokens, e.Features, e.Labels = slices.Clone(e.Tokens), slices.Clone(e.Features), slices.Clone(e.Labels)
			c.spoil(bad, e)
			a, b := task.Dataset(train), task.Dataset(val)
			step, steps := "train: evaluation after step 5: ", 5
			switch split {
			case "training":
				a, step, steps = filed{bad}, "train: step ", -1
			case "validation":
				b = filed{bad}
			}
			tr := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), a, b)
			var err error
			if split == "test" {
				step = "train: Evaluate: "
				_, err = tr.Evaluate(context.Background(), filed{bad})
			} else {
				_, err = tr.Fit(context.Background())
			}
			if err == nil || !strings.Contains(err.Error(), "example 17 (data.tsv:19): "+c.want) || !strings.HasPrefix(err.Error(), step) {
				t.Errorf("%s: got error %v, want %q", split, err, c.want)
			}
			if split == "test" {
				continue
			}
			ck, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, LastCheckpoint))
			if err != nil {
				t.Fatal(err)
			}
			if ck.State.Step != tr.state.Step || steps > 0 && ck.State.Step != steps {
				t.Errorf("%s: %s: %d steps done, checkpoint of step %d", split, c.want, tr.state.Step, ck.State.Step)
			}
		}
	}
}

func TestLossThatIsNotFiniteNamesTheExample(t *testing.T) {
	nan := float32(math.NaN())
	d := filed{newTokenData(9, 3, 3, tinyVocab, tinyClasses, 1)}
	b := task.NewBatch(d)
	if err := b.Load([]int{5, 3, 8}, 4, 3); err != nil {
		t.Fatal(err)
	}
	s := &session{}
	s.out.Arrays = map[string]task.Array{"a": {Shape: tensor.Shape{1}, Float32s: []float32{nan}}, "logits": {Shape: tensor.Shape{4, 2}, Float32s: []float32{1, 2, nan, 3, 0, 0, 0, 0}}}
	if got, want := s.badRows(b), "the outputs are not finite of example 3 (data.tsv:5)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.out.Arrays["logits"] = task.Array{Shape: tensor.Shape{4, 2}, Float64s: []float64{1, math.NaN(), math.Inf(1), 3, 0, math.NaN(), 0, 0}}
	if got := s.badRows(b); got != "" {
		t.Errorf("all of them: got %q", got)
	}
}

func TestNewRejects(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	m := newTinyModel(mc, tensor.Float32)
	rate := -1.0
	badRate := newTinyModel(mc, tensor.Float32)
	badRate.nodes[0].LR = &rate
	empty := newTinyModel(mc, tensor.Float32)
	empty.nodes[2].Node = G.NewMatrix(G.NewGraph(), tensor.Float32, G.WithShape(1, 1), G.WithName("empty"))
	for want, f := range map[string]func(c *Config) (Model, task.Dataset, task.Dataset){
		"want BatchSize >= 1, got 0":        func(c *Config) (Model, task.Dataset, task.Dataset) { c.BatchSize = 0; return m, train, val },
		"WarmUp below the number of steps":  func(c *Config) (Model, task.Dataset, task.Dataset) { c.Schedule.WarmUp = 30; return m, train, val },
		"want a model, got nil":             func(*Config) (Model, task.Dataset, task.Dataset) { return nil, train, val },
		"training data: want a data set":    func(*Config) (Model, task.Dataset, task.Dataset) { return m, nil, val },
		"validation data: the data set is ": func(*Config) (Model, task.Dataset, task.Dataset) { return m, train, &tokenData{} },
		"Patience and the schedule Plateau": func(c *Config) (Model, task.Dataset, task.Dataset) { c.Patience = 1; return m, train, nil },
		"want dtype float64, as Config.DType says, got float32": func(c *Config) (Model, task.Dataset, task.Dataset) {
			c.DType = Float64
			return m, train, val
		},
		`parameter "hidden.weight": want LR >= 0, got -1`: func(*Config) (Model, task.Dataset, task.Dataset) { return badRate, train, val },
		`parameter "out.weight" has no value`:             func(*Config) (Model, task.Dataset, task.Dataset) { return empty, train, val },
	} {
		c := cfg
		model, a, b := f(&c)
		if _, err := New(c, model, a, b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

// brokenModel builds graphs that a function has spoilt.
type brokenModel struct {
	*tinyModel
	spoil func(*task.Graph) error
}

func (m brokenModel) Build(mode task.Mode, batch, length int) (*task.Graph, error) {
	g, err := m.tinyModel.Build(mode, batch, length)
	if err == nil {
		err = m.spoil(g)
	}
	return g, err
}

func TestBrokenGraphsAreErrors(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	node := func(g *task.Graph, dt tensor.Dtype, shape ...int) *G.Node {
		return G.NewTensor(g.G, dt, len(shape), G.WithShape(shape...), G.WithName("wrong"))
	}
	for want, spoil := range map[string]func(*task.Graph) error{
		"out of memory":               func(*task.Graph) error { return errors.New("out of memory") },
		"want a node Loss, got nil":   func(g *task.Graph) error { g.Loss = nil; return nil },
		`want input "x" to be int of`: func(g *task.Graph) error { g.Inputs[task.X] = node(g, tensor.Float32, 16, 24, 1); return nil },
		`want input "lengths" to be int of shape (16), as the data, got int of shape (15)`: func(g *task.Graph) error {
			g.Inputs[task.Lengths] = node(g, tensor.Int, 15)
			return nil
		},
		`want input "target" to be in`: func(g *task.Graph) error { g.Inputs[task.Target] = node(g, tensor.Int, 16, 24); return nil },
		`inputs: want one of the fields "x", "target", "lengths", got "y"`: func(g *task.Graph) error {
			g.Inputs["y"] = node(g, tensor.Int, 16)
			return nil
		},
		`want a node for input "x"`:  func(g *task.Graph) error { g.Inputs[task.X] = nil; return nil },
		`want a node for output "z"`: func(g *task.Graph) error { g.Outputs["z"] = nil; return nil },
		`got one for "y"`:            func(g *task.Graph) error { g.Ranges["y"] = task.Range{}; return nil },
		"want Loss to be a float":    func(g *task.Graph) error { g.Loss = g.Outputs[task.Logits]; return nil },
		`state "h": want two nodes`:  func(g *task.Graph) error { g.States = []task.State{{Name: "h"}}; return nil },
		`state "": want a name`:      func(g *task.Graph) error { g.States = []task.State{{}}; return nil },
		`state "h": want Out as In, float32 of shape (16, 2), got float32 of shape (16, 3)`: func(g *task.Graph) error {
			g.States = []task.State{{Name: "h", In: node(g, tensor.Float32, 16, 2), Out: g.Outputs[task.Logits]}}
			return nil
		},
		"want the model's 3 paramete": func(g *task.Graph) error { g.Params = g.Params[1:]; return nil },
		`want parameter 0 to be "hid`: func(g *task.Graph) error { g.Params[0].Name = "w"; return nil },
		`want parameter "fixed" to sh`: func(g *task.Graph) error {
			g.Params[1].Node = node(g, tensor.Float32, 8)
			return nil
		},
		"every parameter is frozen": func(g *task.Graph) error {
			for i := range g.Params {
				g.Params[i].Frozen = true
			}
			return nil
		},
		"training graph for batches (16, ": func(g *task.Graph) error {
			// A loss that does not depend on the parameters.
			var err error
			g.Loss, err = G.Sum(node(g, tensor.Float32, 3))
			return err
		},
	} {
		m := brokenModel{newTinyModel(mc, tensor.Float32), spoil}
		tr := newTrainer(t, cfg, m, train, val)
		_, err := tr.Fit(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "train: step 1: training graph for batches (16, ") {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestOnStepEvent(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	lr := 0.001
	m := newTinyModel(mc, tensor.Float32)
	m.nodes[2].LR = &lr
	before := floats(m.w2)
	var events []StepEvent
	c := &clock{at: time.Unix(0, 0), step: time.Second}
	tr := newTrainer(t, cfg, m, train, val, stepHook{f: func(e StepEvent) error {
		events = append(events, e)
		if e.Step == 1 {
			// The first update of Adam is the rate, up to eps, whatever the
			// gradient; the warm-up gives a third of it.
			for i, w := range floats(m.w2) {
				moved := math.Abs(w - before[i]*(1-lr/3*cfg.WeightDecay))
				if math.Abs(moved-lr/3) > 1e-5 && moved > 1e-7 {
					t.Errorf("element %d moved by %v, want %v", i, moved, lr/3)
				}
			}
		}
		return nil
	}}, c)
	tr.now = c.now
	if _, err := tr.Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	e := events[10] // the third batch of the third epoch, the first after an evaluation
	if e.Step != 11 || e.Steps != tinySteps || e.Epoch != 2.75 || e.Sequences == 0 || e.Train.Count != e.Batch.Count ||
		e.LR != cfg.LR*tr.schedule.Factor(10) || e.GradNorm <= 0 || e.Elapsed != 10*time.Second {
		t.Errorf("got %+v", e)
	}
	done, left, took := 11.0, 8.0, float64(10*time.Second)
	if want := time.Duration(took / done * left); e.Remaining != want {
		t.Errorf("remaining %v, want %v", e.Remaining, want)
	}
	sequences := 0
	for _, e := range events[:4] {
		sequences += e.Sequences
	}
	if sequences != train.Len() {
		t.Errorf("%d sequences in the first epoch, want %d", sequences, train.Len())
	}
}
