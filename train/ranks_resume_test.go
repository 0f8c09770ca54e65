package train

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"gorgonia.org/tensor"
)

// stopAt is a context for a rank that ends after so many steps of another.
func stopAt(step int, cancel context.CancelFunc) Hook {
	return stepHook{f: func(e StepEvent) error {
		if e.Step == step {
			cancel()
		}
		return nil
	}}
}

// Runs go on with other numbers of ranks, from what rank 0 has saved, and end as the
// unbroken run.
func TestResumeOnOtherNumbersOfRanks(t *testing.T) {
	r := rankRuns()["labels of steps"]
	r.cfg.EvalEvery = 10
	want := r.on(t, 1)[0]
	if want.err != nil {
		t.Fatal(want.err)
	}
	for _, numbers := range [][]int{{4, 2, 1}, {1, 3, 4}} {
		r := r
		r.cfg.CheckpointDir = t.TempDir()
		var last ended
		for i, n := range numbers {
			ctx, cancel := context.WithCancelCause(context.Background())
			enough := errors.New("enough")
			r.change = func(rank int, own *rankRun) {
				if stop := 33 * (i + 1); rank == 0 && i+1 < len(numbers) {
					own.hooks = append(own.hooks, stopAt(stop, func() { cancel(enough) }))
				}
				if rank == n-1 { // it is this one that is told to stop
					own.ctx = ctx
				}
			}
			ends := r.on(t, n)
			cancel(nil)
			last = ends[0]
			r.from = filepath.Join(r.cfg.CheckpointDir, LastCheckpoint)
			for rank, e := range ends {
				if i+1 == len(numbers) {
					if e.err != nil {
						t.Fatal(e.err)
					}
					continue
				}
				var in *InterruptedError
				// A step that is under way when the context ends is done, and another for
				// which the rank has voted already.
				if !errors.As(e.err, &in) || in.Step < 33*(i+1) || in.Step > 33*(i+1)+2 || in.Checkpoint != r.from || e.err.Error() != ends[0].err.Error() {
					t.Fatalf("rank %d of %d: got error %v", rank, n, e.err)
				}
				if rank == n-1 && !errors.Is(e.err, enough) {
					t.Errorf("rank %d of %d: error %v does not unwrap to the cause", rank, n, e.err)
				}
				if rank == 0 && n > 1 && !strings.Contains(e.err.Error(), "(rank 3: enough)") && !strings.Contains(e.err.Error(), "(rank 1: enough)") && !strings.Contains(e.err.Error(), "(rank 2: enough)") {
					t.Errorf("error %v does not say which rank was told to stop", e.err)
				}
			}
		}
		if err := near(last.numbers(t), want.numbers(t), ranksTolerance); err != nil {
			t.Errorf("%d ranks: %v", numbers, err)
		}
		if err := near(flat(last.result.History), flat(want.result.History), ranksTolerance); err != nil {
			t.Errorf("%d ranks: evaluations: %v", numbers, err)
		}
	}
}

// States go from batch to batch on ranks as on one process, and are handed over when
// another number of ranks goes on, whatever the micro-batches.
func TestStreamsOfRanks(t *testing.T) {
	data := streams(t, 6)
	train := func(n, micro int, dir, from string, stop int) (*Trainer, error) {
		var first *Trainer
		errs := onRanks(t, n, func(g Group) error {
			cfg := streamConfig("")
			cfg.BatchSize, cfg.MicroBatch, cfg.LR, cfg.EvalBatchSize = 6, micro, 0.05, 6
			if dir != "" {
				cfg.CheckpointDir = dir
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			tr, err := New(cfg, newLeaky(), data, data, WithGroup(g, GroupConfig{}), WithHooks(stopAt(stop, cancel)))
			if err != nil {
				return err
			}
			defer tr.Close()
			if g.Rank() == 0 {
				first = tr
				if from != "" {
					c, err := ReadCheckpoint(from)
					if err == nil {
						err = tr.Resume(c)
					}
					if err != nil {
						return err
					}
				}
			}
			_, err = tr.Fit(ctx)
			return err
		})
		for rank, err := range errs {
			if stop > 0 != errors.As(err, new(*InterruptedError)) || stop == 0 && err != nil {
				t.Errorf("rank %d of %d: got error %v", rank, n, err)
			}
		}
		return first, errs[0]
	}
	want, _ := train(1, 0, t.TempDir(), "", 0)
	for micro, numbers := range map[int][][]int{0: {{2, 3, 1}, {1, 2, 3}}, 1: {{3, 1, 2}}, 2: {{1, 3, 1}}} { // no row only fills: this model counts it
		for _, n := range numbers {
			dir := t.TempDir()
			from := filepath.Join(dir, LastCheckpoint)
			_, _ = train(n[0], micro, dir, "", 3)
			c, err := ReadCheckpoint(from)
			if err != nil {
				t.Fatal(err)
			}
			states := c.own(stateTensor)
			if parts := 6 / max(1, micro); micro > 0 && len(states) != parts || micro == 0 && len(states) != 1 {
				t.Fatalf("%d ranks: %d states, want those of one process with micro-batches of %d", n[0], len(states), micro)
			}
			_, _ = train(n[1], micro, dir, from, 8)
			got, _ := train(n[2], micro, dir, from, 0)
			if err := near(floats(got.model.(*leaky).w), floats(want.model.(*leaky).w), ranksTolerance); err != nil {
				t.Errorf("%d ranks, micro-batches of %d: %v", n, micro, err)
			}
			if err := near(flat(got.state.History), flat(want.state.History), ranksTolerance); err != nil {
				t.Errorf("%d ranks, micro-batches of %d: evaluations: %v", n, micro, err)
			}
		}
	}
}

// States whose first axis is not the rows of a batch cannot be shared by ranks.
func TestStreamsThatCannotBeShared(t *testing.T) {
	whole := []*carry{newCarry()}
	whole[0].now["h"] = task.Array{Shape: tensor.Shape{3, 4}, Float64s: make([]float64, 12)}
	cfg := streamConfig("")
	for rank, err := range onRanks(t, 2, func(g Group) error {
		tr, err := New(cfg, newLeaky(), streams(t, 4), nil, WithGroup(g, GroupConfig{}))
		if err != nil {
			return err
		}
		defer tr.Close()
		if g.Rank() == 0 {
			tr.ranks.streams, tr.ranks.fresh = whole, true
		}
		_, err = tr.Fit(context.Background())
		return err
	}) {
		if want := `state "h": want the rows of a batch, 4, as the first axis, to be shared by ranks, got float64 of shape (3, 4)`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rank %d: got error %v, want one with %q", rank, err, want)
		}
	}
}

// Streams have a row on one rank each, and batches of them no row that only fills.
func TestStreamsWantAllRanksAlike(t *testing.T) {
	for rank, err := range onRanks(t, 3, func(g Group) error {
		tr, err := New(streamConfig(""), newLeaky(), rowsOf{streams(t, 4), 4}, nil, WithGroup(g, GroupConfig{}))
		if err != nil {
			return err
		}
		defer tr.Close()
		_, err = tr.Fit(context.Background())
		return err
	}) {
		if want := `the graph carries the state "h" from batch to batch: want a batch of 4 streams on ranks that divide it, got 3`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rank %d: got error %v, want one with %q", rank, err, want)
		}
	}
}

