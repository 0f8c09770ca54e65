package selective

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is a selective scan a step at a time, without a graph, for B and C that all
// channels share: what [Scan] computes, up to rounding, in O(D N) a step. States are in
// the order that suits vector registers: [Step.Load] and [Step.Store] turn them from and
// to (B, D, N).
//
// Its parameters do not change; its scratch memory is for one goroutine, but a large
// batch is spread over the workers. [Step.Fork] shares the parameters.
type Step[T num.Float] struct {
	*stepWeights[T]
	work []stepScratch[T] // of each worker
	rows *par.Loop

	y, x []T // of the step under way
	in   Inputs[[]T]
}

// stepWeights are the parameters of a Step, which nothing changes.
type stepWeights[T num.Float] struct {
	cfg     Config
	d, n    int
	blocks  int
	lanes   int
	a       []T // (blocks, N, lanes)
	skip    []T // (D), or nil
	bias    []T // (D), or nil
	stateOf int // elements of the states of a row
}

// stepScratch is the memory of a worker.
type stepScratch[T num.Float] struct {
	tiles      []T
	raw, delta []T // (steps, D)
	input, out []T
	b, c       []T // (N, chunkSteps)
}

// NewStep returns the recurrence of A (D, N), with D (D) and Bias (D), or nil, of prm,
// whose other fields do not count. It returns an error if a size or a length is wrong.
func NewStep[T num.Float](cfg Config, d, n int, prm Inputs[[]T]) (*Step[T], error) {
	err := size.First(size.Positive("D", d), size.Positive("N", n))
	if err == nil {
		err = size.First(size.Tensor("the states (D, N)", d+maxLanes, n),
			num.CheckLen("A", prm.A, d*n, false), num.CheckLen("D", prm.D, d, true), num.CheckLen("Bias", prm.Bias, d, true))
	}
	if err != nil {
		return nil, named("NewStep", err)
	}
	w := &stepWeights[T]{cfg: cfg, d: d, n: n, lanes: lanesOf[T]()}
	w.blocks = (d + w.lanes - 1) / w.lanes
	w.stateOf = w.blocks * n * w.lanes
	w.a = num.Aligned[T](w.stateOf)
	w.turn(w.a, prm.A)
	decayRates(cfg, w.a)
	w.skip, w.bias = append([]T(nil), prm.D...), append([]T(nil), prm.Bias...)
	return w.newStep(), nil
}

func (w *stepWeights[T]) newStep() *Step[T] {
	s := &Step[T]{stepWeights: w, work: make([]stepScratch[T], par.Workers())}
	s.rows = par.NewLoop(func(worker, row int) { s.advance(&s.work[worker], row) })
	return s
}

// Fork returns the same recurrence with scratch memory of its own.
func (s *Step[T]) Fork() *Step[T] { return s.newStep() }

// StateLen returns the length of the states of a batch.
func (s *Step[T]) StateLen(batch int) int { return batch * s.stateOf }

// eachBlock calls f for the channels of every block: the first, and their number.
func (w *stepWeights[T]) eachBlock(f func(block, first, n int)) {
	for i := range w.blocks {
		f(i, i*w.lanes, min(w.lanes, w.d-i*w.lanes))
	}
}

// turn sets the states x of a row to v (D, N).
func (w *stepWeights[T]) turn(x, v []T) {
	m := w.n * w.lanes
	w.eachBlock(func(block, first, n int) {
		to := x[block*m:][:m]
		if n < w.lanes {
			clear(to)
		}
		gemm.Transpose(to, w.lanes, v[first*w.n:], w.n, n, w.n)
	})
}

// Load sets the states x to src (B, D, N). It returns an error if a length is wrong.
func (s *Step[T]) Load(x, src []T) error {
	batch := len(x) / s.stateOf
	if err := size.First(num.CheckLen("x", x, max(1, batch)*s.stateOf, false), num.CheckLen("src", src, batch*s.d*s.n, false)); err != nil {
		return named("Step.Load", err)
	}
	for b := range batch {
		s.turn(x[b*s.stateOf:][:s.stateOf], src[b*s.d*s.n:])
	}
	return nil
}

