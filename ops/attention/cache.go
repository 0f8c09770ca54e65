package attention

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// cache is the core of the next keys, rotated, or values of a cache: those of
// the last steps (B, H, T, hd), newest last, zero in front.
type cache[T num.Float] struct {
	heads[T]
	which int // 0: keys, 1: values
	next  int // T
	ws    []cacheSpace[T]
}

// cacheSpace is the scratch memory of a worker.
type cacheSpace[T num.Float] struct {
	head[T]
	rows []T // (hd, L)
}

func newCache[T num.Float](d dims, o operands, which int) *cache[T] {
	c := &cache[T]{heads: newHeads[T](d, o), which: which, next: d.slots + d.l, ws: make([]cacheSpace[T], par.Workers())}
	if d.Window > 0 {
		c.next = d.Config.slots()
	}
	return c
}

// split returns how many of the old steps and of the new ones the next cache
// holds.
func (c *cache[T]) split(past int) (old, recent int) {
	recent = min(c.l, c.next)
	return min(past, c.next-recent), recent
}

func (c *cache[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if err := c.begin(in); err != nil {
		return err
	}
	c.each(func(worker, u int) {
		s := &c.ws[worker]
		c.counts(&s.head, in, u)
		c.turn(&s.head, in, u)
		s.rows = num.Grow(s.rows, c.hd*c.l)
		c.readRows(&s.head, s.rows, c.l, c.part(in[0].F, 1+c.which, u), c.which == 0)
		old, recent := c.split(s.past)
		y := out[u*c.next*c.hd:][:c.next*c.hd]
		clear(y[:(c.next-old-recent)*c.hd])
		if old > 0 {
			x := c.cached(in[c.k].F, u, old)
			copy(y[(c.next-old-recent)*c.hd:], x)
		}
		y = y[(c.next-recent)*c.hd:]
		for i := range c.hd {
			for j, v := range s.rows[i*c.l+c.l-recent:][:recent] {
				y[j*c.hd+i] = v
			}
		}
	})
	return nil
}

func (c *cache[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.each(func(worker, u int) {
		s := &c.ws[worker]
		c.counts(&s.head, in, u)
		c.turn(&s.head, in, u)
		for which := range 3 {
			clear(c.part(grad[0], which, u))
		}
		old, recent := c.split(s.past)
		g := gout[u*c.next*c.hd:][:c.next*c.hd]
		s.rows = num.Grow(s.rows, c.hd*c.l)
		clear(s.rows)
		transpose(s.rows[c.l-recent:], c.l, g[(c.next-recent)*c.hd:], c.hd)
		c.writeRows(&s.head, c.part(grad[0], 1+c.which, u), s.rows, c.l, c.which == 0)
		if dk := at(grad, c.k); dk != nil {
			dk = dk[u*c.slots*c.hd:][:c.slots*c.hd]
			clear(dk)
			copy(dk[(c.slots-old)*c.hd:], g[(c.next-old-recent)*c.hd:(c.next-recent)*c.hd])
		}
	})
	return nil
}
