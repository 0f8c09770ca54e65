package train

import (
	"errors"
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

// ParamGroup is one parameter with its own optimiser settings. [ParamGroups] makes the
// groups of a layer or model; groups with other settings can be appended. There
// are no defaults here: a group without a rate, which would never learn, is
// refused unless it is frozen.
type ParamGroup struct {
	Name        string  // of the parameter
	Node        *G.Node // holds the value and the gradient
	LR          float64 // peak learning rate
	WeightDecay float64 // decoupled, scaled by the learning rate
	Frozen      bool    // never updated
}

// A ParamGroupOption sets what holds for the parameters that do not bring a setting
// of their own.
type ParamGroupOption func(*ParamGroup)

// LR sets the peak learning rate; the default is 1e-3.
func LR(lr float64) ParamGroupOption { return func(g *ParamGroup) { g.LR = lr } }

// WeightDecay sets the decoupled weight decay; the default is 0.01.
func WeightDecay(wd float64) ParamGroupOption { return func(g *ParamGroup) { g.WeightDecay = wd } }

// ParamGroups gives every parameter its settings: its own where it has them
// (param.Param.LR and WeightDecay: the parameters of a state space have a
// lower rate and no decay), those of the options otherwise.
func ParamGroups(params []param.Param, opts ...ParamGroupOption) []ParamGroup {
	def := ParamGroup{LR: 1e-3, WeightDecay: 0.01}
	for _, o := range opts {
		o(&def)
	}
	groups := make([]ParamGroup, len(params))
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

// NodeParamGroups is [ParamGroups] of the nodes of a plain Gorgonia model, by their names.
func NodeParamGroups(nodes G.Nodes, opts ...ParamGroupOption) []ParamGroup {
	params := make([]param.Param, len(nodes))
	for i, n := range nodes {
		params[i] = param.Param{Name: n.Name(), Node: n}
	}
	return ParamGroups(params, opts...)
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
//
// It is for Step: where [Gradients] calls Update, its own Clip holds.
func Clip(max float64) AdamWOption { return func(o *AdamW) { o.gradients.Clip = max } }

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019,
// algorithm 2), with the meaning PyTorch gives it: with the rate lr, the
// decay w and the gradient g of step t = 1, 2, ... of a parameter p
//
//	p <- (1 - lr w) p
//	m <- beta1 m + (1 - beta1) g
//	v <- beta2 v + (1 - beta2) g^2
//	p <- p - lr m/(1 - beta1^t) / (sqrt(v/(1 - beta2^t)) + eps)
//
// It is an [Optimizer], and a gorgonia.Solver. Unlike Gorgonia's own solvers it
// has a rate and a decay for every parameter, clips by the global norm, refuses
// gradients that are not finite, and can be saved and restored.
type AdamW struct {
	slots  []slot
	byName map[string]slot
	byNode map[*G.Node]slot
	err    error // of the settings, returned by Step

	beta1, beta2, eps float64
	factor            float64   // of Step
	gradients         Gradients // of Step

	// Of the step being done.
	learn  []param.Param
	frozen []*G.Node
	pieces []piece
}

// piece is the elements [lo, hi) of a parameter.
type piece struct {
	of     slot
	lo, hi int
}

// NewAdamW returns a solver for the parameters. Settings out of range, two
// groups of one name and a parameter without a value are reported by Err, and
// by every Step.
func NewAdamW(groups []ParamGroup, opts ...AdamWOption) *AdamW {
	o := &AdamW{beta1: 0.9, beta2: 0.999, eps: 1e-8, factor: 1,
		byName: make(map[string]slot), byNode: make(map[*G.Node]slot)}
	for _, opt := range opts {
		opt(o)
	}
	if err := o.init(groups); err != nil {
		o.err = fmt.Errorf("train: AdamW: %w", err)
	}
	return o
}

func (o *AdamW) init(groups []ParamGroup) error {
	in01 := func(b float64) bool { return b >= 0 && b < 1 }
	switch {
	case !in01(o.beta1) || !in01(o.beta2):
		return fmt.Errorf("want betas in [0, 1), got %g and %g", o.beta1, o.beta2)
	case !(o.eps > 0) || !finite(o.eps):
		return fmt.Errorf("want eps > 0, got %g", o.eps)
	case !(o.gradients.Clip >= 0) || !finite(o.gradients.Clip):
		return fmt.Errorf("want clip >= 0, got %g", o.gradients.Clip)
	case len(groups) == 0:
		return errors.New("want at least one parameter, got none")
	}
	for _, g := range groups {
		if o.byName[g.Name] != nil {
			return fmt.Errorf("two parameters are named %q", g.Name)
		}
		s, err := newSlot(g)
		if err != nil {
			return fmt.Errorf("parameter %q: %w", g.Name, err)
		}
		o.slots = append(o.slots, s)
		o.byName[g.Name], o.byNode[g.Node] = s, s
	}
	return nil
}

// Err returns what was wrong with the arguments of NewAdamW, or nil.
func (o *AdamW) Err() error { return o.err }

// SetFactor sets the factor of all learning rates in Step, from a schedule; it
// starts as 1.
func (o *AdamW) SetFactor(f float64) { o.factor = f }

// GradNorm returns the norm of all gradients of the last Step, before clipping.
func (o *AdamW) GradNorm() float64 { return o.gradients.Norm() }

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
	if err := o.sort(nodes); err != nil {
		return err
	}
	if err := o.gradients.Step(o.learn, 1, o, o.factor); err != nil {
		return err
	}
	for _, n := range o.frozen {
		if grad, err := n.Grad(); err == nil && grad != nil {
			weights.Zero(grad)
		}
	}
	return nil
}

// sort finds the parameters that nodes are.
func (o *AdamW) sort(nodes []G.ValueGrad) error {
	o.learn, o.frozen = o.learn[:0], o.frozen[:0]
	for i, vg := range nodes {
		n, ok := vg.(*G.Node)
		if !ok {
			return fmt.Errorf("argument %d: want a *gorgonia.Node, got %T", i, vg)
		}
		s, err := o.find(n)
		if err != nil {
			return err
		}
		if s.header().Frozen {
			o.frozen = append(o.frozen, n)
		} else {
			o.learn = append(o.learn, param.Param{Name: s.header().Name, Node: n})
		}
	}
	return nil
}

// settings returns what the user has chosen, by name.
func (o *AdamW) settings() map[string]string {
	m := map[string]string{"": fmt.Sprintf("betas %g, %g, eps %g", o.beta1, o.beta2, o.eps)}
	for _, s := range o.slots {
		h := s.header()
		m[h.Name] = fmt.Sprintf("LR %g, WeightDecay %g, Frozen %v", h.LR, h.WeightDecay, h.Frozen)
	}
	return m
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

// Update implements Optimizer. Parameters that are frozen in their group stay as
// they are.
func (o *AdamW) Update(ps []Learned, factor float64) error {
	if o.err != nil {
		return o.err
	}
	o.pieces = o.pieces[:0]
	for _, p := range ps {
		s, ok := o.byName[p.Name]
		if !ok {
			return fmt.Errorf("AdamW: parameter %q is in none of the groups", p.Name)
		}
		if s.header().Frozen {
			continue
		}
		if err := s.bind(p); err != nil {
			return fmt.Errorf("AdamW: parameter %q: %w", p.Name, err)
		}
		for lo, n := 0, s.header().size; lo < n; lo += pieceSize {
			o.pieces = append(o.pieces, piece{s, lo, min(lo+pieceSize, n)})
		}
	}
	for _, p := range o.pieces {
		if p.lo == 0 {
			p.of.begin(o, factor)
		}
	}
	par.For(len(o.pieces), o.updatePiece)
	return nil
}

func (o *AdamW) updatePiece(_, i int) { p := o.pieces[i]; p.of.update(p.lo, p.hi) }

// Names of the tensors of the state, before that of the parameter.
const (
	firstMoment  = "m."    // as the parameter
	secondMoment = "v."    // as the parameter
	updates      = "step." // []int64{t}
)

// State implements Optimizer: for every parameter that has been updated a copy of
// the moments, "m." and "v." and the name of the parameter, and the number of its
// updates, "step.".
func (o *AdamW) State() ([]Tensor, error) { return deepcopy.Of(o.tensors()), o.err }

// tensors is State with the memory of the solver itself.
func (o *AdamW) tensors() []Tensor {
	var ts []Tensor
	for _, s := range o.slots {
		if s.header().step > 0 {
			ts = append(ts, s.state()...)
		}
	}
	return ts
}

// SetState implements Optimizer: it copies a state into the solver. Parameters
// that the state does not name start anew. After an error the solver is as it
// was.
func (o *AdamW) SetState(ts []Tensor) error {
	states, err := o.match(ts)
	if err != nil {
		return fmt.Errorf("train: AdamW: SetState: %w", err)
	}
	for _, s := range o.slots {
		if st, ok := states[s.header().Name]; ok {
			s.setState(st)
		} else {
			s.header().step = 0
		}
	}
	return nil
}

// moments are the state of one parameter.
type moments struct{ m, v, step Tensor }

// match returns the state of each parameter that has one, or what does not fit.
func (o *AdamW) match(ts []Tensor) (map[string]moments, error) {
	if o.err != nil {
		return nil, o.err
	}
	states := make(map[string]moments)
	for _, t := range ts {
		kind, name, _ := strings.Cut(t.Name, ".")
		st := states[name]
		switch kind + "." {
		case firstMoment:
			st.m = t
		case secondMoment:
			st.v = t
		case updates:
			st.step = t
		default:
			return nil, fmt.Errorf("want tensors %q, %q and %q of parameters, got %q", firstMoment, secondMoment, updates, t.Name)
		}
		states[name] = st
	}
	for name, st := range states {
		s, ok := o.byName[name]
		if !ok {
			return nil, fmt.Errorf("no parameter is named %q", name)
		}
		if err := s.checkState(st); err != nil {
			return nil, fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	return states, nil
}

// slot is a parameter and its moments, of either float type.
type slot interface {
	header() *slotHeader
	bind(p Learned) error
	begin(o *AdamW, factor float64)
	update(lo, hi int)
	state() []Tensor
	checkState(m moments) error
	setState(m moments)
}

// slotHeader is what does not depend on the float type.
type slotHeader struct {
	ParamGroup
	shape tensor.Shape
	size  int
	step  int
}

// slotOf is a slot of elements T.
type slotOf[T num.Float] struct {
	slotHeader
	m, v []T
	p, g []T // value and gradient of the step being done
	k    vec.AdamWStep[T]
}

func newSlot(g ParamGroup) (slot, error) {
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
	h := slotHeader{ParamGroup: g, shape: v.Shape().Clone(), size: v.Shape().TotalSize()}
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
func (s *slotOf[T]) bind(p Learned) error {
	s.p, s.g = floatsOf[T](p.Value), floatsOf[T](p.Grad)
	if len(s.p) != s.size || len(s.g) != s.size {
		return fmt.Errorf("want %d numbers of type %T, got a value %v and a gradient %v", s.size, T(0), p.Value, p.Grad)
	}
	return nil
}

// begin counts the step and fixes its factors.
func (s *slotOf[T]) begin(o *AdamW, factor float64) {
	if s.m == nil {
		s.m, s.v = num.Aligned[T](s.size), num.Aligned[T](s.size)
	}
	if s.step == 0 { // the memory may hold moments that SetState dropped
		clear(s.m)
		clear(s.v)
	}
	s.step++
	s.k = vec.NewAdamWStep[T](s.LR*factor, o.beta1, o.beta2, o.eps, s.WeightDecay, s.step)
}

// update steps the elements [lo, hi).
func (s *slotOf[T]) update(lo, hi int) {
	vec.AdamW(s.p[lo:hi], s.g[lo:hi], s.m[lo:hi], s.v[lo:hi], s.k)
}

func (s *slotOf[T]) state() []Tensor {
	return []Tensor{
		{Name: firstMoment + s.Name, Shape: s.shape, Data: s.m},
		{Name: secondMoment + s.Name, Shape: s.shape, Data: s.v},
		{Name: updates + s.Name, Shape: []int{1}, Data: []int64{int64(s.step)}},
	}
}

func (s *slotOf[T]) checkState(st moments) error {
	m, ok1 := st.m.Data.([]T)
	v, ok2 := st.v.Data.([]T)
	step, ok3 := st.step.Data.([]int64)
	switch {
	case st.m.Data == nil || st.v.Data == nil || st.step.Data == nil:
		return errors.New("want both moments and the number of steps, got some of them")
	case !ok1 || !ok2:
		return fmt.Errorf("want moments %T, got %T and %T", s.m, st.m.Data, st.v.Data)
	case len(m) != s.size || len(v) != s.size:
		return fmt.Errorf("want moments of %d elements, got %d and %d", s.size, len(m), len(v))
	case !ok3 || len(step) != 1 || step[0] < 1:
		return fmt.Errorf("want a step >= 1, got %v", st.step.Data)
	}
	if err := weights.CheckFinite(safetensors.Tensor(st.m)); err != nil {
		return err
	}
	return weights.CheckVariance(safetensors.Tensor(st.v))
}

func (s *slotOf[T]) setState(st moments) {
	if s.m == nil {
		s.m, s.v = num.Aligned[T](s.size), num.Aligned[T](s.size)
	}
	copy(s.m, st.m.Data.([]T))
	copy(s.v, st.v.Data.([]T))
	s.step = int(st.step.Data.([]int64)[0])
}

// floatsOf returns the numbers of an array of type T; nil if it has another.
func floatsOf[T num.Float](a task.Array) []T {
	if s, ok := any(a.Float32s).([]T); ok {
		return s
	}
	s, _ := any(a.Float64s).([]T)
	return s
}
