package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

// listOps is nested expressions of operators on digits, whose value is a digit.
var listOps = experiment.Task{
	Name: "listops", About: "the value of a nested expression",
	Path:    "a `directory` of basic_{train,val,test}.tsv, or of Parquet files; without -data the examples are generated",
	Options: func() experiment.Options { return new(listOpsOptions) },
	Codec:   func() experiment.Codec { return new(listOpsCodec) },
}

// listOpsOptions choose the examples that are generated.
type listOpsOptions struct {
	Train     int `json:"train_examples"`
	Test      int `json:"test_examples"` // of validation, and of test
	MinLength int `json:"min_length"`    // expressions are longer
	MaxLength int `json:"max_length"`    // expressions are shorter
}

// Flags implements experiment.Options.
func (o *listOpsOptions) Flags(fs *flag.FlagSet) {
	fs.IntVar(&o.Train, "train-examples", o.Train, "number of generated training examples")
	fs.IntVar(&o.Test, "test-examples", o.Test, "number of generated validation, and of test examples")
	fs.IntVar(&o.MinLength, "min-length", o.MinLength, "generated expressions are longer than this")
	fs.IntVar(&o.MaxLength, "max-length", o.MaxLength, "generated expressions are shorter than this")
}

// listOpsFields are the options by the fields that they set.
var listOpsFields = option.Fields{
	"Config.Train": "-train-examples", "Config.Val": "-test-examples", "Config.Test": "-test-examples",
	"Config.MinLength": "-min-length", "Config.MaxLength": "-max-length", "MinLength": "-min-length", "MaxLength": "-max-length",
}

// Bend implements experiment.Bender: the lengths of the paper are 500 to 2000, 1 to 4.
func (o *listOpsOptions) Bend(set func(name string) bool) {
	switch short := o.MaxLength < o.MinLength+2; {
	case short && set("min-length") && !set("max-length"):
		o.MaxLength = 4 * o.MinLength
	case short && set("max-length") && !set("min-length"):
		o.MinLength = max(1, o.MaxLength/4)
	}
}

// Making implements experiment.Maker.
func (*listOpsOptions) Making() []string {
	return []string{"train-examples", "test-examples", "min-length", "max-length"}
}

// Validate implements experiment.Options.
func (o *listOpsOptions) Validate() error { return listOpsFields.Speak(o.config(0).Validate()) }

// config describes the data that are generated.
func (o *listOpsOptions) config(seed uint64) listops.Config {
	return listops.Config{
		Train: o.Train, Val: o.Test, Test: o.Test, MinLength: o.MinLength, MaxLength: o.MaxLength, Seed: seed,
	}
}

// Shape implements experiment.Options.
func (o *listOpsOptions) Shape() experiment.Shape {
	padding := listops.Pad
	return experiment.Shape{Vocab: listops.VocabSize, Classes: listops.Classes, Padding: &padding, Length: listops.DefaultLMax}
}

// Load implements experiment.Options: it reads the published files, or generates the
// examples.
func (o *listOpsOptions) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	d, err := o.read(ctx, src)
	if err != nil {
		return nil, err
	}
	out := &experiment.Data{Title: "ListOps", Model: o.Shape(), Codec: new(listOpsCodec)}
	out.Floor = experiment.Commonest(classCounts(d.Test, src.Limited(d.Test.Len())))
	out.Splits, err = data.Map(d.Splits, func(part *listops.Split) (task.Dataset, error) {
		return part.Dataset(listops.Encoding{})
	})
	return out, err
}

// classCounts returns how many of the first n examples each class has.
func classCounts(part *listops.Split, n int) []int {
	counts := make([]int, listops.Classes)
	for i := range n {
		counts[part.Target(i)]++
	}
	return counts
}

func (o *listOpsOptions) read(ctx context.Context, src experiment.Source) (*listops.Data, error) {
	if src.Path != "" {
		return listops.Read(ctx, src.Path, src.Room)
	}
	return listops.Load(ctx, o.config(src.Seed), src.Cache, listops.Report{
		Progress: func(done, total int) {
			if src.Progress != nil {
				src.Progress("generating ListOps examples, kept in "+src.Cache, int64(done), int64(total))
			}
		},
		Warn: src.Warn,
	})
}

// listOpsCodec reads expressions as the published files have them.
type listOpsCodec struct{}

// Read implements experiment.Codec: each line is an expression, with or without a
// tab and its value behind it. The header of the published files is skipped.
func (*listOpsCodec) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	return eachLine(r, name, func(text []byte) (experiment.Example, error) {
		source, target, labelled := bytes.Cut(text, []byte{'\t'})
		if labelled && string(bytes.TrimSpace(source)) == "Source" {
			return experiment.Example{}, errSkip
		}
		e := experiment.Example{Target: task.Ignore}
		var err error
		if e.Tokens, err = listops.Tokens(bytes.TrimSpace(source)); err != nil {
			return e, err
		}
		if target = bytes.TrimSpace(target); labelled {
			if len(target) != 1 || target[0] < '0' || target[0] > '9' {
				return e, fmt.Errorf("target: want a digit 0 to 9, got %.20q", target)
			}
			e.Target = int(target[0] - '0')
		}
		return e, nil
	}, f)
}

// Classes implements experiment.Codec.
func (*listOpsCodec) Classes() []string {
	return []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
}

// Show implements experiment.Codec.
func (*listOpsCodec) Show(e experiment.Example) report.Picture {
	p := report.Picture{Kind: report.Text}
	for i, t := range e.Tokens {
		piece := listops.Symbol(t)
		if i > 0 {
			piece = " " + piece
		}
		p.Pieces = append(p.Pieces, piece)
	}
	return p
}
