package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// text is the tokens of a text, each to be told from those before it.
var text = experiment.Task{
	Name: "wikitext", About: "the next token of a text",
	Path:    "a `file` or directory of text",
	Options: func() experiment.Options { return new(textOptions) },
	Codec:   func() experiment.Codec { return new(textCodec) },
}

// textOptions choose the text and its tokens.
type textOptions struct {
	Length int  `json:"length"`          // tokens of a window
	Carry  bool `json:"carry,omitempty"` // the state goes on from window to window
}

// Flags implements experiment.Options.
func (o *textOptions) Flags(fs *flag.FlagSet) {
	fs.IntVar(&o.Length, "length", o.Length, "tokens of a sequence")
	fs.BoolVar(&o.Carry, "carry", o.Carry, "read -batch streams, and carry the state from sequence to sequence; if not given, where the state of the layer keeps its size")
}

// Validate implements experiment.Options.
func (o *textOptions) Validate() error {
	if o.Length < 1 {
		return fmt.Errorf("-length: want >= 1, got %d", o.Length)
	}
	return nil
}

// BendTo implements experiment.ModelBender: a state that grows is not carried.
func (o *textOptions) BendTo(m *experiment.Model, set func(string) bool) {
	if m.Grows() && !set("carry") {
		o.Carry = false
	}
}

// Shape implements experiment.Options.
func (o *textOptions) Shape() experiment.Shape {
	return experiment.Shape{Kind: experiment.LanguageModel, Vocab: 256, Length: o.Length, Carry: o.Carry}
}

// Load implements experiment.Options.
func (o *textOptions) Load(_ context.Context, src experiment.Source) (*experiment.Data, error) {
	if src.Path == "" {
		return nil, errors.New("want -data, a file or a directory of text")
	}
	all, err := readText(src.Path)
	if err != nil {
		return nil, err
	}
	d := &experiment.Data{
		Title: src.Path, Model: o.Shape(), Codec: new(textCodec),
		Metrics: []train.Metric{train.Perplexity(), train.BitsPerByte(nil)},
	}
	ids := make([]int, len(all))
	for i, b := range all {
		ids[i] = int(b)
	}
	cut := len(ids) / 20
	for _, part := range []struct {
		ds   *task.Dataset
		ids  []int
		rows int
	}{{&d.Train, ids[:len(ids)-2*cut], src.Rows}, {&d.Val, ids[len(ids)-2*cut : len(ids)-cut], src.EvalRows}, {&d.Test, ids[len(ids)-cut:], src.EvalRows}} {
		if *part.ds, err = task.NewStreams(part.ids, part.rows, o.Length); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// readText reads a file, or the .txt files of a directory one after the other.
func readText(path string) ([]byte, error) {
	var all []byte
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || name != path && !strings.HasSuffix(name, ".txt") {
			return err
		}
		b, err := os.ReadFile(name)
		all = append(all, b...)
		return err
	})
	return all, err
}

// textCodec reads texts.
type textCodec struct{}

// Read implements experiment.Codec.
func (*textCodec) Read(io.Reader, string, func(experiment.Example) error) error {
	return errors.New("no examples of a text")
}

// Classes implements experiment.Codec.
func (*textCodec) Classes() []string { return nil }

// Show implements experiment.Codec.
func (*textCodec) Show(e experiment.Example) report.Picture {
	return report.Picture{Kind: report.Text, Pieces: []string{fmt.Sprint(e.Tokens)}}
}
