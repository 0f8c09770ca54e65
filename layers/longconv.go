package layers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/conv1d"
	"github.com/gorgonia-s4/s4/ops/fftconv"
)

// LongConvConfig configures a LongConv.
type LongConvConfig struct {
	DModel int `json:"d_model"`         // features
	LMax   int `json:"l_max,omitempty"` // weights of a kernel, which is 0 at lags beyond; 0 means 1024

	// SSM is what is around the kernels: channels, directions, gate, activation,
	// mixing, dropout. LR is the learning rate of the kernels, and 0 means the
	// optimiser's own. LRDt, LRA, LRB and LRC have nothing to set here. FollowLR and
	// Frozen name "kernel" or "D".
	SSM
}

// longConvParams are the parameters that a configuration can name.
var longConvParams = []string{"kernel", "D"}

func (c LongConvConfig) withDefaults() LongConvConfig {
	def(&c.LMax, 1024)
	c.SSM = c.SSM.withDefaults()
	return c
}

// Validate reports the first field that is out of range, or that contradicts
// another.
func (c LongConvConfig) Validate() error {
	if err := c.withDefaults().validate(); err != nil {
		return fmt.Errorf("LongConvConfig: %w", err)
	}
	return nil
}

func (c LongConvConfig) validate() error {
	if err := c.common().validate(); err != nil {
		return err
	}
	if c.LRDt != 0 || c.LRA != 0 || c.LRB != 0 || c.LRC != 0 {
		return errors.New("a free convolution has no dt, A, B and C: want LRDt, LRA, LRB and LRC 0, and LR for the kernels")
	}
	if c.LMax < 2 || c.LMax > size.MaxLength {
		return fmt.Errorf("want LMax in [2, %d], got %d", size.MaxLength, c.LMax)
	}
	return c.common().validateOutput("kernel (kernels, H, LMax)", c.LMax)
}

// Features implements MixerConfig.
func (c LongConvConfig) Features() (in, out int) { return c.DModel, c.withDefaults().common().dOut() }

// WithFrozen implements Freezable.
func (c LongConvConfig) WithFrozen(names ...string) MixerConfig {
	c.Frozen = c.common().ownNames(names)
	return c
}

func (c LongConvConfig) common() common { return common{c.DModel, c.SSM, longConvParams} }

// LongConv is a long convolution whose kernels are free: a weight for each lag and
// feature, y[l] = sum_j kernel[j] x[l-j] + D x[l], then what follows the
// convolution in every state space layer. It is what a state space model is
// compared with: as many products, LMax parameters for each feature in the place of
// a few, and no state but the inputs themselves.
//
// The kernels start as white noise under an exponential that has decayed to 1/100
// at lag 0.3 LMax for the first feature and at lag 1.5 LMax for the last, with decay
// rates that are equally far apart, scaled so that the squares of a kernel add up to
// 1 on average. Romero et al. and after them Fu et al. 2023, "Simple
// Hardware-Efficient Long Convolutions for Sequence Modeling", arXiv:2302.06646,
// learn such kernels; the decays are those of Poli et al. 2023, "Hyena Hierarchy",
// arXiv:2302.10866.
//
// Parameters are those that [SSM] lists with
//
//	kernel (CH, H, LMax)
//
// CH = Channels, or twice that if bidirectional. Its state is the last LMax-1 inputs
// of each of the H features, and a step takes O(LMax) for each.
type LongConv struct {
	ssmLayer
	model longConvModel
}

// longConvModel is what a LongConv has in the place of a state space model.
type longConvModel struct {
	*Base
	cfg LongConvConfig
	k   *G.Node
}

// NewLongConv makes a long convolution.
func NewLongConv(g *G.ExprGraph, dt tensor.Dtype, cfg LongConvConfig, opts ...Option) (*LongConv, error) {
	return newLayer[*LongConv](g, dt, cfg, opts)
}

