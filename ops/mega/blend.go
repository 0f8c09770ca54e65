package mega

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Blend adds x + sigmoid(u) (h - x) to the graph of x, u and h (B, D, L): h where the gate
// u is open, and x where it is not. Only the first lengths[b] steps of row b count, as in
// [Attend].
func Blend(x, u, h, lengths *G.Node) (*G.Node, error) {
	const name = "mega.Blend"
	in, err := graphop.Floats(name, graphop.Named("x", x), graphop.Named("u", u), graphop.Named("h", h))
	if err != nil {
		return nil, err
	}
	s := x.Shape()
	if s.Dims() != 3 || s.TotalSize() == 0 {
		return nil, fmt.Errorf("%s: x: want (B, D, L), each at least 1, got %v", name, s)
	}
	for n, v := range map[string]*G.Node{"u": u, "h": h} {
		if err = graphop.WantShape(n, v, s); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := graphop.WantLengths(lengths, s[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: s}
	if s[2] == 1 {
		spec.Carried = []*G.Node{x, u, h}
	}
	if lengths != nil {
		spec.Ints = []int{3}
		in = append(in, lengths)
	}
	rows, l := s[1], s[2]
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return blend[float32]{rows, l, graphop.PerWorker[[]float32]()} },
		func() graphop.Core[float64] { return blend[float64]{rows, l, graphop.PerWorker[[]float64]()} }, in...)
}

// blend is the core of Blend.
type blend[T num.Float] struct {
	d, l int
	ws   graphop.Common[[][]T]
}

// each calls f for every row of steps: its first element, and how many steps count.
func (c blend[T]) each(total int, in []graphop.Arg[T], f func(tmp []T, at, n int)) {
	spaces := *c.ws.Get()
	par.For(total/c.l, func(worker, row int) {
		n := c.l
		if len(in) > 3 {
			n = in[3].I[row/c.d]
		}
		spaces[worker] = num.Grow(spaces[worker], c.l)
		f(spaces[worker], row*c.l, n)
	})
}

func (c blend[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if len(in) > 3 {
		if err := graphop.ValidLengths(in[3].I, c.l); err != nil {
			return err
		}
	}
	c.each(len(out), in, func(tmp []T, at, n int) {
		x, u, h, y := in[0].F[at:][:n], in[1].F[at:][:n], in[2].F[at:][:n], out[at:][:n]
		vec.Sub(tmp[:n], h, x)
		vec.GLU(y, tmp[:n], u)
		vec.Add(y, y, x)
		clear(out[at+n : at+c.l])
	})
	return nil
}

func (c blend[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.each(len(gout), in, func(tmp []T, at, n int) {
		x, u, h, g := in[0].F[at:][:n], in[1].F[at:][:n], in[2].F[at:][:n], gout[at:][:n]
		dx, du, dh := grad[0][at:][:n], grad[1][at:][:n], grad[2][at:][:n]
		vec.Sub(tmp[:n], h, x)
		vec.GLUGrad(dh, du, tmp[:n], u, g)
		vec.Sub(dx, g, dh)
		for _, d := range grad[:3] {
			clear(d[at+n : at+c.l])
		}
	})
	return nil
}
