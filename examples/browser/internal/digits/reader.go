package digits

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

// Reader reads a page, one pixel at a time. It is for one goroutine.
type Reader struct {
	model  *models.Classifier
	steps  *layers.Recurrence
	pixels []float32 // (Length), 0 to 1
	at     int       // pixels that have been read
	probs  []float32 // (Classes), of what has been read
	pixel  *tensor.Dense
	whole  *whole // nil until it is needed
}

// NewReader returns a reader of a blank page.
func NewReader(m *models.Classifier) (*Reader, error) {
	if c := m.Config().(models.ClassifierConfig); c.Features != 1 || c.Classes != Classes || m.Dtype() != tensor.Float32 {
		return nil, fmt.Errorf("digits: want a classifier of 1 feature and %d classes in float32, got %d and %d in %v", Classes, c.Features, c.Classes, m.Dtype())
	}
	steps, err := m.Recurrence(1)
	if err != nil {
		return nil, err
	}
	r := &Reader{model: m, steps: steps, pixels: make([]float32, Length), probs: make([]float32, Classes)}
	r.pixel = tensor.New(tensor.WithShape(1, 1), tensor.Of(tensor.Float32))
	return r, r.Begin(make([]uint8, Length))
}

// Begin puts a page of Length grey values in front of the reader, which has read none of
// it.
func (r *Reader) Begin(page []uint8) error {
	if len(page) != Length {
		return fmt.Errorf("digits: want a page of %d pixels, got %d", Length, len(page))
	}
	for i, v := range page {
		r.pixels[i] = float32(v) / 255
	}
	r.restart()
	return nil
}

// restart goes back to the first pixel of the page.
func (r *Reader) restart() {
	r.steps.Reset()
	r.at = 0
	for i := range r.probs {
		r.probs[i] = 1.0 / Classes
	}
}

// At returns how many pixels have been read.
func (r *Reader) At() int { return r.at }

// Probabilities returns those of the classes, (Classes), after what has been read. They
// are overwritten by the next Step.
func (r *Reader) Probabilities() []float32 { return r.probs }

// Step reads the next pixel. Behind the last there is none, which is an error.
func (r *Reader) Step() error {
	if r.at == Length {
		return fmt.Errorf("digits: want a step of %d, got one more", Length)
	}
	r.pixel.Data().([]float32)[0] = r.pixels[r.at]
	logits, err := r.steps.Step(r.pixel)
	if err != nil {
		return err
	}
	softmax(r.probs, logits.Data().([]float32))
	r.at++
	return nil
}

// Go reads on until n pixels have been read, from the start if more have been.
func (r *Reader) Go(n int) error {
	if n < 0 || n > Length {
		return fmt.Errorf("digits: want 0 to %d pixels, got %d", Length, n)
	}
	if n < r.at {
		r.restart()
	}
	for r.at < n {
		if err := r.Step(); err != nil {
			return err
		}
	}
	return nil
}

// State returns the magnitudes of the states of each block, (H N/2), that there are now.
func (r *Reader) State() [][]float32 {
	var blocks [][]float32
	for _, t := range r.steps.State() {
		shape := t.Value.Shape() // (1, H, N/2, 2)
		if len(shape) != 4 || shape[3] != 2 {
			continue // the sums of the pool
		}
		x := t.Value.Data().([]float32)
		m := make([]float32, len(x)/2)
		for i := range m {
			m[i] = float32(math.Hypot(float64(x[2*i]), float64(x[2*i+1])))
		}
		blocks = append(blocks, m)
	}
	return blocks
}

// States returns how many states a feature of a block has, of those that State shows, and
// Features how many features.
func (r *Reader) States() int   { return len(r.State()[0]) / r.Features() }
func (r *Reader) Features() int { return r.model.Config().(models.ClassifierConfig).Stack.DModel() }

// Parameters returns the number of parameters.
func (r *Reader) Parameters() (n int) {
	for _, p := range r.model.Params() {
		n += p.Node.Shape().TotalSize()
	}
	return n
}

// Convolve returns the probabilities of the classes of the whole page, (Classes), as
// training computes them: by convolutions, in a graph.
func (r *Reader) Convolve() ([]float32, error) {
	if r.whole == nil {
		w, err := newWhole(r.model)
		if err != nil {
			return nil, err
		}
		r.whole = w
	}
	return r.whole.run(r.pixels)
}

// whole is a graph for a page.
type whole struct {
	x, logits *G.Node
	value     G.Value // of the logits
	vm        G.VM
}

func newWhole(m *models.Classifier) (*whole, error) {
	g := G.NewGraph()
	c, err := m.CloneTo(g)
	if err != nil {
		return nil, err
	}
	w := &whole{x: G.NewTensor(g, tensor.Float32, 3, G.WithShape(1, Length, 1), G.WithName("x"))}
	if w.logits, err = c.Fwd(w.x, nil); err != nil {
		return nil, err
	}
	G.Read(w.logits, &w.value)
	w.vm = G.NewTapeMachine(g)
	return w, nil
}

// run returns the probabilities of the classes of a page.
func (w *whole) run(pixels []float32) ([]float32, error) {
	defer w.vm.Reset()
	if err := G.Let(w.x, tensor.New(tensor.WithShape(1, Length, 1), tensor.WithBacking(pixels))); err != nil {
		return nil, err
	}
	if err := w.vm.RunAll(); err != nil {
		return nil, err
	}
	probs := make([]float32, Classes)
	softmax(probs, w.value.Data().([]float32))
	return probs, nil
}

// softmax makes probabilities of logits.
func softmax(dst, logits []float32) {
	top := logits[0]
	for _, v := range logits {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v - top))
	}
	for i, v := range logits {
		dst[i] = float32(math.Exp(float64(v-top)) / sum)
	}
}
