// Command bench measures this module beside PyTorch, on the same models, in
// one run on one machine:
//
//	go run ./bench
//
// It builds the Go benchmarks, checks the PyTorch models in bench/pytorch
// against the golden cases, runs both sides by turns, each measurement in a
// process of its own, and writes bench/results/table.md and
// bench/results/samples.csv. Without PyTorch it measures Go alone.
//
//	go run ./bench generation
//
// does the same for language models that write: tokens in a second and memory of S4
// and S4D beside a Transformer with a cache of keys and values, at contexts up to
// 16,384 tokens, each beside PyTorch, and where the time of a token goes. It writes
// generation.md, generation.png and generation.csv.
//
// README.md says what is compared and how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/option"
)

// options are the command line.
type options struct {
	rounds  int
	time    time.Duration // of one measurement
	threads int
	python  string
	match   *regexp.Regexp
	out     string
}

// collection is benchmarks that are run together, and what is made of the samples.
type collection struct {
	benchmarks []benchmark
	write      func(dir string, host []string, cs []benchmark, all []sample) error
}

// collections returns the collection that the first argument names, and the others.
func collections(args []string) (collection, []string) {
	if len(args) > 0 && args[0] == "generation" {
		return collection{generations(), writeGeneration}, args[1:]
	}
	return collection{benchmarks(), write}, args
}

func main() {
	what, args := collections(os.Args[1:])
	o, err := parse(args)
	if err == nil {
		err = compare(option.UntilInterrupt(), o, what)
	}
	option.Exit("bench", err)
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 5, "measurements of each benchmark; the table has their medians")
	f.DurationVar(&o.time, "time", 2*time.Second, "length of a measurement")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "processors of Go; PyTorch has 1 and as many")
	f.StringVar(&o.python, "python", "python3", "interpreter that has PyTorch and NumPy")
	match := f.String("run", "", "only benchmarks whose name matches this regular expression")
	f.StringVar(&o.out, "out", "", "folder of the results (default bench/results)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.match, err = regexp.Compile(*match); err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("want no arguments, got %q", f.Args())
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds: want at least 1, got %d", o.rounds)
	case o.time <= 0:
		return o, fmt.Errorf("-time: want a positive duration, got %v", o.time)
	case o.threads < 1:
		return o, fmt.Errorf("-threads: want at least 1, got %d", o.threads)
	}
	return o, nil
}

// compare does the whole run. Results that there are when it is interrupted
// or fails are written all the same.
func compare(ctx context.Context, o options, what collection) error {
	var cs []benchmark
	for _, c := range what.benchmarks {
		if o.match.MatchString(c.name) {
			cs = append(cs, c)
		}
	}
	if len(cs) == 0 {
		return fmt.Errorf("-run: no benchmark matches %q", o.match)
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join(root, "bench", "results")
	}
	host := describeHost(o)
	tmp, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	progress("building the Go benchmarks")
	goSide, err := buildGo(ctx, root, tmp, o, cs)
	if err != nil {
		return err
	}
	torch, err := findPyTorch(ctx, filepath.Join(root, "bench", "pytorch"), o)
	switch {
	case err != nil:
		progress("no PyTorch, measuring Go alone: %v", err)
		torch = nil
	default:
		host = append(host, torch.version)
		progress("checking the PyTorch models against the golden cases")
		if err := torch.check(ctx); err != nil {
			return err
		}
	}
	var all []sample
	for _, c := range cs {
		var s []sample
		if s, err = measure(ctx, c, goSide, torch, o.rounds); err == nil {
			err = sameSize(c, s)
		}
		all = append(all, s...)
		if err != nil {
			break
		}
	}
	return errors.Join(err, what.write(o.out, host, cs, all))
}

// measure runs both sides of a benchmark by turns.
func measure(ctx context.Context, c benchmark, goSide *goBenchmarks, torch *pyTorch, rounds int) ([]sample, error) {
	var all []sample
	var settings []setting
	if torch != nil && c.pyTorch != nil {
		settings = torch.settings
	}
	for round := range rounds {
		s, ok, err := goSide.run(ctx, c)
		if err != nil {
			return all, err
		}
		if !ok {
			progress("%s: no such Go benchmark", c.name)
			return all, nil
		}
		s.round = round
		progress("%s: round %d: %v", c.name, round+1, s)
		all = append(all, s)
		var works []setting
		for _, set := range settings {
			s, err := torch.run(ctx, c, set)
			if ctx.Err() != nil {
				return all, ctx.Err()
			}
			if err != nil { // out of memory, say: the other settings go on
				progress("%s: %v", c.name, err)
				continue
			}
			s.round = round
			progress("%s: round %d: %v", c.name, round+1, s)
			all = append(all, s)
			works = append(works, set)
		}
		if settings = works; round > 0 { // one round may be disturbed
			settings = contenders(works, all)
		}
	}
	return all, nil
}

// contenders returns the settings that may still turn out to be the fastest:
// not more than a quarter slower than the fastest so far.
func contenders(settings []setting, all []sample) []setting {
	fastest := medianOf(all, lowest(all, seconds), seconds)
	var keep []setting
	for _, s := range settings {
		if medianOf(all, s.name, seconds) <= 1.25*fastest {
			keep = append(keep, s)
		}
	}
	return keep
}

// sameSize returns an error if two sides of a benchmark have models of
// different size.
func sameSize(c benchmark, all []sample) error {
	size := 0
	for _, s := range all {
		switch {
		case s.params == 0 || s.params == size:
		case size == 0:
			size = s.params
		default:
			return fmt.Errorf("%s: the models differ: %d parameters and %d", c.name, size, s.params)
		}
	}
	return nil
}

// moduleRoot returns the folder of the module's go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("want to run inside the module: go env GOMOD gives %q, %v", mod, err)
	}
	return filepath.Dir(mod), nil
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
