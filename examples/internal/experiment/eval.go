package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// evaluation is what the command line of eval sets.
type evaluation struct {
	*options
	run, split, json string
	batch            int
	rate             float64 // of sampling, relative to the training's
	limited          bool
}

// splitNames are what -split can be.
var splitNames = []string{"test", "val", "train"}

// eval measures the model of a run.
func (p *Program) eval(ctx context.Context, args []string, out io.Writer) error {
	e := &evaluation{options: &options{p: p}, split: splitNames[0]}
	fs := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	fs.StringVar(&e.run, "run", "", "the `directory` of the run")
	option.Choice(fs, "split", &e.split, "the part of the data", splitNames)
	path := fs.String("data", "", "other data than those of the run: what -data of a training takes, or a `file` of examples with their classes, as predict reads it")
	fs.StringVar(&e.cache, "cache", "", "`directory` where generated and converted data are kept (default: the user's cache)")
	limit := fs.Int("limit", -1, "no more than so many `examples`; 0: all (default: as the run had)")
	fs.IntVar(&e.batch, "batch", 0, "sequences per step; 0: as the run had")
	fs.Float64Var(&e.rate, "rate", 1, "the `part` of the sampling rate of the training that the data have, for a model whose layers have a time step: 0.5 is every second sample of a task that has such")
	fs.BoolVar(&e.limited, "band-limited", false, "with -rate: without what that rate cannot hold, as it is recorded at that rate; else that is heard as lower tones")
	fs.StringVar(&e.json, "json", "", "write the metrics, the confusion and some examples as JSON to this `file`; -: only that, to standard output")
	if err := option.Parse(fs, args, func() { usageOf(fs, out, p.Name+" eval -run DIR [options]", "Measure the model of a run.") }); err != nil {
		return err
	}
	switch {
	case *limit < -1:
		return fmt.Errorf("-limit: want >= 0, got %d", *limit)
	case e.batch < 0:
		return fmt.Errorf("-batch: want >= 0, got %d", e.batch)
	}
	s, err := p.open(e.run)
	if err != nil {
		return err
	}
	if e.Recipe, err = p.recipe(e.run); err != nil {
		return err
	}
	e.t, e.codec = s.task, s.codec
	if *limit >= 0 {
		e.Limit = *limit
	}
	text := out
	if e.json == "-" {
		text = io.Discard
	}
	d, err := e.data(ctx, s, *path, text)
	if err != nil {
		return Explain(ctx, err, "before the evaluation began")
	}
	t, err := e.measure(ctx, s, d)
	if err != nil {
		return Explain(ctx, err, "in the evaluation")
	}
	return e.print(t, d, out, text)
}

// data returns the data that are measured: those of the run, or others.
func (e *evaluation) data(ctx context.Context, s *saved, path string, out io.Writer) (*Data, error) {
	if path != "" {
		e.Path = path
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			if d, err := e.own(ctx, s, path); err == nil {
				return d, nil
			} else if _, loadErr := e.load(ctx, io.Discard); loadErr != nil {
				return nil, errors.Join(fmt.Errorf("-data: as examples: %w", err), fmt.Errorf("-data: as the data of %s: %w", e.Task, loadErr))
			}
		}
	}
	return e.load(ctx, out)
}

// own reads a user's own examples, which hold what is wanted of a model: a class, or the
// text itself.
func (e *evaluation) own(ctx context.Context, s *saved, path string) (*Data, error) {
	ds := &examples{shape: s.shape}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	err = s.codec.Read(f, path, func(x Example) error {
		switch {
		case s.shape.Answers > 0 && x.Answers == nil:
			return fmt.Errorf("%s: want an example with its answers, got none", x.Origin)
		case s.shape.Kind != LanguageModel && x.Target == task.Ignore:
			return fmt.Errorf("%s: want an example with its class, got none", x.Origin)
		}
		if err := errors.Join(ctx.Err(), s.shape.check(x)); err != nil {
			return err
		}
		ds.list = append(ds.list, x)
		return nil
	})
	if err == nil && len(ds.list) == 0 {
		err = fmt.Errorf("%s: %w", path, errNoExamples)
	}
	d := &Data{Title: path, Model: s.shape, Codec: s.codec, Metrics: []train.Metric{train.Accuracy()}}
	switch {
	case s.shape.Answers > 0:
		d.Metrics = append(d.Metrics, train.SequenceAccuracy())
	case s.shape.Kind == LanguageModel:
		d.Metrics = []train.Metric{train.Perplexity()}
		s.apart()
	}
	d.Train, d.Val, d.Test = ds, ds, ds
	return d, err
}

