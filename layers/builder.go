package layers

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/guard"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// An Option sets what a configuration does not store: a layer's name, the seed
// of its initial parameters.
type Option func(*Builder)

// WithName gives the layer its name, the prefix of the names of its parameters
// ("blocks.0" gives "blocks.0.layer.kernel.C"). Two layers on one graph need
// different names; the default is the kind of layer in lower case.
func WithName(name string) Option { return func(b *Builder) { b.path = name } }

// WithSeed seeds the initial parameters and the dropout masks of the layer.
// Every parameter draws from a stream of its own, chosen by the seed and the
// parameter's name, so that adding a layer does not change the others. The
// default seed is 0.
func WithSeed(seed uint64) Option { return func(b *Builder) { b.seed = seed } }

// WithLimit bounds the number of elements of all parameters and buffers of the layers
// that are made with one and the same option: one that would be beyond it is an error,
// and is not made. It is for configurations that come from elsewhere.
func WithLimit(elements int) Option {
	left := elements
	return func(b *Builder) { b.left = &left }
}

// A CloneOption changes what a copy of a layer computes. Layers that it does
// not concern ignore it.
type CloneOption func(*Builder)

// AtRate makes a copy that reads sequences sampled differently from those the
// layer was trained on: every state space layer in it multiplies its step sizes
// by rate. At rate 2 it expects half the sampling frequency, every second step
// of what the layer itself reads; at 1/2, twice the frequency. The rate is
// relative to training, not to the layer that is copied; a copy without the
// option has the rate of its original.
func AtRate(rate float64) CloneOption { return func(b *Builder) { b.rate = rate } }

// ForLength makes a copy for sequences of up to l steps. It concerns S4 alone,
// whose parameter kernel.C is tuned to a length: where l is more than that, the
// copy has a kernel.C and a kernel.l_kernel of its own, which give the same
// recurrence, and shares all other tensors.
func ForLength(l int) CloneOption {
	return func(b *Builder) {
		if err := size.Length("a length", l); err != nil {
			b.Fail(fmt.Errorf("ForLength: %w", err))
			return
		}
		b.length = l
	}
}

// WithFrozen makes a copy that does not learn the parameters of these names, and
// learns all others: the names are those of the field Frozen of each
// configuration of a state space layer, "A" or "dt", and the copy has them in
// its own. A name that is of no parameter of a layer, but of one of another kind,
// does not concern it. Without names it learns everything. The learning rates are
// those of the configuration, so that a layer with LRA set and A frozen has a copy
// that learns A at that rate.
func WithFrozen(names ...string) CloneOption {
	names = slices.Clone(names)
	return func(b *Builder) { b.refreeze, b.frozen = true, names }
}

// OnStream makes a copy whose dropouts draw from stream i of their masks. Copies
// that run at the same time, as in data-parallel training, draw from streams of
// their own, so that what one draws does not depend on the others; that of an
// original is 0. Without the option copies take the streams 1, 2, ... in the
// order in which they are made, which is that of nothing where goroutines make
// them.
func OnStream(i uint64) CloneOption { return func(b *Builder) { b.stream, b.turns = &i, false } }

// InTurn makes a copy that runs in turn with its original, never at the same
// time: its dropouts go on with the masks of the original, wherever that is. It
// is for training on several lengths, with a graph for each.
func InTurn() CloneOption { return func(b *Builder) { b.stream, b.turns = nil, true } }

// Builder makes the parameters and buffers of a layer, and the layers inside it,
// on a graph: new ones, or for a copy ([Clone]) nodes that share the tensors of
// the original. A configuration's Build gets one; whoever writes a mixer of their
// own makes all parameters with it, and ends with Done:
//
//	func (c LeakyConfig) Build(b *layers.Builder) (layers.Layer, error) {
//		l := &Leaky{h: c.DModel, w: b.Param("w", param.Hint{}, layers.Ones, c.DModel, 1)}
//		var err error
//		l.Base, err = b.Done()
//		return l, err
//	}
//
// The first error sticks and is what Done returns; the methods do nothing after
// it.
type Builder struct {
	g      *G.ExprGraph
	dt     tensor.Dtype
	kind   string // of layer, for errors
	path   string
	seed   uint64
	rate   float64 // see AtRate
	length int     // see ForLength; 0: that of the original
	left   *int    // elements that may still be made; nil: any number; see WithLimit

	refreeze bool     // see WithFrozen
	frozen   []string // only if refreeze

	tied Layer // see TiedTo

	from      map[string]*tensor.Dense // tensors to share; nil: make new ones
	fromMasks map[string]*ops.Masks    // of the dropouts of the original, by name

	// Of the masks of a copy.
	stream *uint64 // see OnStream
	turns  bool    // see InTurn

	cfg   Config // of the layer
	base  *Base
	nodes *nodeNames      // of the graph
	taken map[string]bool // names of parameters and buffers of the layer
	err   error
}

