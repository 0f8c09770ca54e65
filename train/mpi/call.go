package mpi

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// head is what a rank says of a call before it is made.
type head struct {
	method method
	n      int64 // elements; -1 for an argument that is wrong
}

// method is a call that all ranks make together.
type method int64

const (
	barrier method = iota
	sumFloat32
	sumFloat64
	gather
	broadcast
	exchange
	ending
)

var methodNames = []string{"Barrier", "SumFloat32", "SumFloat64", "Gather", "Broadcast", "Exchange", "Finalize"}

func (m method) String() string {
	if m >= 0 && int(m) < len(methodNames) {
		return methodNames[m]
	}
	return fmt.Sprintf("call %d, of another version,", int64(m))
}

var (
	errEnded = errors.New("want a Comm that Init has returned and Finalize has not ended")
	errLate  = errors.New("the other ranks have not come to their end")
)

// call makes a call that all ranks make: do, with n elements, unless an argument
// is wrong.
func (c *Comm) call(m method, n int, wrong error, do func() error) error {
	if c.Size() == 0 {
		return fmt.Errorf("mpi: %v: %w", m, errEnded)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.watch(m)()
	err := c.broken
	if err == nil {
		err = c.meet(m, n, wrong, do)
	}
	return c.errorOf(m, err)
}

func (c *Comm) errorOf(m method, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("mpi: %v on rank %d of %d: %w", m, c.rank, c.size, err)
}

// meet finds out whether all ranks make the call, and makes it.
func (c *Comm) meet(m method, n int, wrong error, do func() error) error {
	h := head{m, int64(n)}
	if wrong != nil {
		h.n = -1
	}
	if c.broken = c.exchangeHeads(h, time.Time{}); c.broken != nil {
		return c.broken
	}
	if wrong != nil {
		return wrong
	}
	if err := checkHeads(c.heads); err != nil {
		return err
	}
	c.broken = do()
	return c.broken
}

const (
	spin     = 200 * time.Microsecond // that a rank waits without sleep
	maxSleep = time.Millisecond       // between two looks
)

// exchangeHeads tells the ranks what this one is about to do, and learns it of
// them. Its sleeps are a part of the time that it has waited, so it is late
// by a few per cent at most. With a deadline it is errLate after it.
func (c *Comm) exchangeHeads(h head, deadline time.Time) error {
	if err := beginHeads(h); err != nil {
		return err
	}
	for start := time.Now(); ; {
		done, err := testHeads(c.heads)
		if done || err != nil {
			return err
		}
		if !deadline.IsZero() && time.Now().After(deadline) {
			return errLate
		}
		if waited := time.Since(start); waited > spin {
			time.Sleep(min(waited/16, maxSleep))
		}
	}
}

// checkHeads compares what the ranks are about to do. Its error is the same on
// all.
func checkHeads(heads []head) error {
	first := heads[0]
	for r, h := range heads {
		if h.method == ending {
			return fmt.Errorf("want a call of all ranks, got rank %d at its end", r)
		}
		if h.method != first.method {
			return fmt.Errorf("want the same call on all ranks, got %v on rank 0 and %v on rank %d", first.method, h.method, r)
		}
	}
	for r, h := range heads {
		if h.n < 0 {
			return fmt.Errorf("want lengths that are right on all ranks, got others on rank %d", r)
		}
		if h.n != first.n && h.method != gather {
			return fmt.Errorf("want the same length on all ranks, got %d on rank 0 and %d on rank %d", first.n, h.n, r)
		}
	}
	return nil
}

// watch aborts all ranks unless the function that it returns is called before
// the time is up.
func (c *Comm) watch(m method) (stop func()) {
	if c.timeout == 0 {
		return func() {}
	}
	t := time.AfterFunc(c.timeout, func() {
		host, _ := os.Hostname()
		fmt.Fprintf(os.Stderr, "mpi: rank %d of %d on %s: %v has waited %v for the other ranks: aborting all\n",
			c.rank, c.size, host, m, c.timeout)
		c.Abort(1)
	})
	return func() { t.Stop() }
}
