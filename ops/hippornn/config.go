package hippornn

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Order names what a step updates first. See the package comment for the formulas.
type Order string

// The orders.
const (
	Code  Order = "code"  // the memory: that of the public code
	Paper Order = "paper" // the state: that of the paper
)

// Validate returns an error unless the order is one of those here.
func (o Order) Validate() error {
	if o == Code || o == Paper {
		return nil
	}
	return fmt.Errorf("want an order, %q or %q, got %q", Code, Paper, string(o))
}

// Config says what a recurrence computes.
type Config struct {
	Order Order
	N     int // coefficients of a signal
	// A (N, N) and B (N) are the update of a constant measure; nil: LegS.
	A, B []float64
}

// Validate returns an error that names the first field out of range.
func (c Config) Validate() error {
	if err := size.First(c.Order.Validate(), size.Positive("N", c.N), size.Tensor("A (N, N)", c.N, c.N)); err != nil {
		return err
	}
	if c.A == nil && c.B == nil {
		return nil
	}
	return size.First(num.CheckLen("A", c.A, c.N*c.N, false), num.CheckLen("B", c.B, c.N, false))
}

// legS says whether the memory is that of LegS.
func (c Config) legS() bool { return c.A == nil }

// Params are the parameters of a recurrence: V is *gorgonia.Node or a slice. With Paper,
// Write is (M, H), and Hidden and Gate are (H, I+M*N+H); so is Gate with HiddenHidden.
type Params[V any] struct {
	Write        V // (M, I+H)
	WriteBias    V // (M), or nil for none
	WriteMemory  V // (M, N), or nil for none; with Code alone
	Hidden       V // (H, I+M*N)
	HiddenBias   V // (H), or nil for none
	HiddenHidden V // (H, H), or nil for none; with Code alone
	Gate         V // (H, I+M*N), or nil for none
	GateBias     V // (H), or nil for none; with Gate alone
}

// list returns pointers to the parameters, in order.
func (p *Params[V]) list() []*V {
	return []*V{&p.Write, &p.WriteBias, &p.WriteMemory, &p.Hidden, &p.HiddenBias, &p.HiddenHidden, &p.Gate, &p.GateBias}
}

// names are those of the parameters in list, for errors.
var names = []string{"Write", "WriteBias", "WriteMemory", "Hidden", "HiddenBias", "HiddenHidden", "Gate", "GateBias"}

// State is the state of a recurrence. One that is nil is that at the start of a
// sequence.
type State[V any] struct {
	H V // (B, H)
	M V // (B, M, N)
	// Position (B) is, of LegS alone, the time of the next step, were it at 1 from the
	// last: 0 at the start, and where all are, the number of steps there were.
	Position V
}

// sizes are the sizes of a recurrence over a batch, and which of its parameters there are.
type sizes struct {
	B, I, H, M, N, L int
	gated            bool // there is Gate
	hidden           bool // the state enters c and g
}

// gates is the number of features of c and g.
func (s sizes) gates() int {
	if s.gated {
		return 2 * s.H
	}
	return s.H
}

// memory is the number of coefficients of all signals.
func (s sizes) memory() int { return s.M * s.N }

// columns is that of the weights of c and g.
func (s sizes) columns() int {
	if s.hidden {
		return s.I + s.memory() + s.H
	}
	return s.I + s.memory()
}

// writeColumns is that of Write.
func (s sizes) writeColumns(o Order) int {
	if o == Paper {
		return s.H
	}
	return s.I + s.H
}

// shapes are those of the parameters in the order of Params.list.
func (s sizes) shapes(o Order) [][]int {
	cols := s.I + s.memory()
	if o == Paper {
		cols += s.H
	}
	return [][]int{{s.M, s.writeColumns(o)}, {s.M}, {s.M, s.N}, {s.H, cols}, {s.H}, {s.H, s.H}, {s.H, s.columns()}, {s.H}}
}

// validate returns an error that names the first size out of range, or the first of the
// tensors that the recurrence computes with.
func (s sizes) validate() error {
	if err := size.First(size.Positive("B", s.B), size.Positive("I", s.I), size.Positive("H", s.H), size.Positive("M", s.M), size.Positive("N", s.N), size.Positive("L", s.L)); err != nil {
		return err
	}
	return size.First(
		size.Tensor("the inputs (B, I, L)", s.B, s.I, s.L),
		size.Tensor("the memories (B, L+1, M, N)", s.B, s.L+1, s.M, s.N),
		size.Tensor("the gates (B, L, 2*H)", s.B, s.L, 2, s.H),
		size.Tensor("the weights of the inputs (2*H, I)", 2, s.H, s.I),
		size.Tensor("the weights of the state (2*H, H)", 2, s.H, s.H),
		size.Tensor("the weights of the memory (2*H, M, N)", 2, s.H, s.M, s.N))
}

// wanted returns the error of a parameter that the order does not have, or that is
// missing. has says which of Params.list there are.
func wanted(o Order, has []bool) error {
	const write, um, hidden, hh, gate, gateBias = 0, 2, 3, 5, 6, 7
	for _, i := range []int{write, hidden} {
		if !has[i] {
			return fmt.Errorf("%s: want it, got nil", names[i])
		}
	}
	for _, i := range []int{um, hh} {
		if has[i] && o == Paper {
			return fmt.Errorf("%s: want nil with order %q, got one", names[i], o)
		}
	}
	if has[gateBias] && !has[gate] {
		return fmt.Errorf("GateBias: want nil without Gate, got one")
	}
	return nil
}
