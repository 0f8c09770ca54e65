package models_test

import (
	"fmt"
	"io/fs"
	"os"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

// A program has its model in itself, by a line //go:embed model and an embed.FS, and reads
// it from there: in a browser, say, where there are no other files.
func ExampleFrom() {
	var files fs.FS // the embed.FS
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	files = os.DirFS(dir)

	model, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{
		Features: 1, Classes: 3, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}}}},
	}, 1)
	if err == nil {
		err = model.Save(dir)
	}
	if err != nil {
		fmt.Println(err)
		return
	}

	loaded, err := models.LoadClassifier(G.NewGraph(), ".", models.From(files))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(loaded.Kind(), "of", loaded.Config().(models.ClassifierConfig).Classes, "classes")
	// Output: classifier of 3 classes
}
