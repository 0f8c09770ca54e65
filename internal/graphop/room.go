package graphop

import (
	"sync"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Roomy is a core with memory that is worth sharing: what grows with its inputs, or
// with the number of workers.
type Roomy interface {
	// Rooms returns pointers to that memory.
	Rooms() []Holder
}

// Holder is a *[Room] or a *[Scratch].
type Holder interface {
	holder
	// release is called after each Forward and Backward.
	release()
}

// Room is memory in which a core keeps what it computes in Forward for Backward.
// The zero value is ready for use.
type Room[T num.Float] struct {
	d    []T
	from *Share
}

// Of returns the room, with n elements. Those of an earlier call in the same run
// are kept unless there were less; any other contents are unspecified. The workers
// may call it at the same time once there is room for as many.
func (r *Room[T]) Of(n int) []T {
	if cap(r.d) < n {
		r.d = take[T](r.from, n)
	}
	return r.d[:n]
}

func (r *Room[T]) takeFrom(s *Share) { r.d, r.from = nil, s }
func (r *Room[T]) drop()             { r.d = nil }
func (r *Room[T]) release()          {}

// Scratch is memory that a core, or a worker of it, needs for the time of one call of
// Forward or Backward: other ops have it afterwards. The zero value is ready for use.
type Scratch[T num.Float] struct {
	d    []T
	from *memory[T] // nil: of its own
	lent *block[T]
}

// Of returns the memory, with n elements. Those of an earlier call in the same call
// of Forward or Backward are kept unless there were less; any other contents are
// unspecified. Workers may ask for theirs at the same time.
func (r *Scratch[T]) Of(n int) []T {
	switch {
	case cap(r.d) >= n:
	case r.from == nil:
		r.d = num.Aligned[T](n)
	default:
		borrowing.Lock()
		defer borrowing.Unlock()
		r.release()
		r.from.borrow(&r.lent, roundUp(n), 1)
		r.d = r.lent.d
	}
	return r.d[:n]
}

// borrowing is held by a worker that borrows memory.
var borrowing sync.Mutex

// roundUp returns the least number >= n that has four significant bits or less, so
// that ops of about one size have blocks of one size.
func roundUp(n int) int {
	step := 1
	for n/step >= 16 {
		step *= 2
	}
	return (n + step - 1) / step * step
}

func (r *Scratch[T]) takeFrom(s *Share) {
	r.drop()
	r.from = lenderOf[T](s)
}

func (r *Scratch[T]) drop() { r.d, r.lent = nil, nil }

// release gives the memory back if it is borrowed.
func (r *Scratch[T]) release() {
	if r.from != nil && r.d != nil {
		r.d = nil
		r.lent.giveBack()
	}
}
