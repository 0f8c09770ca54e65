package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/task"
)

// LoaderConfig configures a Loader.
type LoaderConfig struct {
	// BatchSize is the number of rows of every batch (B).
	BatchSize int
	// Buckets are the padded lengths that batches may have, ascending. Every
	// batch holds sequences of similar length, padded to the smallest bucket
	// that holds the longest. A model needs one graph for every bucket, so a few
	// are enough. nil means one bucket, the length of the longest example.
	Buckets []int
	// Shuffle draws a new order of the examples for every epoch. Without it
	// they come in their own order, bucket by bucket.
	Shuffle bool
	// Seed chooses the orders that Shuffle draws.
	Seed uint64
	// DropLast leaves out the last batch of an epoch if it is not full. By
	// default it is filled up with rows of length 0, with the padding of each
	// field.
	DropLast bool
	// Prefetch is the number of batches prepared ahead; 0 means 2.
	Prefetch int

	// Ranks is the number of ranks that read parts of the same batches, each its own,
	// and Rank the number of this one, from 0: see Share. 0 is one by itself, which
	// reads all.
	Rank, Ranks int
	// MicroBatch, if it is not 0, is the number of rows that run at a time: those of a
	// rank are filled up to a multiple of it, or of as many as there are.
	MicroBatch int
}

// Share returns which rows of a batch are those of the rank, [lo, hi) of BatchSize,
// and the number of rows of its batches, the same on all ranks: those that are more
// only fill. All ranks but the last have equally many, unless there are too few. The
// examples of a rank may be none, where a batch is not full.
func (c LoaderConfig) Share() (lo, hi, rows int) {
	rows = (c.BatchSize + max(c.Ranks, 1) - 1) / max(c.Ranks, 1)
	lo = min(c.Rank*rows, c.BatchSize)
	hi = min(lo+rows, c.BatchSize)
	if c.MicroBatch > 0 {
		m := min(c.MicroBatch, rows)
		rows = (rows + m - 1) / m * m
	}
	return lo, hi, rows
}

// Validate reports the first field that is out of range.
func (c LoaderConfig) Validate() error {
	switch {
	case c.BatchSize < 1:
		return fmt.Errorf("train: LoaderConfig: want BatchSize >= 1, got %d", c.BatchSize)
	case c.Prefetch < 0:
		return fmt.Errorf("train: LoaderConfig: want Prefetch >= 0, got %d", c.Prefetch)
	case c.MicroBatch < 0:
		return fmt.Errorf("train: LoaderConfig: want MicroBatch >= 0, got %d", c.MicroBatch)
	case c.Ranks < 0 || c.Ranks > c.BatchSize:
		return fmt.Errorf("train: LoaderConfig: want Ranks in [0, %d], a row of a batch for each, got %d", c.BatchSize, c.Ranks)
	case c.Rank < 0 || c.Rank >= max(c.Ranks, 1):
		return fmt.Errorf("train: LoaderConfig: want Rank in [0, %d), got %d", max(c.Ranks, 1), c.Rank)
	}
	return checkBuckets("LoaderConfig", c.Buckets)
}

// maxBuckets is far above what is useful: each bucket costs a graph.
const maxBuckets = 1 << 10

// checkBuckets reports bucket lengths that are not positive and ascending.
func checkBuckets(of string, buckets []int) error {
	if len(buckets) > maxBuckets {
		return fmt.Errorf("train: %s: want at most %d Buckets, got %d", of, maxBuckets, len(buckets))
	}
	last := 0
	for _, b := range buckets {
		if b <= last {
			return fmt.Errorf("train: %s: want Buckets positive and ascending, got %v", of, buckets)
		}
		last = b
	}
	return nil
}

// Position is a place between two batches of a run.
type Position struct {
	// Epoch counts the passes over the data set from 0.
	Epoch int `json:"epoch"`
	// Batch is the number of batches of the epoch already taken.
	Batch int `json:"batch"`
}

// Loader makes batches of a data set.
type Loader struct {
	ds   task.Dataset
	cfg  LoaderConfig
	plan *plan
}

// NewLoader returns a loader for ds. It reads the length of every example, and
// decodes the first one. Of a task.Epochs each pass has the data that it gives for it.
func NewLoader(ds task.Dataset, cfg LoaderConfig) (*Loader, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l, err := newLoader(ds, cfg)
	if err != nil {
		return nil, fmt.Errorf("train: Loader: %w", err)
	}
	return l, nil
}

func newLoader(ds task.Dataset, cfg LoaderConfig) (*Loader, error) {
	if ds == nil {
		return nil, errors.New("want a data set, got nil")
	}
	if err := task.CheckFields(ds.Fields()); err != nil {
		return nil, err
	}
	cfg = deepcopy.Of(cfg)
	if cfg.Prefetch == 0 {
		cfg.Prefetch = 2
	}
	p, err := newPlan(ds, cfg)
	if err != nil {
		return nil, err
	}
	longest := p.buckets[len(p.buckets)-1]
	_, _, rows := cfg.Share()
	for _, f := range ds.Fields() {
		dims := append([]int{rows}, f.Shape...)
		if f.PerStep {
			dims = append(dims, longest)
		}
		if err := size.Tensor(fmt.Sprintf("field %q of a batch", f.Name), dims...); err != nil {
			return nil, err
		}
	}
	return &Loader{ds: ds, cfg: cfg, plan: p}, task.NewBatch(ds).Load([]int{0}, 1, ds.Length(0))
}

