package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// ranksTolerance is how far ranks may be from one process after some hundred steps in
// float64, relative to the largest number.
const ranksTolerance = 1e-12

// run is what is trained by ranks.
type run struct {
	cfg        Config
	mc         tinyConfig
	train, val task.Dataset
	from       string // checkpoint, for rank 0
	group      GroupConfig
	change     func(rank int, r *rankRun)
}

// rankRun is what a rank trains.
type rankRun struct {
	cfg        Config
	model      Model
	train, val task.Dataset
	opts       []Option
	metrics    []Metric
	hooks      []Hook
	ctx        context.Context
}

// ended is how a rank has ended.
type ended struct {
	trainer *Trainer
	result  *Result
	losses  []float64
	err     error
}

// on trains on n ranks, of which rank 0 alone reads and writes checkpoints; each must
// end.
func (r run) on(t *testing.T, n int) []ended {
	t.Helper()
	ends := make([]ended, n)
	for rank, err := range onRanks(t, n, func(g Group) error {
		own := rankRun{cfg: r.cfg, model: newTinyModel(r.mc, r.cfg.DType.Tensor()), train: r.train, val: r.val,
			metrics: []Metric{Accuracy()}, ctx: context.Background()}
		if g.Rank() > 0 && own.cfg.CheckpointDir != "" {
			own.cfg.CheckpointDir = filepath.Join(own.cfg.CheckpointDir, "not", "there")
		}
		l := &losses{}
		if r.change != nil {
			r.change(g.Rank(), &own)
		}
		opts := append(own.opts, WithGroup(g, r.group), WithMetrics(own.metrics...), WithHooks(append([]Hook{l}, own.hooks...)...))
		tr, err := New(own.cfg, own.model, own.train, own.val, opts...)
		if err != nil {
			return Agree(g, err)
		}
		end := &ends[g.Rank()]
		end.trainer = tr
		if r.from != "" && g.Rank() == 0 {
			c, err := ReadCheckpoint(r.from)
			if err == nil {
				err = tr.Resume(c)
			}
			if err != nil {
				return Agree(g, err)
			}
		}
		if err := Agree(g, nil); err != nil {
			return err
		}
		end.result, err = tr.Fit(own.ctx)
		end.losses = l.loss
		return errors.Join(err, tr.Close())
	}) {
		ends[rank].err = err
	}
	return ends
}

// numbers returns all numbers of a model, and of its optimiser.
func (e ended) numbers(t *testing.T) []float64 {
	t.Helper()
	c, err := e.trainer.checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	var all []float64
	for _, ts := range c.tensors.Tensors {
		switch d := ts.Data.(type) {
		case []float64:
			all = append(all, d...)
		case []float32:
			for _, v := range d {
				all = append(all, float64(v))
			}
		case []int64:
			for _, v := range d {
				all = append(all, float64(v))
			}
		}
	}
	return all
}

// near compares numbers, and says where they differ by more than a tolerance.
func near(got, want []float64, tol float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("got %d numbers, want %d", len(got), len(want))
	}
	most := 0.
	for _, v := range want {
		most = max(most, math.Abs(v))
	}
	for i, v := range want {
		if d := math.Abs(got[i] - v); !(d <= tol*most) {
			return fmt.Errorf("number %d is %v, want %v: off by %.3g of %.3g", i, got[i], v, d, most)
		}
	}
	return nil
}

// flat returns the numbers of evaluations.
func flat(h []Record) []float64 {
	var all []float64
	for _, r := range h {
		for _, m := range []Metrics{r.Train, r.Val} {
			all = append(all, m.Loss, m.Count)
			for _, s := range m.Scores {
				all = append(all, s.Value)
			}
		}
		all = append(all, float64(r.Step), r.Epoch, r.LR)
	}
	return all
}

// labels gives the examples of tokens labels for each step, some of which do not count:
// in some examples none does.
func labels(d *tokenData) *tokenData {
	d = d.asFeatures(tinyClasses)
	for i, e := range d.examples {
		for l := range e.Labels {
			if i%5 == 3 || l%(i%4+2) == 1 {
				e.Labels[l] = -1
			}
		}
	}
	return d
}

