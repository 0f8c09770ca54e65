package task

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/guard"
)

// Batch is the fields of B examples padded to one length L.
type Batch struct {
	// B is the number of rows, L the padded length.
	B, L int
	// Examples are the numbers of the examples in the data set, one for each row
	// that is not there only to fill the batch: the first len(Examples).
	Examples []int
	// Lengths are the lengths before padding (B); 0 in a row that only fills.
	Lengths []int

	// A batch may be a part of a larger one, that of a step, which has Of rows: its
	// first row is number First of those. Of a batch by itself they are 0 and B.
	First, Of int
	// Later says that another part of the step was before it: that it is the second
	// micro-batch, or one that follows.
	Later bool

	ds     Dataset
	fields []Field
	arrays []Array
	own    [][]int // lengths (B) of the fields that have their own
	row    Row
}

// NewBatch returns a batch for examples of a data set.
func NewBatch(ds Dataset) *Batch {
	b := &Batch{ds: ds, fields: ds.Fields()}
	b.arrays, b.own = make([]Array, len(b.fields)), make([][]int, len(b.fields))
	b.row = Row{batch: b, put: make([]bool, len(b.fields))}
	return b
}

// Use makes the examples that Load reads those of another data set with the same
// fields.
func (b *Batch) Use(ds Dataset) { b.ds = ds }

// Load reads examples into the first rows of a batch of the given size, and lets
// the other rows only fill it. The memory that the batch had is used again;
// examples is kept. The error names the example and the field.
func (b *Batch) Load(examples []int, rows, length int) error {
	b.resize(rows, length)
	b.Examples = examples
	b.First, b.Of, b.Later = 0, rows, false
	for at, i := range examples {
		if err := b.read(at, i); err != nil {
			return fmt.Errorf("%s: %w", ExampleName(b.ds, i), err)
		}
	}
	for at := len(examples); at < rows; at++ {
		b.Lengths[at] = 0
		b.row.begin(at, 0)
		for i := range b.fields {
			b.row.pad(i, 0)
		}
	}
	return nil
}

// read reads an example into a row. A data set that panics, on a goroutine of the
// loader's, would end the process.
func (b *Batch) read(at, i int) (err error) {
	defer guard.Panic(&err)
	n := b.ds.Length(i)
	if n > b.L {
		return fmt.Errorf("want a length of at most %d, as it was when the data were read first, got %d", b.L, n)
	}
	b.Lengths[at] = n
	b.row.begin(at, n)
	if err := b.ds.Example(i, &b.row); err != nil {
		return err
	}
	return b.row.done()
}

// resize gives the batch its sizes.
func (b *Batch) resize(rows, length int) {
	b.B, b.L = rows, length
	b.Lengths = grow(b.Lengths, rows)
	for i, f := range b.fields {
		a := &b.arrays[i]
		a.Shape = append(a.Shape[:0], rows)
		if f.PerStep {
			a.Shape = append(a.Shape, length)
		}
		a.Shape = append(a.Shape, f.Shape...)
		n := a.Shape.TotalSize()
		switch f.Dtype {
		case tensor.Int:
			a.Ints = grow(a.Ints, n)
		case tensor.Float32:
			a.Float32s = grow(a.Float32s, n)
		default:
			a.Float64s = grow(a.Float64s, n)
		}
		if f.Lengths != "" {
			b.own[i] = grow(b.own[i], rows)
		}
	}
}

// grow returns s with length n; the contents are unspecified.
func grow[E any](s []E, n int) []E { return slices.Grow(s[:0], n)[:n] }

// Array returns a field of the batch, (B, L, ...) or (B, ...), or [Lengths], or
// the lengths of a field that has its own. An error lists the names there are.
func (b *Batch) Array(name string) (Array, error) {
	if name == Lengths {
		return Array{Shape: tensor.Shape{b.B}, Ints: b.Lengths}, nil
	}
	for i, f := range b.fields {
		switch name {
		case f.Name:
			return b.arrays[i], nil
		case f.Lengths:
			return Array{Shape: tensor.Shape{b.B}, Ints: b.own[i]}, nil
		}
	}
	return Array{}, fmt.Errorf("want one of the fields %s, %q, got %q", quoted(b.fields), Lengths, name)
}

// Counts calls f with the index, in row-major order, of every number of a field, or
// of lengths, that belongs to an example and not to padding.
func (b *Batch) Counts(name string, f func(i int)) error {
	at := slices.IndexFunc(b.fields, func(f Field) bool { return f.Name == name })
	if at < 0 {
		_, err := b.Array(name)
		for row := 0; err == nil && row < len(b.Examples); row++ {
			f(row)
		}
		return err
	}
	field := b.fields[at]
	w := field.width()
	stride := w
	if field.PerStep {
		stride *= b.L
	}
	for row := range b.Examples {
		n := w
		switch {
		case field.Lengths != "":
			n *= b.own[at][row]
		case field.PerStep:
			n *= b.Lengths[row]
		}
		for j := range n {
			f(row*stride + j)
		}
	}
	return nil
}

// Rows makes into a batch of the rows [lo, hi) of b, a part of it, which shares its
// memory.
func (b *Batch) Rows(lo, hi int, into *Batch) {
	if into.arrays == nil {
		into.arrays, into.own = make([]Array, len(b.fields)), make([][]int, len(b.fields))
	}
	into.ds, into.fields = b.ds, b.fields
	into.B, into.L = hi-lo, b.L
	into.First, into.Of, into.Later = b.First+lo, b.Of, b.Later || lo > 0
	into.Lengths = b.Lengths[lo:hi]
	into.Examples = b.Examples[min(lo, len(b.Examples)):min(hi, len(b.Examples))]
	for i, a := range b.arrays {
		into.arrays[i] = a.rows(lo, hi, b.B, into.arrays[i].Shape)
		if b.own[i] != nil {
			into.own[i] = b.own[i][lo:hi]
		}
	}
}

// Example names the example of a row, for errors.
func (b *Batch) Example(row int) string {
	if row >= len(b.Examples) {
		return fmt.Sprintf("row %d, which only fills %v", row, b)
	}
	return ExampleName(b.ds, b.Examples[row])
}

// Element names a number of a field, or of lengths, and its example, for errors: i
// is its index in row-major order.
func (b *Batch) Element(name string, i int) string {
	at := slices.IndexFunc(b.fields, func(f Field) bool { return f.Name == name })
	if at < 0 {
		return fmt.Sprintf("%s: %s", b.Example(i), name)
	}
	n := b.arrays[at].Len() / b.B
	return fmt.Sprintf("%s: %s", b.Example(i/n), b.fields[at].element(i%n))
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
