package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/pathfinder"
)

// pathFinder is whether a dashed path joins two markers in a picture, pathX the same
// in larger pictures.
var (
	pathFinder = experiment.Task{
		Name: "pathfinder", About: "whether a dashed path joins two markers, in pictures of 32 x 32 pixels",
		Path:    "the published pictures: lra_release, or a folder in it, or an archive; without -data the pictures are drawn",
		Options: func() experiment.Options { return &pathOptions{Resolution: 32} },
		Codec:   func() experiment.Codec { return new(experiment.Images) },
	}
	pathX = experiment.Task{
		Name: "pathx", About: "the same in pictures of 128 x 128 pixels, 16384 steps: Path-X",
		Path:    pathFinder.Path,
		Options: func() experiment.Options { return &pathOptions{Resolution: 128} },
		Codec:   pathFinder.Codec,
	}
)

// pathOptions choose the pictures.
type pathOptions struct {
	Resolution int                   `json:"resolution"` // pixels of a side
	Difficulty pathfinder.Difficulty `json:"difficulty"`
	Encoding   pathfinder.Encoding   `json:"encoding"`
	Pictures   int                   `json:"pictures"` // that are drawn
}

// Flags implements experiment.Options.
func (o *pathOptions) Flags(fs *flag.FlagSet) {
	if o.Difficulty == "" {
		o.Difficulty = pathfinder.Hard
	}
	if o.Encoding == "" {
		o.Encoding = pathfinder.Unit
	}
	if o.Pictures == 0 {
		o.Pictures = 200000
	}
	fs.IntVar(&o.Resolution, "resolution", o.Resolution, "pixels of a side of a picture: 32, 64, 128 or 256")
	option.Choice(fs, "difficulty", &o.Difficulty, "the length of the paths: 6, 9 or 14 dashes", pathfinder.Difficulties)
	option.Choice(fs, "encoding", &o.Encoding, "what a step holds: a number in [0, 1], one in [-1, 1], or one of 256 tokens", []pathfinder.Encoding{pathfinder.Unit, pathfinder.Centred, pathfinder.Tokens})
	fs.IntVar(&o.Pictures, "pictures", o.Pictures, "number of pictures that are drawn, a tenth of them for validation, a tenth for the test")
}

// pathFields are the options by the fields that they set.
var pathFields = option.Fields{
	"Config.Resolution": "-resolution", "Config.Difficulty": "-difficulty", "Config.Encoding": "-encoding", "Config.Pictures": "-pictures",
}

// config describes the pictures.
func (o *pathOptions) config(seed uint64) pathfinder.Config {
	return pathfinder.Config{Resolution: o.Resolution, Difficulty: o.Difficulty, Encoding: o.Encoding, Pictures: o.Pictures, Seed: seed}
}

// Making implements experiment.Maker.
func (*pathOptions) Making() []string { return []string{"pictures"} }

// Validate implements experiment.Options.
func (o *pathOptions) Validate() error { return pathFields.Speak(o.config(0).Validate()) }

// Shape implements experiment.Options.
func (o *pathOptions) Shape() experiment.Shape {
	s := experiment.Shape{Features: 1, Classes: pathfinder.Classes, Length: o.config(0).Length()}
	if o.Encoding == pathfinder.Tokens {
		s.Features, s.Vocab = 0, pathfinder.VocabSize
	}
	return s
}

// Load implements experiment.Options: it reads the published pictures, or draws them.
func (o *pathOptions) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	d, err := o.read(ctx, src)
	if err != nil {
		return nil, err
	}
	out := &experiment.Data{
		Title: fmt.Sprintf("Pathfinder of %d x %d pixels, %s", o.Resolution, o.Resolution, o.Difficulty),
		Model: o.Shape(), Codec: o.codec(),
	}
	counts := d.Test.ClassCounts()
	out.Floor = experiment.Commonest(counts[:])
	out.Splits, err = data.Map(d.Splits, func(part *pathfinder.Dataset) (task.Dataset, error) { return part, nil })
	return out, err
}

func (o *pathOptions) read(ctx context.Context, src experiment.Source) (*pathfinder.Data, error) {
	if src.Path != "" {
		return pathfinder.Load(ctx, src.Path, o.config(src.Seed), src.Room)
	}
	return pathfinder.Generate(ctx, o.config(src.Seed), src.Room)
}

// codec reads and shows pictures as the data set has them.
func (o *pathOptions) codec() *experiment.Images {
	c := &experiment.Images{
		Width: o.Resolution, Height: o.Resolution, Channels: 1,
		Mean: []float64{0}, Deviation: []float64{1}, Names: pathfinder.ClassNames[:],
	}
	switch o.Encoding {
	case pathfinder.Centred:
		c.Mean, c.Deviation = []float64{0.5}, []float64{0.5}
	case pathfinder.Tokens:
		c.Tokens, c.Mean, c.Deviation = true, nil, nil
	}
	return c
}
