package s4_test

import (
	"errors"
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/fftconv"
	"github.com/gorgonia-s4/s4/param"
)

// LeakyConfig configures a mixer of our own: a leaky integrator of each feature,
//
//	y_l = a y_{l-1} + (1-a) u_l,   a = sigmoid(w)
type LeakyConfig struct {
	DModel int `json:"d_model"`
}

func init() {
	if err := layers.RegisterMixer[LeakyConfig]("leaky"); err != nil {
		panic(err)
	}
}

// Validate implements layers.Config.
func (c LeakyConfig) Validate() error {
	if c.DModel < 1 {
		return fmt.Errorf("LeakyConfig: want DModel >= 1, got %d", c.DModel)
	}
	return nil
}

// Features implements layers.MixerConfig.
func (c LeakyConfig) Features() (in, out int) { return c.DModel, c.DModel }

// Build implements layers.Config.
func (c LeakyConfig) Build(b *layers.Builder) (layers.Layer, error) {
	if b.Dtype() != tensor.Float64 {
		b.Fail(errors.New("want float64"))
	}
	l := &Leaky{h: c.DModel, w: b.Param("w", param.Hint{}, layers.Ones, c.DModel, 1)}
	var err error
	l.Base, err = b.Done()
	return l, err
}

// Leaky is the layer.
type Leaky struct {
	*layers.Base
	h int
	w *G.Node // (H, 1)
}

// Fwd implements layers.Layer.
func (l *Leaky) Fwd(x *G.Node) (*G.Node, error) { return l.FwdLengths(x, nil) }

// FwdLengths implements layers.Mixer, with Gorgonia's own ops but for the long
// convolution with the kernel (1-a) a^l.
func (l *Leaky) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	steps := x.Shape()[2]
	lags := make([]float64, steps)
	for i := range lags {
		lags[i] = float64(i)
	}
	lag := G.NewMatrix(x.Graph(), tensor.Float64, G.WithShape(1, steps), G.WithName(fmt.Sprintf("%s.lag%d", l.Name(), steps)),
		G.WithValue(tensor.New(tensor.WithShape(1, steps), tensor.WithBacking(lags))))
	logA := G.Must(G.Neg(G.Must(G.Softplus(G.Must(G.Neg(l.w))))))   // (H, 1)
	powers := G.Must(G.Exp(G.Must(G.Mul(logA, lag))))               // (H, L): a^l
	gain := G.Must(G.Sigmoid(G.Must(G.Neg(l.w))))                   // (H, 1): 1 - a
	k, err := G.BroadcastHadamardProd(powers, gain, nil, []byte{1}) // (H, L)
	if err != nil {
		return nil, err
	}
	return fftconv.Conv(x, k, nil, fftconv.WithLengths(lengths))
}

// Snapshot implements layers.Stepper.
func (l *Leaky) Snapshot() (layers.Snapshot, error) {
	var s leakySnapshot
	for _, w := range l.w.Value().Data().([]float64) {
		s = append(s, 1/(1+math.Exp(-w)))
	}
	return s, nil
}

// leakySnapshot is a of each feature.
type leakySnapshot []float64

// NewSession implements layers.Snapshot.
func (s leakySnapshot) NewSession(batch int) (layers.Session, error) {
	y := make([]float64, batch*len(s))
	return &leakySession{a: s, y: y, out: tensor.New(tensor.WithShape(batch, len(s)), tensor.WithBacking(y))}, nil
}

// leakySession is a batch of sequences: the output is the state.
type leakySession struct {
	a   []float64
	y   []float64 // (B, H)
	out *tensor.Dense
}

// Step implements layers.Session.
func (s *leakySession) Step(u *tensor.Dense) (*tensor.Dense, error) {
	if !u.Shape().Eq(s.out.Shape()) || u.Dtype() != tensor.Float64 {
		return nil, fmt.Errorf("leaky: want %v of float64, got %v of %v", s.out.Shape(), u.Shape(), u.Dtype())
	}
	for i, v := range u.Float64s() {
		a := s.a[i%len(s.a)]
		s.y[i] = a*s.y[i] + (1-a)*v
	}
	return s.out, nil
}

// State implements layers.Session.
func (s *leakySession) State() layers.State {
	return layers.State{{Name: "y", Value: s.out.Clone().(*tensor.Dense)}}
}

// SetState implements layers.Session.
func (s *leakySession) SetState(x layers.State) error {
	if len(x) != 1 || x[0].Name != "y" || !x[0].Value.Shape().Eq(s.out.Shape()) || x[0].Value.Dtype() != tensor.Float64 {
		return fmt.Errorf("leaky: want a state y %v of float64", s.out.Shape())
	}
	copy(s.y, x[0].Value.Float64s())
	return nil
}

// Reset implements layers.Session.
func (s *leakySession) Reset() { clear(s.y) }
