package train

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// watched is a data set that notes which examples are decoded.
type watched struct {
	task.Dataset
	mu   sync.Mutex
	read []int
}

func (w *watched) Example(i int, row *task.Row) error {
	w.mu.Lock()
	w.read = append(w.read, i)
	w.mu.Unlock()
	return w.Dataset.Example(i, row)
}

// numbersOf returns the numbers of each row of a batch, all fields in a line.
func numbersOf(t *testing.T, b *task.Batch) []string {
	t.Helper()
	out := make([]string, b.B)
	for _, f := range append([]string{task.Lengths}, namesOf(b)...) {
		a, err := b.Array(f)
		if err != nil {
			t.Fatal(err)
		}
		n := a.Len() / b.B
		for row := range out {
			for i := range n {
				out[row] += fmt.Sprint(a.At(row*n+i), " ")
			}
		}
	}
	return out
}

// namesOf returns which of the fields of the data here a batch has.
func namesOf(b *task.Batch) (names []string) {
	for _, name := range []string{task.X, task.X2, task.XLengths, task.X2Lengths, task.Target} {
		if _, err := b.Array(name); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// pairs is pairs of documents of lengths of their own.
type pairs int

func (p pairs) Fields() []task.Field {
	return append(task.Pair(task.Tokens("", 0)), task.Label(task.Target))
}
func (p pairs) Len() int         { return int(p) }
func (p pairs) Length(i int) int { return 3 + i%5 }
func (p pairs) Example(i int, row *task.Row) error {
	row.Ints(task.X, slices.Repeat([]int{i + 1}, 3+i%5)...)
	row.Ints(task.X2, slices.Repeat([]int{100 + i}, 1+i%3)...)
	row.Ints(task.Target, i%2)
	return nil
}

// The batches of the ranks, one below the other, are those of one process: the same
// rows at the same places, whether batches are full or not, and no rank decodes an
// example of another.
func TestLoaderOfRanks(t *testing.T) {
	tokens := newTokenData(43, 1, 30, 12, 3, 1)
	for name, c := range map[string]struct {
		ds  task.Dataset
		cfg LoaderConfig
	}{
		"in order":  {tokens, LoaderConfig{BatchSize: 8}},
		"shuffled":  {tokens, LoaderConfig{BatchSize: 8, Shuffle: true, Seed: 5, Buckets: []int{10, 20, 30}}},
		"odd":       {tokens, LoaderConfig{BatchSize: 7, Shuffle: true, Buckets: []int{20, 40}}},
		"drop last": {tokens, LoaderConfig{BatchSize: 8, Shuffle: true, DropLast: true}},
		"one batch": {tokens, LoaderConfig{BatchSize: 60, Shuffle: true}},
		"pairs":     {pairs(19), LoaderConfig{BatchSize: 6, Shuffle: true}},
		"streams":   {rolled(t, 6), LoaderConfig{BatchSize: 6}},
	} {
		for _, ranks := range []int{1, 2, 3, 4, 5} {
			t.Run(fmt.Sprintf("%s, %d ranks", name, ranks), func(t *testing.T) { checkRanks(t, c.ds, c.cfg, ranks) })
		}
	}
}

// rolled returns streams that are others in each epoch.
func rolled(t *testing.T, streams int) task.Dataset {
	t.Helper()
	ids := make([]int, 200)
	for i := range ids {
		ids[i] = i
	}
	s, err := task.NewStreams(ids, streams, 8)
	if err != nil {
		t.Fatal(err)
	}
	return s.Rolled(3)
}

// checkRanks compares two epochs of so many ranks with those of one process.
func checkRanks(t *testing.T, ds task.Dataset, cfg LoaderConfig, ranks int) {
	const epochs = 2
	stream := func(cfg LoaderConfig, ds task.Dataset) (*Loader, *Stream) {
		l := loader(t, ds, cfg)
		s, err := l.Stream(context.Background(), Position{}, epochs)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return l, s
	}
	one, whole := stream(cfg, ds)
	var streams []*Stream
	var data []*watched
	own := make([]map[int]bool, ranks)
	each := (cfg.BatchSize + ranks - 1) / ranks
	for r := range ranks {
		w := &watched{Dataset: ds}
		part := cfg
		part.Rank, part.Ranks = r, ranks
		l, s := stream(part, maybeEpochs(w))
		if l.Batches() != one.Batches() || !slices.Equal(l.Lengths(), one.Lengths()) {
			t.Errorf("rank %d: %d batches of lengths %v, want %d of %v", r, l.Batches(), l.Lengths(), one.Batches(), one.Lengths())
		}
		streams, data = append(streams, s), append(data, w)
		own[r] = map[int]bool{0: true} // which every loader looks at
	}
	for {
		b, err := whole.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want := numbersOf(t, b)
		var got []string
		var examples []int
		for r, s := range streams {
			p, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if s.last.total != len(b.Examples) || p.B != each || p.L != b.L || p.Of != b.B || p.First != min(r*each, cfg.BatchSize) || s.After() != whole.After() {
				t.Errorf("rank %d: got %d rows from %d of %d, of length %d, before %v, want %d from %d of %d, of %d, before %v",
					r, p.B, p.First, p.Of, p.L, s.After(), each, r*each, b.B, b.L, whole.After())
			}
			got, examples = append(got, numbersOf(t, p)...), append(examples, p.Examples...)
			for _, i := range p.Examples {
				own[r][i] = true
			}
		}
		if !slices.Equal(got[:len(want)], want) {
			t.Errorf("batch %v: the rows of the ranks are not those of one process:\n%v\n%v", b, got, want)
		}
		if !slices.Equal(examples, b.Examples) {
			t.Errorf("examples of the ranks: got %v, want %v", examples, b.Examples)
		}
	}
	for r, s := range streams {
		if _, err := s.Next(); err != io.EOF {
			t.Errorf("rank %d has more batches: %v", r, err)
		}
		for _, i := range data[r].read {
			if !own[r][i] {
				t.Errorf("rank %d decoded example %d, of another", r, i)
			}
		}
	}
}

// epochsOf is a watched data set of other data in each epoch.
type epochsOf struct{ *watched }

func (e epochsOf) Epoch(n int) task.Dataset {
	return &counted{e.Dataset.(task.Epochs).Epoch(n), e.watched}
}

// counted is the data of an epoch, watched with those of the others.
type counted struct {
	task.Dataset
	by *watched
}

func (c *counted) Example(i int, row *task.Row) error {
	c.by.mu.Lock()
	c.by.read = append(c.by.read, i)
	c.by.mu.Unlock()
	return c.Dataset.Example(i, row)
}

// maybeEpochs is a data set that has epochs if what it watches has.
func maybeEpochs(w *watched) task.Dataset {
	if _, ok := w.Dataset.(task.Epochs); ok {
		return epochsOf{w}
	}
	return w
}

// Rows of a rank are filled up so that they run in micro-batches of one size, which
// know where they are in the batch of all.
func TestLoaderFillsMicroBatches(t *testing.T) {
	ds := newTokenData(24, 3, 3, 12, 3, 1)
	for _, c := range []struct{ batch, ranks, micro, rows, run int }{
		{12, 2, 4, 8, 4}, {12, 2, 6, 6, 6}, {12, 5, 4, 3, 3}, {12, 1, 4, 12, 4}, {12, 0, 12, 12, 12}, {11, 2, 4, 8, 4}, {12, 3, 3, 6, 3},
	} {
		for rank := range max(c.ranks, 1) {
			l := loader(t, ds, LoaderConfig{BatchSize: c.batch, Rank: rank, Ranks: c.ranks, MicroBatch: c.micro})
			s, err := l.Stream(context.Background(), Position{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if b.B != c.rows {
				t.Errorf("%+v, rank %d: got %d rows", c, rank, b.B)
			}
			for lo := 0; lo < b.B; lo += c.run {
				var part task.Batch
				b.Rows(lo, lo+c.run, &part)
				if part.First != b.First+lo || part.Of != c.batch || part.Later != (lo > 0) {
					t.Errorf("%+v, rank %d, from row %d: got First %d, Of %d, Later %v", c, rank, lo, part.First, part.Of, part.Later)
				}
				for i, e := range part.Examples {
					if e != part.First+i { // they are in order
						t.Errorf("%+v, rank %d: row %d is example %d", c, rank, part.First+i, e)
					}
				}
			}
			s.Close()
		}
	}
}

func TestLoaderOfRanksRejects(t *testing.T) {
	for want, cfg := range map[string]LoaderConfig{
		"want Ranks in [0, 4], a row of a batch for each, got 5":  {BatchSize: 4, Ranks: 5},
		"want Ranks in [0, 4], a row of a batch for each, got -1": {BatchSize: 4, Ranks: -1},
		"want Rank in [0, 2), got 2":                              {BatchSize: 4, Rank: 2, Ranks: 2},
		"want Rank in [0, 1), got 1":                              {BatchSize: 4, Rank: 1},
		"want Rank in [0, 2), got -1":                             {BatchSize: 4, Rank: -1, Ranks: 2},
		"want MicroBatch >= 0, got -1":                            {BatchSize: 4, MicroBatch: -1},
	} {
		if _, err := NewLoader(pairs(4), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}
