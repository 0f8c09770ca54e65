package conv1d

import (
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// depthwiseTasks is the least number of tasks that a depthwise convolution is cut
// into, where there are as many rows.
const depthwiseTasks = 16

// depthwise is the core of a convolution of every feature by itself. A task is a
// feature of the input, of some rows of the batch.
type depthwise[T num.Float] struct {
	geometry
	chunks int       // of rows
	sums   []float64 // (chunks, C_out, K+1): the gradients of w and the bias
}

func newDepthwise[T num.Float](g geometry) *depthwise[T] {
	chunks := min(g.b, (depthwiseTasks+g.in-1)/g.in)
	return &depthwise[T]{geometry: g, chunks: chunks, sums: make([]float64, chunks*g.out*(g.k+1))}
}

// each calls f for every task: a feature of the input, and rows [lo, hi).
func (d *depthwise[T]) each(f func(feature, chunk, lo, hi int)) {
	par.For(d.in*d.chunks, func(_, i int) {
		feature, chunk := i/d.chunks, i%d.chunks
		f(feature, chunk, chunk*d.b/d.chunks, (chunk+1)*d.b/d.chunks)
	})
}

func (d *depthwise[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c, err := bind(&d.geometry, out, in, nil)
	if err != nil {
		return err
	}
	mult := d.out / d.in
	d.each(func(feature, _, lo, hi int) {
		for b := lo; b < hi; b++ {
			x := row(c.x, d.l, b*d.in+feature)[:d.length(c.lengths, b)]
			x0 := row(c.state, d.left, b*d.in+feature)
			for o := feature * mult; o < (feature+1)*mult; o++ {
				d.forward(row(c.y, d.lout, b*d.out+o), x, x0, row(c.w, d.k, o), row(c.bias, 1, o))
			}
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
	for l := range y {
		y[l] = start
	}
	convolve(&d.taps, y, x, w)
	if x0 != nil {
		t := d.inState()
		convolve(&t, y, x0, w)
	}
}

func (d *depthwise[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c, err := bind(&d.geometry, gout, in, grad)
	if err != nil {
		return err
	}
	clear(d.sums)
	mult := d.out / d.in
	d.each(func(feature, chunk, lo, hi int) {
		for b := lo; b < hi; b++ {
			i := b*d.in + feature
			n := d.length(c.lengths, b)
			dx, dx0 := row(c.dx, d.l, i), row(c.dstate, d.left, i)
			clear(dx)
			clear(dx0)
			for o := feature * mult; o < (feature+1)*mult; o++ {
				d.backward(d.sum(chunk, o), rowTo(dx, n), dx0, row(c.y, d.lout, b*d.out+o)[:d.steps(n)],
					row(c.x, d.l, i)[:n], row(c.state, d.left, i), row(c.w, d.k, o))
			}
		}
	})
	d.total(&c)
	return nil
}

// backward adds to sums the gradients of the kernel and the bias of a row of the
// output, whose gradient g is, and to dx and dx0, which may be nil, those of what
// it reads.
func (d *depthwise[T]) backward(sums []float64, dx, dx0, g, x, x0, w []T) {
	sums[d.k] += vec.Sum64(g)
	correlate(&d.taps, sums, dx, g, x, w)
	if x0 != nil {
		t := d.inState()
		correlate(&t, sums, dx0, g, x0, w)
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
