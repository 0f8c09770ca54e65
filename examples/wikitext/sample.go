package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

const (
	samplePrompt = 64  // tokens of the test text that a sample goes on with
	sampleTokens = 300 // that it writes
	samples      = 3   // on the page of a run; the first is printed
)

// sampler shows what a model writes after pieces of a text.
type sampler struct {
	tokens tokenizer.Tokenizer
	text   *corpus.Tokens
	seed   uint64
}

func newSampler(t tokenizer.Tokenizer, text *corpus.Tokens, seed uint64) *sampler {
	return &sampler{t, text, seed}
}

// show prints what the model writes, and returns it for the page of the run.
func (s *sampler) show(ctx context.Context, m models.Model, out io.Writer) ([]report.Sample, error) {
	lm, ok := m.(*models.LanguageModel)
	if !ok || s.text == nil || s.text.Len() < 1 {
		return nil, nil
	}
	g, err := generate.New(lm, s.tokens)
	if err != nil {
		return nil, err
	}
	var list []report.Sample
	for i := range samples {
		prompt := make([]int, min(samplePrompt, s.text.Len()))
		at := i * (s.text.Len() - len(prompt)) / samples
		s.text.Read(prompt, at)
		r, err := g.Write(ctx, generate.Request{Prompt: prompt, Options: generate.Options{
			MaxTokens: sampleTokens, Temperature: 0.8, TopP: 0.95, Seed: s.seed + uint64(i),
		}}, nil)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		before := string(s.tokens.Decode(nil, prompt...))
		if i == 0 {
			fmt.Fprintf(out, "\na sample, behind %q of the test text:\n\n%s\n\n", ending(before), strings.TrimSpace(r.Text))
		}
		second := report.Picture{Kind: report.Text, Title: "what the model goes on with", Pieces: []string{r.Text}}
		if r.IDs != nil {
			second.Pieces = pieces(s.tokens, r.IDs)
		}
		list = append(list, report.Sample{Index: at, Origin: fmt.Sprintf("token %d", at), Picture: report.Picture{
			Kind: report.Text, Title: "test text", Pieces: pieces(s.tokens, prompt), Second: &second,
		}})
	}
	return list, nil
}

// ending returns the last words of a text.
func ending(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	text = text[len(text)-most:]
	if i := strings.IndexAny(text, " \n"); i >= 0 {
		text = text[i+1:]
	}
	return strings.ToValidUTF8(text, "")
}
