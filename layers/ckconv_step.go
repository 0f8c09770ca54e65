package layers

import (
	"errors"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/conv1d"
)

// Recurrence returns the layer as a recurrent network for batches of the given size: Step
// maps (batch, In) to (batch, Out), in O(LMax) for each pair of features. Its state is the
// last inputs, as StateShapes describes it; the kernels are computed once.
func (l *CKConv) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *CKConv) Snapshot() (Snapshot, error) {
	switch {
	case l.Base == nil:
		return nil, l.wrap("Recurrence", errNotMade)
	case l.dt == tensor.Float32:
		return newCKConvSnapshot[float32](l)
	}
	return newCKConvSnapshot[float64](l)
}

// newCKConvSnapshot is a convolution with as many taps as there are lags.
func newCKConvSnapshot[T num.Float](l *CKConv) (*conv1dSnapshot[T], error) {
	c, taps := l.cfg, l.reach()+1
	if err := l.wrap("Recurrence", size.Tensor("the kernels (Out, In, lags)", c.Out, c.In, taps)); err != nil {
		return nil, err
	}
	k, err := ckKernels[T](l, taps)
	var bias []T
	if err == nil {
		err = read(&bias, l.bias)
	}
	s := &conv1dSnapshot[T]{l: l.Base, state: l.StateShapes}
	if err == nil {
		s.weights, err = conv1d.NewWeights(conv1d.Shape{In: c.In, Out: c.Out, Groups: 1, Kernel: taps, Dilation: 1}, k, bias)
	}
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return s, nil
}

// ckKernels computes the kernels (Out, In, taps), from the largest lag to the present.
func ckKernels[T num.Float](l *CKConv, taps int) ([]T, error) {
	h, n := make([]T, taps*l.cfg.Hidden), l.cfg.Hidden
	for i, s := range l.layers {
		var w, norm, b []T
		if err := errors.Join(read(&w, s.w), read(&norm, s.norm), read(&b, s.b)); err != nil {
			return nil, err
		}
		if norm != nil {
			direction := w
			w = make([]T, len(direction))
			ops.WeightsOfNorm(w, direction, norm)
		}
		if i == 0 {
			for j := range taps {
				ops.SinusoidsAt(h[j*n:][:n], w, b, l.cfg.Omega0, 1-l.between()*float64(j))
			}
			continue
		}
		h = ops.NewLinearWeights(s.in, s.out, w, b).NewStep().Apply(h, taps)
		if i == 1 {
			ops.Sines(h, h, l.cfg.Omega0)
		}
	}
	pairs := l.cfg.Out * l.cfg.In
	k := make([]T, pairs*taps)
	for j := range taps {
		for p, v := range h[j*pairs:][:pairs] {
			k[p*taps+taps-1-j] = T(l.rate) * v
		}
	}
	return k, nil
}
