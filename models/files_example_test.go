package models_test

import (
	"fmt"
	"os"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
)

// small is a stack of a block of so many features.
func small(features int) layers.StackConfig {
	return layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: features, DState: 4}, PreNorm: true}}}
}

// A directory holds a model of any kind, or of one that is known.
func ExampleOpen() {
	g := G.NewGraph()
	classifier, err1 := models.NewClassifier(g, tensor.Float32, models.ClassifierConfig{Features: 3, Classes: 2, Stack: small(4)}, 1)
	lm, err2 := models.NewLanguageModel(G.NewGraph(), tensor.Float32, models.LanguageModelConfig{Vocab: 20, Stack: small(4), Tie: true}, 1)
	pairs, err3 := models.NewRetrieval(G.NewGraph(), tensor.Float32, models.RetrievalConfig{Vocab: 20, Classes: 2, Stack: small(4)}, 1)
	forecaster, err4 := models.NewForecaster(G.NewGraph(), tensor.Float64, models.ForecasterConfig{Features: 2, Horizon: 3, Loss: models.LossMAE, Stack: small(4)}, 1)
	for _, err := range []error{err1, err2, err3, err4} {
		check(err)
	}
	for _, m := range []models.Model{classifier, lm, pairs, forecaster} {
		dir, err := os.MkdirTemp("", "model")
		check(err)
		defer os.RemoveAll(dir)
		check(m.Save(dir))
		opened, err := models.Open(G.NewGraph(), dir)
		check(err)
		double, err := models.Open(G.NewGraph(), dir, models.As(tensor.Float64))
		check(err)
		check(double.Settle()) // after values of one's own were put into it
		fmt.Println(opened.Kind(), opened.Dtype(), double.Dtype(), len(opened.Learnables()), "tensors learned")
		switch m.Kind() { // where the kind is known, the model comes with all that it can
		case "language_model":
			lm, err = models.LoadLanguageModel(G.NewGraph(), dir)
		case "retrieval":
			pairs, err = models.LoadRetrieval(G.NewGraph(), dir)
		case "forecaster":
			forecaster, err = models.LoadForecaster(G.NewGraph(), dir)
		}
		check(err)
	}
	fmt.Println(lm.Vocab(), pairs.Config().(models.RetrievalConfig).Classes, forecaster.Config().(models.ForecasterConfig).Loss)
	// Output:
	// classifier float32 float64 16 tensors learned
	// language_model float32 float64 14 tensors learned
	// retrieval float32 float64 17 tensors learned
	// forecaster float64 float64 16 tensors learned
	// 20 2 mae
}

// A configuration says what is wrong with it, before anything is made.
func ExampleClassifierConfig() {
	fmt.Println(models.ClassifierConfig{Features: 1, Classes: 2, Stack: small(4)}.Validate())
	fmt.Println(models.ClassifierConfig{Features: 1, Vocab: 10, Classes: 2, Stack: small(4)}.Validate())
	// Output:
	// <nil>
	// ClassifierConfig: want one of Vocab and Features positive, got Vocab 10 and Features 1
}

// What a model is made of, for a reader.
func ExampleModel_summary() {
	m, err := models.NewForecaster(G.NewGraph(), tensor.Float32, models.ForecasterConfig{Features: 2, Horizon: 3, Stack: small(4)}, 1)
	check(err)
	fmt.Print(m.Summary())
	// Output:
	// encoder (B, 4, L), 1 blocks (B, 4, L), pool (last) (B, 4), decoder (B, 3, 2)
	// layer              kind    shape         parameters
	// encoder            Linear                12
	//   weight                   (4, 2)        8
	//   bias                     (4)           4
	// blocks.0           Block                 104
	//   layer            S4D                   96
	//     kernel.log_dt          (4, 1)        4
	//     kernel.A_real          (4, 2)        8
	//     kernel.A_imag          (4, 2)        8
	//     kernel.B               (4, 2, 2)     16
	//     kernel.C               (1, 4, 2, 2)  16
	//     D                      (1, 4)        4
	//     output_linear  Linear                40
	//       weight               (8, 4)        32
	//       bias                 (8)           8
	//   norm             Norm                  8
	//     weight                 (4)           4
	//     bias                   (4)           4
	// blocks.norm        Norm                  8
	//   weight                   (4)           4
	//   bias                     (4)           4
	// decoder            Linear                30
	//   weight                   (6, 4)        24
	//   bias                     (6)           6
	// parameters: 154, of which frozen: 0
}

// A copy of any model on another graph: here one that reads sequences sampled half as
// often.
func ExampleClone() {
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{Features: 1, Classes: 2, Stack: small(4)}, 1)
	check(err)
	slow, err := models.Clone(m, G.NewGraph(), layers.AtRate(2))
	check(err)
	graph, err := slow.Build(task.Evaluation, 8, 500)
	check(err)
	fmt.Println(graph.Outputs[task.Logits].Shape())
	// Output: (8, 2)
}

// The language model of the S4 paper, and a small one of its kind.
func ExamplePaperLanguageModel() {
	cfg := models.PaperLanguageModel(8192)
	fmt.Println(cfg.Vocab, "tokens,", cfg.Stack.DModel(), "features,", cfg.Stack.Len(), "blocks")
	cfg.Vocab, cfg.Cutoffs, cfg.Stack = 1000, []int{100, 300}, models.PaperStack(16, 2, 64, 0.1)
	cfg.DEmbed, cfg.DivVal, cfg.TieProjs = 16, 2, nil
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, cfg, 1)
	check(err)
	text := m.Summary()
	fmt.Println(text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:])
	// Output:
	// 267735 tokens, 1024 features, 48 blocks
	// parameters: 30906, of which frozen: 0
}

// A language model on a graph of one's own goes on from a state. One that is to be
// measured by its scores has them among its outputs, and one that is to be evaluated on
// windows apart carries nothing.
func ExampleLanguageModel_FwdState() {
	g := G.NewGraph()
	m, err := models.NewLanguageModel(g, tensor.Float64, models.LanguageModelConfig{Vocab: 5, Stack: small(4), Carry: true}, 1)
	check(err)
	ids := func(name string, v ...int) *G.Node {
		return G.NodeFromAny(g, tensor.New(tensor.WithShape(1, len(v)), tensor.WithBacking(v)), G.WithName(name))
	}
	whole, _, err := m.FwdState(ids("whole", 0, 1, 2, 3), nil)
	check(err)
	_, state, err := m.FwdState(ids("first", 0, 1), nil)
	check(err)
	rest, _, err := m.FwdState(ids("rest", 2, 3), state)
	check(err)
	var a, b G.Value
	G.Read(whole, &a)
	G.Read(rest, &b)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	check(vm.RunAll())
	last := a.Data().([]float64)[3] - b.Data().([]float64)[1] // of token 0 behind the last step
	fmt.Println("the same:", last < 1e-9 && last > -1e-9)
	for _, s := range m.StateShapes(1) {
		fmt.Println(s.Name, s.Shape)
	}

	carried, err := m.WithLogits().Build(task.Evaluation, 2, 3)
	check(err)
	apart, err := m.WithCarry(false).Build(task.Evaluation, 2, 3)
	check(err)
	fmt.Println(carried.Outputs[task.Logits].Shape(), apart.Outputs[task.NLL].Shape(), len(carried.States), len(apart.States))
	// Output:
	// the same: true
	// 0.x (1, 4, 2, 2)
	// (2, 5, 3) (2, 3) 1 0
}
