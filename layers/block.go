package layers

import (
	"encoding/json"
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/ops"
)

// BlockConfig configures a Block.
type BlockConfig struct {
	// Mixer configures the sequence layer inside, which keeps the number of
	// features. In JSON it is an object with the fields of the configuration and
	// its "kind": see RegisterMixer.
	Mixer MixerConfig `json:"mixer"`

	Norm    NormKind `json:"norm,omitempty"`     // "" means LayerNorm
	NormEps float64  `json:"norm_eps,omitempty"` // see NormConfig.Eps; 0 means 1e-5
	PreNorm bool     `json:"prenorm,omitempty"`  // normalise before the layer, not after the sum
	Dropout float64  `json:"dropout,omitempty"`  // of the layer's output, before the sum
	// UntiedDropout drops every element by itself: see DropoutConfig.Untied.
	UntiedDropout bool `json:"untied_dropout,omitempty"`
	// NoResidual leaves out the sum with the input: for a mixer that has its own, or
	// a network that has none.
	NoResidual bool `json:"no_residual,omitempty"`
}

// blockFields is BlockConfig without its methods.
type blockFields BlockConfig

// blockJSON is a BlockConfig in JSON. Its Mixer takes the place of the other.
type blockJSON struct {
	Mixer mixerJSON `json:"mixer"`
	blockFields
}

// MarshalJSON implements json.Marshaler.
func (c BlockConfig) MarshalJSON() ([]byte, error) {
	return json.Marshal(blockJSON{mixerJSON{c.Mixer}, blockFields(c)})
}

// UnmarshalJSON implements json.Unmarshaler. A field that no block or mixer has
// is an error.
func (c *BlockConfig) UnmarshalJSON(text []byte) error {
	var v blockJSON
	if err := strictjson.Decode(text, &v); err != nil {
		return fmt.Errorf("block: %w", err)
	}
	*c = BlockConfig(v.blockFields)
	c.Mixer = v.Mixer.MixerConfig
	return nil
}

// DModel returns the number of features of the block, 0 without a mixer.
func (c BlockConfig) DModel() int {
	if isNil(c.Mixer) {
		return 0
	}
	in, _ := c.Mixer.Features()
	return in
}

// Validate reports the first field that is out of range.
func (c BlockConfig) Validate() error {
	if isNil(c.Mixer) {
		return errors.New("BlockConfig: want a Mixer, got none")
	}
	if err := c.Mixer.Validate(); err != nil {
		return fmt.Errorf("BlockConfig: %w", err)
	}
	switch in, out := c.Mixer.Features(); {
	case in != out:
		return fmt.Errorf("BlockConfig: a block keeps its %d features: %w", in, wantFeatures(c.Mixer, out))
	case in < 1:
		return fmt.Errorf("BlockConfig: want a mixer with at least 1 feature, got %T with %d", c.Mixer, in)
	}
	if l, ok := c.Mixer.(LinearConfig); ok && l.ChannelsLast {
		return errors.New("BlockConfig: want a mixer of (B, H, L), got a LinearConfig with ChannelsLast")
	}
	if l, ok := c.Mixer.(interface{ checkLength() error }); ok {
		if err := l.checkLength(); err != nil {
			return fmt.Errorf("BlockConfig: a block keeps the length of a sequence: %w", err)
		}
	}
	if HasResidual(c.Mixer) && !c.NoResidual {
		return fmt.Errorf("BlockConfig: a %s has residuals of its own: want NoResidual, as a rule with NoNorm", kindOf(c.Mixer))
	}
	if err := errors.Join(c.Norm.Validate(), validateEps("NormEps", c.NormEps), DropoutConfig{P: c.Dropout}.Validate()); err != nil {
		return fmt.Errorf("BlockConfig: %w", err)
	}
	return nil
}

// HasResidual says whether the layers of a configuration have norms and residuals of
// their own, so that a block around one has NoResidual, and NoNorm as a rule.
func HasResidual(c MixerConfig) bool {
	_, ok := c.(interface{ hasResidual() })
	return ok
}

// wantFeatures is the error of a mixer that does not keep the number of features.
func wantFeatures(m MixerConfig, out int) error {
	if _, ok := m.(interface{ common() common }); ok {
		return fmt.Errorf("want Channels 1 or a mixing, got a mixer with %d features of output", out)
	}
	return fmt.Errorf("want a mixer with as many of output, got a %T with %d", m, out)
}

