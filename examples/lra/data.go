package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/gorgonia-s4/s4/examples/lra/cifar"
	"github.com/gorgonia-s4/s4/examples/lra/listops"
	"github.com/gorgonia-s4/s4/train"
)

// splits are the data of a task.
type splits struct {
	train, val, test train.Dataset
	commonest        float64 // share of the commonest class in the test split
}

// load reads or generates the data.
func (o *options) load(ctx context.Context, out io.Writer) (*splits, error) {
	if o.task == "image" {
		return o.loadImage(out)
	}
	return o.loadListOps(ctx, out)
}

func (o *options) loadListOps(ctx context.Context, out io.Writer) (*splits, error) {
	data, err := o.listopsData(ctx, out)
	if err != nil {
		return nil, err
	}
	s := &splits{commonest: share(data.Test.ClassCounts(), data.Test.Len())}
	for _, d := range []struct {
		dst *train.Dataset
		src *listops.Split
	}{{&s.train, data.Train}, {&s.val, data.Val}, {&s.test, data.Test}} {
		if *d.dst, err = d.src.Dataset(listops.Encoding{}); err != nil {
			return nil, err
		}
	}
	s.report(out, "ListOps")
	return s, nil
}

// listopsData reads the published files if the command line names their
// directory, and generates the data otherwise.
func (o *options) listopsData(ctx context.Context, out io.Writer) (*listops.Data, error) {
	if o.data != "" {
		return listops.ReadDir(o.data)
	}
	cfg := listops.Config{
		Train: o.trainExamples, Val: o.testExamples, Test: o.testExamples,
		MinLength: o.minLen, MaxLength: o.maxLen, Seed: o.seed,
	}
	return listops.Load(ctx, cfg, o.cache, listops.Report{
		Progress: func(done, total int) {
			if done == total {
				fmt.Fprintf(out, "generated %d ListOps examples (kept in %s for the next run)\n", total, o.cache)
			}
		},
		Warn: func(err error) { fmt.Fprintln(out, "warning:", err) },
	})
}

func (o *options) loadImage(out io.Writer) (*splits, error) {
	data, err := cifar.Load(o.data, cifar.Config{Seed: o.seed})
	if err != nil {
		return nil, err
	}
	s := &splits{train: data.Train, val: data.Val, test: data.Test, commonest: share(data.Test.ClassCounts(), data.Test.Len())}
	s.report(out, "grey CIFAR-10")
	return s, nil
}

// share returns the share of the commonest class.
func share(counts [10]int, n int) float64 {
	return float64(slices.Max(counts[:])) / float64(n)
}

func (s *splits) report(out io.Writer, name string) {
	fmt.Fprintf(out, "%s: %d training, %d validation, %d test examples; the commonest class is %.2f %% of the test examples\n",
		name, s.train.Len(), s.val.Len(), s.test.Len(), 100*s.commonest)
}
