package retention

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Norm says how the output of each head is normalised, over its dv features.
type Norm string

// The norms.
const (
	RMS   Norm = "rms"   // by the root of the mean of the squares, without weights; also ""
	Group Norm = "group" // less the mean, by the deviation, with a weight and a bias (V)
)

// Norms lists the norms.
func Norms() []Norm { return []Norm{RMS, Group} }

// Validate returns an error unless the norm is one of those above.
func (n Norm) Validate() error {
	if n != "" && !slices.Contains(Norms(), n) {
		return fmt.Errorf("want a norm of %q, got %q", Norms(), n)
	}
	return nil
}

// Eps returns what is added to the variance, or the mean of the squares, by default: that
// of the implementations.
func (n Norm) Eps() float64 {
	if n == Group {
		return 1e-5
	}
	return 1e-6
}

// NormConfig describes a gate with a norm.
type NormConfig struct {
	Heads int     // H, which divides the features
	Norm  Norm    // default RMS
	Eps   float64 // finite and at least 0
}

// Gate adds silu(gate) norm(o) to the graph of o and gate (B, V, L), where norm is that
// of every head of every step. weight and bias (V) are those of Group, and nil for RMS.
func Gate(c NormConfig, o, gate, weight, bias *G.Node) (*G.Node, error) {
	const name = "retention.Gate"
	in, err := graphop.Floats(name, graphop.Named("o", o), graphop.Named("gate", gate), graphop.Optional("weight", weight), graphop.Optional("bias", bias))
	if err != nil {
		return nil, err
	}
	d, err := c.check(o, gate, weight, bias)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: o.Shape()}
	if d.l == 1 {
		spec.Carried = []*G.Node{o, gate}
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return newGate[float32](d) },
		func() graphop.Core[float64] { return newGate[float64](d) }, in...)
}

// gateDims are the sizes of a gate.
type gateDims struct {
	NormConfig
	b, v, l, dv int
}

func (c NormConfig) check(o, gate, weight, bias *G.Node) (gateDims, error) {
	s := o.Shape()
	if s.Dims() != 3 || s.TotalSize() == 0 {
		return gateDims{}, fmt.Errorf("o: want (B, V, L), each at least 1, got %v", s)
	}
	d := gateDims{NormConfig: c, b: s[0], v: s[1], l: s[2]}
	if err := c.validate(d.v); err != nil {
		return d, err
	}
	if c.Norm != Group && (weight != nil || bias != nil) {
		return d, fmt.Errorf("want no weight and bias with the norm %q, got one", RMS)
	}
	d.dv = d.v / c.Heads
	err := graphop.WantShape("gate", gate, s)
	if err == nil && c.Norm == Group {
		err = size.First(graphop.WantShape("weight", weight, s[1:2]), graphop.WantShape("bias", bias, s[1:2]))
	}
	return d, err
}

// validate returns an error unless the configuration is one of so many features.
func (c NormConfig) validate(values int) error {
	switch {
	case values < 1:
		return fmt.Errorf("want features >= 1, got %d", values)
	case c.Heads < 1 || values%c.Heads != 0:
		return fmt.Errorf("want Heads that divide the %d features, got %d", values, c.Heads)
	case !(c.Eps >= 0) || !num.Finite(c.Eps):
		return fmt.Errorf("want a finite Eps >= 0, got %g", c.Eps)
	}
	return c.Norm.Validate()
}

// gateSteps is the number of steps that a worker takes at a time.
const gateSteps = 512

// gate is the core of Gate. All loops run along steps.
type gate[T num.Float] struct {
	gateDims
	mean, rstd graphop.Room[T]          // (B, H, L)
	partial    graphop.Scratch[float64] // (B, V, 2): the gradients of weight and bias
	ws         graphop.Common[[]gateSpace[T]]
}

// gateSpace is the scratch memory of a worker: rows of steps.
type gateSpace[T num.Float] struct {
	tmp, sg, sgx, gx []T
	act, slope       []T
	gn               []T // (dv, steps)
}

func newGate[T num.Float](d gateDims) *gate[T] {
	return &gate[T]{gateDims: d, ws: graphop.PerWorker[gateSpace[T]]()}
}

