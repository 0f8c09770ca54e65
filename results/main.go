// Command results makes the table of what the models of this module learn, and how
// long it takes:
//
//	go run ./results -list                   the runs that there are, and how far each is
//	go run ./results -run smnist/s4d/0       one of them
//	go run ./results -run smnist/s4d         with all its seeds
//	go run ./results -run image-long,smnist  two recipes, one after the other
//	go run ./results -run all                all, the short ones first
//	go run ./results -table                  README.md and its pictures, from the rows
//
// A run is a training of one of the programs in examples, as a recipe in recipes says.
// The program is built at the commit that is checked out, and started as a process of
// its own, in a directory of -runs. Ctrl-C lets it save and stop; the same command goes
// on, also with a run that was killed, and leaves alone one that is finished there. The
// published data are files in -data-dir.
//
// What a run has found is its row: a file of numbers and one of curves in rows, which
// one that is finished replaces. The table and the pictures are made of them alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// options are the command line.
type options struct {
	run                 []string
	list, table, record bool
	adopt               string
	dirty               bool
	dataDir, runs       string
	root                string // of the module
}

func main() {
	option.Exit("results", command(option.UntilInterrupt(), os.Args[1:], os.Stdout))
}

// command runs a command line.
func command(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	all, err := recipes.All()
	if err != nil {
		return err
	}
	return o.do(ctx, all, out)
}

// parse reads the command line.
func parse(args []string, out io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("results", flag.ContinueOnError)
	option.Strings(fs, "run", &o.run, "comma-separated `names` of runs: all, RECIPE, RECIPE/VARIANT, or RECIPE/VARIANT/SEED")
	fs.BoolVar(&o.list, "list", false, "list the runs, those of -run or all, and how far each is")
	fs.BoolVar(&o.table, "table", false, "write results/README.md and its pictures from the rows")
	fs.BoolVar(&o.record, "record", false, "make the rows of -run from their directories as they are, and run nothing")
	fs.StringVar(&o.adopt, "adopt", "", "take over as the run of -run the `directory` of one that its program was started for with the same options")
	fs.BoolVar(&o.dirty, "dirty", false, "build the programs although there are changes that are not committed; the row says so")
	fs.StringVar(&o.dataDir, "data-dir", "data", "`directory` of the published data")
	fs.StringVar(&o.runs, "runs", filepath.Join("runs", "results"), "`directory` of the runs")
	if err := option.Parse(fs, args, func() { fs.SetOutput(out); fs.Usage() }); err != nil {
		return nil, err
	}
	return o, o.check()
}

// check reports options that do not go together.
func (o *options) check() error {
	var what []string
	for _, w := range []struct {
		name string
		set  bool
	}{{"-list", o.list}, {"-table", o.table}, {"-record", o.record}, {"-adopt", o.adopt != ""}} {
		if w.set {
			what = append(what, w.name)
		}
	}
	switch {
	case len(what) > 1:
		return fmt.Errorf("want one of them, got %s", strings.Join(what, " and "))
	case len(what) == 0 && len(o.run) == 0:
		return errors.New("want -run, -list, -table, -record or -adopt (-h explains them)")
	case (o.record || o.adopt != "") && len(o.run) == 0:
		return fmt.Errorf("%s: want a name in -run, got none", what[0])
	case o.table && len(o.run) > 0:
		return errors.New("-table is of all rows: want no -run with it")
	}
	for _, dir := range []*string{&o.dataDir, &o.runs} {
		path, err := filepath.Abs(*dir)
		if err != nil {
			return err
		}
		*dir = path
	}
	var err error
	o.root, err = moduleRoot()
	return err
}

// do does what the command line asks for with the runs of recipes.
func (o *options) do(ctx context.Context, all []*recipes.Recipe, out io.Writer) error {
	if o.table {
		return o.writeTable(all, out)
	}
	runs, err := o.selected(all)
	if err != nil {
		return err
	}
	switch {
	case o.list:
		return o.writeList(runs, out)
	case o.record:
		return o.recordAll(runs, out)
	case o.adopt != "":
		return newRunner(o, out).adoptRun(ctx, runs)
	}
	return newRunner(o, out).runAll(ctx, runs)
}

// selected returns the runs of -run, each once; without it, all.
func (o *options) selected(all []*recipes.Recipe) ([]recipes.Run, error) {
	if len(o.run) == 0 {
		return recipes.Runs(all), nil
	}
	var runs []recipes.Run
	seen := map[string]bool{}
	for _, name := range o.run {
		some, err := recipes.Select(all, name)
		if err != nil {
			return nil, fmt.Errorf("-run: %w", err)
		}
		for _, r := range some {
			if !seen[r.Name()] {
				runs = append(runs, r)
			}
			seen[r.Name()] = true
		}
	}
	return runs, nil
}

// moduleRoot finds the directory of go.mod, from the working directory upwards.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "results", "recipes", "recipe.go")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("want to be run in the module, got %s", dir)
		}
	}
}

// dir returns the directory of a run.
func (o *options) dir(r recipes.Run) string { return filepath.Join(o.runs, r.File()) }

// rows returns the directory of the rows.
func (o *options) rows() string { return filepath.Join(o.root, "results", "rows") }
