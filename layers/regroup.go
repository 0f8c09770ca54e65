package layers

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Rows says what the rows of a batch become: those of Keep, in that order, then those
// of the states Join. A row that Keep has several times goes on apart each time.
type Rows struct {
	Keep   []int
	Join   []State
	Joined []int // the number of rows of each of Join
}

// Regrouper is a Session whose rows can change where they are. One that is none is
// replaced by another session, to which the states of its rows are copied.
type Regrouper interface {
	Session
	// Regroup checks whether the rows can become what it is told, and returns what
	// makes them so, which neither fails nor is called after the session has gone on.
	// Until then, and after an error, the session is as it was. The numbers of Keep
	// are those of rows, and the states of Join have as many rows in all tensors; the
	// rest is to be checked.
	Regroup(rows Rows) (do func(), err error)
}

// newRows says that rows are kept and states join. A state without tensors, that of a
// layer without state, is of one row.
func newRows(keep []int, join []State) Rows {
	r := Rows{keep, join, make([]int, len(join))}
	for i, x := range join {
		if r.Joined[i] = 1; len(x) > 0 {
			r.Joined[i] = x.Batch()
		}
	}
	return r
}

// Batch returns the number of rows there will be.
func (r Rows) Batch() int {
	n := len(r.Keep)
	for _, rows := range r.Joined {
		n += rows
	}
	return n
}

// check reports what is not to be passed on to a session of a batch.
func (r Rows) check(batch int) error {
	for i, b := range r.Keep {
		if b < 0 || b >= batch {
			return fmt.Errorf("keep[%d]: want a row in [0, %d), got %d", i, batch, b)
		}
	}
	for i, x := range r.Join {
		if err := x.check(); err != nil {
			return fmt.Errorf("join[%d]: %w", i, err)
		}
		for _, t := range x {
			if n := t.Value.Shape()[0]; n != x.Batch() {
				return fmt.Errorf("join[%d]: %s: want %d rows, as those before, got %d", i, t.Name, x.Batch(), n)
			}
		}
	}
	n := r.Batch()
	if n < 1 {
		return errors.New("want at least one row that stays or joins, got none")
	}
	return size.Tensor("the rows", n)
}

// with returns the rows with what f makes of each state in the place of those that
// join.
func (r Rows) with(f func(x State) State) Rows {
	join := make([]State, len(r.Join))
	for i, x := range r.Join {
		join[i] = f(x)
	}
	return Rows{r.Keep, join, r.Joined}
}

// Regroup changes the batch: it becomes the rows keep, in that order, then those of the
// states join, each as State of a recurrence of the same layer returns it, of any
// number of rows. So a sequence ends by not being kept, another begins or goes on by
// joining, and one that keep has several times goes on in several ways. The other
// rows step on as if nothing had happened, to the bit. The parameters are not read
// again; the state is copied once, but for the cache of an attention, of which only
// that of rows that are kept a second time and of those that join is. The states join
// are not kept. A batch without rows is an error, after which, as after any other, all
// is as it was.
func (r *Recurrence) Regroup(keep []int, join ...State) error {
	if r == nil || r.Session == nil {
		return errNoRecurrence
	}
	rows := newRows(keep, join)
	if err := rows.check(r.batch); err != nil {
		return fmt.Errorf("layers: Recurrence: Regroup: %w", err)
	}
	do, err := regroup(r.Session, r.seen.Snapshot, rows)
	if err != nil {
		return fmt.Errorf("layers: Recurrence: Regroup: %w", err)
	}
	r.Session = do()
	r.batch = rows.Batch()
	return nil
}

// regroup prepares a session of a snapshot, either of which may be of another package,
// for other rows, and returns what makes the session that has them, perhaps another.
func regroup(s Session, of Snapshot, rows Rows) (do func() Session, err error) {
	defer guard.Panic(&err)
	if r, ok := s.(Regrouper); ok {
		apply, err := r.Regroup(rows)
		if err != nil {
			return nil, err
		}
		return func() Session { apply(); return s }, nil
	}
	next, err := newSession(of, rows.Batch())
	if err != nil {
		return nil, err
	}
	x, err := rows.of(s.State())
	if err == nil && len(x) > 0 {
		err = next.SetState(x)
	}
	return func() Session { return next }, err
}

// of returns the state of the rows, where x is that of the batch.
func (r Rows) of(x State) (State, error) {
	if len(x) == 0 {
		for i, j := range r.Join {
			if len(j) > 0 {
				return nil, fmt.Errorf("join[%d]: want no state, got %d tensors", i, len(j))
			}
		}
		return nil, nil
	}
	sizes := make([]int, x.Batch())
	for i := range sizes {
		sizes[i] = 1
	}
	apart, err := x.Split(sizes...)
	if err != nil {
		return nil, err
	}
	var all []State
	for _, b := range r.Keep {
		all = append(all, apart[b])
	}
	return JoinStates(append(all, r.Join...)...)
}

// joining returns the memory of the states that join, one of each tensor for each.
func joining[T num.Float](l *Base, rows Rows, want func(batch int) []StateShape) ([][][]T, error) {
	all := make([][][]T, len(rows.Join))
	for i, x := range rows.Join {
		var err error
		if all[i], err = stateMemory[T](l, x, want(rows.Joined[i])); err != nil {
			return nil, fmt.Errorf("join[%d]: %w", i, err)
		}
	}
	return all, nil
}

// resize makes the output one of another number of rows.
func (o *stepOutput[T]) resize(batch, h int) {
	if len(o.data) == batch*h {
		return
	}
	o.data = num.GrowRows(o.data, batch*h)
	o.t = tensor.New(tensor.WithShape(batch, h), tensor.WithBacking(o.data))
}

// regroup is Regroup of a session without a state, whose memory resize makes
// that of another batch.
func (s stateless) regroup(rows Rows, h int, resize func(batch int)) (do func(), err error) {
	batch := rows.Batch()
	if err := s.l.checkStep(batch, h); err != nil {
		return nil, err
	}
	for i, x := range rows.Join {
		if err := s.SetState(x); err != nil {
			return nil, fmt.Errorf("join[%d]: %w", i, err)
		}
	}
	return func() { resize(batch) }, nil
}
