package mega

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is causal attention in chunks one step at a time, without a graph, for a batch of
// sequences at positions of their own: what [Attend] computes, up to rounding, in
// O(Chunk (Z + V)) a step at most. It owns the state, the steps of the chunk under way.
//
// It is for one goroutine, but spreads a large step over the workers, and
// [Step.AdvanceRows] is for any number. [Step.Fork] makes another.
type Step[T num.Float] struct {
	*stepWeights[T]
	position []int // by row
	zs, vs   []T   // (B, Chunk, Z) and (B, Chunk, V): those up to the position count
	work     []T   // by worker: Z + Chunk
	rows     *par.Loop

	y, z, v []T // of the step under way
}

// stepWeights are what nothing changes.
type stepWeights[T num.Float] struct {
	Config
	nz, nv      int
	query, same []T // (Z): what z of a query is multiplied by, and what is added, for z of keys
	fixed, more []T // (Z): the same for the constant of all keys
	bias        []T // (2M-1)
}

// NewStep returns the recurrence on values of nv features. Of prm Gamma and Beta (2, Z) and
// Bias count. It returns an error if a length is wrong, or the configuration, which has to
// be causal with chunks.
func NewStep[T num.Float](c Config, nz, nv int, prm Inputs[[]T]) (*Step[T], error) {
	err := size.First(c.Validate(), size.Positive("Z", nz), size.Positive("V", nv))
	if err == nil && (!c.Causal || c.Chunk == Whole) {
		err = fmt.Errorf("want Causal and chunks for steps, got Causal %v and Chunk %d", c.Causal, c.Chunk)
	}
	if err == nil {
		err = size.First(size.Tensor("the cache (Chunk, Z)", c.Chunk, nz), size.Tensor("the cache (Chunk, V)", c.Chunk, nv),
			num.CheckLen("Gamma", prm.Gamma, 2*nz, false), num.CheckLen("Beta", prm.Beta, 2*nz, false))
	}
	if err == nil && (len(prm.Bias)%2 == 0 || (len(prm.Bias)+1)/2 < c.Chunk) {
		err = wrongBias(c.Chunk, tensor.Shape{len(prm.Bias)})
	}
	if err != nil {
		return nil, named("NewStep", err)
	}
	w := &stepWeights[T]{Config: c, nz: nz, nv: nv, bias: append([]T(nil), prm.Bias...)}
	for _, v := range []*[]T{&w.query, &w.same, &w.fixed, &w.more} {
		*v = num.Aligned[T](nz)
	}
	scale := T(1)
	if c.Function != Laplace {
		scale = T(1 / math.Sqrt(float64(nz)))
	}
	for i := range nz {
		g0, g1, b0, b1 := prm.Gamma[i]*scale, prm.Gamma[nz+i], prm.Beta[i]*scale, prm.Beta[nz+i]
		w.query[i], w.same[i], w.fixed[i], w.more[i] = g0*g1, b0*g1, g0*b1, b0*b1
	}
	s := &Step[T]{stepWeights: w}
	return s.Fork(), nil
}

// Fork returns another recurrence of the same weights, at the start of a batch of 1.
func (s *Step[T]) Fork() *Step[T] {
	f := &Step[T]{stepWeights: s.stepWeights, work: num.Aligned[T](par.Workers() * (s.nz + s.Chunk))}
	f.rows = par.NewLoop(f.rowOf)
	f.start(1)
	return f
}

// start sets the state to the start of a batch.
func (s *Step[T]) start(batch int) {
	s.position = make([]int, batch)
	s.zs, s.vs = num.Aligned[T](batch*s.Chunk*s.nz), num.Aligned[T](batch*s.Chunk*s.nv)
}

// CheckSize returns an error unless a batch is positive and not too large.
func (s *Step[T]) CheckSize(batch int) error {
	return named("Step", size.First(size.Positive("batch", batch), size.Tensor("the cache (B, Chunk, Z)", batch, s.Chunk, s.nz), size.Tensor("the cache (B, Chunk, V)", batch, s.Chunk, s.nv)))
}

