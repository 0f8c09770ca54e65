package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/task"
)

// Evaluator runs a model on data without training it. It keeps the graphs that it has
// made, one for each size of a batch, until Close; they share the memory of the largest.
// It is not safe for concurrent use.
type Evaluator struct{ t *Trainer }

// NewEvaluator returns an evaluator of a model, which measures the metrics.
func NewEvaluator(m Model, metrics ...Metric) (*Evaluator, error) {
	if m == nil {
		return nil, errors.New("train: Evaluator: want a model, got nil")
	}
	t := &Trainer{model: m, metrics: metrics, sessions: make(map[sessionKey]*session), memory: new(graphop.Arena), now: time.Now}
	ps := m.Params()
	if len(ps) > 0 && ps[0].Node != nil && ps[0].Node.Dtype() == tensor.Float64 {
		t.cfg.DType = Float64
	}
	err := t.checkModel()
	if err == nil {
		err = checkMetrics(metrics)
	}
	if err != nil {
		return nil, fmt.Errorf("train: Evaluator: %w", err)
	}
	return &Evaluator{t}, nil
}

// Evaluate returns the metrics of the model on data, in batches as cfg says, and calls
// each, if there is one, with every batch and what the model makes of it, which are
// valid until it returns. It changes nothing.
func (e *Evaluator) Evaluate(ctx context.Context, ds task.Dataset, cfg LoaderConfig, each ...func(out *task.Outputs, b *task.Batch) error) (Metrics, error) {
	if err := cfg.Validate(); err != nil {
		return Metrics{}, err
	}
	l, err := newLoader(ds, cfg)
	m, err := e.t.evaluateAll(ctx, l, err, each...)
	if err != nil {
		return Metrics{}, fmt.Errorf("train: Evaluate: %w", err)
	}
	return m, nil
}

// Graphs returns the number of graphs that are kept.
func (e *Evaluator) Graphs() int { return len(e.t.sessions) }

// Close gives back the memory of the graphs. The evaluator makes new ones when it is
// used again.
func (e *Evaluator) Close() error { return e.t.Close() }
