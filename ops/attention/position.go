package attention

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// AddPositions adds to every step of x (B, E, L) the row of its position in a
// table (P, E) of learned positions:
//
//	y[b,e,l] = x[b,e,l] + table[start[b] + l, e]
//
// start is (B), of the dtype of x, the position of the first step of each row;
// nil: 0. Its values are whole numbers. A step that counts beyond position P-1 is
// an error: when the graph is built without start and Lengths, else when it runs.
// The gradient goes to x and the table.
func AddPositions(x, table, start *G.Node, opts ...Option) (*G.Node, error) {
	const name = "attention.AddPositions"
	d, in, err := positionInputs(x, start, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if table == nil || table.Shape().Dims() != 2 || table.Shape()[0] < 1 {
		return nil, fmt.Errorf("%s: table: want (P, %d), got %v", name, d.e, shapeOf(table))
	}
	d.p = table.Shape()[0]
	if err := checkFloat("table", table, x.Dtype(), d.p, d.e); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if start == nil && d.lengths < 0 && d.l > d.p {
		return nil, fmt.Errorf("%s: want at most P = %d steps, got %d", name, d.p, d.l)
	}
	d.table = in.add(table)
	return graphop.Apply(d.spec(name, x.Shape(), start),
		func() graphop.Core[float32] { return &addPositions[float32]{positionDims: d} },
		func() graphop.Core[float64] { return &addPositions[float64]{positionDims: d} }, in...)
}

// AddSinusoids adds to every step of x (B, E, L) the sines and cosines of its
// position n = start[b] + l,
//
//	y[b,2i,l] = x[b,2i,l] + sin(n 10000^(-2i/E)),  y[b,2i+1,l] = x[b,2i+1,l] + cos(n 10000^(-2i/E))
//
// start is that of AddPositions.
func AddSinusoids(x, start *G.Node, opts ...Option) (*G.Node, error) {
	const name = "attention.AddSinusoids"
	d, in, err := positionInputs(x, start, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.p = size.MaxLength
	return graphop.Apply(d.spec(name, x.Shape(), start),
		func() graphop.Core[float32] { return newAddSinusoids[float32](d) },
		func() graphop.Core[float64] { return newAddSinusoids[float64](d) }, in...)
}

// NextPosition returns the positions (B) behind the last step of x, whose shape
// is (B, E, L): start + L, where start is that of AddPositions. It has no
// gradient.
func NextPosition(x, start *G.Node) (*G.Node, error) {
	const name = "attention.NextPosition"
	d, in, err := positionInputs(x, start, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.p = size.MaxLength
	spec := d.spec(name, tensor.Shape{d.b}, start)
	spec.NoGrad, spec.Optional = some(0, d.start), nil
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return nextPosition[float32]{d} },
		func() graphop.Core[float64] { return nextPosition[float64]{d} }, in...)
}

// positionDims are the sizes of an op on positions, and where its inputs are: x
// is the first.
type positionDims struct {
	b, e, l, p            int // p: the number of positions
	start, table, lengths int // inputs, -1 for none
}

func positionInputs(x, start *G.Node, opts []Option) (d positionDims, in inputs, err error) {
	if err := checkSequence("x", "(B, E, L)", x); err != nil {
		return d, nil, err
	}
	s := x.Shape()
	d = positionDims{b: s[0], e: s[1], l: s[2], table: -1}
	o, err := readOptions(opts, d.b)
	if err != nil {
		return d, nil, err
	}
	if start != nil {
		if err := checkFloat("start", start, x.Dtype(), d.b); err != nil {
			return d, nil, err
		}
	}
	in = inputs{x}
	d.start, d.lengths = in.add(start), in.add(o.lengths)
	return d, in, nil
}

// spec returns the description of an op whose positions begin at start, or nil, which
// may be carried over from the last run.
func (d positionDims) spec(name string, out tensor.Shape, start *G.Node) graphop.Spec {
	s := graphop.Spec{Name: name, Out: out, Ints: some(d.lengths), NoGrad: some(d.start), Optional: []int{0}, Unread: []int{0}}
	if start != nil {
		s.Carried = []*G.Node{start}
	}
	return s
}

// shapeOf returns the shape of a node for an error.
func shapeOf(n *G.Node) any {
	if n == nil {
		return "nil"
	}
	return n.Shape()
}

// check returns an error unless the starts and lengths are good.
func (d positionDims) check(start64 func(b int) float64, lengths []int) error {
	if err := graphop.ValidLengths(lengths, d.l); err != nil {
		return err
	}
	for b := range d.b {
		if n := graphop.Length(lengths, b, d.l); n > 0 {
			if err := validPosition("start", b, start64(b), d.p-n); err != nil {
				return err
			}
		}
	}
	return nil
}

// validPosition returns an error unless v is a whole number in [0, most].
func validPosition(name string, b int, v float64, most int) error {
	if v >= 0 && v <= float64(most) && v == math.Trunc(v) {
		return nil
	}
	if most < 0 {
		return fmt.Errorf("want no more steps than there are positions, got %d more", -most)
	}
	return fmt.Errorf("%s[%d]: want a whole number in [0, %d], got %g", name, b, most, v)
}

// starts returns the function of the start of each row.
func starts[T num.Float](s []T) func(b int) float64 {
	return func(b int) float64 {
		if s == nil {
			return 0
		}
		return float64(s[b])
	}
}

// eachRow calls f for every feature e of every row b of a batch: n of its steps count,
// and the first is element at.
func (d positionDims) eachRow(lengths []int, f func(b, e, n, at int)) {
	par.For(d.b*d.e, func(_, r int) { f(r/d.e, r%d.e, graphop.Length(lengths, r/d.e, d.l), r*d.l) })
}

// addPositions is the core of AddPositions.
type addPositions[T num.Float] struct{ positionDims }

func (c *addPositions[T]) Forward(out []T, in []graphop.Arg[T]) error {
	start, lengths := starts(floats(in, c.start)), ints(in, c.lengths)
	if err := c.check(start, lengths); err != nil {
		return err
	}
	x, table := in[0].F, in[c.table].F
	c.eachRow(lengths, func(b, e, n, at int) {
		if n > 0 {
			rows := table[int(start(b))*c.e:]
			for l := range n {
				out[at+l] = x[at+l] + rows[l*c.e+e]
			}
		}
		clear(out[at+n : at+c.l])
	})
	return nil
}

func (c *addPositions[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	start, lengths := starts(floats(in, c.start)), ints(in, c.lengths)
	gradX(c.positionDims, grad[0], gout, lengths)
	dt := grad[c.table]
	par.For(c.e, func(_, e int) {
		for p := range c.p {
			dt[p*c.e+e] = 0
		}
		for b := range c.b {
			n := graphop.Length(lengths, b, c.l)
			if n == 0 {
				continue
			}
			rows := dt[int(start(b))*c.e:]
			for l, g := range gout[(b*c.e+e)*c.l:][:n] {
				rows[l*c.e+e] += g
			}
		}
	})
	return nil
}

// gradX writes the gradient of x, unless dx is nil.
func gradX[T num.Float](d positionDims, dx, gout []T, lengths []int) {
	if dx == nil {
		return
	}
	d.eachRow(lengths, func(_, _, n, at int) {
		copy(dx[at:at+n], gout[at:at+n])
		clear(dx[at+n : at+d.l])
	})
}

// addSinusoids is the core of AddSinusoids.
type addSinusoids[T num.Float] struct {
	positionDims
	waves waves
	rows  [][]T // one per worker, (2, L)
}

func newAddSinusoids[T num.Float](d positionDims) *addSinusoids[T] {
	return &addSinusoids[T]{positionDims: d, waves: newWaves((d.e+1)/2, float64(d.e), DefaultTheta), rows: make([][]T, par.Workers())}
}

func (c *addSinusoids[T]) Forward(out []T, in []graphop.Arg[T]) error {
	start, lengths := starts(floats(in, c.start)), ints(in, c.lengths)
	if err := c.check(start, lengths); err != nil {
		return err
	}
	c.waves.reach(c.l)
	x := in[0].F
	pairs := (c.e + 1) / 2
	par.For(c.b*pairs, func(worker, u int) {
		b, i := u/pairs, u%pairs
		n := graphop.Length(lengths, b, c.l)
		c.rows[worker] = num.Grow(c.rows[worker], 2*c.l)
		sin, cos := c.rows[worker][:n], c.rows[worker][c.l:][:n]
		if n > 0 {
			waveRow(c.waves, cos, sin, i, start(b))
		}
		for k, row := range [][]T{sin, cos}[:min(2, c.e-2*i)] {
			at := (b*c.e + 2*i + k) * c.l
			vec.Add(out[at:at+n], x[at:at+n], row)
			clear(out[at+n : at+c.l])
		}
	})
	return nil
}

func (c *addSinusoids[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	gradX(c.positionDims, grad[0], gout, ints(in, c.lengths))
	return nil
}

// Frequencies returns those of the sinusoids of as many features, one for each pair.
func Frequencies(features int) []float64 {
	return newWaves((features+1)/2, float64(features), DefaultTheta).theta
}

// Sinusoid sets dst (E) to what AddSinusoids adds to a step at a position, where of are
// the Frequencies of E features.
func Sinusoid[T num.Float](dst []T, of []float64, position int) {
	for i := 0; i < len(dst); i += 2 {
		s, c := math.Sincos(float64(position) * of[i/2])
		dst[i] = T(s)
		if i+1 < len(dst) {
			dst[i+1] = T(c)
		}
	}
}

// nextPosition is the core of NextPosition.
type nextPosition[T num.Float] struct{ positionDims }

func (c nextPosition[T]) Forward(out []T, in []graphop.Arg[T]) error {
	start := starts(floats(in, c.start))
	if err := c.check(start, nil); err != nil {
		return err
	}
	for b := range out {
		out[b] = T(start(b) + float64(c.l))
	}
	return nil
}

func (nextPosition[T]) Backward([][]T, []graphop.Arg[T], []T, []T) error { return nil }
