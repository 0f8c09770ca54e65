package train

import (
	"errors"
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
)

// Group is one parameter with its own optimiser settings. [Groups] makes the
// groups of a layer or model; groups with other settings can be appended. There
// are no defaults here: a group without a rate, which would never learn, is
// refused unless it is frozen.
type Group struct {
	Name        string  // of the parameter
	Node        *G.Node // holds the value and the gradient
	LR          float64 // peak learning rate
	WeightDecay float64 // decoupled, scaled by the learning rate
	Frozen      bool    // never updated
}

// A GroupOption sets what holds for the parameters that do not bring a setting
// of their own.
type GroupOption func(*Group)

// LR sets the peak learning rate; the default is 1e-3.
func LR(lr float64) GroupOption { return func(g *Group) { g.LR = lr } }

// WeightDecay sets the decoupled weight decay; the default is 0.01.
func WeightDecay(wd float64) GroupOption { return func(g *Group) { g.WeightDecay = wd } }

// Groups gives every parameter its settings: its own where it has them
// (param.Param.LR and WeightDecay: the parameters of a state space have a
// lower rate and no decay), those of the options otherwise.
func Groups(params []param.Param, opts ...GroupOption) []Group {
	def := Group{LR: 1e-3, WeightDecay: 0.01}
	for _, o := range opts {
		o(&def)
	}
	groups := make([]Group, len(params))
	for i, p := range params {
		g := def
		g.Name, g.Node, g.Frozen = p.Name, p.Node, p.Frozen
		if p.LR != nil {
			g.LR = *p.LR
		}
		if p.WeightDecay != nil {
			g.WeightDecay = *p.WeightDecay
		}
		groups[i] = g
	}
	return groups
}

// An AdamWOption sets what all parameters have in common.
type AdamWOption func(*AdamW)

// Betas sets the decay rates of the two moments; the default is 0.9, 0.999.
func Betas(beta1, beta2 float64) AdamWOption {
	return func(o *AdamW) { o.beta1, o.beta2 = beta1, beta2 }
}

// Eps sets the term added to the root of the second moment; the default is
// 1e-8.
func Eps(eps float64) AdamWOption { return func(o *AdamW) { o.eps = eps } }

// Clip scales the gradients of a step down so that their norm, all parameters
// taken together, is at most max. The default, 0, does not.
func Clip(max float64) AdamWOption { return func(o *AdamW) { o.clip = max } }

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019,
// algorithm 2), with the meaning PyTorch gives it: with the rate lr, the
// decay w and the gradient g of step t = 1, 2, ... of a parameter p
//
//	p <- (1 - lr w) p
//	m <- beta1 m + (1 - beta1) g
//	v <- beta2 v + (1 - beta2) g^2
//	p <- p - lr m/(1 - beta1^t) / (sqrt(v/(1 - beta2^t)) + eps)
//
// It implements gorgonia.Solver. Unlike Gorgonia's own solvers it has a rate
// and a decay for every parameter, clips by the global norm, refuses gradients
// that are not finite, and can be saved and restored.
type AdamW struct {
	slots  []slot
	byNode map[*G.Node]slot
	err    error // of the settings, returned by Step

	beta1, beta2, eps, clip float64

	factor float64
	norm   float64

	// Of the step being done.
	active []slot  // to be updated
	frozen []slot  // not to be, though they have a gradient
	pieces []piece // of the active ones
	scale  float64
	sumSq  []float64 // of each piece
}

// pieceSize is the number of elements one task works on.
const pieceSize = 1 << 14

// piece is the elements [lo, hi) of a parameter.
type piece struct {
	of     slot
	lo, hi int
}

// NewAdamW returns a solver for the parameters. Settings out of range, two
// groups of one name and a parameter without a value are reported by Err, and
// by every Step.
func NewAdamW(groups []Group, opts ...AdamWOption) *AdamW {
	o := &AdamW{beta1: 0.9, beta2: 0.999, eps: 1e-8, factor: 1, byNode: make(map[*G.Node]slot)}
	for _, opt := range opts {
		opt(o)
	}
	if err := o.init(groups); err != nil {
		o.err = fmt.Errorf("train: AdamW: %w", err)
	}
	return o
}

