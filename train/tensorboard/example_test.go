package tensorboard_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/tensorboard"
)

// A run that TensorBoard shows: a directory of steps, and one for the training and the
// validation data each.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "tensorboard")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	options := []tensorboard.Option{tensorboard.Every(2), tensorboard.Histograms(), tensorboard.Text("command", "example")}
	var events *tensorboard.Events = tensorboard.New(dir, options...)

	model, err1 := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{
		Vocab: 2, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.LinearConfig{In: 4, Out: 4}}}},
	}, 1)
	ds, err2 := task.NewTable(task.Col(task.Tokens(task.X, 0), [][]int{{0, 1}, {1, 0}}), task.Col(task.Label(task.Target), []int{0, 1}))
	if err1 != nil || err2 != nil {
		log.Fatal(err1, err2)
	}
	trainer, err := train.New(train.Config{Steps: 4, BatchSize: 2, LR: 0.01}, model, ds, ds, train.WithHooks(events))
	if err != nil {
		log.Fatal(err)
	}
	defer trainer.Close()
	if _, err := trainer.Fit(context.Background()); err != nil {
		log.Fatal(err)
	}
	for run, tags := range map[string][]string{
		tensorboard.StepsDir:      {train.Loss, tensorboard.LearningRate, tensorboard.GradientNorm, tensorboard.Pace, tensorboard.Epoch},
		tensorboard.TrainDir:      {train.Loss},
		tensorboard.ValidationDir: {train.Loss},
	} {
		files, err := filepath.Glob(filepath.Join(dir, run, "*"))
		if err != nil || len(files) != 1 {
			log.Fatal(files, err)
		}
		content, err := os.ReadFile(files[0])
		if err != nil {
			log.Fatal(err)
		}
		for _, tag := range tags {
			if !bytes.Contains(content, []byte(tag)) {
				fmt.Println("no", tag, "in", run)
			}
		}
	}
	fmt.Println("written")
	// Output: written
}
