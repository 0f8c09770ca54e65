package train

import (
	"errors"
	"fmt"
	"sync"

	"github.com/gorgonia-s4/s4/internal/num"
)

// maxRanks is how many ranks a process may have: more than the cores of any machine.
const maxRanks = 1 << 10

// NewGroup returns a group whose n ranks, 1024 at most, are goroutines of this process,
// one for each of the values. Each of them is an io.Closer as well: a rank that makes no more calls
// should Close, from its own goroutine. What the others wait for, and whatever they
// call then, is an error that names it.
func NewGroup(n int) ([]Group, error) {
	if n < 1 {
		return nil, fmt.Errorf("train: NewGroup: want at least one rank, got %d", n)
	}
	if n > maxRanks {
		return nil, fmt.Errorf("train: NewGroup: want at most %d ranks, got %d", maxRanks, n)
	}
	m := &rendezvous{calls: make([]call, n)}
	m.changed.L = &m.mu
	ranks := make([]Group, n)
	for i := range ranks {
		ranks[i] = &replica{rendezvous: m, rank: i}
	}
	return ranks, nil
}

// rendezvous is where the ranks of a process meet.
type rendezvous struct {
	calls []call // of each rank; written before a turn by the rank itself

	mu      sync.Mutex
	changed sync.Cond
	waiting int   // ranks in this turn
	turn    int   // counts them
	err     error // why there are no more
}

// call is what a rank wants.
type call struct {
	name          string
	bytes         []byte // sent
	float32s      []float32
	float64s      []float64
	received, own int // bytes received, length of what must be equal
}

// wait returns when all ranks wait.
func (m *rendezvous) wait() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	turn := m.turn
	if m.waiting++; m.waiting == len(m.calls) {
		m.waiting = 0
		m.turn++
		m.changed.Broadcast()
	}
	for m.turn == turn && m.err == nil {
		m.changed.Wait()
	}
	if m.turn != turn { // it was complete, whatever has happened since
		return nil
	}
	return m.err
}

// end makes an error of what is waited for now and later.
func (m *rendezvous) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
		m.changed.Broadcast()
	}
}

// agree reports calls that are not the same on all ranks; all of them see it.
func (m *rendezvous) agree() error {
	first := m.calls[0]
	for rank, c := range m.calls {
		if c.name != first.name {
			return fmt.Errorf("train: Group: want the same call on all ranks, got %s of rank 0 and %s of rank %d", first.name, c.name, rank)
		}
		if c.own != first.own {
			return fmt.Errorf("train: Group: %s: want equal lengths, got %d of rank 0 and %d of rank %d", c.name, first.own, c.own, rank)
		}
		if c.name == "Exchange" && (c.own%len(m.calls) != 0 || c.received != c.own) {
			return fmt.Errorf("train: Group: Exchange: want %d blocks to send and as many bytes to receive, got %d bytes and %d of rank %d", len(m.calls), c.own, c.received, rank)
		}
	}
	return nil
}

// replica is a rank of a rendezvous.
type replica struct {
	*rendezvous
	rank     int
	messages [][]byte // of Gather
}

func (r *replica) Rank() int { return r.rank }
func (r *replica) Size() int { return len(r.calls) }

// Close leaves the group.
func (r *replica) Close() error {
	r.end(fmt.Errorf("train: Group: rank %d has left", r.rank))
	return nil
}

// meet makes a call that all ranks make: f is this rank's part of it, when all have come.
func (r *replica) meet(c call, f func()) error {
	r.calls[r.rank] = c
	err := r.wait()
	if err == nil {
		if err = r.agree(); err == nil {
			f()
		} else {
			defer r.end(errors.New("train: Group: a call before this one has failed"))
		}
		err = errors.Join(err, r.wait()) // until then the others look at c
	}
	return err
}

func (r *replica) SumFloat32(v []float32) error {
	return r.meet(call{name: "SumFloat32", float32s: v, own: len(v)}, func() {
		sumPart(r.rank, r.calls, func(c call) []float32 { return c.float32s })
	})
}

func (r *replica) SumFloat64(v []float64) error {
	return r.meet(call{name: "SumFloat64", float64s: v, own: len(v)}, func() {
		sumPart(r.rank, r.calls, func(c call) []float64 { return c.float64s })
	})
}

// sumPart sums a rank's share of the elements, in the order of the ranks, for all of
// them.
func sumPart[T num.Float](rank int, calls []call, of func(call) []T) {
	n, size := len(of(calls[0])), len(calls)
	lo, hi := rank*n/size, (rank+1)*n/size
	sum := of(calls[0])[lo:hi]
	for _, c := range calls[1:] {
		for i, v := range of(c)[lo:hi] {
			sum[i] += v
		}
	}
	for _, c := range calls[1:] {
		copy(of(c)[lo:hi], sum)
	}
}

func (r *replica) Gather(message []byte) ([][]byte, error) {
	err := r.meet(call{name: "Gather", bytes: message}, func() {
		r.messages = resize(r.messages, r.Size())
		for i, c := range r.calls {
			r.messages[i] = append(r.messages[i][:0], c.bytes...)
		}
	})
	if err != nil {
		return nil, err
	}
	return r.messages, nil
}

func (r *replica) Broadcast(b []byte) error {
	return r.meet(call{name: "Broadcast", bytes: b, own: len(b)}, func() {
		if r.rank > 0 {
			copy(b, r.calls[0].bytes)
		}
	})
}

func (r *replica) Exchange(receive, send []byte) error {
	return r.meet(call{name: "Exchange", bytes: send, own: len(send), received: len(receive)}, func() {
		n := len(send) / r.Size()
		for i, c := range r.calls {
			copy(receive[i*n:(i+1)*n], c.bytes[r.rank*n:])
		}
	})
}