// Store returns the states x as (B, D, N), where len(x) = StateLen(B).
func (s *Step[T]) Store(x []T) []T {
	batch, m := len(x)/s.stateOf, s.n*s.lanes
	v := make([]T, batch*s.d*s.n)
	for b := range batch {
		row := x[b*s.stateOf:]
		s.eachBlock(func(block, first, n int) {
			gemm.Transpose(v[(b*s.d+first)*s.n:], s.n, row[block*m:], s.lanes, s.n, n)
		})
	}
	return v
}

// CopyRows copies rows of the states src to the states dst, from row at on. Both are
// of whole batches, and do not overlap.
func (s *Step[T]) CopyRows(dst []T, at int, src []T, rows []int) {
	num.CopyRows(dst, len(dst)/s.stateOf, at, src, len(src)/s.stateOf, rows, s.stateOf)
}

// parallelStates is the number of states from which a step is spread over the workers:
// fewer take about as long as it takes to hand them over.
const parallelStates = 1 << 15

// Advance replaces the states x by their successors and writes the output (B, D) to y,
// for U, Delta (B, D), B, C (B, N) and Z (B, D), or nil, of in. It returns an error, and
// changes nothing, if a length is wrong.
func (s *Step[T]) Advance(y, x []T, in Inputs[[]T]) error {
	batch := len(x) / s.stateOf
	if err := s.check(y, in, batch); err != nil {
		return named("Step.Advance", err)
	}
	if err := num.CheckLen("x", x, batch*s.stateOf, false); err != nil {
		return named("Step.Advance", err)
	}
	s.y, s.x, s.in = y, x, in
	if batch == 1 || batch*s.d*s.n < parallelStates {
		for row := range batch {
			s.advance(&s.work[0], row)
		}
	} else {
		s.rows.Run(batch)
	}
	s.y, s.x, s.in = nil, nil, Inputs[[]T]{}
	return nil
}

// AdvanceRows is Advance on the goroutine that calls it alone: any number may, at the same
// time, each for other rows and as another worker of package par.
func (s *Step[T]) AdvanceRows(worker int, y, x []T, in Inputs[[]T]) error {
	batch := len(x) / s.stateOf
	err := size.First(s.check(y, in, batch), num.CheckLen("x", x, batch*s.stateOf, false))
	if err == nil && (worker < 0 || worker >= len(s.work)) {
		err = fmt.Errorf("want a worker in [0, %d), got %d", len(s.work), worker)
	}
	if err != nil {
		return named("Step.AdvanceRows", err)
	}
	for row := range batch {
		s.steps(&s.work[worker], y, x[row*s.stateOf:][:s.stateOf], in, row, 1)
	}
	return nil
}

// check checks the operands of that many rows.
func (s *Step[T]) check(y []T, in Inputs[[]T], rows int) error {
	if rows < 1 {
		return fmt.Errorf("want at least one row, got none")
	}
	return size.First(
		num.CheckLen("y", y, rows*s.d, false), num.CheckLen("U", in.U, rows*s.d, false), num.CheckLen("Delta", in.Delta, rows*s.d, false),
		num.CheckLen("B", in.B, rows*s.n, false), num.CheckLen("C", in.C, rows*s.n, false), num.CheckLen("Z", in.Z, rows*s.d, true))
}

// advance is Advance for a row.
func (s *Step[T]) advance(w *stepScratch[T], row int) {
	s.steps(w, s.y, s.x[row*s.stateOf:][:s.stateOf], s.in, row, 1)
}

