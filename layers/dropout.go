package layers

import (
	"fmt"
	"hash/fnv"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops"
)

// DropoutConfig configures a Dropout layer.
type DropoutConfig struct {
	P float64 `json:"p"` // probability that an element, or a feature, is dropped
	// Untied drops every element by itself. The default drops a feature of an
	// example at all its steps at once, as the S4 models do.
	Untied bool `json:"untied,omitempty"`
}

// Validate reports the first field that is out of range.
func (c DropoutConfig) Validate() error {
	if !(c.P >= 0 && c.P < 1) {
		return fmt.Errorf("DropoutConfig: want P in [0, 1), got %g", c.P)
	}
	return nil
}

// Dropout zeroes elements at random in training and scales the others by
// 1/(1-P); in evaluation it does nothing. Its buffer rng (seed and counter of
// the masks) makes a resumed run draw the masks that an unbroken one would, if
// there is one graph, or copies run in turn (InTurn), or all copies run as often
// as each other.
type Dropout struct {
	*Base
	cfg   DropoutConfig
	masks *ops.Masks // nil without dropout
}

// NewDropout makes a dropout layer.
func NewDropout(g *G.ExprGraph, dt tensor.Dtype, cfg DropoutConfig, opts ...Option) (*Dropout, error) {
	return newLayer[*Dropout](g, dt, cfg, opts)
}

// Build implements Config.
func (c DropoutConfig) Build(b *Builder) (Layer, error) {
	l := &Dropout{cfg: c}
	if c.P > 0 {
		l.masks = b.masks(b.Buffer("rng", func() *tensor.Dense {
			h := fnv.New64a()
			_, _ = h.Write([]byte(b.path)) // layers draw from different streams
			return tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{int64(b.seed ^ h.Sum64()), 0}))
		}, 2))
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Config returns the layer's configuration.
func (l *Dropout) Config() DropoutConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's buffer. It
// draws masks of its own: see OnStream and InTurn.
func (l *Dropout) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*Dropout, error) {
	return Clone(l, g, opts...)
}

// Fwd drops elements of x (B, H, L) or (B, H). With P = 0 it returns x itself.
func (l *Dropout) Fwd(x *G.Node) (*G.Node, error) {
	if l.Base == nil {
		return nil, l.wrap("Fwd", errNotMade)
	}
	if x == nil {
		return nil, l.errorf("Fwd", "want x (B, H, L) or (B, H), got nil")
	}
	if s := x.Shape(); len(s) != 2 && len(s) != 3 || slices.Min(s) < 1 {
		return nil, l.errorf("Fwd", "want x (B, H, L) or (B, H), got %v", s)
	}
	if x.Dtype() != l.dt {
		return nil, l.errorf("Fwd", "want x of dtype %v, got %v", l.dt, x.Dtype())
	}
	if err := l.checkGraph("x", x); err != nil {
		return nil, err
	}
	if err := l.checkSize("x", x.Shape()); err != nil {
		return nil, err
	}
	if l.cfg.P == 0 {
		return x, nil
	}
	var opts []ops.DropoutOption
	if !l.cfg.Untied {
		opts = append(opts, ops.Tied())
	}
	y, err := ops.Dropout(x, l.cfg.P, l.masks, opts...)
	return l.made(y, x), l.wrap("Fwd", err)
}

// tied reports whether l is a dropout that drops features at all their steps at
// once, which ops can take in. nil is none.
func (l *Dropout) tied() bool { return l != nil && !l.cfg.Untied }
