package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train"
)

// history is what the metrics of a run say.
type history struct {
	step, sequences int
	epoch           float64
	seconds         float64 // of the steps
	elapsed         float64
	steps           []point // training loss
	evals           []train.Record
	metric          string // the first, which chooses the best; "" before an evaluation
}

// point is a value at a step.
type point struct {
	curve   string
	step    int
	epoch   float64
	elapsed float64 // seconds
	value   float64
}

// readHistory reads the metrics of a run. One that has not begun has none.
func readHistory(dir string) (*history, error) {
	h := new(history)
	path := filepath.Join(dir, report.MetricsFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := train.ReadMetrics(f, h.add); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// add adds a line of the metrics.
func (h *history) add(l train.MetricsLine) error {
	h.step, h.epoch, h.elapsed = l.Step, l.Epoch, l.Elapsed
	if l.Kind == train.EvalLine {
		h.evals = append(h.evals, train.Record{
			Step: l.Step, Epoch: l.Epoch, Train: *l.Train, Val: *l.Val, LR: l.LR, Elapsed: train.Duration(l.Elapsed * 1e9),
		})
		if len(l.Val.Scores) > 0 {
			h.metric = l.Val.Scores[0].Name
		}
		return nil
	}
	h.sequences += l.Sequences
	h.seconds += l.Seconds
	h.steps = append(h.steps, point{trainLoss, l.Step, l.Epoch, l.Elapsed, l.Batch.Loss})
	return nil
}

// best returns the evaluation with the highest first metric, which is an accuracy.
func (h *history) best() *train.Record {
	var best *train.Record
	for i := range h.evals {
		e := &h.evals[i]
		if best == nil || e.Val.Value(h.metric) > best.Val.Value(h.metric) || math.IsNaN(best.Val.Value(h.metric)) {
			best = e
		}
	}
	return best
}

// The names of curves are these before the name of a metric.
const (
	trainLoss = "train_loss" // of batches, each point the mean of some
	ofVal     = "val_"
)

// trainPoints is the number of points of the training loss, at most.
const trainPoints = 100

// curves are those of a run, thinned.
type curves struct{ points []point }

// curves returns the evaluations, and the training loss in means of equally many steps.
func (h *history) curves() *curves {
	c := new(curves)
	each := (len(h.steps) + trainPoints - 1) / trainPoints
	for i := 0; i < len(h.steps); i += each {
		some := h.steps[i:min(i+each, len(h.steps))]
		p := some[len(some)-1]
		p.value = 0
		for _, s := range some {
			p.value += s.value / float64(len(some))
		}
		c.points = append(c.points, p)
	}
	for _, e := range h.evals {
		at := point{ofVal + train.Loss, e.Step, e.Epoch, float64(e.Elapsed) / 1e9, e.Val.Loss}
		c.points = append(c.points, at)
		for _, s := range e.Val.Scores {
			at.curve, at.value = ofVal+s.Name, s.Value
			c.points = append(c.points, at)
		}
	}
	return c
}

// save writes the curves as a table.
func (c *curves) save(path string) error {
	return atomicfile.Write(path, 0o666, func(w io.Writer) error {
		if _, err := fmt.Fprintln(w, "curve,step,epoch,elapsed_s,value"); err != nil {
			return err
		}
		for _, p := range c.points {
			if _, err := fmt.Fprintf(w, "%s,%d,%.4g,%.1f,%.5g\n", p.curve, p.step, p.epoch, p.elapsed, p.value); err != nil {
				return err
			}
		}
		return nil
	})
}
