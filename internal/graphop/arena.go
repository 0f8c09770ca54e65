package graphop

import (
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"unsafe"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Arena is memory that graphs share which never run at the same time. What a run
// computes on its way is worth nothing once it is over, so each graph lays its
// memory out from the beginning of one slab, which is as large as the largest of
// them needs.
//
// What a graph needs is known when it has run. Its first run takes what the slab
// has no room for from the heap, and gives it up when another graph is to run: then
// all of them let go of their memory, and a slab that is large enough takes its
// place.
//
// In the slab are the values of the ops of this package, the gradients that they
// compute, and the rooms of their cores. What gorgonia.Read has read, the dual
// values of parameters, inputs and parameters are not.
//
// The methods of an arena and of its shares may not be called at the same time.
type Arena struct {
	mu     sync.Mutex // the workers of an op ask for room at the same time
	slab   []float64
	shares []*Share
	common map[any]any // see Common
}

// Share is the part that a graph has in an arena.
type Share struct {
	arena   *Arena
	graph   *G.ExprGraph
	foreign bool // there are values of ops of others, which Gorgonia allocates
	lenders []any
	held    []holder

	used  int         // of the slab
	extra [][]float64 // what the slab had no room for
	need  int         // elements in all, of the last layout
}

// holder holds memory of a share.
type holder interface {
	// takeFrom makes it take memory from the share, from now on.
	takeFrom(*Share)
	// drop lets go of all memory there is.
	drop()
}

// Add gives a graph a share in the arena. It is complete: whatever is to be
// differentiated has been, and its machine has been made. Nothing but what is read
// by gorgonia.Read, and the gradients of its inputs, may be looked at after a run.
func (a *Arena) Add(g *G.ExprGraph) *Share {
	s := &Share{arena: a, graph: g}
	if a.common == nil {
		a.common = make(map[any]any)
	}
	for _, n := range g.AllNodes() {
		if h, ok := n.Op().(holder); ok {
			h.takeFrom(s)
			s.held = append(s.held, h)
		} else if n.Op() != nil && n.Shape().TotalSize() > 1 {
			s.foreign = true
		}
	}
	a.shares = append(a.shares, s)
	return s
}

// Memory returns the memory that the graphs share: the slab, and what has been taken
// beside it.
func (a *Arena) Memory() [][]float64 {
	var m [][]float64
	if a.slab != nil {
		m = append(m, a.slab)
	}
	for _, s := range a.shares {
		m = append(m, s.extra...)
	}
	return m
}

// Bytes returns its size in bytes.
func (a *Arena) Bytes() int {
	n := 0
	for _, m := range a.Memory() {
		n += len(m)
	}
	return n * sizeofFloat64
}

// Bytes returns what the graph needs, in bytes: 0 before its first run.
func (s *Share) Bytes() int { return s.need * sizeofFloat64 }

const sizeofFloat64 = 8

// Begin is to be called before each run of the graph: its memory is no other's
// from now on.
func (s *Share) Begin() {
	a := s.arena
	if slices.ContainsFunc(a.shares, func(t *Share) bool { return t != s && t.extra != nil }) {
		a.enlarge()
	}
}

// manyBytes is how much memory has to become free for it to be worth while to
// collect it at once.
const manyBytes = 1 << 24

// enlarge makes a slab for the largest graph.
func (a *Arena) enlarge() {
	need, free := 0, a.Bytes()
	for _, s := range a.shares {
		need = max(need, s.need)
		s.drop()
	}
	a.slab = nil
	if free >= manyBytes { // the peak is the new memory alone
		debug.FreeOSMemory()
	}
	a.slab = num.Aligned[float64](need)
}

// drop lets go of all memory of the graph.
func (s *Share) drop() {
	for _, h := range s.held {
		h.drop()
	}
	for _, l := range s.lenders {
		l.(holder).drop()
	}
	s.graph.UnbindAllNonInputs()
	s.used, s.extra = 0, nil
}

// End is to be called after each run, when its results have been looked at.
func (s *Share) End() {
	if s.foreign {
		s.graph.UnbindAllNonInputs()
	}
	if !poison.Load() {
		return
	}
	for _, x := range append(s.extra, s.arena.slab[:s.used]) {
		for i := range x { // of either type
			x[i] = math.Float64frombits(math.MaxUint64)
		}
	}
}

// Close takes the graph out of the arena.
func (s *Share) Close() {
	s.drop()
	s.arena.shares = slices.DeleteFunc(s.arena.shares, func(t *Share) bool { return t == s })
	if len(s.arena.shares) == 0 {
		s.arena.slab, s.arena.common = nil, nil
	}
}

// Kept returns a lower bound of what the graph needs, in bytes, before it has run: the
// outputs that it keeps for its backward passes. It depends on the graph alone.
func (s *Share) Kept() int {
	n := 0
	for _, h := range s.held {
		if v, ok := h.(value); ok && v.isKept() {
			n += v.bytes()
		}
	}
	return n
}

// Forward returns what the outputs of a graph without backward passes need, in bytes:
// the most that there is of them at a time. It depends on the graph alone.
func (s *Share) Forward() (int, error) {
	order, err := G.Sort(s.graph)
	if err != nil {
		return 0, err
	}
	live, most := 0, 0
	left := make(map[value]int) // readers that have still to run
	for _, n := range slices.Backward(order) {
		v, ok := n.Op().(value)
		if !ok {
			continue
		}
		left[v] = v.lentTo()
		live += v.bytes()
		most = max(most, live)
		for _, of := range v.givesBack() {
			if left[of]--; left[of] == 0 {
				live -= of.bytes()
			}
		}
	}
	return most, nil
}

// value is an op with an output.
type value interface {
	bytes() int
	// isKept reports whether a backward pass reads the output.
	isKept() bool
	// lentTo returns the number of ops that give the output back, 0 if it is kept.
	lentTo() int
	// givesBack returns the ops whose outputs the op gives back.
	givesBack() []value
}

// take returns memory for n elements, whose contents are unspecified: of the share,
// or if that is nil, its own.
func take[T num.Float](s *Share, n int) []T {
	if s == nil || n == 0 {
		return num.Aligned[T](n)
	}
	d := s.take((n*int(unsafe.Sizeof(T(0))) + num.Align - 1) / num.Align * (num.Align / sizeofFloat64))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(d))), n)
}

// take returns n elements.
func (s *Share) take(n int) []float64 {
	a := s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.used == 0 && s.extra == nil {
		s.need = 0
	}
	s.need += n
	if s.used+n <= len(a.slab) {
		s.used += n
		return a.slab[s.used-n : s.used : s.used]
	}
	d := num.Aligned[float64](n)
	s.extra = append(s.extra, d)
	return d
}

// lenderOf returns what lends the memory of a share to values of type T.
func lenderOf[T num.Float](s *Share) *memory[T] {
	for _, l := range s.lenders {
		if m, ok := l.(*memory[T]); ok {
			return m
		}
	}
	m := newMemory[T]()
	m.takeFrom(s)
	s.lenders = append(s.lenders, m)
	return m
}
