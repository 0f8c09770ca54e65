package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops/rnn"
	"github.com/gorgonia-s4/s4/param"
)

// recurrentShape is what the configurations of all recurrent layers have, in this order.
type recurrentShape struct {
	DModel        int
	Hidden        int
	Layers        int
	Bidirectional bool
	Dropout       float64
	NoBias        bool
}

// resolved returns the configuration with its defaults.
func (c recurrentShape) resolved() recurrentShape {
	def(&c.Layers, 1)
	def(&c.Hidden, c.DModel/c.directions())
	return c
}

func (c recurrentShape) directions() int {
	if c.Bidirectional {
		return 2
	}
	return 1
}

// states is the number of states of a row, one for each layer and direction.
func (c recurrentShape) states() int { return c.Layers * c.directions() }

// features returns the number of features of input and output.
func (c recurrentShape) features() (in, out int) {
	c = c.resolved()
	return c.DModel, c.directions() * c.Hidden
}

// inputs is the number of features that a layer reads.
func (c recurrentShape) inputs(layer int) int {
	if layer == 0 {
		return c.DModel
	}
	return c.directions() * c.Hidden
}

// validate reports the first field that is out of range, of a layer of the cell.
func (c recurrentShape) validate(cell rnn.Cell) error {
	if err := size.First(size.Field("DModel", c.DModel), size.Field("Hidden", c.Hidden)); err != nil {
		return err
	}
	switch {
	case c.DModel < 1:
		return fmt.Errorf("want DModel >= 1, got %d", c.DModel)
	case c.Hidden < 0:
		return fmt.Errorf("want Hidden >= 1, or 0 for the default, got %d", c.Hidden)
	case c.Hidden == 0 && c.DModel%c.directions() != 0:
		return fmt.Errorf("want DModel even, or Hidden, the features of each direction of a bidirectional layer, got DModel = %d", c.DModel)
	case c.Layers < 0:
		return fmt.Errorf("want Layers >= 1, or 0 for the default, got %d", c.Layers)
	case c.Layers > maxLevels:
		return fmt.Errorf("want Layers at most %d, got %d", maxLevels, c.Layers)
	case c.Dropout > 0 && c.Layers <= 1:
		return fmt.Errorf("Dropout is between layers: want Layers >= 2 too, got %d", max(1, c.Layers))
	}
	if err := inField("Dropout", DropoutConfig{P: c.Dropout}.Validate()); err != nil {
		return err
	}
	c = c.resolved()
	gates := cell.Gates()
	return size.First(
		size.Tensor("weight_ih (gates*Hidden, features)", gates, c.Hidden, c.DModel),
		size.Tensor("weight_hh (gates*Hidden, Hidden)", gates, c.Hidden, c.directions(), c.Hidden))
}

// recurrentLayer is what LSTM, GRU and RNN are: one op for each layer.
type recurrentLayer struct {
	*Base
	c      recurrentShape // resolved
	cell   rnn.Cell
	params [][]rnn.Params[*G.Node] // by layer and direction
	drops  []*Dropout              // between the layers
}

// buildRecurrent makes the parameters of a recurrent layer.
func buildRecurrent(b *Builder, c recurrentShape, cell rnn.Cell) (recurrentLayer, error) {
	c = c.resolved()
	l := recurrentLayer{c: c, cell: cell, params: make([][]rnn.Params[*G.Node], c.Layers)}
	rows := cell.Gates() * c.Hidden
	for k := range c.Layers {
		for _, suffix := range []string{"", "_reverse"}[:c.directions()] {
			make := func(name string, shape ...int) *G.Node {
				return b.Param(fmt.Sprintf("%s_l%d%s", name, k, suffix), param.Hint{}, UniformFanIn(c.Hidden), shape...)
			}
			p := rnn.Params[*G.Node]{WeightIH: make("weight_ih", rows, c.inputs(k)), WeightHH: make("weight_hh", rows, c.Hidden)}
			if !c.NoBias {
				p.BiasIH, p.BiasHH = make("bias_ih", rows), make("bias_hh", rows)
			}
			l.params[k] = append(l.params[k], p)
		}
		if c.Dropout > 0 && k+1 < c.Layers {
			drop, _ := child[*Dropout](b, fmt.Sprintf("dropout_l%d", k), DropoutConfig{P: c.Dropout, Untied: true})
			l.drops = append(l.drops, drop)
		}
	}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Fwd maps x (B, DModel, L) to (B, Hidden, L), or (B, 2*Hidden, L) for a bidirectional
// layer, the features of the forward direction first.
func (l *recurrentLayer) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first lengths[b]
// steps of row b are read, in x and in the gradient of the output, whatever
// stands behind them. The output is 0 there, and so is the gradient of x. lengths
// is (B) of dtype int, or nil. A length that is not in [0, L] is an error when
// the graph runs. The backward direction begins at the last step that counts.
func (l *recurrentLayer) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	if err := l.check(x, lengths); err != nil {
		return nil, err
	}
	y := x
	for k := range l.c.Layers {
		var err error
		if y, err = rnn.Sequence(l.config(k), y, l.params[k], rnn.State[*G.Node]{}, lengths); err != nil {
			return nil, l.wrap("Fwd", err)
		}
		if y, err = l.dropped(y, k); err != nil {
			return nil, err
		}
	}
	return l.made(y, x, lengths), nil
}