func (o *AdamW) init(groups []Group) error {
	in01 := func(b float64) bool { return b >= 0 && b < 1 }
	switch {
	case !in01(o.beta1) || !in01(o.beta2):
		return fmt.Errorf("want betas in [0, 1), got %g and %g", o.beta1, o.beta2)
	case !(o.eps > 0) || !finite(o.eps):
		return fmt.Errorf("want eps > 0, got %g", o.eps)
	case !(o.clip >= 0) || !finite(o.clip):
		return fmt.Errorf("want clip >= 0, got %g", o.clip)
	case len(groups) == 0:
		return errors.New("want at least one parameter, got none")
	}
	names := make(map[string]bool, len(groups))
	for _, g := range groups {
		if names[g.Name] {
			return fmt.Errorf("two parameters are named %q", g.Name)
		}
		names[g.Name] = true
		s, err := newSlot(g)
		if err != nil {
			return fmt.Errorf("parameter %q: %w", g.Name, err)
		}
		o.slots = append(o.slots, s)
		o.byNode[g.Node] = s
	}
	return nil
}

// Err returns what was wrong with the arguments of NewAdamW, or nil.
func (o *AdamW) Err() error { return o.err }

// SetFactor sets the factor of all learning rates, from a schedule; it starts
// as 1.
func (o *AdamW) SetFactor(f float64) { o.factor = f }

// GradNorm returns the norm of all gradients of the last step, before
// clipping.
func (o *AdamW) GradNorm() float64 { return o.norm }

// Step implements gorgonia.Solver: it updates the parameters in place and sets
// their gradients to zero. The nodes are those given to NewAdamW or the same
// parameters on another graph, that is, nodes that hold the same tensors; they
// may be some of the parameters only.
//
// If an argument or a gradient is not usable, no parameter is updated and no
// gradient zeroed; a gradient that is not finite is a *[NonFiniteError].
func (o *AdamW) Step(nodes []G.ValueGrad) error {
	if o.err != nil {
		return o.err
	}
	if err := o.step(nodes); err != nil {
		return fmt.Errorf("train: AdamW: Step: %w", err)
	}
	return nil
}

// step is Step without the prefix of its errors.
func (o *AdamW) step(nodes []G.ValueGrad) error {
	if err := o.load(nodes); err != nil {
		return err
	}
	if err := o.measure(); err != nil {
		return err
	}
	for _, s := range o.active {
		s.begin(o)
	}
	par.For(len(o.pieces), o.updatePiece)
	for _, s := range o.frozen {
		s.zeroGrad()
	}
	return nil
}

// load binds the values and gradients of the step and cuts them into pieces.
func (o *AdamW) load(nodes []G.ValueGrad) error {
	o.active, o.frozen, o.pieces = o.active[:0], o.frozen[:0], o.pieces[:0]
	for _, s := range o.slots {
		s.header().bound = false
	}
	for i, vg := range nodes {
		n, ok := vg.(*G.Node)
		if !ok {
			return fmt.Errorf("argument %d: want a *gorgonia.Node, got %T", i, vg)
		}
		s, err := o.find(n)
		if err != nil {
			return err
		}
		h := s.header()
		if h.bound {
			return fmt.Errorf("parameter %q: given twice", h.Name)
		}
		h.bound = true
		grad, err := n.Grad()
		if err != nil || grad == nil {
			if h.Frozen {
				continue
			}
			return fmt.Errorf("parameter %q has no gradient: differentiate by it (gorgonia.Grad) and make the VM with gorgonia.BindDualValues", h.Name)
		}
		if err := s.bind(n.Value(), grad); err != nil {
			return fmt.Errorf("parameter %q: %w", h.Name, err)
		}
		if h.Frozen {
			o.frozen = append(o.frozen, s)
			continue
		}
		o.active = append(o.active, s)
		for lo := 0; lo < h.size; lo += pieceSize {
			o.pieces = append(o.pieces, piece{s, lo, min(lo+pieceSize, h.size)})
		}
	}
	return nil
}

// find returns the slot of a node.
func (o *AdamW) find(n *G.Node) (slot, error) {
	if s, ok := o.byNode[n]; ok {
		return s, nil
	}
	for _, s := range o.slots {
		if weights.Same(s.header().Node.Value(), n.Value()) {
			o.byNode[n] = s
			return s, nil
		}
	}
	return nil, fmt.Errorf("node %q is none of the parameters and shares its tensor with none", n.Name())
}

// measure computes the norm of all gradients and the factor that clips it. The
// sums of the pieces are added in order: the norm does not depend on which
// worker did what.
func (o *AdamW) measure() error {
	o.sumSq = resize(o.sumSq, len(o.pieces))
	par.For(len(o.pieces), o.measurePiece)
	var sum float64
	for i, s := range o.sumSq {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			if err := o.pieces[i].of.nonFiniteGrad(); err != nil {
				return err
			}
		}
		sum += s
	}
	o.norm = math.Sqrt(sum)
	o.scale = 1
	if o.clip > 0 {
		const eps = 1e-6 // as torch.nn.utils.clip_grad_norm_
		o.scale = min(1, o.clip/(o.norm+eps))
	}
	return nil
}

func (o *AdamW) measurePiece(_, i int) { p := o.pieces[i]; o.sumSq[i] = p.of.sumSq(p.lo, p.hi) }
func (o *AdamW) updatePiece(_, i int)  { p := o.pieces[i]; p.of.update(p.lo, p.hi, o.scale) }

// Moments are the state of AdamW for one parameter.
type Moments struct {
	Name  string
	Shape tensor.Shape
	// Step is the number of updates the parameter has had.
	Step int
	// M and V are the first and second moments, []float32 or []float64 like the
	// parameter, row-major.
	M, V any
}

// State returns a copy of the state of every parameter that has been updated, in
// the order of the groups.
func (o *AdamW) State() []Moments { return deepcopy.Of(o.moments()) }

// moments is State with the memory of the solver itself.
func (o *AdamW) moments() []Moments {
	var ms []Moments
	for _, s := range o.slots {
		if s.header().step > 0 {
			ms = append(ms, s.state())
		}
	}
	return ms
}

// SetState copies a state into the solver. Parameters that the state does not
// name start anew. After an error the solver is as it was.
func (o *AdamW) SetState(ms []Moments) error {
	slots, err := o.match(ms)
	if err != nil {
		return fmt.Errorf("train: AdamW: SetState: %w", err)
	}
	for _, s := range o.slots {
		s.header().step = 0
	}
	for i, s := range slots {
		s.setState(ms[i])
	}
	return nil
}

// match returns the slot of each state, or what does not fit.
func (o *AdamW) match(ms []Moments) ([]slot, error) {
	if o.err != nil {
		return nil, o.err
	}
	byName := make(map[string]slot, len(o.slots))
	for _, s := range o.slots {
		byName[s.header().Name] = s
	}
	slots := make([]slot, len(ms))
	for i, m := range ms {
		s, ok := byName[m.Name]
		if !ok {
			return nil, fmt.Errorf("no parameter is named %q, or it is named twice", m.Name)
		}
		delete(byName, m.Name)
		if err := s.checkState(m); err != nil {
			return nil, fmt.Errorf("parameter %q: %w", m.Name, err)
		}
		slots[i] = s
	}
	return slots, nil
}

// slot is a parameter and its moments, of either float type.
type slot interface {
	header() *slotHeader
	bind(value, grad G.Value) error
	sumSq(lo, hi int) float64
	nonFiniteGrad() error
	begin(o *AdamW)
	update(lo, hi int, scale float64)
	zeroGrad()
	state() Moments
	checkState(m Moments) error
	setState(m Moments)
}

// slotHeader is what does not depend on the float type.
type slotHeader struct {
	Group
	shape tensor.Shape
	size  int
	step  int
	bound bool // in the current step
}

// slotOf is a slot of elements T.
type slotOf[T num.Float] struct {
	slotHeader
	m, v []T
	// Bound by each step: the memory of the value and of the gradient, and the
	// gradient in row-major order, which is its memory if that lies so, and
	// else a copy.
	p, memory, g []T
	ordered      []T // room for the copy
	k            vec.AdamWStep[T]
}

