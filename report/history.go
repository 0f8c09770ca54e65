package report

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train"
)

// MetricsFile is the name of the file of a train.MetricsFile in a run's directory.
const MetricsFile = "metrics.jsonl"

// maxMetrics is the number of metrics whose curves are drawn, at most.
const maxMetrics = 12

// history is what a run did, as curves over its steps.
type history struct {
	steps, evals   int
	lastStep       int
	epoch          float64 // at the last step
	sequences      float64
	stepSeconds    float64 // of all steps
	evalSeconds    float64 // of all evaluations
	elapsed        float64
	lr, norm, pace thin
	// By name of the metric, Loss first.
	metrics []*metricCurves
	last    *train.MetricsLine // evaluation
	// peakLR is the largest learning rate.
	peakLR float64
}

// metricCurves are those of a metric: over the batches, and over the training and
// the validation data at the evaluations.
type metricCurves struct {
	name              string
	batch, train, val thin
}

// readHistory reads dir/metrics.jsonl; nil if there is none.
func readHistory(dir string) (*history, error) {
	path := filepath.Join(dir, MetricsFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	h := new(history)
	if err := errors.Join(train.ReadMetrics(f, h.add), f.Close()); err != nil {
		return nil, fmt.Errorf("report: %s: %w", path, err)
	}
	return h, nil
}

// add adds a line.
func (h *history) add(l train.MetricsLine) error {
	if l.Step < h.lastStep {
		return fmt.Errorf("want steps in order, got %d after %d", l.Step, h.lastStep)
	}
	x := float64(l.Step)
	h.lastStep, h.epoch, h.elapsed = l.Step, l.Epoch, l.Elapsed
	if l.Kind == train.EvalLine {
		h.evals++
		h.evalSeconds += l.Seconds
		h.last = &l
		h.addMetrics(*l.Train, x, func(c *metricCurves) *thin { return &c.train })
		h.addMetrics(*l.Val, x, func(c *metricCurves) *thin { return &c.val })
		return nil
	}
	h.steps++
	h.sequences += float64(l.Sequences)
	h.stepSeconds += l.Seconds
	h.peakLR = max(h.peakLR, l.LR)
	h.lr.add(x, l.LR)
	h.norm.add(x, *l.GradNorm)
	rate := math.NaN()
	if l.Seconds > 0 {
		rate = float64(l.Sequences) / l.Seconds
	}
	h.pace.add(x, rate)
	h.addMetrics(*l.Batch, x, func(c *metricCurves) *thin { return &c.batch })
	return nil
}

// addMetrics adds the loss and the scores to one of their curves.
func (h *history) addMetrics(m train.Metrics, x float64, of func(*metricCurves) *thin) {
	if c := h.curves(train.Loss); c != nil {
		of(c).add(x, m.Loss)
	}
	for _, s := range m.Scores {
		if c := h.curves(s.Name); c != nil {
			of(c).add(x, s.Value)
		}
	}
}

// curves returns those of a metric; nil if there are too many.
func (h *history) curves(name string) *metricCurves {
	for _, c := range h.metrics {
		if c.name == name {
			return c
		}
	}
	if len(h.metrics) == maxMetrics {
		return nil
	}
	c := &metricCurves{name: name}
	h.metrics = append(h.metrics, c)
	return c
}
