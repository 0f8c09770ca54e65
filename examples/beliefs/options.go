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
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/markov"
)

// options is everything that the command line sets.
type options struct {
	process  string // one of processNames
	x, alpha float64
	kind     string // one of modelNames

	layers, dModel int
	length         int // tokens that are read (L)
	examples       int // sequences of the probe: a half to fit it, a half to test it

	steps, batch, every int
	lr                  float64
	seed                uint64
	out                 string
}

// processNames are what -process accepts, modelNames what -model does.
var (
	processNames = []string{"mess3", "z1r", "rrxor"}
	modelNames   = []string{"transformer", "s4d", "mamba", "gru"}
)

// parseOptions reads the command line. -h prints the options and gives flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{
		process: "mess3", x: 0.05, alpha: 0.85, kind: "transformer", layers: 4, dModel: 64, length: 10, examples: 1000,
		steps: 600, batch: 64, every: 60, lr: 0.002,
	}
	fs := o.flags()
	help := func() {
		fmt.Fprint(out, "usage: beliefs [options]\n\nFind the beliefs of a model about a hidden Markov process.\n\n")
		fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
	}
	if err := option.Parse(fs, args, help); err != nil {
		return nil, err
	}
	return o, o.finish()
}

// fields are the options that set the fields of the configurations.
var fields = option.Fields{"Repeat": "-layers", "DModel": "-d-model", "Steps": "-steps", "BatchSize": "-batch", "LR": "-lr"}

// flags declares the options with o's values as defaults.
func (o *options) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("beliefs", flag.ContinueOnError)
	option.Choice(fs, "process", &o.process, "the hidden Markov process", processNames)
	fs.Float64Var(&o.x, "x", o.x, "of mess3: the probability of each other state")
	fs.Float64Var(&o.alpha, "alpha", o.alpha, "of mess3: the probability of a state's own token")
	option.Choice(fs, "model", &o.kind, "the layers of the model", modelNames)
	fs.IntVar(&o.layers, "layers", o.layers, "number of layers")
	fs.IntVar(&o.dModel, "d-model", o.dModel, "features (E), a multiple of 8")
	fs.IntVar(&o.length, "length", o.length, "tokens of a sequence (L)")
	fs.IntVar(&o.examples, "examples", o.examples, "sequences from which beliefs are read, one half to fit the linear map and the other to test it")
	fs.IntVar(&o.steps, "steps", o.steps, "optimiser steps")
	fs.IntVar(&o.batch, "batch", o.batch, "sequences per step, none of which comes twice")
	fs.IntVar(&o.every, "every", o.every, "read the beliefs after every so many steps")
	fs.Float64Var(&o.lr, "lr", o.lr, "peak learning rate")
	fs.Uint64Var(&o.seed, "seed", o.seed, "seed of the sequences and of the initial parameters")
	fs.StringVar(&o.out, "out", o.out, "`file` of the picture, PNG (default runs/beliefs/PROCESS-MODEL.png)")
	return fs
}

// maxLength is how long sequences are whose entropies are summed up exactly.
const maxLength = 12

// maxPass is how many sequences there are at most between two readings.
const maxPass = 1 << 30

// finish checks the options and fills in what follows from others.
func (o *options) finish() error {
	for _, c := range []struct {
		name             string
		got, least, most int
	}{
		{"layers", o.layers, 1, 64}, {"d-model", o.dModel, 8, 1024}, {"length", o.length, 2, maxLength}, {"examples", o.examples, 4, 1 << 16},
		{"steps", o.steps, 1, 1 << 24}, {"batch", o.batch, 1, 1 << 16}, {"every", o.every, 1, 1 << 24},
	} {
		if c.got < c.least || c.got > c.most {
			return fmt.Errorf("-%s: want %d to %d, got %d", c.name, c.least, c.most, c.got)
		}
	}
	switch {
	case o.dModel%8 != 0:
		return fmt.Errorf("-d-model: want a multiple of 8, got %d", o.dModel)
	case o.every > maxPass/o.batch:
		return fmt.Errorf("-every: want at most %d sequences between two readings, got %d steps of -batch %d", maxPass, o.every, o.batch)
	case !(o.lr > 0) || math.IsInf(o.lr, 0):
		return fmt.Errorf("-lr: want a positive number, got %g", o.lr)
	case !(o.x > 0 && o.x < 0.5):
		return fmt.Errorf("-x: want a probability between 0 and 0.5, got %g", o.x)
	case !(o.alpha > 0 && o.alpha < 1):
		return fmt.Errorf("-alpha: want a probability between 0 and 1, got %g", o.alpha)
	}
	if o.out == "" {
		o.out = filepath.Join("runs", "beliefs", o.process+"-"+o.kind+".png")
	}
	return fields.Speak(o.training().Validate())
}

// source returns the process.
func (o *options) source() (*markov.Process, error) {
	switch o.process {
	case "z1r":
		return markov.Z1R()
	case "rrxor":
		return markov.RRXOR()
	}
	return markov.Mess3(o.x, o.alpha)
}

// mixer is the configuration of a layer.
func (o *options) mixer() layers.MixerConfig {
	switch o.kind {
	case "s4d":
		return layers.S4DConfig{DModel: o.dModel, DState: 16, DtMin: 0.01, DtMax: 0.5, SSM: layers.SSM{LR: 0.001}}
	case "mamba":
		return layers.MambaConfig{DModel: o.dModel}
	case "gru":
		return layers.GRUConfig{DModel: o.dModel}
	}
	return layers.TransformerConfig{DModel: o.dModel, Heads: 4, Causal: true, PreNorm: true, Rotary: attention.RotaryHalf}
}

// model is the configuration of the model: blocks that normalise first, with a norm
// behind the last.
func (o *options) model(tokens int) models.LanguageModelConfig {
	m := o.mixer()
	b := layers.BlockConfig{Mixer: m, Norm: layers.LayerNorm, PreNorm: true}
	if layers.HasResidual(m) {
		b = layers.BlockConfig{Mixer: m, NoResidual: true}
	}
	return models.LanguageModelConfig{
		Vocab: tokens,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{b}, Repeat: o.layers, Norm: layers.LayerNorm},
	}
}

// training is the configuration of the training.
func (o *options) training() train.Config {
	return train.Config{
		Steps: o.steps, BatchSize: o.batch, LR: o.lr, Clip: 1, Seed: o.seed, EvalEvery: o.every,
		Schedule: train.Schedule{Kind: train.Cosine, WarmUp: min(50, o.steps/10)},
	}
}
