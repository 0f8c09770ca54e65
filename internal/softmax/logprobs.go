package softmax

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// LogProbs is a graphop.Core: its output (B, V, L) is the logarithm of the probability of
// every class at every step. Config.Labels is not read, nor is Smoothing.
type LogProbs[T num.Float] struct {
	*Core[T]
	v    int   // classes
	at   []int // the steps that count
	lse  graphop.Scratch[T]
	head graphop.Scratch[T] // (clusters, tokens): logarithms of their probabilities, and of a gradient sums over their classes
}

// NewLogProbs returns the core of a configuration.
func NewLogProbs[T num.Float](cfg Config) *LogProbs[T] {
	cfg.Smoothing = 0
	return &LogProbs[T]{Core: New[T](cfg), v: cfg.classes()}
}

// SetTraining implements graphop.TrainModer: it makes no difference.
func (c *LogProbs[T]) SetTraining(bool) {}

// Rooms implements graphop.Roomy.
func (c *LogProbs[T]) Rooms() []graphop.Holder {
	return append(c.Core.Rooms(), &c.lse, &c.head)
}

// begin finds the steps that count.
func (c *LogProbs[T]) begin(in []graphop.Arg[T]) error {
	c.work.Get()
	lens, err := c.lens(in)
	if err != nil {
		return err
	}
	c.at = c.at[:0]
	for b := range c.B {
		for l := range graphop.Length(lens, b, c.L) {
			c.at = append(c.at, b*c.L+l)
		}
	}
	return nil
}

// each calls f for some steps at a time.
func (c *LogProbs[T]) each(f func(at []int)) {
	width := c.maps[0].width()
	for _, m := range c.maps {
		width = min(width, m.width())
	}
	for lo := 0; lo < len(c.at); lo += width {
		f(c.at[lo:min(lo+width, len(c.at))])
	}
}

// row returns where in (B, V, L) the first class of a step is.
func (c *LogProbs[T]) row(at int) int { return at/c.L*c.v*c.L + at%c.L }

// first returns the first class of map i.
func (c *LogProbs[T]) first(i int) int {
	if i == 0 {
		return 0
	}
	return c.Cutoffs[i-1]
}

// shortlist returns the number of classes of the head that are no clusters.
func (c *LogProbs[T]) shortlist() int { return c.maps[0].n - len(c.Cutoffs) }

// Forward implements graphop.Core.
func (c *LogProbs[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	if len(c.at) < c.B*c.L {
		par.Blocks(len(out), grain, func(_, lo, hi int) { clear(out[lo:hi]) })
	}
	c.each(func(at []int) {
		for i, m := range c.maps {
			m.in, m.at, m.class = in, at, nil
			z := m.z.Of(m.n * len(at))
			m.logits(m.features(m.gather()), z, keepLogits)
			c.write(out, z, i)
		}
	})
	return nil
}

// write sets the classes of map i, of the steps under way, given the logits z.
func (c *LogProbs[T]) write(out, z []T, i int) {
	m := c.maps[i]
	n := len(m.at)
	top, sum, lse, head := m.top.Of(len(m.tiles)*n), m.sum.Of(len(m.tiles)*n), c.lse.Of(n), c.head.Of(len(c.Cutoffs)*n)
	for j := range lse {
		lse[j] = T(m.logSum(top, sum, j))
		if i > 0 {
			lse[j] -= head[(i-1)*n+j]
		}
	}
	classes := m.n
	if i == 0 {
		classes = c.shortlist()
		for k := range c.Cutoffs {
			for j, v := range z[c.column(k)*n:][:n] {
				head[k*n+j] = v - lse[j]
			}
		}
	}
	par.Blocks(classes, 64, func(_, lo, hi int) {
		for j, at := range m.at {
			y := out[c.row(at)+c.first(i)*c.L:]
			for k := lo; k < hi; k++ {
				y[k*c.L] = z[k*n+j] - lse[j]
			}
		}
	})
}

// Backward implements graphop.Core: the gradient of a logit is that of its output less
// the probability times the sum of those of all outputs of the map.
func (c *LogProbs[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	if err := c.begin(in); err != nil {
		return err
	}
	setZero(grad)
	for i, m := range c.maps {
		clear(c.bias.Of(m.n))
		c.each(func(at []int) {
			m.in, m.at, m.class = in, at, nil
			total := c.sums(gout, at, i)
			h := m.gather()
			x := m.features(h)
			z := m.z.Of(m.n * len(at))
			m.logits(x, z, keepExponentials)
			m.losses(nil, true)
			m.backward(h, x, z, nil, grad, func(t tile, y []T) { c.logitGrads(t, y, total, gout, i) })
		})
		m.finish(grad)
	}
	return nil
}

// sums returns the sums of the gradients of the outputs of map i at some steps. For the
// head it keeps those of the clusters.
func (c *LogProbs[T]) sums(gout []T, at []int, i int) []T {
	n := len(at)
	total, head := c.lse.Of(n), c.head.Of(len(c.Cutoffs)*n)
	par.Blocks(n, 16, func(_, lo, hi int) {
		for j := lo; j < hi; j++ {
			g := gout[c.row(at[j]):]
			sum := func(first, classes int) (s float64) {
				for k := first; k < first+classes; k++ {
					s += float64(g[k*c.L])
				}
				return s
			}
			if i > 0 {
				total[j] = T(sum(c.Cutoffs[i-1], c.maps[i].n))
				continue
			}
			s := sum(0, c.shortlist())
			for k, first := range c.Cutoffs {
				v := sum(first, c.maps[k+1].n)
				head[k*n+j] = T(v)
				s += v
			}
			total[j] = T(s)
		}
	})
	return total
}

// logitGrads turns the probabilities of a tile of map i into the gradients of its logits.
func (c *LogProbs[T]) logitGrads(t tile, y, total, gout []T, i int) {
	m := c.maps[i]
	n, head := len(m.at), c.head.Of(len(c.Cutoffs)*len(m.at))
	for r := range t.hi - t.lo {
		row, class := y[r*n:][:n], t.first+r
		if k := c.clusterOf(i, class); k >= 0 {
			for j, p := range row {
				row[j] = head[k*n+j] - p*total[j]
			}
			continue
		}
		for j, p := range row {
			row[j] = gout[c.row(m.at[j])+(c.first(i)+class)*c.L] - p*total[j]
		}
	}
}

// clusterOf returns the cluster that a class of map i stands for, -1 for none.
func (c *LogProbs[T]) clusterOf(i, class int) int {
	for k := range c.Cutoffs {
		if i == 0 && c.column(k) == class {
			return k
		}
	}
	return -1
}
