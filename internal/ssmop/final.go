package ssmop

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// FinalArgs are the inputs of the core of a final state behind the parameters,
// and where their gradients go. What is not there is nil.
type FinalArgs[T num.Float] struct {
	U, X0 []T // (B, H, L) and (B, H, state...)
	GradU []T
	GradX []T
}

// Bind reads them off the inputs behind the parameters and, in a backward pass,
// their gradients.
func (f *FinalArgs[T]) Bind(in []graphop.Arg[T], grad [][]T) {
	*f = FinalArgs[T]{U: in[0].F}
	if len(in) > 1 {
		f.X0 = in[1].F
	}
	if grad == nil {
		return
	}
	f.GradU = grad[0]
	if len(in) > 1 {
		f.GradX = grad[1]
	}
}
