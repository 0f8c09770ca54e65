package attention

import "fmt"

// Masks is where the dropout of weights gets its masks from: Draw returns a number
// that one mask is a function of, another for every forward pass in training.
// *ops.Masks is one.
type Masks interface{ Draw() uint64 }

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
type drops struct {
	masks    Masks
	below    uint32 // what has 32 random bits below is dropped
	factor   float64
	training bool

	// Of the last draw.
	on  bool
	key uint64
}

func newDrops(c Config) drops {
	d := drops{below: uint32(c.Dropout * (1 << 32)), factor: 1 / (1 - c.Dropout), training: true}
	if c.Dropout > 0 {
		d.masks = c.Masks
	}
	return d
}

// SetTraining implements graphop.TrainModer.
func (d *drops) SetTraining(training bool) { d.training = training }

// draw begins a new mask: one that drops nothing in evaluation.
func (d *drops) draw() {
	if d.on = d.training && d.masks != nil; d.on {
		d.key = d.masks.Draw()
	}
}

// pairKey is where the random bits of the keys 2*(j/2) and 2*(j/2)+1 of a query come
// from: unit u, query i of n, m keys at most.
func (d *drops) pairKey(u, n, m, i, j int) uint64 {
	return d.key + (uint64(u*n+i)*uint64(m/2+1)+uint64(j/2))*golden
}

// factors are what multiplies the weight of a pair of keys of a query.
func (d *drops) factors(key uint64) (even, odd uint64) {
	bits := scramble(key)
	below := uint64(d.below)
	return (bits&(1<<32-1) - below) >> 63, (bits>>32 - below) >> 63 // 1 if dropped
}

// dropKeys applies the mask to the weights p of the nq queries from i0 on, of keys
// from j0 on: a panel of columns, a column for each query.
func (c *softmax[T]) dropKeys(s *space[T], u, i0, nq, j0 int, p []T) {
	factor := [2]T{T(c.drops.factor), 0}
	if len(s.odd) != s.w {
		s.odd = make([]uint64, s.w)
	}
	for r := range len(p) / s.w {
		j, row := j0+r, p[r*s.w:][:s.w]
		if j%2 == 1 && r > 0 {
			for i := range nq {
				row[i] *= factor[s.odd[i]]
			}
			continue
		}
		for i := range nq {
			even, odd := c.drops.factors(c.pairKey(u, c.l, c.slots+c.l, i0+i, j))
			if s.odd[i] = odd; j%2 == 1 {
				even = odd
			}
			row[i] *= factor[even]
		}
	}
}

// dropQueries applies the mask backward: the weights p and what comes back through
// them, d, are panels of columns, a row for each query from i0 on, a column for each
// of the nk keys from j0 on. It makes d the gradients of the scores.
func (c *softmax[T]) dropQueries(s *space[T], u, i0, j0, nk int, p, d []T) {
	factor := [2]T{T(c.drops.factor), 0}
	for r := range len(p) / s.w {
		weights, back, mean := p[r*s.w:][:nk], d[r*s.w:][:nk], s.bias[i0+r]
		var odd uint64
		for i, v := range weights {
			f := odd
			if j := j0 + i; j%2 == 0 || i == 0 {
				even, next := c.drops.factors(c.pairKey(u, c.l, c.slots+c.l, i0+r, j))
				if f, odd = even, next; j%2 == 1 {
					f = odd
				}
			}
			back[i] = v * (back[i]*factor[f] + mean)
			weights[i] = v * factor[f]
		}
	}
}

// golden is 2^64 divided by the golden ratio, the step of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// scramble is the output function of SplitMix64 (Steele, Lea, Flood 2014, "Fast
// splittable pseudorandom number generators"; constants by Stafford, variant 13).
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
