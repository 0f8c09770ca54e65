package models

import (
	"errors"
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
)

// LossKind names what a Forecaster minimises.
type LossKind string

// The losses of forecasts that are one number each.
const (
	LossMSE LossKind = "mse" // mean squared error: the forecast is the mean of what may come
	LossMAE LossKind = "mae" // mean absolute error: the forecast is its median
)

// ForecasterConfig configures a Forecaster.
type ForecasterConfig struct {
	Features int `json:"features"`          // numbers of each step that is read
	Horizon  int `json:"horizon"`           // steps that are forecast
	Outputs  int `json:"outputs,omitempty"` // numbers of each of those; 0 means Features

	Stack layers.StackConfig `json:"stack"`          // the blocks; their DModel is the width of the model
	Pool  ops.PoolMode       `json:"pool,omitempty"` // over the steps; "" means ops.PoolLast

	Loss LossKind `json:"loss,omitempty"` // "" means LossMSE; none with Quantiles
	// Quantiles, ascending in (0, 1), are forecast of every number in the place of
	// the number, by the pinball loss.
	Quantiles []float64 `json:"quantiles,omitempty"`
	// Center subtracts the last step of a window from all its steps, and adds it to
	// the forecast, so that the model sees no level: output i goes on where feature i
	// ends. Such a model cannot step, for the last step is not known before the end.
	Center bool `json:"center,omitempty"`
	// Weighted says that the data have a field task.Weights, which says how much each
	// number of the target counts: 0 if it is missing.
	Weighted bool `json:"weighted,omitempty"`
}

// Validate reports the first field that is out of range.
func (c ForecasterConfig) Validate() error { return within("ForecasterConfig", c.validate()) }

func (c ForecasterConfig) validate() error {
	switch {
	case c.Features < 1:
		return fmt.Errorf("want Features >= 1, got %d", c.Features)
	case c.Horizon < 1:
		return fmt.Errorf("want Horizon >= 1, got %d", c.Horizon)
	case c.Outputs < 0:
		return fmt.Errorf("want Outputs >= 1, or 0 for Features, got %d", c.Outputs)
	case c.Center && c.outputs() > c.Features:
		return fmt.Errorf("want at most %d Outputs, the Features, with Center, got %d", c.Features, c.Outputs)
	case c.Loss != "" && c.Loss != LossMSE && c.Loss != LossMAE:
		return fmt.Errorf("want Loss %q or %q, got %q", LossMSE, LossMAE, c.Loss)
	case c.Loss != "" && len(c.Quantiles) > 0:
		return fmt.Errorf("want no Loss beside Quantiles, which have one of their own, got %q", c.Loss)
	}
	for i, q := range c.Quantiles {
		if !(q > 0 && q < 1) || i > 0 && q <= c.Quantiles[i-1] {
			return fmt.Errorf("want Quantiles in (0, 1), ascending, got %v", c.Quantiles)
		}
	}
	if err := errors.Join(c.Stack.Validate(), c.pool().Validate()); err != nil {
		return err
	}
	if err := size.Tensor("a forecast (Horizon, Outputs, Quantiles)", c.Horizon, c.outputs(), max(1, len(c.Quantiles))); err != nil {
		return err
	}
	if err := c.encoder().Validate(); err != nil {
		return within("encoder, with In = Features", err)
	}
	return within("decoder, with Out = Horizon*Outputs*len(Quantiles)", c.decoder().Validate())
}

func (c ForecasterConfig) outputs() int {
	if c.Outputs == 0 {
		return c.Features
	}
	return c.Outputs
}

func (c ForecasterConfig) pool() ops.PoolMode {
	if c.Pool == "" {
		return ops.PoolLast
	}
	return c.Pool
}

// shape is that of a forecast of a batch.
func (c ForecasterConfig) shape(batch int) tensor.Shape {
	s := tensor.Shape{batch, c.Horizon, c.outputs()}
	if n := len(c.Quantiles); n > 0 {
		s = append(s, n)
	}
	return s
}

// encoder and decoder configure the parts of those names.
func (c ForecasterConfig) encoder() layers.LinearConfig {
	return layers.LinearConfig{In: c.Features, Out: c.Stack.DModel(), ChannelsLast: true}
}

