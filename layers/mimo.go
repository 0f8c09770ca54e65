package layers

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/mimo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// validateMIMO checks the configuration of a layer whose features share one state of n
// complex numbers.
func (c common) validateMIMO(n int) error {
	if err := c.validate(); err != nil {
		return err
	}
	switch {
	case c.Channels > 1:
		return fmt.Errorf("want Channels 1, as one state has an output for each feature, got %d", c.Channels)
	case c.OffByOne:
		return errors.New("want OffByOne false: both directions see the present step")
	}
	return size.First(size.Tensor("kernel.B (P, H, 2)", n, c.inner(), 2), size.Tensor("kernel.C (directions, H, P, 2)", c.kernels(), c.inner(), n, 2))
}

// withGate gives S5's gate to a configuration that says nothing of what follows the model.
func (c SSM) withGate() SSM {
	if c.Gate == 0 && c.Bottleneck == 0 {
		def(&c.Mixing, MixHalfGLU1)
	}
	return c
}

// poleModel is what differs between the models whose features share a state: how the
// poles follow from parameters.
type poleModel interface {
	// build makes the parameters of the model.
	build(b *Builder)
	// poles adds the poles to the graph, those of all steps or, for steps that are dt (B,
	// L) times as long, of each.
	poles(dt, lengths *G.Node) (*G.Node, error)
	// continuous returns state p as one of a continuous system, x' = lambda x + b u, whose
	// discretisation at the step dt is that of a rule; b is the factor of the inputs.
	continuous(p int) (lambda, b complex128, disc ssm.Disc, err error)
}

// mimoModel is a model whose features share one state.
type mimoModel struct {
	*Base
	poleModel
	common common
	n      int // states that are stored (P)
	pairs  bool
	b, c   *G.Node
}

// mimoLayer is what the layers of such models have in common.
type mimoLayer struct {
	*Base
	around ssmLayer
	model  mimoModel
}

// buildMIMO makes the layer around its model.
func buildMIMO(b *Builder, l *mimoLayer) error {
	l.model.Base = b.base
	var err error
	l.around, err = buildSSM(b, l.model.common, &l.model)
	l.Base = l.around.Base
	return err
}

// DOut returns the number of features of the output: DModel, or with MixNone H, that of
// the features of the state space model.
func (l *mimoLayer) DOut() int { return l.model.common.dOut() }

// Fwd maps x (B, DModel, L) to (B, DOut, L).
func (l *mimoLayer) Fwd(x *G.Node) (*G.Node, error) { return l.around.Fwd(x) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil. A length that is not in [0, L] is an error when
// the graph runs.
func (l *mimoLayer) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.around.FwdLengths(x, lengths)
}

// fwdDropped implements dropping.
func (l *mimoLayer) fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	return l.around.fwdDropped(x, lengths, after)
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state
// before the first step of x, nil for zero, and x1 that after the last one. Both
// are the one tensor that StateShapes describes, and gradients go through them. A
// sequence fed in parts gives the output of the whole; a Carry hands the state over
// from one run to the next. A bidirectional layer has no state.
func (l *mimoLayer) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.around.FwdState(x, x0)
}

