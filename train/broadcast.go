package train

import (
	"bytes"
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
)

// BroadcastParams makes the values of parameters and buffers those of rank 0, in place:
// the beginning of a loop of one's own, with [NewReducer], where ranks have drawn
// different ones or rank 0 alone has read a checkpoint. A [Trainer] does it by itself.
// All ranks call it, with the same names, types (float32, float64 or int64) and shapes in
// the same order: else all get a *[RankError] that names one with others, and nothing is
// changed. One that cannot call it tells the others by [Agree]. A single rank changes
// nothing.
func BroadcastParams(g Group, params []param.Param, buffers ...param.Buffer) error {
	if g == nil {
		return errors.New("train: BroadcastParams: want a group, got nil")
	}
	if alone(g) {
		return nil
	}
	r := newRanks(g)
	r.begin(inBroadcast, nil)
	f, err := paramTensors(params, buffers)
	letters, err := r.exchange(onState, 0, err, func(b []byte) []byte { return appendOutline(b, f) })
	if err == nil {
		err = sameOutline(letters)
	}
	if err == nil {
		err = r.broadcastAll(f, onState)
	}
	if err != nil {
		return fmt.Errorf("train: BroadcastParams: %w", err)
	}
	return nil
}

// paramTensors returns the values as tensors, which share their memory.
func paramTensors(params []param.Param, buffers []param.Buffer) (*safetensors.File, error) {
	f := &safetensors.File{}
	add := func(name string, value G.Value) error {
		data, err := weights.Elements(value)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		f.Tensors = append(f.Tensors, safetensors.Tensor{Name: name, Shape: value.Shape().Clone(), Data: data})
		return nil
	}
	for _, p := range params {
		if p.Node == nil {
			return nil, fmt.Errorf("parameter %q: want a node with a value, got none", p.Name)
		}
		if err := add(p.Name, p.Node.Value()); err != nil {
			return nil, err
		}
	}
	for _, b := range buffers {
		if err := add(b.Name, b.Value); err != nil {
			return nil, err
		}
	}
	return f, checkTypes(f)
}

// sameOutline reports ranks whose tensors are not those of rank 0.
func sameOutline(letters []letter) error {
	errs := make([]error, len(letters))
	for rank := range letters {
		if !bytes.Equal(letters[rank].b, letters[0].b) {
			errs[rank] = errors.New("want the parameters and buffers of rank 0: names, types and shapes in their order, got others")
		}
	}
	return rankErrors(errs)
}
