package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/audio"
)

// The tasks.
var (
	tones = speech("tones", "ten kinds of tones, which are generated", "", "", func() audio.Config {
		return audio.Config{Layout: audio.Folders, Classes: toneNames, Rate: toneRate, ValFraction: 0.1, TestFraction: 0.1}
	})
	digits = speech("digits", "ten spoken digits at 8 kHz, 0.44 seconds on average",
		"the Free Spoken Digit Dataset: its folder, or an archive of it",
		"a clone of the Free Spoken Digit Dataset, or its .tar.gz", audio.Digits)
	sc10 = speech("sc10", "ten words of Speech Commands, a second at 16 kHz",
		"Speech Commands v0.0.2: its folder or .tar.gz",
		"Speech Commands v0.0.2, a folder for each word, or its .tar.gz", audio.SC10)
	sc35 = speech("sc35", "the 35 words of Speech Commands, with the published split",
		"as of sc10",
		"Speech Commands v0.0.2, with validation_list.txt and testing_list.txt, or its .tar.gz", audio.SC35)
	folders = speech("folders", "recordings of your own, in a folder for each class",
		"a folder of folders of WAV files, one for each class, or an archive of it",
		"a folder of folders of WAV files, one for each class, or an archive of it",
		func() audio.Config { return audio.Config{Layout: audio.Folders} })
)

// speech returns a task. path says what -data names, and where that is from.
func speech(name, about, path, from string, cfg func() audio.Config) experiment.Task {
	return experiment.Task{
		Name: name, About: about, Path: path,
		Options: func() experiment.Options { return &options{name: name, from: from, base: cfg()} },
		Codec:   func() experiment.Codec { return new(codec) },
	}
}

// options say which recordings are read, and what a step of a sequence holds.
type options struct {
	Features  audio.Features `json:"features,omitempty"`
	Length    int            `json:"length,omitempty"`    // samples; 0: those of the task
	Subsample int            `json:"subsample,omitempty"` // every so many samples one step
	Rate      int            `json:"sample_rate,omitempty"`
	Resample  bool           `json:"resample,omitempty"`
	Speaker   string         `json:"speaker,omitempty"`
	Generated int            `json:"generated,omitempty"` // recordings of each class, in the place of -data

	name string // of the task
	from string // where its data are from
	base audio.Config
}

// Flags implements experiment.Options.
func (o *options) Flags(fs *flag.FlagSet) {
	if o.Features == "" {
		o.Features = audio.FeaturesRaw
	}
	o.Subsample = max(o.Subsample, 1)
	option.Choice(fs, "features", &o.Features, "what a step holds: a sample, or the 20 coefficients of a frame", []audio.Features{audio.FeaturesRaw, audio.FeaturesMFCC})
	fs.IntVar(&o.Length, "length", o.Length, "the most samples of a recording; 0: those of the task")
	fs.IntVar(&o.Subsample, "subsample", o.Subsample, "train on every so many-th sample")
	fs.IntVar(&o.Rate, "sample-rate", o.Rate, "samples per second of the recordings; 0: those of the task, or of the first one")
	fs.BoolVar(&o.Resample, "resample", o.Resample, "convert recordings of another rate than -sample-rate")
	fs.StringVar(&o.Speaker, "speaker", o.Speaker, "whose recordings are the test set, none of which are trained on; empty: the split of the task")
	fs.IntVar(&o.Generated, "generated", o.Generated, "`recordings` of each class that are generated tones, for a try without -data; 0: none")
}

// fields are the options by the fields that they set.
var fields = option.Fields{
	"Config.Features": "-features", "Config.Length": "-length", "Config.Subsample": "-subsample", "Config.Rate": "-sample-rate",
	"Config.Speaker": "-speaker", "Config.Split": "-speaker",
}

// Bend implements experiment.Bender: coefficients are of frames, which are no samples.
func (o *options) Bend(set func(name string) bool) {
	switch {
	case o.Features != audio.FeaturesMFCC || o.Subsample <= 1:
	case !set("subsample"):
		o.Subsample = 1
	case !set("features"):
		o.Features = audio.FeaturesRaw
	}
}

