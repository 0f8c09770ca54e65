package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/cifar"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

// splits are the data of a task.
type splits struct {
	data.Splits[task.Dataset]
	commonest float64 // share of the commonest class in the test split
}

// load reads or generates the data.
func (o *options) load(ctx context.Context, out io.Writer) (*splits, error) {
	if o.task == "image" {
		return o.loadImage(out)
	}
	return o.loadListOps(ctx, out)
}

func (o *options) loadListOps(ctx context.Context, out io.Writer) (*splits, error) {
	d, err := o.listopsData(ctx, out)
	if err != nil {
		return nil, err
	}
	s := &splits{commonest: share(d.Test.ClassCounts(), d.Test.Len())}
	s.Splits, err = data.Map(d.Splits, func(part *listops.Split) (task.Dataset, error) {
		ds, err := part.Dataset(listops.Encoding{})
		return chosen{ds, o.chosen()}, err
	})
	if err != nil {
		return nil, err
	}
	s.report(out, "ListOps")
	return s, nil
}

// chosen is a data set that says which options chose it.
type chosen struct {
	task.Located
	by map[string]string
}

// Describe implements task.Described.
func (c chosen) Describe() map[string]string { return c.by }

// chosen returns the options that choose the data, apart from the seed, which
// is the run's.
func (o *options) chosen() map[string]string {
	if o.data != "" {
		return map[string]string{"data": o.data}
	}
	return map[string]string{
		"train-examples": strconv.Itoa(o.trainExamples), "test-examples": strconv.Itoa(o.testExamples),
		"min-length": strconv.Itoa(o.minLen), "max-length": strconv.Itoa(o.maxLen),
	}
}

// longest returns the length of the longest sequence.
func (s *splits) longest() int {
	n := 0
	for _, d := range s.All() {
		for i := range d.Len() {
			n = max(n, d.Length(i))
		}
	}
	return n
}

// listopsData reads the published files if the command line names their
// directory, and generates the data otherwise.
func (o *options) listopsData(ctx context.Context, out io.Writer) (*listops.Data, error) {
	if o.data != "" {
		return listops.ReadDir(o.data)
	}
	return listops.Load(ctx, o.listops(), o.cache, listops.Report{
		Progress: func(done, total int) {
			if done == total {
				fmt.Fprintf(out, "generated %d ListOps examples (kept in %s for the next run)\n", total, o.cache)
			}
		},
		Warn: func(err error) { fmt.Fprintln(out, "warning:", err) },
	})
}

// listops describes the data that are generated.
func (o *options) listops() listops.Config {
	return listops.Config{
		Train: o.trainExamples, Val: o.testExamples, Test: o.testExamples,
		MinLength: o.minLen, MaxLength: o.maxLen, Seed: o.seed,
	}
}

func (o *options) loadImage(out io.Writer) (*splits, error) {
	d, err := cifar.Load(o.data, cifar.Config{Seed: o.seed})
	if err != nil {
		return nil, err
	}
	s := &splits{commonest: share(d.Test.ClassCounts(), d.Test.Len())}
	s.Splits, err = data.Map(d.Splits, func(part *cifar.Dataset) (task.Dataset, error) { return chosen{part, o.chosen()}, nil })
	if err != nil {
		return nil, err
	}
	s.report(out, "grey CIFAR-10")
	return s, nil
}

// share returns the share of the commonest class.
func share(counts [10]int, n int) float64 {
	return float64(slices.Max(counts[:])) / float64(n)
}

func (s *splits) report(out io.Writer, name string) {
	fmt.Fprintf(out, "%s: %d training, %d validation, %d test examples; the commonest class is %.2f %% of the test examples\n",
		name, s.Train.Len(), s.Val.Len(), s.Test.Len(), 100*s.commonest)
}
