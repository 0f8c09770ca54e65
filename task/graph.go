package task

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/param"
)

// Mode says what a graph is built for.
type Mode int

const (
	// Training graphs apply dropout and update running statistics; they are
	// differentiated.
	Training Mode = iota
	// Evaluation graphs do neither.
	Evaluation
)

// String returns "training" or "evaluation".
func (m Mode) String() string {
	switch m {
	case Training:
		return "training"
	case Evaluation:
		return "evaluation"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Graph is a model on one graph, for one batch size B and one padded length L:
// what a trainer feeds and what it reads.
type Graph struct {
	G *G.ExprGraph

	// Inputs are the nodes that get the fields of a batch of the same names:
	// inputs, targets, [Lengths], weights. A field that the model does not need
	// may be left out.
	Inputs map[string]*G.Node
	// Ranges bounds what an int input may hold: a batch with another number is
	// an error that names the example. Inputs that are not named are not looked
	// at.
	Ranges map[string]Range

	// Loss is a scalar: the mean over the targets that count.
	Loss *G.Node
	// Count returns how many targets of a batch that mean is over: the weight of
	// the batch among others. For a weighted mean it is the sum of the weights.
	// nil means the examples of the batch.
	Count func(*Batch) float64
	// Outputs are what metrics look at.
	Outputs map[string]*G.Node
	// States go from batch to batch.
	States []State

	// Rows, unless it is nil, is called before every run with what is known of the
	// rows: what is drawn at random for a row, as by a dropout, is the same then as in
	// a graph of the whole batch.
	Rows func(Rows)
	// Across, unless it is nil, makes what the graph computes over all rows of a batch
	// in training, as the statistics of a batch normalisation, that of the rows of
	// several ranks, which run the same graph at the same time: sum replaces v by its
	// sum over them. nil makes them those of the graph alone, which they are before.
	// The weights of Rows have to be told then.
	Across func(sum func(v []float64) error)

	// Params are the model's parameters as nodes of this graph, in the order of
	// the model's and bound to the same tensors.
	Params []param.Param
}

// Rows says which rows of the batch of a step a graph runs on: those of a micro-batch,
// or of a rank.
type Rows struct {
	// First is the number of the first row in the batch of the step, which has Of.
	First, Of int
	// Later says that other rows of the step have run here before.
	Later bool
	// Weight is what the loss counts among those of the other rows: see Graph.Count.
	Weight float64
}

// Range is the whole numbers from Low to below High, and [Ignore] if Ignored.
type Range struct {
	Low, High int
	Ignored   bool
}

// Holds says whether v is in the range.
func (r Range) Holds(v int) bool {
	return v >= r.Low && v < r.High || r.Ignored && v == Ignore
}

// String returns "[0, 10), or -1 to ignore it".
func (r Range) String() string {
	s := fmt.Sprintf("[%d, %d)", r.Low, r.High)
	if r.Ignored {
		s += fmt.Sprintf(", or %d to ignore it", Ignore)
	}
	return s
}

// State is what a model carries from one batch to the next, for truncated
// back-propagation through streams that are longer than a batch: after a batch
// Out is copied to where In is read from at the next. It is zero at the start of
// an epoch, and of an evaluation. A stream that begins amid an epoch needs a
// field that is 0 there and 1 elsewhere, to multiply In by.
type State struct {
	// Name is unique in the graph, and the same in all graphs of a model.
	Name string
	// In is an input, Out a result of the same type and shape, which is the same
	// for all lengths.
	In, Out *G.Node
}

// Outputs is what a graph gave for a batch.
type Outputs struct {
	// Loss is the mean over the targets that count, Count their number.
	Loss, Count float64
	// Arrays are the outputs by name. They are valid until the graph runs again.
	Arrays map[string]Array
}

// Array returns an output. An error lists the names there are.
func (o *Outputs) Array(name string) (Array, error) {
	if a, ok := o.Arrays[name]; ok {
		return a, nil
	}
	names := slices.Sorted(maps.Keys(o.Arrays))
	return Array{}, fmt.Errorf("want one of the outputs %q, got %q", strings.Join(names, ", "), name)
}

// CountLabels returns a Graph.Count: the labels in an int field that are not
// [Ignore].
func CountLabels(name string) func(*Batch) float64 {
	return func(b *Batch) float64 {
		a, err := b.Array(name)
		if err != nil {
			return 0
		}
		n := 0
		for _, y := range a.Ints {
			if y != Ignore {
				n++
			}
		}
		return float64(n)
	}
}

// CountNumbers returns a Graph.Count: the numbers of a field that are not
// padding.
func CountNumbers(name string) func(*Batch) float64 {
	return func(b *Batch) float64 {
		n := 0
		if b.Counts(name, func(int) { n++ }) != nil {
			return 0
		}
		return float64(n)
	}
}

// CountWeights returns a Graph.Count: the sum of the numbers of a field that are not
// padding, the weights of a weighted mean.
func CountWeights(name string) func(*Batch) float64 {
	return func(b *Batch) float64 {
		a, err := b.Array(name)
		sum := 0.0
		if err != nil || b.Counts(name, func(i int) { sum += a.At(i) }) != nil {
			return 0
		}
		return sum
	}
}
