package graphop

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Part adds a part of a vector to its graph, of a shape, from an element on: an op has
// one output, which one of several results has behind another. name is that of the op
// function in errors.
func Part(name string, all *G.Node, from int, shape tensor.Shape) (*G.Node, error) {
	return Apply(Spec{Name: name, Out: shape},
		func() Core[float32] { return part[float32]{from} },
		func() Core[float64] { return part[float64]{from} }, all)
}

// part is the core of Part.
type part[T num.Float] struct{ from int }

func (p part[T]) Forward(out []T, in []Arg[T]) error {
	copyTo(out, in[0].F[p.from:][:len(out)])
	return nil
}

func (p part[T]) Backward(grad [][]T, _ []Arg[T], _, gout []T) error {
	clear(grad[0][:p.from])
	copyTo(grad[0][p.from:][:len(gout)], gout)
	clear(grad[0][p.from+len(gout):])
	return nil
}
