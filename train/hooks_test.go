package train

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/strictjson"
)

// scored are metrics with an accuracy.
func scored(loss, accuracy float64) Metrics {
	return Metrics{Loss: loss, Scores: []Score{{"accuracy", accuracy}}}
}

// show tells a Progress of a short run.
func show(t *testing.T, p *Progress) {
	t.Helper()
	step := func(n, steps int, at time.Duration) StepEvent {
		return StepEvent{
			Step: n, Steps: steps, Epoch: float64(n) / 10, Sequences: 32, LR: 0.004,
			Batch: scored(9, 0.5), Train: scored(2.30259, 0.125),
			Duration: 500 * time.Millisecond, Elapsed: at, Remaining: 62*time.Second + 400*time.Millisecond,
		}
	}
	best := Record{Step: 5, Train: scored(2, 0.25), Val: scored(1.75, 0.375)}
	for i, err := range []error{
		p.OnStart(StartEvent{Steps: 40, Metrics: []Metric{Accuracy()}}),
		p.OnStep(step(1, 40, time.Second)),
		p.OnStep(step(2, 40, 5*time.Second)), // too soon for a line
		p.OnStep(step(3, 40, 11*time.Second)),
		p.OnStep(step(4, 30, 12*time.Second)),
		p.OnEval(EvalEvent{Record: best, Best: true, Duration: 1234567 * time.Microsecond}),
		p.OnCheckpoint(CheckpointEvent{Path: "last.json", Step: 5}),
		p.OnStep(step(6, 30, 21*time.Second)),
		p.OnEnd(EndEvent{Result: &Result{Reason: EarlyStop, Steps: 6, Best: &best, Elapsed: 83 * time.Second}}),
	} {
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
}

func TestProgressWritesLinesWhenPiped(t *testing.T) {
	var out bytes.Buffer
	show(t, NewProgress(&out))
	const want = `step 1/40  epoch 0.10  loss 2.3026  acc 12.5 %  lr 0.004  64 samples/s  1m2s left
step 3/40  epoch 0.30  loss 2.3026  acc 12.5 %  lr 0.004  64 samples/s  1m2s left
there is time for 30 steps
evaluation at step 5  train loss 2.0000 acc 25.0 %  val loss 1.7500 acc 37.5 %  1.235s  best so far
step 6/30  epoch 0.60  loss 2.3026  acc 12.5 %  lr 0.004  64 samples/s  1m2s left
early stop after 6 steps in 1m23s
best validation: loss 1.7500 acc 37.5 % at step 5
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	p := NewProgress(&out)
	if err := errors.Join(p.OnStart(StartEvent{Resumed: true, Step: 7, Steps: 40}), p.OnEnd(EndEvent{Err: errors.New("disk full")})); err != nil {
		t.Fatal(err)
	}
	if want := "resumed after step 7 of 40\n"; out.String() != want {
		t.Errorf("got %q, want %q: the caller tells the error", out.String(), want)
	}
}

func TestProgressDrawsABarOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	p.isTerminal = func() bool { return true }
	show(t, p)
	for _, want := range []string{"2% |", "|  1/40  loss 2.303  acc 12.5 %  64 samples/s  1m2s left", "|  2/40 ", "20% |██", "|  6/30 ",
		"\revaluation at step 5", "\rearly stop after 6 steps"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%q", want, out.String())
		}
	}
	if strings.Contains(out.String(), "epoch") {
		t.Errorf("a line for pipes in\n%q", out.String())
	}
}

func TestProgressFitsTheTerminal(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	p.isTerminal = func() bool { return true }
	p.columns = func() int { return barFrame + len("1/40  loss 2.303") }
	show(t, p)
	if got := out.String(); !strings.Contains(got, "|  1/40  loss 2.303 ") || strings.Contains(got, "acc 12.5 %  64") {
		t.Errorf("want the text cut off behind the loss, got\n%q", got)
	}
}

func TestPaceIsReadable(t *testing.T) {
	for want, p := range map[string]pace{
		"- samples/s":     {},
		"1.23 samples/s":  {sequences: 12.345, seconds: 10},
		"145 samples/s":   {sequences: 290, seconds: 2},
		"14812 samples/s": {sequences: 14812, seconds: 1},
	} {
		if p.String() != want {
			t.Errorf("got %q, want %q", p.String(), want)
		}
	}
}

// brokenPipe fails to write.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestProgressDoesNotStopTheRun(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	if _, err := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, NewProgress(brokenPipe{})).Fit(context.Background()); err != nil {
		t.Error(err)
	}
}

// metricsLines reads JSON lines without the times.
func metricsLines(t *testing.T, path string) []MetricsLine {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []MetricsLine
	for _, text := range strings.SplitAfter(string(b), "\n") {
		if text == "" {
			continue
		}
		var l MetricsLine
		if err := strictjson.Decode([]byte(text), &l); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		l.Seconds, l.Elapsed = 0, 0
		lines = append(lines, l)
	}
	return lines
}

// table reads the CSV file without the times.
func table(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i] = rows[i][:len(rows[i])-1]
	}
	return rows
}

func TestMetricsFile(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	path := filepath.Join(t.TempDir(), "new", "metrics.jsonl")
	l := &losses{}
	r, err := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, NewMetricsFile(path), l).Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	steps, evals := 0, 0
	for _, line := range metricsLines(t, path) {
		switch line.Kind {
		case StepLine:
			if steps++; line.Step != steps || line.Batch.Loss != l.loss[steps-1] || *line.GradNorm <= 0 || line.Train != nil {
				t.Errorf("step %d: got %+v, want loss %v", steps, line, l.loss[steps-1])
			}
		case EvalLine:
			if want := r.History[evals]; line.Step != want.Step || !reflect.DeepEqual(*line.Val, want.Val) || !reflect.DeepEqual(*line.Train, want.Train) || line.Batch != nil {
				t.Errorf("evaluation %d: got %+v, want %+v", evals, line, want)
			}
			evals++
		}
	}
	if steps != tinySteps || evals != len(r.History) {
		t.Errorf("%d steps, %d evaluations, want %d, %d", steps, evals, tinySteps, len(r.History))
	}
	rows := table(t, filepath.Join(filepath.Dir(path), "metrics.csv"))
	columns := []string{"step", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "elapsed_s"}
	if len(rows) != 1+len(r.History) || !reflect.DeepEqual(rows[0], columns[:len(columns)-1]) || rows[1][0] != "5" {
		t.Errorf("table\n%v", rows)
	}
}

// A run that is killed after its last checkpoint and then resumed leaves the
// same metrics as one that is not.
func TestMetricsFileResumes(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "metrics.jsonl")
	cfg, mc, train, val := tinyRun(t.TempDir())
	if _, err := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, NewMetricsFile(whole)).Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	killed := errors.New("killed")
	for stop := 4; stop < tinySteps; stop += 3 {
		cfg.CheckpointDir = t.TempDir()
		path := filepath.Join(cfg.CheckpointDir, "metrics.jsonl")
		_, err := newTrainer(t, cfg, newTinyModel(mc, tensor.Float32), train, val, NewMetricsFile(path), stepHook{f: func(e StepEvent) error {
			if e.Step == stop {
				return killed
			}
			return nil
		}}).Fit(context.Background())
		if !errors.Is(err, killed) {
			t.Fatal(err)
		}
		// A line that was being written.
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"kind":"step","ste`); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if _, err := resumed(t, cfg, mc, train, val, NewMetricsFile(path)).Fit(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got, want := metricsLines(t, path), metricsLines(t, whole); !reflect.DeepEqual(got, want) {
			t.Fatalf("killed after step %d:\n%s\nwhole:\n%s", stop, asJSON(got), asJSON(want))
		}
		csvOf := func(path string) string { return strings.TrimSuffix(path, ".jsonl") + ".csv" }
		if got, want := table(t, csvOf(path)), table(t, csvOf(whole)); !reflect.DeepEqual(got, want) {
			t.Fatalf("killed after step %d:\n%v\nwhole:\n%v", stop, got, want)
		}
	}
}

func asJSON(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestMetricsFileRefusesToReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	if err := os.WriteFile(path, []byte("{\"kind\":\"step\",\"step\":1}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := NewMetricsFile(path)
	if err := m.OnStart(StartEvent{}); err == nil || !strings.Contains(err.Error(), path+" exists") {
		t.Errorf("got error %v", err)
	}
	if err := errors.Join(m.OnStart(StartEvent{Config: Config{Overwrite: true}}), m.OnEnd(EndEvent{})); err != nil {
		t.Fatal(err)
	}
	if got := metricsLines(t, path); len(got) != 0 {
		t.Errorf("the old lines are still there: %v", got)
	}
	if err := NewMetricsFile("table.csv").OnStart(StartEvent{}); err == nil || !strings.Contains(err.Error(), "want another extension") {
		t.Errorf("got error %v", err)
	}
}
