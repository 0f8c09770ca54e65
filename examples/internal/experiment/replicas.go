package experiment

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/gorgonia-s4/s4/train"
)

// replicate trains on several ranks in this process, each a goroutine with a model and a
// trainer of its own. They share the data, and the cores.
func (p *Program) replicate(ctx context.Context, n int, args []string, out io.Writer) error {
	groups, err := train.NewGroup(n)
	if err != nil {
		return err
	}
	all := make([]*training, n)
	for i, g := range groups {
		all[i] = &training{ranks: ranks{g: g, what: "-replicas"}, out: io.Discard, leader: all[0]}
		// Each has options of its own, which are bent to the data.
		if all[i].options, err = p.parse(args, io.Discard); err != nil {
			return err
		}
	}
	all[0].out = out
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() {
			defer leave(r.g)
			errs[i] = r.end(r.run(ctx))
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// leave leaves a group of replicas: none waits for one that has ended.
func leave(g train.Group) {
	if c, ok := g.(io.Closer); ok {
		_ = c.Close() // it only tells the others
	}
}
