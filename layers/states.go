package layers

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/weights"
)

// ScanStates feeds a whole sequence u (B, DModel, L) to a recurrence, from the
// state it is in, and returns the outputs y (B, DOut, L) and the state after
// every step, whose tensors are (L, B, ...) with the shape of those of
// Recurrence.State after L. Of a tensor that grows all have the length of the last,
// with zeros in front. The recurrence is left in the last of them. u is
// contiguous and of the layer's dtype.
//
// The states take L times the memory of one. FwdState returns the last one
// alone, in a graph and with gradients.
func ScanStates(r Session, u *tensor.Dense) (y *tensor.Dense, states State, err error) {
	if r == nil {
		return nil, nil, errors.New("layers: ScanStates: want a recurrence, got nil")
	}
	s := shapeOf(u)
	if len(s) != 3 || s.TotalSize() == 0 {
		return nil, nil, fmt.Errorf("layers: ScanStates: want u (B, DModel, L), got %v", s)
	}
	switch u.Dtype() {
	case tensor.Float32:
		return scanStates[float32](r, u)
	case tensor.Float64:
		return scanStates[float64](r, u)
	}
	return nil, nil, fmt.Errorf("layers: ScanStates: want u of dtype float32 or float64, got %v", u.Dtype())
}

// checkScan reports states that are too large together, those of as many steps from
// a state on.
func checkScan(from State, steps int) error {
	for _, t := range from {
		shape := append(tensor.Shape{steps}, shapeOf(t.Value)...)
		if t.Grows > 0 && t.Grows+1 < len(shape) {
			shape[t.Grows+1] += steps - 1
		}
		if err := size.Tensor(fmt.Sprintf("%q of all steps", t.Name), shape...); err != nil {
			return err
		}
	}
	return nil
}

func scanStates[T num.Float](r Session, u *tensor.Dense) (y *tensor.Dense, states State, err error) {
	in, ok := weights.Memory[T](u)
	if !ok {
		return nil, nil, fmt.Errorf("layers: ScanStates: want u contiguous and row-major, got strides %v", u.Strides())
	}
	b, h, l := u.Shape()[0], u.Shape()[1], u.Shape()[2]
	if err := checkScan(r.State(), l); err != nil {
		return nil, nil, fmt.Errorf("layers: ScanStates: %w", err)
	}
	step := make([]T, b*h)
	ut := tensor.New(tensor.WithShape(b, h), tensor.WithBacking(step))
	var out []T
	all := make([]State, l)
	shape := tensor.Shape{b, 0, l}
	for t := range l {
		for i := range step {
			step[i] = in[i*l+t]
		}
		yt, err := r.Step(ut)
		if err != nil {
			return nil, nil, err
		}
		v, ok := weights.Memory[T](yt)
		if !ok || len(yt.Shape()) != 2 || yt.Shape()[0] != b || out != nil && len(v)*l != len(out) {
			return nil, nil, fmt.Errorf("layers: ScanStates: want steps (%d, features) of dtype %v, contiguous, got %s", b, u.Dtype(), describe(yt))
		}
		if out == nil {
			shape[1] = len(v) / b
			out = make([]T, len(v)*l)
		}
		for i, x := range v {
			out[i*l+t] = x
		}
		all[t] = r.State()
	}
	states, err = JoinStates(all...)
	if err != nil {
		return nil, nil, fmt.Errorf("layers: ScanStates: a state that keeps its shape: %w", err)
	}
	for i := range states { // (L*B, ...)
		t := &states[i]
		if err := t.Value.Reshape(append(tensor.Shape{l}, all[l-1][i].Value.Shape()...)...); err != nil {
			return nil, nil, fmt.Errorf("layers: ScanStates: %w", err)
		}
		if t.Grows > 0 {
			t.Grows++
		}
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(out)), states, nil
}
