package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops/rnn"
)

// RNNConfig configures an RNN layer.
type RNNConfig struct {
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
	// ReLU makes the map of the sum max(v, 0) instead of tanh.
	ReLU bool `json:"relu,omitempty"`
}

// shape returns what all recurrent layers have.
func (c RNNConfig) shape() recurrentShape {
	return recurrentShape{c.DModel, c.Hidden, c.Layers, c.Bidirectional, c.Dropout, c.NoBias}
}

func (c RNNConfig) cell() rnn.Cell {
	if c.ReLU {
		return rnn.ReLU
	}
	return rnn.Tanh
}

// Validate reports the first field that is out of range.
func (c RNNConfig) Validate() error {
	if err := c.shape().validate(c.cell()); err != nil {
		return fmt.Errorf("RNNConfig: %w", err)
	}
	return nil
}

// Features implements MixerConfig.
func (c RNNConfig) Features() (in, out int) { return c.shape().features() }

// Build implements Config.
func (c RNNConfig) Build(b *Builder) (Layer, error) {
	l, err := buildRecurrent(b, c.shape(), c.cell())
	return &RNN{l, c}, err
}

// RNN is a recurrent network without gates, of Elman: at every step
//
//	h = tanh(W_ih x + b_ih + W_hh h + b_hh)
//
// or max(v, 0) of the sum with ReLU; h is the output. Parameters have the names, shapes and order of those of
// torch.nn.RNN, weight_ih_l0 (Hidden, DModel), weight_hh_l0 (Hidden, Hidden), bias_ih_l0,
// bias_hh_l0 and so on for every layer, and with the suffix _reverse for the backward
// direction.
//
// Elman 1990, "Finding Structure in Time".
type RNN struct {
	recurrentLayer
	cfg RNNConfig
}

// NewRNN makes an RNN layer. All parameters start uniform in +-1/sqrt(Hidden).
func NewRNN(g *G.ExprGraph, dt tensor.Dtype, cfg RNNConfig, opts ...Option) (*RNN, error) {
	return newLayer[*RNN](g, dt, cfg, opts)
}

// Config returns the layer's configuration.
func (l *RNN) Config() RNNConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *RNN) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*RNN, error) { return Clone(l, g, opts...) }

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, DModel) to (batch, Hidden).
func (l *RNN) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }
