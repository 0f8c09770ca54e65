package models_test

import (
	"context"
	"fmt"
	"os"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// firstToken is a data set of 64 sequences whose class is their first token: a
// model that reads the last step has to remember it.
type firstToken struct{}

func (firstToken) Len() int       { return 64 }
func (firstToken) Length(int) int { return 12 }
func (firstToken) Fields() []task.Field {
	return []task.Field{task.Tokens(task.X, 0), task.Label(task.Target)}
}
func (d firstToken) Example(i int, row *task.Row) error {
	tokens := make([]int, d.Length(i))
	for l := range tokens {
		tokens[l] = (i >> l) & 1
	}
	row.Ints(task.X, tokens...)
	row.Ints(task.Target, tokens[0])
	return nil
}

// A classifier is configured, trained, saved and loaded.
func ExampleClassifier() {
	cfg := models.ClassifierConfig{
		Vocab: 2, Classes: 2, Pool: ops.PoolLast,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 8, DState: 8, DtMin: 0.05, DtMax: 0.5}}}},
	}
	model, err := models.NewClassifier(G.NewGraph(), tensor.Float32, cfg, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	trainer, err := train.New(train.Config{Epochs: 25, BatchSize: 16, LR: 0.02}, model, firstToken{}, firstToken{},
		train.WithMetrics(train.Accuracy()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer trainer.Close()
	result, err := trainer.Fit(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s after %d steps, best accuracy %.0f %%\n", result.Reason, result.Steps, 100*result.Best.Val.Value("accuracy"))

	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := model.Save(dir); err != nil {
		fmt.Println(err)
		return
	}
	loaded, err := models.LoadClassifier(G.NewGraph(), dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(loaded.Params()), "parameters, first", loaded.Params()[0].Name)
	// Output:
	// finished after 100 steps, best accuracy 100 %
	// 13 parameters, first encoder.weight
}
