package train_test

import (
	"context"
	"errors"
	"fmt"
	"math"
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

// trained is what a rank has at the end.
type trained struct {
	numbers []float64 // of parameters and buffers
	history []train.Record
	err     error
}

// onRanks trains a classifier on n ranks.
func onRanks(t *testing.T, n int, cfg train.Config, mc models.ClassifierConfig, seed func(rank int) uint64) []trained {
	t.Helper()
	ends := make([]trained, n)
	err := train.RunGroup(n, func(g train.Group) error {
		end := &ends[g.Rank()]
		end.err = end.train(t, g, cfg, mc, seed(g.Rank()))
		return end.err
	})
	if (err != nil) != (ends[0].err != nil) {
		t.Errorf("%d ranks: got error %v, of rank 0 %v", n, err, ends[0].err)
	}
	return ends
}

// train trains a classifier as a rank of a group.
func (end *trained) train(t *testing.T, g train.Group, cfg train.Config, mc models.ClassifierConfig, seed uint64) error {
	m, err := models.NewClassifier(G.NewGraph(), cfg.DType.Tensor(), mc, seed)
	if err != nil {
		return err
	}
	tr, err := train.New(cfg, m, newSequences(t, 45, 1), newSequences(t, 13, 2), train.WithGroup(g, train.GroupConfig{}), train.WithMetrics(train.Accuracy()))
	if err != nil {
		return err
	}
	defer tr.Close()
	r, err := tr.Fit(context.Background())
	if err != nil {
		return err
	}
	for _, rec := range r.History {
		rec.Elapsed = 0
		end.history = append(end.history, rec)
	}
	for _, p := range m.Params() {
		end.numbers = append(end.numbers, testutil.Floats(p.Node.Value())...)
	}
	for _, b := range m.Buffers() {
		if b.Value.Dtype() == tensor.Float64 {
			end.numbers = append(end.numbers, testutil.Floats(b.Value)...)
		} else {
			for _, v := range b.Value.Int64s() {
				end.numbers = append(end.numbers, float64(v))
			}
		}
	}
	return nil
}

// Ranks draw the dropouts of the whole batch, and normalise by its statistics where they
// are told to: a classifier trains on any number of them as on one, micro-batches and
// batches that are not full included.
func TestClassifierOnRanks(t *testing.T) {
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 6, DState: 4, SSM: layers.SSM{Dropout: 0.1}}, PreNorm: true, Dropout: 0.2, UntiedDropout: true}
	normed := block
	normed.Norm = layers.BatchNorm
	cfg := train.Config{Steps: 40, BatchSize: 8, Buckets: []int{16, 32}, Seed: 1, DType: train.Float64, LR: 0.01, WeightDecay: 0.05, Clip: 1, EvalEvery: 20}
	for name, c := range map[string]struct {
		block layers.BlockConfig
		micro int
		sync  bool
	}{
		"layer normalisation": {block, 0, false},
		"micro-batches":       {block, 2, false},
		"batch normalisation": {normed, 0, true},
	} {
		cfg := cfg
		cfg.MicroBatch, cfg.SyncNorm = c.micro, c.sync
		mc := models.ClassifierConfig{Vocab: 6, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{c.block}, Repeat: 2}}
		run := func(n int) []trained {
			return onRanks(t, n, cfg, mc, func(rank int) uint64 { return 3 + uint64(rank) })
		}
		one := run(1)[0]
		if one.err != nil {
			t.Fatal(one.err)
		}
		largest := 0.
		for _, v := range one.numbers {
			largest = max(largest, math.Abs(v))
		}
		for n := 2; n <= 4; n++ {
			for rank, e := range run(n) {
				if e.err != nil {
					t.Fatalf("%s, rank %d of %d: %v", name, rank, n, e.err)
				}
				worst := 0.
				for i, v := range one.numbers {
					worst = max(worst, math.Abs(e.numbers[i]-v))
				}
				if !(worst <= 1e-11*largest) {
					t.Errorf("%s, rank %d of %d: numbers differ by %.3g of %.3g", name, rank, n, worst, largest)
				}
				if fmt.Sprintf("%.9f", e.history[1].Val.Loss) != fmt.Sprintf("%.9f", one.history[1].Val.Loss) || e.history[1].Val.Value("accuracy") != one.history[1].Val.Value("accuracy") {
					t.Errorf("%s, rank %d of %d: evaluation %+v, want %+v", name, rank, n, e.history[1], one.history[1])
				}
			}
		}
	}
}

