package train

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/task"
)

var errSpoiled = errors.New("spoiled")

// failingData fails, once it has been read so often.
type failingData struct {
	task.Dataset
	left atomic.Int64
}

func (d *failingData) Example(i int, row *task.Row) error {
	if d.left.Add(-1) < 0 {
		return errSpoiled
	}
	return d.Dataset.Example(i, row)
}

// spoilMetric does something to a run when it is given a batch for the n-th time.
type spoilMetric struct {
	Metric
	left *int
	do   func() error
}

func (m spoilMetric) New() Metric { return spoilMetric{m.Metric.New(), m.left, m.do} }

func (m spoilMetric) Add(out *task.Outputs, b *task.Batch) error {
	if *m.left--; *m.left == 0 {
		if err := m.do(); err != nil {
			return err
		}
	}
	return m.Metric.Add(out, b)
}

// graphsModel keeps the graph that it has built last for training.
type graphsModel struct {
	*tinyModel
	last *task.Graph
}

func (m *graphsModel) Build(mode task.Mode, batch, length int) (*task.Graph, error) {
	g, err := m.tinyModel.Build(mode, batch, length)
	if mode == task.Training {
		m.last = g
	}
	return g, err
}

// failures are what can go wrong on one rank of a run, in a step or an evaluation.
func failures() map[string]func(t *testing.T, own *rankRun) (want string) {
	onBatch := func(own *rankRun, n int, do func() error) {
		own.metrics = []Metric{spoilMetric{Accuracy(), &n, do}}
	}
	return map[string]func(t *testing.T, own *rankRun) string{
		"data": func(_ *testing.T, own *rankRun) string {
			d := &failingData{Dataset: own.train}
			d.left.Store(1 + 61 + 20)
			own.train = d
			return "step %d: example "
		},
		"metric": func(_ *testing.T, own *rankRun) string {
			onBatch(own, 8, func() error { return errSpoiled })
			return `in the batch of examples `
		},
		"panic of a metric": func(_ *testing.T, own *rankRun) string {
			onBatch(own, 8, func() error { panic("boom") })
			return `metric "accuracy": a panic at ranks_fail_test.go:`
		},
		"parameter": func(_ *testing.T, own *rankRun) string {
			m := own.model.(*tinyModel)
			onBatch(own, 3, func() error { m.w1.Float32s()[5] = float32(math.NaN()); return nil })
			return `parameter "hidden.weight" is NaN at element 5`
		},
		"gradient": func(_ *testing.T, own *rankRun) string {
			m := &graphsModel{tinyModel: own.model.(*tinyModel)}
			own.model = m
			onBatch(own, 3, func() error {
				g, err := m.last.Params[2].Node.Grad()
				if err == nil {
					g.Data().([]float32)[4] = float32(math.Inf(-1))
				}
				return err
			})
			return `gradient of parameter "out.weight" is -Inf at element 4`
		},
		"evaluation": func(_ *testing.T, own *rankRun) string {
			b := &bomb{name: "evaluation graph"}
			b.left.Store(1)
			own.model = bombModel{own.model.(*tinyModel), b}
			return "evaluation after step 5: evaluation graph for batches "
		},
		"validation data": func(_ *testing.T, own *rankRun) string {
			d := &failingData{Dataset: own.val}
			d.left.Store(1 + 33 + 2)
			own.val = d
			return "evaluation after step 5: example "
		},
		"optimiser": func(_ *testing.T, own *rankRun) string {
			b := &bomb{name: "optimiser"}
			b.left.Store(4)
			m := own.model.(*tinyModel)
			own.opts = append(own.opts, WithOptimizer(bombOptimizer{NewAdamW(ParamGroups(m.Params())), b}))
			return "optimiser: a panic at panic_test.go:"
		},
	}
}

// leaderFailures are what can go wrong on rank 0 alone.
func leaderFailures() map[string]func(t *testing.T, own *rankRun) string {
	hook := func(in, want string) func(*testing.T, *rankRun) string {
		return func(_ *testing.T, own *rankRun) string {
			own.hooks = append(own.hooks, failingHook{in: in, err: errSpoiled})
			return want
		}
	}
	return map[string]func(t *testing.T, own *rankRun) string{
		"start":      hook("start", "train: rank 0: at the start of the run: spoiled"),
		"step":       hook("step", "train: rank 0: step "),
		"eval":       hook("eval", "train: rank 0: after the evaluation at step "),
		"checkpoint": hook("checkpoint", "train: rank 0: after the checkpoint at step "),
		"end":        hook("end", "train: rank 0: at the end of the run: spoiled"),
	}
}

