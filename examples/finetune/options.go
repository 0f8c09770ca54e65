package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
)

// options is everything that the command line sets.
type options struct {
	kind           string // one of modelNames
	dModel, dState int
	nSSM           int
	dtMin, dtMax   float64

	classes       int
	period, ratio float64 // of the first tone, in steps; of each to the one before
	noise         float64
	length        int
	trainExamples int
	testExamples  int

	steps, batch, every int
	lr, lrSSM, lrA      float64
	seed                uint64
	out                 string
}

// modelNames are what -model accepts.
var modelNames = []string{"s4d", "s4"}

// parseOptions reads the command line. -h prints the options and gives
// flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{
		kind: "s4d", dModel: 16, dState: 4, nSSM: 2, dtMin: 0.05, dtMax: 0.2,
		classes: 4, period: 6, ratio: 1.05, noise: 1.5, length: 256, trainExamples: 4000, testExamples: 2000,
		steps: 2000, batch: 32, every: 200, lr: 0.01, lrSSM: 0.001, lrA: 0.01, seed: 1,
	}
	fs := o.flags()
	help := func() {
		fmt.Fprint(out, "usage: finetune [options]\n\nTrain a classifier of tones with A frozen, and go on with A learned.\n\n")
		fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
	}
	if err := option.Parse(fs, args, help); err != nil {
		return nil, err
	}
	if !given(fs, "n-ssm") && o.dModel%o.nSSM != 0 {
		o.nSSM = 1
	}
	return o, o.finish()
}

// given says whether the command line has an option.
func given(fs *flag.FlagSet, name string) (found bool) {
	fs.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// fields are the options that set the fields of the configurations.
var fields = option.Fields{
	"DModel": "-d-model", "DState": "-d-state", "NSSM": "-n-ssm", "DtMin": "-dt-min", "DtMax": "-dt-max",
	"Classes": "-classes", "LMax": "-length", "LRA": "-lr-a", "Steps": "-steps", "BatchSize": "-batch",
}

// flags declares the options with o's values as defaults.
func (o *options) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("finetune", flag.ContinueOnError)
	option.Choice(fs, "model", &o.kind, "the state space layer: diagonal (S4D), or diagonal plus low rank (S4)", modelNames)
	fs.IntVar(&o.dModel, "d-model", o.dModel, "features (H)")
	fs.IntVar(&o.dState, "d-state", o.dState, "state size (N), even")
	fs.IntVar(&o.nSSM, "n-ssm", o.nSSM, "number of independent state matrices, a divisor of -d-model; if not given, 1 where 2 is none")
	fs.Float64Var(&o.dtMin, "dt-min", o.dtMin, "smallest initial step size")
	fs.Float64Var(&o.dtMax, "dt-max", o.dtMax, "largest initial step size")
	fs.IntVar(&o.classes, "classes", o.classes, "number of tones to tell apart")
	fs.Float64Var(&o.period, "period", o.period, "period of the first tone, in steps")
	fs.Float64Var(&o.ratio, "ratio", o.ratio, "period of each tone, of that of the one before")
	fs.Float64Var(&o.noise, "noise", o.noise, "standard deviation of the noise; the tones have amplitude 1")
	fs.IntVar(&o.length, "length", o.length, "steps of a sequence (L)")
	fs.IntVar(&o.trainExamples, "train-examples", o.trainExamples, "number of training examples")
	fs.IntVar(&o.testExamples, "test-examples", o.testExamples, "number of test examples")
	fs.IntVar(&o.steps, "steps", o.steps, "optimiser steps of each of the three trainings")
	fs.IntVar(&o.batch, "batch", o.batch, "sequences per step")
	fs.IntVar(&o.every, "every", o.every, "print the largest real part of A after so many steps; 1: after every step")
	fs.Float64Var(&o.lr, "lr", o.lr, "peak learning rate")
	fs.Float64Var(&o.lrSSM, "lr-ssm", o.lrSSM, "peak learning rate of dt and B")
	fs.Float64Var(&o.lrA, "lr-a", o.lrA, "peak learning rate of A, once it is learned")
	fs.Uint64Var(&o.seed, "seed", o.seed, "seed of the data, the initial parameters, and the order of the examples")
	fs.StringVar(&o.out, "out", o.out, "`directory` of the three models (default runs/finetune-LAYER)")
	return fs
}