// Build implements Config.
func (c LongConvConfig) Build(b *Builder) (Layer, error) {
	c = c.withDefaults()
	l := &LongConv{model: longConvModel{Base: b.base, cfg: c}}
	var err error
	l.ssmLayer, err = buildSSM(b, c.common(), &l.model)
	return l, err
}

// Config returns the layer's configuration with its defaults filled in.
func (l *LongConv) Config() LongConvConfig { return deepcopy.Of(l.model.cfg) }

// CloneTo returns a layer on another graph that shares this one's tensors.
func (l *LongConv) CloneTo(g *G.ExprGraph, opts ...CloneOption) (*LongConv, error) {
	return Clone(l, g, opts...)
}

// build makes the parameters.
func (m *longConvModel) build(b *Builder) {
	c := m.cfg.common()
	m.k = b.Param("kernel", c.hint("kernel", c.LR), decayingNoise(c.inner(), m.cfg.LMax), c.kernels(), c.inner(), m.cfg.LMax)
}

// The lags, in kernels, at which the exponential of the fastest and of the slowest
// feature has decayed to decayTarget.
const fastDecay, slowDecay, decayTarget = 0.3, 1.5, 0.01

// decayingNoise draws kernels of n weights for h features.
func decayingNoise(h, n int) Init {
	return func(rng *rand.Rand, dst []float64) {
		for i := 0; i < len(dst); i += n {
			between := 0.0
			if h > 1 {
				between = float64(i/n%h) / float64(h-1)
			}
			rate := -math.Log(decayTarget) / float64(n) * ((1-between)/fastDecay + between/slowDecay)
			var squares float64
			for lag := range n {
				squares += math.Exp(-2 * rate * float64(lag))
			}
			for lag := range n {
				dst[i+lag] = rng.NormFloat64() * math.Exp(-rate*float64(lag)) / math.Sqrt(squares)
			}
		}
	}
}

func (m *longConvModel) kernels(int) (*G.Node, error) { return m.k, nil }

func (m *longConvModel) stateShape(batch int) tensor.Shape {
	return tensor.Shape{batch, m.cfg.common().inner(), m.cfg.LMax - 1}
}

// stateOutput convolves the inputs x0 and what follows them, which here is zeros.
func (m *longConvModel) stateOutput(x0 *G.Node, seqLen int) (*G.Node, error) {
	x, err := ops.Extend(x0, seqLen)
	if err != nil {
		return nil, err
	}
	y, err := fftconv.Conv(x, m.k, nil)
	if err != nil {
		return nil, err
	}
	return ops.LastSteps(y, seqLen)
}

func (m *longConvModel) finalState(u, x0 *G.Node) (*G.Node, error) {
	return conv1d.FinalState(u, x0, m.cfg.LMax-1)
}

// system returns no linear system.
func (m *longConvModel) system(int, int) (*System, error) {
	return nil, errors.New("a free convolution has no state matrix: want a state space layer")
}

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(LMax) per feature. Its state
// is the last LMax-1 inputs of the H features, oldest first. A bidirectional layer
// has none.
func (l *LongConv) Recurrence(batch int) (*Recurrence, error) { return NewRecurrence(l, batch) }

// Snapshot implements Stepper.
func (l *LongConv) Snapshot() (Snapshot, error) {
	if err := l.checkRecurrent(); err != nil {
		return nil, err
	}
	if l.dt == tensor.Float32 {
		return snapshotOf[float32](&l.ssmLayer, func() (*fftconv.Step[float32], error) { return longConvStep[float32](&l.model) })
	}
	return snapshotOf[float64](&l.ssmLayer, func() (*fftconv.Step[float64], error) { return longConvStep[float64](&l.model) })
}

// longConvStep reads the convolution of a step off the parameters.
func longConvStep[T num.Float](m *longConvModel) (*fftconv.Step[T], error) {
	var k []T
	if err := read(&k, m.k); err != nil {
		return nil, err
	}
	c := m.cfg.common()
	return fftconv.NewStep(c.Channels, c.inner(), m.cfg.LMax, k)
}
