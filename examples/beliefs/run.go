package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/markov"
)

// run trains as the arguments say, and reads the beliefs of the model on the way.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	began := time.Now()
	p, err := o.source()
	if err != nil {
		return err
	}
	floor, err := o.floor(p)
	if err != nil {
		return err
	}
	m, err := o.newModel(p)
	if err != nil {
		return err
	}
	r, err := o.newReader(p, m)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(o.out), 0o777); err != nil { // before the training, not behind it
		return fmt.Errorf("-out: %w", err)
	}
	fmt.Fprintf(out, "%s: %d states, %d tokens; the entropy of a token given those before is %.4f nats, and the loss of who knows the process %.4f on the test sequences\n", p.Name(), p.States(), p.Tokens(), floor, r.best)
	fmt.Fprintf(out, "%s: %d layers of %d features, %d parameters\n\n", o.kind, o.layers, o.dModel, size(m))
	readings, err := o.fit(ctx, p, m, r, out)
	if err != nil {
		return err
	}
	last := readings[len(readings)-1]
	fmt.Fprintf(out, "\nR2 of the beliefs that a linear map reads from the embedding, each layer and the last norm:%s; of all together: %.4f\n", list(last.layers), last.all)
	if err := o.save(p, r, readings); err != nil {
		return err
	}
	fmt.Fprintf(out, "picture in %s, %s in all\n", o.out, time.Since(began).Round(time.Second))
	return nil
}

// list writes numbers in a row.
func list(vs []float64) string {
	var b strings.Builder
	for _, v := range vs {
		fmt.Fprintf(&b, " %.4f", v)
	}
	return b.String()
}

// newModel makes a model of the tokens of a process.
func (o *options) newModel(p *markov.Process) (*models.LanguageModel, error) {
	m, err := models.NewLanguageModel(G.NewGraph(), train.Float32.Tensor(), o.model(p.Tokens()), o.seed)
	return m, fields.Speak(err)
}

// size returns the number of parameters.
func size(m models.Model) int {
	n := 0
	for _, p := range m.Params() {
		n += p.Node.Shape().TotalSize()
	}
	return n
}

// floor returns the mean entropy of the tokens that are to be told, given those before.
func (o *options) floor(p *markov.Process) (float64, error) {
	h, err := p.Entropies(o.length + 1)
	if err != nil {
		return 0, err
	}
	sum := 0.
	for _, v := range h[1:] {
		sum += v / float64(o.length)
	}
	return sum, nil
}

// heldOut returns the sequences of the probe.
func (o *options) heldOut(p *markov.Process) (*markov.Dataset, error) {
	return p.Dataset(o.length, o.examples, 2*o.seed+1)
}

// fit trains the model, and returns what was read from it on the way.
func (o *options) fit(ctx context.Context, p *markov.Process, m models.Model, r *reader, out io.Writer) ([]*reading, error) {
	training, err := p.Dataset(o.length, o.every*o.batch, 2*o.seed)
	if err != nil {
		return nil, err
	}
	val, err := o.heldOut(p)
	if err != nil {
		return nil, err
	}
	w := &watch{reader: r, out: out}
	t, err := train.New(o.training(), m, markov.Fresh{Dataset: training}, val, train.WithHooks(w))
	if err != nil {
		return nil, fields.Speak(err)
	}
	_, err = t.Fit(ctx)
	return w.readings, errors.Join(err, t.Close())
}

// watch is a hook that reads the beliefs of a model.
type watch struct {
	train.BaseHook
	reader   *reader
	out      io.Writer
	readings []*reading
}

// OnStart implements train.Hook.
func (w *watch) OnStart(train.StartEvent) error { return w.look(0, 0) }

// OnEval implements train.Hook.
func (w *watch) OnEval(e train.EvalEvent) error { return w.look(e.Step, e.Val.Loss) }

// look reads the beliefs after so many steps.
func (w *watch) look(step int, loss float64) error {
	r, err := w.reader.read()
	if err != nil {
		return err
	}
	r.step, r.loss = step, loss
	w.readings = append(w.readings, r)
	text := ""
	if step > 0 {
		text = fmt.Sprintf(" loss %.4f;", loss)
	}
	_, err = fmt.Fprintf(w.out, "step %d:%s R2 of beliefs %.4f, from all layers %.4f, of shuffled ones %.4f\n", step, text, r.last(), r.all, r.shuffled)
	return err
}