// Reset begins a batch of sequences. It returns an error if batch is not positive or too
// large.
func (s *Step[T]) Reset(batch int) error {
	if err := s.CheckSize(batch); err != nil {
		return err
	}
	if batch != len(s.position) {
		s.start(batch)
	}
	clear(s.position)
	return nil
}

// parallelWork is the number of multiplications from which a step is spread over the
// workers: fewer take about as long as it takes to wake one.
const parallelWork = 1 << 17

// Advance consumes a step, z (B, Z) and v (B, V), and writes h (B, V) to y. It returns an
// error, and changes nothing, if a length is wrong.
func (s *Step[T]) Advance(y, z, v []T) error {
	batch := len(s.position)
	if err := size.First(num.CheckLen("y", y, batch*s.nv, false), num.CheckLen("z", z, batch*s.nz, false), num.CheckLen("v", v, batch*s.nv, false)); err != nil {
		return named("Step.Advance", err)
	}
	s.advance(y, z, v)
	return nil
}

// AdvanceRows is Advance for the rows from one on, z (rows, Z), v and y (rows, V), on the
// goroutine that calls it alone: any number may, at the same time, each for other rows and
// as another worker of package par.
func (s *Step[T]) AdvanceRows(worker, from int, y, z, v []T) error {
	rows := max(1, len(z)/s.nz)
	err := size.First(num.CheckLen("y", y, rows*s.nv, false), num.CheckLen("z", z, rows*s.nz, false), num.CheckLen("v", v, rows*s.nv, false))
	if err == nil && (from < 0 || from+rows > len(s.position)) {
		err = fmt.Errorf("want rows in [0, %d), got %d from %d on", len(s.position), rows, from)
	}
	if err == nil && (worker < 0 || worker >= par.Workers()) {
		err = fmt.Errorf("want a worker in [0, %d), got %d", par.Workers(), worker)
	}
	if err != nil {
		return named("Step.AdvanceRows", err)
	}
	for b := range rows {
		s.row(worker, from+b, y[b*s.nv:][:s.nv], z[b*s.nz:][:s.nz], v[b*s.nv:][:s.nv])
		s.next(from + b)
	}
	return nil
}

// Scan is Advance for the steps of one sequence, one after the other: z is (L, Z), v and y
// (L, V).
func (s *Step[T]) Scan(y, z, v []T) error {
	steps := max(1, len(y)/s.nv)
	err := size.First(num.CheckLen("y", y, steps*s.nv, false), num.CheckLen("z", z, steps*s.nz, false), num.CheckLen("v", v, steps*s.nv, false))
	if err == nil && len(s.position) != 1 {
		err = fmt.Errorf("want a batch of 1, got %d", len(s.position))
	}
	if err != nil {
		return named("Step.Scan", err)
	}
	for l := range steps {
		s.advance(y[l*s.nv:][:s.nv], z[l*s.nz:][:s.nz], v[l*s.nv:][:s.nv])
	}
	return nil
}

func (s *Step[T]) advance(y, z, v []T) {
	s.y, s.z, s.v = y, z, v
	work := 0
	for _, p := range s.position {
		work += (p + 1) * (s.nz + s.nv)
	}
	if work < parallelWork {
		for b := range s.position {
			s.rowOf(0, b)
		}
	} else {
		s.rows.Run(len(s.position))
	}
	s.y, s.z, s.v = nil, nil, nil
	for b := range s.position {
		s.next(b)
	}
}

// next moves a row on by a step.
func (s *Step[T]) next(b int) { s.position[b] = (s.position[b] + 1) % s.Chunk }

// rowOf is row for the step under way.
func (s *Step[T]) rowOf(worker, b int) {
	s.row(worker, b, s.y[b*s.nv:][:s.nv], s.z[b*s.nz:][:s.nz], s.v[b*s.nv:][:s.nv])
}