func newSlot(g Group) (slot, error) {
	switch {
	case !(g.LR >= 0) || !finite(g.LR):
		return nil, fmt.Errorf("want LR >= 0, got %g", g.LR)
	case g.LR == 0 && !g.Frozen:
		return nil, errors.New("want LR > 0, or Frozen for a parameter that does not learn, got 0")
	case !(g.WeightDecay >= 0) || !finite(g.WeightDecay):
		return nil, fmt.Errorf("want WeightDecay >= 0, got %g", g.WeightDecay)
	case g.Node == nil:
		return nil, errors.New("want a node, got nil")
	case g.Node.Value() == nil:
		return nil, errors.New("the node has no value")
	}
	v := g.Node.Value()
	h := slotHeader{Group: g, shape: v.Shape().Clone(), size: v.Shape().TotalSize()}
	switch v.Dtype() {
	case tensor.Float32:
		return &slotOf[float32]{slotHeader: h}, nil
	case tensor.Float64:
		return &slotOf[float64]{slotHeader: h}, nil
	}
	return nil, fmt.Errorf("want dtype float32 or float64, got %v", v.Dtype())
}

func (s *slotOf[T]) header() *slotHeader { return &s.slotHeader }

// bind reads where the value and the gradient of a step are.
func (s *slotOf[T]) bind(value, grad G.Value) error {
	var ok bool
	if s.p, ok = weights.Memory[T](value); !ok || len(s.p) != s.size {
		return fmt.Errorf("want a row-major value, %T of shape %v, got %v of shape %v", T(0), s.shape, value.Dtype(), value.Shape())
	}
	if s.g, ok = weights.Memory[T](grad); ok && len(s.g) == s.size {
		s.memory = s.g
		return nil
	}
	if s.ordered, s.memory, ok = weights.Unordered(s.ordered[:0], grad); ok && len(s.memory) == s.size {
		s.g = s.ordered
		return nil
	}
	return fmt.Errorf("want a gradient, %T of shape %v, got %v of shape %v", T(0), s.shape, grad.Dtype(), grad.Shape())
}

// sumSq returns the sum of squares of a part of the gradient.
func (s *slotOf[T]) sumSq(lo, hi int) float64 {
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

func (s *slotOf[T]) nonFiniteGrad() error {
	e := nonFiniteAt(s.Name, s.g)
	if e == nil {
		return nil // the square of a huge float64
	}
	e.Gradient = true
	return e
}

// begin counts the step and fixes its factors.
func (s *slotOf[T]) begin(o *AdamW) {
	if s.m == nil {
		s.m, s.v = num.Aligned[T](s.size), num.Aligned[T](s.size)
	}
	if s.step == 0 { // the memory may hold moments that SetState dropped
		clear(s.m)
		clear(s.v)
	}
	s.step++
	s.k = vec.NewAdamWStep[T](s.LR*o.factor, o.beta1, o.beta2, o.eps, s.WeightDecay, s.step)
}

// update steps the elements [lo, hi) and zeroes their gradient.
func (s *slotOf[T]) update(lo, hi int, scale float64) {
	g := s.g[lo:hi]
	if scale != 1 {
		vec.Scale(g, T(scale), g)
	}
	vec.AdamW(s.p[lo:hi], g, s.m[lo:hi], s.v[lo:hi], s.k)
	clear(s.memory[lo:hi])
}

func (s *slotOf[T]) zeroGrad() { clear(s.memory) }

func (s *slotOf[T]) state() Moments {
	return Moments{Name: s.Name, Shape: s.shape, Step: s.step, M: s.m, V: s.v}
}

func (s *slotOf[T]) checkState(m Moments) error {
	mm, ok1 := m.M.([]T)
	mv, ok2 := m.V.([]T)
	switch {
	case !ok1 || !ok2:
		return fmt.Errorf("want moments %T, got %T and %T", s.m, m.M, m.V)
	case len(mm) != s.size || len(mv) != s.size:
		return fmt.Errorf("want moments of %d elements, got %d and %d", s.size, len(mm), len(mv))
	case m.Step < 1:
		return fmt.Errorf("want a step >= 1, got %d", m.Step)
	}
	return nil
}

func (s *slotOf[T]) setState(m Moments) {
	if s.m == nil {
		s.m, s.v = num.Aligned[T](s.size), num.Aligned[T](s.size)
	}
	copy(s.m, m.M.([]T))
	copy(s.v, m.V.([]T))
	s.step = m.Step
}
