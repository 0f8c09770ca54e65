package attention

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/splitmix"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Masks is where the dropout of weights gets its masks from: Draw returns a number
// that one mask is a function of, another for every forward pass in training, and Row
// which row of the mask is that of row i of the batch. *ops.Masks is one.
type Masks interface {
	Draw() uint64
	Row(i int) int
}

func (c Config) validateDropout() error {
	switch {
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("want Dropout in [0, 1), got %g", c.Dropout)
	case c.Dropout > 0 && c.Form == Linear:
		return fmt.Errorf("want Dropout 0 with Form %q, got %g", Linear, c.Dropout)
	}
	return nil
}

// drops are the masks of the dropout of weights: of each it keeps a number, from which
// it computes the mask again backward.
type drops[T num.Float] struct {
	masks    Masks
	below    int      // what has 16 random bits below is dropped; a 1 in front, zeros at the end cut
	factors  [16][4]T // by 4 bits, 1 for what is dropped: what multiplies weights
	training bool

	// Of the last draw.
	on   bool
	key  uint64
	rows []int // (B): of the mask
}

func newDrops[T num.Float](c Config, b int) drops[T] {
	below := min(int(math.Round(c.Dropout*bits16)), bits16-1)
	d := drops[T]{below: below | bits16, training: true}
	d.below >>= bits.TrailingZeros(uint(d.below))
	if below > 0 {
		d.masks, d.rows = c.Masks, make([]int, b)
	}
	kept := T(1 / (1 - float64(below)/bits16))
	for four := range d.factors {
		for i := range d.factors[four] {
			if four>>i&1 == 0 {
				d.factors[four][i] = kept
			}
		}
	}
	return d
}

// bits16 is one more than the largest number of 16 bits.
const bits16 = 1 << 16

// SetTraining implements graphop.TrainModer.
func (d *drops[T]) SetTraining(training bool) { d.training = training }

// draw begins a new mask: one that drops nothing in evaluation.
func (d *drops[T]) draw() {
	if d.on = d.training && d.masks != nil; d.on {
		d.key = d.masks.Draw()
		for i := range d.rows {
			d.rows[i] = d.masks.Row(i)
		}
	}
}

// tile is the number of queries whose bits of the mask are computed together.
const tile = 64

// word returns which weights of a key are dropped, a bit for each query of a tile. It
// compares 64 random numbers at a time with below, bit after bit from the lowest on.
func (d *drops[T]) word(index uint64) (dropped uint64) {
	random := splitmix.Mix(d.key + index*splitmix.Golden)
	for below := d.below; below > 1; below >>= 1 {
		random += splitmix.Golden
		if below&1 == 1 {
			dropped |= splitmix.Mix(random)
		} else {
			dropped &= splitmix.Mix(random)
		}
	}
	return dropped
}

// index is that of the word of key j and the tile of query i, in unit u.
func (c *softmax[T]) index(u, i, j int) uint64 {
	tiles := (c.l + tile - 1) / tile
	u = c.rows[u/c.Heads]*c.Heads + u%c.Heads
	return uint64(u*tiles+i/tile)*uint64(c.slots+c.l) + uint64(j)
}

// prepareDrops computes the words of the tile that begins with query i0 of unit u, of
// the keys that it sees.
func (c *softmax[T]) prepareDrops(s *space[T], u, i0 int) {
	if len(s.words) < s.m {
		s.words = make([]uint64, c.slots+c.l)
	}
	lo, hi := c.keys(s.past, s.m, i0, min(i0+tile, s.n))
	for j := lo; j < hi; j++ {
		s.words[j] = c.word(c.index(u, i0, j))
	}
}

// dropKeys applies the mask to the weights p of the panel of queries from i0 on, of
// keys from j0 on: a row for each key.
func (c *softmax[T]) dropKeys(s *space[T], i0, j0 int, p []T) {
	s.factors = num.Grow(s.factors, len(p))
	for r := range len(p) / s.w {
		c.expand(s.factors[r*s.w:][:s.w], s.words[j0+r]>>(i0%tile))
	}
	vec.Mul(p, p, s.factors)
}

// expand sets dst to what multiplies weights, by the bits of a mask.
func (d *drops[T]) expand(dst []T, dropped uint64) {
	for ; len(dst) >= 4; dst = dst[4:] {
		*(*[4]T)(dst) = d.factors[dropped&15]
		dropped >>= 4
	}
}

// dropQueries applies the mask backward, to the weights p of the nk keys from j0 on, a
// row for each query from i0 on, and to what comes back through them, d. It makes d
// the gradients of the scores.
func (c *softmax[T]) dropQueries(s *space[T], u, i0, j0, nk int, p, d []T) {
	s.factors = num.Grow(s.factors, len(p))
	for r := range len(p) / s.w {
		i := i0 + r
		if r == 0 || i%tile == 0 {
			clear(s.turnedWords[:])
			for j := range nk {
				s.turnedWords[j] = c.word(c.index(u, i, j0+j))
			}
			transposeBits(&s.turnedWords)
		}
		c.expand(s.factors[r*s.w:][:s.w], s.turnedWords[i%tile])
	}
	vec.Mul(d, d, s.factors)
	for r := range len(p) / s.w {
		row := d[r*s.w:][:s.w]
		vec.Affine(row, row, -s.bias[i0+r], 1, 0)
	}
	vec.Mul(d, d, p)
	vec.Mul(p, p, s.factors)
}

// transposeBits exchanges bit j of word i and bit i of word j, for all: squares of
// bits on either side of the diagonal, of 32 bits a side, then of half as many.
func transposeBits(a *[64]uint64) {
	mask := uint64(1<<32 - 1)
	for n := 32; n > 0; n /= 2 {
		for i := 0; i < 64; i = (i + n + 1) &^ n {
			t := (a[i]>>n ^ a[i+n]) & mask
			a[i] ^= t << n
			a[i+n] ^= t
		}
		mask ^= mask << (n / 2)
	}
}
