package models_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// ran is what a training graph gave.
type ran struct {
	count  float64
	output []float64
	grads  [][]float64 // of the mean loss, by the parameters
	stats  [][]float64 // running statistics, afterwards
}

// ready returns what runs a training graph of a model on a batch: one of the ranks
// that sum adds up, or one alone.
func ready(t *testing.T, m models.Model, b *task.Batch, output string, sum func(v []float64) error) func() (*ran, error) {
	t.Helper()
	gr, err := m.Build(task.Training, b.B, b.L)
	if err != nil {
		t.Fatal(err)
	}
	gr.Across(sum)
	r := &ran{count: gr.Count(b)}
	gr.Rows(task.Rows{First: b.First, Of: b.Of, Weight: r.count})
	feed(t, gr, b)
	var out G.Value
	G.Read(gr.Outputs[output], &out)
	var learn G.Nodes
	for _, p := range gr.Params {
		learn = append(learn, p.Node)
	}
	if _, err := G.Grad(gr.Loss, learn...); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(gr.G, G.BindDualValues(learn...))
	t.Cleanup(func() { vm.Close() })
	return func() (*ran, error) {
		if err := vm.RunAll(); err != nil {
			return nil, err
		}
		r.output = testutil.Floats(out)
		for _, n := range learn {
			g, err := n.Grad()
			if err != nil {
				return nil, err
			}
			r.grads = append(r.grads, testutil.Floats(g))
		}
		for _, v := range m.Buffers() {
			if v.Value.Dtype() != tensor.Int64 {
				r.stats = append(r.stats, testutil.Floats(v.Value))
			}
		}
		return r, nil
	}
}

