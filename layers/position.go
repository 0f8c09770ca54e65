package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/param"
)

// Positions says how a model that does not see the order of steps is told it.
type Positions string

// The positions that are added to the input.
const (
	NoPositions Positions = "none"
	// SinusoidalPositions are sin(n w) at features 2i and cos(n w) at features 2i+1,
	// w = 10000^(-2i/DModel), of step n. Vaswani et al. 2017, arXiv:1706.03762.
	SinusoidalPositions Positions = "sinusoidal"
	// LearnedPositions are the rows of a table, a parameter, which bounds the length.
	LearnedPositions Positions = "learned"
)

// PositionConfig configures a Position layer.
type PositionConfig struct {
	DModel int `json:"d_model"` // features of input and output
	// Positions is SinusoidalPositions or LearnedPositions. "" means
	// SinusoidalPositions.
	Positions Positions `json:"positions,omitempty"`
	// MaxLen is the number of learned positions: no sequence may be longer.
	MaxLen int `json:"max_len,omitempty"`
}

// Validate reports the first field that is out of range.
func (c PositionConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("PositionConfig: %w", err)
	}
	return nil
}

func (c PositionConfig) validate() error {
	if err := size.Positive("DModel", c.DModel); err != nil {
		return err
	}
	switch c.Positions {
	case SinusoidalPositions:
		if c.MaxLen != 0 {
			return fmt.Errorf("MaxLen is the number of learned positions: want Positions %q with MaxLen %d, got %q", LearnedPositions, c.MaxLen, c.Positions)
		}
		return nil
	case LearnedPositions:
		if c.MaxLen < 1 {
			return fmt.Errorf("want MaxLen >= 1 with Positions %q, got %d", c.Positions, c.MaxLen)
		}
		return size.First(size.Field("MaxLen", c.MaxLen), size.Tensor("weight (MaxLen, DModel)", c.MaxLen, c.DModel))
	}
	return fmt.Errorf("want Positions %q or %q, got %q", SinusoidalPositions, LearnedPositions, string(c.Positions))
}

func (c PositionConfig) withDefaults() PositionConfig {
	def(&c.Positions, SinusoidalPositions)
	return c
}

// Features implements MixerConfig.
func (c PositionConfig) Features() (in, out int) { return c.DModel, c.DModel }

// Position adds to every step a vector that says where it is: y = x + p[n], where n
// counts the steps from the start of the sequence. Learned positions are parameter
// weight (MaxLen, DModel). Its state is "position" (B), the number of steps seen.
//
// In a stack it is the mixer of a block with NoResidual and NoNorm.
type Position struct {
	*Base
	cfg PositionConfig
	w   *G.Node // nil if sinusoidal
}

// NewPosition makes a layer of positions. Learned ones start as N(0, 0.02^2).
func NewPosition(g *G.ExprGraph, dt tensor.Dtype, cfg PositionConfig, opts ...Option) (*Position, error) {
	return newLayer[*Position](g, dt, cfg, opts)
}

// Build implements Config.
func (c PositionConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &Position{cfg: c}
	if c.Positions == LearnedPositions {
		l.w = b.Param("weight", param.Hint{}, Normal(0.02), c.MaxLen, c.DModel)
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *Position) Config() PositionConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *Position) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Position, error) {
	return Clone(l, g, opts...)
}

// Fwd maps x (B, DModel, L) to (B, DModel, L). With learned positions L is at most
// MaxLen.
func (l *Position) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever stands
// behind them. The output is 0 there, and so is the gradient of x. lengths is (B) of
// dtype int, or nil. A length that is not in [0, L] is an error when the graph runs.
func (l *Position) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	y, err := l.add(x, nil, lengths)
	return l.made(y, x, lengths), l.wrap("Fwd", err)
}

// check checks the input.
func (l *Position) check(x, lengths *G.Node) error {
	if l.Base == nil {
		return l.wrap("Fwd", errNotMade)
	}
	if err := l.checkInput(x, l.cfg.DModel, false); err != nil {
		return err
	}
	if n := x.Shape()[2]; l.w != nil && n > l.cfg.MaxLen {
		return l.errorf("Fwd", "want at most MaxLen = %d steps, as many as there are learned positions, got %d", l.cfg.MaxLen, n)
	}
	return l.checkLengths(x, lengths)
}

// add adds the positions from start on, nil for 0.
func (l *Position) add(x, start, lengths *G.Node) (*G.Node, error) {
	if l.w == nil {
		return attention.AddSinusoids(x, start, attention.Lengths(lengths))
	}
	return attention.AddPositions(x, l.w, start, attention.Lengths(lengths))
}

// StateShapes describes the state of a batch: position (B), the number of steps
// seen.
func (l *Position) StateShapes(batch int) []StateShape {
	if l.Base == nil {
		return nil
	}
	return []StateShape{{Name: positionName, Shape: tensor.Shape{batch}}}
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for the start, and x1 that after the last one, both as
// StateShapes describes them. With learned positions, a step beyond MaxLen is an
// error when the graph runs.
func (l *Position) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.check(x, nil); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart("FwdState", x0, l.StateShapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	var start *G.Node
	if len(x0) > 0 {
		start = x0[0]
	}
	if y, err = l.fwdFrom(x, start); err != nil {
		return nil, nil, err
	}
	next, err := attention.NextPosition(x, start)
	return y, G.Nodes{l.made(next, x, start)}, l.wrap("FwdState", err)
}

// fwdFrom is Fwd with positions from start (B) on, nil for 0.
func (l *Position) fwdFrom(x, start *G.Node) (*G.Node, error) {
	if err := l.check(x, nil); err != nil {
		return nil, err
	}
	y, err := l.add(x, start, nil)
	return l.made(y, x, start), l.wrap("FwdState", err)
}
