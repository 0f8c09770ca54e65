package main

import (
	"fmt"
	"io"
	"math"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
)

// watch is a hook that looks at A after every step: it follows its eigenvalues
// and prints their largest real part. An A that is not stable ends the run.
type watch struct {
	train.BaseHook
	o     *options
	model *models.Classifier
	out   io.Writer

	spectra []spectrum // of each A, in the order of the start
	steps   int        // seen
	recent  float64    // largest real part since the last line
	since   int        // step of that line
	largest float64    // largest real part of all steps
	at      int        // step of that
}

// newWatch returns a watch over a model from now on.
func newWatch(o *options, m *models.Classifier, out io.Writer) (*watch, error) {
	spectra, _, err := o.readSpectra(m)
	if err != nil {
		return nil, err
	}
	return &watch{o: o, model: m, out: out, spectra: spectra, recent: math.Inf(-1), largest: math.Inf(-1)}, nil
}

// OnStep implements train.Hook.
func (w *watch) OnStep(e train.StepEvent) error {
	spectra, largest, err := w.o.readSpectra(w.model)
	if err != nil {
		return err
	}
	for s, re := range largest {
		if !(re < 0) {
			return fmt.Errorf("want eigenvalues of negative real part, got %g for A %d", re, s)
		}
		w.recent = max(w.recent, re)
		w.spectra[s] = follow(w.spectra[s], spectra[s])
	}
	w.steps = e.Step
	if w.recent > w.largest {
		w.largest, w.at = w.recent, e.Step
	}
	if e.Step%w.o.every == 0 || e.Step == e.Steps {
		w.print()
	}
	return nil
}

// OnEnd implements train.Hook.
func (w *watch) OnEnd(train.EndEvent) error {
	if w.since < w.steps { // a run that was cut short
		w.print()
	}
	if w.steps > 0 {
		_, err := fmt.Fprintf(w.out, "  of all %d steps: %.3g, after step %d; A is stable at every step\n", w.steps, w.largest, w.at)
		return err
	}
	return nil
}

// print prints the largest real part since the last line.
func (w *watch) print() {
	switch first := w.since + 1; first {
	case w.steps:
		fmt.Fprintf(w.out, "  step %d: %.3g\n", w.steps, w.recent)
	default:
		fmt.Fprintf(w.out, "  steps %d to %d: at most %.3g\n", first, w.steps, w.recent)
	}
	w.since, w.recent = w.steps, math.Inf(-1)
}
