package train

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/task"
)

// plan lays out the epochs of a data set: which examples form a batch, to what
// length they are padded, and in what order the batches come.
type plan struct {
	batch    int
	shuffle  bool
	seed     uint64
	dropLast bool
	buckets  []int    // padded lengths, ascending
	bucket   []uint16 // bucket of each example
}

// planned is one batch of a plan.
type planned struct {
	length   int // padded length L
	examples []int
}

// newPlan sorts the examples of ds into the buckets of cfg.
func newPlan(ds task.Dataset, cfg LoaderConfig) (*plan, error) {
	n := ds.Len()
	if n < 1 {
		return nil, errors.New("the data set is empty")
	}
	p := &plan{batch: cfg.BatchSize, shuffle: cfg.Shuffle, seed: cfg.Seed, dropLast: cfg.DropLast,
		buckets: cfg.Buckets, bucket: make([]uint16, n)}
	lengths := make([]int, n)
	for i := range lengths {
		lengths[i] = ds.Length(i)
		if lengths[i] < 1 {
			return nil, fmt.Errorf("%s: want length >= 1, got %d", task.ExampleName(ds, i), lengths[i])
		}
		if err := size.Length("length", lengths[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", task.ExampleName(ds, i), err)
		}
	}
	if len(p.buckets) == 0 {
		p.buckets = []int{slices.Max(lengths)}
	}
	for i, l := range lengths {
		b, _ := slices.BinarySearch(p.buckets, l)
		if b == len(p.buckets) {
			return nil, fmt.Errorf("%s: want length <= %d, the longest bucket, got %d", task.ExampleName(ds, i), p.buckets[b-1], l)
		}
		p.bucket[i] = uint16(b)
	}
	if p.batches() == 0 {
		return nil, fmt.Errorf("want at least BatchSize = %d examples with DropLast, got %d", p.batch, n)
	}
	return p, nil
}

// batches returns the number of batches of an epoch.
func (p *plan) batches() int {
	if p.dropLast {
		return len(p.bucket) / p.batch
	}
	return (len(p.bucket) + p.batch - 1) / p.batch
}

// epoch returns the batches of an epoch. They depend on the seed and the
// number of the epoch alone.
func (p *plan) epoch(epoch int) []planned {
	order := make([]int, len(p.bucket))
	for i := range order {
		order[i] = i
	}
	rng := rand.NewPCG(p.seed, uint64(epoch))
	if p.shuffle {
		shuffle(rng, order)
	}
	byBucket := make([][]int, len(p.buckets))
	for _, i := range order {
		b := p.bucket[i]
		byBucket[b] = append(byBucket[b], i)
	}
	// What does not fill a batch moves on to the next longer bucket, so that
	// only one batch of the epoch is not full.
	out := make([]planned, 0, p.batches())
	var rest []int
	for _, in := range byBucket {
		rest = append(rest, in...)
		for len(rest) >= p.batch {
			out = append(out, p.plan(rest[:p.batch]))
			rest = rest[p.batch:]
		}
	}
	if len(rest) > 0 && !p.dropLast {
		out = append(out, p.plan(rest))
	}
	if p.shuffle {
		shuffle(rng, out)
	}
	return out
}

// plan pads a batch to the smallest bucket that holds its longest example.
func (p *plan) plan(examples []int) planned {
	b := uint16(0)
	for _, i := range examples {
		b = max(b, p.bucket[i])
	}
	return planned{length: p.buckets[b], examples: slices.Clone(examples)}
}

// shuffle permutes s (Fisher and Yates). It draws from the source itself: the
// order is part of what a checkpoint means, and only the source's output is
// specified for all Go versions. The bias of the multiplication, n/2^64, is far
// below anything measurable.
func shuffle[E any](src *rand.PCG, s []E) {
	for i := len(s) - 1; i > 0; i-- {
		j, _ := bits.Mul64(src.Uint64(), uint64(i+1))
		s[i], s[j] = s[j], s[i]
	}
}
