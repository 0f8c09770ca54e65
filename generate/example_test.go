package generate_test

import (
	"context"
	"fmt"
	"io"
	"log"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// A text that is written in two parts, with a state of some kilobytes in between.
func ExampleGenerator() {
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, models.LanguageModelConfig{
		Vocab: 256, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 16, DState: 8}}}},
	}, 1)
	if err != nil {
		log.Fatal(err)
	}
	g, err := generate.New(m, tokenizer.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	ctx, o := context.Background(), generate.Options{MaxTokens: 10, Temperature: 0.8, TopP: 0.95, Seed: 7}
	first, err := g.Write(ctx, generate.Request{Text: "Once upon a time", Options: o, KeepState: true}, nil)
	if err != nil {
		log.Fatal(err)
	}
	second, err := g.Write(ctx, generate.Request{State: first.State, Options: o}, nil)
	if err != nil {
		log.Fatal(err)
	}
	o.MaxTokens = 20
	whole, err := g.Text(ctx, "Once upon a time", o, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.Text+second.Text == whole.Text, whole.FinishReason, whole.Usage)
	// Output: true length {16 20}
}

// Two requests that are written together.
func ExampleEngine() {
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, models.LanguageModelConfig{
		Vocab: 256, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 16, DState: 8}}}},
	}, 1)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	e, err := generate.NewEngine(m, tokenizer.Bytes(), generate.EngineConfig{MaxRows: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close(ctx)
	var streams []*generate.Stream
	for seed := range uint64(2) {
		s, err := e.Submit(ctx, generate.Request{Text: "Once upon a time", Options: generate.Options{MaxTokens: 5, Temperature: 1, Seed: seed}})
		if err != nil {
			log.Fatal(err)
		}
		streams = append(streams, s)
	}
	for _, s := range streams {
		n := 0
		for {
			if _, err := s.Next(); err == io.EOF {
				break
			} else if err != nil {
				log.Fatal(err)
			}
			n++
		}
		fmt.Println(n, "pieces,", s.Result().FinishReason)
	}
	// Output:
	// 5 pieces, length
	// 5 pieces, length
}
