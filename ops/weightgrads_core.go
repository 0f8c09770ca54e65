package ops

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// weightPartials bounds the elements of the partial weight gradients, and with them
// the memory of the many processors that a large map could use.
const weightPartials = 1 << 22

// weightGroups deals units out to tasks, each of which sums up the gradient of
// weights of that many elements.
func weightGroups(units, size int) groups {
	return groups{units: units, n: min(units, 16, max(4, weightPartials/size))}
}

// weightGrads sums up the gradients of the weight (O, I) of a linear map, which is
// input weight of its op, and of its bias (O), over groups of units.
type weightGrads[T num.Float] struct {
	o, i, n      int // n groups
	weight, bias int // inputs; bias is -1 for none

	partial graphop.Scratch[T]       // (n-1, O, I): sums, but the first
	biases  graphop.Scratch[float64] // (n, O)
	dw      []T                      // these, during a call
	db      []float64
}

func newWeightGrads[T num.Float](d linearDims, n int) weightGrads[T] {
	return weightGrads[T]{o: d.o, i: d.i, n: n, weight: 1, bias: d.bias}
}

// begin makes room for the sums.
func (s *weightGrads[T]) begin() {
	s.dw = s.partial.Of((s.n - 1) * s.o * s.i)
	s.db = s.biases.Of(s.n * s.o)
}

// rooms is for [graphop.Roomy].
func (s *weightGrads[T]) rooms() []graphop.Holder {
	return []graphop.Holder{&s.partial, &s.biases}
}

// of returns the sums of group g: that of the weight, which the first add
// overwrites and for group 0 is grad, and that of the bias, 0 so far.
func (s *weightGrads[T]) of(g int, grad []T) (dw []T, db []float64) {
	dw, db = grad, s.db[g*s.o:][:s.o]
	if size := s.o * s.i; g > 0 {
		dw = s.dw[(g-1)*size:][:size]
	}
	clear(db)
	return dw, db
}

// add sets dw to dy x^T of n steps, or adds it, and adds the row sums of dy to db.
func (s *weightGrads[T]) add(ws *gemm.Workspace[T], dw []T, db []float64, x []T, ldx int, trans bool, dy []T, ld, n int, add bool) {
	gemm.Gemm(ws, false, !trans, s.o, s.i, n, dy, ld, x, ldx, dw, s.i, add)
	if s.bias < 0 {
		return
	}
	for o := range db {
		db[o] += float64(vec.Sum(dy[o*ld : o*ld+n]))
	}
}

// finish writes the gradients of the inputs.
func (s *weightGrads[T]) finish(grad [][]T) {
	size, dst := s.o*s.i, grad[s.weight]
	par.Blocks(size, 1<<14, func(_, lo, hi int) {
		for g := range s.n - 1 {
			vec.Add(dst[lo:hi], dst[lo:hi], s.dw[g*size+lo:g*size+hi])
		}
	})
	if s.bias >= 0 {
		sumRows(grad[s.bias], s.db)
	}
	s.dw, s.db = nil, nil
}

// sumRows sets dst to the sum of the rows of src, in order.
func sumRows[T num.Float](dst []T, src []float64) {
	n := len(dst)
	for i := range dst {
		var s float64
		for j := i; j < len(src); j += n {
			s += src[j]
		}
		dst[i] = T(s)
	}
}
