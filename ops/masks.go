package ops

import (
	"sync"

	"gorgonia.org/tensor"
)

// Masks is where dropouts get their masks from. A mask is a function of a seed,
// a stream, a counter and the index of the element alone, and every forward
// pass in training takes the next counter. Several ops may have one Masks; they
// draw different masks.
//
// The index is that in the batch of a step, the first axis of which is its rows.
// A graph may have some of them only, because others run after it, or elsewhere:
// Begin says which, so that all together draw what one graph of the whole batch
// would.
//
// Graphs that run at the same time, on several goroutines, need streams of their
// own, made by Stream or Next: each has a counter of its own, so that what it
// draws does not depend on the others. All keep the largest counter in the one
// state, and begin with it again when it is set. A run that is resumed so draws
// what an unbroken one would, if every stream has drawn as often as the others,
// or if there is one only.
type Masks struct {
	shared *maskState
	stream uint64

	// Guarded by shared.mu.
	set   uint64 // of the state that drawn is counted from
	drawn int64
	begun int64 // what had been drawn when the step began
	rows  Rows
}

// maskState is what the streams of one state have in common.
type maskState struct {
	mu    sync.Mutex
	state []int64 // seed, counter
	base  int64   // the counter when it was last set from outside
	last  int64   // the counter as it was left by the last draw
	set   uint64  // how often it was set
	next  uint64  // stream
}

// NewMasks returns the masks of stream 0. The state is an int64 tensor of shape
// (2), seed and counter, that they read and write in place: to be saved and
// restored with a model.
func NewMasks(state *tensor.Dense) (*Masks, error) {
	if err := checkTensor("ops.NewMasks", "state", state, tensor.Int64, 2); err != nil {
		return nil, err
	}
	s := state.Data().([]int64)
	return &Masks{shared: &maskState{state: s, base: s[1], last: s[1], next: 1}}, nil
}

// Stream returns the masks of another stream. Two of one number draw the same.
func (m *Masks) Stream(id uint64) *Masks { return &Masks{shared: m.shared, stream: id} }

// Next returns the masks of the next stream, 1 the first time, whatever streams
// Stream was asked for.
func (m *Masks) Next() *Masks {
	s := m.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return m.Stream(s.next - 1)
}

// Begin says which rows of a batch the next graph has, until it is said again. If
// they are later ones of the batch of the graph before, the counters that were
// drawn for those are taken again.
func (m *Masks) Begin(r Rows) {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	m.follow()
	if r.Later {
		m.drawn = m.begun
	}
	m.begun, m.rows = m.drawn, r
}

// Draw takes the next mask and returns a number that it is a function of.
func (m *Masks) Draw() uint64 {
	key, _ := m.draw()
	return key
}

// Row returns the number in the whole batch of row i of the graph, as Begin has
// said last.
func (m *Masks) Row(i int) int {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	return m.rows.row(i)
}

// draw takes the next counter and returns where in the sequence of SplitMix64 the
// mask begins, and which rows of it are to be read.
func (m *Masks) draw() (key uint64, rows Rows) {
	s := m.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	m.follow()
	counter := s.base + m.drawn
	m.drawn++
	s.last = max(s.last, counter+1)
	s.state[1] = s.last
	return dropoutKey(uint64(s.state[0]), m.stream, uint64(counter)), m.rows
}

// follow begins again with the counter of the state if that has been set.
func (m *Masks) follow() {
	s := m.shared
	if s.state[1] != s.last {
		s.base, s.last = s.state[1], s.state[1]
		s.set++
	}
	if m.set != s.set {
		m.set, m.drawn, m.begun = s.set, 0, 0
	}
}

// Rows says which rows of a larger batch a graph has: N of its Of rows, from First
// on, or of each of several such batches, one above the other. The zero value is
// the rows of a batch by itself.
type Rows struct {
	First, N, Of int
	// Later says that the graph before had other rows of the same batch, in the
	// same step.
	Later bool
	// Weight is what the loss of the graph counts among those of the other rows: the
	// number of its targets. See Ranks.
	Weight float64
}

// row returns the number in the larger batch of row i of the graph.
func (r Rows) row(i int) int {
	if r.N == 0 {
		return r.First + i
	}
	return i/r.N*r.Of + r.First + i%r.N
}
