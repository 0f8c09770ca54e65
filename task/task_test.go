package task_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
)

// documents are pairs of documents of their own lengths, with numbers about the
// pair.
type documents struct {
	a, b [][]int
	f    [][]float32
	read func(i int, row *task.Row) error // in the place of Example
}

func (documents) Fields() []task.Field {
	a, b := task.Tokens("a", 9), task.Tokens("b", 7)
	a.Lengths, b.Lengths = "a_lengths", "b_lengths"
	return []task.Field{a, b, task.Numbers("about", 2), task.Features("steps", 2)}
}

func (d documents) Len() int            { return len(d.a) }
func (d documents) Length(i int) int    { return max(len(d.a[i]), len(d.b[i])) }
func (d documents) Origin(i int) string { return fmt.Sprintf("pairs.tsv:%d", i+1) }

func (d documents) Example(i int, row *task.Row) error {
	if d.read != nil {
		return d.read(i, row)
	}
	row.Ints("a", d.a[i]...)
	row.Ints("b", d.b[i]...)
	row.Floats("about", d.f[i]...)
	row.Floats("steps", make([]float32, 2*d.Length(i))...)
	return nil
}

func pairs() documents {
	return documents{
		a: [][]int{{1, 2, 3}, {4}, {5, 6}}, b: [][]int{{1}, {2, 3, 4, 5}, {6, 7}},
		f: [][]float32{{0.5, 1}, {2, 3}, {4, 5}},
	}
}

func TestBatchOfFields(t *testing.T) {
	b := task.NewBatch(pairs())
	for range 2 { // the second in the memory of the first
		if err := b.Load([]int{2, 0}, 3, 4); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]task.Array{
			"a":          {Shape: tensor.Shape{3, 4}, Ints: []int{5, 6, 9, 9, 1, 2, 3, 9, 9, 9, 9, 9}},
			"b":          {Shape: tensor.Shape{3, 4}, Ints: []int{6, 7, 7, 7, 1, 7, 7, 7, 7, 7, 7, 7}},
			"a_lengths":  {Shape: tensor.Shape{3}, Ints: []int{2, 3, 0}},
			"b_lengths":  {Shape: tensor.Shape{3}, Ints: []int{2, 1, 0}},
			task.Lengths: {Shape: tensor.Shape{3}, Ints: []int{2, 3, 0}},
			"about":      {Shape: tensor.Shape{3, 2}, Float32s: []float32{4, 5, 0.5, 1, 0, 0}},
			"steps":      {Shape: tensor.Shape{3, 4, 2}, Float32s: make([]float32, 24)},
		} {
			if got, err := b.Array(name); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %v %v, want %v", name, got, err, want)
			}
		}
		if err := b.Load([]int{1}, 1, 5); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Array("c"); err == nil || err.Error() != `want one of the fields "a", "b", "about", "steps", "lengths", got "c"` {
		t.Errorf("got error %v", err)
	}
}

// The rows of a batch are a batch of the same memory, and count what is not
// padding as the whole does.
func TestRowsOfABatch(t *testing.T) {
	b := task.NewBatch(pairs())
	if err := b.Load([]int{0, 1, 2}, 4, 5); err != nil {
		t.Fatal(err)
	}
	var part task.Batch
	counts := func(b *task.Batch, name string) (at []int) {
		if err := b.Counts(name, func(i int) { at = append(at, i) }); err != nil {
			t.Fatal(err)
		}
		return at
	}
	for name, width := range map[string]int{"a": 5, "b": 5, "about": 2, "steps": 10} {
		var all []int
		for lo := 0; lo < 4; lo += 2 {
			b.Rows(lo, lo+2, &part)
			whole, _ := b.Array(name)
			a, err := part.Array(name)
			if err != nil || a.Shape[0] != 2 || a.Len() != 2*width || part.B != 2 || part.L != 5 {
				t.Fatalf("%s: got %v, %v", name, a, err)
			}
			for i := range a.Len() {
				if a.At(i) != whole.At(lo*width+i) {
					t.Errorf("%s: rows from %d have %v at %d, want %v", name, lo, a.At(i), i, whole.At(lo*width+i))
				}
			}
			for _, i := range counts(&part, name) {
				all = append(all, lo*width+i)
			}
		}
		if want := counts(b, name); !slices.Equal(all, want) || len(want) == 0 {
			t.Errorf("%s: the parts count %v, the whole %v", name, all, want)
		}
	}
	if n := task.CountNumbers("b")(b); n != 1+4+2 {
		t.Errorf("%v numbers of b, want 7", n)
	}
	b.Rows(2, 4, &part)
	if got := part.String(); got != "the batch of examples 2" || !slices.Equal(part.Lengths, []int{2, 0}) {
		t.Errorf("got %s, lengths %v", got, part.Lengths)
	}
	if got, n := counts(b, task.Lengths), counts(b, "b_lengths"); !slices.Equal(got, []int{0, 1, 2}) || !slices.Equal(n, got) {
		t.Errorf("lengths of rows %v and %v count, want those of the examples", got, n)
	}
	if got := part.Element(task.Lengths, 0); got != "example 2 (pairs.tsv:3): lengths" {
		t.Errorf("got %s", got)
	}
	if got := part.Element("about", 3); got != "row 1, which only fills the batch of examples 2: about[1]" {
		t.Errorf("got %s", got)
	}
	if got := part.Element("steps", 3); got != "example 2 (pairs.tsv:3): steps[1] of step 1" {
		t.Errorf("got %s", got)
	}
}

