package ops

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/splitmix"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// dropoutMask draws the masks of a dropout and computes them again, as often as
// they are needed.
type dropoutMask[T num.Float] struct {
	masks    *Masks
	below    uint32 // what has 32 random bits below is dropped
	scale    T      // of the others
	run      int    // consecutive elements, a row, that share their fate
	each     int    // rows of an example
	training bool

	// Of the last draw.
	dropped bool
	key     uint64
	of      Rows // the examples of it that are here
}

func newDropoutMask[T num.Float](c dropoutConfig, run, each int) dropoutMask[T] {
	return dropoutMask[T]{run: run, each: each, masks: c.masks, below: uint32(c.p * (1 << 32)), scale: T(1 / (1 - c.p)), training: true}
}

// draw begins a new mask: one that drops nothing in evaluation, or for p = 0.
func (m *dropoutMask[T]) draw() {
	m.dropped = m.training && m.masks != nil
	if m.dropped {
		m.key, m.of = m.masks.draw()
	}
}

// index returns the index in the mask of row r.
func (m *dropoutMask[T]) index(r int) int { return m.of.row(r/m.each)*m.each + r%m.each }

// factor returns what multiplies row r. Its fate is decided by the upper half of
// 64 random bits; a row of one element shares them with its neighbour.
func (m *dropoutMask[T]) factor(r int) T {
	if !m.dropped {
		return 1
	}
	r = m.index(r)
	bits := splitmix.Mix(m.key + uint64(r)*splitmix.Golden)
	if m.run == 1 {
		bits = splitmix.Mix(m.key + uint64(r/2)*splitmix.Golden)
		if r%2 == 0 {
			bits <<= 32
		}
	}
	if uint32(bits>>32) < m.below {
		return 0
	}
	return m.scale
}

// factors sets dst to what multiplies the elements from index first on, of one
// example, each of which is a row.
func (m *dropoutMask[T]) factors(dst []T, first int) {
	for i := range dst {
		dst[i] = 1
	}
	m.elements(dst, dst, m.index(first))
}

// elements sets dst to elements of src, which may be dst, times their factors. The first
// has an index in the mask. An element takes the lower or the upper half of its pair's
// 64 random bits.
func (m *dropoutMask[T]) elements(dst, src []T, first int) {
	factor := [2]T{m.scale, 0}
	below := uint64(m.below)
	pair := m.key + uint64(first/2)*splitmix.Golden
	if first%2 == 1 && len(dst) > 0 {
		dst[0] = src[0] * factor[(splitmix.Mix(pair)>>32-below)>>63]
		dst, src = dst[1:], src[1:]
		pair += splitmix.Golden
	}
	n := len(dst) &^ 1
	dst, src = dst[:len(src)], src[:len(dst)]
	for i := 0; i < n; i += 2 {
		bits := splitmix.Mix(pair)
		pair += splitmix.Golden
		dst[i] = src[i] * factor[(bits&(1<<32-1)-below)>>63] // the difference is negative if dropped
		dst[i+1] = src[i+1] * factor[(bits>>32-below)>>63]
	}
	if n < len(dst) {
		dst[n] = src[n] * factor[(splitmix.Mix(pair)&(1<<32-1)-below)>>63]
	}
}

// apply sets dst to row r of src times its factor.
func (m *dropoutMask[T]) apply(dst, src []T, r int) {
	switch f := m.factor(r); f {
	case 0:
		clear(dst)
	default:
		vec.Scale(dst, f, src)
	}
}

// dropout is the core of Dropout. It keeps no mask: Backward computes it again.
type dropout[T num.Float] struct{ dropoutMask[T] }

func newDropout[T num.Float](c dropoutConfig, run, each int) *dropout[T] {
	return &dropout[T]{newDropoutMask[T](c, run, each)}
}

// SetTraining implements graphop.TrainModer.
func (c *dropout[T]) SetTraining(training bool) { c.training = training }

func (c *dropout[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.draw()
	c.mask(out, in[0].F)
	return nil
}

func (c *dropout[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	c.mask(grad[0], gout)
	return nil
}

// mask sets dst to src times the mask of the last Forward.
func (c *dropout[T]) mask(dst, src []T) {
	switch {
	case !c.dropped:
		copyBlocks(dst, src)
	case c.run == 1:
		par.Blocks(len(dst), elementGrain, func(_, lo, hi int) { c.parts(dst, src, lo, hi) })
	default:
		par.Blocks(len(dst)/c.run, max(1, elementGrain/c.run), func(_, lo, hi int) {
			for r := lo; r < hi; r++ {
				c.apply(dst[r*c.run:(r+1)*c.run], src[r*c.run:(r+1)*c.run], r)
			}
		})
	}
}

// parts masks the elements [lo, hi), in parts that are consecutive in the mask too.
func (c *dropout[T]) parts(dst, src []T, lo, hi int) {
	part := len(dst)
	if c.of.N > 0 {
		part = c.of.N * c.each
	}
	for lo < hi {
		end := min(hi, (lo/part+1)*part)
		c.elements(dst[lo:end], src[lo:end], c.index(lo))
		lo = end
	}
}

// dropoutKey returns where in the sequence of SplitMix64 a mask begins.
func dropoutKey(seed, stream, counter uint64) uint64 {
	key := splitmix.Mix(seed + splitmix.Golden)
	key = splitmix.Mix(key + stream + splitmix.Golden)
	return splitmix.Mix(key + counter + splitmix.Golden)
}
