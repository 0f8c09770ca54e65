package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
)

// LoaderConfig configures a Loader.
type LoaderConfig struct {
	// BatchSize is the number of rows of every batch (B).
	BatchSize int
	// Buckets are the padded lengths that batches may have, ascending. Every
	// batch holds sequences of similar length, padded to the smallest bucket
	// that holds the longest. A model needs one graph for every bucket, with
	// memory of its own, so a few are enough. nil means one bucket, the length
	// of the longest example.
	Buckets []int
	// Shuffle draws a new order of the examples for every epoch. Without it
	// they come in their own order, bucket by bucket.
	Shuffle bool
	// Seed chooses the orders that Shuffle draws.
	Seed uint64
	// DropLast leaves out the last batch of an epoch if it is not full. By
	// default it is filled up with rows of length 0 and label -1.
	DropLast bool
	// PadToken is the token id behind the end of a sequence.
	PadToken int
	// Prefetch is the number of batches prepared ahead; 0 means 2.
	Prefetch int
}

// Validate reports the first field that is out of range.
func (c LoaderConfig) Validate() error {
	switch {
	case c.BatchSize < 1:
		return fmt.Errorf("train: LoaderConfig: want BatchSize >= 1, got %d", c.BatchSize)
	case c.PadToken < 0:
		return fmt.Errorf("train: LoaderConfig: want PadToken >= 0, got %d", c.PadToken)
	case c.Prefetch < 0:
		return fmt.Errorf("train: LoaderConfig: want Prefetch >= 0, got %d", c.Prefetch)
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

// Batch is B sequences padded to one length L. Its memory is the loader's.
type Batch struct {
	// B is the number of rows, L the padded length, F the number of features
	// per step (0 for tokens).
	B, L, F int
	// Tokens are the token ids (B, L); nil for sequences of features.
	Tokens []int
	// Features are the features (B, L, F); nil for sequences of tokens.
	Features []float32
	// Lengths are the lengths before padding (B). A row of length 0 only fills
	// the batch.
	Lengths []int
	// Labels are the classes (B), or (B, L) if PerPosition; -1 marks padding.
	Labels []int
	// PerPosition says that there is a label for each position.
	PerPosition bool
	// Examples are the numbers of the examples in the data set, one for each
	// row that is not there only to fill the batch (at most B).
	Examples []int
	// After is the place behind this batch: where to go on once it is done.
	After Position

	ds Dataset // that the examples are of
}

// String names the examples of the batch, for errors.
func (b *Batch) String() string {
	const most = 64 // of them are named
	text := strings.Trim(fmt.Sprint(b.Examples[:min(len(b.Examples), most)]), "[]")
	if more := len(b.Examples) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "the batch of examples " + text
}

// Loader makes batches of a data set.
type Loader struct {
	ds       Dataset
	cfg      LoaderConfig
	plan     *plan
	features int // per step; 0: tokens
	perPos   bool
}

// NewLoader returns a loader for ds. It reads the length of every example and
// decodes the first one, whose kind (tokens or features, one label or many)
// all others must share.
func NewLoader(ds Dataset, cfg LoaderConfig) (*Loader, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l, err := newLoader(ds, cfg)
	if err != nil {
		return nil, fmt.Errorf("train: Loader: %w", err)
	}
	return l, nil
}

func newLoader(ds Dataset, cfg LoaderConfig) (*Loader, error) {
	if ds == nil {
		return nil, errors.New("want a data set, got nil")
	}
	cfg = deepcopy.Of(cfg)
	if cfg.Prefetch == 0 {
		cfg.Prefetch = 2
	}
	p, err := newPlan(ds, cfg)
	if err != nil {
		return nil, err
	}
	l := &Loader{ds: ds, cfg: cfg, plan: p}
	first, err := ds.Example(0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", exampleName(ds, 0), err)
	}
	l.perPos = first.Labels != nil
	if first.Tokens == nil {
		l.features = len(first.Features) / ds.Length(0)
	}
	longest := p.buckets[len(p.buckets)-1]
	if err := size.Tensor("a batch (B, L, F)", cfg.BatchSize, longest, max(l.features, 1)); err != nil {
		return nil, err
	}
	if err := l.checkKind(0, first); err != nil {
		return nil, fmt.Errorf("%s: %w", exampleName(ds, 0), err)
	}
	return l, nil
}

// Batches returns the number of batches of an epoch.
func (l *Loader) Batches() int { return l.plan.batches() }

// Lengths returns the padded lengths that batches have, ascending.
func (l *Loader) Lengths() []int { return slices.Clone(l.plan.buckets) }

// check reports an example of a batch padded to a length that is not what the
// data set said of it, or holds what no model can read.
func (l *Loader) check(i, padded int, e Example) error {
	if err := l.checkKind(i, e); err != nil {
		return err
	}
	if n := l.ds.Length(i); n > padded {
		return fmt.Errorf("want a length of at most %d, as it was when the data were read first, got %d", padded, n)
	}
	if at := firstNonFinite(e.Features); at >= 0 {
		return fmt.Errorf("feature %d of step %d: want a finite number, got %v", at%l.features, at/l.features, e.Features[at])
	}
	for t, id := range e.Tokens {
		if id < 0 {
			return fmt.Errorf("token of step %d: want an id >= 0, got %d", t, id)
		}
	}
	return nil
}

// checkKind reports an example that is not like the first, or not as long as
// the data set said.
func (l *Loader) checkKind(i int, e Example) error {
	n := l.ds.Length(i)
	fail := func(what, want string, got int) error {
		return fmt.Errorf("want %s %s, got %d", want, what, got)
	}
	switch {
	case l.features == 0 && len(e.Features) > 0:
		return fail("Features", "Tokens and no", len(e.Features))
	case l.features == 0 && len(e.Tokens) != n:
		return fail("Tokens", strconv.Itoa(n), len(e.Tokens))
	case l.features > 0 && len(e.Tokens) > 0:
		return fail("Tokens", "Features and no", len(e.Tokens))
	case l.features > 0 && len(e.Features) != n*l.features:
		return fail("Features", fmt.Sprintf("%d x %d", n, l.features), len(e.Features))
	case l.perPos && len(e.Labels) != n:
		return fail("Labels", strconv.Itoa(n), len(e.Labels))
	case !l.perPos && e.Labels != nil:
		return fail("Labels", "one Label and no", len(e.Labels))
	}
	return nil
}

// Stream is a running sequence of batches, prepared ahead by a goroutine.
type Stream struct {
	out  chan *Batch
	free chan *Batch // memory to fill
	stop context.CancelFunc
	err  error // why out was closed; written before that
	last *Batch
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
	s := &Stream{out: make(chan *Batch, l.cfg.Prefetch), free: make(chan *Batch, memory), stop: stop}
	for range memory {
		s.free <- new(Batch)
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
		for i, pl := range batches {
			if epoch == from.Epoch && i < from.Batch {
				continue
			}
			var b *Batch
			select {
			case b = <-s.free:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := l.fill(b, pl); err != nil {
				return err
			}
			b.After = Position{Epoch: epoch, Batch: i + 1}
			if b.After.Batch == len(batches) {
				b.After = Position{Epoch: epoch + 1}
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

// Next returns the next batch, which is valid until Next is called again. The
// error is io.EOF after the last batch; it wraps that of the context after
// cancellation, and that of an example that could not be read.
func (s *Stream) Next() (*Batch, error) {
	b, err := s.next()
	if err != nil && err != io.EOF { // a wrapped one is a data set's
		err = fmt.Errorf("train: Loader: %w", err)
	}
	return b, err
}

// next is Next without the prefix of its errors.
func (s *Stream) next() (*Batch, error) {
	if s.last != nil {
		s.free <- s.last
		s.last = nil
	}
	b, ok := <-s.out
	if !ok {
		return nil, s.err
	}
	s.last = b
	return b, nil
}

// Close stops the stream and waits for its goroutine to end. It may be called
// more than once.
func (s *Stream) Close() {
	s.stop()
	for range s.out {
	}
}

// fill decodes the examples of a planned batch into b.
func (l *Loader) fill(b *Batch, pl planned) error {
	l.shape(b, pl)
	for row, i := range pl.examples {
		e, err := l.ds.Example(i)
		if err == nil {
			err = l.check(i, b.L, e)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", exampleName(l.ds, i), err)
		}
		l.put(b, row, l.ds.Length(i), e)
	}
	for row := len(pl.examples); row < b.B; row++ {
		l.put(b, row, 0, Example{Label: ops.IgnoreLabel})
	}
	return nil
}

// shape gives b the sizes of a planned batch, reusing its memory.
func (l *Loader) shape(b *Batch, pl planned) {
	b.B, b.L, b.F, b.PerPosition = l.cfg.BatchSize, pl.length, l.features, l.perPos
	b.Examples, b.ds = pl.examples, l.ds
	b.Lengths = resize(b.Lengths, b.B)
	if l.features == 0 {
		b.Tokens = resize(b.Tokens, b.B*b.L)
	} else {
		b.Features = resize(b.Features, b.B*b.L*b.F)
	}
	if l.perPos {
		b.Labels = resize(b.Labels, b.B*b.L)
	} else {
		b.Labels = resize(b.Labels, b.B)
	}
}

// resize returns s with length n; the contents are unspecified.
func resize[E any](s []E, n int) []E { return slices.Grow(s[:0], n)[:n] }

// put writes an example of length n to a row of b and pads it.
func (l *Loader) put(b *Batch, row, n int, e Example) {
	b.Lengths[row] = n
	if l.features == 0 {
		pad(b.Tokens[row*b.L:(row+1)*b.L], e.Tokens, l.cfg.PadToken)
	} else {
		pad(b.Features[row*b.L*b.F:(row+1)*b.L*b.F], e.Features, 0)
	}
	if l.perPos {
		pad(b.Labels[row*b.L:(row+1)*b.L], e.Labels, ops.IgnoreLabel)
	} else {
		b.Labels[row] = e.Label
	}
}

// pad copies src to the start of dst and fills the rest.
func pad[E any](dst, src []E, with E) {
	for i := copy(dst, src); i < len(dst); i++ {
		dst[i] = with
	}
}
