package train_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
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

// A run of a classifier with batch normalisation (running statistics) and dropouts of
// all kinds (random states), on two sequence lengths, is the same bit for bit whether
// it is stopped or not: one of S4D layers, and one of those that S4D is compared with,
// whose batches are in two parts.
func TestClassifierResumesBitForBit(t *testing.T) {
	ssm := layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 6, DState: 4, SSM: layers.SSM{Bidirectional: true}}, Norm: layers.BatchNorm, PreNorm: true, Dropout: 0.2},
	}}
	others := layers.StackConfig{Blocks: []layers.BlockConfig{
		{Norm: layers.NoNorm, NoResidual: true, Mixer: layers.TransformerConfig{
			DModel: 6, Heads: 3, FF: 7, Positions: layers.LearnedPositions, MaxLen: 32, Dropout: 0.1, AttentionDropout: 0.2, FFDropout: 0.1, UntiedDropout: true,
		}},
		{Mixer: layers.LSTMConfig{DModel: 6, Layers: 2, Dropout: 0.2, Bidirectional: true}, PreNorm: true, Dropout: 0.1},
		{Mixer: layers.ConvNetConfig{DModel: 6, Norm: layers.BatchNorm, Dropout: 0.3, UntiedDropout: true}},
		{Norm: layers.NoNorm, NoResidual: true, Mixer: layers.TCNConfig{In: 6, Out: 6, Kernel: 3, Levels: 2, Dropout: 0.2}},
		{Mixer: layers.LongConvConfig{DModel: 6, LMax: 12, SSM: layers.SSM{Dropout: 0.2}}},
	}}
	for _, c := range []struct {
		dt    train.DType
		micro int
		stack layers.StackConfig
		stops []int
	}{
		{train.Float32, 8, ssm, []int{0, 1, 5}}, {train.Float64, 8, ssm, []int{0, 1, 5}}, {train.Float32, 4, others, []int{5}},
	} {
		want := fitClassifier(t, c.dt, c.micro, c.stack, 0)
		for _, stop := range c.stops { // 0: never
			if got := fitClassifier(t, c.dt, c.micro, c.stack, stop); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, micro-batches of %d: a run stopped after step %d differs from one that is not", c.dt, c.micro, stop)
			}
		}
	}
}

// fitClassifier trains, with a break after a step unless it is 0, and returns
// the history without times, and all parameters and buffers.
func fitClassifier(t *testing.T, dt train.DType, micro int, stack layers.StackConfig, stop int) (left []any) {
	t.Helper()
	cfg := train.Config{
		Steps: 9, BatchSize: 8, MicroBatch: micro, Buckets: []int{16, 32}, Seed: 1, DType: dt, LR: 0.01, WeightDecay: 0.05, Clip: 1,
		Schedule: train.Schedule{Kind: train.Cosine, WarmUp: 2}, EvalEvery: 3, CheckpointDir: t.TempDir(),
	}
	mc := models.ClassifierConfig{Vocab: 6, Classes: 2, Stack: stack}
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
	return left
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

// A float64 number that a float32 model cannot hold is an error that names the
// example, in training and in validation, and so is such a padding.
func TestNumbersBeyondTheTypeOfTheModel(t *testing.T) {
	data := func(v, pad float64) task.Dataset {
		x := [][]float64{{1, 2, 3, 4}, {1, 2, 3, v, 5, 6}, {1, 2}}
		field := task.Field{Name: task.X, Dtype: tensor.Float64, PerStep: true, Shape: []int{2}, Pad: pad}
		ds, err := task.NewTable(task.Col(field, x), task.Col(task.Label(task.Target), []int{0, 1, 1}))
		if err != nil {
			t.Fatal(err)
		}
		return ds
	}
	good := data(math.MaxFloat32, 0)
	const name = "example 1: x[1] of step 1: "
	for _, c := range []struct {
		train, val task.Dataset
		want       string
	}{
		{data(-1e39, 0), good, "train: step 1: " + name + "want a number that float32, the type of the model, can hold, got -1e+39"},
		{good, data(1e300, 0), "train: evaluation after step 1: " + name + "want a number that float32"},
		{data(0, 1e39), good, "train: step 1: x: want padding with a number that float32, the type of the model, can hold, got Pad 1e+39"},
	} {
		for _, dt := range []train.DType{train.Float32, train.Float64} {
			m, err := models.NewClassifier(G.NewGraph(), dt.Tensor(), models.ClassifierConfig{
				Features: 2, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, Norm: layers.BatchNorm}}},
			}, 1)
			if err != nil {
				t.Fatal(err)
			}
			tr, err := train.New(train.Config{Steps: 1, BatchSize: 3, LR: 1e-9, DType: dt}, m, c.train, c.val)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			_, err = tr.Fit(context.Background())
			if dt == train.Float32 && (err == nil || !strings.Contains(err.Error(), c.want)) || dt == train.Float64 && err != nil && strings.Contains(err.Error(), "float32") {
				t.Errorf("%s: got error %v, want %q", dt, err, c.want)
			}
		}
	}
}
