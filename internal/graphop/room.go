package graphop

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// Roomy is a core with memory that is worth sharing: what grows with its inputs, or
// with the number of workers.
type Roomy interface {
	// Rooms returns pointers to that memory.
	Rooms() []Holder
}

// Holder is a *[Room], a *[Scratch] or a *[Common].
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

// Scratch is memory that a core needs for the time of one call of Forward or Backward:
// other ops have it afterwards. The zero value is ready for use.
type Scratch[T num.Float] struct {
	d    []T
	from *memory[T] // nil: of its own
	lent *block[T]
}

// Of returns the memory, with n elements. Those of an earlier call in the same call
// of Forward or Backward are kept unless there were less; any other contents are
// unspecified.
func (r *Scratch[T]) Of(n int) []T {
	switch {
	case cap(r.d) >= n:
	case r.from == nil:
		r.d = num.Aligned[T](n)
	default:
		r.release()
		r.from.borrow(&r.lent, roundUp(n), 1)
		r.d = r.lent.d
	}
	return r.d[:n]
}

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

// Common is the scratch memory of the workers of a core, for the time of one call of
// Forward or Backward, in a form that the core chooses: the cores of an arena have
// one for each type and key.
type Common[W any] struct {
	key  any
	make func() *W
	w    *W
	from *Arena // nil: of its own
}

// commonKey is a key among those of all types.
type commonKey[W any] struct{ key any }

// NewCommon returns memory that make makes when it is needed: what make does follows
// from the key, which is comparable.
func NewCommon[W any](key any, make func() *W) Common[W] { return Common[W]{key: key, make: make} }

// PerWorker returns memory of one W for each worker, which grows as it is needed.
func PerWorker[W any]() Common[[]W] {
	return NewCommon(nil, func() *[]W {
		w := make([]W, par.Workers())
		return &w
	})
}

// Get returns the memory, whose contents are what the last call has left there. To
// begin with it is not to be called by the workers.
func (c *Common[W]) Get() *W {
	switch {
	case c.w != nil:
	case c.from == nil:
		c.w = c.make()
	default:
		k := commonKey[W]{c.key}
		w, ok := c.from.common[k].(*W)
		if !ok {
			w = c.make()
			c.from.common[k] = w
		}
		c.w = w
	}
	return c.w
}

func (c *Common[W]) takeFrom(s *Share) { c.w, c.from = nil, s.arena }
func (c *Common[W]) drop()             {}
func (c *Common[W]) release()          {}
