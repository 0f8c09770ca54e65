package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Sine applies sin(omega x) to every element of x, of any shape: the activation of
// networks of coordinates. omega is finite.
//
// Sitzmann et al. 2020, "Implicit Neural Representations with Periodic Activation
// Functions" (SIREN), arXiv:2006.09661.
func Sine(x *G.Node, omega float64) (*G.Node, error) {
	const op = "ops.Sine"
	if err := checkAnyShape(op, "x", x); err != nil {
		return nil, err
	}
	if !num.Finite(omega) {
		return nil, fmt.Errorf("%s: want a finite omega, got %g", op, omega)
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape(), Carried: oneStep(x)},
		func() graphop.Core[float32] { return sine[float32]{omega} },
		func() graphop.Core[float64] { return sine[float64]{omega} }, x)
}

// Sinusoids returns waves over positions, a row for each of H,
//
//	y[h,j] = sin(omega (w[h] t_j + b[h])), t_j = first + step j,
//
// (1, H, n): the first layer of a network of coordinates of one axis, whose angles are
// computed in float64. w is (H, 1) and b (H). omega, first and step are finite.
func Sinusoids(w, b *G.Node, omega, first, step float64, n int) (*G.Node, error) {
	const op = "ops.Sinusoids"
	if err := checkAnyShape(op, "w", w); err != nil {
		return nil, err
	}
	ws := w.Shape()
	switch {
	case len(ws) != 2 || ws[1] != 1:
		return nil, fmt.Errorf("%s: want w (H, 1), got %v", op, ws)
	case n < 1:
		return nil, fmt.Errorf("%s: want n >= 1, got %d", op, n)
	case !num.Finite(omega) || !num.Finite(first) || !num.Finite(step):
		return nil, fmt.Errorf("%s: want finite omega, first and step, got %g, %g and %g", op, omega, first, step)
	}
	if err := checkShape(op, "b", b, w.Dtype(), ws[0]); err != nil {
		return nil, err
	}
	if err := size.Tensor("the waves (H, n)", ws[0], n); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	l := line{omega, first, step}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{1, ws[0], n}},
		func() graphop.Core[float32] { return sinusoids[float32]{l} },
		func() graphop.Core[float64] { return sinusoids[float64]{l} }, w, b)
}