func (c ForecasterConfig) decoder() layers.LinearConfig {
	return layers.LinearConfig{In: c.Stack.DModel(), Out: c.shape(1).TotalSize()}
}

// median returns the place of the quantile nearest to 1/2.
func (c ForecasterConfig) median() int {
	at := 0
	for i, q := range c.Quantiles {
		if math.Abs(q-0.5) < math.Abs(c.Quantiles[at]-0.5) {
			at = i
		}
	}
	return at
}

// Forecaster maps a window of a series to what follows it:
//
//	features (B, L, F), with Center less the last step
//	encoder   (B, H, L)
//	blocks    (B, H, L), a layers.Stack
//	pool      (B, H), of the last step by default
//	decoder   (B, Horizon, Outputs) or (B, Horizon, Outputs, Q), with Center plus the last step
//
// The parameters are named encoder.*, blocks.I.*, blocks.norm.* and decoder.*. How many
// steps a forecast is ahead is counted in the steps of training: a copy made with
// layers.AtRate(2) reads every second step, and forecasts what its original does.
type Forecaster struct {
	model
	cfg ForecasterConfig
}

// NewForecaster makes a forecaster on graph g with parameters of type dt. seed chooses
// the initial parameters and dropout masks.
func NewForecaster(g *G.ExprGraph, dt tensor.Dtype, cfg ForecasterConfig, seed uint64) (*Forecaster, error) {
	return makeForecaster(g, dt, cfg, seed)
}

// makeForecaster is NewForecaster with options for all layers.
func makeForecaster(g *G.ExprGraph, dt tensor.Dtype, cfg ForecasterConfig, seed uint64, opts ...layers.Option) (*Forecaster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	cfg = deepcopy.Of(cfg)
	m, err := newModel(forecaster, g, dt, design{encoder: cfg.encoder(), stack: cfg.Stack, decoder: cfg.decoder()}, seed, opts)
	if err != nil {
		return nil, err
	}
	return &Forecaster{m, cfg}, nil
}

// CloneTo returns a model on another graph that shares this one's tensors, with the
// options of Classifier.CloneTo.
func (m *Forecaster) CloneTo(g *G.ExprGraph, opts ...layers.CloneOption) (*Forecaster, error) {
	c, err := m.cloneTo(g, opts)
	if err != nil {
		return nil, err
	}
	cfg := deepcopy.Of(m.cfg)
	cfg.Stack = c.stack.Config()
	return &Forecaster{c, cfg}, nil
}

// copyTo implements copier.
func (m *Forecaster) copyTo(g *G.ExprGraph, opts []layers.CloneOption) (Model, error) {
	return asModel(m.CloneTo(g, opts...))
}

// Config returns the configuration, a ForecasterConfig.
func (m *Forecaster) Config() any { return deepcopy.Of(m.cfg) }

// Fwd maps windows x (B, L, F) to forecasts (B, Horizon, Outputs), or with Quantiles to
// (B, Horizon, Outputs, Q). lengths (B) of dtype int, or nil, says how many steps of
// each window are not padding; nothing behind them is read.
func (m *Forecaster) Fwd(x, lengths *G.Node) (*G.Node, error) {
	z, err := x, error(nil)
	if m.cfg.Center {
		if z, err = ops.SubtractLast(x, lengths); err != nil {
			return nil, m.wrap(err)
		}
	}
	y, err := m.hidden(z, lengths)
	if err != nil {
		return nil, err
	}
	if y, err = m.forecast(y, x, lengths); err != nil {
		return nil, m.wrap(err)
	}
	graphop.InLayer(m.title(), y, x, lengths)
	return y, nil
}

// forecast maps the output of the blocks, (B, H, L), to a forecast of what follows x.
func (m *Forecaster) forecast(y, x, lengths *G.Node) (*G.Node, error) {
	y, err := ops.Pool(m.cfg.pool(), y, lengths)
	if err == nil {
		y, err = m.decoder.Fwd(y)
	}
	if err == nil {
		y, err = ops.Reshape(y, m.cfg.shape(y.Shape()[0])...)
	}
	if err == nil && m.cfg.Center {
		y, err = ops.AddLast(y, x, lengths)
	}
	return y, err
}

