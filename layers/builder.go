package layers

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// An Option sets what a configuration does not store: a layer's name, the seed
// of its initial parameters.
type Option func(*builder)

// WithName gives the layer its name, the prefix of the names of its parameters
// ("blocks.0" gives "blocks.0.layer.kernel.C"). Two layers on one graph need
// different names; the default is the kind of layer in lower case.
func WithName(name string) Option { return func(b *builder) { b.path = name } }

// WithSeed seeds the initial parameters and the dropout masks of the layer.
// Every parameter draws from a stream of its own, chosen by the seed and the
// parameter's name, so that adding a layer does not change the others. The
// default seed is 0.
func WithSeed(seed uint64) Option { return func(b *builder) { b.seed = seed } }

// A CloneOption changes what a copy of a layer computes. Layers that it does
// not concern ignore it.
type CloneOption func(*builder)

// AtRate makes a copy that reads sequences sampled differently from those the
// layer was trained on: every state space layer in it multiplies its step sizes
// by rate. At rate 2 it expects half the sampling frequency, every second step
// of what the layer itself reads; at 1/2, twice the frequency. The rate is
// relative to training, not to the layer that is copied; a copy without the
// option has the rate of its original.
func AtRate(rate float64) CloneOption { return func(b *builder) { b.rate = rate } }

// ForLength makes a copy for sequences of up to l steps. It concerns S4 alone,
// whose parameter kernel.C is tuned to a length: where l is more than that, the
// copy has a kernel.C and a kernel.l_kernel of its own, which give the same
// recurrence, and shares all other tensors.
func ForLength(l int) CloneOption {
	return func(b *builder) {
		if err := size.Length("a length", l); err != nil {
			b.fail(fmt.Errorf("ForLength: %w", err))
			return
		}
		b.length = l
	}
}

// WithFrozen makes a copy that does not learn the parameters of these names, and
// learns all others: the names are those of the field Frozen of each
// configuration of a state space layer, "A" or "dt", and the copy has them in
// its own. Without names it learns everything. The learning rates are those of
// the configuration, so that a layer with LRA set and A frozen has a copy that
// learns A at that rate.
func WithFrozen(names ...string) CloneOption {
	names = slices.Clone(names)
	return func(b *builder) { b.refreeze, b.frozen = true, names }
}

// OnStream makes a copy whose dropouts draw from stream i of their masks. Copies
// that run at the same time, as in data-parallel training, draw from streams of
// their own, so that what one draws does not depend on the others; that of an
// original is 0. Without the option copies take the streams 1, 2, ... in the
// order in which they are made, which is that of nothing where goroutines make
// them.
func OnStream(i uint64) CloneOption { return func(b *builder) { b.stream, b.turns = &i, false } }

// InTurn makes a copy that runs in turn with its original, never at the same
// time: its dropouts go on with the masks of the original, wherever that is. It
// is for training on several lengths, with a graph for each.
func InTurn() CloneOption { return func(b *builder) { b.stream, b.turns = nil, true } }

// hint is what a layer recommends to an optimiser about a parameter.
type hint struct {
	lr, decay *float64
	frozen    bool
}

// builder makes the parameters and buffers of a layer and of the layers inside
// it. The first error sticks and is reported by done.
type builder struct {
	g      *G.ExprGraph
	dt     tensor.Dtype
	kind   string // of layer, for errors
	path   string
	seed   uint64
	rate   float64 // see AtRate
	length int     // see ForLength; 0: that of the original

	refreeze bool     // see WithFrozen
	frozen   []string // only if refreeze

	from      map[string]*tensor.Dense // tensors to share; nil: make new ones
	fromMasks map[string]*ops.Masks    // of the dropouts of the original, by name

	// Of the masks of a copy.
	stream *uint64 // see OnStream
	turns  bool    // see InTurn

	base *base
	err  error
}

// newBuilder starts a layer. def is its name unless an option says otherwise.
func newBuilder(g *G.ExprGraph, dt tensor.Dtype, kind, def string, opts []Option) *builder {
	b := &builder{g: g, dt: dt, kind: kind, path: def, rate: 1}
	for _, o := range opts {
		o(b)
	}
	b.start()
	return b
}

// start makes the base of the layer at the builder's path.
func (b *builder) start() {
	b.base = &base{kind: b.kind, name: b.path, g: b.g, dt: b.dt, seed: b.seed, rate: b.rate}
	switch {
	case b.g == nil:
		b.fail(errors.New("want a graph, got nil"))
	case b.dt != tensor.Float32 && b.dt != tensor.Float64:
		b.fail(fmt.Errorf("want dtype float32 or float64, got %v", b.dt))
	case b.path == "":
		b.fail(errors.New("want a name, got an empty one"))
	case !(b.rate > 0 && b.rate < math.Inf(1)):
		b.fail(fmt.Errorf("AtRate: want a finite rate > 0, got %g", b.rate))
	}
}

