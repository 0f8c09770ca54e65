package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/option"
)

// options are the command line.
type options struct {
	task                    string
	code, data, python      string
	out, results            string
	layers, dModel, dState  int
	batch, steps, evalEvery int
	warmUp, seeds, threads  int
	valLimit, testLimit     int
	time                    time.Duration
	of                      subject
}

// subject is a task that both sides learn: the program that learns it here, with what is
// not the same for all.
type subject struct {
	program string
	args    []string
	dropout float64
	batch   int
}

// subjects are the tasks, by name.
var subjects = map[string]subject{
	"image":   {"lra", []string{"-task=image", "-preset=small", "-wd=0.01"}, 0.1, 50},
	"smnist":  {"pixels", []string{"-task=smnist", "-preset=small", "-wd=0.01"}, 0.1, 50},
	"listops": {"lra", []string{"-task=listops", "-preset=quick", "-wd=0.05"}, 0, 32},
}

// The rates of example.py of the public code.
const rate, kernelRate = 0.01, 0.001

// parse reads the command line of a command. -h prints the options and gives
// flag.ErrHelp.
func parse(name string, args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("reference "+name, flag.ContinueOnError)
	fs.StringVar(&o.task, "task", "image", "image (grey CIFAR-10), smnist or listops")
	fs.StringVar(&o.code, "code", "", "`directory` of state-spaces/s4, with example.py and models/s4/s4d.py")
	fs.StringVar(&o.data, "data", "", "published data, as -data of examples/lra and examples/pixels; of listops none: they are drawn")
	fs.StringVar(&o.python, "python", "python3", "`interpreter` that has PyTorch, NumPy and einops")
	fs.StringVar(&o.out, "out", "runs/reference", "`directory` of the runs")
	fs.StringVar(&o.results, "results", "", "`directory` of the table, the picture and the curves; by default that of -out")
	fs.IntVar(&o.layers, "layers", 4, "number of blocks")
	fs.IntVar(&o.dModel, "d-model", 128, "features (H)")
	fs.IntVar(&o.dState, "d-state", 64, "state size (N)")
	fs.IntVar(&o.batch, "batch", 0, "sequences per step; 0: 50, of listops 32")
	fs.IntVar(&o.steps, "steps", 500, "steps of alike")
	fs.IntVar(&o.warmUp, "warmup", 100, "steps of linear warm-up, of alike and hours")
	fs.IntVar(&o.evalEvery, "eval-every", 250, "steps between evaluations, of alike and hours")
	fs.IntVar(&o.seeds, "seeds", 3, "runs of each side, of alike")
	fs.IntVar(&o.threads, "threads", runtime.NumCPU(), "processors of either side")
	fs.IntVar(&o.valLimit, "val-limit", 0, "evaluate no more than so many examples in PyTorch; 0: all, as ours does")
	fs.IntVar(&o.testLimit, "test-limit", 0, "test no more than so many examples in PyTorch; 0: all, as ours does")
	fs.DurationVar(&o.time, "time", 20*time.Minute, "of each side, of hours")
	help := func() {
		fs.SetOutput(out)
		fs.PrintDefaults()
	}
	if err := option.Parse(fs, args, help); err != nil {
		return o, err
	}
	return o, o.finish(name)
}

// finish checks the options and fills in what follows from others.
func (o *options) finish(name string) error {
	var ok bool
	if o.of, ok = subjects[o.task]; !ok {
		return fmt.Errorf("-task: want one of %s, got %q", strings.Join(slices.Sorted(maps.Keys(subjects)), ", "), o.task)
	}
	if o.batch == 0 {
		o.batch = o.of.batch
	}
	least := map[string]int{
		"layers": o.layers, "d-model": o.dModel, "d-state": o.dState, "batch": o.batch, "steps": o.steps,
		"eval-every": o.evalEvery, "seeds": o.seeds, "threads": o.threads,
	}
	for _, field := range slices.Sorted(maps.Keys(least)) {
		if least[field] < 1 {
			return fmt.Errorf("-%s: want at least 1, got %d", field, least[field])
		}
	}
	switch {
	case o.code == "":
		return errors.New("-code: want the directory of state-spaces/s4")
	case o.data == "" && o.task != "listops":
		return fmt.Errorf("-data: want the data of %s", o.task)
	case o.warmUp < 0 || o.valLimit < 0 || o.testLimit < 0:
		return fmt.Errorf("-warmup, -val-limit, -test-limit: want >= 0, got %d, %d, %d", o.warmUp, o.valLimit, o.testLimit)
	case name == "alike" && o.warmUp >= o.steps:
		return fmt.Errorf("-warmup: want fewer than -steps, %d, got %d", o.steps, o.warmUp)
	case name == "hours" && o.time <= 0:
		return fmt.Errorf("-time: want a positive duration, got %v", o.time)
	}
	for _, path := range []*string{&o.code, &o.out} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	return nil
}

// arguments are those of our program for a run with a dropout and a rate: the minimal
// S4D, whose dynamics have a rate of no more than kernelRate.
func (o options) arguments(dropout, lr float64, more ...string) []string {
	p := strconv.FormatFloat(dropout, 'g', -1, 64)
	mixer := fmt.Sprintf(`{"kind":"s4d","d_model":%d,"d_state":%d,"fixed_b":true,"dropout":%s,"lr":%g}`, o.dModel, o.dState, p, min(lr, kernelRate))
	args := append(slices.Clone(o.of.args),
		"-mixer="+mixer, "-dropout="+p, fmt.Sprint("-layers=", o.layers), fmt.Sprint("-batch=", o.batch), fmt.Sprint("-lr=", lr),
		"-norm=layer", "-prenorm=false", "-pool=mean", "-epochs=0", "-max-time=0s")
	if o.data != "" {
		args = append(args, "-data="+o.data)
	}
	return append(args, more...)
}

// dir begins the names of the runs of a command.
func (o options) dir(command string) string { return filepath.Join(o.out, o.name(command)) }

// result begins the names of what a command writes about them.
func (o options) result(command string) string {
	return filepath.Join(cmp.Or(o.results, o.out), o.name(command))
}

func (o options) name(command string) string {
	return fmt.Sprintf("%s-%s-%dx%d", o.task, command, o.layers, o.dModel)
}