// So do layers that are recurrences: a stack of one of each.
func TestRecurrencesOnRanks(t *testing.T) {
	cfg := train.Config{Steps: 10, BatchSize: 8, Buckets: []int{16, 32}, Seed: 1, DType: train.Float64, LR: 0.01, Clip: 1, EvalEvery: 10}
	mc := models.ClassifierConfig{Vocab: 6, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S5Config{DModel: 4, DState: 4}},
		{Mixer: layers.LRUConfig{DModel: 4, DState: 4}},
		{Mixer: layers.MambaConfig{DModel: 4, DState: 2}},
		{Mixer: layers.GRUConfig{DModel: 4}},
	}}}
	run := func(n int) []trained { return onRanks(t, n, cfg, mc, func(int) uint64 { return 3 }) }
	one := run(1)[0]
	if one.err != nil {
		t.Fatal(one.err)
	}
	for rank, e := range run(2) {
		if e.err != nil {
			t.Fatalf("rank %d: %v", rank, e.err)
		}
		if e := testutil.RelErr(e.numbers, one.numbers); !(e <= 1e-12) {
			t.Errorf("rank %d: the parameters differ by %.3g", rank, e)
		}
	}
}

// Batch normalisation that is not synchronised is that of the rows of each rank, some of
// which have none of a batch that is not full, and its running statistics are the mean:
// the same on all ranks. One that is synchronised is that of the rows that all ranks run
// at a time.
func TestBatchNormOfParts(t *testing.T) {
	cfg := train.Config{Steps: 7, BatchSize: 8, Seed: 1, DType: train.Float64, LR: 0.01, EvalEvery: 5}
	mc := models.ClassifierConfig{Vocab: 6, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 6, DState: 4}, Norm: layers.BatchNorm},
	}}}
	run := func(n, micro int, sync bool) []float64 {
		cfg := cfg
		cfg.MicroBatch, cfg.SyncNorm = micro, sync
		ends := onRanks(t, n, cfg, mc, func(int) uint64 { return 1 })
		for rank, e := range ends {
			if e.err != nil {
				t.Fatal(e.err)
			}
			if !slices.Equal(e.numbers, ends[0].numbers) {
				t.Errorf("micro-batches of %d, SyncNorm %v: rank %d of %d ends with other numbers than rank 0", micro, sync, rank, n)
			}
		}
		return ends[0].numbers
	}
	far := func(a, b []float64) (most float64) {
		for i := range a {
			most = max(most, math.Abs(a[i]-b[i]))
		}
		return most
	}
	whole := run(1, 0, true)
	for _, c := range []struct {
		n, micro int
		sync     bool
		same     bool // as the whole batch
	}{{3, 0, false, false}, {3, 2, false, false}, {3, 2, true, false}, {2, 2, true, false}, {2, 4, true, true}, {1, 4, true, false}} {
		if d := far(run(c.n, c.micro, c.sync), whole); (d < 1e-10) != c.same {
			t.Errorf("%+v: the numbers differ by %.2g from those of the whole batch", c, d)
		}
	}
}

// A rank that fails while others sum in a layer ends them.
func TestFailureWhileLayersSum(t *testing.T) {
	cfg := train.Config{Steps: 5, BatchSize: 8, Seed: 1, DType: train.Float64, LR: 0.01, SyncNorm: true}
	mc := models.ClassifierConfig{Vocab: 6, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 6, DState: 4}, Norm: layers.BatchNorm},
	}}}
	errs := make([]error, 3)
	err := train.RunGroup(3, func(g train.Group) error {
		m, err := models.NewClassifier(G.NewGraph(), tensor.Float64, mc, 1)
		if err != nil {
			return err
		}
		data := newSequences(t, 45, 1)
		if g.Rank() == 1 {
			data = &lateFailure{Dataset: data, left: 1 + 45 + 4}
		}
		tr, err := train.New(cfg, m, data, nil, train.WithGroup(g, train.GroupConfig{}))
		if err != nil {
			return err
		}
		defer tr.Close()
		_, errs[g.Rank()] = tr.Fit(context.Background())
		return errs[g.Rank()]
	})
	for rank, e := range append(errs, err) { // and what is said of all
		if e == nil || !strings.HasPrefix(e.Error(), "train: rank 1: step ") || strings.Count(e.Error(), "no more") != 1 {
			t.Errorf("rank %d: got error %v", rank, e)
		}
	}
}

// lateFailure is data that fail when they have been read so often.
type lateFailure struct {
	task.Dataset
	mu   sync.Mutex
	left int
}

func (d *lateFailure) Example(i int, row *task.Row) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		return errors.New("no more")
	}
	return d.Dataset.Example(i, row)
}
