package task

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"
)

// Row is where a Dataset puts an example: straight into the memory of a batch.
type Row struct {
	batch *Batch
	at    int
	steps int // of the example
	put   []bool
	err   error // the first
}

// Ints puts the numbers of an int field: those of all its steps, one step after
// the other, or those of the example.
func (r *Row) Ints(name string, v ...int) {
	if i := r.field(name, tensor.Int, len(v)); i >= 0 {
		r.pad(i, copy(cells(r.batch.arrays[i].Ints, r), v))
	}
}

// ints is Ints for n numbers that are written into the memory that it returns; nil if
// there is none for them.
func (r *Row) ints(name string, n int) []int {
	i := r.field(name, tensor.Int, n)
	if i < 0 {
		return nil
	}
	r.pad(i, n)
	return cells(r.batch.arrays[i].Ints, r)[:n]
}

// Floats puts the numbers of a float32 field.
func (r *Row) Floats(name string, v ...float32) {
	if i := r.field(name, tensor.Float32, len(v)); i >= 0 {
		putFloats(r, i, r.batch.arrays[i].Float32s, v)
	}
}

// Float64s puts the numbers of a float64 field.
func (r *Row) Float64s(name string, v ...float64) {
	if i := r.field(name, tensor.Float64, len(v)); i >= 0 {
		putFloats(r, i, r.batch.arrays[i].Float64s, v)
	}
}

func putFloats[T float32 | float64](r *Row, i int, memory, v []T) {
	for j, x := range v {
		if x-x != 0 { // NaN, and so it is of an infinity
			r.fail("%s: want a finite number, got %v", r.batch.fields[i].element(j), x)
			return
		}
	}
	r.pad(i, copy(cells(memory, r), v))
}

// element names number j of those that an example has of a field.
func (f Field) element(j int) string {
	name, w := f.Name, f.width()
	if len(f.Shape) > 0 {
		name = fmt.Sprintf("%s[%d]", name, j%w)
	}
	if f.PerStep {
		name = fmt.Sprintf("%s of step %d", name, j/w)
	}
	return name
}

// cells returns the part of a field's memory that is this row's.
func cells[T any](memory []T, r *Row) []T {
	n := len(memory) / r.batch.B
	return memory[r.at*n : (r.at+1)*n]
}

// fail keeps the first error.
func (r *Row) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// field returns the index of a field that n numbers are to be put into, or -1.
func (r *Row) field(name string, dt tensor.Dtype, n int) int {
	b := r.batch
	i := slices.IndexFunc(b.fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		r.fail("want one of the fields %s, got %q", quoted(b.fields), name)
		return -1
	}
	f := b.fields[i]
	want := f.width()
	switch {
	case f.PerStep && f.Lengths == "":
		want *= r.steps
	case f.PerStep:
		if want = n; n < f.width() || n%f.width() != 0 || n > r.steps*f.width() {
			r.fail("%s: want 1 to %d steps of %d numbers, got %d numbers", name, r.steps, f.width(), n)
			return -1
		}
	}
	switch {
	case f.Dtype != dt:
		r.fail("%s: want numbers of type %v, got %v", name, f.Dtype, dt)
	case r.put[i]:
		r.fail("%s: want it once, got it twice", name)
	case n != want:
		r.fail("%s: want %s, got %d", name, f.amount(r.steps), n)
	default:
		r.put[i] = true
		return i
	}
	return -1
}

// amount says how many numbers an example of so many steps has.
func (f Field) amount(steps int) string {
	switch {
	case !f.PerStep:
		return fmt.Sprintf("%d numbers", f.width())
	case len(f.Shape) == 0:
		return fmt.Sprintf("%d numbers, one for each step", steps)
	}
	return fmt.Sprintf("%d x %d numbers", steps, f.width())
}

// pad fills what is left of a field behind the first n numbers.
func (r *Row) pad(i, n int) {
	b, f := r.batch, r.batch.fields[i]
	if f.Lengths != "" {
		b.own[i][r.at] = n / f.width()
	}
	switch a := b.arrays[i]; f.Dtype {
	case tensor.Int:
		fill(cells(a.Ints, r)[n:], int(f.Pad))
	case tensor.Float32:
		fill(cells(a.Float32s, r)[n:], float32(f.Pad))
	default:
		fill(cells(a.Float64s, r)[n:], f.Pad)
	}
}

func fill[T any](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}

// begin makes the row the given one, of an example of so many steps.
func (r *Row) begin(at, steps int) {
	r.at, r.steps, r.err = at, steps, nil
	clear(r.put)
}

// done reports what has not been put.
func (r *Row) done() error {
	if i := slices.Index(r.put, false); i >= 0 {
		r.fail("want the field %q, got none", r.batch.fields[i].Name)
	}
	return r.err
}

// quoted lists the names of fields.
func quoted(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = fmt.Sprintf("%q", f.Name)
	}
	return strings.Join(names, ", ")
}
