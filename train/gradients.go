package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

// Gradients is what lies between the backward pass and the optimiser. The
// gradient of a step is the mean over all its targets, however they are split:
// over micro-batches that run one after the other, clones of a model that run
// side by side, or ranks. Each part brings the mean over its own targets, and
// their number is its weight:
//
//	for _, clone := range clones[1:] {
//		err = gradients.Add(clone.Params(), targets)
//	}
//	err = gradients.Step(clones[0].Params(), targets, optimizer, 1)
//
// Step then sums over the ranks, looks for numbers that are not finite,
// clips, and lets the optimiser step. A step of one part is done in place.
type Gradients struct {
	// Clip bounds the norm of the gradient, all parameters taken together; 0 does
	// not.
	Clip float64
	// Reducer sums over ranks; nil is a rank by itself.
	Reducer Reducer

	slots   map[string]gradient
	learned []Learned
	bound   []gradient // those of learned
	shared  bool       // parts share what they compute, over ranks: see weight
	parts   int        // added since the last step
	count   float64    // targets of those
	pieces  []span
	sumSq   []float64 // of each piece
	scale   float64
	norm    float64
}

// Reducer adds up what several ranks, processes or goroutines, have computed. All make
// the same steps on their own part of the data.
type Reducer interface {
	// Sum replaces each number of the gradients by its sum over all ranks, and
	// returns that of count. The parameters are the same, in the same order, on
	// every rank.
	Sum(gradients []Learned, count float64) (float64, error)
}

// Learned is a parameter with its value and gradient, which are the memory of
// its node, or a copy of it in row-major order.
type Learned struct {
	param.Param
	Value, Grad task.Array
}

// pieceSize is the number of elements one task works on.
const pieceSize = 1 << 14

// span is the elements [lo, hi) of a gradient.
type span struct {
	of     gradient
	lo, hi int
}

// Add takes a part of the step that others follow: the gradients of the nodes,
// which are set to zero, for so many targets.
func (g *Gradients) Add(params []param.Param, count float64) error {
	if err := g.bind(params, count); err != nil {
		g.forget()
		return err
	}
	for _, s := range g.bound {
		s.add(g.weight(count))
		s.zero()
	}
	g.parts++
	g.count += count
	return nil
}

// Step takes the last part of a step and makes it, at the learning rates times
// factor: it updates the parameters and sets the gradients of the nodes to zero.
// After an error no parameter is updated and the gradients of the nodes are as
// they were or scaled; the parts added before are dropped. A gradient that is
// not finite is a *[NonFiniteError].
func (g *Gradients) Step(params []param.Param, count float64, o Optimizer, factor float64) error {
	defer g.forget()
	if err := g.bind(params, count); err != nil {
		return err
	}
	if err := g.mean(count); err != nil {
		return err
	}
	if err := g.clip(); err != nil {
		return err
	}
	if err := guarded(func() error { return o.Update(g.learned, factor) }); err != nil {
		return fmt.Errorf("optimiser: %w", err)
	}
	for _, s := range g.bound {
		s.zero()
	}
	return nil
}

// Norm returns the norm of the gradient of the last step, before clipping.
func (g *Gradients) Norm() float64 { return g.norm }

// Drop gives up the step: it forgets what was added and sets the gradients of
// the nodes to zero.
func (g *Gradients) Drop(params []param.Param) {
	g.forget()
	for _, p := range params {
		if grad, err := p.Node.Grad(); err == nil && grad != nil {
			weights.Zero(grad)
		}
	}
}

func (g *Gradients) forget() {
	g.parts, g.count = 0, 0
	for _, s := range g.slots {
		s.reset()
	}
}

// bind finds the values and gradients of the nodes.
func (g *Gradients) bind(params []param.Param, count float64) error {
	if !(count >= 0) || !finite(count) {
		return fmt.Errorf("want a count of targets >= 0, got %v", count)
	}
	if g.slots == nil {
		g.slots = make(map[string]gradient)
	}
	g.learned, g.bound = g.learned[:0], g.bound[:0]
	for _, p := range params {
		s, ok := g.slots[p.Name]
		if !ok {
			var err error
			if s, err = newGradient(p); err != nil {
				return fmt.Errorf("parameter %q: %w", p.Name, err)
			}
			g.slots[p.Name] = s
		}
		if err := s.bind(p, g.parts); err != nil {
			return fmt.Errorf("parameter %q: %w", p.Name, err)
		}
		g.bound = append(g.bound, s)
		g.learned = append(g.learned, s.learned())
	}
	return nil
}

// weight returns what the gradient of a part of so many targets is multiplied by in
// the sum. Where others normalise by what is in its rows, Config.SyncNorm, even that of
// a part without targets is not zero: task.Rows.Weight is taken for 1 then.
func (g *Gradients) weight(count float64) float64 {
	if g.shared && count == 0 {
		return 1
	}
	return count
}

// mean makes the gradients those of the whole step.
func (g *Gradients) mean(count float64) error {
	if g.parts == 0 && g.Reducer == nil {
		return nil
	}
	for _, s := range g.bound {
		s.total(g.weight(count))
	}
	total := g.count + count
	if g.Reducer != nil {
		var err error
		if total, err = g.Reducer.Sum(g.learned, total); err != nil {
			return fmt.Errorf("sum over ranks: %w", err)
		}
	}
	if total > 0 {
		for _, s := range g.bound {
			s.multiply(0, s.size(), 1/total)
		}
	}
	return nil
}

// clip computes the norm of the gradient and scales it down to the bound. The
// sums of the pieces are added in order: the norm does not depend on which
// worker did what.
func (g *Gradients) clip() error {
	g.pieces = g.pieces[:0]
	for _, s := range g.bound {
		for lo := 0; lo < s.size(); lo += pieceSize {
			g.pieces = append(g.pieces, span{s, lo, min(lo+pieceSize, s.size())})
		}
	}
	g.sumSq = resize(g.sumSq, len(g.pieces))
	par.For(len(g.pieces), g.measurePiece)
	var sum float64
	for i, s := range g.sumSq {
		if !finite(s) {
			if err := g.pieces[i].of.nonFinite(); err != nil {
				return err
			}
		}
		sum += s
	}
	g.norm = math.Sqrt(sum)
	const eps = 1e-6 // as torch.nn.utils.clip_grad_norm_
	if g.scale = g.Clip / (g.norm + eps); g.Clip > 0 && g.scale < 1 {
		par.For(len(g.pieces), g.scalePiece)
	}
	return nil
}

func (g *Gradients) measurePiece(_, i int) { p := g.pieces[i]; g.sumSq[i] = p.of.sumSq(p.lo, p.hi) }
func (g *Gradients) scalePiece(_, i int)   { p := g.pieces[i]; p.of.multiply(p.lo, p.hi, g.scale) }

// gradient is that of a parameter, of either float type.
type gradient interface {
	bind(p param.Param, parts int) error
	learned() Learned
	size() int
	add(count float64)
	total(count float64)
	multiply(lo, hi int, by float64)
	sumSq(lo, hi int) float64
	nonFinite() error
	zero()
	reset()
}

// gradientOf is a gradient of elements T.
type gradientOf[T num.Float] struct {
	l     Learned
	n     int
	sum   []T // of the parts that were added, each times its count
	parts int // bound since the last step
	// The memory of the value and of the gradient, and the gradient in row-major
	// order, which is its memory if that lies so, and else a copy.
	p, memory, g []T
	ordered      []T // room for the copy
}

func newGradient(p param.Param) (gradient, error) {
	if p.Node == nil || p.Node.Value() == nil {
		return nil, errors.New("want a node with a value, got none")
	}
	v := p.Node.Value()
	n := v.Shape().TotalSize()
	l := Learned{Value: task.Array{Shape: v.Shape().Clone()}, Grad: task.Array{Shape: v.Shape().Clone()}}
	if _, ok := weights.Memory[float32](v); ok {
		return &gradientOf[float32]{l: l, n: n}, nil
	}
	if _, ok := weights.Memory[float64](v); ok {
		return &gradientOf[float64]{l: l, n: n}, nil
	}
	return nil, fmt.Errorf("want a row-major value, float32 or float64, got %v", v.Dtype())
}

// bind reads where the value and the gradient are.
func (s *gradientOf[T]) bind(p param.Param, parts int) error {
	if s.parts != parts {
		return fmt.Errorf("want it once in each part of a step, got it in %d of %d before", s.parts, parts)
	}
	grad, err := p.Node.Grad()
	if err != nil || grad == nil {
		return errors.New("want a gradient, got none: differentiate by it (gorgonia.Grad) and make the VM with gorgonia.BindDualValues")
	}
	value, shape := p.Node.Value(), s.l.Value.Shape
	var ok bool
	if s.p, ok = weights.Memory[T](value); !ok || len(s.p) != s.n {
		return fmt.Errorf("want a row-major value, %T of shape %v, got %v of shape %v", T(0), shape, value.Dtype(), value.Shape())
	}
	if s.g, ok = weights.Memory[T](grad); ok && len(s.g) == s.n {
		s.memory = s.g
	} else if s.ordered, s.memory, ok = weights.Unordered(s.ordered[:0], grad); ok && len(s.memory) == s.n {
		s.g = s.ordered
	} else {
		return fmt.Errorf("want a gradient, %T of shape %v, got %v of shape %v", T(0), shape, grad.Dtype(), grad.Shape())
	}
	s.parts++
	s.l.Param = p
	setFloats(&s.l.Value, s.p)
	setFloats(&s.l.Grad, s.g)
	return nil
}

// setFloats makes s the numbers of an array.
func setFloats[T num.Float](a *task.Array, s []T) {
	switch s := any(s).(type) {
	case []float32:
		a.Float32s = s
	case []float64:
		a.Float64s = s
	}
}

func (s *gradientOf[T]) learned() Learned { return s.l }
func (s *gradientOf[T]) size() int        { return s.n }

// add adds the gradient of so many targets to the sum.
func (s *gradientOf[T]) add(count float64) {
	if s.parts == 1 {
		s.sum = num.Grow(s.sum, s.n)
		clear(s.sum)
	}
	vec.Axpy(s.sum, T(count), s.g)
}

// total makes the gradient the sum over all parts, this one too.
func (s *gradientOf[T]) total(count float64) {
	vec.Scale(s.g, T(count), s.g)
	if s.parts > 1 {
		vec.Add(s.g, s.g, s.sum)
	}
}

func (s *gradientOf[T]) multiply(lo, hi int, by float64) {
	vec.Scale(s.g[lo:hi], T(by), s.g[lo:hi])
}

// sumSq returns the sum of squares of a part of the gradient.
func (s *gradientOf[T]) sumSq(lo, hi int) float64 {
	if q := float64(vec.SumSq(s.g[lo:hi])); finite(q) {
		return q
	}
	// Either an element is not finite, or the sum overflows T.
	var q float64
	for _, v := range s.g[lo:hi] {
		q += float64(v) * float64(v)
	}
	return q
}

func (s *gradientOf[T]) nonFinite() error {
	e := nonFiniteAt(s.l.Name, s.g)
	if e == nil {
		return nil // the square of a huge float64
	}
	e.Gradient = true
	return e
}

func (s *gradientOf[T]) zero() { clear(s.memory) }

func (s *gradientOf[T]) reset() { s.parts = 0 }