// Ranks whose batch normalisation is that of the whole batch make the step of one
// process: outputs, gradients and running statistics. The rows of one have no target
// that counts, though its values are in the statistics, and those of another only fill
// the batch.
func TestRanksNormaliseTogether(t *testing.T) {
	const rows, examples, ranks, tol = 9, 5, 3, 1e-12
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, PreNorm: true, Norm: layers.BatchNorm, Dropout: 0.2}
	for _, k := range kindsOf(block) {
		t.Run(k.name, func(t *testing.T) {
			b := task.NewBatch(k.data(t, examples))
			if err := b.Load([]int{0, 1, 2, 3, 4}, rows, 9); err != nil {
				t.Fatal(err)
			}
			if y, err := b.Array(task.Target); err == nil && y.Ints != nil { // of rank 1
				n := len(y.Ints) / rows
				for i := 3 * n; i < 5*n; i++ {
					y.Ints[i] = task.Ignore
				}
			}
			want, err := ready(t, k.make(t, tensor.Float64), b, k.output, nil)()
			if err != nil {
				t.Fatal(err)
			}
			all := func(together bool) ([ranks]*ran, []float64, [][]float64) {
				sums := testutil.Sums(ranks)
				var got [ranks]*ran
				var wg sync.WaitGroup
				for r := range got {
					part := new(task.Batch)
					b.Rows(r*rows/ranks, (r+1)*rows/ranks, part)
					sum := sums[r]
					if !together {
						sum = nil
					}
					run := ready(t, k.make(t, tensor.Float64), part, k.output, sum)
					wg.Go(func() {
						var err error
						if got[r], err = run(); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if slices.Contains(got[:], nil) {
					return got, nil, nil
				}
				var output []float64
				grads := make([][]float64, len(want.grads))
				for _, r := range got {
					output = append(output, r.output...)
					w := r.count
					if w == 0 {
						w = 1
					}
					for i, g := range r.grads {
						if grads[i] == nil {
							grads[i] = make([]float64, len(g))
						}
						for j, v := range g {
							grads[i][j] += w * v / want.count
						}
					}
				}
				return got, output, grads
			}
			got, output, grads := all(true)
			if output == nil {
				return
			}
			if e := testutil.RelErr(output, want.output); !(e <= tol) {
				t.Errorf("outputs: relative error %.3g", e)
			}
			if e := testutil.RelErr(slices.Concat(grads...), slices.Concat(want.grads...)); !(e <= tol) {
				t.Errorf("gradients: relative error %.3g", e)
			}
			for r := range got {
				if e := testutil.RelErr(slices.Concat(got[r].stats...), slices.Concat(want.stats...)); !(e <= tol) {
					t.Errorf("rank %d: running statistics: relative error %.3g", r, e)
				}
				if !slices.Equal(slices.Concat(got[r].stats...), slices.Concat(got[0].stats...)) {
					t.Errorf("ranks 0 and %d have other statistics", r)
				}
			}
			if _, output, _ := all(false); !(testutil.RelErr(output, want.output) > 1e-6) {
				t.Error("ranks by themselves have the statistics of all")
			}
		})
	}
}

// Ranks with dropout make the run of one process, evaluations included: a mask is that
// of the global batch, however its rows are split over ranks and micro-batches.
func TestRanksDropWhatOneProcessDrops(t *testing.T) {
	const n, steps, tol = 16, 4, 1e-10
	for _, k := range kindsOf(dropsAll()) {
		t.Run(k.name, func(t *testing.T) {
			fit := func(ranks, micro int) ([]float64, float64) {
				cfg := train.Config{DType: train.Float64, Steps: steps, BatchSize: 7, MicroBatch: micro, EvalBatchSize: 5, LR: 0.01}
				ms := make([]models.Model, ranks)
				for i := range ms {
					ms[i] = k.make(t, tensor.Float64)
				}
				r, err := train.Replicas(context.Background(), ranks, func(g train.Group) (*train.Trainer, error) {
					return train.New(cfg, ms[g.Rank()], k.data(t, n), k.data(t, 6), train.WithGroup(g, train.GroupConfig{}))
				})
				if err != nil {
					t.Fatal(err)
				}
				all := numbersOf(ms[0])
				for rank, m := range ms {
					if !slices.Equal(numbersOf(m), all) {
						t.Errorf("%d ranks: the models of ranks 0 and %d differ", ranks, rank)
					}
				}
				return all, r.Best.Val.Loss
			}
			want, loss := fit(1, 0)
			for _, c := range [][2]int{{2, 0}, {2, 1}, {3, 0}, {4, 7}} {
				got, l := fit(c[0], c[1])
				if e := testutil.RelErr(append(got, l), append(slices.Clip(want), loss)); !(e <= tol) {
					t.Errorf("%d ranks, micro-batches of %d: relative error %.3g", c[0], c[1], e)
				}
			}
		})
	}
}

// Ranks whose batch normalisation is synchronised make the run of one process: with
// targets that do not count, with a rank that has no rows of a batch, and with running
// statistics that an evaluation reads.
func TestRanksWithSyncNormTrainAsOneProcess(t *testing.T) {
	const n, steps, tol = 16, 4, 1e-12
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, PreNorm: true, Norm: layers.BatchNorm, Dropout: 0.2}
	for _, k := range kindsOf(block) {
		t.Run(k.name, func(t *testing.T) {
			fit := func(ranks int, sync bool) []float64 {
				cfg := train.Config{DType: train.Float64, Steps: steps, BatchSize: 7, LR: 0.01, SyncNorm: sync}
				ms := make([]models.Model, ranks)
				for i := range ms {
					ms[i] = k.make(t, tensor.Float64)
				}
				r, err := train.Replicas(context.Background(), ranks, func(g train.Group) (*train.Trainer, error) {
					return train.New(cfg, ms[g.Rank()], k.data(t, n), k.data(t, 6), train.WithGroup(g, train.GroupConfig{}),
						train.WithOptimizer(train.FromSolver(G.NewVanillaSolver(G.WithLearnRate(0.05)), 0.05)))
				})
				if err != nil {
					t.Fatal(err)
				}
				return append(numbersOf(ms[0]), r.Best.Val.Loss)
			}
			want := fit(1, true)
			if !slices.Equal(fit(1, false), want) {
				t.Error("one rank differs with SyncNorm")
			}
			for _, ranks := range []int{2, 3, 4} {
				if e := testutil.RelErr(fit(ranks, true), want); !(e <= tol) {
					t.Errorf("%d ranks: relative error %.3g", ranks, e)
				}
			}
			for _, ranks := range []int{2, 4} { // of which some have no rows of the last batch
				if e := testutil.RelErr(fit(ranks, false), want); !(e > 1e-6) {
					t.Errorf("%d ranks without SyncNorm: relative error %.3g", ranks, e)
				}
			}
		})
	}
}

// broken is data of which one example cannot be read.
type broken struct {
	task.Dataset
	at int
}

func (d broken) Example(i int, row *task.Row) error {
	if i == d.at {
		return errors.New("a hole in the tape")
	}
	return d.Dataset.Example(i, row)
}

// A rank that fails while others are in the sums of a batch normalisation ends them
// too, with an error that names it.
func TestRankFailsAmidSyncNorm(t *testing.T) {
	const ranks, batch = 3, 6
	k := kindsOf(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, Norm: layers.BatchNorm})[0]
	cfg := train.Config{DType: train.Float64, Steps: 9, BatchSize: batch, LR: 0.01, SyncNorm: true, InOrder: true}
	groups, err := train.NewGroup(ranks)
	if err != nil {
		t.Fatal(err)
	}
	var errs [ranks]error
	var wg sync.WaitGroup
	for rank, g := range groups {
		m := k.make(t, tensor.Float64)
		data := broken{k.data(t, 2*batch), batch + 3} // of rank 1, in the second step
		wg.Go(func() {
			tr, err := train.New(cfg, m, data, nil, train.WithGroup(g, train.GroupConfig{}))
			if err == nil {
				_, err = tr.Fit(context.Background())
				err = errors.Join(err, tr.Close())
			}
			errs[rank] = err
		})
	}
	wg.Wait()
	for rank, err := range errs {
		var e *train.RankError
		if !errors.As(err, &e) || e.Rank != 1 || !strings.Contains(err.Error(), "example 9: a hole in the tape") {
			t.Errorf("rank %d: got error %v", rank, err)
		}
	}
}

// numbersOf returns the parameters of a model and the counters of its masks.
func numbersOf(m models.Model) (all []float64) {
	for _, p := range m.Params() {
		all = append(all, testutil.Floats(p.Node.Value())...)
	}
	for _, b := range m.Buffers() {
		switch v := b.Value.Data().(type) {
		case []int64:
			all = append(all, float64(v[1]))
		default:
			all = append(all, testutil.Floats(b.Value)...)
		}
	}
	return all
}