// finish checks the options and fills in what follows from others.
func (o *options) finish() error {
	if err := o.checkWhole(); err != nil {
		return err
	}
	if err := o.checkReal(); err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join("runs", "finetune-"+o.kind)
	}
	if err := o.model().Validate(); err != nil {
		return fields.Speak(fmt.Errorf("models: %w", err))
	}
	return fields.Speak(o.training().Validate())
}

// checkWhole reports a whole number that is too small.
func (o *options) checkWhole() error {
	for _, c := range []struct {
		name       string
		got, least int
	}{
		{"d-model", o.dModel, 1}, {"d-state", o.dState, 2}, {"n-ssm", o.nSSM, 1},
		{"classes", o.classes, 2}, {"length", o.length, 2},
		{"train-examples", o.trainExamples, 1}, {"test-examples", o.testExamples, 1},
		{"steps", o.steps, 1}, {"batch", o.batch, 1}, {"every", o.every, 1},
	} {
		if c.got < c.least {
			return fmt.Errorf("-%s: want at least %d, got %d", c.name, c.least, c.got)
		}
	}
	return nil
}

// checkReal reports a number that is out of range.
func (o *options) checkReal() error {
	for _, c := range []struct {
		name string
		got  float64
	}{{"dt-min", o.dtMin}, {"dt-max", o.dtMax}, {"lr", o.lr}, {"lr-ssm", o.lrSSM}, {"lr-a", o.lrA}} {
		if !(c.got > 0) || math.IsInf(c.got, 0) {
			return fmt.Errorf("-%s: want a positive number, got %g", c.name, c.got)
		}
	}
	// Tones of shorter periods than 2 steps cannot be told from longer ones.
	longest := o.period * math.Pow(o.ratio, float64(o.classes-1))
	switch {
	case !(o.period > 2):
		return fmt.Errorf("-period: want more than 2 steps, got %g", o.period)
	case !(o.ratio > 1):
		return fmt.Errorf("-ratio: want more than 1, got %g", o.ratio)
	case math.IsInf(longest, 0):
		return fmt.Errorf("-period, -ratio: want periods that are finite, got %g for the last of %d tones", longest, o.classes)
	case !(o.noise >= 0) || math.IsInf(o.noise, 0):
		return fmt.Errorf("-noise: want at least 0, got %g", o.noise)
	}
	return nil
}

// model is the configuration of the model that is trained first: one block, in
// which A is as it starts.
func (o *options) model() models.ClassifierConfig {
	var mixer layers.MixerConfig
	if o.kind == "s4d" {
		mixer = layers.S4DConfig{DModel: o.dModel, DState: o.dState, NSSM: o.nSSM, DtMin: o.dtMin, DtMax: o.dtMax, SSM: layers.SSM{LR: o.lrSSM, LRA: o.lrA, Frozen: []string{"A"}}}
	} else {
		mixer = layers.S4Config{DModel: o.dModel, DState: o.dState, NSSM: o.nSSM, DtMin: o.dtMin, DtMax: o.dtMax, LMax: o.length, SSM: layers.SSM{LR: o.lrSSM, LRA: o.lrA, Frozen: []string{"A"}}}
	}
	return models.ClassifierConfig{
		Features: 1, Classes: o.classes,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: mixer}}},
	}
}

// training is the configuration of each training.
func (o *options) training() train.Config {
	return train.Config{
		Steps: o.steps, BatchSize: o.batch, LR: o.lr, Seed: o.seed,
		Schedule: train.Schedule{Kind: train.Cosine, WarmUp: o.steps / 20},
	}
}

// data are the examples to train with and to test on.
func (o *options) data() (training, test tones) {
	d := tones{periods: make([]float64, o.classes), length: o.length, noise: o.noise}
	for i := range d.periods {
		d.periods[i] = o.period * math.Pow(o.ratio, float64(i))
	}
	training, test = d, d
	training.count, training.split, training.seed = o.trainExamples, 0, o.seed
	test.count, test.split, test.seed = o.testExamples, 1, o.seed
	return training, test
}
