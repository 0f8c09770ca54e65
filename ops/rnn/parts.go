package rnn

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// JoinStates adds the states (B, S, H) of several recurrences to their graph, side by
// side, and returns them, (B, sum of S, H). One alone is returned as it is.
func JoinStates(states ...*G.Node) (*G.Node, error) {
	const name = "rnn.JoinStates"
	args := make([]graphop.Argument, len(states))
	for i, s := range states {
		args[i] = graphop.Named(fmt.Sprintf("state %d", i), s)
	}
	in, err := graphop.Floats(name, args...)
	switch {
	case err != nil:
		return nil, err
	case len(in) == 0:
		return nil, fmt.Errorf("%s: want at least one state, got none", name)
	}
	first := in[0].Shape()
	var j joint
	for i, n := range in {
		s := n.Shape()
		if s.Dims() != 3 || s.TotalSize() == 0 || s[0] != first[0] || s[2] != first[2] {
			return nil, fmt.Errorf("%s: state %d: want (B, S, H), of one B and H, got %v", name, i, s)
		}
		j.rows = s[0]
		j.widths = append(j.widths, s[1]*s[2])
	}
	if len(in) == 1 {
		return in[0], nil
	}
	out := tensor.Shape{first[0], 0, first[2]}
	for _, n := range in {
		out[1] += n.Shape()[1]
	}
	return graphop.Apply(graphop.Spec{Name: name, Out: out},
		func() graphop.Core[float32] { return joined[float32]{j} },
		func() graphop.Core[float64] { return joined[float64]{j} }, in...)
}

// joint is the numbers of each row that its parts have.
type joint struct {
	rows   int
	widths []int
}

// each calls f for the place of each row of each part in the whole, and in itself.
func (j joint) each(f func(part, whole, at, n int)) {
	whole := 0
	for r := range j.rows {
		for part, n := range j.widths {
			f(part, whole, r*n, n)
			whole += n
		}
	}
}

// joined is the core of JoinStates.
type joined[T num.Float] struct{ joint }

func (j joined[T]) Forward(out []T, in []graphop.Arg[T]) error {
	j.each(func(part, whole, at, n int) { copy(out[whole:][:n], in[part].F[at:]) })
	return nil
}

func (j joined[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	j.each(func(part, whole, at, n int) { copy(grad[part][at:][:n], gout[whole:]) })
	return nil
}
