package main

import (
	"fmt"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/generate"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// trained is the model of a run with its vocabulary.
type trained struct {
	*experiment.Trained
	model  *models.LanguageModel
	tokens tokenizer.Tokenizer
}

// openRun reads the model of a run.
func openRun(dir string) (*trained, error) {
	t, err := program.Open(dir)
	if err != nil {
		return nil, err
	}
	r := &trained{Trained: t}
	var ok bool
	if r.model, ok = t.Model.(*models.LanguageModel); !ok {
		return nil, fmt.Errorf("-run: want a language model, got a %s", t.Model.Kind())
	}
	c, ok := t.Codec.(*textCodec)
	if !ok {
		return nil, fmt.Errorf("-run: want a model of text, got one of %T", t.Codec)
	}
	if r.tokens, err = c.tokenizer(); err != nil {
		return nil, fmt.Errorf("-run: %s: %w", dir, err)
	}
	if r.tokens.Vocab() != r.model.Vocab() {
		return nil, fmt.Errorf("-run: %s: the model is of another vocabulary: want the %d tokens of its embedding, got %d of the tokenizer beside it", dir, r.model.Vocab(), r.tokens.Vocab())
	}
	return r, nil
}

// request returns what goes on with a prompt behind a state. Where there is neither a
// line begins.
func (t *trained) request(prompt string, x layers.State) generate.Request {
	q := generate.Request{Text: prompt, State: x}
	if prompt == "" && x == nil {
		q.Prompt = start(t.tokens)
	}
	return q
}

// start returns a token behind which a text can begin: the end of a line or of a text.
func start(t tokenizer.Tokenizer) []int {
	if id := t.EOS(); id >= 0 {
		return []int{id}
	}
	if ids, err := t.Encode(nil, []byte("\n")); err == nil && len(ids) > 0 {
		return ids
	}
	return []int{0}
}

// settings returns the options of the data of the run, the defaults if there is the
// model alone.
func (t *trained) settings() *textOptions {
	if t.Recipe != nil {
		if o, ok := t.Recipe.Data.(*textOptions); ok {
			return o
		}
	}
	return &textOptions{Length: max(t.Shape.Length, 1)}
}
