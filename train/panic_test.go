package train

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
)

// bomb goes off in what a run is made of: wherever its name is hit for the n-th
// time.
type bomb struct {
	name string
	left atomic.Int64
}

func (b *bomb) hit(name string) {
	if b.name == name && b.left.Add(-1) == 0 {
		panic("boom")
	}
}

type bombMetric struct {
	Metric
	*bomb
}

func (m bombMetric) New() Metric { return bombMetric{m.Metric.New(), m.bomb} }

func (m bombMetric) Add(out *task.Outputs, b *task.Batch) error {
	m.hit("metric")
	return m.Metric.Add(out, b)
}

type bombOptimizer struct {
	*AdamW
	*bomb
}

// Update panics half way through the parameters.
func (o bombOptimizer) Update(ps []Learned, factor float64) error {
	before := ps[0].Value.Float32s[0]
	ps[0].Value.Float32s[0] = 1e9
	o.hit("optimiser")
	ps[0].Value.Float32s[0] = before
	return o.AdamW.Update(ps, factor)
}

type bombData struct {
	task.Dataset
	*bomb
}

func (d bombData) Example(i int, row *task.Row) error {
	d.hit("data")
	return d.Dataset.Example(i, row)
}

type bombModel struct {
	*tinyModel
	*bomb
}

func (m bombModel) Build(mode task.Mode, batch, length int) (*task.Graph, error) {
	m.hit(fmt.Sprintf("%v graph", mode))
	g, err := m.tinyModel.Build(mode, batch, length)
	if count := g.Count; err == nil {
		g.Count = func(b *task.Batch) float64 {
			m.hit("count")
			return count(b)
		}
	}
	return g, err
}

type bombHook struct {
	BaseHook
	*bomb
}

func (h bombHook) OnStart(StartEvent) error           { h.hit("start"); return nil }
func (h bombHook) OnStep(StepEvent) error             { h.hit("step"); return nil }
func (h bombHook) OnEval(EvalEvent) error             { h.hit("eval"); return nil }
func (h bombHook) OnCheckpoint(CheckpointEvent) error { h.hit("checkpoint"); return nil }
func (h bombHook) OnEnd(EndEvent) error               { h.hit("end"); return nil }

// bombed makes a trainer of parts that share a bomb.
func bombed(t *testing.T, b *bomb, cfg Config, mc tinyConfig, train, val task.Dataset, hooks ...Hook) *Trainer {
	t.Helper()
	m := newTinyModel(mc, tensor.Float32)
	opt := NewAdamW(ParamGroups(m.Params(), LR(cfg.LR), WeightDecay(cfg.WeightDecay)))
	tr, err := New(cfg, bombModel{m, b}, bombData{train, b}, val, WithMetrics(bombMetric{Accuracy(), b}),
		WithOptimizer(bombOptimizer{opt, b}), WithHooks(append(hooks, bombHook{bomb: b})...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// A panic in a part that the trainer is given is an error that says where, and
// loses nothing: the run that goes on from the checkpoint is the one that it
// would have been.
func TestPanicsLoseNothing(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	l := &losses{}
	tr := bombed(t, new(bomb), cfg, mc, train, val, l)
	r, err := tr.Fit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := outcomeOf(t, tr, r, l.loss)
	for _, c := range []struct {
		name string
		at   int64
		want string
	}{
		{"metric", 8, `train: step 6: in the batch of examples `},
		{"optimiser", 7, `optimiser: a panic at panic_test.go:`},
		{"data", 61 + 1 + 5*16, `train: step `},
		{"count", 5, `the graph's Count: a panic at panic_test.go:`},
		{"evaluation graph", 1, `train: evaluation after step 5: evaluation graph for batches (20, `},
		{"step", 4, `train: step 4: a panic at panic_test.go:`},
		{"eval", 2, `train: after the evaluation at step 10: a panic at panic_test.go:`},
		{"checkpoint", 2, `train: after the checkpoint at step 5: a panic at panic_test.go:`},
		{"end", 1, `train: at the end of the run: a panic at panic_test.go:`},
	} {
		cfg.CheckpointDir = t.TempDir()
		b := &bomb{name: c.name}
		b.left.Store(c.at)
		first, rest := &losses{}, &losses{}
		_, err := bombed(t, b, cfg, mc, train, val, first).Fit(context.Background())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "a panic at panic_test.go:") {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
			continue
		}
		tr := bombed(t, new(bomb), cfg, mc, train, val, rest)
		cp, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, LastCheckpoint))
		if err == nil {
			err = tr.Resume(cp)
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Fit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomeOf(t, tr, r, append(first.loss, rest.loss...)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v\nunbroken:\n%+v", c.name, got, want)
		}
	}
	b := &bomb{name: "start"}
	b.left.Store(1)
	cfg.CheckpointDir = t.TempDir()
	if _, err := bombed(t, b, cfg, mc, train, val).Fit(context.Background()); err == nil || !strings.Contains(err.Error(), "train: at the start of the run: a panic at panic_test.go:") {
		t.Errorf("got error %v", err)
	}
}

type noMetric struct{ Metric }

func (noMetric) New() Metric { return nil }

func TestMetricWithoutNew(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	_, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithMetrics(noMetric{Accuracy()}))
	if want := `metric "accuracy": want its New to return a metric, got nil`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}
