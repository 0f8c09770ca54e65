package ops

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
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
	act   func(dst, x []T)    // of the outputs, or nil
	spans *par.Loop           // over spans of ColumnStep outputs
	gates *par.Loop           // over spans of as many of the first half, with those of the second

	batch   int // of the product under way
	x, y, z []T // (B, in), (B, out), and (B, out/2) behind a gate
	room    []T // for y where the caller has none
}

// NewStep returns a step with scratch memory of its own.
func (l *LinearWeights[T]) NewStep() *LinearStep[T] {
	s := &LinearStep[T]{LinearWeights: l, ws: make([]gemm.Workspace[T], par.Workers())}
	s.spans = par.NewLoop(func(worker, i int) {
		lo := i * gemm.ColumnStep
		s.multiply(worker, lo, min(lo+gemm.ColumnStep, l.out))
	})
	s.gates = par.NewLoop(func(worker, i int) {
		lo, half := i*gemm.ColumnStep, l.out/2
		s.multiply(worker, lo, lo+gemm.ColumnStep)
		s.multiply(worker, half+lo, half+lo+gemm.ColumnStep)
		s.gate(lo, lo+gemm.ColumnStep)
	})
	return s
}

// Then makes the step one with an activation of each output behind the linear map: a
// function that several goroutines may call, and whose dst may be x.
func (s *LinearStep[T]) Then(act func(dst, x []T)) *LinearStep[T] {
	s.act = act
	return s
}

// parallelProducts is the number of multiplications from which a step is spread
// over the workers: fewer take about as long as it takes to wake one.
const parallelProducts = 1 << 18

// Apply maps x (batch, in) to (batch, out), which the next call overwrites.
func (s *LinearStep[T]) Apply(x []T, batch int) []T {
	s.room = num.GrowRows(s.room, batch*s.out)
	s.ApplyTo(s.room, x, batch)
	return s.room
}

// ApplyTo maps x (batch, in) to y (batch, out), which is other memory.
func (s *LinearStep[T]) ApplyTo(y, x []T, batch int) {
	s.batch, s.x, s.y = batch, x, y
	s.run()
	s.x, s.y = nil, nil
}

// run computes all outputs.
func (s *LinearStep[T]) run() {
	if s.small() {
		s.multiply(0, 0, s.out)
	} else {
		s.spans.Run((s.out + gemm.ColumnStep - 1) / gemm.ColumnStep)
	}
}

// small says that the product is not worth to be spread.
func (s *LinearStep[T]) small() bool { return s.batch*s.in*s.out < parallelProducts }

// ApplyGLU maps x (batch, in) to y (batch, out/2): the gated linear unit, the first half
// of the outputs times the sigmoid of the others.
func (s *LinearStep[T]) ApplyGLU(y, x []T, batch int) {
	s.room = num.GrowRows(s.room, batch*s.out)
	s.batch, s.x, s.y, s.z = batch, x, s.room, y
	if half := s.out / 2; s.small() || half%gemm.ColumnStep != 0 {
		s.run()
		s.gate(0, half)
	} else {
		s.gates.Run(half / gemm.ColumnStep)
	}
	s.x, s.y, s.z = nil, nil, nil
}

// multiply computes outputs [lo, hi).
func (s *LinearStep[T]) multiply(worker, lo, hi int) {
	gemm.GemmPackedB(&s.ws[worker], s.batch, s.x, s.in, &s.w, lo, hi, s.y, s.out)
	if s.act == nil {
		return
	}
	for b := range s.batch {
		y := s.y[b*s.out+lo : b*s.out+hi]
		s.act(y, y)
	}
}

// gate computes outputs [lo, hi) of a gated linear unit.
func (s *LinearStep[T]) gate(lo, hi int) {
	half := s.out / 2
	for b := range s.batch {
		y := s.y[b*s.out:][:s.out]
		vec.GLU(s.z[b*half+lo:b*half+hi], y[lo:hi], y[half+lo:half+hi])
	}
}