// Block is a residual block, the unit that sequence models stack:
//
//	x + dropout(mixer(norm(x)))    with PreNorm
//	norm(x + dropout(mixer(x)))    without
//
// and the same without x + for NoResidual.
//
// Its parameters are those of the mixer under "layer" and of the norm under
// "norm".
type Block struct {
	*Base
	cfg   BlockConfig
	mixer Mixer
	norm  *Norm
	drop  *Dropout
}

// NewBlock makes a residual block.
func NewBlock(g *G.ExprGraph, dt tensor.Dtype, cfg BlockConfig, opts ...Option) (*Block, error) {
	return newLayer[*Block](g, dt, cfg, opts)
}

// Build implements Config.
func (c BlockConfig) Build(b *Builder) (Layer, error) {
	c.Mixer = b.refrozen(c.Mixer).(MixerConfig)
	inner, err := b.Child("layer", c.Mixer)
	if err != nil {
		return nil, err
	}
	mixer, ok := inner.(Mixer)
	if !ok {
		return nil, b.errorf("want a mixer, which has FwdLengths, got a %T", inner)
	}
	norm, _ := child[*Norm](b, "norm", NormConfig{Kind: c.Norm, DModel: c.DModel(), Eps: c.NormEps})
	drop, _ := child[*Dropout](b, "dropout", DropoutConfig{P: c.Dropout, Untied: c.UntiedDropout})
	l := &Block{cfg: c, mixer: mixer, norm: norm, drop: drop}
	b.base.cfg = c
	l.Base, err = b.Done()
	return l, err
}

// Config returns the block's configuration.
func (l *Block) Config() BlockConfig { return deepcopy.Of(l.cfg) }

// Mixer returns the sequence layer inside.
func (l *Block) Mixer() Mixer { return l.mixer }

// CloneTo returns a block on another graph that shares this one's tensors.
func (l *Block) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Block, error) {
	return Clone(l, g, opts...)
}

// Settle makes the block consistent after values from elsewhere were put into its
// parameters and buffers: see S4.
func (l *Block) Settle() error { return settle(l.mixer) }

// settle settles a layer that has something to settle.
func settle(l Layer) error {
	if s, ok := l.(interface{ Settle() error }); ok {
		return s.Settle()
	}
	return nil
}

// Fwd maps x (B, DModel, L) to (B, DModel, L).
func (l *Block) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil.
func (l *Block) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.around(x, lengths, func(u *G.Node) (*G.Node, error) {
		if m, ok := l.mixer.(dropping); ok {
			return m.fwdDropped(u, lengths, l.drop)
		}
		u, err := l.masked(u, lengths)
		if err != nil {
			return nil, err
		}
		y, err := mixed(l.mixer, u, lengths)
		if err != nil {
			return nil, l.wrap("Fwd", err)
		}
		return l.dropped(u, y)
	})
}

// masked returns the input u of a mixer that may be from elsewhere, 0 behind the
// lengths: one of Gorgonia's own ops multiplies all steps by its gradient of the
// output, which is 0 there, and 0 times NaN is NaN. A norm has it so already.
func (l *Block) masked(u, lengths *G.Node) (*G.Node, error) {
	if lengths == nil || l.normFirst() {
		return u, nil
	}
	y, err := ops.Mask(u, lengths)
	return l.made(y, u, lengths), l.wrap("Fwd", err)
}

// normFirst reports whether the mixer reads what a norm returns.
func (l *Block) normFirst() bool { return l.cfg.PreNorm && l.cfg.Norm != NoNorm }

// mixed is FwdLengths of a mixer, which may be of another package.
func mixed(m Mixer, u, lengths *G.Node) (y *G.Node, err error) {
	defer guard.Panic(&err)
	return m.FwdLengths(u, lengths)
}

// dropping is a mixer that can take a dropout of its output into its last
// operation.
type dropping interface {
	fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error)
	fwdState(x *G.Node, x0 G.Nodes, after *Dropout) (y *G.Node, x1 G.Nodes, err error)
}

