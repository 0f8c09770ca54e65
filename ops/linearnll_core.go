package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// meanNLLDims are the sizes of MeanNLL and its input of lengths, or -1.
type meanNLLDims struct{ b, l, lengths int }

// meanNLL is the core of MeanNLL.
type meanNLL[T num.Float] struct{ meanNLLDims }

// each calls f for every step that counts and returns their number.
func (c *meanNLL[T]) each(in []graphop.Arg[T], f func(at int)) (count int) {
	var lens []int
	if c.lengths >= 0 {
		lens = in[c.lengths].I
	}
	for b := range c.b {
		for l, y := range in[1].I[b*c.l:][:graphop.Length(lens, b, c.l)] {
			if y != IgnoreLabel {
				f(b*c.l + l)
				count++
			}
		}
	}
	return count
}

func (c *meanNLL[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if c.lengths >= 0 {
		if err := graphop.ValidLengths(in[c.lengths].I, c.l); err != nil {
			return err
		}
	}
	var sum float64
	count := c.each(in, func(at int) { sum += float64(in[0].F[at]) })
	out[0] = T(sum / float64(max(count, 1)))
	return nil
}

func (c *meanNLL[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	clear(grad[0])
	count := c.each(in, func(int) {})
	g := T(float64(gout[0]) / float64(max(count, 1)))
	c.each(in, func(at int) { grad[0][at] = g })
	return nil
}
