package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops/rnn"
)

// GRUConfig configures a GRU layer.
type GRUConfig struct {
	DModel int `json:"d_model"` // features of the input
	// Hidden is the number of features of the state, and of the output of each
	// direction. 0 means DModel, or half of it if bidirectional: as many features as
	// the input has.
	Hidden        int  `json:"hidden,omitempty"`
	Layers        int  `json:"layers,omitempty"`        // one on the output of the other; 0 means 1
	Bidirectional bool `json:"bidirectional,omitempty"` // two recurrences in each layer, from both ends
	// Dropout is the probability that an element is dropped between two layers, each by
	// itself.
	Dropout float64 `json:"dropout,omitempty"`
	NoBias  bool    `json:"no_bias,omitempty"` // neither bias_ih nor bias_hh
}

// shape returns what all recurrent layers have.
func (c GRUConfig) shape() recurrentShape { return recurrentShape(c) }

// Validate reports the first field that is out of range.
func (c GRUConfig) Validate() error {
	if err := c.shape().validate(rnn.GRU); err != nil {
		return fmt.Errorf("GRUConfig: %w", err)
	}
	return nil
}

// Features implements MixerConfig.
func (c GRUConfig) Features() (in, out int) { return c.shape().features() }

// Build implements Config.
func (c GRUConfig) Build(b *Builder) (Layer, error) {
	l, err := buildRecurrent(b, c.shape(), rnn.GRU)
	return &GRU{l, c}, err
}

// GRU is a gated recurrent unit: at every step
//
//	r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)
//	n = tanh(W_ih x + b_ih + r * (W_hh h + b_hh))
//	h = (1 - z) * n + z * h
//
// with rows of its own for each gate, in the order r, z, n; h is the output. Parameters
// have the names, shapes and order of those of torch.nn.GRU, weight_ih_l0 (3*Hidden,
// DModel), weight_hh_l0 (3*Hidden, Hidden), bias_ih_l0, bias_hh_l0 and so on for every
// layer, and with the suffix _reverse for the backward direction.
//
// Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder",
// arXiv:1406.1078, with the reset gate after the product.
type GRU struct {
	recurrentLayer
	cfg GRUConfig
}

// NewGRU makes a GRU layer. All parameters start uniform in +-1/sqrt(Hidden).
func NewGRU(g *G.ExprGraph, dt tensor.Dtype, cfg GRUConfig, opts ...Option) (*GRU, error) {
	return newLayer[*GRU](g, dt, cfg, opts)
}

// Config returns the layer's configuration.
func (l *GRU) Config() GRUConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *GRU) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*GRU, error) { return Clone(l, g, opts...) }

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, DModel) to (batch, Hidden).
func (l *GRU) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }
