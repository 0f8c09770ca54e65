package models_test

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// A loop of one's own trains the decoder of a model alone: rules are applied to the
// parameters of the graph, which takes no gradients of those that are frozen. In a
// trainer of package train they are Rules of its configuration.
func Example_rules() {
	cfg := models.ClassifierConfig{
		Vocab: 2, Classes: 2,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}}}},
	}
	model, err := models.NewClassifier(G.NewGraph(), tensor.Float64, cfg, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	graph, err := model.Build(task.Training, 2, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	rules := param.Rules{param.Freeze("*"), param.Thaw("decoder.*"), param.Rate("decoder.bias", 0.1)}
	if err := rules.Apply(graph.Params); err != nil {
		fmt.Println(err)
		return
	}
	var learned G.Nodes
	for _, p := range graph.Params {
		if !p.Frozen {
			learned = append(learned, p.Node)
		}
	}
	var loss G.Value
	G.Read(graph.Loss, &loss)
	_, err = G.Grad(graph.Loss, learned...)
	err = errors.Join(err,
		G.Let(graph.Inputs[task.X], tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]int{0, 0, 0, 1, 1, 1}))),
		G.Let(graph.Inputs[task.Lengths], tensor.New(tensor.WithBacking([]int{3, 3}))),
		G.Let(graph.Inputs[task.Target], tensor.New(tensor.WithBacking([]int{0, 1}))))
	if err != nil {
		fmt.Println(err)
		return
	}
	vm := G.NewTapeMachine(graph.G, G.BindDualValues(learned...))
	defer vm.Close()
	solver := train.NewAdamW(train.ParamGroups(graph.Params, train.LR(0.05), train.WeightDecay(0)))
	for range 100 {
		if err := vm.RunAll(); err != nil {
			fmt.Println(err)
			return
		}
		if err := solver.Step(G.NodesToValueGrads(learned)); err != nil {
			fmt.Println(err)
			return
		}
		vm.Reset()
	}
	fmt.Println(len(learned), "of", len(graph.Params), "parameters, small loss:", loss.Data().(float64) < 0.1)
	// Output: 2 of 13 parameters, small loss: true
}
