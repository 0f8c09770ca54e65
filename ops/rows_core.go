package ops

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// stackRows is the core of StackRows.
type stackRows[T num.Float] struct{}

func (stackRows[T]) Forward(out []T, in []graphop.Arg[T]) error {
	copy(out[copy(out, in[0].F):], in[1].F)
	return nil
}

func (stackRows[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	half := len(gout) / 2
	for i, g := range grad {
		if g != nil {
			copy(g, gout[i*half:])
		}
	}
	return nil
}

// compare is the core of Compare.
type compare[T num.Float] struct{ b, h int }

// vectors returns those of pair i.
func (c compare[T]) vectors(x []T, i int) (a, b []T) {
	return x[i*c.h : (i+1)*c.h], x[(c.b+i)*c.h : (c.b+i+1)*c.h]
}

// quarters returns row i of y (B, 4H) in its four parts.
func (c compare[T]) quarters(y []T, i int) (of [4][]T) {
	for k := range of {
		of[k] = y[(4*i+k)*c.h : (4*i+k+1)*c.h]
	}
	return of
}

// pair writes row i of y.
func (c compare[T]) pair(y, a, b []T, i int) {
	of := c.quarters(y, i)
	copy(of[0], a)
	copy(of[1], b)
	vec.Sub(of[2], a, b)
	vec.Mul(of[3], a, b)
}

func (c compare[T]) Forward(out []T, in []graphop.Arg[T]) error {
	for i := range c.b {
		a, b := c.vectors(in[0].F, i)
		c.pair(out, a, b, i)
	}
	return nil
}

// Backward: da = g0 + g2 + g3 b, db = g1 - g2 + g3 a.
func (c compare[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	for i := range c.b {
		a, b := c.vectors(in[0].F, i)
		da, db := c.vectors(grad[0], i)
		g := c.quarters(gout, i)
		for k := range da {
			da[k] = g[0][k] + g[2][k] + g[3][k]*b[k]
			db[k] = g[1][k] - g[2][k] + g[3][k]*a[k]
		}
	}
	return nil
}

// CompareRows is Compare without a graph: of a and b (B, h) it returns (B, 4h).
func CompareRows[T num.Float](h int, a, b []T) []T {
	c := compare[T]{len(a) / h, h}
	y := make([]T, 4*len(a))
	for i := range c.b {
		c.pair(y, a[i*h:(i+1)*h], b[i*h:(i+1)*h], i)
	}
	return y
}

// pick is the core of Pick.
type pick[T num.Float] struct{ b, c int }

// of returns the class of row b, the winning one in the place of -1.
func (c pick[T]) of(in []graphop.Arg[T], b int) int {
	k := in[1].I[b]
	if k >= 0 {
		return k
	}
	k = 0
	row := in[0].F[b*c.c : (b+1)*c.c]
	for i, v := range row {
		if v > row[k] {
			k = i
		}
	}
	return k
}

func (c pick[T]) Forward(out []T, in []graphop.Arg[T]) error {
	for b, k := range in[1].I {
		if k < -1 || k >= c.c {
			return fmt.Errorf("class[%d]: want one in [0, %d), or -1 for the winning one, got %d", b, c.c, k)
		}
	}
	for b := range out {
		out[b] = in[0].F[b*c.c+c.of(in, b)]
	}
	return nil
}

func (c pick[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	clear(grad[0])
	for b, g := range gout {
		grad[0][b*c.c+c.of(in, b)] = g
	}
	return nil
}
