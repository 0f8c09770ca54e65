package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/layers/hippo"
)

// options is everything that the command line sets.
type options struct {
	measure hippo.Measure
	states  []int // N, ascending
	length  int   // inputs
	window  int   // inputs that a sliding measure remembers
	seed    uint64
	out     string
}

// measures lists what -measure accepts: those that remember a span of time
// evenly.
func measures() []hippo.Measure { return []hippo.Measure{hippo.LegS, hippo.LegT, hippo.FouT} }

// parseOptions reads the command line. -h prints the options and gives
// flag.ErrHelp.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{measure: hippo.LegS, states: []int{4, 8, 16, 32, 64}, length: 1000, seed: 1}
	fs := o.flags()
	help := func() {
		fmt.Fprint(out, "usage: hippo [options]\n\nDraw what a HiPPO memory holds of a function.\n\n")
		fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
	}
	if err := option.Parse(fs, args, help); err != nil {
		return nil, err
	}
	return o, o.finish()
}

// flags declares the options with o's values as defaults.
func (o *options) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("hippo", flag.ContinueOnError)
	option.Choice(fs, "measure", &o.measure, "what is remembered: legs all of the past; legt and fout a window that slides, by polynomials and by a Fourier series", measures())
	option.Ints(fs, "states", &o.states, "comma-separated `numbers` of coefficients (N), ascending")
	fs.IntVar(&o.length, "length", o.length, "number of inputs")
	fs.IntVar(&o.window, "window", o.window, "inputs in the window of legt and fout; 0: two fifths of -length")
	fs.Uint64Var(&o.seed, "seed", o.seed, "seed of the function")
	fs.StringVar(&o.out, "out", o.out, "`file` of the picture, PNG (default runs/hippo/MEASURE.png)")
	return fs
}

// What a picture can show, and a computer compute while one waits.
const (
	maxMemories = 12
	maxStates   = 256
	minLength   = 10
	maxLength   = 100_000
)

// finish checks the options and fills in what follows from others.
func (o *options) finish() error {
	switch {
	case len(o.states) < 1:
		return errors.New("-states: want at least one number, got none")
	case len(o.states) > maxMemories:
		return fmt.Errorf("-states: want at most %d numbers, got %d", maxMemories, len(o.states))
	}
	for i, n := range o.states {
		if n < 1 || n > maxStates || i > 0 && n <= o.states[i-1] {
			return fmt.Errorf("-states: want numbers from 1 to %d, ascending, got %v", maxStates, o.states)
		}
	}
	if o.length < minLength || o.length > maxLength {
		return fmt.Errorf("-length: want %d to %d, got %d", minLength, maxLength, o.length)
	}
	if err := o.finishWindow(); err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join("runs", "hippo", string(o.measure)+".png")
	}
	return nil
}

// finishWindow checks -window and fills in its default.
func (o *options) finishWindow() error {
	if !o.sliding() {
		if o.window != 0 {
			return fmt.Errorf("-window is about -measure legt and fout: %s remembers all of the past", o.measure)
		}
		return nil
	}
	if o.window == 0 {
		o.window = 2 * o.length / 5
	}
	if o.window < 2 || o.window > o.length {
		return fmt.Errorf("-window: want 2 to -length = %d, got %d", o.length, o.window)
	}
	return nil
}

// sliding says that the measure forgets what is older than its window.
func (o *options) sliding() bool { return o.measure != hippo.LegS }
