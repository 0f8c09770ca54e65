package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// RunGroup calls f on all ranks of a [NewGroup], each on a goroutine of its own, and
// returns when all have returned: as mpi.Run does for processes. A rank that returns
// leaves the group, so none waits for it; a panic of f is an error. The error has what f
// has returned on each rank, and once what all know ([RankError]).
func RunGroup(n int, f func(g Group) error) error {
	groups, err := NewGroup(n)
	if err != nil {
		return err
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for rank, g := range groups {
		wg.Go(func() {
			defer g.(io.Closer).Close()
			errs[rank] = guarded(func() error { return f(g) })
		})
	}
	wg.Wait()
	return joinDistinct(errs)
}

// joinDistinct joins the first error of each text.
func joinDistinct(errs []error) error {
	var distinct []error
	seen := make(map[string]bool)
	for _, err := range errs {
		if err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			distinct = append(distinct, err)
		}
	}
	if len(distinct) == 1 {
		return distinct[0]
	}
	return errors.Join(distinct...)
}

// Replicas trains one model on n ranks that are goroutines of this process: for
// machines with more cores than one graph fills. make returns the trainer of a rank,
// made [WithGroup] of the group that it is given, and with a model of its own; the data
// sets can be the same. It is called on all ranks at once. Only rank 0 needs hooks, and
// only rank 0 has to Resume where a run goes on. In the end the models of all ranks are
// equal: that of rank 0 is as good as another. Replicas closes the trainers, and returns
// what Fit does on rank 0.
func Replicas(ctx context.Context, n int, make func(g Group) (*Trainer, error)) (*Result, error) {
	var result *Result
	err := RunGroup(n, func(g Group) error {
		r, err := replicate(ctx, g, make)
		if g.Rank() == 0 {
			result = r
		}
		return err
	})
	return result, err
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
