package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
)

// run trains as the arguments say: with A frozen, and from there on with A
// frozen and with A learned.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	began := time.Now()
	o.describe(out)
	start, err := models.NewClassifier(G.NewGraph(), train.Float32.Tensor(), o.model(), o.seed)
	if err != nil {
		return err
	}
	var r result
	if r.frozen, err = o.fit(ctx, "frozen", start); err != nil {
		return err
	}
	control, err := o.load()
	if err != nil {
		return err
	}
	if r.control, err = o.fit(ctx, "control", control); err != nil {
		return err
	}
	if err := o.learnA(ctx, &r, out); err != nil {
		return err
	}
	if err := o.report(out, r); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nmodels in %s, %s in all\n", o.out, time.Since(began).Round(time.Second))
	return nil
}

// load reads the model that was trained with A frozen.
func (o *options) load() (*models.Classifier, error) {
	return models.LoadClassifier(G.NewGraph(), filepath.Join(o.out, "frozen"))
}

// learnA goes on from the model that was trained with A frozen, and learns A
// too.
func (o *options) learnA(ctx context.Context, r *result, out io.Writer) error {
	frozen, err := o.load()
	if err != nil {
		return err
	}
	m, err := frozen.CloneTo(G.NewGraph(), layers.WithFrozen())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nlargest real part of an eigenvalue of A, while it is learned:\n")
	w, err := newWatch(o, m, out)
	if err != nil {
		return err
	}
	r.before = slices.Clone(w.spectra)
	if r.dtBefore, err = o.readSteps(m); err != nil {
		return err
	}
	if r.learned, err = o.fit(ctx, "learned", m, w); err != nil {
		return err
	}
	r.after = w.spectra
	r.dtAfter, err = o.readSteps(m)
	return err
}

// fit trains a model, saves it under a name, and returns its accuracy on the
// test data.
func (o *options) fit(ctx context.Context, name string, m *models.Classifier, hooks ...train.Hook) (float64, error) {
	training, test := o.data()
	tr, err := train.New(o.training(), m, training, nil, train.WithMetrics(train.Accuracy()), train.WithHooks(hooks...))
	if err != nil {
		return 0, err
	}
	defer tr.Close()
	if _, err := tr.Fit(ctx); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	v, err := tr.Evaluate(ctx, test)
	if err != nil {
		return 0, fmt.Errorf("%s: test: %w", name, err)
	}
	return v.Value("accuracy"), m.Save(filepath.Join(o.out, name))
}
