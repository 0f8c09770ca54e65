package models_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// topics returns n pairs of documents of random words. A document is about the topic
// whose words are most of it, and the class of a pair is whether both are about one.
func topics(n int, seed uint64) task.Dataset {
	rng := rand.New(rand.NewPCG(seed, 0))
	document := func(topic int) (words []int) {
		for range 10 + rng.IntN(10) {
			word := rng.IntN(12)
			if rng.IntN(10) < 6 {
				word = 3*topic + rng.IntN(3)
			}
			words = append(words, word)
		}
		return words
	}
	a, b, same := make([][]int, n), make([][]int, n), make([]int, n)
	for i := range n {
		topic, other := rng.IntN(4), rng.IntN(3)
		if same[i] = rng.IntN(2); same[i] == 1 {
			other = topic
		} else if other >= topic {
			other++
		}
		a[i], b[i] = document(topic), document(other)
	}
	fields := task.Pair(task.Tokens("", 0))
	ds, err := task.NewTable(task.Col(fields[0], a), task.Col(fields[1], b), task.Col(task.Label(task.Target), same))
	check(err)
	return ds
}

// A model of pairs learns whether two documents are about one thing. Then it reads one
// document as it comes, and scores it against another that it has read before.
func ExampleRetrieval() {
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 16, DState: 8, DtMin: 0.01, DtMax: 0.5}, PreNorm: true}
	model, err := models.NewRetrieval(G.NewGraph(), tensor.Float32, models.RetrievalConfig{
		Vocab: 12, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{block}},
	}, 1)
	check(err)
	cfg := train.Config{Epochs: 5, BatchSize: 32, LR: 0.01, DropLast: true, Schedule: train.Schedule{Kind: train.Cosine}}
	trainer, err := train.New(cfg, model, topics(1024, 1), topics(256, 2), train.WithMetrics(train.Accuracy()))
	check(err)
	defer trainer.Close()
	result, err := trainer.Fit(context.Background())
	check(err)
	fmt.Printf("more than 90 %% of the pairs right: %t\n", result.Best.Val.Value("accuracy") > 0.9)

	reader, err := model.Recurrence(1)
	check(err)
	read := func(words ...int) *tensor.Dense {
		reader.Reset()
		var document *tensor.Dense
		for _, word := range words {
			document, err = reader.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{word})))
			check(err)
		}
		return document.Clone().(*tensor.Dense) // the reader uses its memory again
	}
	first, second, other := read(0, 1, 2, 0, 1, 2, 0, 1, 2, 0), read(2, 1, 0, 2, 2, 1, 0, 1, 1, 2), read(6, 7, 8, 6, 7, 8, 6, 7, 8, 6)
	for _, b := range []*tensor.Dense{second, other} {
		scores, err := model.Score(first, b)
		check(err)
		fmt.Println("about one thing:", likeliest(scores.Float32s()) == 1)
	}
	// Output:
	// more than 90 % of the pairs right: true
	// about one thing: true
	// about one thing: false
}

// tides returns windows of n tides of different periods, phases and means, with noise,
// and the three hours that follow each.
func tides(n int, seed uint64) task.Dataset {
	const window, horizon = 24, 3
	rng := rand.New(rand.NewPCG(seed, 0))
	past, future := make([][]float32, n), make([][]float32, n)
	for i := range n {
		period, phase, mean := 10+5*rng.Float64(), 7*rng.Float64(), 4*rng.NormFloat64()
		for t := range window + horizon {
			level := float32(mean + math.Sin(2*math.Pi*float64(t)/period+phase) + 0.1*rng.NormFloat64())
			if t < window {
				past[i] = append(past[i], level)
			} else {
				future[i] = append(future[i], level)
			}
		}
	}
	ds, err := task.NewTable(task.Col(task.Features(task.X, 1), past), task.Col(task.Numbers(task.Target, horizon, 1), future))
	check(err)
	return ds
}

// A forecaster learns quantiles of what follows a window, whatever level that is at.
func ExampleForecaster() {
	quantiles := []float64{0.1, 0.5, 0.9}
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 24, DState: 8, DtMin: 0.02, DtMax: 0.5}, PreNorm: true}
	model, err := models.NewForecaster(G.NewGraph(), tensor.Float32, models.ForecasterConfig{
		Features: 1, Horizon: 3, Quantiles: quantiles, Center: true, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{block}},
	}, 1)
	check(err)
	cfg := train.Config{Epochs: 14, BatchSize: 32, LR: 0.01, DropLast: true, Schedule: train.Schedule{Kind: train.Cosine, WarmUp: 10}}
	within := train.NewMean("within", train.Higher, func(out *task.Outputs, b *task.Batch) (sum, count float64, err error) {
		y, err := out.Array(task.Quantiles)
		if err != nil {
			return 0, 0, err
		}
		target, err := b.Array(task.Target)
		if err != nil {
			return 0, 0, err
		}
		return sum, count, b.Counts(task.Target, func(i int) {
			count++
			if v := target.At(i); y.At(3*i) <= v && v <= y.At(3*i+2) {
				sum++
			}
		})
	})
	trainer, err := train.New(cfg, model, tides(1024, 1), tides(256, 2), train.WithMetrics(train.Pinball(quantiles), train.MAE(), within))
	check(err)
	defer trainer.Close()
	result, err := trainer.Fit(context.Background())
	check(err)
	val := result.Best.Val
	fmt.Printf("off by less than 0.2 on average: %t\n", val.Value("mae") < 0.2)
	fmt.Printf("about 80 %% between the outer quantiles: %t\n", math.Abs(val.Value("within")-0.8) < 0.1)
	// Output:
	// off by less than 0.2 on average: true
	// about 80 % between the outer quantiles: true
}