// checkEnds wants an error on all ranks, the same, that names the rank at fault.
func checkEnds(t *testing.T, ends []ended, at int, want string) {
	t.Helper()
	for rank, e := range ends {
		var of *RankError
		switch {
		case e.err == nil || !strings.Contains(e.err.Error(), want):
			t.Errorf("rank %d of %d, rank %d is at fault: got error %v, want %q", rank, len(ends), at, e.err, want)
		case !errors.As(e.err, &of) || of.Rank != at || !strings.HasPrefix(e.err.Error(), fmt.Sprintf("train: rank %d: ", at)):
			t.Errorf("rank %d of %d: got error %v, want that of rank %d", rank, len(ends), e.err, at)
		case e.err.Error() != ends[0].err.Error():
			t.Errorf("rank %d of %d: got error %v, rank 0 %v", rank, len(ends), e.err, ends[0].err)
		}
	}
}

// Whatever fails on one rank ends all, with an error that names it, and loses nothing:
// the run that goes on from what rank 0 has saved is the one that it would have been.
func TestFailureOfARankEndsAll(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	cfg.Steps = 12
	plain := run{cfg: cfg, mc: mc, train: train, val: val}
	bombs := func(_ int, own *rankRun) { // the kind of optimiser is one for all
		own.opts = append(own.opts, WithOptimizer(bombOptimizer{NewAdamW(ParamGroups(own.model.Params())), new(bomb)}))
	}
	outcomeThen := func(e ended, losses []float64) outcome {
		if e.err != nil {
			t.Fatal(e.err)
		}
		return outcomeOf(t, e.trainer, e.result, losses)
	}
	wanted := make(map[bool]outcome) // with an optimiser of the caller's
	for _, optimizer := range []bool{false, true} {
		r := plain
		if optimizer {
			r.change = bombs
		}
		r.cfg.CheckpointDir = t.TempDir()
		whole := r.on(t, 3)[0]
		wanted[optimizer] = outcomeThen(whole, whole.losses)
	}
	before := runtime.NumGoroutine() // with those that serve all of the process
	check := func(t *testing.T, at int, fail func(t *testing.T, own *rankRun) string, optimizer bool) {
		r, want := plain, wanted[optimizer]
		change := func(int, *rankRun) {}
		if optimizer {
			change = bombs
		}
		r.cfg.CheckpointDir = t.TempDir()
		text := make([]string, 3)
		r.change = func(rank int, own *rankRun) {
			if rank == at {
				text[rank] = fail(t, own)
			} else {
				change(rank, own)
			}
		}
		ends := r.on(t, 3)
		first := ends[0].losses
		if strings.Contains(text[at], "%d") {
			text[at] = fmt.Sprintf(text[at], len(first)+1)
		}
		checkEnds(t, ends, at, text[at])
		if bad := new(NonFiniteError); strings.Contains(text[at], "parameter") {
			for rank, e := range ends {
				if !errors.As(e.err, &bad) || !strings.Contains(text[at], bad.Param) {
					t.Errorf("rank %d: %v unwraps to no NonFiniteError of that parameter", rank, e.err)
				}
			}
		}
		r.change, r.from = change, filepath.Join(r.cfg.CheckpointDir, LastCheckpoint)
		c, err := ReadCheckpoint(r.from)
		if err != nil {
			t.Fatal(err)
		}
		first = first[:min(len(first), c.State.Step)] // where a step was not saved it is done again
		rest := r.on(t, 3)[0]
		if got := outcomeThen(rest, append(first, rest.losses...)); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
	for name, fail := range failures() {
		for at := range 3 {
			t.Run(fmt.Sprintf("%s of rank %d", name, at), func(t *testing.T) { check(t, at, fail, name == "optimiser") })
		}
	}
	for name, fail := range leaderFailures() {
		t.Run(name, func(t *testing.T) { check(t, 0, fail, false) })
	}
	settle(t, before)
}

// settle waits until there are no more goroutines than before.
func settle(t *testing.T, before int) {
	t.Helper()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before: %s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}
