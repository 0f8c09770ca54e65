// Package ssmop is what the ops of all banks of state space models share: how
// sizes are read off the shapes of parameters, and how the two ops on states are
// made, what an initial state adds to the output and the state after the last
// step. The arithmetic of these is that of the op packages.
//
// Shapes are those of package ssm: CH channels, H features, S state matrices, N
// states, B sequences, L steps. A state of one feature is (N), or (N, 2) for
// complex numbers.
package ssmop

import (
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// Bank is the shape of a bank of diagonal models, or the diagonal part of one.
type Bank struct {
	CH, H, S, N int
	DtPerState  bool // dt is (H, N)
}

// ReadBank reads the shape of a bank off those of its parameters Dt, AReal, AImag
// and, unless it is nil, C, which it checks. Without C, CH is 1.
func ReadBank(dt, aReal, aImag, c *G.Node) (b Bank, err error) {
	if b.S, b.N, err = poles(aReal, aImag); err != nil {
		return b, err
	}
	if c != nil {
		b.CH, b.H, err = Outputs("C", c, b.N, 2)
	} else {
		b.CH = 1
		b.H, err = graphop.FirstAxis("Dt", dt, "(H, 1) or (H) or (H, N)")
	}
	if err == nil {
		b.DtPerState, err = Steps("Dt", dt, b.H, b.N)
	}
	return b, err
}

// poles reads the number of state matrices and of states off the shape of the
// parameter AReal (S, N), and checks that AImag has it too.
func poles(aReal, aImag *G.Node) (s, n int, err error) {
	a := aReal.Shape()
	if a.Dims() != 2 || a[1] < 1 {
		return 0, 0, fmt.Errorf("AReal: want (S, N), N >= 1, got %v", a)
	}
	return a[0], a[1], graphop.WantShape("AImag", aImag, a)
}

// Outputs reads the number of channels and of features off the shape of the
// output parameter, (CH, H, state...) or (H, state...) for one channel.
func Outputs(name string, c *G.Node, state ...int) (ch, h int, err error) {
	shape := []int(c.Shape())
	lead := len(shape) - len(state)
	if lead < 1 || lead > 2 || !slices.Equal(shape[lead:], state) {
		axes := axesOf(state)
		return 0, 0, fmt.Errorf("%s: want (CH, H, %s) or (H, %s), got %v", name, axes, axes, c.Shape())
	}
	if lead == 1 {
		return 1, shape[0], nil
	}
	return shape[0], shape[1], nil
}

// Steps checks the shape of the parameter of step sizes of h features: (H, 1),
// (H) or, for one to each of n parts, (H, n). It reports which.
func Steps(name string, dt *G.Node, h, n int) (each bool, err error) {
	shapes := [][]int{{h, 1}, {h}}
	if n > 1 {
		shapes = append(shapes, []int{h, n})
	}
	return dt.Shape().TotalSize() != h, graphop.WantShape(name, dt, shapes...)
}

// axesOf prints axes without brackets.
func axesOf(axes []int) string { return strings.Trim(fmt.Sprint(tensor.Shape(axes)), "()") }

// Shape is the shape of an op on states.
type Shape struct {
	B, CH, H, L int
	State       []int // of a feature
}

// StateOp is an op on the states of a bank of models.
type StateOp struct {
	Name   string             // package and function
	Params []graphop.Argument // the parameters of the models
	// Shape reads the shape off the parameters, all but B, after checking what else
	// is to be checked. They are given, and of one float type, by then.
	Shape  func() (Shape, error)
	Core32 func(Shape) (graphop.Core[float32], error)
	Core64 func(Shape) (graphop.Core[float64], error)
}

// Output adds what the state x0 (B, H, state...) before the first step adds to
// the output, (B, CH*H, L). Inputs are the parameters and x0.
func (o StateOp) Output(x0 *G.Node) (*G.Node, error) {
	in, err := graphop.Floats(o.Name, append(o.Params, graphop.Named("x0", x0))...)
	if err != nil {
		return nil, err
	}
	s, err := o.Shape()
	if err == nil {
		err = s.start(x0)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	return o.build(tensor.Shape{s.B, s.CH * s.H, s.L}, s, x0, in)
}

// start reads B off the shape of x0.
func (s *Shape) start(x0 *G.Node) error {
	shape := x0.Shape()
	if want := append([]int{s.H}, s.State...); shape.Dims() != 1+len(want) || shape[0] < 1 || !slices.Equal(shape[1:], want) {
		return fmt.Errorf("x0: want (B, %s), got %v", axesOf(want), shape)
	}
	s.B = shape[0]
	return nil
}

// Final adds the state after the last step of u (B, H, L), from the state x0 or,
// if that is nil, from zero: (B, H, state...). Inputs are the parameters, u and x0.
// CH and L of Shape are not used.
func (o StateOp) Final(u, x0 *G.Node) (*G.Node, error) {
	in, err := graphop.Floats(o.Name, append(o.Params, graphop.Named("u", u), graphop.Optional("x0", x0))...)
	if err != nil {
		return nil, err
	}
	s, err := o.Shape()
	if err == nil {
		err = s.sequence(u)
	}
	out := append(tensor.Shape{s.B, s.H}, s.State...)
	if err == nil && x0 != nil {
		err = graphop.WantShape("x0", x0, out)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	return o.build(out, s, x0, in)
}

// sequence reads B and L off the shape of u.
func (s *Shape) sequence(u *G.Node) error {
	shape := u.Shape()
	if shape.Dims() != 3 || shape[1] != s.H || shape.TotalSize() == 0 {
		return fmt.Errorf("u: want (B, %d, L), got %v", s.H, shape)
	}
	s.B, s.L = shape[0], shape[2]
	return nil
}

func (o StateOp) build(out tensor.Shape, s Shape, x0 *G.Node, in []*G.Node) (*G.Node, error) {
	return graphop.Build(
		graphop.Spec{Name: o.Name, Out: out, Carried: []*G.Node{x0}},
		func() (graphop.Core[float32], error) { return o.Core32(s) },
		func() (graphop.Core[float64], error) { return o.Core64(s) },
		in...)
}