// check checks the input and its lengths.
func (l *recurrentLayer) check(x, lengths *G.Node) error {
	if err := l.checkInput(x, l.c.DModel, false); err != nil {
		return err
	}
	s := x.Shape()
	if err := l.checkSize("the output (B, features, L)", tensor.Shape{s[0], l.c.directions() * l.c.Hidden, s[2]}); err != nil {
		return err
	}
	return l.checkLengths(x, lengths)
}

// config is that of the op of layer k.
func (l *recurrentLayer) config(k int) rnn.Config {
	cfg := rnn.Config{Cell: l.cell, Slot: k * l.c.directions()}
	if l.c.Bidirectional {
		cfg.Direction = rnn.Both
	}
	return cfg
}

// dropped is the output y of layer k behind the dropout that follows it, if one does.
func (l *recurrentLayer) dropped(y *G.Node, k int) (*G.Node, error) {
	if k >= len(l.drops) {
		return y, nil
	}
	return l.drops[k].Fwd(y)
}

// FwdState is Fwd for a sequence that goes on from a state: x0 is the state before
// the first step of x, nil for zero, and x1 that after the last one, both as
// StateShapes describes them. Gradients go through them. A sequence fed in parts gives
// the output of the whole; a Carry hands the state over from one run to the next. A
// bidirectional layer has no state that a sequence could go on from: see FwdFrom.
func (l *recurrentLayer) FwdState(x *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if l.Base != nil && l.c.Bidirectional {
		return nil, nil, l.errorf("FwdState", "a bidirectional layer has no state that goes on, its output depends on the future: want Bidirectional false, or FwdFrom")
	}
	return l.from("FwdState", x, nil, x0)
}

// FwdFrom is FwdLengths from a state, for bidirectional layers too: x0 is the state
// before the first step of each row, for the backward direction that behind the last
// step that counts, and x1 the state after the last step that counts, for the backward
// direction after the first. Both are h and, for an LSTM, c: (B, Layers, Hidden), or
// (B, 2*Layers, Hidden) for a bidirectional layer, the backward direction of each layer
// behind the forward one. x0 may be nil, for zero. Gradients go through both. What a
// row without steps leaves is what it was given.
func (l *recurrentLayer) FwdFrom(x, lengths *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	return l.from("FwdFrom", x, lengths, x0)
}

func (l *recurrentLayer) from(method string, x, lengths *G.Node, x0 G.Nodes) (y *G.Node, x1 G.Nodes, err error) {
	if err := l.check(x, lengths); err != nil {
		return nil, nil, err
	}
	if err := l.checkStart(method, x0, l.shapes(x.Shape()[0])); err != nil {
		return nil, nil, err
	}
	var start rnn.State[*G.Node]
	if len(x0) > 0 {
		start.H = x0[0]
	}
	if len(x0) > 1 {
		start.C = x0[1]
	}
	var hs, cs []*G.Node
	y = x
	for k := range l.c.Layers {
		var end rnn.State[*G.Node]
		if y, end, err = rnn.SequenceState(l.config(k), y, l.params[k], start, lengths); err != nil {
			return nil, nil, l.wrap(method, err)
		}
		hs, cs = append(hs, end.H), append(cs, end.C)
		if y, err = l.dropped(y, k); err != nil {
			return nil, nil, err
		}
	}
	from := append(G.Nodes{x, lengths}, x0...)
	for _, states := range [][]*G.Node{hs, cs}[:l.tensors()] {
		n, err := rnn.JoinStates(states...)
		if err != nil {
			return nil, nil, l.wrap(method, err)
		}
		x1 = append(x1, l.made(n, from...))
	}
	return l.made(y, from...), x1, nil
}

// tensors is the number of those of a state.
func (l *recurrentLayer) tensors() int {
	if l.cell.HasC() {
		return 2
	}
	return 1
}

// StateShapes describes the state of a batch, for FwdState and Recurrence: h, and c for
// an LSTM, (B, Layers, Hidden), the batch first where torch.nn has the layers first.
// There is none for a bidirectional layer.
func (l *recurrentLayer) StateShapes(batch int) []StateShape {
	if l.Base == nil || l.c.Bidirectional {
		return nil
	}
	return l.shapes(batch)
}

// shapes is StateShapes for FwdFrom.
func (l *recurrentLayer) shapes(batch int) []StateShape {
	var all []StateShape
	for _, name := range []string{"h", "c"}[:l.tensors()] {
		all = append(all, StateShape{Name: name, Shape: tensor.Shape{batch, l.c.states(), l.c.Hidden}})
	}
	return all
}
