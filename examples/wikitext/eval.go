package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/corpus"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// evaluation is what the command line of eval sets.
type evaluation struct {
	run, data, cache, split, json string
	cfg                           train.TextConfig
	length                        int
}

// modes are what -mode can be.
var modes = []train.TextMode{train.TextWindows, train.TextSliding, train.TextCarried}

// splits are what -split can be.
var splits = []string{"test", "val", "train", wholeText}

// wholeText is all of a text that is in one piece.
const wholeText = "all"

// evalText measures the model of a run.
func evalText(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
	e := &evaluation{split: splits[0]}
	fs := e.flags()
	if err := option.Parse(fs, args, func() {
		usage(fs, out, "eval -run DIR [options]", "Measure the model of a run: the perplexity for a token and for a word, and the bits for a byte.")
	}); err != nil {
		return err
	}
	set := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if err := e.validate(set); err != nil {
		return err
	}
	if info, err := os.Stat(e.data); err == nil && info.Mode().IsRegular() && !set["split"] {
		e.split = wholeText
	}
	t, err := openRun(e.run)
	if err != nil {
		return err
	}
	if err := e.prepare(); err != nil {
		return err
	}
	text := out
	if e.json == "-" {
		text = io.Discard
	}
	r, err := e.measure(ctx, t, text)
	if err != nil {
		return experiment.Explain(ctx, err, "in the evaluation")
	}
	fmt.Fprintln(text, r)
	return experiment.WriteJSON(e.json, r, out)
}

// flags declares the options.
func (e *evaluation) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("wikitext", flag.ContinueOnError)
	fs.StringVar(&e.run, "run", "", "the `directory` of the run")
	option.Choice(fs, "split", &e.split, "the part of the text, all being one that has no parts of its own; if not given, all of a file of -data", splits)
	option.Choice(fs, "mode", &e.cfg.Mode, "what a token is told from: those before it in windows side by side, as published; in windows that slide by -stride; or all before it, by a state that is carried. If not given, carried for a model that was trained so", modes)
	fs.IntVar(&e.length, "length", 0, "tokens of a window, or of what is read at a time; 0: as the run had")
	fs.IntVar(&e.cfg.Stride, "stride", 0, "of -mode sliding, tokens from a window to the next; 0: half of -length")
	fs.IntVar(&e.cfg.Rows, "batch", 0, "windows, or streams, side by side; 0: as the run had, and 1 with -mode carried")
	fs.StringVar(&e.data, "data", "", "another text than that of the run, in its tokens: what -data of a training takes")
	fs.StringVar(&e.cache, "cache", "", "`directory` where tokens are kept (default: the user's cache)")
	fs.StringVar(&e.json, "json", "", "write the result as JSON to this `file`; -: only that, to standard output")
	return fs
}

// validate reports the first option that is out of range.
func (e *evaluation) validate(set map[string]bool) error {
	switch {
	case e.length < 0:
		return fmt.Errorf("-length: want >= 0, got %d", e.length)
	case e.cfg.Rows < 0:
		return fmt.Errorf("-batch: want >= 0, got %d", e.cfg.Rows)
	case e.cfg.Stride < 0:
		return fmt.Errorf("-stride: want >= 0, got %d", e.cfg.Stride)
	case set["stride"] && e.cfg.Mode != train.TextSliding:
		return errors.New("-stride is about -mode sliding: want both or neither")
	}
	return nil
}

// finish fills in what the run had.
func (e *evaluation) finish(t *trained) error {
	c := &e.cfg
	c.Window = cmp.Or(e.length, t.settings().Length)
	if c.Mode == "" {
		c.Mode = train.TextWindows
		if t.Shape.Carry {
			c.Mode = train.TextCarried
		}
	}
	if c.Rows == 0 {
		c.Rows = 1
		if t.Recipe != nil && c.Mode != train.TextCarried {
			c.Rows = t.Recipe.Train.BatchSize
		}
	}
	if id := tokenizer.Unknown(t.tokens); id >= 0 {
		c.Unknown = []int{id}
	}
	print, err := tokenizer.Fingerprint(t.tokens)
	c.Vocabulary = named(t.tokens, print)
	if err != nil {
		return err
	}
	return textFields.Speak(c.Validate())
}

// textFields are the options by the fields that they set.
var textFields = option.Fields{"Mode": "-mode", "Window": "-length", "Stride": "-stride", "Rows": "-batch"}

// measure runs the model on the text.
func (e *evaluation) measure(ctx context.Context, t *trained, out io.Writer) (*train.TextResult, error) {
	if err := e.finish(t); err != nil {
		return nil, err
	}
	text, err := e.text(ctx, t, out)
	if err != nil {
		return nil, err
	}
	ev, err := train.NewEvaluator(t.model.WithCarry(e.cfg.Mode == train.TextCarried))
	if err != nil {
		return nil, err
	}
	defer ev.Close()
	return ev.EvaluateText(ctx, text, e.cfg, progress(out, text))
}

// progress returns what tells of an evaluation that takes long.
func progress(out io.Writer, text *corpus.Tokens) func(tokens int) {
	say, began := experiment.Room(out).Progress, time.Now()
	return func(tokens int) {
		if time.Since(began) > 2*time.Second {
			say("telling the tokens of "+text.Name(), int64(tokens), int64(text.Len()-1))
		}
	}
}

// text returns the part that is measured.
func (e *evaluation) text(ctx context.Context, t *trained, out io.Writer) (*corpus.Tokens, error) {
	room, o := experiment.Room(out), *t.settings()
	if e.split == wholeText {
		o.ValFraction, o.TestFraction = -1, -1
	}
	var err error
	if room.Cache, err = experiment.CacheDir(e.cache, taskName); err != nil {
		return nil, err
	}
	path := e.data
	if path == "" && t.Recipe != nil {
		path = t.Recipe.Path
	}
	c, err := o.load(ctx, path, t.tokens, room)
	if err != nil {
		return nil, tokenFields.Speak(err)
	}
	part := map[string]*corpus.Tokens{"train": c.Train, "val": c.Val, "test": c.Test, wholeText: c.Train}[e.split]
	if part == nil {
		return nil, fmt.Errorf("-split: the text has no part %q", e.split)
	}
	return part, nil
}

// prepare sees to it that a result can be written where -json says.
func (e *evaluation) prepare() error {
	if e.json == "" || e.json == "-" {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(e.json), 0o777)
	if err == nil {
		err = writable(e.json)
	}
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	return nil
}