// Recurrence returns the forecaster as a recurrent network for a batch of series: Step
// maps a step of each, (batch, F), to a forecast of what follows it, (batch,
// Horizon*Outputs), or with Quantiles (batch, Horizon*Outputs*Q), in row-major order.
// One with Center has none, nor has one with a mixer that cannot step: the error names
// it.
func (m *Forecaster) Recurrence(batch int) (*layers.Recurrence, error) {
	return layers.NewRecurrence(m, batch)
}

// Snapshot implements layers.Stepper.
func (m *Forecaster) Snapshot() (layers.Snapshot, error) {
	if m.cfg.Center {
		return nil, m.wrap(errors.New("Recurrence: with Center every step is read less the last one of its window, which is not known before the end"))
	}
	return m.pooled(m.cfg.pool(), m.decoder)
}

// Build puts the model on a graph of its own for batches of windows of the given size
// and length, with placeholders for task.X, task.Target (B, Horizon, Outputs) and, with
// Config.Weighted, task.Weights of that shape, and the loss over what is there. The
// output task.Output has the shape of the target; with Quantiles it is the one nearest
// to the median, and task.Quantiles is all of them. It is what package train asks of a
// model, and what is said of Classifier.Build is true of it.
func (m *Forecaster) Build(_ task.Mode, batch, length int) (*task.Graph, error) {
	if err := m.checkBuild(batch, length); err != nil {
		return nil, err
	}
	g := G.NewGraph()
	c, err := m.CloneTo(g, layers.InTurn())
	if err != nil {
		return nil, err
	}
	target := m.floats(g, task.Target, batch, m.cfg.Horizon, m.cfg.outputs())
	gr := &task.Graph{
		G: g, Count: task.CountNumbers(task.Target), Params: c.Params(), Rows: c.rows(batch), Across: c.across,
		Inputs: map[string]*G.Node{
			task.X: m.floats(g, task.X, batch, length, m.cfg.Features), task.Lengths: ints(g, task.Lengths, batch), task.Target: target,
		},
	}
	if m.cfg.Weighted {
		gr.Inputs[task.Weights], gr.Count = m.floats(g, task.Weights, target.Shape()...), task.CountWeights(task.Weights)
	}
	y, err := c.Fwd(gr.Inputs[task.X], gr.Inputs[task.Lengths])
	if err != nil {
		return nil, err
	}
	if gr.Loss, err = c.regression(y, gr.Inputs); err != nil {
		return nil, err
	}
	gr.Outputs, err = c.outputsOf(y)
	return gr, err
}

// regression returns the loss of forecasts.
func (m *Forecaster) regression(y *G.Node, in map[string]*G.Node) (loss *G.Node, err error) {
	target := in[task.Target]
	opts := []ops.RegressionOption{ops.Weighted(in[task.Weights]), ops.CountRows(in[task.Lengths])}
	switch {
	case len(m.cfg.Quantiles) > 0:
		loss, err = ops.Pinball(slices.Clone(m.cfg.Quantiles), y, target, opts...)
	case m.cfg.Loss == LossMAE:
		loss, err = ops.MAE(y, target, opts...)
	default:
		loss, err = ops.MSE(y, target, opts...)
	}
	if err != nil {
		return nil, m.wrap(err)
	}
	graphop.InLayer(m.title(), loss, y, target)
	return loss, nil
}

// outputsOf returns what metrics look at.
func (m *Forecaster) outputsOf(y *G.Node) (map[string]*G.Node, error) {
	if len(m.cfg.Quantiles) == 0 {
		return map[string]*G.Node{task.Output: y}, nil
	}
	median, err := ops.TakeLast(y, m.cfg.median())
	return map[string]*G.Node{task.Output: median, task.Quantiles: y}, m.wrap(err)
}

// Save writes the model to a directory, as that of a Classifier does.
func (m *Forecaster) Save(dir string) error { return m.save(dir, m.cfg) }

// LoadForecaster reads a model that Save wrote and puts it on graph g, as
// LoadClassifier does.
func LoadForecaster(g *G.ExprGraph, dir string, opts ...LoadOption) (*Forecaster, error) {
	return load(forecaster, dir, opts, func(dt tensor.Dtype, cfg ForecasterConfig, limit layers.Option) (*Forecaster, error) {
		return makeForecaster(g, dt, cfg, 0, limit)
	})
}
