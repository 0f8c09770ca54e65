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
	ws     []gemm.Workspace[T] // of each worker
	act    func(dst, x []T)    // of the outputs, or nil
	pieces *par.Loop           // over blocks of rows, and spans of outputs of each

	batch       int // of the product under way
	block, span int // rows and outputs of a piece, behind a gate those of either half
	spans       int
	x, y, z     []T // (B, in), (B, out), and (B, out/2) behind a gate
	room        []T // for y where the caller has none
}

// NewStep returns a step with scratch memory of its own.
func (l *LinearWeights[T]) NewStep() *LinearStep[T] {
	s := &LinearStep[T]{LinearWeights: l, ws: make([]gemm.Workspace[T], par.Workers())}
	s.pieces = par.NewLoop(s.piece)
	return s
}

// Then makes the step one with an activation of each output behind the linear map: a
// function that several goroutines may call, and whose dst may be x.
func (s *LinearStep[T]) Then(act func(dst, x []T)) *LinearStep[T] {
	s.act = act
	return s
}

// parallelProducts is the number of multiplications from which a step is spread
// over the workers: fewer take about as long as it takes to hand them over.
const parallelProducts = 1 << 17

// rowStep is what the rows of a piece are a multiple of: fewer would leave a tile empty
// for the most part.
const rowStep = 4

// Apply maps x (batch, in) to (batch, out), which the next call overwrites.
func (s *LinearStep[T]) Apply(x []T, batch int) []T {
	s.room = num.GrowRows(s.room, batch*s.out)
	s.ApplyTo(s.room, x, batch)
	return s.room
}

// ApplyTo maps x (batch, in) to y (batch, out), which is other memory.
func (s *LinearStep[T]) ApplyTo(y, x []T, batch int) {
	s.batch, s.x, s.y = batch, x, y
	s.run(s.out)
	s.x, s.y = nil, nil
}

// Rows is ApplyTo for some rows, on the goroutine that calls it alone: any number may, at the
// same time, each as another worker of package par.
func (s *LinearStep[T]) Rows(worker int, y, x []T, rows int) {
	gemm.GemmPackedB(&s.ws[worker], rows, x, s.in, &s.w, 0, s.out, y, s.out)
	if s.act != nil {
		s.act(y[:rows*s.out], y[:rows*s.out])
	}
}

// ApplyGLU maps x (batch, in) to y (batch, out/2): the gated linear unit, the first half
// of the outputs times the sigmoid of the others.
func (s *LinearStep[T]) ApplyGLU(y, x []T, batch int) {
	s.room = num.GrowRows(s.room, batch*s.out)
	s.batch, s.x, s.y, s.z = batch, x, s.room, y
	s.run(s.out / 2)
	s.x, s.y, s.z = nil, nil, nil
}

// run computes all outputs, or those of both halves, in pieces that have so many outputs
// together: spans of ColumnStep of them, whose weights stay in the cache of a worker,
// and blocks of rows where there are too few spans for the workers.
func (s *LinearStep[T]) run(outputs int) {
	s.block, s.span, s.spans = max(1, s.batch), outputs, 1
	if s.batch*s.in*s.out >= parallelProducts {
		if s.z == nil || outputs%gemm.ColumnStep == 0 {
			s.span = gemm.ColumnStep
			s.spans = (outputs + s.span - 1) / s.span
		}
		if s.spans%par.Workers() != 0 {
			s.block = par.Share(s.batch, rowStep)
		}
	}
	blocks := (s.batch + s.block - 1) / s.block
	if blocks*s.spans == 1 {
		s.piece(0, 0)
		return
	}
	s.pieces.Run(blocks * s.spans)
}

// piece computes a span of the outputs of a block of rows.
func (s *LinearStep[T]) piece(worker, i int) {
	at, lo := i/s.spans*s.block, i%s.spans*s.span
	rows := min(s.block, s.batch-at)
	if s.z == nil {
		s.multiply(worker, at, rows, lo, min(lo+s.span, s.out))
		return
	}
	half := s.out / 2
	if s.spans == 1 {
		s.multiply(worker, at, rows, 0, s.out)
	} else {
		s.multiply(worker, at, rows, lo, lo+s.span)
		s.multiply(worker, at, rows, half+lo, half+lo+s.span)
	}
	s.gate(at, rows, lo, lo+s.span)
}

// multiply computes outputs [lo, hi) of some rows.
func (s *LinearStep[T]) multiply(worker, at, rows, lo, hi int) {
	y := s.y[at*s.out:]
	gemm.GemmPackedB(&s.ws[worker], rows, s.x[at*s.in:], s.in, &s.w, lo, hi, y, s.out)
	if s.act == nil {
		return
	}
	for b := range rows {
		y := y[b*s.out+lo : b*s.out+hi]
		s.act(y, y)
	}
}

// gate computes outputs [lo, hi) of a gated linear unit.
func (s *LinearStep[T]) gate(at, rows, lo, hi int) {
	half := s.out / 2
	for b := at; b < at+rows; b++ {
		y := s.y[b*s.out:][:s.out]
		vec.GLU(s.z[b*half+lo:b*half+hi], y[lo:hi], y[half+lo:half+hi])
	}
}