// dropped is what the block does to the output y of its mixer for the input u.
func (l *Block) dropped(u, y *G.Node) (*G.Node, error) {
	switch {
	case y == nil:
		return nil, l.errorf("Fwd", "want its mixer, a %T, to return a node, got nil", l.mixer)
	case !y.Shape().Eq(u.Shape()) || y.Dtype() != u.Dtype():
		return nil, l.errorf("Fwd", "want its mixer, a %T, to keep shape and dtype, %v of %v, got %v of %v", l.mixer, u.Shape(), u.Dtype(), y.Shape(), y.Dtype())
	case y.Graph() != u.Graph():
		return nil, l.errorf("Fwd", "want its mixer, a %T, to return a node of the graph of its input", l.mixer)
	}
	return l.drop.Fwd(y)
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state of
// the mixer before the first step of x, nil for zero, and x1 that after the last
// one, both as StateShapes describes them. A Carry hands it over from one run to
// the next.
func (l *Block) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if l.Base == nil {
		return nil, nil, l.wrap("FwdState", errNotMade)
	}
	m, err := ability[Stateful](l.mixer, "go on from a state")
	if err != nil {
		return nil, nil, l.wrap("FwdState", err)
	}
	y, err = l.around(x, nil, func(u *G.Node) (y *G.Node, err error) {
		if d, ok := l.mixer.(dropping); ok {
			y, x1, err = d.fwdState(u, x0, l.drop)
			return y, err
		}
		if y, x1, err = goneOn(m, u, x0); err != nil {
			return nil, l.wrap("FwdState", err)
		}
		return l.dropped(u, y)
	})
	return y, x1, err
}

// goneOn is FwdState of a mixer, which may be of another package, with states that
// are those of StateShapes.
func goneOn(m Stateful, u *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	defer guard.Panic(&err)
	shapes := m.StateShapes(u.Shape()[0])
	if len(x0) > 0 {
		if err := checkStates("the state x0", shapes, x0, u); err != nil {
			return nil, nil, err
		}
	}
	if y, x1, err = m.FwdState(u, x0); err != nil {
		return nil, nil, err
	}
	return y, x1, checkStates(fmt.Sprintf("the state x1 that a %T returns", m), shapes, x1, u)
}

// checkStates checks that nodes have the shapes of a state, on the graph of u.
func checkStates(what string, want []StateShape, got G.Nodes, u *G.Node) error {
	if len(got) != len(want) {
		return fmt.Errorf("want %s to have %d tensors, as its StateShapes, got %d", what, len(want), len(got))
	}
	for i, n := range got {
		switch {
		case n == nil:
			return fmt.Errorf("want %s to have nodes, got nil for %q", what, want[i].Name)
		case !want[i].fits(n.Shape()):
			return fmt.Errorf("want %q of %s to be %s, got %v", want[i].Name, what, want[i].form(), n.Shape())
		case n.Graph() != u.Graph():
			return fmt.Errorf("want %s on the graph of the input, got %q on another", what, want[i].Name)
		}
	}
	return nil
}

// StateShapes describes the state of a batch: that of the mixer.
func (l *Block) StateShapes(batch int) []StateShape {
	if m, ok := l.mixer.(Stateful); ok {
		return m.StateShapes(batch)
	}
	return nil
}

// around is the block around its mixer, which includes the dropout.
func (l *Block) around(x, lengths *G.Node, mixer func(u *G.Node) (*G.Node, error)) (*G.Node, error) {
	if err := l.checkInput(x, l.cfg.DModel(), false); err != nil {
		return nil, err
	}
	y := x
	var err error
	if l.normFirst() {
		if y, err = l.norm.FwdLengths(y, lengths); err != nil {
			return nil, err
		}
	}
	if y, err = mixer(y); err != nil {
		return nil, err
	}
	switch {
	case !l.cfg.PreNorm && l.cfg.NoResidual:
		y, err = l.norm.FwdLengths(y, lengths)
	case !l.cfg.PreNorm:
		y, err = l.norm.fwdSum(x, y, lengths)
	case !l.cfg.NoResidual:
		y, err = ops.Add(x, y, ops.Lengths(lengths))
		err = l.wrap("Fwd", err)
	case lengths != nil: // what a mixer leaves behind them may be from elsewhere
		y, err = ops.Mask(y, lengths)
		err = l.wrap("Fwd", err)
	}
	return l.made(y, x, lengths), err
}