// Scan is Advance for the steps of one sequence, one after the other, with states of
// one row: U, Delta and Z are (L, D), B and C (L, N). It writes the outputs (L, D) to y,
// to the bit those of as many steps.
func (s *Step[T]) Scan(y, x []T, in Inputs[[]T]) error {
	steps := len(y) / s.d
	err := num.CheckLen("x", x, s.stateOf, false)
	if err == nil {
		err = s.check(y, in, steps)
	}
	if err != nil {
		return named("Step.Scan", err)
	}
	for l := 0; l < steps; l += chunkSteps {
		s.steps(&s.work[0], y, x, in, l, min(chunkSteps, steps-l))
	}
	return nil
}

// steps takes the states x of a row through m rows of the inputs, from row on.
func (s *Step[T]) steps(w *stepScratch[T], y, x []T, in Inputs[[]T], row, m int) {
	u, out := in.U[row*s.d:][:m*s.d], y[row*s.d:][:m*s.d]
	s.reserve(w, m)
	delta, input := w.delta, w.input
	copy(w.raw, in.Delta[row*s.d:][:m*s.d])
	if len(s.bias) > 0 {
		for l := range m {
			raw := w.raw[l*s.d:][:s.d]
			vec.Add(raw, raw, s.bias)
		}
	}
	if s.cfg.Softplus {
		vec.Softplus(delta, w.raw)
	} else {
		copy(delta, w.raw)
	}
	vec.Mul(input, delta, u)
	gemm.Transpose(w.b, chunkSteps, in.B[row*s.n:], s.n, m, s.n)
	gemm.Transpose(w.c, chunkSteps, in.C[row*s.n:], s.n, m, s.n)
	s.eachBlock(func(block, first, n int) { s.block(w, out, x, block, first, n, m) })
	s.finish(w, out, u, in.Z, row, m)
}

// reserve makes room in the scratch memory for m steps.
func (s *Step[T]) reserve(w *stepScratch[T], m int) {
	if w.tiles == nil {
		w.tiles = num.Aligned[T](tiles * tileLen[T]())
		w.b, w.c = num.Aligned[T](s.n*chunkSteps), num.Aligned[T](s.n*chunkSteps)
	}
	for _, v := range []*[]T{&w.raw, &w.delta, &w.input, &w.out} {
		*v = num.Grow(*v, m*s.d)
	}
}

// block takes a block of channels through m steps.
func (s *Step[T]) block(w *stepScratch[T], out, x []T, block, first, n, m int) {
	states := s.n * s.lanes
	delta, input, sum := tile(w.tiles, tileDelta), tile(w.tiles, tileInput), tile(w.tiles, tileOut)
	clear(sum[:m*s.lanes])
	for l := range m {
		at, from := l*s.lanes, l*s.d+first
		copy(delta[at:][:n], w.delta[from:])
		copy(input[at:][:n], w.input[from:])
		clear(delta[at+n : at+s.lanes])
		clear(input[at+n : at+s.lanes])
	}
	b, c := operand[T]{v: w.b, state: chunkSteps, step: 1}, operand[T]{v: w.c, state: chunkSteps, step: 1}
	forward(w.tiles, x[block*states:][:states], s.a[block*states:][:states], b, c, s.n, m)
	for l := range m {
		copy(out[l*s.d+first:][:n], sum[l*s.lanes:])
	}
}

// finish adds what the outputs have of the inputs u, and applies the gate.
func (s *Step[T]) finish(w *stepScratch[T], out, u, z []T, row, m int) {
	if len(s.skip) > 0 {
		for l := range m {
			vec.AddMul(out[l*s.d:][:s.d], s.skip, u[l*s.d:][:s.d])
		}
	}
	if z != nil {
		vec.SiLU(w.out, z[row*s.d:][:m*s.d])
		vec.Mul(out, out, w.out)
	}
}

// named says which function an error is from.
func named(fn string, err error) error {
	if err != nil {
		err = fmt.Errorf("selective: %s: %w", fn, err)
	}
	return err
}