// All ranks have the best parameters, of the file that rank 0 has.
func TestLoadBestOnAllRanks(t *testing.T) {
	cfg, mc, train, val, first := spoiledRun(t)
	best, err := ReadCheckpoint(filepath.Join(cfg.CheckpointDir, BestCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := best.tensors.Lookup("out.weight")
	for rank, err := range onRanks(t, 3, func(g Group) error {
		own := cfg
		if g.Rank() > 0 {
			own.CheckpointDir = ""
		}
		m := newTinyModel(mc, cfg.DType.Tensor())
		tr, err := New(own, m, train, val, WithGroup(g, GroupConfig{}), WithMetrics(Accuracy()))
		if err != nil {
			return err
		}
		defer tr.Close()
		if g.Rank() == 0 {
			tr.state.Best = first.Best
		}
		if err := tr.LoadBest(); err != nil {
			return err
		}
		if !slices.Equal(m.w2.Float32s(), want.Data.([]float32)) {
			t.Errorf("rank %d has other parameters", g.Rank())
		}
		if g.Rank() == 0 {
			tr.dir.dir = t.TempDir()
		}
		return tr.LoadBest()
	}) {
		if want := "train: rank 0: checkpoint "; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("rank %d: got error %v, want %q", rank, err, want)
		}
	}
}

// The clock of rank 0 decides when the time is up, and how many steps it will do for.
func TestClockOfRankZero(t *testing.T) {
	r := rankRuns()["labels of sequences"]
	r.cfg.Steps, r.cfg.MaxDuration, r.cfg.Schedule = 10000, Duration(100*time.Second), Schedule{Kind: Cosine}
	ends := make([]*Result, 3)
	for rank, err := range onRanks(t, 3, func(g Group) error {
		tr, err := New(r.cfg, newTinyModel(r.mc, tensor.Float64), r.train, r.val, WithGroup(g, GroupConfig{}))
		if err != nil {
			return err
		}
		defer tr.Close()
		now := time.Unix(0, 0)
		tr.now = func() time.Time { // a second at a time on rank 0, an hour elsewhere
			if now = now.Add(time.Second); g.Rank() > 0 {
				now = now.Add(time.Hour)
			}
			return now
		}
		ends[g.Rank()], err = tr.Fit(context.Background())
		return err
	}) {
		if err != nil {
			t.Fatalf("rank %d: %v", rank, err)
		}
		if e := ends[rank]; e.Steps != ends[0].Steps || e.Elapsed != ends[0].Elapsed || e.Steps < 10 || e.Steps > 100 {
			t.Errorf("rank %d: %d steps in %v, rank 0 %d in %v", rank, e.Steps, e.Elapsed, ends[0].Steps, ends[0].Elapsed)
		}
	}
}

// drifting is a model with a buffer that each graph moves by the rows that it has.
type drifting struct {
	*tinyModel
	mean, fixed *tensor.Dense
}

func newDrifting(mc tinyConfig) drifting {
	return drifting{newTinyModel(mc, tensor.Float64), tensor.New(tensor.WithShape(1), tensor.WithBacking([]float32{0.1})),
		tensor.New(tensor.WithShape(2), tensor.WithBacking([]float64{0.1, 1e300}))}
}

func (m drifting) Buffers() []param.Buffer {
	return append(m.tinyModel.Buffers(), param.Buffer{Name: "mean", Value: m.mean}, param.Buffer{Name: "constant", Value: m.fixed})
}

func (m drifting) Build(mode task.Mode, batch, length int) (*task.Graph, error) {
	g, err := m.tinyModel.Build(mode, batch, length)
	if count := g.Count; mode == task.Training {
		g.Count = func(b *task.Batch) float64 {
			for _, i := range b.Examples {
				m.mean.Float32s()[0] += float32(i+1) / 1024 / float32(len(b.Examples))
			}
			return count(b)
		}
	}
	return g, err
}

// Buffers of floats are the mean over the ranks, weighted by their examples, and what
// does not change stays as it is to the bit.
func TestBuffersAreMeansOverRanks(t *testing.T) {
	r := rankRuns()["labels of sequences"]
	r.cfg.Steps, r.cfg.EvalEvery, r.cfg.Schedule = 24, 24, Schedule{}
	means := make([]float32, 5)
	for n := 1; n <= 4; n++ {
		models := make([]drifting, n)
		r.change = func(rank int, own *rankRun) {
			models[rank] = newDrifting(r.mc)
			own.model = models[rank]
		}
		for rank, e := range r.on(t, n) {
			if e.err != nil {
				t.Fatal(e.err)
			}
			if m := models[rank]; m.mean.Float32s()[0] != models[0].mean.Float32s()[0] || !slices.Equal(m.fixed.Float64s(), []float64{0.1, 1e300}) {
				t.Errorf("rank %d of %d: buffers %v, %v", rank, n, m.mean, m.fixed)
			}
		}
		means[n] = models[0].mean.Float32s()[0]
		if d := means[n] - means[1]; d > 1e-5 || d < -1e-5 || means[n] < 0.2 {
			t.Errorf("%d ranks: a mean of %v, of one process %v", n, means[n], means[1])
		}
	}
}
