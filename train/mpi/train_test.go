//go:build mpi && cgo

package mpi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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

// sameTolerance is how far ranks may be from one process after 100 steps, relative to
// the largest parameter.
const sameTolerance = 1e-12

// Ranks train what one process trains: 100 steps in float64 of a forecaster with
// dropout and synchronised batch normalisation, on batches whose last has fewer rows
// than the others and whose numbers are missing here and there. One rank does so
// bit for bit.
func TestTrainingIsThatOfOneProcess(t *testing.T) {
	eachOf(t, []int{1, 2, 4}, func(t *testing.T, ranks int, way string) {
		l := launch(t, "train", ranks, way)
		l.ends(0, "largest difference")
		if !t.Failed() {
			t.Log(strings.TrimSpace(l.output))
		}
	})
}

func trains(c *Comm) error {
	got, err := trained(nil, train.WithGroup(c, train.GroupConfig{BucketBytes: 256}))
	if err != nil {
		return err
	}
	want, err := trained(nil)
	if err := train.Agree(c, err); err != nil {
		return err
	}
	d := difference(got, want)
	if c.Rank() == 0 {
		fmt.Printf("%d ranks: largest difference of %d numbers %.1e\n", c.Size(), len(want), d)
	}
	if c.Size() == 1 && d != 0 || !(d <= sameTolerance) {
		err = fmt.Errorf("rank %d of %d: want the numbers of one process, got a difference of %v", c.Rank(), c.Size(), d)
	}
	return train.Agree(c, err)
}

// A rank that cannot read its data in mid-run is named by all ranks, and all end
// by themselves.
func TestTrainingOfARankThatFails(t *testing.T) {
	launch(t, "bad data", 3, memory).ends(0, "rank 0: ok", "rank 1: ok", "rank 2: ok")
}

func readsBadData(c *Comm) error {
	_, err := trained(func(ds task.Dataset) task.Dataset {
		if c.Rank() != 1 {
			return ds
		}
		return &wearing{ds, 100}
	}, train.WithGroup(c, train.GroupConfig{}))
	var of *train.RankError
	if !errors.As(err, &of) || of.Rank != 1 || !strings.Contains(err.Error(), "the disk is worn") {
		return fmt.Errorf("want the error of rank 1, got %v", err)
	}
	fmt.Printf("rank %d: ok\n", c.Rank())
	return nil
}

// wearing is data that can be read only so often.
type wearing struct {
	task.Dataset
	left int
}

func (d *wearing) Example(i int, row *task.Row) error {
	if d.left--; d.left < 0 {
		return errors.New("the disk is worn")
	}
	return d.Dataset.Example(i, row)
}

// trained returns the parameters and buffers of a run, and the losses of its evaluations. read
// stands between the trainer and its data, unless it is nil.
func trained(read func(task.Dataset) task.Dataset, opts ...train.Option) ([]float64, error) {
	const window, horizon = 12, 3
	// The last norm is not that of a batch: there a bias before it would have a gradient
	// of nothing but rounding, and AdamW makes steps of that.
	mixer := layers.S4DConfig{DModel: 4, DState: 4}
	m, err := models.NewForecaster(G.NewGraph(), tensor.Float64, models.ForecasterConfig{
		Features: 1, Horizon: horizon, Weighted: true,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{
			{Mixer: mixer, Norm: layers.BatchNorm, PreNorm: true, Dropout: 0.2},
			{Mixer: mixer, PreNorm: true},
		}},
	}, 1)
	if err != nil {
		return nil, err
	}
	learn, err := windows(47, window, horizon, 1)
	if err != nil {
		return nil, err
	}
	val, err := windows(13, window, horizon, 2)
	if err != nil {
		return nil, err
	}
	if read != nil {
		learn = read(learn)
	}
	cfg := train.Config{Steps: 100, BatchSize: 10, Buckets: []int{window}, Seed: 1, DType: train.Float64, LR: 0.01, Clip: 1, EvalEvery: 40, SyncNorm: true}
	tr, err := train.New(cfg, m, learn, val, opts...)
	if err != nil {
		return nil, err
	}
	defer tr.Close()
	r, err := tr.Fit(context.Background())
	if err != nil {
		return nil, err
	}
	var all []float64
	for _, p := range m.Params() {
		all = append(all, p.Node.Value().Data().([]float64)...)
	}
	for _, b := range m.Buffers() {
		if v, ok := b.Value.Data().([]float64); ok {
			all = append(all, v...)
		}
	}
	for _, e := range r.History {
		all = append(all, e.Train.Loss, e.Val.Loss)
	}
	return all, nil
}

// windows returns n stretches of noisy waves, and what follows them, a third of it
// missing.
func windows(n, window, horizon int, seed uint64) (task.Dataset, error) {
	rng := rand.New(rand.NewPCG(seed, 0))
	x, y, w := make([][]float32, n), make([][]float32, n), make([][]float32, n)
	for i := range n {
		phase := 6 * rng.Float64()
		for l := range window + horizon {
			v := float32(math.Sin(float64(l)+phase) + 0.1*rng.NormFloat64())
			if l < window {
				x[i] = append(x[i], v)
			} else {
				y[i], w[i] = append(y[i], v), append(w[i], float32(min(1, rng.IntN(3))))
			}
		}
	}
	return task.NewTable(task.Col(task.Features(task.X, 1), x),
		task.Col(task.Numbers(task.Target, horizon, 1), y), task.Col(task.Numbers(task.Weights, horizon, 1), w))
}

// difference returns the largest difference relative to the largest number.
func difference(got, want []float64) float64 {
	if len(got) != len(want) || slices.ContainsFunc(got, math.IsNaN) {
		return math.Inf(1)
	}
	var most, largest float64
	for i, w := range want {
		most, largest = max(most, math.Abs(got[i]-w)), max(largest, math.Abs(w))
	}
	return most / largest
}
