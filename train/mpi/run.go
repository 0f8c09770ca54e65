package mpi

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/gorgonia-s4/s4/train"
)

// grace is how long a rank with an error of its own waits for the others.
var grace = 30 * time.Second

// Run begins MPI, calls f, and ends MPI, so that no rank waits for one that has
// failed. It returns the error of f; what is left to do is to end the process.
//
//   - After a panic of f it prints it and aborts all ranks with status 2.
//   - With no error, or one that all ranks share (a [train.RankError] or
//     [train.InterruptedError]), it waits for the other ranks, however long they
//     take.
//   - With another error it waits for them 30 seconds. Meanwhile each call of
//     theirs is an error that names this rank, so that they can end in their own
//     way. If one does not, it prints the error and aborts all with status 1.
func Run(f func(c *Comm) error, opts ...Option) error {
	c, err := Init(opts...)
	if err != nil {
		return err
	}
	return c.run(f)
}

func (c *Comm) run(f func(c *Comm) error) error {
	returned := false
	defer func() {
		if p := recover(); p != nil || !returned {
			why := "runtime.Goexit"
			if p != nil {
				why = fmt.Sprintf("panic: %v", p)
			}
			fmt.Fprintf(os.Stderr, "mpi: rank %d of %d: %s: aborting all\n\n%s", c.rank, c.size, why, debug.Stack())
			c.Abort(2)
		}
	}()
	err := f(c)
	returned = true
	var wait time.Duration
	if err != nil && !shared(err) {
		wait = grace
	}
	if end := c.end(wait); end != nil && !errors.Is(end, errEnded) {
		fmt.Fprintf(os.Stderr, "mpi: rank %d of %d: aborting all: %v\n", c.rank, c.size, errors.Join(err, end))
		c.Abort(1)
	}
	return err
}

// shared says whether all ranks have an error: package train has agreed on it.
func shared(err error) bool {
	var failed *train.RankError
	var interrupted *train.InterruptedError
	return errors.As(err, &failed) || errors.As(err, &interrupted)
}

// Finalize waits, asleep, until all ranks have called it, and ends MPI. Nothing
// can be called afterwards. Calls that others make instead are errors for them. If
// MPI has failed before, it returns that error, and Abort is what is left.
func (c *Comm) Finalize() error {
	if c.Size() == 0 {
		return fmt.Errorf("mpi: Finalize: %w", errEnded)
	}
	return c.end(0)
}

// end is Finalize that gives up after a time; 0 is never.
func (c *Comm) end(wait time.Duration) error {
	var deadline time.Time
	if wait > 0 {
		deadline = time.Now().Add(wait)
	}
	defer c.watch(ending)()
	for !c.mu.TryLock() { // a goroutine of f may still wait for other ranks
		if wait > 0 && time.Now().After(deadline) {
			return c.errorOf(ending, errLate)
		}
		time.Sleep(maxSleep)
	}
	defer c.mu.Unlock()
	for c.broken == nil {
		if c.broken = c.exchangeHeads(head{method: ending}, deadline); c.broken == nil && c.allEnd() {
			return c.finalize()
		}
	}
	return c.errorOf(ending, c.broken)
}

// allEnd says whether all ranks have come to their end.
func (c *Comm) allEnd() bool {
	for _, h := range c.heads {
		if h.method != ending {
			return false
		}
	}
	return true
}

func (c *Comm) finalize() error {
	var err error
	c.onThread(func() { err = finalize() })
	close(c.thread)
	c.broken = errEnded
	return c.errorOf(ending, err)
}

// killAfter is how long a rank that aborts waits for MPI to end it.
const killAfter = 5 * time.Second

// Abort ends all ranks, with a status that the launcher returns. It does not return,
// and does not wait for other calls.
func (c *Comm) Abort(code int) {
	time.AfterFunc(killAfter, func() { os.Exit(code) }) // a launcher may be out of reach
	if c.Size() > 0 {
		abort(code)
	}
	os.Exit(code)
}
