package hippornn

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// clock is the time of a row of LegS.
type clock struct{ position float64 }

// step returns the a of a step that comes dt after the last, and goes on to the next.
func (c *clock) step(dt float64) float64 {
	if c.position == 0 {
		c.position = 1
		return firstStep
	}
	t := c.position - 1 + dt
	c.position += dt
	return dt / (2 * t)
}

// checkDt returns the error of a step that is out of range.
func checkDt[T num.Float](v T) error {
	if !(v > 0) || !num.Finite(v) {
		return fmt.Errorf("want a step > 0, finite, got %g", float64(v))
	}
	return nil
}

// CheckPositions returns the error of the first position that no row can have.
func CheckPositions[T num.Float](position []T) error {
	for b, v := range position {
		if v != 0 && !(v >= 1) || !num.Finite(v) {
			return fmt.Errorf("position of row %d: want 0, at the start, or a finite number >= 1, got %g", b, float64(v))
		}
	}
	return nil
}

// checkTimes returns the error of a position (rows), or of a step dt (rows, l) that
// counts, that is out of range.
func checkTimes[T num.Float](position, dt []T, lengths []int, rows, l int) error {
	if err := CheckPositions(position); err != nil || dt == nil {
		return err
	}
	for b := range rows {
		for t, v := range dt[b*l:][:graphop.Length(lengths, b, l)] {
			if err := checkDt(v); err != nil {
				return fmt.Errorf("dt[%d, %d]: %w", b, t, err)
			}
		}
	}
	return nil
}

// NextPosition adds the positions (B) behind the last step of x (B, I, L) to its graph,
// of LegS, from those before the first step: start (B), nil for 0. dt (B, L) is as in
// [Sequence]. They have no gradient.
func NextPosition(x, start, dt *G.Node) (*G.Node, error) {
	const name = "hippornn.NextPosition"
	in, err := graphop.Floats(name, graphop.Named("x", x), graphop.Optional("start", start), graphop.Optional("dt", dt))
	if err != nil {
		return nil, err
	}
	s := x.Shape()
	if s.Dims() != 3 || s.TotalSize() == 0 {
		return nil, fmt.Errorf("%s: x: want (B, I, L), each at least 1, got %v", name, s)
	}
	n := nextPosition{b: s[0], l: s[2], start: -1, dt: -1}
	spec := graphop.Spec{Name: name, Out: tensor.Shape{n.b}, NoGrad: []int{0}, Unread: []int{0}, Carried: []*G.Node{start}}
	if start != nil {
		n.start = 1
		spec.NoGrad = append(spec.NoGrad, n.start)
		err = graphop.WantShape("start", start, []int{n.b})
	}
	if dt != nil {
		n.dt = len(in) - 1
		spec.NoGrad = append(spec.NoGrad, n.dt)
		if err == nil {
			err = graphop.WantShape("dt", dt, []int{n.b, n.l})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return nextPositions[float32]{n} },
		func() graphop.Core[float64] { return nextPositions[float64]{n} }, in...)
}

// nextPosition is the size of the op, and where its inputs are, -1 for none.
type nextPosition struct{ b, l, start, dt int }

// nextPositions is the core of NextPosition.
type nextPositions[T num.Float] struct{ nextPosition }

func (n nextPositions[T]) Forward(out []T, in []graphop.Arg[T]) error {
	var start, dt []T
	if n.start >= 0 {
		start = in[n.start].F
	}
	if n.dt >= 0 {
		dt = in[n.dt].F
	}
	if err := checkTimes(start, dt, nil, n.b, n.l); err != nil {
		return err
	}
	for b := range out {
		var c clock
		if start != nil {
			c.position = float64(start[b])
		}
		for t := range n.l {
			d := 1.0
			if dt != nil {
				d = float64(dt[b*n.l+t])
			}
			c.step(d)
		}
		if out[b] = T(c.position); !num.Finite(out[b]) {
			return fmt.Errorf("dt of row %d: want steps that leave the position finite, got %g", b, c.position)
		}
	}
	return nil
}

func (nextPositions[T]) Backward([][]T, []graphop.Arg[T], []T, []T) error { return nil }
