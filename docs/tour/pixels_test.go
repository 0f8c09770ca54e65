package tour_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

//tour:pixels-data

// side is that of an image.
const side = 12

// images draws n of them, as rows of pixels one after the other: each has six bright pixels
// in six rows, below each other (class 1) or anywhere (class 0), and noise.
func images(n int, seed uint64) *task.Table {
	rng := rand.New(rand.NewPCG(seed, 0))
	pixels, classes := make([][]float32, n), make([]int, n)
	for i := range n {
		pixels[i], classes[i] = make([]float32, side*side), i%2
		for p := range pixels[i] {
			pixels[i][p] = float32(0.1 * rng.NormFloat64())
		}
		top, column := rng.IntN(side-5), rng.IntN(side)
		for row := top; row < top+6; row++ {
			if classes[i] == 0 {
				column = rng.IntN(side)
			}
			pixels[i][row*side+column]++
		}
	}
	table, err := task.NewTable(
		task.Col(task.Features(task.X, 1), pixels), task.Col(task.Label(task.Target), classes))
	check(err)
	return table
}

//tour:end

func Example_pixels() {
	//tour:pixels-run
	model, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{
		Features: 1, Classes: 2,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{
			Mixer: layers.S4DConfig{
				DModel: 16, DState: 32, DtMin: 0.02, DtMax: 0.2, SSM: layers.SSM{LR: 0.01},
			},
			PreNorm: true,
		}}},
	}, 1)
	check(err)
	trainer, err := train.New(train.Config{Epochs: 15, BatchSize: 20, LR: 0.01},
		model, images(400, 1), images(200, 2), train.WithMetrics(train.Accuracy()))
	check(err)
	defer trainer.Close()
	result, err := trainer.Fit(context.Background())
	check(err)
	fmt.Printf("above 95 %% of new images: %t\n", result.Best.Val.Value("accuracy") > 0.95)
	//tour:end
	// Output:
	// above 95 % of new images: true
}

// A classifier reads pixel by pixel too: the same scores, from a state.
func Example_pixelsSteps() {
	//tour:pixels-steps
	g := G.NewGraph()
	model, err := models.NewClassifier(g, tensor.Float64, models.ClassifierConfig{
		Features: 1, Classes: 2,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 16}}}},
	}, 1)
	check(err)
	pixels := noise(side * side)
	scores, err := model.Fwd(input(g, "image", pixels, 1, side*side, 1), nil)
	check(err)
	whole := values(g, scores)[0]

	rnn, err := model.Recurrence(1)
	check(err)
	var last *tensor.Dense
	for _, p := range pixels {
		last, err = rnn.Step(dense([]float64{p}, 1, 1))
		check(err)
	}
	fmt.Printf("apart by less than 1e-12: %t\n", distance(last.Float64s(), whole) < 1e-12)
	//tour:end
	// Output:
	// apart by less than 1e-12: true
}