// Batches returns the number of batches of an epoch, the same on all ranks.
func (l *Loader) Batches() int { return l.plan.batches() }

// Lengths returns the padded lengths that batches have, ascending.
func (l *Loader) Lengths() []int { return slices.Clone(l.plan.buckets) }

// Stream is a running sequence of batches, prepared ahead by a goroutine.
type Stream struct {
	out  chan *loaded
	free chan *loaded // memory to fill
	stop context.CancelFunc
	err  error // why out was closed; written before that
	last *loaded
}

// loaded is a batch, the place behind it, and the number of its examples on all
// ranks together.
type loaded struct {
	*task.Batch
	after Position
	total int // examples of all ranks
}

// Stream starts at a position and delivers the given number of epochs,
// counted from the one of the position; 0 means no end. The caller must Close
// it. Cancelling ctx stops it too.
func (l *Loader) Stream(ctx context.Context, from Position, epochs int) (*Stream, error) {
	if from.Epoch < 0 || from.Batch < 0 || from.Batch > l.Batches() {
		return nil, fmt.Errorf("train: Loader: want a position with epoch >= 0 and batch in [0, %d], got %+v", l.Batches(), from)
	}
	ctx, stop := context.WithCancel(ctx)
	memory := l.cfg.Prefetch + 2 // one more is being used and one being filled
	s := &Stream{out: make(chan *loaded, l.cfg.Prefetch), free: make(chan *loaded, memory), stop: stop}
	for range memory {
		s.free <- &loaded{Batch: task.NewBatch(l.ds)}
	}
	go func() {
		defer close(s.out)
		s.err = l.produce(ctx, s, from, epochs)
	}()
	return s, nil
}

// produce fills batches until the end, an error, or cancellation.
func (l *Loader) produce(ctx context.Context, s *Stream, from Position, epochs int) error {
	for epoch := from.Epoch; epochs == 0 || epoch < from.Epoch+epochs; epoch++ {
		batches := l.plan.epoch(epoch)
		ds, err := l.epoch(epoch)
		if err != nil {
			return err
		}
		for i, pl := range batches {
			if epoch == from.Epoch && i < from.Batch {
				continue
			}
			var b *loaded
			select {
			case b = <-s.free:
			case <-ctx.Done():
				return ctx.Err()
			}
			b.Use(ds)
			if err := l.load(b, pl); err != nil {
				return err
			}
			b.after = Position{Epoch: epoch, Batch: i + 1}
			if b.after.Batch == len(batches) {
				b.after = Position{Epoch: epoch + 1}
			}
			select {
			case s.out <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return io.EOF
}

// load reads the rows of the rank.
func (l *Loader) load(b *loaded, pl planned) error {
	lo, hi, rows := l.cfg.Share()
	b.total = len(pl.examples)
	if err := b.Load(pl.examples[min(lo, b.total):min(hi, b.total)], rows, pl.length); err != nil {
		return err
	}
	b.First, b.Of = lo, l.cfg.BatchSize
	return nil
}

// epoch returns the data of an epoch.
func (l *Loader) epoch(n int) (task.Dataset, error) {
	ds, err := epochOf(l.ds, n)
	if err == nil && ds.Len() != len(l.plan.bucket) {
		err = fmt.Errorf("want %d examples, as when the data were read first, got %d", len(l.plan.bucket), ds.Len())
	}
	if err != nil {
		return nil, fmt.Errorf("epoch %d of the data: %w", n, err)
	}
	return ds, nil
}

// epochOf returns the data of an epoch, which are ds unless they are others in each.
func epochOf(ds task.Dataset, n int) (_ task.Dataset, err error) {
	e, ok := ds.(task.Epochs)
	if !ok {
		return ds, nil
	}
	defer guard.Panic(&err) // on a goroutine of the loader's
	if ds = e.Epoch(n); ds == nil {
		return nil, errors.New("want a data set, got nil")
	}
	return ds, nil
}

// Next returns the next batch, which is valid until Next is called again: its
// memory is the loader's. The error is io.EOF after the last batch; it wraps that of the context after
// cancellation, and that of an example that could not be read.
func (s *Stream) Next() (*task.Batch, error) {
	b, err := s.next()
	if err != nil && err != io.EOF { // a wrapped one is a data set's
		err = fmt.Errorf("train: Loader: %w", err)
	}
	return b, err
}

// After returns the place behind the batch that Next has returned: where to go
// on once it is done.
func (s *Stream) After() Position { return s.last.after }

// next is Next without the prefix of its errors.
func (s *Stream) next() (*task.Batch, error) {
	if s.last != nil {
		s.free <- s.last
		s.last = nil
	}
	b, ok := <-s.out
	if !ok {
		return nil, s.err
	}
	s.last = b
	return b.Batch, nil
}

// Close stops the stream and waits for its goroutine to end. It may be called
// more than once.
func (s *Stream) Close() {
	s.stop()
	for range s.out {
	}
}

// resize returns s with length n; the contents are unspecified.
func resize[E any](s []E, n int) []E { return slices.Grow(s[:0], n)[:n] }
