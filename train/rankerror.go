package train

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

// RankError is an error of some ranks of a [Group], which ends the work of all: every
// rank gets one with the same text.
type RankError struct {
	// Rank is the first rank that failed.
	Rank int
	// Err is what it failed with: on that rank the error itself, elsewhere one with the
	// same text. Both unwrap to a *[NonFiniteError], context.Canceled or
	// context.DeadlineExceeded if there is one of these in it.
	Err error

	others []*RankError // of the ranks that failed with it
	size   int          // of the group
}

// Error names all ranks that failed.
func (e *RankError) Error() string {
	var parts []string
	all := append([]*RankError{e}, e.others...)
	for len(all) > 0 {
		text := strings.TrimPrefix(all[0].Err.Error(), "train: ")
		var same, rest []*RankError
		for _, f := range all {
			if strings.TrimPrefix(f.Err.Error(), "train: ") == text {
				same = append(same, f)
			} else {
				rest = append(rest, f)
			}
		}
		parts = append(parts, nameRanks(same, e.size)+": "+text)
		all = rest
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns the errors of all ranks that failed.
func (e *RankError) Unwrap() []error {
	errs := []error{e.Err}
	for _, o := range e.others {
		errs = append(errs, o.Err)
	}
	return errs
}

// nameRanks returns "rank 2", "ranks 0, 2", or "all ranks".
func nameRanks(of []*RankError, size int) string {
	if len(of) == size && size > 1 {
		return "all ranks"
	}
	var names []string
	for _, e := range of {
		names = append(names, strconv.Itoa(e.Rank))
	}
	if len(names) == 1 {
		return "rank " + names[0]
	}
	return "ranks " + strings.Join(names, ", ")
}

// rankErrors makes one error of those of the ranks, nil where there is none.
func rankErrors(errs []error) error {
	var first *RankError
	for rank, err := range errs {
		switch e := (&RankError{Rank: rank, Err: err, size: len(errs)}); {
		case err == nil:
		case first == nil:
			first = e
		default:
			first.others = append(first.others, e)
		}
	}
	if first == nil {
		return nil
	}
	return first
}

// remoteError is an error of another rank.
type remoteError struct {
	text  string
	cause error // one of the kinds that are known; may be nil
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.cause }

// What an error may unwrap to on another rank.
const (
	plainError = iota
	canceledError
	deadlineError
	nonFiniteError
)

// appendError writes an error for the other ranks.
func appendError(b []byte, err error) []byte {
	b = appendString(b, err.Error())
	var bad *NonFiniteError
	switch {
	case errors.As(err, &bad):
		b = appendString(append(b, nonFiniteError), bad.Param)
		b = appendBool(b, bad.Gradient)
		return appendFloat(appendInt(b, bad.Element), bad.Value)
	case errors.Is(err, context.Canceled):
		return append(b, canceledError)
	case errors.Is(err, context.DeadlineExceeded):
		return append(b, deadlineError)
	}
	return append(b, plainError)
}

// err reads an error of another rank.
func (l *letter) error() error {
	e := &remoteError{text: l.string()}
	switch l.byte() {
	case nonFiniteError:
		e.cause = &NonFiniteError{Param: l.string(), Gradient: l.bool(), Element: l.int(), Value: l.float()}
	case canceledError:
		e.cause = context.Canceled
	case deadlineError:
		e.cause = context.DeadlineExceeded
	}
	return e
}

// Agree returns nil if err is nil on all ranks, and otherwise on each of them a
// *[RankError] that names those where it is not. A rank that fails elsewhere, in a
// trainer or in another Agree, is found here too. g may be nil, or one rank: then it
// returns err.
func Agree(g Group, err error) error {
	if alone(g) {
		return err
	}
	_, err = newRanks(g).exchange(onAgree, 0, err, nil)
	return err
}
