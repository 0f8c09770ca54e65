package models_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

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

// verse is a verse of a song about so many bottles. Between its two numbers are
// more words than a window has.
func verse(bottles int) string {
	numbers := strings.Fields("no one two three four five six seven eight nine ten")
	text := "N green bottles hanging on the wall and if one green bottle should accidentally fall there'll be M green bottles hanging on the wall ."
	return strings.NewReplacer("N", numbers[bottles], "M", numbers[bottles-1]).Replace(text)
}

// songs is a text of n words: songs that begin with 3 to 10 bottles.
func songs(n int, seed uint64) (words []string) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for len(words) < n {
		for bottles := 3 + rng.IntN(8); bottles > 0; bottles-- {
			words = append(words, strings.Fields(verse(bottles))...)
		}
	}
	return words[:n]
}

// A language model reads a text that goes on and on, in windows, with the state
// carried from each to the next; then it writes word by word, with the same weights.
// It could not count without the state: its perplexity would be above 1.18.
func ExampleLanguageModel() {
	const rows, window = 8, 16
	words := songs(150*rows*window+1, 1)
	vocab := slices.Compact(slices.Sorted(slices.Values(words)))
	streams := func(words []string) *task.Streams {
		ids := make([]int, len(words))
		for i, w := range words {
			ids[i], _ = slices.BinarySearch(vocab, w)
		}
		s, err := task.NewStreams(ids, rows, window)
		check(err)
		return s
	}
	block := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 32, DState: 16, DtMin: 0.01, DtMax: 0.5}, PreNorm: true}
	model, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, models.LanguageModelConfig{
		Vocab: len(vocab), Stack: layers.StackConfig{Blocks: []layers.BlockConfig{block}, Repeat: 2}, Carry: true,
	}, 1)
	check(err)
	cfg := train.Config{Epochs: 5, BatchSize: rows, LR: 0.01, InOrder: true, Schedule: train.Schedule{Kind: train.Cosine}}
	trainer, err := train.New(cfg, model, streams(words), streams(songs(10*rows*window+1, 2)), train.WithMetrics(train.Perplexity()))
	check(err)
	defer trainer.Close()
	result, err := trainer.Fit(context.Background())
	check(err)
	fmt.Printf("perplexity below 1.1 of %d words: %t\n", len(vocab), result.Best.Val.Value("perplexity") < 1.1)

	// After ". two" it writes two verses.
	writer, err := model.Recurrence(1)
	check(err)
	text := []string{".", "two"}
	for i := range 2 * len(strings.Fields(verse(2))) {
		id, _ := slices.BinarySearch(vocab, text[i])
		scores, err := writer.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id})))
		check(err)
		if i == len(text)-1 {
			text = append(text, vocab[likeliest(scores.Float32s())])
		}
	}
	for _, line := range strings.Split(strings.Trim(strings.Join(text, " "), ". "), " . ") {
		fmt.Println(line)
	}
	// Output:
	// perplexity below 1.1 of 26 words: true
	// two green bottles hanging on the wall and if one green bottle should accidentally fall there'll be one green bottles hanging on the wall
	// one green bottles hanging on the wall and if one green bottle should accidentally fall there'll be no green bottles hanging on the wall
}

// check ends an example with an error.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// likeliest returns the index of the highest score.
func likeliest(scores []float32) int { return slices.Index(scores, slices.Max(scores)) }
