package tour_test

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

// writer is a language model of 12 tokens that has learned nothing.
func writer() *models.LanguageModel {
	model, err := models.NewLanguageModel(G.NewGraph(), tensor.Float64, models.LanguageModelConfig{
		Vocab: 12, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 16, DState: 16}, PreNorm: true}}, Repeat: 2},
	}, 3)
	check(err)
	return model
}

//tour:text-slow

// rereading writes n tokens behind the first ones. For each it reads the whole text again.
func rereading(model *models.LanguageModel, text []int, n int) []int {
	for range n {
		g := G.NewGraph()
		m, err := model.CloneTo(g)
		check(err)
		ids := G.NodeFromAny(g, tokens(text...), G.WithName("ids"))
		scores, err := m.Fwd(ids, nil) // (1, Vocab, L)
		check(err)
		v := values(g, scores)[0]
		text = append(text, likeliest(every(len(text), v[len(text)-1:])))
	}
	return text
}

//tour:end

//tour:text-fast

// stepping writes the same with the state of what was read.
func stepping(model *models.LanguageModel, text []int, n int) []int {
	rnn, err := model.Recurrence(1)
	check(err)
	for l := 0; n > 0; l++ {
		scores, err := rnn.Step(token(text[l]))
		check(err)
		if l == len(text)-1 { // what was given is read
			text = append(text, likeliest(scores.Float64s()))
			n--
		}
	}
	return text
}

//tour:end

// tokens are a batch of one text, and token one step of it.
func tokens(ids ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(1, len(ids)), tensor.WithBacking(slices.Clone(ids)))
}

func token(id int) *tensor.Dense {
	return tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id}))
}

// likeliest returns the index of the highest score.
func likeliest(scores []float64) int { return slices.Index(scores, slices.Max(scores)) }

func Example_text() {
	//tour:text-agree
	model, begin := writer(), []int{3, 1, 4, 1, 5}
	slow, fast := rereading(model, begin, 15), stepping(model, begin, 15)
	fmt.Println(slow)
	fmt.Println(fast)
	//tour:end
	// Output:
	// [3 1 4 1 5 11 2 7 3 1 11 2 7 3 1 11 2 7 3 1]
	// [3 1 4 1 5 11 2 7 3 1 11 2 7 3 1 11 2 7 3 1]
}

// What the chapter counts: tokens that the layers compute.
func Example_textCost() {
	//tour:text-cost
	for _, T := range []int{100, 1000, 10000} {
		again := T * (T + 1) / 2
		fmt.Printf("a text of %5d tokens: %8d steps by reading again, %5d with the state\n", T, again, T)
	}
	//tour:end
	// Output:
	// a text of   100 tokens:     5050 steps by reading again,   100 with the state
	// a text of  1000 tokens:   500500 steps by reading again,  1000 with the state
	// a text of 10000 tokens: 50005000 steps by reading again, 10000 with the state
}

func Example_textState() {
	//tour:text-state
	rnn, err := writer().Recurrence(1)
	check(err)
	size := func() (n int) {
		for _, part := range rnn.State() {
			n += part.Value.Shape().TotalSize()
		}
		return n
	}
	before := size()
	for l := range 500 {
		_, err := rnn.Step(token(l % 12))
		check(err)
	}
	fmt.Printf("the state is %d numbers at the start, and %d after 500 tokens\n", before, size())
	//tour:end
	// Output:
	// the state is 512 numbers at the start, and 512 after 500 tokens
}
