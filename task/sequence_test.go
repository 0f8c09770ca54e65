package task_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// count returns 0 to n-1.
func count(n int) task.Ints {
	s := make(task.Ints, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// scored returns how often each token of 0 to n-1 is a target, and reports one that does
// not follow its token, or that the data set gives otherwise than it says.
func scored(t *testing.T, ds task.Dataset, n int) []int {
	t.Helper()
	times := make([]int, n)
	b := task.NewBatch(ds)
	for i := range ds.Len() {
		length := ds.Length(i)
		if err := b.Load([]int{i}, 1, length); err != nil {
			t.Fatal(err)
		}
		x, _ := b.Array(task.X)
		y, _ := b.Array(task.Target)
		for l, target := range y.Ints[:length] {
			if target == task.Ignore {
				continue
			}
			if target != x.Ints[l]+1 {
				t.Fatalf("example %d, step %d: token %d, target %d", i, l, x.Ints[l], target)
			}
			times[target]++
		}
	}
	return times
}

// Each token but the first is scored once, however the sequence is looked at.
func TestEachTokenIsScoredOnce(t *testing.T) {
	for n := 2; n < 33; n++ {
		for _, length := range []int{1, 2, 3, 7, 10, 64} {
			check := func(what string, ds task.Dataset, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(what, n, length, err)
				}
				want := slices.Repeat([]int{1}, n)
				want[0] = 0
				if got := scored(t, ds, n); !slices.Equal(got, want) {
					t.Fatalf("%s of length %d, %d tokens: scored %v", what, length, n, got)
				}
			}
			w, err := task.NewWindows(count(n), length)
			check("windows", w, err)
			for _, stride := range []int{1, 2, length} {
				if stride <= length {
					w, err = task.NewSliding(count(n), length, stride)
					check(fmt.Sprintf("windows with stride %d", stride), w, err)
				}
			}
			for _, streams := range []int{1, 2, 5} {
				if streams < n {
					s, err := task.NewStreams(count(n), streams, length)
					check(fmt.Sprintf("%d streams", streams), s, err)
					check(fmt.Sprintf("%d rolled streams", streams), s.Rolled(1).Epoch(length), err)
				}
			}
		}
	}
}

func TestWindows(t *testing.T) {
	w, err := task.NewWindows(count(11), 4)
	if err != nil {
		t.Fatal(err)
	}
	if w.Len() != 3 || w.Length(0) != 4 || w.Length(2) != 2 {
		t.Errorf("got %d windows, of %d, %d steps", w.Len(), w.Length(0), w.Length(2))
	}
	// All of one length, the last with as much before it as the others.
	w, err = task.NewSliding(count(12), 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	var spans [][3]int
	for i := range w.Len() {
		begin, from, end := w.Span(i)
		spans = append(spans, [3]int{begin, from, end})
	}
	if want := [][3]int{{0, 0, 5}, {2, 5, 7}, {4, 7, 9}, {6, 9, 11}}; !slices.Equal(spans, want) {
		t.Errorf("want %v, got %v", want, spans)
	}
	if w, err = task.NewSliding(count(4), 5, 2); err != nil || w.Len() != 1 || w.Length(0) != 3 {
		t.Errorf("a short sequence: got %d windows, error %v", w.Len(), err)
	}
	for want, err := range map[string]error{
		"want a length >= 1, got 0":        second(task.NewWindows(count(5), 0)),
		"want at least 2 tokens":           second(task.NewWindows(count(1), 3)),
		"at least 2 tokens, one and its":   second(task.NewSliding(count(0), 3, 1)),
		"want a stride in [1, 3], the len": second(task.NewSliding(count(5), 3, 4)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func second[A any](_ A, err error) error { return err }

func TestStreams(t *testing.T) {
	s, err := task.NewStreams(count(3*9+3), 3, 4) // of 10, 10 and 9 targets
	if err != nil || s.Len() != 9 {
		t.Fatalf("%d pieces, %v", s.Len(), err)
	}
	b := task.NewBatch(s)
	next := []int{0, 10, 20}
	for piece := range 3 {
		if err := b.Load([]int{3 * piece, 3*piece + 1, 3*piece + 2}, 3, 4); err != nil {
			t.Fatal(err)
		}
		x, _ := b.Array(task.X)
		y, _ := b.Array(task.Target)
		for i, v := range y.Ints {
			if row := i / 4; v == task.Ignore {
				if next[row] < min(10+10*row, 29) {
					t.Errorf("piece %d, row %d: token %d is not scored", piece, row, next[row])
				}
			} else if x.Ints[i] != next[row] || v != next[row]+1 {
				t.Fatalf("piece %d, row %d: token %d, target %d, want %d and the next", piece, row, x.Ints[i], v, next[row])
			} else {
				next[row]++
			}
		}
	}
	if s, err := task.NewStreams(count(3*9+3), 3, 1<<40); err != nil || s.Len() != 3 || s.Length(0) != 10 {
		t.Errorf("pieces that are longer than a stream: %d of %d, error %v", s.Len(), s.Length(0), err)
	}
	if _, err := task.NewStreams(make([]int, 3), 3, 4); err == nil || !strings.Contains(err.Error(), "want more than 3 tokens, a target of each stream, got 3") {
		t.Errorf("got error %v", err)
	}
	if _, err := task.NewStreams(count(9), 0, 4); err == nil {
		t.Error("no streams were accepted")
	}
}

// Every epoch begins each stream elsewhere, and the same again.
func TestRolled(t *testing.T) {
	s, err := task.NewStreams(count(2001), 2, 10)
	if err != nil {
		t.Fatal(err)
	}
	starts := map[int]bool{}
	r := s.Rolled(7)
	if s.Rows() != 2 || r.Rows() != 2 {
		t.Errorf("got %d and %d rows, want 2", s.Rows(), r.Rows())
	}
	for epoch := range 4 {
		a, b := r.Epoch(epoch).(*task.Streams), s.Rolled(7).Epoch(epoch).(*task.Streams)
		for i := range 2 {
			if a.Start(i) != b.Start(i) || a.Start(i)/1000 != i {
				t.Errorf("epoch %d: stream %d begins at %d and %d", epoch, i, a.Start(i), b.Start(i))
			}
			starts[a.Start(i)%1000] = true
		}
		// Within an epoch a stream goes on: the piece behind begins where one ends.
		for i := range a.Len() - 2 {
			if got, want := a.Start(i+2)%1000, (a.Start(i)+10)%1000; got != want {
				t.Fatalf("epoch %d: piece %d begins at %d, want %d", epoch, i+2, got, want)
			}
		}
	}
	if len(starts) != 8 || s.Rolled(8).Epoch(0).(*task.Streams).Start(0) == r.Epoch(0).(*task.Streams).Start(0) {
		t.Errorf("want another start for each stream, epoch and seed, got %v", starts)
	}
}

// placed is a sequence with a place.
type placed struct{ task.Ints }

func (placed) Place(begin, end int) string {
	return fmt.Sprintf("a.txt, tokens %d to %d", begin, end-1)
}

func TestOrigin(t *testing.T) {
	w, err := task.NewWindows(placed{count(10)}, 4)
	if err != nil {
		t.Fatal(err)
	}
	s, err := task.StreamsOf(placed{count(10)}, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := task.ExampleName(w, 1)+"; "+task.ExampleName(s, 1), "example 1 (a.txt, tokens 4 to 7); example 1 (a.txt, tokens 5 to 8)"; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
}

// short is a sequence that has less than it says.
type short struct{ task.Ints }

func (short) Read([]int, int) int { return 1 }

func TestSequenceThatEnds(t *testing.T) {
	s, err := task.StreamsOf(short{count(21)}, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, ds := range []task.Dataset{s, s.Rolled(1).Epoch(0)} {
		for i := range 4 {
			if err := task.NewBatch(ds).Load([]int{i}, 1, 4); err == nil || !strings.Contains(err.Error(), " tokens from ") {
				t.Errorf("got error %v", err)
			}
		}
	}
}

// A piece is read into the memory of the batch.
func TestPiecesTakeNoMemory(t *testing.T) {
	s, err := task.NewStreams(count(2000), 2, 100)
	if err != nil {
		t.Fatal(err)
	}
	w, err := task.NewSliding(count(2000), 100, 40)
	if err != nil {
		t.Fatal(err)
	}
	for _, ds := range []task.Dataset{s, s.Rolled(1).Epoch(0), w} {
		b := task.NewBatch(ds)
		examples := []int{0}
		load := func() {
			if err := b.Load(examples, 1, 100); err != nil {
				t.Fatal(err)
			}
			examples[0] = (examples[0] + 1) % ds.Len()
		}
		load()
		if n := testing.AllocsPerRun(50, load); n > 0 {
			t.Errorf("%T: %g allocations for an example", ds, n)
		}
	}
}
