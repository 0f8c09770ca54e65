package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/mpi"
)

// measure measures one transport and adds to the samples.
func measure(ctx context.Context, o options) error {
	switch o.measure {
	case alone:
		g, err := train.NewGroup(1)
		if err != nil {
			return err
		}
		return o.measureRank(ctx, g[0])
	case process:
		return o.measureProcess(ctx)
	}
	return mpi.Run(func(c *mpi.Comm) error { return o.measureRank(ctx, c) })
}

// measureProcess measures ranks that are goroutines.
func (o options) measureProcess(ctx context.Context) error {
	for _, n := range o.ranks {
		if err := train.RunGroup(n, func(g train.Group) error { return o.measureRank(ctx, g) }); err != nil {
			return err
		}
	}
	return nil
}

// measureRank measures what there is for a rank of a group. Rank 0 writes it.
func (o options) measureRank(ctx context.Context, g train.Group) error {
	m := &meter{options: o, group: g}
	if g.Size() > 1 {
		if err := m.vote(); err != nil {
			return err
		}
		for _, n := range o.parameters {
			for _, half := range []bool{false, true} {
				if err := train.Agree(g, ctx.Err()); err != nil {
					return err
				}
				if err := m.sum(int(n), half); err != nil {
					return err
				}
			}
		}
	}
	if err := m.train(ctx); err != nil {
		return err
	}
	if g.Rank() > 0 {
		return nil
	}
	return add(o.samplesFile(), m.samples)
}

// meter measures on a rank.
type meter struct {
	options
	group   train.Group
	samples []sample
}

// keep keeps the median of times.
func (m *meter) keep(s sample, times []time.Duration) {
	s.transport, s.ranks, s.threads, s.seconds = m.measure, m.group.Size(), runtime.GOMAXPROCS(0), median(times)
	if m.measure == process {
		s.threads = max(1, s.threads/s.ranks)
	}
	m.samples = append(m.samples, s)
	if m.group.Rank() == 0 {
		fmt.Fprintf(os.Stderr, "%-13s %d ranks, %d threads: %-8s %9s parameters, %3d rows, %-8s %s\n",
			s.transport, s.ranks, s.threads, s.kind, short(float64(s.parameters)), s.rows, s.wire, seconds(s.seconds))
	}
}

// median is that of times in seconds.
func median(times []time.Duration) float64 {
	s := slices.Sorted(slices.Values(times))
	return (s[(len(s)-1)/2] + s[len(s)/2]).Seconds() / 2
}

// messageSize is about that of what ranks tell each other before a step.
const messageSize = 256

// vote measures the exchange of short messages.
func (m *meter) vote() error {
	message := make([]byte, messageSize)
	times, err := m.repeat(func() error {
		_, err := m.group.Gather(message)
		return err
	})
	if err == nil {
		m.keep(sample{kind: voteKind}, times)
	}
	return err
}

// sum measures the sum of the gradients of a model, unless it needs too much memory.
func (m *meter) sum(parameters int, half bool) error {
	// Gradients, and with bfloat16 what was rounded off them and off the sums; and
	// buckets, here and in MPI.
	bytes, wire := 4.0, "float32"
	if half {
		bytes, wire = 4+4+4/float64(m.group.Size()), "bfloat16"
	}
	if float64(m.group.Size())*(bytes*float64(parameters)+8*m.bucket*(1<<20)) > 1e9*m.memory {
		return nil
	}
	r, err := train.NewReducer(m.group, train.GroupConfig{BucketBytes: int(m.bucket * (1 << 20)), BFloat16: half})
	if err != nil {
		return err
	}
	gradients := gradientsOf(parameters)
	times, err := m.repeat(func() error {
		_, err := r.Sum(gradients, 1)
		return err
	})
	if err == nil {
		m.keep(sample{kind: reduceKind, wire: wire, parameters: parameters}, times)
	}
	return err
}

// repeat runs f on all ranks together, first once unmeasured, and returns the times.
func (m *meter) repeat(f func() error) ([]time.Duration, error) {
	begin := time.Now()
	if err := f(); err != nil {
		return nil, err
	}
	first := time.Since(begin)
	fewest := 3
	if first > 2*time.Second {
		fewest = 1
	}
	n, err := m.agreed(max(fewest, min(1000, int(m.time/max(1, first)))))
	if err != nil {
		return nil, err
	}
	times := make([]time.Duration, n)
	for i := range times {
		if _, err := m.agreed(0); err != nil { // all begin together
			return nil, err
		}
		begin := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		times[i] = time.Since(begin)
	}
	return times, nil
}

// agreed returns the number of rank 0.
func (m *meter) agreed(n int) (int, error) {
	b := binary.LittleEndian.AppendUint64(nil, uint64(n))
	err := m.group.Broadcast(b)
	return int(binary.LittleEndian.Uint64(b)), err
}

// blocks is the depth of a model of gradientsOf, and shares are its parameters as they
// are in a block of the S4 layer with H and N of 128 and 64: mixing, three times (H, N/2)
// complex, twice real, and vectors.
const (
	blocks          = 6
	leastParameters = 1000
)

var shares = []float64{0.494, 0.123, 0.123, 0.123, 0.062, 0.062, 0.004, 0.002, 0.002, 0.002, 0.002, 0.001}

// gradientsOf makes gradients of zeros: sums of them, again and again, stay what they
// are.
func gradientsOf(parameters int) []train.Learned {
	var ls []train.Learned
	left := parameters
	for b := range blocks {
		for i, share := range shares {
			n := min(left, int(math.Round(share*float64(parameters)/blocks)))
			if b == blocks-1 && i == len(shares)-1 {
				n = left
			}
			if n == 0 {
				continue
			}
			left -= n
			ls = append(ls, train.Learned{
				Param: param.Param{Name: fmt.Sprintf("%d.%d", b, i)},
				Grad:  task.Array{Shape: tensor.Shape{n}, Float32s: make([]float32, n)},
			})
		}
	}
	return ls
}
