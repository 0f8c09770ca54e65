package statespaces_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
)

// check ends an Example with an error.
func check(errs ...error) {
	for _, err := range errs {
		if err != nil {
			log.Fatal(err)
		}
	}
}

// temporary makes a directory for an Example, which removes it.
func temporary() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "checkpoint")
	check(err)
	return dir, func() { check(os.RemoveAll(dir)) }
}

// A checkpoint of PyTorch becomes a model: what it says of itself, what has to be said,
// and the weights.
func ExampleRead() {
	c, err := statespaces.Read("testdata/checkpoints/s4_dplr/model.pt")
	check(err)
	var first statespaces.Tensor = c.Tensors[0]
	fmt.Println(c.Format == statespaces.FormatZip, c.Dtype(), first.Name, first.Shape)
	options := []statespaces.Option{statespaces.PreNorm(true), statespaces.With(statespaces.Options(map[string]any{
		"model": map[string]any{"layer": map[string]any{"lr": 0.001}}, // of the training script
	}))}
	var found *statespaces.Inspection
	found, err = c.Inspect(options...)
	check(err)
	cfg, err := found.Config()
	check(err)
	same, err := c.Config(options...)
	check(err)
	fmt.Println(len(found.Unknown), "unknown tensors;", cfg.Classes == same.Classes, cfg.Stack.Len(), "blocks")

	m, err := c.Model(G.NewGraph(), options...)
	check(err)
	double, err := c.ModelAs(G.NewGraph(), tensor.Float64, options...)
	check(err)
	fmt.Println(m.Dtype(), double.Dtype(), len(m.Params()), "parameters")
	// Output:
	// true float32 decoder.bias [5]
	// 0 unknown tensors; true 2 blocks
	// float32 float64 26 parameters
}

// A model that is there takes over all but the decoder, which is for other classes; and
// parameters that the checkpoint does not have stay as they are, if that is wanted.
func ExampleCheckpoint_Load() {
	c, err := statespaces.Read("testdata/checkpoints/s4_dplr/model.pt")
	check(err)
	cfg, err := c.Config(statespaces.PreNorm(true))
	check(err)
	cfg.Classes++
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, cfg, 1)
	check(err)
	report, err := c.Load(m, statespaces.PreNorm(true), statespaces.Without("decoder."))
	check(err)
	fmt.Println("missing", report.Missing, "left", report.Left)

	head, err := layers.NewLinear(G.NewGraph(), tensor.Float32, layers.LinearConfig{In: 3, Out: 3}, layers.WithName("head"))
	check(err)
	report, err = c.Load(head, statespaces.Partial())
	check(err)
	fmt.Println(report.Loaded, "loaded of a layer of another name")
	// Output:
	// missing [decoder.weight decoder.bias] left [decoder.weight decoder.bias]
	// 0 loaded of a layer of another name
}

// A model goes back to PyTorch, under the names of the module that it came from, or of
// one of two kinds of public models.
func ExampleLayout() {
	dir, remove := temporary()
	defer remove()
	c, err := statespaces.Read("testdata/checkpoints/s4_dplr/model.pt")
	check(err)
	m, err := c.Model(G.NewGraph(), statespaces.PreNorm(true))
	check(err)
	layout, err := c.Layout(statespaces.PreNorm(true))
	check(err)
	file := filepath.Join(dir, "model.safetensors")
	check(layout.Write(file, m), layout.Save(dir)) // beside a model, for later
	again, err := statespaces.SavedLayout(dir)
	check(err)
	theirs, err := again.Tensors(m)
	check(err)
	back, err := statespaces.Read(file)
	check(err)
	fmt.Println(back.Format == statespaces.FormatSafetensors, len(back.Tensors) == len(theirs), len(theirs) == len(c.Tensors))
	check(c.Write(filepath.Join(dir, "as-it-is.safetensors"))) // without a model
	fmt.Println("one of", []string{statespaces.FormatZip, statespaces.FormatLegacy, statespaces.FormatSafetensors})

	if layout, err = statespaces.LayoutOf(m, statespaces.Example); err != nil {
		log.Fatal(err)
	}
	var name statespaces.Name = layout.Names[4]
	var part statespaces.Part = name.Theirs[0]
	fmt.Println(name.Ours, "is", part.Name)
	// Output:
	// true true true
	// one of [zip legacy safetensors]
	// blocks.0.norm.weight is norms.0.weight
}