// child starts a layer inside this one.
func (b *builder) child(kind, name string) *builder {
	c := &builder{g: b.g, dt: b.dt, kind: kind, path: b.path + "." + name, seed: b.seed, rate: b.rate, length: b.length,
		from: b.from, fromMasks: b.fromMasks, stream: b.stream, turns: b.turns}
	if b.err != nil {
		c.err = b.err
		return c
	}
	c.start()
	return c
}

// adopt makes the parameters and buffers of an inner layer those of this one.
func (b *builder) adopt(inner *base) {
	b.base.params = append(b.base.params, inner.params...)
	b.base.buffers = append(b.base.buffers, inner.buffers...)
	for name, m := range inner.masks {
		b.base.addMasks(name, m)
	}
}

func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = fmt.Errorf("layers: %s %q: %w", b.kind, b.path, err)
	}
}

// frozenInstead returns the names of the parameters that a copy does not learn,
// given those of the original.
func (b *builder) frozenInstead(of []string) []string {
	if b.refreeze {
		return b.frozen
	}
	return of
}

// done returns the finished base, or the first error.
func (b *builder) done() (*base, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.base, nil
}

// param adds a parameter: the tensor to share, or a new one that init fills.
func (b *builder) param(name string, h hint, init func(rng *rand.Rand, dst []float64), shape ...int) *G.Node {
	full := b.path + "." + name
	if b.err == nil && len(b.g.ByName(full)) > 0 {
		b.fail(fmt.Errorf("the graph already has a node named %q: give the layer another name with WithName", full))
	}
	t := b.value(full, shape, func() *tensor.Dense {
		d := make([]float64, tensor.Shape(shape).TotalSize())
		init(b.rng(full), d)
		return dense(b.dt, d, shape)
	})
	if b.err != nil {
		return nil
	}
	n := G.NewTensor(b.g, b.dt, len(shape), G.WithShape(shape...), G.WithName(full), G.WithValue(t))
	b.base.params = append(b.base.params, param.Param{Name: full, Node: n, LR: h.lr, WeightDecay: h.decay, Frozen: h.frozen})
	return n
}

// buffer adds a buffer: the tensor to share, or the one that init makes.
func (b *builder) buffer(name string, init func() *tensor.Dense, shape ...int) *tensor.Dense {
	full := b.path + "." + name
	t := b.value(full, shape, init)
	if b.err != nil {
		return nil
	}
	b.base.buffers = append(b.base.buffers, param.Buffer{Name: full, Value: t})
	return t
}

// masks adds the masks of a dropout: new ones with the state given, or those of
// a copy.
func (b *builder) masks(state *tensor.Dense) *ops.Masks {
	if b.err != nil {
		return nil
	}
	m, ok := b.fromMasks[b.path]
	switch {
	case !ok:
		var err error
		if m, err = ops.NewMasks(state); err != nil {
			b.fail(err)
			return nil
		}
	case b.stream != nil:
		m = m.Stream(*b.stream)
	case !b.turns:
		m = m.Next()
	}
	b.base.addMasks(b.path, m)
	return m
}

func (b *builder) value(full string, shape tensor.Shape, init func() *tensor.Dense) *tensor.Dense {
	if b.err != nil {
		return nil
	}
	if b.from == nil {
		return init()
	}
	t, ok := b.from[full]
	if !ok {
		b.fail(fmt.Errorf("want a tensor named %q to share, got none", full))
		return nil
	}
	if !t.Shape().Eq(shape) {
		b.fail(fmt.Errorf("%s: want shape %v, got %v", full, shape, t.Shape()))
		return nil
	}
	return t
}

// rng returns the random stream of one parameter.
func (b *builder) rng(full string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(full))
	return rand.New(rand.NewPCG(b.seed, h.Sum64()))
}

// dense returns v as a tensor of the given float type.
func dense(dt tensor.Dtype, v []float64, shape []int) *tensor.Dense {
	if dt == tensor.Float64 {
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v))
	}
	f := make([]float32, len(v))
	for i, x := range v {
		f[i] = float32(x)
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(f))
}

// Initial values of parameters.

func ones(_ *rand.Rand, dst []float64) {
	for i := range dst {
		dst[i] = 1
	}
}

func zeros(_ *rand.Rand, dst []float64) { clear(dst) }

// normal draws from N(0, std^2).
func normal(std float64) func(*rand.Rand, []float64) {
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = std * rng.NormFloat64()
		}
	}
}

// uniformFanIn draws from U(-1/sqrt(fanIn), 1/sqrt(fanIn)), the usual start of
// weights and biases of a linear layer with fanIn inputs.
func uniformFanIn(fanIn int) func(*rand.Rand, []float64) {
	bound := 1 / math.Sqrt(float64(fanIn))
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = bound * (2*rng.Float64() - 1)
		}
	}
}