// Rooms implements graphop.Roomy.
func (c *gate[T]) Rooms() []graphop.Holder {
	return []graphop.Holder{&c.mean, &c.rstd, &c.partial, &c.ws}
}

// gatePart is a head of a row and some of its steps.
type gatePart[T num.Float] struct {
	s          *gateSpace[T]
	head       int // of all rows
	at, n      int // of the first step of the first feature, in (B, V, L)
	mean, rstd []T
}

// each calls f for the parts of all heads of all rows, those of one head in order.
func (c *gate[T]) each(f func(p *gatePart[T])) {
	spaces := *c.ws.Get()
	mean, rstd := c.mean.Of(c.b*c.Heads*c.l), c.rstd.Of(c.b*c.Heads*c.l)
	par.For(c.b*c.Heads, func(worker, i int) {
		s := &spaces[worker]
		n := min(gateSteps, c.l)
		for _, v := range []*[]T{&s.tmp, &s.sg, &s.sgx, &s.gx, &s.act, &s.slope} {
			*v = num.Grow(*v, n)
		}
		s.gn = num.Grow(s.gn, c.dv*n)
		for lo := 0; lo < c.l; lo += n {
			m := min(n, c.l-lo)
			f(&gatePart[T]{s, i, i*c.dv*c.l + lo, m, mean[i*c.l+lo:][:m], rstd[i*c.l+lo:][:m]})
		}
	})
}

// affine returns weight and bias of feature f of a head.
func (c *gate[T]) affine(in []graphop.Arg[T], head, f int) (w, b T) {
	if c.Norm != Group {
		return 1, 0
	}
	i := head%c.Heads*c.dv + f
	return in[2].F[i], in[3].F[i]
}

func (c *gate[T]) Forward(out []T, in []graphop.Arg[T]) error {
	o, g := in[0].F, in[1].F
	c.each(func(p *gatePart[T]) {
		c.moments(p, o)
		tmp := p.s.tmp[:p.n]
		for f := range c.dv {
			at := p.at + f*c.l
			w, b := c.affine(in, p.head, f)
			vec.Normalise(tmp, o[at:][:p.n], p.mean, p.rstd, w, b)
			y := out[at:][:p.n]
			vec.SiLU(y, g[at:][:p.n])
			vec.Mul(y, y, tmp)
		}
	})
	return nil
}

// moments sets the mean, which is 0 for RMS, and 1/sqrt(var+eps) of the steps of a part.
func (c *gate[T]) moments(p *gatePart[T], o []T) {
	inv := 1 / float64(c.dv)
	clear(p.mean)
	if c.Norm == Group {
		for f := range c.dv {
			vec.Axpy(p.mean, T(inv), o[p.at+f*c.l:][:p.n])
		}
	}
	sq := p.s.tmp[:p.n]
	clear(sq)
	for f := range c.dv {
		vec.AddSquareDiff(sq, o[p.at+f*c.l:][:p.n], p.mean)
	}
	for i, v := range sq {
		sum := float64(v)
		if math.IsInf(sum, 1) {
			sum = c.squares(p, o, i)
		}
		p.rstd[i] = T(1 / math.Sqrt(sum*inv+c.Eps))
	}
}

// squares returns the sum of squares of step i of a part, that overflows T.
func (c *gate[T]) squares(p *gatePart[T], o []T, i int) (sum float64) {
	for f := range c.dv {
		d := float64(o[p.at+f*c.l+i]) - float64(p.mean[i])
		sum += d * d
	}
	return sum
}