// nodeNames are the names of a graph's inputs. It reads each node once.
type nodeNames struct {
	g     *G.ExprGraph
	seen  int
	names map[string]bool
}

// has says whether an input of the graph has the name.
func (n *nodeNames) has(name string) bool {
	all := n.g.AllNodes()
	if len(all) < n.seen || n.names == nil { // nodes have been removed
		n.seen, n.names = 0, map[string]bool{}
	}
	for _, node := range all[n.seen:] {
		if node.Op() == nil {
			n.names[node.Name()] = true
		}
	}
	n.seen = len(all)
	return n.names[name]
}

// newBuilder starts a layer of a configuration.
func newBuilder(g *G.ExprGraph, dt tensor.Dtype, cfg Config, opts []Option) *Builder {
	kind := kindOf(cfg)
	b := &Builder{g: g, dt: dt, kind: kind, path: strings.ToLower(kind), rate: 1, cfg: cfg, nodes: &nodeNames{g: g}}
	for _, o := range opts {
		o(b)
	}
	b.start()
	return b
}

// kindOf names the kind of layer that a configuration makes: S4D for an
// S4DConfig, and Layer for none.
func kindOf(cfg Config) string {
	if isNil(cfg) {
		return "Layer"
	}
	return strings.TrimSuffix(structOf(cfg).Name(), "Config")
}

