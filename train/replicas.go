package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Replicas trains one model on n ranks that are goroutines of this process: for
// machines with more cores than one graph fills. make returns the trainer of a rank,
// made [WithGroup] of the group that it is given, with a model of its own; the models of
// all ranks end alike, that of rank 0 is as good as another. make is called on all
// ranks at once, on rank 0 with its hooks, and where a run goes on that Resume has put
// somewhere. Replicas closes the trainers, and returns what Fit does of rank 0.
func Replicas(ctx context.Context, n int, make func(g Group) (*Trainer, error)) (*Result, error) {
	groups, err := NewGroup(n)
	if err != nil {
		return nil, err
	}
	var result *Result
	var failed error
	var wg sync.WaitGroup
	for rank, g := range groups {
		wg.Go(func() {
			defer g.(io.Closer).Close()
			r, err := replicate(ctx, g, make)
			if rank == 0 {
				result, failed = r, err
			}
		})
	}
	wg.Wait()
	return result, failed
}

// replicate is one rank of Replicas.
func replicate(ctx context.Context, g Group, make func(g Group) (*Trainer, error)) (r *Result, err error) {
	var t *Trainer
	err = guarded(func() (err error) {
		if t, err = make(g); err == nil && t == nil {
			err = errors.New("want a trainer, got nil")
		} else if err == nil && t.group != g {
			err = errors.New("want a trainer WithGroup of the group that is given, got one without it")
		}
		return err
	})
	if t != nil {
		defer func() { err = errors.Join(err, t.Close()) }()
	}
	if err := Agree(g, err); err != nil {
		return nil, fmt.Errorf("train: Replicas: %w", err)
	}
	return t.Fit(ctx)
}
