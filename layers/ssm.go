package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Mixing names what mixes the features after the state space model.
type Mixing string

// The mixings. The zero value is MixGLU.
const (
	MixGLU    Mixing = "glu"    // linear to 2 DModel, then a gated linear unit
	MixLinear Mixing = "linear" // linear to DModel
	MixNone   Mixing = "none"   // nothing: the output has Channels*DModel features
)

// common is what the configurations of all state space layers share: the
// convolution with its skip, the activation and the mixing after it, and the
// hints to the optimiser. Its fields are those of the configurations.
type common struct {
	dModel, channels        int
	bidirectional, offByOne bool
	activation              ops.Activation
	mixing                  Mixing
	dropout                 float64
	untiedDropout           bool
	frozen                  []string
}

func (c common) validate() error {
	switch {
	case c.dModel < 1:
		return fmt.Errorf("want DModel >= 1, got %d", c.dModel)
	case c.channels < 1:
		return fmt.Errorf("want Channels >= 1, got %d", c.channels)
	case c.offByOne && !c.bidirectional:
		return errors.New("OffByOne is about the second kernel of a bidirectional layer: want Bidirectional too")
	case c.mixing != MixGLU && c.mixing != MixLinear && c.mixing != MixNone:
		return fmt.Errorf("want Mixing %q, %q or %q, got %q", MixGLU, MixLinear, MixNone, c.mixing)
	}
	return errors.Join(c.activation.Validate(), DropoutConfig{P: c.dropout}.Validate())
}

// kernels is the number of kernels of each feature.
func (c common) kernels() int {
	if c.bidirectional {
		return 2 * c.channels
	}
	return c.channels
}

// dOut is the number of features of the output.
func (c common) dOut() int {
	if c.mixing == MixNone {
		return c.channels * c.dModel
	}
	return c.dModel
}

// hint is that of a parameter that follows the optimiser: C, D.
func (c common) hint(name string) hint { return hint{frozen: slices.Contains(c.frozen, name)} }

// ssmHint is the hint for a parameter of the dynamics (dt, A, B): a learning
// rate of its own, unless it is negative, and no decay.
func (c common) ssmHint(name string, lr float64) hint {
	zero := 0.0
	h := c.hint(name)
	h.decay = &zero
	if lr > 0 {
		h.lr = &lr
	}
	return h
}

// validateFrozen reports a name that is not a parameter.
func validateFrozen(frozen, allowed []string) error {
	for _, f := range frozen {
		if !slices.Contains(allowed, f) {
			return fmt.Errorf("want Frozen to name some of %s, got %q", strings.Join(allowed, ", "), f)
		}
	}
	return nil
}

// def sets a zero value to its default.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// validateDt checks the range of the initial step sizes.
func validateDt(lo, hi float64) error {
	if !(lo > 0 && lo <= hi && hi < math.Inf(1)) {
		return fmt.Errorf("want 0 < DtMin <= DtMax, got DtMin = %g, DtMax = %g", lo, hi)
	}
	return nil
}

// initDt draws step sizes log-uniformly from [lo, hi].
func initDt(b *builder, t ssm.Transform, lo, hi float64) func(*rand.Rand, []float64) {
	return func(rng *rand.Rand, dst []float64) {
		for i := range dst {
			dt := math.Exp(math.Log(lo) + rng.Float64()*(math.Log(hi)-math.Log(lo)))
			raw, err := t.Inverse(dt)
			if err != nil {
				b.fail(fmt.Errorf("step size: %w", err))
			}
			dst[i] = raw
		}
	}
}

// minDecay is the smallest decay rate -Re A that initialisation gives a state,
// as in the reference: transforms cannot reach 0.
const minDecay = 1e-4

// initAReal stores the real parts of A through the transform.
func initAReal(b *builder, t ssm.Transform, a []complex128) func(*rand.Rand, []float64) {
	return func(_ *rand.Rand, dst []float64) {
		for i, v := range a {
			raw, err := t.Inverse(max(-real(v), minDecay))
			if err != nil {
				b.fail(fmt.Errorf("real part of A: %w", err))
			}
			dst[i] = raw
		}
	}
}

// initAImag stores the imaginary parts of A, Im A = -A_imag.
func initAImag(a []complex128) func(*rand.Rand, []float64) {
	return func(_ *rand.Rand, dst []float64) {
		for i, v := range a {
			dst[i] = -imag(v)
		}
	}
}

