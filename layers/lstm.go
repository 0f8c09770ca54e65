package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops/rnn"
)

// LSTMConfig configures an LSTM layer.
type LSTMConfig struct {
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
func (c LSTMConfig) shape() recurrentShape { return recurrentShape(c) }

// Validate reports the first field that is out of range.
func (c LSTMConfig) Validate() error {
	if err := c.shape().validate(rnn.LSTM); err != nil {
		return fmt.Errorf("LSTMConfig: %w", err)
	}
	return nil
}

// Features implements MixerConfig.
func (c LSTMConfig) Features() (in, out int) { return c.shape().features() }

// Build implements Config.
func (c LSTMConfig) Build(b *Builder) (Layer, error) {
	l, err := buildRecurrent(b, c.shape(), rnn.LSTM)
	return &LSTM{l, c}, err
}

// LSTM is a long short-term memory: at every step
//
//	i, f, o = sigmoid(W_ih x + b_ih + W_hh h + b_hh)
//	g = tanh(W_ih x + b_ih + W_hh h + b_hh)
//	c = f * c + i * g
//	h = o * tanh(c)
//
// with rows of its own for each gate, in the order i, f, g, o; h is the output.
// Parameters have the names, shapes and order of those of torch.nn.LSTM, weight_ih_l0
// (4*Hidden, DModel), weight_hh_l0 (4*Hidden, Hidden), bias_ih_l0, bias_hh_l0 and so on
// for every layer, and with the suffix _reverse for the backward direction.
//
// Hochreiter, Schmidhuber 1997, "Long Short-Term Memory", with the forget gate f of
// Gers, Schmidhuber, Cummins 2000, "Learning to Forget".
type LSTM struct {
	recurrentLayer
	cfg LSTMConfig
}

// NewLSTM makes an LSTM layer. All parameters start uniform in +-1/sqrt(Hidden).
func NewLSTM(g *G.ExprGraph, dt tensor.Dtype, cfg LSTMConfig, opts ...Option) (*LSTM, error) {
	return newLayer[*LSTM](g, dt, cfg, opts)
}

// Config returns the layer's configuration.
func (l *LSTM) Config() LSTMConfig { return l.cfg }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *LSTM) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*LSTM, error) {
	return Clone(l, g, opts...)
}

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, DModel) to (batch, Hidden).
func (l *LSTM) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }
