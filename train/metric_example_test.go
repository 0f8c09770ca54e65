package train_test

import (
	"context"
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// worst is a metric that is no mean: the largest error.
type worst struct{ most float64 }

func (*worst) Name() string             { return "worst" }
func (*worst) Better(a, b float64) bool { return train.Lower(a, b) }
func (*worst) New() train.Metric        { return &worst{math.NaN()} }
func (w *worst) Value() float64         { return w.most }
func (w *worst) State() []float64       { return []float64{w.most} }
func (w *worst) Show(v float64) string  { return fmt.Sprintf("worst %.1f degrees", v) }

func (w *worst) Merge(state []float64) error {
	if !(w.most >= state[0]) {
		w.most = state[0]
	}
	return nil
}

func (w *worst) Add(out *task.Outputs, b *task.Batch) error {
	y, err := out.Array(task.Output)
	if err != nil {
		return err
	}
	want, err := b.Array("temperature")
	if err != nil {
		return err
	}
	return b.Counts("temperature", func(i int) {
		if e := math.Abs(y.At(i) - want.At(i)); !(w.most >= e) {
			w.most = e
		}
	})
}

// A metric of one's own, beside means of numbers, also by weights. Here they are of a
// model that has learned nothing yet.
func ExampleMetric() {
	temperature := train.On(task.Output, "temperature")
	evaluator, err := train.NewEvaluator(newRoom(), (*worst).New(nil),
		train.MSE(temperature), train.MAE(temperature),
		train.MAE(temperature, train.Called("weighted"), train.Weighted("weight")))
	check(err)
	defer evaluator.Close()
	m, err := evaluator.Evaluate(context.Background(), heating{50, 2}, train.LoaderConfig{BatchSize: 16})
	check(err)
	for _, s := range m.Scores {
		fmt.Printf("%s %.2f\n", s.Name, s.Value)
	}
	var shown train.Shower = &worst{}
	fmt.Println(shown.Show(m.Value("worst")))
	fmt.Println(evaluator.Graphs(), "graph") // of the one size of a batch
	// Output:
	// worst 1.94
	// mse 0.55
	// mae 0.63
	// weighted 0.63
	// worst 1.9 degrees
	// 1 graph
}

// Errors in the units that numbers had before they were standardised: of a forecast of
// degrees, whose deviation was 5, and of millimetres, of 20.
func ExampleInUnits() {
	mae := train.MAE(train.InUnits(5, 20))
	ds, err := task.NewTable(task.Col(task.Features(task.X, 1), [][]float32{{0}}), task.Col(task.Numbers(task.Target, 2), [][]float32{{1, 1}}))
	check(err)
	b := task.NewBatch(ds)
	check(b.Load([]int{0}, 1, 1))
	out := &task.Outputs{Arrays: map[string]task.Array{task.Output: {Shape: tensor.Shape{1, 2}, Float32s: []float32{0.9, 0.9}}}}
	check(mae.Add(out, b))
	fmt.Printf("%s %.2f: %s\n", mae.Name(), mae.Value(), mae.Show(mae.Value()))
	// Output: mae 1.25: mae 1.25
}

// twoClasses are a model that has not learned yet, and examples of two classes.
func twoClasses() (*models.Classifier, task.Dataset) {
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float64, models.ClassifierConfig{
		Features: 1, Classes: 2,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.LinearConfig{In: 4, Out: 4}}}},
	}, 1)
	check(err)
	ds, err := task.NewTable(
		task.Col(task.Features(task.X, 1), [][]float32{{0}, {1}, {2}, {3}}),
		task.Col(task.Label(task.Target), []int{0, 1, 1, 1}))
	check(err)
	return m, ds
}

// Metrics of classes.
func ExampleAccuracy() {
	model, ds := twoClasses()
	evaluator, err := train.NewEvaluator(model, train.Accuracy(), train.SequenceAccuracy(), train.TopK(2), train.AUC())
	check(err)
	defer evaluator.Close()
	m, err := evaluator.Evaluate(context.Background(), ds, train.LoaderConfig{BatchSize: 4}, func(out *task.Outputs, b *task.Batch) error {
		logits, err := out.Array(task.Logits)
		if err == nil {
			fmt.Println(logits.Shape, "scores of", len(b.Examples), "examples")
		}
		return err
	})
	check(err)
	for _, s := range m.Scores {
		fmt.Println(s.Name, s.Value >= 0 && s.Value <= 1)
	}
	fmt.Println("of two classes one is right:", m.Value("top2"))
	// Output:
	// (4, 2) scores of 4 examples
	// accuracy true
	// sequence_accuracy true
	// top2 true
	// auc true
	// of two classes one is right: 1
}

// book is a text of tokens that are bytes.
type book struct{ task.Ints }

func (b book) Words() int { return b.Len() / 5 }
func (b book) Bytes() int { return b.Len() }

// A language model is evaluated on a text in three ways, which differ in what a token is
// predicted from.
func ExampleEvaluator_EvaluateText() {
	model, err := models.NewLanguageModel(G.NewGraph(), tensor.Float64, models.LanguageModelConfig{
		Vocab: 4, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}}}},
	}, 1)
	check(err)
	var text train.Text = book{make(task.Ints, 101)}
	for _, cfg := range []train.TextConfig{
		{Mode: train.TextWindows, Window: 20, Rows: 2, Vocabulary: "byte"},
		{Mode: train.TextSliding, Window: 20, Stride: 10},
		{Mode: train.TextCarried, Window: 20},
	} {
		evaluator, err := train.NewEvaluator(model.WithCarry(cfg.Mode == train.TextCarried))
		check(err)
		r, err := evaluator.EvaluateText(context.Background(), text, cfg)
		check(err)
		fmt.Printf("%s: %d tokens, %.0f words, %t\n", r.Mode, r.Tokens, r.Words, math.Abs(r.BitsPerByte-math.Log2(r.Perplexity)*float64(r.Tokens)/r.Bytes) < 1e-9)
		check(evaluator.Close())
	}
	// Output:
	// windows: 100 tokens, 20 words, true
	// sliding: 100 tokens, 20 words, true
	// carried: 100 tokens, 20 words, true
}

// Perplexities per word, and bits per byte, compare models of different vocabularies:
// here a token is 0.8 words and 4.5 bytes, on average.
func ExampleWordPerplexity() {
	words, bytes := train.WordPerplexity(train.PerTarget(0.8)), train.BitsPerByte(train.PerTarget(4.5))
	batch, err := task.NewTable(task.Col(task.Tokens(task.X, 0), [][]int{{1, 2}}), task.Col(task.Labels(task.Target), [][]int{{2, 3}}))
	check(err)
	b := task.NewBatch(batch)
	check(b.Load([]int{0}, 1, 2))
	out := &task.Outputs{Loss: math.Ln2 * 2, Count: 2} // a mean of 2 bits for each of 2 tokens
	check(words.Add(out, b), bytes.Add(out, b))
	fmt.Printf("%s %.2f\n%s %.3f\n", words.Name(), words.Value(), bytes.Name(), bytes.Value())
	// Output:
	// word_perplexity 5.66
	// bits_per_byte 0.444
}
