package experiment

import (
	"context"
	"io"
	"time"

	"github.com/gorgonia-s4/s4/train/mpi"
)

// underMPI trains as one of the processes that mpirun has started. wrong is what is wrong
// with the options.
func (p *Program) underMPI(ctx context.Context, o *options, wrong error, out io.Writer) error {
	started, timeout := false, time.Duration(0)
	if wrong == nil {
		timeout = o.timeout
	}
	ctx = untilForwarded(ctx)
	err := mpi.Run(func(c *mpi.Comm) error {
		started = true
		r := &training{options: o, ranks: ranks{g: c, what: "-mpi"}, out: out}
		return r.process(ctx, wrong)
	}, mpi.Timeout(timeout))
	if !started && wrong != nil {
		return wrong
	}
	return err
}

// process is a run of one of several processes. wrong is what is wrong with its options.
func (r *training) process(ctx context.Context, wrong error) error {
	if !r.first() {
		r.out = io.Discard
	}
	err := r.agree(wrong)
	if err == nil {
		err = r.run(ctx)
	}
	return r.end(err)
}
