package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/cifar"
	"github.com/gorgonia-s4/s4/train/data/listops"
	"github.com/gorgonia-s4/s4/train/data/mnist"
)

// recipe is what run.json of a run says of its data and its training.
type recipe struct {
	Task  string       `json:"task"`
	Path  string       `json:"path"`
	Limit int          `json:"limit"`
	Data  dataOptions  `json:"data"`
	Train train.Config `json:"train"`
}

// dataOptions are those of the three tasks.
type dataOptions struct {
	Encoding  cifar.Encoding `json:"encoding"`
	Order     mnist.Order    `json:"order"`
	OrderSeed uint64         `json:"order_seed"`
	Train     int            `json:"train_examples"`
	Test      int            `json:"test_examples"`
	MinLength int            `json:"min_length"`
	MaxLength int            `json:"max_length"`
}

// load reads the data that a run was trained with, in its split and as its model reads
// them.
func (r recipe) load(ctx context.Context) (data.Splits[task.Dataset], error) {
	parts, err := r.read(ctx)
	if err != nil || r.Limit == 0 {
		return parts, err
	}
	return data.Map(parts, func(part task.Dataset) (task.Dataset, error) {
		return first{part, min(part.Len(), r.Limit)}, nil
	})
}

// first is the first examples of a data set.
type first struct {
	task.Dataset
	n int
}

// Len implements task.Dataset.
func (f first) Len() int { return f.n }

// read is load of all examples.
func (r recipe) read(ctx context.Context) (none data.Splits[task.Dataset], err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return none, err
	}
	room := data.Room{Cache: filepath.Join(cache, "gorgonia-s4", r.Task)}
	switch r.Task {
	case "image":
		d, err := cifar.Load(ctx, r.Path, cifar.Config{Encoding: r.Data.Encoding, Seed: r.Train.Seed}, room)
		if err != nil {
			return none, err
		}
		return data.Map(d.Splits, func(part *cifar.Dataset) (task.Dataset, error) { return part, nil })
	case "smnist", "pmnist":
		d, err := mnist.Load(ctx, r.Path, mnist.Config{Order: r.Data.Order, OrderSeed: r.Data.OrderSeed, Seed: r.Train.Seed}, room)
		if err != nil {
			return none, err
		}
		return data.Map(d.Splits, func(part *mnist.Dataset) (task.Dataset, error) { return part, nil })
	case "listops":
		d, err := r.listOps(ctx, room)
		if err != nil {
			return none, err
		}
		return data.Map(d.Splits, func(part *listops.Split) (task.Dataset, error) { return part.Dataset(listops.Encoding{}) })
	}
	return none, fmt.Errorf("want a run of image, smnist, pmnist or listops, got %q", r.Task)
}

func (r recipe) listOps(ctx context.Context, room data.Room) (*listops.Data, error) {
	if r.Path != "" {
		return listops.Read(ctx, r.Path, room)
	}
	o := r.Data
	return listops.Load(ctx, listops.Config{
		Train: o.Train, Val: o.Test, Test: o.Test, MinLength: o.MinLength, MaxLength: o.MaxLength, Seed: r.Train.Seed,
	}, room.Cache, listops.Report{Warn: room.Warn})
}