// measure runs the model on the split.
func (e *evaluation) measure(ctx context.Context, s *saved, d *Data) (*report.Test, error) {
	at, err := d.at(e.rate, e.limited)
	if err != nil {
		return nil, err
	}
	ds := map[string]task.Dataset{"train": at.Train, "val": at.Val, "test": at.Test}[e.split]
	if ds == nil {
		return nil, fmt.Errorf("-split: the data have no part %q", e.split)
	}
	longest := longestIn(ds)
	cfg := train.LoaderConfig{BatchSize: e.batch, Buckets: bucketsFor(ratedBuckets(e.Train.Buckets, e.rate), longest)}
	if n := len(cfg.Buckets); n > 0 {
		longest = cfg.Buckets[n-1]
	}
	if err := s.lengthen(longest); err != nil {
		return nil, err
	}
	if s.model, err = atRate(s.model, e.rate); err != nil {
		return nil, fmt.Errorf("-rate: %w", err)
	}
	if cfg.BatchSize == 0 {
		cfg.BatchSize = e.evalBatch()
	}
	ev, err := train.NewEvaluator(s.model, d.Metrics...)
	if err != nil {
		return nil, err
	}
	defer ev.Close()
	t := newTester(d, e.split, ds)
	began := time.Now()
	m, err := ev.Evaluate(ctx, ds, cfg, t.add)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	if err := t.explain(s.model); err != nil {
		return nil, err
	}
	return t.result(m, took), nil
}

// bucketsFor returns buckets that hold sequences of up to so many steps.
func bucketsFor(buckets []int, longest int) []int {
	if n := len(buckets); n > 0 && longest > buckets[n-1] {
		return append(append([]int(nil), buckets...), longest)
	}
	return buckets
}

// print prints a test, and writes it where -json says.
func (e *evaluation) print(t *report.Test, d *Data, out, text io.Writer) error {
	fmt.Fprintf(text, "%s %s (%d examples), loss %.4f%s\n", e.split, values(d.Metrics, t.Metrics), t.Examples, t.Metrics.Loss, floor(t))
	if t.Confusion != nil {
		printConfusion(text, t)
	}
	return WriteJSON(e.json, t, out)
}

// WriteJSON writes a result as JSON where an option -json says: nowhere if path is
// empty, to out if it is -, and otherwise to a file, whose directory is made.
func WriteJSON(path string, result any, out io.Writer) error {
	write := func(w io.Writer) error { return json.NewEncoder(w).Encode(result) }
	switch path {
	case "":
		return nil
	case "-":
		return write(out)
	}
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = atomicfile.Write(path, 0o666, write)
	}
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	return nil
}

// printConfusion prints how often each class was taken for each.
func printConfusion(out io.Writer, t *report.Test) {
	const most = 12 // classes that fit a terminal
	if len(t.Confusion) > most {
		return
	}
	w := 6
	for _, name := range t.Classes {
		w = max(w, len(name)+1)
	}
	fmt.Fprintf(out, "\n%*s  predicted\n%*s", w, "", w, "")
	for i := range t.Confusion {
		fmt.Fprintf(out, "%*s", w, className(t.Classes, i))
	}
	fmt.Fprintln(out)
	for i, row := range t.Confusion {
		fmt.Fprintf(out, "%*s", w, className(t.Classes, i))
		for _, n := range row {
			fmt.Fprintf(out, "%*d", w, n)
		}
		fmt.Fprintln(out)
	}
}

// className returns the name of a class, or its number.
func className(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprint(i)
}

// usageOf prints the options of a subcommand.
func usageOf(fs *flag.FlagSet, out io.Writer, command, about string) {
	fmt.Fprintf(out, "usage: %s\n\n%s\n\n", command, about)
	fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
}

// report writes the page of a run.
func (p *Program) report(args []string, out io.Writer) error {
	fs := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	run := fs.String("run", "", "the `directory` of the run, into which report.html is written")
	if err := option.Parse(fs, args, func() { usageOf(fs, out, p.Name+" report -run DIR", "Write a page about a run from its files.") }); err != nil {
		return err
	}
	if *run == "" {
		return errors.New("want -run DIR, the directory of a run")
	}
	if _, err := os.Stat(*run); err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	files := []string{report.RunFile, metricsFile, report.TestFile}
	if !slices.ContainsFunc(files, func(name string) bool {
		_, err := os.Stat(filepath.Join(*run, name))
		return err == nil
	}) {
		return fmt.Errorf("-run: want the directory of a run, got %s, which has none of %q", *run, files)
	}
	if err := report.Write(*run); err != nil {
		return err
	}
	fmt.Fprintf(out, "page in %s\n", filepath.Join(*run, report.PageFile))
	return nil
}

// values returns all metrics with their values.
func values(metrics []train.Metric, m train.Metrics) string {
	var all []string
	for _, k := range metrics {
		all = append(all, show(k.Name(), m.Value(k.Name())))
	}
	return strings.Join(all, ", ")
}
