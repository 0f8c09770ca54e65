package main

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data/markov"
)

// reading is what is read from the residual stream of a model at some time.
type reading struct {
	step   int
	loss   float64   // on the sequences of the probe, in nats a token; 0 before the training
	layers []float64 // R2 from what the embedding, each layer, and the last norm return
	all    float64   // R2 from all of those together

	shuffled float64    // R2 of the last of them to beliefs of other steps
	beliefs  *mat.Dense // that are read from the last (n, S)
}

// last returns R2 from what is behind the last layer.
func (r *reading) last() float64 { return r.layers[len(r.layers)-1] }

// reader reads the beliefs of a model from sequences that are drawn once: a probe is fit
// on the first half of them and tested on the other.
type reader struct {
	batch   *task.Batch
	half    int        // steps of the first half
	beliefs *mat.Dense // exact (steps, S)
	other   *mat.Dense // the same in an order that is drawn
	best    float64    // loss of a predictor that knows the process
	hidden  *models.Hidden
}

// newReader makes a reader of a model.
func (o *options) newReader(p *markov.Process, m models.Model) (*reader, error) {
	ds, err := o.heldOut(p)
	if err != nil {
		return nil, err
	}
	r := &reader{batch: task.NewBatch(ds), half: o.examples / 2 * o.length}
	numbers := make([]int, o.examples)
	r.beliefs = mat.NewDense(o.examples*o.length, p.States(), nil)
	for i := range numbers {
		numbers[i] = i
		tokens := ds.Tokens(i)
		bs, err := p.Beliefs(tokens[:o.length])
		if err != nil {
			return nil, err
		}
		losses, err := p.Losses(tokens)
		if err != nil {
			return nil, err
		}
		for _, v := range losses[1:] {
			r.best += v / float64(o.examples*o.length)
		}
		for l, b := range bs {
			r.beliefs.SetRow(i*o.length+l, b)
		}
	}
	r.other = mat.NewDense(o.examples*o.length, p.States(), nil)
	for i, j := range rand.New(rand.NewPCG(o.seed, 1)).Perm(o.examples * o.length) {
		r.other.SetRow(i, r.beliefs.RawRowView(j))
	}
	if err := r.batch.Load(numbers, o.examples, o.length); err != nil {
		return nil, err
	}
	r.hidden, err = models.NewHidden(m, o.examples, o.length)
	return r, err
}

// halves returns the rows that a probe is fit on, and those that it is tested on.
func (r *reader) halves(x *mat.Dense) (fit, test *mat.Dense) {
	n, w := x.Dims()
	return x.Slice(0, r.half, 0, w).(*mat.Dense), x.Slice(r.half, n, 0, w).(*mat.Dense)
}

// tested returns the R2 of a probe of hidden states x on the second half, and what it
// reads there.
func (r *reader) tested(x, beliefs *mat.Dense) (float64, *mat.Dense, error) {
	xFit, xTest := r.halves(x)
	bFit, bTest := r.halves(beliefs)
	p, err := fit(xFit, bFit)
	if err != nil {
		return 0, nil, err
	}
	read := p.read(xTest)
	return r2(read, bTest), read, nil
}

// read reads the beliefs of the model as it is.
func (r *reader) read() (*reading, error) {
	states, err := r.hidden.Run(r.batch)
	if err != nil {
		return nil, err
	}
	got := new(reading)
	var all *mat.Dense
	for _, s := range states {
		x := rowsOf(s)
		var v float64
		if v, got.beliefs, err = r.tested(x, r.beliefs); err != nil {
			return nil, err
		}
		got.layers = append(got.layers, v)
		if all == nil {
			all = x
			continue
		}
		var both mat.Dense
		both.Augment(all, x)
		all = &both
	}
	if got.all, _, err = r.tested(all, r.beliefs); err != nil {
		return nil, err
	}
	got.shuffled, _, err = r.tested(rowsOf(states[len(states)-1]), r.other)
	return got, err
}

// rowsOf returns hidden states (B, H, L) as a row for each step (B L, H).
func rowsOf(s task.Array) *mat.Dense {
	b, h, l := s.Shape[0], s.Shape[1], s.Shape[2]
	x := mat.NewDense(b*l, h, nil)
	for i := range b {
		for j := range h {
			for k := range l {
				x.Set(i*l+k, j, s.At((i*h+j)*l+k))
			}
		}
	}
	return x
}

// truth returns the exact beliefs of the second half.
func (r *reader) truth() *mat.Dense {
	_, test := r.halves(r.beliefs)
	return test
}

// Close gives the memory back.
func (r *reader) Close() error { return r.hidden.Close() }
