// Package fence places the operands of assembly code at any distance from an
// aligned place, between elements that it watches. It needs neither Gorgonia nor
// a kernel, so that the tests inside any package may use it.
package fence

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
)

// margin is the number of elements watched on either side, more than the widest
// register has.
const margin = 24

// Buffer is a slice between elements that nothing may write.
type Buffer[T num.Float] struct {
	V     []T
	was   []T // what V held when it was made
	whole []T // the memory that V is in
	first int // where V begins in it
}

// Of returns a copy of v whose first element is offset elements behind an
// aligned place.
func Of[T num.Float](v []T, offset int) *Buffer[T] {
	line := num.Align / int(unsafe.Sizeof(T(0))) // elements
	pad := (margin+line-1)/line*line + offset
	b := &Buffer[T]{was: slices.Clone(v), whole: num.Aligned[T](pad + len(v) + margin), first: pad}
	for i := range b.whole {
		b.whole[i] = b.guard(i)
	}
	b.V = b.whole[pad:][:len(v):len(v)]
	copy(b.V, v)
	return b
}

// guard is what element i of the memory holds where it is not one of V.
func (b *Buffer[T]) guard(i int) T { return T(1000 + i) }

// Check fails the test if memory beside V changed.
func (b *Buffer[T]) Check(t testing.TB, what string) {
	last := b.first + len(b.V)
	for i, x := range b.whole {
		if (i < b.first || i >= last) && x != b.guard(i) {
			t.Helper()
			t.Fatalf("%s: element %d of %d changed to %v", what, i-b.first, len(b.V), x)
		}
	}
}

// Unchanged fails the test if V changed, or memory beside it.
func (b *Buffer[T]) Unchanged(t testing.TB, what string) {
	b.Check(t, what)
	for i, x := range b.V {
		if y := b.was[i]; x != y && (x == x || y == y) { // NaN is itself
			t.Helper()
			t.Fatalf("%s: element %d of %d changed from %v to %v", what, i, len(b.V), y, x)
		}
	}
}
