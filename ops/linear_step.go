package ops

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// LinearWeights are the weights of a linear map as a step needs them: packed
// copies that nothing changes, for any number of steps at the same time.
type LinearWeights[T num.Float] struct {
	in, out int
	w       gemm.PackedB[T]
}

// NewLinearWeights copies w (out, in) and bias (out), which may be nil.
func NewLinearWeights[T num.Float](in, out int, w, bias []T) *LinearWeights[T] {
	l := &LinearWeights[T]{in: in, out: out}
	l.w.Pack(true, in, out, w, in, bias)
	return l
}

// LinearStep is Linear at one step: y = W x + b, of a batch of rows. It is for one
// goroutine, but a large product is spread over the workers.
type LinearStep[T num.Float] struct {
	*LinearWeights[T]
	ws    []gemm.Workspace[T] // of each worker
	spans *par.Loop           // over spans of ColumnStep outputs

	batch int // of the product under way
	x, y  []T // (B, in) and (B, out)
}

// NewStep returns a step with scratch memory of its own.
func (l *LinearWeights[T]) NewStep() *LinearStep[T] {
	s := &LinearStep[T]{LinearWeights: l, ws: make([]gemm.Workspace[T], par.Workers())}
	s.spans = par.NewLoop(func(worker, i int) {
		lo := i * gemm.ColumnStep
		s.multiply(worker, lo, min(lo+gemm.ColumnStep, l.out))
	})
	return s
}

// parallelProducts is the number of multiplications from which a step is spread
// over the workers: fewer take about as long as it takes to wake one.
const parallelProducts = 1 << 18

// Apply maps x (batch, in) to (batch, out), which the next call overwrites.
func (s *LinearStep[T]) Apply(x []T, batch int) []T {
	s.batch, s.x, s.y = batch, x, num.Grow(s.y, batch*s.out)
	if batch*s.in*s.out < parallelProducts {
		s.multiply(0, 0, s.out)
	} else {
		s.spans.Run((s.out + gemm.ColumnStep - 1) / gemm.ColumnStep)
	}
	s.x = nil
	return s.y
}

// multiply computes outputs [lo, hi).
func (s *LinearStep[T]) multiply(worker, lo, hi int) {
	gemm.GemmPackedB(&s.ws[worker], s.batch, s.x, s.in, &s.w, lo, hi, s.y, s.out)
}