func (c *gate[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	partial := c.partial.Of(2 * c.b * c.v)
	clear(partial)
	c.each(func(p *gatePart[T]) { c.backward(p, partial, grad, in, gout) })
	if c.Norm != Group {
		return nil
	}
	for i := range c.v {
		var dw, db float64
		for b := range c.b {
			dw += partial[2*(b*c.v+i)]
			db += partial[2*(b*c.v+i)+1]
		}
		grad[2][i], grad[3][i] = T(dw), T(db)
	}
	return nil
}

// backward writes the gradients of o and the gate of a part, and adds to those of weight
// and bias, (B, V, 2).
func (c *gate[T]) backward(p *gatePart[T], partial []float64, grad [][]T, in []graphop.Arg[T], gout []T) {
	s, n := p.s, p.n
	sg, sgx, gx, act, slope, tmp := s.sg[:n], s.sgx[:n], s.gx[:n], s.act[:n], s.slope[:n], s.tmp[:n]
	clear(sg)
	clear(sgx)
	for f := range c.dv {
		at := p.at + f*c.l
		w, b := c.affine(in, p.head, f)
		x, g, dx, dg, gn := in[0].F[at:][:n], gout[at:][:n], grad[0][at:][:n], grad[1][at:][:n], s.gn[f*n:][:n]
		vec.SiLUBoth(act, slope, in[1].F[at:][:n])
		vec.Normalise(tmp, x, p.mean, p.rstd, w, b)
		vec.Mul(dg, g, slope)
		vec.Mul(dg, dg, tmp)
		vec.Mul(gn, g, act)
		vec.NormProducts(dx, gx, sg, sgx, x, gn, p.mean, p.rstd, w)
		if c.Norm != Group {
			continue
		}
		sum := partial[2*(p.head*c.dv+f):]
		sum[0] += float64(vec.Sum(gx))
		sum[1] += float64(vec.Sum(gn))
	}
	vec.Scale(sg, 1/T(c.dv), sg)
	vec.Scale(sgx, 1/T(c.dv), sgx)
	if c.Norm != Group {
		clear(sg) // the mean is no function of x
	}
	for f := range c.dv {
		at := p.at + f*c.l
		w, _ := c.affine(in, p.head, f)
		dx := grad[0][at:][:n]
		vec.NormGrad(dx, dx, s.gn[f*n:][:n], p.rstd, sg, sgx, w)
	}
}

// GateStep is Gate at one step, without a graph.
type GateStep[T num.Float] struct {
	cfg          NormConfig
	dv           int
	weight, bias []T
}

// NewGateStep copies weight and bias (V) of Group, which are nil for RMS. values is V.
// It returns an error if a length or the configuration is wrong.
func NewGateStep[T num.Float](c NormConfig, values int, weight, bias []T) (*GateStep[T], error) {
	err := c.validate(values)
	want := 0
	if c.Norm == Group {
		want = values
	}
	if err == nil {
		err = size.First(num.CheckLen("weight", weight, want, false), num.CheckLen("bias", bias, want, false))
	}
	if err != nil {
		return nil, named("NewGateStep", err)
	}
	return &GateStep[T]{c, values / c.Heads, slices.Clone(weight), slices.Clone(bias)}, nil
}

// Apply replaces rows o (B, V) by silu(gate) norm(o). It overwrites gate, (B, V) too. It
// returns an error, and changes nothing, if a length is wrong.
func (s *GateStep[T]) Apply(o, gate []T) error {
	v := s.dv * s.cfg.Heads
	if err := size.First(num.CheckLen("o", o, max(1, len(o)/v)*v, false), num.CheckLen("gate", gate, len(o), false)); err != nil {
		return named("GateStep.Apply", err)
	}
	vec.SiLU(gate, gate)
	for at := 0; at < len(o); at += s.dv {
		s.normalise(o[at:][:s.dv], at/s.dv%s.cfg.Heads)
	}
	vec.Mul(o, o, gate)
	return nil
}

// normalise normalises the features of a head.
func (s *GateStep[T]) normalise(x []T, head int) {
	n := float64(s.dv)
	if s.cfg.Norm != Group {
		vec.Scale(x, T(1/math.Sqrt(vec.SumSq64(x)/n+s.cfg.Eps)), x)
		return
	}
	mean := vec.Sum64(x) / n
	vec.Affine(x, x, T(mean), T(1/math.Sqrt(vec.SumSqDiff(x, mean)/n+s.cfg.Eps)), 0)
	vec.Mul(x, x, s.weight[head*s.dv:][:s.dv])
	vec.Add(x, x, s.bias[head*s.dv:][:s.dv])
}