// Making implements experiment.Maker.
func (*options) Making() []string { return []string{"generated"} }

// Validate implements experiment.Options.
func (o *options) Validate() error {
	const most = 1 << 16
	if o.Generated < 0 || o.Generated > most {
		return fmt.Errorf("-generated: want 0 to %d, got %d", most, o.Generated)
	}
	return fields.Speak(o.config(0).Validate())
}

// config describes the data.
func (o *options) config(seed uint64) audio.Config {
	c := o.base
	c.Features, c.Subsample, c.Resample, c.Seed = o.Features, o.Subsample, o.Resample, seed
	if o.Length != 0 {
		c.Length = o.Length
	}
	if o.Rate != 0 {
		c.Rate = o.Rate
	}
	if c.Rate == 0 {
		c.Resample = false
	}
	if o.Speaker != "" {
		c.Split, c.Speaker = audio.BySpeaker, o.Speaker
	}
	return c
}

// Shape implements experiment.Options.
func (o *options) Shape() experiment.Shape {
	c := o.config(0)
	s := experiment.Shape{Features: 1, Classes: len(c.Classes), Length: c.Length}
	if s.Length == 0 {
		s.Length = toneLength
	}
	if c.Layout == audio.SpokenDigits {
		s.Classes = 10
	}
	s.Length = (s.Length + c.Subsample - 1) / max(1, c.Subsample)
	if o.Features == audio.FeaturesMFCC {
		const coefficients, hop = 20, 100
		s.Features, s.Length = coefficients, 1+s.Length/hop
	}
	return s
}

// Load implements experiment.Options.
func (o *options) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	d, note, err := o.read(ctx, src)
	if err != nil {
		return nil, fields.Speak(err)
	}
	shape := o.Shape()
	shape.Classes, shape.Length = len(d.Classes), 0
	out := &experiment.Data{Title: o.name, Model: shape, Codec: &codec{Names: d.Classes, Encoding: d.Encoding}}
	if note != "" {
		out.Notes = append(out.Notes, note)
	}
	counts := d.Test.ClassCounts()
	out.Floor = experiment.Commonest(counts)
	out.Splits, err = data.Map(d.Splits, func(part *audio.Dataset) (task.Dataset, error) { return part, nil })
	for _, part := range out.All() {
		for i := range part.Len() {
			out.Model.Length = max(out.Model.Length, part.Length(i))
		}
	}
	if err == nil && o.Features == audio.FeaturesRaw {
		err = atHalf(out, d)
	}
	return out, err
}

// atHalf adds the tests at half the rate: on every second sample, as the papers have it,
// and as a recorder at that rate has it.
func atHalf(out *experiment.Data, d *audio.Data) error {
	for _, limited := range []bool{false, true} {
		half, err := data.Map(d.Splits, func(part *audio.Dataset) (task.Dataset, error) {
			if limited {
				return part.Decimate(2)
			}
			return part.Subsample(2)
		})
		if err != nil {
			return err
		}
		out.Rates = append(out.Rates, experiment.Rated{Rate: 0.5, BandLimited: limited, Splits: half})
	}
	return nil
}

// read reads the recordings, or makes some.
func (o *options) read(ctx context.Context, src experiment.Source) (d *audio.Data, note string, err error) {
	cfg := o.config(src.Seed)
	trained, ok := src.Codec.(*codec)
	if ok && !src.Start {
		cfg.Classes, cfg.Rate = trained.Names, trained.Encoding.Rate
	}
	switch {
	case src.Path != "":
		d, err = audio.Load(ctx, src.Path, cfg, src.Room)
	case o.Generated > 0:
		d, note, err = o.generate(ctx, cfg, src.Room)
	default:
		return nil, "", fmt.Errorf("-task %s needs -data: %s (or -generated 100, for a try with tones)", o.name, o.from)
	}
	if err != nil || !ok {
		return d, note, err
	}
	e := trained.Encoding
	if src.Start { // the scales alone
		mean, dev := e.Mean, e.Dev
		if e = d.Encoding; len(mean) != len(e.Mean) {
			return d, note, nil
		}
		e.Mean, e.Dev = mean, dev
	}
	d, err = d.As(e)
	return d, note, err
}