// initComplex stores complex values as re, im.
func initComplex(z []complex128) func(*rand.Rand, []float64) {
	return func(_ *rand.Rand, dst []float64) {
		for i, v := range z {
			dst[2*i], dst[2*i+1] = real(v), imag(v)
		}
	}
}

// ssmLayer is what all state space layers are around their kernels:
//
//	y = K * x + D x, activation, dropout, mixing
type ssmLayer struct {
	*base
	common common
	// kernel adds the kernels for sequences of a given length to the graph,
	// (kernels, H, seqLen).
	kernel func(seqLen int) (*G.Node, error)
	d      *G.Node
	drop   *Dropout
	mix    *Linear // nil without mixing
}

// build adds what comes after the kernel to the layer.
func (l *ssmLayer) build(b *builder) {
	c := l.common
	l.d = b.param("D", c.hint("D"), normal(1), c.channels, c.dModel)
	drop, err := buildDropout(b.child("Dropout", "dropout"), DropoutConfig{P: c.dropout, Untied: c.untiedDropout})
	if err != nil {
		b.err = err
		return
	}
	b.adopt(drop.base)
	l.drop = drop
	out := c.dModel
	switch c.mixing {
	case MixNone:
		return
	case MixGLU:
		out *= 2
	}
	mix, err := buildLinear(b.child("Linear", "output_linear"), LinearConfig{In: c.channels * c.dModel, Out: out})
	if err != nil {
		b.err = err
		return
	}
	b.adopt(mix.base)
	l.mix = mix
}

// DOut returns the number of features of the output: DModel, or
// Channels*DModel with MixNone.
func (l *ssmLayer) DOut() int { return l.common.dOut() }

// Kernel adds the convolution kernels for sequences of length seqLen to the
// graph: (CH, H, seqLen), where CH is Channels, or twice that if bidirectional.
func (l *ssmLayer) Kernel(seqLen int) (*G.Node, error) {
	k, err := l.kernel(seqLen)
	return k, l.wrap("Kernel", err)
}

// Fwd maps x (B, DModel, L) to (B, DOut, L).
func (l *ssmLayer) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths is Fwd for sequences padded on the right: only the first
// lengths[b] steps of row b are read, so that padding does not leak into a
// bidirectional layer. lengths is (B) of dtype int, or nil. The output at
// padded steps is unspecified.
func (l *ssmLayer) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.fwdDropped(x, lengths, nil)
}

// fwdDropped is FwdLengths with a dropout, or nil, after it. Where the dropouts
// are tied, they and the activation are parts of the mixing, so that nothing is
// in memory between the convolution and the result but the gates.
func (l *ssmLayer) fwdDropped(x, lengths *G.Node, after *Dropout) (*G.Node, error) {
	if err := l.checkInput(x, l.common.dModel, false); err != nil {
		return nil, err
	}
	y, err := l.conv(x, lengths)
	if err != nil {
		return nil, l.wrap("Fwd", err)
	}
	var opts []ops.LinearOption
	if l.mix != nil && l.drop.tied() {
		opts = append(opts, ops.Activated(l.common.activation), ops.DropInput(l.drop.cfg.P, l.drop.state))
	} else {
		if y, err = ops.Activate(l.common.activation, y); err != nil {
			return nil, l.wrap("Fwd", err)
		}
		if y, err = l.drop.Fwd(y); err != nil {
			return nil, err
		}
	}
	if l.mix != nil && after.tied() {
		opts = append(opts, ops.DropOutput(after.cfg.P, after.state))
		after = nil
	}
	switch l.common.mixing {
	case MixGLU:
		y, err = ops.LinearGLU(y, l.mix.w, l.mix.b, opts...)
	case MixLinear:
		y, err = ops.Linear(y, l.mix.w, l.mix.b, opts...)
	}
	if err != nil || after == nil {
		return y, l.wrap("Fwd", err)
	}
	return after.Fwd(y)
}

// conv is the state space model alone: y = K * x + D x, (B, Channels*H, L).
func (l *ssmLayer) conv(x, lengths *G.Node) (*G.Node, error) {
	k, err := l.kernel(x.Shape()[2])
	if err != nil {
		return nil, err
	}
	mode := fftconv.Causal
	if l.common.bidirectional {
		if lengths != nil { // a causal kernel cannot see the padding on the right
			if x, err = ops.Mask(x, lengths); err != nil {
				return nil, err
			}
		}
		mode = fftconv.Bidirectional
		if l.common.offByOne {
			mode = fftconv.BidirectionalReference
		}
	}
	return fftconv.Conv(x, k, l.d, fftconv.WithMode(mode))
}