// structOf returns the type of a configuration, which may be given by a pointer.
func structOf(cfg Config) reflect.Type {
	t := reflect.TypeOf(cfg)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// isNil says whether a configuration or a layer is nil, or a nil pointer.
func isNil(of any) bool {
	v := reflect.ValueOf(of)
	return of == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// build validates a configuration and makes its layer.
func build(b *Builder, cfg Config) (Layer, error) {
	if b.err != nil {
		return nil, b.err
	}
	l, err := b.run(cfg)
	if b.err == nil { // else it has the name already
		b.Fail(err)
	}
	if b.err != nil {
		return nil, b.err
	}
	return l, nil
}

// run is build without the name of the layer in its errors. A configuration may be
// of another package.
func (b *Builder) run(cfg Config) (l Layer, err error) {
	defer guard.Panic(&err)
	cfg = deepcopy.Of(b.refrozen(cfg)) // the caller may change what it has
	b.base.cfg = cfg
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if l, err = cfg.Build(b); err != nil {
		return nil, err
	}
	if isNil(l) || l.Name() != b.path {
		return nil, fmt.Errorf("want its Build to return a layer named %q, which embeds what Done returned, got %T", b.path, l)
	}
	return l, nil
}

// start makes the base of the layer at the builder's path.
func (b *Builder) start() {
	b.base = &Base{kind: b.kind, name: b.path, g: b.g, dt: b.dt, seed: b.seed, rate: b.rate, cfg: b.cfg}
	switch {
	case isNil(b.cfg):
		b.Fail(errors.New("want a configuration, got nil"))
	case b.g == nil:
		b.Fail(errors.New("want a graph, got nil"))
	case b.dt != tensor.Float32 && b.dt != tensor.Float64:
		b.Fail(fmt.Errorf("want dtype float32 or float64, got %v", b.dt))
	case b.path == "":
		b.Fail(errors.New("want a name, got an empty one"))
	case !(b.rate > 0 && b.rate < math.Inf(1)):
		b.Fail(fmt.Errorf("AtRate: want a finite rate > 0, got %g", b.rate))
	}
}

// Graph returns the graph that the layer is made on.
func (b *Builder) Graph() *G.ExprGraph { return b.g }

// Dtype returns the float type of the parameters.
func (b *Builder) Dtype() tensor.Dtype { return b.dt }

// Name returns the name of the layer, the prefix of its parameters' names.
func (b *Builder) Name() string { return b.path }

// Rate returns the factor of all step sizes, 1 but in a copy made with AtRate. A layer
// that asks for it is taken to heed it: see CheckRate.
func (b *Builder) Rate() float64 {
	if b.base != nil {
		b.base.heeds = true
	}
	return b.rate
}

// Child makes a layer inside the one that b makes, under a name of its own, and
// adds its parameters and buffers to those of b.
func (b *Builder) Child(name string, cfg Config) (Layer, error) { return child[Layer](b, name, cfg) }

// child is Child for a configuration whose layers are of type L.
func child[L Layer](b *Builder, name string, cfg Config) (L, error) {
	var none L
	c := &Builder{
		g: b.g, dt: b.dt, kind: kindOf(cfg), path: b.path + "." + name, seed: b.seed, rate: b.rate, length: b.length, left: b.left, tied: b.tied,
		refreeze: b.refreeze, frozen: b.frozen, from: b.from, fromMasks: b.fromMasks, stream: b.stream, turns: b.turns, cfg: cfg, nodes: b.nodes, err: b.err,
	}
	switch {
	case !b.ready():
		return none, b.err
	case name == "":
		b.Fail(errors.New("Child: want a name, got an empty one"))
		return none, b.err
	}
	c.start()
	l, err := build(c, cfg)
	if err == nil {
		b.adopt(l)
		err = b.err
	}
	if b.err == nil {
		b.err = err
	}
	if err != nil {
		return none, err
	}
	return as[L](c, l)
}

// as returns a layer that b has made as one of type L.
func as[L Layer](b *Builder, l Layer) (L, error) {
	t, ok := l.(L)
	if !ok {
		return t, b.errorf("want its Build to return a %v, got a %T", reflect.TypeFor[L](), l)
	}
	return t, nil
}

// adopt makes the parameters and buffers of an inner layer those of this one.
func (b *Builder) adopt(inner Layer) {
	b.base.inside = append(b.base.inside, inner)
	for _, p := range inner.Params() {
		b.claim(p.Name)
		b.base.params = append(b.base.params, p.Clone())
	}
	for _, v := range inner.Buffers() {
		b.claim(v.Name)
		b.base.buffers = append(b.base.buffers, v)
	}
	if l, ok := inner.(interface{ inner() *Base }); ok {
		for name, m := range l.inner().masks {
			b.base.addMasks(name, m)
		}
		b.base.ranks = append(b.base.ranks, l.inner().ranks...)
	}
}

// claim takes the name of a parameter or a buffer.
func (b *Builder) claim(name string) {
	if b.taken[name] {
		b.Fail(fmt.Errorf("want parameters and buffers of different names, got %q twice", name))
	}
	if b.taken == nil {
		b.taken = map[string]bool{}
	}
	b.taken[name] = true
}

// Fail records an error, which Done returns with the name of the layer.
func (b *Builder) Fail(err error) {
	if b.err == nil && err != nil {
		b.err = b.errorf("%w", err)
	}
}

// errorf returns an error that names the layer.
func (b *Builder) errorf(format string, args ...any) error {
	return fmt.Errorf("layers: %s %q: %w", b.kind, b.path, fmt.Errorf(format, args...))
}

// refrozen returns a configuration with what WithFrozen asked for.
func (b *Builder) refrozen(cfg Config) Config {
	if f, ok := cfg.(Freezable); ok && b.refreeze {
		return f.WithFrozen(b.frozen...)
	}
	return cfg
}

// Done returns what the finished layer has to embed, or the first error.
func (b *Builder) Done() (*Base, error) {
	if !b.ready() {
		return nil, b.err
	}
	return b.base, nil
}

// ready says whether there has been no error. That of a builder that nothing here
// has made is one.
func (b *Builder) ready() bool {
	if b.err == nil && b.base == nil {
		b.err = errors.New("layers: Builder: want one that New, Child or Clone made, got the zero value")
	}
	return b.err == nil
}

// Param adds a parameter of the layer's float type and returns its node: of the
// tensor to share or, where there is none, of a new one that init fills, with finite
// numbers. The shape has an axis at least. After an error it returns nil.
func (b *Builder) Param(name string, h param.Hint, init Init, shape ...int) *G.Node {
	full := b.path + "." + name
	if !b.ready() {
		return nil
	}
	switch {
	case init == nil:
		b.Fail(fmt.Errorf("parameter %q: want an Init, got nil", full))
	case b.nodes.has(full):
		b.Fail(fmt.Errorf("the graph already has a node named %q: give the layer another name with WithName", full))
	}
	t := b.value(name, shape, func() *tensor.Dense { return b.drawn(full, init, shape) })
	if b.err != nil {
		return nil
	}
	n := G.NewTensor(b.g, b.dt, len(shape), G.WithShape(shape...), G.WithName(full), G.WithValue(t))
	b.base.params = append(b.base.params, param.Param{Name: full, Node: n, Hint: h}.Clone())
	return n
}

// drawn returns the initial value of a parameter, and fails if a number of it is not
// finite, or overflows the layer's float type.
func (b *Builder) drawn(full string, init Init, shape tensor.Shape) *tensor.Dense {
	d := make([]float64, shape.TotalSize())
	init(b.rng(full), d)
	for _, x := range d {
		if !num.Finite(x) || b.dt == tensor.Float32 && !num.Finite(float32(x)) {
			b.Fail(fmt.Errorf("%s: want initial values that are finite in %v, got %g", full, b.dt, x))
			return nil
		}
	}
	return dense(b.dt, d, shape)
}

// Buffer adds state that is saved but not learned: the tensor to share, or the
// one that init makes, of floats or integers and of that shape. After an error it
// returns nil.
func (b *Builder) Buffer(name string, init func() *tensor.Dense, shape ...int) *tensor.Dense {
	if !b.ready() {
		return nil
	}
	full := b.path + "." + name
	if init == nil {
		b.Fail(fmt.Errorf("buffer %q: want a function that makes it, got nil", full))
	}
	t := b.value(name, shape, init)
	if b.err != nil {
		return nil
	}
	b.base.buffers = append(b.base.buffers, param.Buffer{Name: full, Value: t})
	return t
}

// masks adds the masks of a dropout: new ones with the state given, or those of
// a copy.
func (b *Builder) masks(state *tensor.Dense) *ops.Masks {
	if b.err != nil {
		return nil
	}
	m, ok := b.fromMasks[b.path]
	switch {
	case !ok:
		var err error
		if m, err = ops.NewMasks(state); err != nil {
			b.Fail(err)
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

// value returns the tensor of a parameter or buffer: the one to share, or the one
// that init makes.
func (b *Builder) value(name string, shape tensor.Shape, init func() *tensor.Dense) *tensor.Dense {
	full := b.path + "." + name
	b.checkNew(name, shape)
	b.claim(full)
	if b.err != nil {
		return nil
	}
	t, ok := b.from[full]
	if b.from == nil {
		t, ok = init(), true
	}
	switch {
	case b.err != nil: // that of init
	case !ok:
		b.Fail(fmt.Errorf("want a tensor named %q to share, got none", full))
	case t == nil || !t.Shape().Eq(shape):
		b.Fail(fmt.Errorf("%s: want shape %v, got %v", full, shape, shapeOf(t)))
	default:
		if _, err := weights.Elements(t); err != nil {
			b.Fail(fmt.Errorf("%s: %w", full, err))
		}
	}
	return t
}

// checkNew checks the name and shape of a parameter or buffer.
func (b *Builder) checkNew(name string, shape tensor.Shape) {
	switch {
	case name == "":
		b.Fail(errors.New("want a name of the parameter or buffer, got an empty one"))
	case len(shape) == 0 || slices.Min(shape) < 1:
		b.Fail(fmt.Errorf("%s.%s: want a shape of at least one axis, none shorter than 1, got %v", b.path, name, shape))
	default:
		b.Fail(size.Tensor(b.path+"."+name, shape...))
	}
	if b.err == nil && b.fits(name, shape...) && b.left != nil {
		*b.left -= shape.TotalSize()
	}
}

// fits says whether a parameter of a shape is within the limit of [WithLimit], and fails
// if it is not. Layers ask it too before they compute initial values.
func (b *Builder) fits(name string, shape ...int) bool {
	if b.left == nil || b.from != nil || tensor.Shape(shape).TotalSize() <= *b.left {
		return true
	}
	b.Fail(fmt.Errorf("%s.%s: want at most %d more elements, as WithLimit says, got shape %v", b.path, name, *b.left, tensor.Shape(shape)))
	return false
}

// rng returns the random stream of one parameter.
func (b *Builder) rng(full string) *rand.Rand {
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

// Init fills the initial value of a parameter, in row-major order, from its own
// random stream.
type Init func(rng *rand.Rand, dst []float64)

// Ones fills with 1.
func Ones(_ *rand.Rand, dst []float64) {
	for i := range dst {
		dst[i] = 1
	}
}

// Zeros fills with 0.
func Zeros(_ *rand.Rand, dst []float64) { clear(dst) }

// Normal draws from N(0, std^2).
func Normal(std float64) Init {
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = std * rng.NormFloat64()
		}
	}
}

// TruncatedNormal draws from a normal distribution that is cut at two of its standard
// deviations, and scaled so that std is that of what is drawn: the start of JAX.
func TruncatedNormal(std float64) Init {
	const cut, of = 2, 0.87962566103423978 // the standard deviation of N(0, 1) cut there
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			v := rng.NormFloat64()
			for math.Abs(v) > cut {
				v = rng.NormFloat64()
			}
			dst[i] = v * std / of
		}
	}
}

// UniformFanIn draws from U(-1/sqrt(fanIn), 1/sqrt(fanIn)), the usual start of
// weights and biases of a linear layer with fanIn inputs.
func UniformFanIn(fanIn int) Init {
	bound := 1 / math.Sqrt(float64(fanIn))
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = bound * (2*rng.Float64() - 1)
		}
	}
}

// XavierUniform draws from U(-a, a) with a = sqrt(6/(fanIn+fanOut)). Glorot, Bengio
// 2010, "Understanding the difficulty of training deep feedforward neural networks",
// AISTATS.
func XavierUniform(fanIn, fanOut int) Init {
	bound := math.Sqrt(6 / float64(fanIn+fanOut))
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dst[i] = bound * (2*rng.Float64() - 1)
		}
	}
}
