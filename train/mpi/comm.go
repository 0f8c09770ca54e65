package mpi

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/train"
)

var _ train.Group = (*Comm)(nil)

// Comm is the ranks of the world of MPI. Its methods can be called from any
// goroutine, one at a time, in the same order on all ranks; whoever comes while
// another call is made waits for it.
//
// A call begins with an exchange of what each rank calls and with how much. So a
// rank with a bad argument, with a length unlike the others', or in another
// method than the others, is an error on all ranks, after which they can go
// on together, and so is one that has come to [Comm.Finalize] too early. The
// exchange is where a rank waits for slower ones, and it sleeps there. An error of
// MPI itself is final: all later calls return it.
type Comm struct {
	rank, size int
	timeout    time.Duration
	limit      int // elements of one call of MPI
	room       int // bytes of the rounds that Gather and Exchange make of much
	thread     chan func()

	mu     sync.Mutex
	broken error // set by the first call of MPI that fails, and by Finalize

	heads           []head   // of all ranks
	messages        [][]byte // what Gather returned
	sent, received  []byte   // of a round
	counts, offsets []int32
}

const (
	maxElements = 1 << 30 // MPI counts in int
	maxRoom     = 1 << 26
)

// An Option changes a Comm.
type Option func(*Comm)

// Timeout bounds the time that a call waits for the other ranks, Finalize and the end of
// Run too; 0 does not.
// A rank that has waited longer prints an error and aborts all: whoever loses a
// host without a word from it, and from mpirun, ends all the same.
func Timeout(d time.Duration) Option { return func(c *Comm) { c.timeout = d } }

var begun atomic.Bool

// Init begins MPI in a process that a launcher has started. It can be called once.
// If MPI_Init_thread cannot do its work, MPI ends the process with a message.
func Init(opts ...Option) (*Comm, error) {
	c := &Comm{limit: maxElements, room: maxRoom, thread: make(chan func())}
	for _, o := range opts {
		o(c)
	}
	if err := c.init(); err != nil {
		return nil, fmt.Errorf("mpi: Init: %w", err)
	}
	return c, nil
}

func (c *Comm) init() error {
	if err := built(); err != nil {
		return err
	}
	n, variable, err := announced(os.LookupEnv)
	if err != nil {
		return err
	}
	if c.timeout < 0 {
		return fmt.Errorf("want a Timeout >= 0, got %v", c.timeout)
	}
	if begun.Swap(true) {
		return errors.New("want one call in a process, got another")
	}
	go c.keepThread()
	c.onThread(func() { c.rank, c.size, err = initThread() })
	if err == nil {
		err = checkSize(c.size, n, variable)
	}
	if err != nil {
		close(c.thread)
		return err
	}
	c.heads = make([]head, c.size)
	c.messages = make([][]byte, c.size)
	c.counts, c.offsets = make([]int32, c.size), make([]int32, c.size)
	return nil
}

// keepThread runs what must be called on one thread.
func (c *Comm) keepThread() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for f := range c.thread {
		f()
	}
}

func (c *Comm) onThread(f func()) {
	done := make(chan struct{})
	c.thread <- func() { defer close(done); f() }
	<-done
}

// Rank returns the number of this process, from 0.
func (c *Comm) Rank() int {
	if c == nil {
		return 0
	}
	return c.rank
}

// Size returns the number of ranks; 0 of a Comm that Init has not returned.
func (c *Comm) Size() int {
	if c == nil {
		return 0
	}
	return c.size
}

// Barrier waits until all ranks have called it.
func (c *Comm) Barrier() error {
	return c.call(barrier, 0, nil, func() error { return nil })
}

// SumFloat32 makes each v[i] its sum over all ranks, the same bits on each. The
// order of the additions is MPI's: Open MPI's depends on the length and the
// number of ranks alone.
func (c *Comm) SumFloat32(v []float32) error {
	return c.call(sumFloat32, len(v), nil, func() error { return sum(c, v, float32s) })
}

// SumFloat64 is [Comm.SumFloat32] of float64.
func (c *Comm) SumFloat64(v []float64) error {
	return c.call(sumFloat64, len(v), nil, func() error { return sum(c, v, float64s) })
}

func sum[T num.Float](c *Comm, v []T, k kind) error {
	for len(v) > 0 {
		n := min(len(v), c.limit)
		if err := allreduce(unsafe.Pointer(&v[0]), n, k); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

// Broadcast makes b what it is on rank 0.
func (c *Comm) Broadcast(b []byte) error {
	return c.call(broadcast, len(b), nil, func() error {
		for len(b) > 0 {
			n := min(len(b), c.limit)
			if err := bcast(b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
		return nil
	})
}

// Gather returns the messages of all ranks in their order, on every rank. They
// may have different lengths, and are valid until the next call.
func (c *Comm) Gather(message []byte) ([][]byte, error) {
	err := c.call(gather, len(message), nil, func() error { return c.gather(message) })
	if err != nil {
		return nil, err
	}
	return c.messages, nil
}

// gather makes rounds in which each rank sends its share of the room.
func (c *Comm) gather(message []byte) error {
	longest := 0
	for r, h := range c.heads {
		c.messages[r] = resize(c.messages[r], int(h.n))
		longest = max(longest, int(h.n))
	}
	share := max(1, c.room/c.size)
	for lo := 0; lo < longest; lo += share {
		total := int32(0)
		for r, m := range c.messages {
			c.counts[r], c.offsets[r] = int32(len(part(m, lo, share))), total
			total += c.counts[r]
		}
		c.received = resize(c.received, int(total))
		err := allgatherv(part(message, lo, share), c.received, c.counts, c.offsets)
		if err != nil {
			return err
		}
		for r, m := range c.messages {
			copy(part(m, lo, share), c.received[c.offsets[r]:])
		}
	}
	return nil
}

// resize returns n bytes, those of b if it has so many.
func resize(b []byte, n int) []byte { return slices.Grow(b[:0], n)[:n] }

// part is the elements [lo, lo+n) of b, as far as there are any.
func part(b []byte, lo, n int) []byte { return b[min(lo, len(b)):min(lo+n, len(b))] }

// Exchange sends block i of send to rank i, and receives block i of receive from
// rank i; the blocks are Size parts of equal length.
func (c *Comm) Exchange(receive, send []byte) error {
	var wrong error
	if n := max(1, c.Size()); len(receive) != len(send) || len(send)%n != 0 {
		wrong = fmt.Errorf("want receive and send of one length, a multiple of %d, got %d and %d", n, len(receive), len(send))
	}
	return c.call(exchange, len(send), wrong, func() error { return c.exchange(receive, send) })
}

// exchange makes rounds if the blocks are large, in which each rank sends its
// share of the room to each.
func (c *Comm) exchange(receive, send []byte) error {
	block := len(send) / c.size
	if block == 0 {
		return nil
	}
	if block <= c.limit {
		return alltoall(send, receive, block)
	}
	share := max(1, c.room/c.size)
	for lo := 0; lo < block; lo += share {
		n := min(share, block-lo)
		c.sent, c.received = resize(c.sent, n*c.size), resize(c.received, n*c.size)
		for r := range c.size {
			copy(c.sent[r*n:(r+1)*n], send[r*block+lo:])
		}
		if err := alltoall(c.sent, c.received, n); err != nil {
			return err
		}
		for r := range c.size {
			copy(receive[r*block+lo:r*block+lo+n], c.received[r*n:])
		}
	}
	return nil
}
