// Command learning trains language models at the same time, on the same text, with the
// same tokens, width, depth, batches and length, and compares how well they predict
// after as much of the processor's time:
//
//	go run ./bench/learning -data DIR -out runs/learning [-- -tokenizer bpe ...]
//
// What stands behind -- is for examples/wikitext, which trains.
//
// Each of S4, S4D, an LSTM and a Transformer is a run of examples/wikitext in a process
// of its own with one processor at a time, and the learning rate that is best for it. A
// Transformer has a window as long as a sequence, so that it too sees what was before
// the one that it reads. All have -budget of the processor's time, if nothing else runs
// on the machine: they are given that time times the number of models over that of
// processors, and how much of it each has had is measured. The runs are in -out, a
// folder for each, with what they printed in NAME.log and their time of the processor
// by the second in NAME.cpu.csv.
//
// It writes learning.md, a table that is printed too, and learning.png, the bits per
// byte and the perplexity per word of the validation data, and the bits per byte of
// what is learned from, against the time of the processor. With -draw it only does
// that, of runs that are there. Runs that were interrupted go on with -resume and the
// same options, but for a -budget that may be another.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/option"
)

// model is a language model that learns.
type model struct {
	name, title string
	options     []string
}

// models returns those that are compared, for sequences of a length.
func models(length int) []model {
	return []model{
		{"s4", "S4", []string{"-model=s4", "-lr=0.004"}},
		{"s4d", "S4D", []string{"-model=s4d", "-lr=0.004"}},
		{"lstm", "LSTM", []string{"-model=lstm", "-lr=0.004"}},
		{"transformer", "Transformer", []string{"-model=transformer", "-lr=0.002", fmt.Sprintf("-window=%d", length)}},
	}
}

// options are the command line.
type options struct {
	data, cache, out string
	models           []string
	budget           time.Duration
	length, batch    int
	evalEvery        int
	threads          int
	bytesPerWord     float64
	draw, resume     bool
	more             []string // options of all models
}

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = learn(option.UntilInterrupt(), o)
	}
	option.Exit("learning", err)
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("learning", flag.ContinueOnError)
	f.StringVar(&o.data, "data", "", "text, as -data of examples/wikitext; by default what it has without")
	f.StringVar(&o.cache, "cache", "", "directory of converted data, as -cache of examples/wikitext")
	f.StringVar(&o.out, "out", "runs/learning", "folder of the runs and the results")
	names := f.String("models", "s4,s4d,lstm,transformer", "comma-separated `models`")
	f.DurationVar(&o.budget, "budget", 40*time.Minute, "time of the processor for each model")
	f.IntVar(&o.length, "length", 256, "tokens of a sequence")
	f.IntVar(&o.batch, "batch", 16, "sequences of a step")
	f.IntVar(&o.evalEvery, "eval-every", 1000, "steps between evaluations")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "processors that the models share")
	f.Float64Var(&o.bytesPerWord, "bytes-per-word", 0, "of the text: gives the perplexity per word where the runs do not know it")
	f.BoolVar(&o.resume, "resume", false, "go on with the runs in -out")
	f.BoolVar(&o.draw, "draw", false, "train nothing: table and picture of the runs in -out")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.models, o.more = strings.Split(*names, ","), f.Args()
	known := models(o.length)
	for _, name := range o.models {
		if !slices.ContainsFunc(known, func(m model) bool { return m.name == name }) {
			return o, fmt.Errorf("-models: want some of s4, s4d, lstm and transformer, got %q", name)
		}
	}
	switch {
	case o.budget <= 0:
		return o, fmt.Errorf("-budget: want a positive duration, got %v", o.budget)
	case o.length < 1 || o.batch < 1 || o.evalEvery < 1 || o.threads < 1:
		return o, fmt.Errorf("-length, -batch, -eval-every, -threads: want at least 1, got %d, %d, %d, %d", o.length, o.batch, o.evalEvery, o.threads)
	case !(o.bytesPerWord >= 0):
		return o, fmt.Errorf("-bytes-per-word: want >= 0, got %g", o.bytesPerWord)
	}
	return o, nil
}

// chosen returns the models of the command line.
func (o options) chosen() []model {
	return slices.DeleteFunc(models(o.length), func(m model) bool { return !slices.Contains(o.models, m.name) })
}

// learn trains, unless there is nothing but to draw, and writes the results. Those that
// there are when it is interrupted are written all the same.
func learn(ctx context.Context, o options) error {
	var err error
	if !o.draw {
		err = train(ctx, o)
	}
	return errors.Join(err, write(o))
}
