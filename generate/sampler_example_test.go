package generate_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// latin is a tokenizer of one's own: the letters a to z, and an end.
type latin struct{}

func (latin) Vocab() int { return 27 }
func (latin) EOS() int   { return 26 }

func (latin) Encode(dst []int, text []byte) ([]int, error) {
	for i, b := range text {
		if b < 'a' || b > 'z' {
			return dst, fmt.Errorf("latin: want a to z at byte %d, got %q", i, b)
		}
		dst = append(dst, int(b-'a'))
	}
	return dst, nil
}

func (latin) Decode(dst []byte, ids ...int) []byte {
	for _, id := range ids {
		if id < 26 {
			dst = append(dst, 'a'+byte(id))
		}
	}
	return dst
}

// writer is a model of letters that has learned nothing.
func writer() generate.Model {
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float64, models.LanguageModelConfig{
		Vocab: latin{}.Vocab(), Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 8, DState: 4}}}},
	}, 1)
	check(err)
	return m
}

// How a token is chosen, without a model: of scores that are given, one of the two
// likeliest, and once "a" was there less often that.
func ExampleSampler() {
	scores := tensor.New(tensor.WithShape(1, 3), tensor.WithBacking([]float64{2, 1.9, -5}))
	s, err := generate.NewSampler(3, generate.Options{RepetitionPenalty: 1.5, PenaltyWindow: generate.DefaultPenaltyWindow, LogProbs: 2})
	check(err)
	for range 2 {
		var c generate.Choice
		c, err = s.Choose(scores, 0) // and takes note of it
		check(err)
		var likeliest generate.TokenLogProb = c.Top[0]
		fmt.Printf("token %d of probability %.2f, the likeliest %d\n", c.ID, math.Exp(c.LogProb), likeliest.ID)
	}
	check(s.Read(0, 0, 1)) // as if those had been in the prompt

	// Options from elsewhere are bounded.
	for _, o := range []generate.Options{
		{PenaltyWindow: generate.MaxPenaltyWindow + 1},
		{LogProbs: generate.MaxLogProbs + 1},
		{Stop: make([]string, generate.MaxStops+1)},
		{Stop: []string{strings.Repeat("a", generate.MaxStopBytes+1)}},
	} {
		fmt.Println(o.Validate() != nil)
	}
	// Output:
	// token 0 of probability 0.52, the likeliest 0
	// token 1 of probability 0.47, the likeliest 0
	// true
	// true
	// true
	// true
}

// A loop of one's own: a model steps, and a sampler chooses what it reads next.
func ExampleNewSampler() {
	model := writer()
	rnn, err := model.Recurrence(1)
	check(err)
	s, err := generate.NewSampler(model.Vocab(), generate.Options{Temperature: 0.8, TopK: 5, Seed: 1})
	check(err)
	ids := []int{0}
	check(s.Read(ids...))
	for range 5 {
		scores, err := rnn.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking(ids[len(ids)-1:])))
		check(err)
		c, err := s.Choose(scores, 0)
		check(err)
		ids = append(ids, c.ID)
	}
	fmt.Println(len(latin{}.Decode(nil, ids...)) <= 6)
	// Output: true
}

// Several texts written together, of which one is given up on the way; then the likeliest
// texts behind a prompt.
func ExampleGenerator_Batch() {
	var words generate.Tokenizer = latin{}
	rows := []generate.Option{generate.WithRows(2)}
	g, err := generate.New(writer(), words, rows...)
	check(err)
	ctx, o := context.Background(), generate.Options{MaxTokens: 5, IgnoreEOS: true}
	results, err := g.Batch(ctx, []generate.Request{
		{Text: "once", Options: o}, {Text: "upon", Options: o}, {Text: "a", Options: generate.Options{MaxTokens: 5, StopIDs: allIDs()}},
	}, func(i int, p generate.Piece) error {
		if i == 1 {
			return errors.New("whoever asked has gone")
		}
		return nil
	})
	fmt.Println(err)
	for _, r := range results {
		switch r.FinishReason {
		case generate.Length, generate.Stop:
			fmt.Println(r.FinishReason, r.Usage.Completion, "tokens")
		case generate.Cancelled, generate.Failed:
			fmt.Println("no text:", r.FinishReason)
		}
	}
	best, err := g.Beam(ctx, generate.Request{Text: "a", Options: o}, generate.BeamOptions{Width: 4, N: 2})
	check(err)
	var first generate.Hypothesis = best[0]
	fmt.Println(len(best), "texts; the best first:", first.Score >= best[1].Score, first.Usage.Completion)
	fmt.Println(generate.BeamOptions{Width: generate.MaxBeam + 1}.Validate())
	check(g.Refresh()) // after training steps
	// Output:
	// generate: request 1: whoever asked has gone
	// length 5 tokens
	// no text: error
	// stop 1 tokens
	// 2 texts; the best first: true 5
	// BeamOptions: want width in [1, 1024], got 1025
}

// allIDs are all tokens.
func allIDs() []int {
	var ids []int
	for id := range (latin{}).Vocab() {
		ids = append(ids, id)
	}
	return ids
}

// What an Engine says of itself, and of what it cannot do.
func ExampleEngine_Stats() {
	ctx := context.Background()
	e, err := generate.NewEngine(writer(), latin{}, generate.EngineConfig{MaxRows: 1, MaxQueue: -1, MaxTokens: 1 << 30, Buffer: 1 << 20})
	check(err)
	endless, cancel := context.WithCancel(ctx)
	first, err := e.Submit(endless, generate.Request{Text: "a", Options: generate.Options{MaxTokens: 1 << 30, IgnoreEOS: true}})
	check(err)
	_, err = e.Submit(ctx, generate.Request{Text: "a"})
	fmt.Println("busy:", errors.Is(err, generate.ErrBusy))
	cancel()
	<-first.Done()
	fmt.Println(first.Result().FinishReason == generate.Cancelled)

	fmt.Println("a state of another model:", e.CheckState(layers.State{{Name: "x", Value: tensor.New(tensor.WithShape(1, 1), tensor.Of(tensor.Float64))}}) != nil)
	check(e.Refresh()) // after training steps
	var now generate.Stats = e.Stats()
	var times generate.Histogram = now.StepTime
	fmt.Println(now.MaxRows, "row;", now.Requests, "request;", now.Busy, "refused;", times.Count == now.Steps, slices.IsSorted(times.Bounds))
	check(e.Close(ctx))
	_, err = e.Submit(ctx, generate.Request{Text: "a"})
	fmt.Println("closed:", errors.Is(err, generate.ErrClosed))

	// A text whose pieces nobody reads.
	if e, err = generate.NewEngine(writer(), latin{}, generate.EngineConfig{Buffer: 1}); err != nil {
		log.Fatal(err)
	}
	defer e.Close(ctx)
	unread, err := e.Submit(ctx, generate.Request{Text: "a", Options: generate.Options{MaxTokens: 100, IgnoreEOS: true}})
	check(err)
	<-unread.Done()
	for err == nil {
		_, err = unread.Next()
	}
	fmt.Println("slow:", errors.Is(err, generate.ErrSlow))
	// Output:
	// busy: true
	// true
	// a state of another model: true
	// 1 row; 1 request; 1 refused; true true
	// closed: true
	// slow: true
}
