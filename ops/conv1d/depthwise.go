package conv1d

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

const (
	// depthwiseFeatures is the largest number of features of a task, one behind the
	// other in memory.
	depthwiseFeatures = 8
	// depthwiseSums bounds the elements of the partial sums of a depthwise
	// convolution, if there is a task for each worker without.
	depthwiseSums = 1 << 18
	// depthwiseTasks is the least number of tasks, where there are as many rows.
	depthwiseTasks = 16
)

// depthwise is the core of a convolution of every feature by itself. A task is some
// features of some rows of the batch.
type depthwise[T num.Float] struct {
	geometry
	blocks, chunks int       // of features, of rows
	sums           []float64 // (chunks, C_out, K+1): the gradients of w and the bias

	reversed []T // (C_out, K): the kernels of a backward pass in reverse
}

func newDepthwise[T num.Float](g geometry) *depthwise[T] {
	d := &depthwise[T]{geometry: g, blocks: max((g.in+depthwiseFeatures-1)/depthwiseFeatures, min(g.in, (depthwiseTasks+g.b-1)/g.b))}
	d.chunks = min(g.b, max(depthwiseSums/(g.out*(g.k+1)), (depthwiseTasks+d.blocks-1)/d.blocks))
	d.sums = make([]float64, d.chunks*g.out*(g.k+1))
	return d
}

// each calls f for every feature of every row of the input. Those of one chunk of
// rows are called one after the other for a feature.
func (d *depthwise[T]) each(f func(b, feature, chunk int)) {
	par.For(d.chunks*d.blocks, func(_, i int) {
		chunk, block := i/d.blocks, i%d.blocks
		for b := chunk * d.b / d.chunks; b < (chunk+1)*d.b/d.chunks; b++ {
			for feature := block * d.in / d.blocks; feature < (block+1)*d.in/d.blocks; feature++ {
				f(b, feature, chunk)
			}
		}
	})
}

func (d *depthwise[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c, err := bind(&d.geometry, out, in, nil)
	if err != nil {
		return err
	}
	mult := d.out / d.in
	d.each(func(b, feature, _ int) {
		x := row(c.x, d.l, b*d.in+feature)[:d.length(c.lengths, b)]
		x0 := row(c.state, d.left, b*d.in+feature)
		for o := feature * mult; o < (feature+1)*mult; o++ {
			d.forward(row(c.y, d.lout, b*d.out+o), x, x0, row(c.w, d.k, o), row(c.bias, 1, o))
		}
	})
	return nil
}

// forward writes a row of the output for the steps x that count.
func (d *depthwise[T]) forward(y, x, x0, w, bias []T) {
	m := d.steps(len(x))
	clear(y[m:])
	y = y[:m]
	start := T(0)
	if bias != nil {
		start = bias[0]
	}
	convolve(&d.taps, y, x, w, start)
	if x0 != nil {
		t := d.inState()
		convolveMore(&t, y, x0, w)
	}
}

func (d *depthwise[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c, err := bind(&d.geometry, gout, in, grad)
	if err != nil {
		return err
	}
	clear(d.sums)
	d.reverse(c.w)
	mult := d.out / d.in
	d.each(func(b, feature, chunk int) {
		i := b*d.in + feature
		x, x0 := row(c.x, d.l, i)[:d.length(c.lengths, b)], row(c.state, d.left, i)
		for o := feature * mult; o < (feature+1)*mult; o++ {
			g := row(c.y, d.lout, b*d.out+o)[:d.steps(len(x))]
			d.backwardWeight(d.sum(chunk, o), g, x, x0)
			d.backwardInput(row(c.dx, d.l, i), row(c.dstate, d.left, i), g, row(c.w, d.k, o), len(x), o, o == feature*mult)
		}
	})
	d.total(&c)
	return nil
}

// reverse keeps the kernels in reverse.
func (d *depthwise[T]) reverse(w []T) {
	d.reversed = num.Grow(d.reversed, len(w))
	for i, v := range w {
		d.reversed[i-i%d.k+d.k-1-i%d.k] = v
	}
}

// backwardWeight adds to sums the gradients of the kernel and the bias of a row of
// the output, whose gradient g is.
func (d *depthwise[T]) backwardWeight(sums []float64, g, x, x0 []T) {
	if d.bias >= 0 {
		sums[d.k] += vec.Sum64(g)
	}
	correlate(&d.taps, sums, g, x)
	if x0 != nil {
		t := d.inState()
		correlate(&t, sums, g, x0)
	}
}

// backwardInput sets the gradients dx and dx0 of what row o of the output reads,
// whose gradient g is, or unless it is the first adds to them. Either may be nil. n
// is the number of steps of dx that count.
func (d *depthwise[T]) backwardInput(dx, dx0, g, w []T, n, o int, first bool) {
	counting := rowTo(dx, n)
	clear(dx[len(counting):])
	if d.stride > 1 {
		if first {
			clear(counting)
		}
		spread(&d.taps, counting, g, w)
		return
	}
	t := d.backwards()
	w = row(d.reversed, d.k, o)
	d.gradient(&t, counting, g, w, first)
	t.left = d.reach() // the state is in front of x
	d.gradient(&t, dx0, g, w, first)
}

// gradient sets dx, or unless it is the first adds to it, what a row of the output
// whose gradient g is has read of it, with the kernel w in reverse.
func (d *depthwise[T]) gradient(t *taps, dx, g, w []T, first bool) {
	if first {
		convolve(t, dx, g, w, 0)
	} else {
		convolveMore(t, dx, g, w)
	}
}

// rowTo returns x[:n], and nil if x is nil.
func rowTo[T any](x []T, n int) []T {
	if x == nil {
		return nil
	}
	return x[:n]
}

// sum is where the gradients of a kernel and its bias are summed up.
func (d *depthwise[T]) sum(chunk, o int) []float64 { return row(d.sums, d.k+1, chunk*d.out+o) }

// total writes the sums of all chunks, in order.
func (d *depthwise[T]) total(c *call[T]) {
	for o := range d.out {
		s := d.sum(0, o)
		for chunk := 1; chunk < d.chunks; chunk++ {
			for j, v := range d.sum(chunk, o) {
				s[j] += v
			}
		}
		for j := range d.k {
			c.dw[o*d.k+j] = T(s[j])
		}
		if c.db != nil {
			c.db[o] = T(s[d.k])
		}
	}
}
