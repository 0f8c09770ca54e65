package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"slices"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/examples/wikitext/internal/book"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// text is the tokens of a text, each to be told from those before it.
var text = experiment.Task{
	Name: taskName, About: "the next token of a text",
	Path:    "a `directory` of wiki.{train,valid,test}.tokens, the same as Parquet files, any text in UTF-8, a file, a directory or an archive of it; without -data, " + book.Title,
	Options: func() experiment.Options { return new(textOptions) },
	Codec:   func() experiment.Codec { return new(textCodec) },
}

// taskName is the name of the only task.
const taskName = "wikitext"

// textOptions choose the text, its tokens, and how they are read.
type textOptions struct {
	tokenOptions
	Length int  `json:"length"`          // tokens of a window
	Carry  bool `json:"carry,omitempty"` // the state goes on from window to window

	// Of the model, as models.LanguageModelConfig has them.
	Tie     bool  `json:"tie,omitempty"`
	NoBias  bool  `json:"no_bias,omitempty"`
	DEmbed  int   `json:"d_embed,omitempty"`
	Cutoffs []int `json:"cutoffs,omitempty"`
	DivVal  int   `json:"div_val,omitempty"`

	asked bool // the command line says what the tokens are
}

// tokenOptions choose the tokens of a text.
type tokenOptions struct {
	Tokenizer     string  `json:"tokenizer"`
	VocabSize     int     `json:"vocab_size,omitempty"`
	MinFreq       int     `json:"min_freq,omitempty"`
	TokenizerFile string  `json:"tokenizer_file,omitempty"`
	ValFraction   float64 `json:"val_fraction,omitempty"`
	TestFraction  float64 `json:"test_fraction,omitempty"`
}

// kinds are what -tokenizer can be.
var kinds = []string{tokenizer.KindWord, tokenizer.KindByte, tokenizer.KindChar, tokenizer.KindBPE}

// Flags declares the options.
func (o *tokenOptions) Flags(fs *flag.FlagSet) {
	option.Choice(fs, "tokenizer", &o.Tokenizer, "what a token is (bpe: frequent pieces of words)", kinds)
	fs.IntVar(&o.VocabSize, "vocab-size", o.VocabSize, "most tokens of a vocabulary of words, characters or pieces; 0: all words or characters, or the pieces that -tokenizer bpe has by default")
	fs.IntVar(&o.MinFreq, "min-freq", o.MinFreq, "how often words and characters that have a token are in the training text at least; 0: once")
	fs.StringVar(&o.TokenizerFile, "tokenizer-file", o.TokenizerFile, "a trained tokenizer: a `file` tokenizer.json, a directory with it or with vocab.json and merges.txt, or what tokenize -save wrote")
	fs.Float64Var(&o.ValFraction, "val-fraction", o.ValFraction, "part of a text that has no parts of its own that is for validation; 0: 0.05; below 0: none")
	fs.Float64Var(&o.TestFraction, "test-fraction", o.TestFraction, "the same for the test; 0: 0.05")
}

// config returns the options as package corpus has them.
func (o *tokenOptions) config() corpus.Config {
	return corpus.Config{
		Tokenizer: o.Tokenizer, VocabSize: o.VocabSize, MinFreq: o.MinFreq, TokenizerFile: o.TokenizerFile,
		ValFraction: o.ValFraction, TestFraction: o.TestFraction,
	}
}

// tokenFields are the options by the fields that they set.
var tokenFields = option.Fields{
	"Tokenizer": "-tokenizer", "VocabSize": "-vocab-size", "Size": "-vocab-size", "MinFreq": "-min-freq", "TokenizerFile": "-tokenizer-file",
	"ValFraction": "-val-fraction", "TestFraction": "-test-fraction",
}

// load reads a text, or the one that is here without a path.
func (o *tokenOptions) load(ctx context.Context, path string, given tokenizer.Tokenizer, room data.Room) (*corpus.Data, error) {
	cfg := o.config()
	cfg.Given = given
	if path == "" {
		return corpus.FromText(ctx, book.Title, book.Text(), cfg, room)
	}
	return corpus.Load(ctx, path, cfg, room)
}

// Flags implements experiment.Options.
func (o *textOptions) Flags(fs *flag.FlagSet) {
	o.tokenOptions.Flags(fs)
	fs.IntVar(&o.Length, "length", o.Length, "tokens of a sequence")
	fs.BoolVar(&o.Carry, "carry", o.Carry, "read -batch streams of the text, and carry the state of the layers from sequence to sequence; if not given, off where that state grows")
	fs.BoolVar(&o.Tie, "tie", o.Tie, "the table of the embedding is that of the scores as well")
	fs.BoolVar(&o.NoBias, "no-score-bias", o.NoBias, "scores without biases")
	fs.IntVar(&o.DEmbed, "d-embed", o.DEmbed, "width of the embedding; 0: -d-model")
	option.Ints(fs, "cutoffs", &o.Cutoffs, "comma-separated `numbers` of the frequent tokens, of those and the next frequent ones, ..., for an adaptive embedding and softmax; empty: neither")
	fs.IntVar(&o.DivVal, "div-val", o.DivVal, "with -cutoffs, what the width of the embedding is divided by from one part to the next; 0: 1")
}

// Validate implements experiment.Options.
func (o *textOptions) Validate() error {
	if o.Length < 1 {
		return fmt.Errorf("-length: want >= 1, got %d", o.Length)
	}
	return tokenFields.Speak(o.config().Validate())
}

// Bend implements experiment.Bender: a file says itself what its tokens are.
func (o *textOptions) Bend(set func(string) bool) {
	o.asked = set("tokenizer") || set("tokenizer-file") || set("vocab-size")
	if set("cutoffs") && len(o.Cutoffs) == 0 {
		if !set("div-val") {
			o.DivVal = 0
		}
		if !set("d-embed") {
			o.DEmbed = 0
		}
	}
	if set("tokenizer") && !set("tokenizer-file") {
		o.TokenizerFile = ""
	}
	if set("tokenizer") && !set("vocab-size") {
		o.VocabSize = 0
	}
}

// BendTo implements experiment.ModelBender: a state that grows is not carried, and the
// rarest tokens of an adaptive embedding have a feature at least.
func (o *textOptions) BendTo(m *experiment.Model, set func(string) bool) {
	if m.Grows() && !set("carry") {
		o.Carry = false
	}
	width := float64(cmp.Or(o.DEmbed, m.Width()))
	for !set("div-val") && o.DivVal > 1 && math.Pow(float64(o.DivVal), float64(len(o.Cutoffs))) > width {
		o.DivVal--
	}
}

// Shape implements experiment.Options.
func (o *textOptions) Shape() experiment.Shape {
	return experiment.Shape{
		Kind: experiment.LanguageModel, Length: o.Length, Carry: o.Carry,
		Tie: o.Tie, NoBias: o.NoBias, DEmbed: o.DEmbed, Cutoffs: slices.Clone(o.Cutoffs), DivVal: o.DivVal,
	}
}

// Load implements experiment.Options.
func (o *textOptions) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	given, err := o.given(src)
	if err != nil {
		return nil, err
	}
	limit := src.Limit
	src.Limit = 0 // which is of sequences
	c, err := o.load(ctx, src.Path, given, src.Room)
	src.Limit = limit
	if err != nil {
		return nil, tokenFields.Speak(err)
	}
	d := &experiment.Data{Title: src.Path, Model: o.Shape(), Notes: c.Notes, Metrics: metrics(c)}
	if src.Path == "" {
		d.Title = book.Title
	}
	d.Model.Vocab = c.Tokenizer.Vocab()
	codec, err := newCodec(c.Tokenizer)
	if err != nil {
		return nil, err
	}
	d.Codec = codec
	for _, part := range []struct {
		into *task.Dataset
		from *corpus.Tokens
		rows int
	}{{&d.Train, c.Train, src.Rows}, {&d.Val, c.Val, src.EvalRows}, {&d.Test, c.Test, src.EvalRows}} {
		if part.from == nil || part.from != c.Train && part.from.Len() == 0 {
			continue
		}
		if *part.into, err = o.sequences(part.from, part.rows, part.from == c.Train, src.Seed); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Title, err)
		}
	}
	d.Notes = append(d.Notes, about(c)...)
	d.Samples = newSampler(c.Tokenizer, c.Test, src.Seed).show
	return d, nil
}

// given returns the tokenizer of a trained model; nil if there is none, or if it is one
// to start from and the command line asks for another: that they differ is found later.
func (o *textOptions) given(src experiment.Source) (tokenizer.Tokenizer, error) {
	if src.Codec == nil || src.Start && o.asked {
		return nil, nil
	}
	of, ok := src.Codec.(*textCodec)
	if !ok {
		return nil, fmt.Errorf("want the codec of a model of text, got a %T", src.Codec)
	}
	return of.tokenizer()
}

// sequences returns what a model reads of a text.
func (o *textOptions) sequences(t *corpus.Tokens, rows int, training bool, seed uint64) (task.Dataset, error) {
	if !o.Carry {
		return t.Windows(o.Length)
	}
	s, err := t.Streams(rows, o.Length)
	if err != nil || !training {
		return s, err
	}
	return s.Rolled(seed), nil
}

// about says how much text there is, and of how many tokens its vocabulary is.
func about(c *corpus.Data) []string {
	t := c.Train
	perByte, perWord := float64(t.Bytes())/float64(t.Len()), float64(t.Len())/float64(t.Words())
	return []string{fmt.Sprintf("%d training tokens, of a vocabulary of %d (%s); %.3g bytes each, %.3g to a word", t.Len(), c.Tokenizer.Vocab(), c.Tokenizer.Kind(), perByte, perWord)}
}
