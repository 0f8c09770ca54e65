package layers

import (
	"context"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/weights"
)

// Reader is a Session that reads many steps of a sequence at once, in less time than
// as many calls of Step take. One that is none reads them one by one.
type Reader interface {
	Session
	// Read consumes the steps u (L, In), or (L) of dtype int if the layer reads token
	// ids, of a batch of one row, one after the other, and returns what as many calls
	// of Step do, (L, Out). The tensor returned is overwritten by the next Read or
	// Step. u is contiguous, and neither written nor kept.
	Read(u *tensor.Dense) (*tensor.Dense, error)
}

// readSteps is the number of steps that Recurrence.Read takes through the layers at a
// time: so many that a product of matrices is worth its while, and so few that what
// one layer leaves is in the second-level cache when the next reads it.
const readSteps = 512

// Read consumes the steps u (L, In), or (L) of dtype int, of one sequence, and returns
// the output (1, Out) of the last of them: what as many calls of Step leave, the state
// included, to the bit, but for a softmax attention, whose sums are in another order.
// It takes less time: every layer maps some hundred steps at once, and layers without
// state behind the last that has one, such as the decoder of a language model, see the
// last step alone. Its memory does not depend on L. The tensor returned is overwritten
// by the next Step or Read.
//
// When ctx ends Read returns its error. After an error that is not of its arguments the
// state is that of some of the steps.
func (r *Recurrence) Read(ctx context.Context, u *tensor.Dense) (*tensor.Dense, error) {
	if err := r.follow(); err != nil {
		return nil, err
	}
	s := shapeOf(u)
	switch {
	case r.batch != 1:
		return nil, fmt.Errorf("layers: Recurrence: Read: want a batch of 1, got %d", r.batch)
	case len(s) != 1 && len(s) != 2 || s.TotalSize() == 0:
		return nil, fmt.Errorf("layers: Recurrence: Read: want u (L, In), or (L) of token ids, with L >= 1, got %s", describe(u))
	}
	if err := endOf(r.Session, s[0]); err != nil {
		return nil, err
	}
	if c, ok := r.Session.(inputChecker); ok {
		if err := c.checkInput(u); err != nil {
			return nil, err
		}
	}
	for lo := 0; ; lo += readSteps {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("layers: Recurrence: Read: after %d of %d steps: %w", lo, s[0], err)
		}
		hi := min(lo+readSteps, s[0])
		part, err := stepsOf(u, lo, hi)
		if err != nil {
			return nil, fmt.Errorf("layers: Recurrence: Read: %w", err)
		}
		y, err := readLast(r.Session, part, hi == s[0])
		if err != nil || hi == s[0] {
			return y, err
		}
	}
}

// stepsOf returns steps [lo, hi) of u (L, In) or (L), in its memory.
func stepsOf(u *tensor.Dense, lo, hi int) (*tensor.Dense, error) {
	shape := u.Shape().Clone()
	n := shape.TotalSize() / shape[0]
	shape[0] = hi - lo
	if d, ok := weights.Memory[float32](u); ok {
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(d[lo*n:hi*n:hi*n])), nil
	}
	if d, ok := weights.Memory[float64](u); ok {
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(d[lo*n:hi*n:hi*n])), nil
	}
	if d, ok := u.Data().([]int); ok && !u.RequiresIterator() {
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(d[lo*n:hi*n:hi*n])), nil
	}
	return nil, fmt.Errorf("want u contiguous, row-major, of dtype float32, float64 or int, got dtype %v, strides %v", u.Dtype(), u.Strides())
}

// inputChecker is a Session that can tell what of the steps of Read it would refuse.
type inputChecker interface {
	checkInput(u *tensor.Dense) error
}

// lastReader is a Reader that can do with the output of the last step.
type lastReader interface {
	// readLast is Read that returns the output of the last step, (1, Out), or nil
	// unless it is wanted.
	readLast(u *tensor.Dense, wanted bool) (*tensor.Dense, error)
}

// readLast reads steps and returns the output of the last, (1, Out), or nil unless it is
// wanted.
func readLast(s Session, u *tensor.Dense, wanted bool) (*tensor.Dense, error) {
	if r, ok := s.(lastReader); ok {
		return r.readLast(u, wanted)
	}
	y, err := readAll(s, u)
	if err != nil || !wanted {
		return nil, err
	}
	return stepsOf(y, y.Shape()[0]-1, y.Shape()[0])
}

// readAll reads steps with a session, which may be of another package.
func readAll(s Session, u *tensor.Dense) (y *tensor.Dense, err error) {
	defer guard.Panic(&err)
	if r, ok := s.(Reader); ok {
		y, err = r.Read(u)
	} else {
		y, err = readOneByOne(s, u)
	}
	if err == nil && (len(shapeOf(y)) != 2 || y.Shape()[0] != u.Shape()[0]) {
		return nil, fmt.Errorf("want Read of a %T to return (%d, features), got %s", s, u.Shape()[0], describe(y))
	}
	return y, err
}

// readOneByOne reads steps with a session that is no Reader.
func readOneByOne(s Session, u *tensor.Dense) (*tensor.Dense, error) {
	all := make([]*tensor.Dense, u.Shape()[0])
	for t := range all {
		x, err := stepsOf(u, t, t+1)
		if err != nil {
			return nil, err
		}
		y, err := s.Step(x)
		if err != nil {
			return nil, err
		}
		if len(shapeOf(y)) != 2 || y.Shape()[0] != 1 || y.RequiresIterator() || y.DataOrder().IsColMajor() {
			return nil, fmt.Errorf("want Step of a %T to return (1, features), contiguous, got %s", s, describe(y))
		}
		all[t] = y.Clone().(*tensor.Dense)
	}
	return joinRows(all, 0)
}

// read is Read of a session without state: the steps are the rows of a batch, to which
// resize changes it.
func (s stateless) read(r Session, h int, u *tensor.Dense, resize func(batch int)) (*tensor.Dense, error) {
	shape := shapeOf(u)
	if len(shape) == 0 {
		return nil, s.l.errorf("Read", "want steps, got %s", describe(u))
	}
	if err := s.l.checkStep(shape[0], h); err != nil {
		return nil, err
	}
	resize(shape[0])
	defer resize(1)
	return r.Step(u)
}

// hasNoState marks a session without state.
func (stateless) hasNoState() {}

// isStateless says whether a session has no state.
func isStateless(s Session) bool {
	_, ok := s.(interface{ hasNoState() })
	return ok
}

// readRows checks the steps u (L, h) of a session of one row, and returns their number.
func readRows[T num.Float](l *Base, u *tensor.Dense, batch, h, widest int) (x []T, steps int, err error) {
	if batch != 1 {
		return nil, 0, l.errorf("Read", "want a batch of 1, got %d", batch)
	}
	if s := shapeOf(u); len(s) > 0 {
		steps = s[0]
	}
	if err := l.checkStep(steps, widest); err != nil {
		return nil, 0, err
	}
	x, err = stepInput[T](l, u, steps, h)
	return x, steps, err
}
