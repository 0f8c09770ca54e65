package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/train"
)

// ranks is one of the ranks that train a model together: processes that mpirun has
// started, or replicas in this one. The zero value is one alone. All ranks go the same
// way: they make the same calls, and what ends one of them ends all.
type ranks struct {
	g    train.Group
	what string // the option that makes them
	told bool   // all ranks know the error that the run ends with
}

// first says whether this is the rank that prints and writes.
func (r *ranks) first() bool { return r.g == nil || r.g.Rank() == 0 }

// agree returns nil if err is nil on all ranks, and otherwise an error on all of them:
// that of this rank if it has one, which says it in its own words, or else that of
// another, with its number.
func (r *ranks) agree(err error) error {
	if r.g == nil {
		return err
	}
	all := train.Agree(r.g, err)
	r.told = r.told || errors.As(all, new(*train.RankError))
	if err != nil {
		return err
	}
	return all
}

// gather returns on every rank what each of them has, in their order.
func gather[T any](r *ranks, v T) ([]T, error) {
	if r.g == nil {
		return []T{v}, nil
	}
	message, err := json.Marshal(v)
	if err := r.agree(err); err != nil {
		return nil, err
	}
	messages, err := r.g.Gather(message)
	if err != nil {
		return nil, err
	}
	all := make([]T, len(messages))
	for i, m := range messages {
		err = errors.Join(err, json.Unmarshal(m, &all[i]))
	}
	return all, r.agree(err)
}

// check reports a number of ranks that the batches of a run cannot be shared by: each has
// to have a row, and of streams, whose states it keeps, as many as the others.
func (r *ranks) check(o *options) error {
	if r.g == nil {
		return nil
	}
	return checkNumber(r.what, r.g.Size(), o)
}

// checkNumber is check of n ranks, before there are any.
func checkNumber(what string, n int, o *options) error {
	if batch := o.Train.BatchSize; n > batch {
		return fmt.Errorf("%s: want no more ranks than the %d sequences of -batch, got %d", what, batch, n)
	}
	for _, rows := range []int{o.Train.BatchSize, o.evalBatch()} {
		if o.shape.Carry && rows%n != 0 {
			return fmt.Errorf("%s: want a number of ranks that divides the %d streams of -batch or -eval-batch, got %d", what, rows, n)
		}
	}
	return nil
}

// String says how many ranks there are; "" if there is no group of them.
func (r *ranks) String() string {
	switch {
	case r.g == nil:
		return ""
	case r.g.Size() == 1:
		return fmt.Sprintf("one rank (%s)", r.what)
	}
	return fmt.Sprintf("%d ranks (%s)", r.g.Size(), r.what)
}

// sayRanks says how the ranks train, and where that is not as one process does.
func (r *training) sayRanks() {
	if r.g.Size() == 1 {
		fmt.Fprintf(r.out, "%v, which trains by itself\n\n", &r.ranks)
		return
	}
	fmt.Fprintf(r.out, "%v train together, each on its part of every batch\n", &r.ranks)
	normed := func(b param.Buffer) bool { return strings.HasSuffix(b.Name, "running_var") }
	if !r.Train.SyncNorm && slices.ContainsFunc(r.model.Buffers(), normed) {
		fmt.Fprintln(r.out, "each normalises over its own rows alone, which one process does not: -sync-norm is over those of all")
	}
	fmt.Fprintln(r.out)
}

// end returns the error that this rank ends with: one that all know is told by the
// first alone.
func (r *ranks) end(err error) error {
	if r.told && !r.first() {
		return nil
	}
	return err
}

// given says whether a command line has a switch, before it is read in earnest.
func given(args []string, name string) bool {
	on := false
	for _, a := range args {
		if a == "--" {
			break
		}
		k, v, hasValue := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !strings.HasPrefix(a, "-") || k != name {
			continue
		}
		on = true
		if hasValue {
			on, _ = strconv.ParseBool(v)
		}
	}
	return on
}
