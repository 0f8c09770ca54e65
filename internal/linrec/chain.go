package linrec

// chain is states of a whole batch, each a power of A and an input further than
// the one before: z_{i+1} = A^(2^k) z_i + v_i, with k = m for the first blocks,
// then the elements of tail.
type chain struct {
	p         *powers
	batch     int // B
	blocks, m int
	tail      []int
	z, g      []float64 // (1+blocks+len(tail), B, N), and its gradient
}

func newChain(p *powers, batch, blocks, m int, tail []int) *chain {
	size := (1 + blocks + len(tail)) * batch * p.n
	return &chain{p, batch, blocks, m, tail, make([]float64, size), make([]float64, size)}
}

// steps is the number of steps.
func (c *chain) steps() int { return c.blocks + len(c.tail) }

// at returns state i and all that follow of z or g.
func (c *chain) at(z []float64, i int) []float64 { return z[i*c.batch*c.p.n:] }

// power returns the k of step i.
func (c *chain) power(i int) int {
	if i < c.blocks {
		return c.m
	}
	return c.tail[i-c.blocks]
}

// run computes z from its first state. With driven, the states of the blocks
// already hold v_i; else it is zero, as it is for the tail.
func (c *chain) run(driven bool) {
	for i := range c.steps() {
		c.p.times(c.at(c.z, i+1), c.at(c.z, i), true, c.power(i), c.batch, driven && i < c.blocks)
	}
}

// runGrad adds to the gradient of every state, in g, what those after it have
// for it, and carries it to the powers. That of v_i is then that of z_{i+1}.
func (c *chain) runGrad() {
	for i := c.steps() - 1; i >= 0; i-- {
		c.p.timesGrad(c.at(c.g, i), c.at(c.g, i+1), true, c.power(i), c.batch)
	}
	c.p.collect(c.z, c.at(c.g, 1), true, c.m, c.blocks*c.batch)
	for i := c.blocks; i < c.steps(); i++ {
		c.p.collect(c.at(c.z, i), c.at(c.g, i+1), true, c.power(i), c.batch)
	}
}
