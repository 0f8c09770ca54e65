package ops

import (
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// dropout is the core of Dropout. It keeps no mask: Backward computes it again.
type dropout[T num.Float] struct {
	state    *tensor.Dense // int64 (2): seed, counter
	stream   uint64
	run      int    // consecutive elements that share their fate
	below    uint32 // an element is dropped if its 32 random bits are below
	scale    T      // of the others
	training bool

	// Of the last Forward, for Backward.
	dropped bool
	key     uint64
}

func newDropout[T num.Float](c dropoutConfig, run int, state *tensor.Dense) *dropout[T] {
	return &dropout[T]{state: state, stream: c.stream, run: run, below: uint32(c.p * (1 << 32)), scale: T(1 / (1 - c.p)), training: true}
}

// SetTraining implements graphop.TrainModer.
func (c *dropout[T]) SetTraining(training bool) { c.training = training }

func (c *dropout[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.dropped = c.training
	if c.dropped {
		s := c.state.Data().([]int64)
		c.key = dropoutKey(uint64(s[0]), c.stream, uint64(s[1]))
		s[1]++
	}
	c.apply(out, in[0].F)
	return nil
}

func (c *dropout[T]) Backward(grad [][]T, _ []graphop.Arg[T], _, gout []T) error {
	c.apply(grad[0], gout)
	return nil
}

// apply sets dst to src times the mask of the last Forward.
func (c *dropout[T]) apply(dst, src []T) {
	switch {
	case !c.dropped:
		copyBlocks(dst, src)
	case c.run == 1:
		par.Blocks(len(dst), elementGrain, func(_, lo, hi int) { c.elements(dst[lo:hi], src[lo:hi], lo) })
	default:
		par.Blocks(len(dst)/c.run, max(1, elementGrain/c.run), func(_, lo, hi int) {
			for r := lo; r < hi; r++ {
				c.row(dst[r*c.run:(r+1)*c.run], src[r*c.run:(r+1)*c.run], r)
			}
		})
	}
}

// elements masks the elements from index first, which is even, on. An element
// takes the lower or the upper half of its pair's 64 random bits.
func (c *dropout[T]) elements(dst, src []T, first int) {
	factor := [2]T{c.scale, 0}
	below := uint64(c.below)
	pair := c.key + uint64(first/2)*golden
	n := len(dst) &^ 1
	dst, src = dst[:len(src)], src[:len(dst)]
	for i := 0; i < n; i += 2 {
		bits := mix(pair)
		pair += golden
		dst[i] = src[i] * factor[(bits&(1<<32-1)-below)>>63] // the difference is negative if dropped
		dst[i+1] = src[i+1] * factor[(bits>>32-below)>>63]
	}
	if n < len(dst) {
		dst[n] = src[n] * factor[(mix(pair)&(1<<32-1)-below)>>63]
	}
}

// row masks a run of elements by the upper half of 64 random bits.
func (c *dropout[T]) row(dst, src []T, r int) {
	if uint32(mix(c.key+uint64(r)*golden)>>32) < c.below {
		clear(dst)
		return
	}
	vec.Scale(dst, c.scale, src)
}

// golden is 2^64 divided by the golden ratio, the step of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// mix is the output function of SplitMix64 (Steele, Lea, Flood 2014, "Fast
// splittable pseudorandom number generators"; constants by Stafford, variant
// 13): mix(key), mix(key+golden), ... are the numbers it generates.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// dropoutKey returns where in the sequence of SplitMix64 a mask begins.
func dropoutKey(seed, stream, counter uint64) uint64 {
	key := mix(seed + golden)
	key = mix(key + stream + golden)
	return mix(key + counter + golden)
}