// row takes row b a step further, but for its position: z (Z), v and y (V).
func (s *Step[T]) row(worker, b int, y, z, v []T) {
	p := s.position[b]
	zs, vs := s.zs[b*s.Chunk*s.nz:], s.vs[b*s.Chunk*s.nv:]
	copy(zs[p*s.nz:][:s.nz], z)
	copy(vs[p*s.nv:][:s.nv], v)
	w := s.work[worker*(s.nz+s.Chunk):][:s.nz+s.Chunk]
	q, a := w[:s.nz], w[s.nz:][:p+1]
	vec.Mul(q, z, s.query)
	vec.Add(q, q, s.same)
	all := vec.Dot(z, s.fixed) + vec.Sum(s.more)
	scale := T(1)
	if s.Function == Laplace {
		scale = 1 / T(p+1)
	}
	for j := range a {
		a[j] = scale * (vec.Dot(q, zs[j*s.nz:][:s.nz]) + all)
	}
	vec.Add(a, a, s.bias[(len(s.bias)-1)/2-p:][:p+1])
	if s.Function == Laplace {
		laplace(a)
	} else {
		softmax(a)
	}
	clear(y)
	for j, x := range a {
		vec.Axpy(y, x, vs[j*s.nv:][:s.nv])
	}
}

// CheckState returns an error unless x is a state of a batch.
func (s *Step[T]) CheckState(x State[[]T]) error {
	batch, slots := len(x.Position), s.Slots()
	return named("Step", size.First(s.CheckSize(batch), num.CheckLen("Z", x.Z, batch*slots*s.nz, false), num.CheckLen("V", x.V, batch*slots*s.nv, false),
		validPositions(x.Position, s.Chunk)))
}

// Load sets the state to x, whose memory it does not keep. It returns an error, and
// changes nothing, if a length or a position is wrong.
func (s *Step[T]) Load(x State[[]T]) error {
	if err := s.CheckState(x); err != nil {
		return err
	}
	s.start(len(x.Position))
	for b := range s.position {
		s.fill(b, x, b)
	}
	return nil
}

// fill sets row b to a row of x.
func (s *Step[T]) fill(b int, x State[[]T], row int) {
	p, end := int(x.Position[row]), (row+1)*s.Slots()
	s.position[b] = p
	copy(s.zs[b*s.Chunk*s.nz:][:p*s.nz], x.Z[(end-p)*s.nz:])
	copy(s.vs[b*s.Chunk*s.nv:][:p*s.nv], x.V[(end-p)*s.nv:])
}

// Store returns a copy of the state. Slots without a step are 0.
func (s *Step[T]) Store() State[[]T] {
	batch, slots := len(s.position), s.Slots()
	x := State[[]T]{Z: make([]T, batch*slots*s.nz), V: make([]T, batch*slots*s.nv), Position: make([]T, batch)}
	for b, p := range s.position {
		x.Position[b] = T(p)
		end := (b + 1) * slots
		copy(x.Z[(end-p)*s.nz:end*s.nz], s.zs[b*s.Chunk*s.nz:])
		copy(x.V[(end-p)*s.nv:end*s.nv], s.vs[b*s.Chunk*s.nv:])
	}
	return x
}

// Regroup makes the batch the rows keep of this one and behind them those of states that
// join. There are such rows, and CheckState has checked the states.
func (s *Step[T]) Regroup(keep []int, join ...State[[]T]) {
	batch := len(keep)
	for _, x := range join {
		batch += len(x.Position)
	}
	old := *s
	s.start(batch)
	num.CopyRows(s.zs, batch, 0, old.zs, len(old.position), keep, s.Chunk*s.nz)
	num.CopyRows(s.vs, batch, 0, old.vs, len(old.position), keep, s.Chunk*s.nv)
	for i, b := range keep {
		s.position[i] = old.position[b]
	}
	at := len(keep)
	for _, x := range join {
		for row := range x.Position {
			s.fill(at, x, row)
			at++
		}
	}
}

// named says which function an error is from.
func named(fn string, err error) error {
	if err != nil {
		err = fmt.Errorf("mega: %s: %w", fn, err)
	}
	return err
}