// fwdState implements dropping.
func (l *mimoLayer) fwdState(x *G.Node, x0 G.Nodes, after *Dropout) (y *G.Node, x1 G.Nodes, err error) {
	return l.around.fwdState(x, x0, after)
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: (B, P, 2), but
// none for a bidirectional layer.
func (l *mimoLayer) StateShapes(batch int) []StateShape { return l.around.StateShapes(batch) }

// build makes the parameters of a mimoModel, in the order of the public S5.
func (m *mimoModel) build(b *Builder) { m.poleModel.build(b) }

func (m *mimoModel) stateShape(batch int) tensor.Shape { return tensor.Shape{batch, m.n, 2} }

// params returns the parameters of the op.
func (m *mimoModel) params(d, dt, lengths *G.Node) (p mimo.Params[*G.Node], err error) {
	p = mimo.Params[*G.Node]{B: m.b, C: m.c, D: d}
	p.Poles, err = m.poles(dt, lengths)
	return p, err
}

func (m *mimoModel) op() mimo.Config { return mimo.Config{Pairs: m.pairs} }

func (m *mimoModel) output(u, d, lengths *G.Node) (*G.Node, error) {
	return irregular{m, nil}.output(u, d, lengths)
}

func (m *mimoModel) outputState(u, d, x0 *G.Node) (y, x1 *G.Node, err error) {
	return irregular{m, nil}.outputState(u, d, x0)
}

// irregular is a model at steps that are dt (B, L) times as long as its own; nil for 1.
type irregular struct {
	*mimoModel
	dt *G.Node
}

func (m irregular) output(u, d, lengths *G.Node) (*G.Node, error) {
	p, err := m.params(d, m.dt, lengths)
	if err != nil {
		return nil, err
	}
	return mimo.Sequence(m.op(), u, p, nil, lengths)
}

func (m irregular) outputState(u, d, x0 *G.Node) (y, x1 *G.Node, err error) {
	p, err := m.params(d, m.dt, nil)
	if err != nil {
		return nil, nil, err
	}
	return mimo.SequenceState(m.op(), u, p, x0, nil)
}

// System returns the way from a feature of the input of the model to one of its output,
// both in [0, H), as a linear system: that of all of them is one state with as many
// inputs and outputs. For a bidirectional layer outputs H and more are those of the second
// direction: there time runs backwards, and D, which is in the first, is zero.
//
// Every state has a step size of its own, so that time is counted in steps, and Dt is 1.
func (l *mimoLayer) System(output, input int) (*System, error) {
	if l.Base == nil {
		return nil, l.wrap("System", errNotMade)
	}
	m, h := &l.model, l.model.common.inner()
	if outputs := m.common.kernels() * h; output < 0 || output >= outputs || input < 0 || input >= h {
		return nil, l.errorf("System", "want an output in [0, %d) and an input in [0, %d), got %d and %d", outputs, h, output, input)
	}
	s, err := m.system(output, input)
	if err == nil && output == input {
		var d []float64
		if d, err = floats(l.around.d); err == nil {
			s.Continuous.D, s.Discrete.D = d[input], d[input]
		}
	}
	if err != nil {
		return nil, l.wrap("System", err)
	}
	return s, nil
}

// system is System without D and the name of the layer in its errors.
func (m *mimoModel) system(output, input int) (*System, error) {
	b, err := floats(m.b)
	if err != nil {
		return nil, err
	}
	c, err := floats(m.c)
	if err != nil {
		return nil, err
	}
	half := 0.5 // diagonalSystem adds the conjugates
	if m.pairs {
		half = 1
	}
	h := m.common.inner()
	lambda, in, out := make([]complex128, m.n), make([]complex128, m.n), make([]complex128, m.n)
	var disc ssm.Disc
	for p := range m.n {
		var factor complex128
		if lambda[p], factor, disc, err = m.continuous(p); err != nil {
			return nil, err
		}
		in[p] = factor * num.Complex(b, p*h+input)
		out[p] = complex(half, 0) * num.Complex(c, output*m.n+p)
	}
	ab, bb, err := hippo.DiscretizeDiagonal(lambda, in, 1, disc, 0)
	if err != nil {
		return nil, err
	}
	s, err := diagonalSystem(lambda, in, ab, bb, out)
	if err != nil {
		return nil, err
	}
	s.Dt, s.Disc = 1, disc
	return s, nil
}

// snapshotOfMIMO reads a layer with the poles that its parameters give.
func snapshotOfMIMO[T num.Float](l *mimoLayer, poles func() ([]T, error)) (Snapshot, error) {
	return snapshotOf[T](&l.around, func() (*mimo.Step[T], error) {
		m := &l.model
		var p mimo.Params[[]T]
		err := size.First(read(&p.B, m.b), read(&p.C, m.c))
		if err == nil {
			p.Poles, err = poles()
		}
		if err != nil {
			return nil, err
		}
		return mimo.NewStep(m.op(), m.n, m.common.inner(), p)
	})
}
