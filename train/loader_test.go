package train

import (
	"context"
	"errors"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
)

// seen is a copy of what a batch holds.
type seen struct {
	L        int
	Examples []int
	Lengths  []int
	Tokens   []int
	Labels   []int
	After    Position
}

func look(b *task.Batch, after Position) seen {
	ints := func(name string) []int {
		a, err := b.Array(name)
		if err != nil {
			panic(err)
		}
		return slices.Clone(a.Ints)
	}
	return seen{b.L, slices.Clone(b.Examples), ints(task.Lengths), ints(task.X), ints(task.Target), after}
}

// take reads n batches, or all if n is 0.
func take(t *testing.T, l *Loader, from Position, epochs, n int) []seen {
	t.Helper()
	s, err := l.Stream(context.Background(), from, epochs)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out []seen
	for n == 0 || len(out) < n {
		b, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, look(b, s.After()))
	}
	return out
}

func loader(t *testing.T, ds task.Dataset, cfg LoaderConfig) *Loader {
	t.Helper()
	l, err := NewLoader(ds, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLoaderCoversEveryExampleOnce(t *testing.T) {
	const n = 103
	ds := newTokenData(n, 1, 40, 12, 3, 1)
	ds.pad = 3
	for _, cfg := range []LoaderConfig{
		{BatchSize: 8},
		{BatchSize: 8, Shuffle: true, Seed: 5},
		{BatchSize: 8, Shuffle: true, Buckets: []int{10, 20, 40}},
		{BatchSize: 8, Buckets: []int{7, 13, 64}},
		{BatchSize: 1, Shuffle: true},
		{BatchSize: 200, Shuffle: true, Buckets: []int{20, 40}},
		{BatchSize: 8, Shuffle: true, DropLast: true, Buckets: []int{20, 40}},
	} {
		l := loader(t, ds, cfg)
		batches := take(t, l, Position{}, 1, 0)
		if len(batches) != l.Batches() {
			t.Errorf("%+v: %d batches, Batches says %d", cfg, len(batches), l.Batches())
		}
		var got []int
		for i, b := range batches {
			if want := (Position{0, i + 1}); b.After != want && i+1 < len(batches) {
				t.Errorf("%+v: batch %d ends at %v, want %v", cfg, i, b.After, want)
			}
			checkRows(t, ds, l, cfg, b)
			got = append(got, b.Examples...)
		}
		if last := batches[len(batches)-1].After; last != (Position{1, 0}) {
			t.Errorf("%+v: the last batch ends at %v", cfg, last)
		}
		slices.Sort(got)
		want := n
		if cfg.DropLast {
			want = n / cfg.BatchSize * cfg.BatchSize
		}
		if len(got) != want || len(slices.Compact(got)) != want {
			t.Errorf("%+v: %d different examples, want %d", cfg, len(slices.Compact(got)), want)
		}
	}
}

// checkRows compares the rows of a batch with the data.
func checkRows(t *testing.T, ds *tokenData, l *Loader, cfg LoaderConfig, b seen) {
	t.Helper()
	if !slices.Contains(l.Lengths(), b.L) {
		t.Fatalf("length %d is none of %v", b.L, l.Lengths())
	}
	longest := 0
	for row := range cfg.BatchSize {
		tokens := b.Tokens[row*b.L : (row+1)*b.L]
		var e example
		want := -1
		if row < len(b.Examples) {
			e = ds.examples[b.Examples[row]]
			want = e.Label
		}
		n := len(e.Tokens)
		longest = max(longest, n)
		if b.Lengths[row] != n || b.Labels[row] != want || !slices.Equal(tokens[:n], e.Tokens) {
			t.Fatalf("row %d: length %d, label %d, tokens %v; want %d, %d, %v", row, b.Lengths[row], b.Labels[row], tokens, n, want, e.Tokens)
		}
		for _, k := range tokens[n:] {
			if k != ds.pad {
				t.Fatalf("row %d: padded with %d, want %d", row, k, ds.pad)
			}
		}
	}
	for _, bucket := range l.Lengths() {
		if bucket >= longest {
			if b.L != bucket {
				t.Errorf("the longest sequence has %d steps: padded to %d, want %d", longest, b.L, bucket)
			}
			break
		}
	}
}

func TestBucketsCutThePadding(t *testing.T) {
	ds := newTokenData(512, 1, 64, 12, 3, 1)
	steps := func(buckets []int) (sum int) {
		for _, b := range take(t, loader(t, ds, LoaderConfig{BatchSize: 16, Shuffle: true, Buckets: buckets}), Position{}, 1, 0) {
			sum += b.L
		}
		return sum
	}
	if all, some := steps([]int{64}), steps([]int{16, 32, 48, 64}); float64(some) > 0.7*float64(all) {
		t.Errorf("%d steps with buckets, %d without", some, all)
	}
}

func TestLoaderOrder(t *testing.T) {
	ds := newTokenData(57, 1, 20, 12, 3, 2)
	cfg := LoaderConfig{BatchSize: 4, Shuffle: true, Seed: 9, Buckets: []int{5, 20}}
	all := take(t, loader(t, ds, cfg), Position{}, 3, 0)
	order := func(from, to int) (s []int) {
		for _, b := range all[from:to] {
			s = append(s, b.Examples...)
		}
		return s
	}
	n := loader(t, ds, cfg).Batches()
	if slices.Equal(order(0, n), order(n, 2*n)) {
		t.Error("two epochs have the same order")
	}
	other := cfg
	other.Seed = 10
	if b := take(t, loader(t, ds, other), Position{}, 1, 1)[0]; reflect.DeepEqual(b, all[0]) {
		t.Error("two seeds give the same first batch")
	}
	// Any position leads to the same batches as an unbroken stream, whatever is
	// prefetched.
	for i := range all {
		cfg.Prefetch = 1 + i%5
		var from Position
		if i > 0 {
			from = all[i-1].After
		}
		got := take(t, loader(t, ds, cfg), from, 0, min(5, len(all)-i))
		for j, b := range got {
			if !reflect.DeepEqual(b, all[i+j]) {
				t.Fatalf("from %v: batch %d is\n%+v\nwant\n%+v", from, j, b, all[i+j])
			}
		}
	}
}

func TestLoaderFeaturesAndLabelsPerPosition(t *testing.T) {
	ds := newTokenData(5, 2, 6, 12, 3, 3).asFeatures(3)
	l := loader(t, ds, LoaderConfig{BatchSize: 3, Buckets: []int{8}})
	s, err := l.Stream(context.Background(), Position{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		b, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		x, err1 := b.Array(task.X)
		y, err2 := b.Array(task.Target)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if !x.Shape.Eq(tensor.Shape{3, 8, 2}) || x.Dtype() != tensor.Float32 || !y.Shape.Eq(tensor.Shape{3, 8}) || y.Dtype() != tensor.Int {
			t.Fatalf("got features %v, labels %v", x, y)
		}
		for row := range b.B {
			for pos := range b.L {
				want, f := -1, [2]float32{}
				if pos < b.Lengths[row] {
					e := ds.examples[b.Examples[row]]
					want, f = e.Labels[pos], [2]float32(e.Features[2*pos:])
				}
				at := row*b.L + pos
				if y.Ints[at] != want || [2]float32(x.Float32s[2*at:]) != f {
					t.Errorf("row %d, position %d: label %d, features %v; want %d, %v", row, pos, y.Ints[at], x.Float32s[2*at:2*at+2], want, f)
				}
			}
		}
	}
}

func TestStreamDeliversErrors(t *testing.T) {
	broken := errors.New("broken record")
	ds := newTokenData(10, 1, 4, 12, 3, 4)
	ds.fail = map[int]error{7: broken}
	s, err := loader(t, ds, LoaderConfig{BatchSize: 2, Prefetch: 1}).Stream(context.Background(), Position{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the error stays
		if _, err := s.Next(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "example 7") {
			t.Errorf("got error %v, want %q with the number of the example", err, broken)
		}
	}
	// A data set's io.EOF is not the end of the stream.
	ds.fail[7] = io.EOF
	s2, err := loader(t, ds, LoaderConfig{BatchSize: 8}).Stream(context.Background(), Position{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s2.Close()
	if _, err := s2.Next(); err == nil || err == io.EOF {
		t.Errorf("got error %v, want one about example 7", err)
	}
}

func TestStreamCancel(t *testing.T) {
	before := runtime.NumGoroutine()
	ds := newTokenData(100, 1, 4, 12, 3, 4)
	l := loader(t, ds, LoaderConfig{BatchSize: 2})
	ctx, cancel := context.WithCancel(context.Background())
	s, err := l.Stream(ctx, Position{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for err = nil; err == nil; {
		_, err = s.Next() // what was prefetched may still come
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	s.Close()
	s.Close()
	// Closing without reading must not leave the goroutine behind either.
	for range 10 {
		s, err := l.Stream(context.Background(), Position{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestLoaderRejects(t *testing.T) {
	good := newTokenData(4, 3, 3, 12, 3, 5)
	with := func(i int, e example) *tokenData {
		d := &tokenData{examples: slices.Clone(good.examples)}
		d.examples[i] = e
		return d
	}
	for want, c := range map[string]struct {
		ds  task.Dataset
		cfg LoaderConfig
	}{
		"want BatchSize >= 1, got 0":                                {good, LoaderConfig{}},
		"want Prefetch >= 0, got -1":                                {good, LoaderConfig{BatchSize: 1, Prefetch: -1}},
		"want Buckets positive and ascending, got [4 4]":            {good, LoaderConfig{BatchSize: 1, Buckets: []int{4, 4}}},
		"want a data set, got nil":                                  {nil, LoaderConfig{BatchSize: 1}},
		"the data set is empty":                                     {&tokenData{}, LoaderConfig{BatchSize: 1}},
		"example 0: want length <= 2, the longest bucket, got 3":    {good, LoaderConfig{BatchSize: 1, Buckets: []int{1, 2}}},
		"example 2: want length >= 1, got 0":                        {with(2, example{}), LoaderConfig{BatchSize: 1}},
		"want at least BatchSize = 5 examples with DropLast, got 4": {good, LoaderConfig{BatchSize: 5, DropLast: true}},
	} {
		if _, err := NewLoader(c.ds, c.cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	for want, ds := range map[string]*tokenData{
		"example 2: x: want numbers of type int, got float32":    with(2, example{Features: make([]float32, 3), Labels: make([]int, 3)}),
		"example 2: target: want 1 numbers, got 3":               with(2, example{Tokens: make([]int, 3), Labels: make([]int, 3)}),
		"example 2: x: want 4 numbers, one for each step, got 3": with(2, example{Tokens: make([]int, 3), Labels: make([]int, 4)}),
	} {
		s, err := loader(t, ds, LoaderConfig{BatchSize: 4}).Stream(context.Background(), Position{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		s.Close()
	}
	if _, err := loader(t, good, LoaderConfig{BatchSize: 2}).Stream(context.Background(), Position{Batch: 3}, 1); err == nil {
		t.Error("a position behind the end of the epoch was accepted")
	}
}
