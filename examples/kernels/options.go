package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/option"
)

// options is everything that the command line sets.
type options struct {
	model, out     string
	start          string // one of starts, or allStarts
	layer          *int   // nil: all
	feature        *int   // nil: that of the median kernel
	length, states int
}

// parseOptions reads the command line. -h prints the options and gives
// flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{start: allStarts, length: 1024, states: 6}
	fs := o.flags()
	help := func() {
		fmt.Fprint(out, "usage: kernels [options]\n\nDraw the kernels of layers that are convolutions, and the basis functions and eigenvalues of state space layers.\n\n")
		fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
	}
	if err := option.Parse(fs, args, help); err != nil {
		return nil, err
	}
	return o, o.finish()
}

// flags declares the options with o's values as defaults.
func (o *options) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("kernels", flag.ContinueOnError)
	fs.StringVar(&o.model, "model", o.model, "`path` of a saved model or checkpoint, or of the directory of a training run; without it, initialisations are drawn")
	fs.StringVar(&o.out, "out", o.out, "`directory` of the pictures (default: kernels, in the directory of the model or in runs)")
	option.Choice(fs, "init", &o.start, "the initialisation to draw", append([]string{allStarts}, startNames()...))
	option.Index(fs, "layer", &o.layer, "all", "the `block` to draw: a number from 0, or all")
	option.Index(fs, "feature", &o.feature, "median", "the `feature` whose basis functions and eigenvalues are drawn: a number from 0, or median, that of the kernel of median effective length")
	fs.IntVar(&o.length, "length", o.length, "steps (L) of the kernels")
	fs.IntVar(&o.states, "states", o.states, "number of basis functions")
	return fs
}

// What a computer holds, and what a picture can show.
const (
	maxLength = 1 << 20
	maxBasis  = 12
)

// finish checks the options and fills in what follows from others.
func (o *options) finish() error {
	switch {
	case o.length < 2 || o.length > maxLength:
		return fmt.Errorf("-length: want 2 to %d, got %d", maxLength, o.length)
	case o.states < 1 || o.states > maxBasis:
		return fmt.Errorf("-states: want 1 to %d, got %d", maxBasis, o.states)
	case o.model != "" && o.start != allStarts:
		return fmt.Errorf("-init draws an initialisation, -model a trained model: want one of them")
	case o.model == "" && o.layer != nil && *o.layer > 0:
		return fmt.Errorf("-layer is about a -model: an initialisation has one layer, got %d", *o.layer)
	}
	if o.out == "" {
		o.out = filepath.Join(home(o.model), "kernels")
	}
	return nil
}

// home returns the directory of a model, or of runs without one.
func home(model string) string {
	if model == "" {
		return "runs"
	}
	if info, err := os.Stat(model); err == nil && !info.IsDir() {
		return filepath.Dir(model)
	}
	return model
}
