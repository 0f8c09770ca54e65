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

// Draw takes the next mask and returns a number that it is a function of.
func (m *Masks) Draw() uint64 { return m.draw() }

// draw takes the next counter and returns where in the sequence of SplitMix64 the
// mask begins.
func (m *Masks) draw() uint64 {
	s := m.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state[1] != s.last {
		s.base, s.last = s.state[1], s.state[1]
		s.set++
	}
	if m.set != s.set {
		m.set, m.drawn = s.set, 0
	}
	counter := s.base + m.drawn
	m.drawn++
	s.last = max(s.last, counter+1)
	s.state[1] = s.last
	return dropoutKey(uint64(s.state[0]), m.stream, uint64(counter))
}