// rankRuns are runs of a hundred steps in float64 that end each epoch with a batch that
// is not full.
func rankRuns() map[string]run {
	cfg := Config{Steps: 100, BatchSize: 12, EvalBatchSize: 7, Buckets: []int{12, 24}, Seed: 4, DType: Float64,
		LR: 0.02, WeightDecay: 0.01, Clip: 0.5, Schedule: Schedule{Kind: Cosine, WarmUp: 3}, EvalEvery: 20}
	tokens := newTokenData(61, 3, 24, tinyVocab, tinyClasses, 1) // 5 x 12 + 1
	val := newTokenData(33, 3, 24, tinyVocab, tinyClasses, 2)
	mc := tinyConfig{Vocab: tinyVocab, Hidden: 8, Classes: tinyClasses}
	each := tinyConfig{Features: 2, Hidden: 8, Classes: tinyClasses, Position: true}
	runs := map[string]run{
		"labels of sequences": {cfg: cfg, mc: mc, train: tokens, val: val},
		"labels of steps":     {cfg: cfg, mc: each, train: labels(newTokenData(61, 3, 24, tinyVocab, tinyClasses, 1)), val: labels(val)},
	}
	micro := runs["labels of steps"]
	micro.cfg.MicroBatch, micro.cfg.EvalBatchSize = 4, 0
	runs["micro-batches"] = micro
	plateau := runs["labels of sequences"]
	plateau.cfg.Schedule = Schedule{Kind: Plateau, Drop: 0.5}
	plateau.cfg.EvalEvery, plateau.cfg.Patience, plateau.cfg.Monitor = 5, 12, Loss
	plateau.cfg.LR = 0.2
	runs["plateau"] = plateau
	return runs
}

// Any number of ranks trains as one process: whatever the split, with batches that are
// not full, targets that are not equally many, and micro-batches; and all ranks hold the
// same, to the bit.
func TestRanksAreOneProcess(t *testing.T) {
	for name, r := range rankRuns() {
		t.Run(name, func(t *testing.T) {
			one := r.on(t, 1)[0]
			if one.err != nil {
				t.Fatal(one.err)
			}
			for n := 2; n <= 4; n++ {
				ends := r.on(t, n)
				for rank, e := range ends {
					if e.err != nil {
						t.Fatalf("rank %d of %d: %v", rank, n, e.err)
					}
					if !slices.Equal(e.numbers(t), ends[0].numbers(t)) {
						t.Errorf("rank %d of %d ends with other numbers than rank 0", rank, n)
					}
					if !reflect.DeepEqual(e.result, ends[0].result) {
						t.Errorf("rank %d of %d: result %+v, want that of rank 0, %+v", rank, n, e.result, ends[0].result)
					}
					if rank > 0 && e.losses != nil {
						t.Errorf("rank %d of %d has called its hooks", rank, n)
					}
				}
				e := ends[0]
				if !strings.Contains(name, "micro") { // the random state of this model counts graphs, not steps
					if err := near(e.numbers(t), one.numbers(t), ranksTolerance); err != nil {
						t.Errorf("%d ranks: %v", n, err)
					}
				}
				if err := near(e.losses, one.losses, ranksTolerance); err != nil {
					t.Errorf("%d ranks: losses: %v", n, err)
				}
				if err := near(flat(e.result.History), flat(one.result.History), ranksTolerance); err != nil {
					t.Errorf("%d ranks: evaluations: %v", n, err)
				}
				if e.result.Reason != one.result.Reason || e.result.Steps != one.result.Steps {
					t.Errorf("%d ranks: %s after step %d, want %s after %d", n, e.result.Reason, e.result.Steps, one.result.Reason, one.result.Steps)
				}
			}
		})
	}
}

// A group of one rank is the trainer without one, bit for bit, dropout included.
func TestOneRankIsThePlainTrainer(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	want := unbroken(t, cfg, mc, train, val)
	cfg.CheckpointDir = t.TempDir()
	e := run{cfg: cfg, mc: mc, train: train, val: val}.on(t, 1)[0]
	if e.err != nil {
		t.Fatal(e.err)
	}
	if got := outcomeOf(t, e.trainer, e.result, e.losses); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
