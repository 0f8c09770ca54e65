package train_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// newSequences returns random tokens labelled by the parity of a count: hard enough
// that the loss does not vanish.
func newSequences(t *testing.T, n int, seed uint64) task.Dataset {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	x, y := make([][]int, n), make([]int, n)
	for i := range x {
		tokens := make([]int, 5+rng.IntN(28))
		for l := range tokens {
			tokens[l] = rng.IntN(6)
			if tokens[l] == 3 {
				y[i] ^= 1
			}
		}
		x[i] = tokens
	}
	ds, err := task.NewTable(task.Col(task.Tokens(task.X, 0), x), task.Col(task.Label(task.Target), y))
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// stopAfter ends the context after a step.
type stopAfter struct {
	train.BaseHook
	step int
	stop context.CancelFunc
}

func (h stopAfter) OnStep(e train.StepEvent) error {
	if e.Step == h.step {
		h.stop()
	}
	return nil
}

// A run of an S4D classifier with batch normalisation (running statistics) and
// dropout (a random state), on two sequence lengths, is the same bit for bit
// whether it is stopped or not.
func TestClassifierResumesBitForBit(t *testing.T) {
	for _, dt := range []train.DType{train.Float32, train.Float64} {
		want, steps := fitClassifier(t, dt, 0)
		for _, stop := range []int{steps, 1, 5} { // steps: never
			if got, _ := fitClassifier(t, dt, stop%steps); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: a run stopped after step %d differs from one that is not", dt, stop%steps)
			}
		}
	}
}

// fitClassifier trains, with a break after a step unless it is 0, and returns
// the history without times, and all parameters and buffers.
func fitClassifier(t *testing.T, dt train.DType, stop int) (left []any, steps int) {
	t.Helper()
	cfg := train.Config{
		Steps: 9, BatchSize: 8, Buckets: []int{16, 32}, Seed: 1, DType: dt, LR: 0.01, WeightDecay: 0.05, Clip: 1,
		Schedule: train.Schedule{Kind: train.Cosine, WarmUp: 2}, EvalEvery: 3, CheckpointDir: t.TempDir(),
	}
	mc := models.ClassifierConfig{
		Vocab: 6, Classes: 2,
		Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{
			{Mixer: layers.S4DConfig{DModel: 6, DState: 4, SSM: layers.SSM{Bidirectional: true}}, Norm: layers.BatchNorm, PreNorm: true, Dropout: 0.2},
		}},
	}
	part := func(ctx context.Context, resume bool, hooks ...train.Hook) (*models.Classifier, *train.Result, error) {
		m, err := models.NewClassifier(G.NewGraph(), dt.Tensor(), mc, 3)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := train.New(cfg, m, newSequences(t, 45, 1), newSequences(t, 13, 2), train.WithMetrics(train.Accuracy()), train.WithHooks(hooks...))
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if resume {
			c, err := train.ReadCheckpoint(filepath.Join(cfg.CheckpointDir, train.LastCheckpoint))
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Resume(c); err != nil {
				t.Fatal(err)
			}
		}
		r, err := tr.Fit(ctx)
		return m, r, err
	}
	if stop > 0 {
		ctx, cancel := context.WithCancel(context.Background())
		var in *train.InterruptedError
		if _, _, err := part(ctx, false, stopAfter{step: stop, stop: cancel}); !errors.As(err, &in) {
			t.Fatalf("got error %v, want an interruption", err)
		}
	}
	m, r, err := part(context.Background(), stop > 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.History {
		h.Elapsed = 0
		left = append(left, h)
	}
	for _, p := range m.Params() {
		left = append(left, clone(p.Node.Value().(*tensor.Dense)))
	}
	for _, b := range m.Buffers() {
		left = append(left, clone(b.Value))
	}
	return left, cfg.Steps
}

func clone(d *tensor.Dense) any {
	switch s := d.Data().(type) {
	case []float32:
		return slices.Clone(s)
	case []float64:
		return slices.Clone(s)
	case []int64:
		return slices.Clone(s)
	}
	return d.Data()
}
