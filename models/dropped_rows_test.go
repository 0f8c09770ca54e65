package models_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// kindOf is a model of a kind and data of n examples, some of them shorter than
// others.
type kindOf struct {
	name   string
	output string // one that has rows
	make   func(t testing.TB, dt tensor.Dtype) models.Model
	data   func(t testing.TB, n int) task.Dataset
}

// kindsOf returns every kind of model around blocks of one kind.
func kindsOf(block layers.BlockConfig) []kindOf {
	stack := layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{block}}
	ids := func(n, from, longest int) (all [][]int) {
		rng := rand.New(rand.NewPCG(uint64(from), 1))
		for i := range n {
			row := make([]int, longest-(i+from)%4)
			for j := range row {
				row[j] = rng.IntN(7)
			}
			all = append(all, row)
		}
		return all
	}
	classes := func(n int) []int {
		y := make([]int, n)
		for i := range y {
			if y[i] = i % 2; i%3 == 1 { // some count in nothing but what rows have in common
				y[i] = task.Ignore
			}
		}
		return y
	}
	table := func(t testing.TB, cols ...task.Column) task.Dataset {
		ds, err := task.NewTable(cols...)
		if err != nil {
			t.Fatal(err)
		}
		return ds
	}
	return []kindOf{
		{"classifier", task.Logits, func(t testing.TB, dt tensor.Dtype) models.Model {
			return newClassifier(t, models.ClassifierConfig{Vocab: 7, Classes: 2, Stack: stack}, dt)
		}, func(t testing.TB, n int) task.Dataset {
			return table(t, task.Col(task.Tokens(task.X, 0), ids(n, 0, 9)), task.Col(task.Label(task.Target), classes(n)))
		}},
		{"retrieval", task.Logits, func(t testing.TB, dt tensor.Dtype) models.Model {
			return newRetrieval(t, models.RetrievalConfig{Vocab: 7, Classes: 2, Stack: stack}, dt)
		}, func(t testing.TB, n int) task.Dataset {
			f := task.Pair(task.Tokens("", 0))
			return table(t, task.Col(f[0], ids(n, 0, 9)), task.Col(f[1], ids(n, 2, 9)), task.Col(task.Label(task.Target), classes(n)))
		}},
		{"language model", task.NLL, func(t testing.TB, dt tensor.Dtype) models.Model {
			return newLanguageModel(t, models.LanguageModelConfig{Vocab: 7, Stack: stack, Dropout: block.Dropout}, dt)
		}, func(t testing.TB, n int) task.Dataset {
			return table(t, task.Col(task.Tokens(task.X, 0), ids(n, 0, 9)), task.Col(task.Labels(task.Target), ids(n, 0, 9)))
		}},
		{"forecaster", task.Output, func(t testing.TB, dt tensor.Dtype) models.Model {
			return newForecaster(t, models.ForecasterConfig{Features: 1, Horizon: 2, Outputs: 1, Stack: stack}, dt)
		}, func(t testing.TB, n int) task.Dataset {
			var x, y [][]float32
			for i, row := range ids(n, 0, 9) {
				var v []float32
				for _, id := range row {
					v = append(v, float32(id)/4-1)
				}
				x, y = append(x, v), append(y, []float32{float32(i%3) - 1, v[0]})
			}
			return table(t, task.Col(task.Features(task.X, 1), x), task.Col(task.Numbers(task.Target, 2, 1), y))
		}},
	}
}

// dropsAll is a block that drops wherever it can, and normalises each step by itself.
func dropsAll() layers.BlockConfig {
	return layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Dropout: 0.3}}, PreNorm: true, Dropout: 0.2}
}

// In training every row of a batch has the outputs that it has in a batch of other
// rows, of which it is told.
func TestRowsDropWhatTheBatchDrops(t *testing.T) {
	const rows, steps = 5, 2
	for _, s := range kindsOf(dropsAll()) {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			t.Run(fmt.Sprint(s.name, " ", dt), func(t *testing.T) {
				tol := map[tensor.Dtype]float64{tensor.Float32: 1e-5, tensor.Float64: 1e-12}[dt]
				data := s.data(t, rows)
				b := task.NewBatch(data)
				if err := b.Load([]int{0, 1, 2, 3, 4}, rows, 9); err != nil {
					t.Fatal(err)
				}
				run := func(m models.Model, b *task.Batch) []float64 {
					t.Helper()
					gr, err := m.Build(task.Training, b.B, b.L)
					if err != nil {
						t.Fatal(err)
					}
					gr.Rows(task.Rows{First: b.First, Of: b.Of, Later: b.Later})
					feed(t, gr, b)
					var v G.Value
					G.Read(gr.Outputs[s.output], &v)
					vm := G.NewTapeMachine(gr.G)
					defer vm.Close()
					if err := vm.RunAll(); err != nil {
						t.Fatal(err)
					}
					return testutil.Floats(v)
				}
				whole, parts, rank := s.make(t, dt), s.make(t, dt), s.make(t, dt)
				for step := range steps {
					want := run(whole, b)
					part := func(lo, hi int) *task.Batch {
						p := new(task.Batch)
						b.Rows(lo, hi, p)
						return p
					}
					got := append(run(parts, part(0, 2)), run(parts, part(2, 4))...)
					last := part(4, 5)
					last.Later = false
					got = append(got, run(rank, last)...)
					if e := testutil.RelErr(got, want); !(e <= tol) {
						t.Errorf("step %d: relative error %.3g", step, e)
					}
				}
			})
		}
	}
}

// A run in micro-batches is that in whole batches, dropout included, where the last
// batch of an epoch is not full too.
func TestMicroBatchesAreTheBatch(t *testing.T) {
	const n, batch, steps, tol = 10, 6, 5, 1e-9
	for _, s := range kindsOf(dropsAll()) {
		t.Run(s.name, func(t *testing.T) {
			run := func(micro int) []float64 {
				m := s.make(t, tensor.Float64)
				tr, err := train.New(train.Config{DType: train.Float64, Steps: steps, BatchSize: batch, MicroBatch: micro, LR: 0.01}, m, s.data(t, n), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer tr.Close()
				if _, err := tr.Fit(context.Background()); err != nil {
					t.Fatal(err)
				}
				return numbersOf(m)
			}
			want := run(0)
			for _, micro := range []int{1, 2, 3} {
				if e := testutil.RelErr(run(micro), want); !(e <= tol) {
					t.Errorf("micro-batches of %d: relative error %.3g", micro, e)
				}
			}
		})
	}
}