func TestRowErrors(t *testing.T) {
	nan := float32(math.NaN())
	broken := errors.New("broken record")
	whole := pairs()
	for want, read := range map[string]func(i int, r *task.Row) error{
		"broken record": func(int, *task.Row) error { return broken },
		`want the field "b", got none`: func(_ int, r *task.Row) error {
			r.Ints("a", 1)
			r.Floats("about", 1, 2)
			r.Floats("steps", make([]float32, 8)...)
			return nil
		},
		`want one of the fields "a", "b", "about", "steps", got "c"`: func(_ int, r *task.Row) error { r.Ints("c", 1); return nil },
		"about: want numbers of type float32, got int":               func(_ int, r *task.Row) error { r.Ints("about", 1, 2); return nil },
		"about: want numbers of type float32, got float64":           func(_ int, r *task.Row) error { r.Float64s("about", 1, 2); return nil },
		"about: want 2 numbers, got 3":                               func(_ int, r *task.Row) error { r.Floats("about", 1, 2, 3); return nil },
		"steps: want 4 x 2 numbers, got 7":                           func(_ int, r *task.Row) error { r.Floats("steps", make([]float32, 7)...); return nil },
		"a: want 1 to 4 steps of 1 numbers, got 5 numbers":           func(_ int, r *task.Row) error { r.Ints("a", 1, 2, 3, 4, 5); return nil },
		"a: want 1 to 4 steps of 1 numbers, got 0 numbers":           func(_ int, r *task.Row) error { r.Ints("a"); return nil },
		"a: want it once, got it twice":                              func(_ int, r *task.Row) error { r.Ints("a", 1); r.Ints("a", 1); return nil },
		"about[1]: want a finite number, got NaN":                    func(_ int, r *task.Row) error { r.Floats("about", 1, nan); return nil },
		"steps[1] of step 2: want a finite number, got +Inf": func(_ int, r *task.Row) error {
			r.Floats("steps", 0, 0, 0, 0, 0, float32(math.Inf(1)), 0, 0)
			return nil
		},
	} {
		d := whole
		d.read = read
		err := task.NewBatch(d).Load([]int{1}, 2, 4)
		if err == nil || err.Error() != "example 1 (pairs.tsv:2): "+want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if err := task.NewBatch(whole).Load([]int{1}, 1, 3); err == nil || !strings.Contains(err.Error(), "want a length of at most 3, as it was when the data were read first, got 4") {
		t.Errorf("got error %v", err)
	}
}

func TestLoadMakesNoGarbage(t *testing.T) {
	x, y := make([][]int, 64), make([]int, 64)
	for i := range x {
		x[i] = make([]int, 10+i%7)
	}
	ds, err := task.NewTable(task.Col(task.Tokens(task.X, 0), x), task.Col(task.Label(task.Target), y))
	if err != nil {
		t.Fatal(err)
	}
	b := task.NewBatch(ds)
	examples := []int{3, 1, 4, 1, 5, 9, 2, 6}
	load := func() {
		if err := b.Load(examples, 10, 20); err != nil {
			t.Fatal(err)
		}
	}
	load()
	if n := testing.AllocsPerRun(50, load); n > 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func TestFieldErrors(t *testing.T) {
	shaped := task.Label("y")
	shaped.Shape = []int{2, 0}
	fraction, infinite := task.Label("y"), task.Numbers("y")
	fraction.Pad, infinite.Pad = 0.5, math.Inf(1)
	own := task.Label("y")
	own.Lengths = "n"
	twice := task.Tokens("y", 0)
	twice.Lengths = "x"
	for want, fields := range map[string][]task.Field{
		"want at least one field, got none":         nil,
		`want a field name other than "lengths"`:    {task.Label("lengths")},
		`which every batch has, got ""`:             {task.Label("")},
		`two fields are named "x"`:                  {task.Tokens("x", 0), task.Label("x")},
		`two fields are named "x" `:                 {task.Tokens("x", 0), twice},
		`field "y": want Dtype int, float32 or`:     {{Name: "y", Dtype: tensor.Bool}},
		`field "y": want a Shape of sizes >= 1`:     {shaped},
		`field "y": want a whole number as Pad`:     {fraction},
		`field "y": want a finite Pad, got +Inf`:    {infinite},
		`field "y": Lengths is about fields with a`: {own},
	} {
		if err := task.CheckFields(fields); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestTable(t *testing.T) {
	wide := task.Numbers("z")
	wide.Dtype = tensor.Float64
	ds, err := task.NewTable(
		task.Col(task.Features("x", 2), [][]float32{{1, 2, 3, 4}, {5, 6}}), task.Col(task.Label("y"), []int{7, 8}),
		task.Col(wide, []float64{0.5, 1.5}))
	if err != nil {
		t.Fatal(err)
	}
	if ds.Len() != 2 || ds.Length(0) != 2 || ds.Length(1) != 1 {
		t.Errorf("%d examples of %d and %d steps", ds.Len(), ds.Length(0), ds.Length(1))
	}
	b := task.NewBatch(ds)
	if err := b.Load([]int{1, 0}, 2, 2); err != nil {
		t.Fatal(err)
	}
	x, _ := b.Array("x")
	y, _ := b.Array("y")
	z, _ := b.Array("z")
	if !slices.Equal(x.Float32s, []float32{5, 6, 0, 0, 1, 2, 3, 4}) || !slices.Equal(y.Ints, []int{8, 7}) || !slices.Equal(z.Float64s, []float64{1.5, 0.5}) {
		t.Errorf("got %v, %v, %v", x, y, z)
	}
	flat, err := task.NewTable(task.Col(task.Numbers("v", 3), [][]float32{{1, 2, 3}}))
	if err != nil || flat.Length(0) != 1 {
		t.Errorf("without steps: length %d, %v", flat.Length(0), err)
	}
	for want, cols := range map[string][]task.Column{
		`field "y": want values of 2 examples, as the first field has, got 1`: {task.Col(task.Tokens("x", 0), [][]int{{1}, {2}}), task.Col(task.Label("y"), []int{1})},
		`field "x": want values of type int, got [][]float32`:                 {task.Col(task.Tokens("x", 0), [][]float32{{1}})},
		`field "x": want values of int, float32 or float64`:                   {task.Col(task.Tokens("x", 0), []string{"a"})},
		"want at least one field":                                             nil,
	} {
		if _, err := task.NewTable(cols...); err == nil || !strings.HasPrefix(err.Error(), "task: Table: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

// Batches of streams in their order go on where the one before has ended, and
// the target is the token that follows.
// A table keeps the fields that it was made with.
func TestTableCopiesItsFields(t *testing.T) {
	shape := []int{2}
	table, err := task.NewTable(task.Col(task.Numbers("y", shape...), [][]float32{{1, 2}, {3, 4}}))
	if err != nil {
		t.Fatal(err)
	}
	shape[0] = 5
	f := table.Fields()
	f[0].Name, f[0].Shape[0] = "z", 7
	if f := table.Fields()[0]; f.Name != "y" || f.Shape[0] != 2 || f.Dtype != tensor.Float32 {
		t.Errorf("got %+v", f)
	}
	if err := task.NewBatch(table).Load([]int{1}, 1, 1); err != nil {
		t.Error(err)
	}
}

func TestIgnoreIsThatOfTheLoss(t *testing.T) {
	if task.Ignore != ops.IgnoreLabel {
		t.Errorf("task.Ignore is %d, ops.IgnoreLabel %d", task.Ignore, ops.IgnoreLabel)
	}
	r := task.Range{High: 3, Ignored: true}
	for v, want := range map[int]bool{-2: false, -1: true, 0: true, 2: true, 3: false} {
		if r.Holds(v) != want {
			t.Errorf("%v holds %d: %v", r, v, !want)
		}
	}
}

// The sequences of a pair are padded to one length, and each has its own.
func TestPair(t *testing.T) {
	fields := task.Pair(task.Features("any", 2))
	fields[0].Shape[0] = 3 // is not that of the other
	if fields[1].Shape[0] != 2 {
		t.Errorf("got %v", fields[1].Shape)
	}
	fields = task.Pair(task.Tokens("", 9))
	ds, err := task.NewTable(task.Col(fields[0], [][]int{{1, 2, 3}, {4}}), task.Col(fields[1], [][]int{{5}, {6, 7}}))
	if err != nil {
		t.Fatal(err)
	}
	b := task.NewBatch(ds)
	if err := b.Load([]int{0, 1}, 3, 3); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]int{
		task.X: {1, 2, 3, 4, 9, 9, 9, 9, 9}, task.X2: {5, 9, 9, 6, 7, 9, 9, 9, 9},
		task.XLengths: {3, 1, 0}, task.X2Lengths: {1, 2, 0}, task.Lengths: {3, 2, 0},
	} {
		if a, err := b.Array(name); err != nil || !slices.Equal(a.Ints, want) {
			t.Errorf("%s: got %v %v, want %v", name, a.Ints, err, want)
		}
	}
}
