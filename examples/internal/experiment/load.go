package experiment

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"strconv"

	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// load reads or makes the data of the task, and says what they are.
func (o *options) load(ctx context.Context, out io.Writer) (*Data, error) {
	src := Source{Path: o.Path, Seed: o.Train.Seed, Codec: o.codec, Start: o.starts, Rows: o.Train.BatchSize, EvalRows: o.evalBatch()}
	var err error
	if src.Cache, err = CacheDir(o.cache, o.Task); err != nil && o.Path == "" {
		return nil, err
	}
	say := newSpeaker(out)
	src.Limit, src.Warn, src.Progress = o.Limit, say.warn, say.progress
	d, err := o.Data.Load(ctx, src)
	if err != nil {
		return nil, err
	}
	if err := checkData(d); err != nil {
		return nil, fmt.Errorf("task %s: %w", o.Task, err)
	}
	if d.Metrics == nil {
		d.Metrics = []train.Metric{train.Accuracy()}
	}
	d.Train = o.chosenOf(d.Train, o.Train.BatchSize, d.Model)
	d.Val, d.Test = o.chosenOf(d.Val, o.evalBatch(), d.Model), o.chosenOf(d.Test, o.evalBatch(), d.Model)
	d.describe(out, o.Limit)
	return d, nil
}

// chosenOf returns a part that says which options chose it, and no more of it than
// -limit says: of a model that carries states as many of each of the streams, rows of
// them side by side.
func (o *options) chosenOf(ds task.Dataset, rows int, s Shape) task.Dataset {
	if ds == nil {
		return nil
	}
	n := o.Limit
	if s.Carry {
		n = (n + rows - 1) / rows * rows
	}
	if n > 0 && ds.Len() > n { // the loader has no limit of its own
		ds = head{ds, n}
	}
	return described{ds, o.chosen()}
}

// checkData reports what a task forgot.
func checkData(d *Data) error {
	switch {
	case d == nil || d.Train == nil:
		return errors.New("want training data, got none")
	case d.Codec == nil:
		return errors.New("want a codec, got none")
	}
	return nil
}

// chosen returns the options that choose the data, apart from the seed, which is
// the run's.
func (o *options) chosen() map[string]string {
	by := make(map[string]string)
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	o.Data.Flags(fs)
	fs.VisitAll(func(f *flag.Flag) { by[f.Name] = f.Value.String() })
	if o.Path != "" {
		by["data"] = o.Path
	}
	if o.Limit > 0 {
		by["limit"] = strconv.Itoa(o.Limit)
	}
	return by
}

// described is a data set that says which options chose it.
type described struct {
	task.Dataset
	by map[string]string
}

// Origin implements task.Located.
func (d described) Origin(i int) string {
	if l, ok := d.Dataset.(task.Located); ok {
		return l.Origin(i)
	}
	return ""
}

// Describe implements task.Described.
func (d described) Describe() map[string]string {
	by := maps.Clone(d.by)
	if in, ok := d.Dataset.(task.Described); ok {
		maps.Copy(by, in.Describe())
	}
	return by
}

// Epoch implements task.Epochs.
func (d described) Epoch(n int) task.Dataset { return described{epochOf(d.Dataset, n), d.by} }

// epochOf returns the data of an epoch.
func epochOf(ds task.Dataset, n int) task.Dataset {
	if e, ok := ds.(task.Epochs); ok {
		return e.Epoch(n)
	}
	return ds
}

// part is a split with its name.
type part struct {
	name string
	task.Dataset
}

// parts lists the splits that there are.
func parts(d *Data) []part {
	var all []part
	for _, p := range []part{{"training", d.Train}, {"validation", d.Val}, {"test", d.Test}} {
		if p.Dataset != nil {
			all = append(all, p)
		}
	}
	return all
}

// describe prints what the data are.
func (d *Data) describe(out io.Writer, limit int) {
	fmt.Fprintf(out, "%s:", d.Title)
	for i, p := range parts(d) {
		if i > 0 {
			fmt.Fprint(out, ",")
		}
		fmt.Fprintf(out, " %d %s", p.Len(), p.name)
	}
	fmt.Fprint(out, " examples")
	if limit > 0 {
		fmt.Fprintf(out, " (-limit %d)", limit)
	}
	switch name := d.Metrics[0].Name(); {
	case d.Floor == nil:
	case name == "accuracy" && d.Model.classifies():
		fmt.Fprintf(out, "; %s is %.2f %% of the test examples", d.Floor.What, 100*d.Floor.Value)
	default:
		fmt.Fprintf(out, "; %s: test %s", d.Floor.What, show(name, d.Floor.Value))
	}
	fmt.Fprintln(out)
	for _, note := range d.Notes {
		fmt.Fprintln(out, note)
	}
}

// Commonest is the floor of a classifier that always guesses the commonest class of
// the test examples, given how many each class has; nil if there are none.
func Commonest(counts []int) *report.Floor {
	most, all := 0, 0
	for _, n := range counts {
		most, all = max(most, n), all+n
	}
	if all == 0 {
		return nil
	}
	return &report.Floor{What: "always guessing the commonest class", Value: float64(most) / float64(all)}
}

// head is the first n examples of a data set.
type head struct {
	task.Dataset
	n int
}

func (h head) Len() int { return h.n }

// Origin implements task.Located.
func (h head) Origin(i int) string {
	if l, ok := h.Dataset.(task.Located); ok {
		return l.Origin(i)
	}
	return ""
}

// Epoch implements task.Epochs.
func (h head) Epoch(n int) task.Dataset { return head{epochOf(h.Dataset, n), h.n} }
