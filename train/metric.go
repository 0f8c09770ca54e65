package train

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/task"
)

// Metric measures how well a model does, over batches: the trainer asks each
// metric for a new one wherever it starts to count. Its name is that of its
// value in the results, in Config.Monitor, and in files.
//
// A metric that is a mean over targets is a function: see [NewMean].
type Metric interface {
	// Name is unique in a run.
	Name() string
	// Better reports whether value a is better than b. Neither is a NaN, which is
	// worse than any number.
	Better(a, b float64) bool
	// New returns a metric of the same kind that has counted nothing.
	New() Metric
	// Add counts a batch too. What it is given is not its own, and valid until it
	// returns. After an error, which ends the run, it is not used again.
	Add(out *task.Outputs, b *task.Batch) error
	// State returns what has been counted; Merge counts also what another metric
	// of the kind has, given its state, which it does not keep. A checkpoint saves the
	// state, and a new metric merged with it is what the saved one was. Ranks merge what
	// each has counted, in their order.
	State() []float64
	Merge(state []float64) error
	// Value returns the value for what has been counted; NaN if there is none.
	Value() float64
}

// Shower is a Metric that says how its value is shown: "acc 12.5 %". Others are
// shown by name and value.
type Shower interface {
	Metric
	Show(value float64) string
}

// Higher is for metrics that are better when higher, Lower for the others.
func Higher(a, b float64) bool { return a > b }

// Lower is for metrics that are better when lower.
func Lower(a, b float64) bool { return a < b }

// Mean is a Metric that is a mean over targets.
type Mean struct {
	name   string
	better func(a, b float64) bool
	sum    func(out *task.Outputs, b *task.Batch) (sum, count float64, err error)
	final  func(mean float64) float64 // what the value is of the mean; nil: that
	show   func(value float64) string // nil: by name

	total, count float64
}

// NewMean returns a metric whose value is the mean of what sum adds up over the
// targets of a batch, and counts.
func NewMean(name string, better func(a, b float64) bool, sum func(out *task.Outputs, b *task.Batch) (sum, count float64, err error)) *Mean {
	return &Mean{name: name, better: better, sum: sum}
}

// Name implements Metric.
func (m *Mean) Name() string { return m.name }

// Better implements Metric.
func (m *Mean) Better(a, b float64) bool { return m.better(a, b) }

// New implements Metric.
func (m *Mean) New() Metric {
	n := *m
	n.total, n.count = 0, 0
	return &n
}

// Add implements Metric.
func (m *Mean) Add(out *task.Outputs, b *task.Batch) error {
	sum, count, err := m.sum(out, b)
	if err != nil {
		return err
	}
	m.total += sum
	m.count += count
	return nil
}

// State implements Metric.
func (m *Mean) State() []float64 { return []float64{m.total, m.count} }

// Merge implements Metric.
func (m *Mean) Merge(state []float64) error {
	if err := checkState(state, 2); err != nil {
		return err
	}
	m.total += state[0]
	m.count += state[1]
	return nil
}

// Value implements Metric.
func (m *Mean) Value() float64 {
	if m.count == 0 {
		return math.NaN()
	}
	if m.final != nil {
		return m.final(m.total / m.count)
	}
	return m.total / m.count
}

// Show implements Shower.
func (m *Mean) Show(value float64) string {
	if m.show != nil {
		return m.show(value)
	}
	return fmt.Sprintf("%s %.4g", m.name, value)
}

func checkState(state []float64, n int) error {
	if len(state) != n {
		return fmt.Errorf("want a state of %d numbers, got %d", n, len(state))
	}
	return nil
}

// A MetricOption changes what a metric of this package reads and is called.
type MetricOption func(*reads)

// reads is what a metric reads, and its name.
type reads struct {
	name, output, target string
	weights              string    // the field that says how much a number counts; "": 1
	units                []float64 // of the last axis of the target; nil: 1
}

// On says which output of the graph a metric compares with which field of the
// batch. The default is task.Logits or task.Output, and task.Target.
func On(output, target string) MetricOption {
	return func(r *reads) { r.output, r.target = output, target }
}

// Called says what a metric is called: a run may have two of one kind.
func Called(name string) MetricOption { return func(r *reads) { r.name = name } }

// Weighted says which field of the batch, of the target's shape, says how much each
// number of the target counts, such as task.Weights: numbers of weight 0 are missing. It
// is for metrics of numbers: MSE, MAE, R2, Pinball. The default is that all count alike.
func Weighted(field string) MetricOption { return func(r *reads) { r.weights = field } }

// InUnits multiplies output and target by the scale of each index of the target's last
// axis, for errors in the units that the data had before they were standardised. It is
// for metrics of numbers.
func InUnits(scale ...float64) MetricOption { return func(r *reads) { r.units = scale } }

func newReads(name, output string, opts []MetricOption) reads {
	r := reads{name: name, output: output, target: task.Target}
	for _, o := range opts {
		o(&r)
	}
	return r
}

// pair returns the output and the field.
func (r reads) pair(out *task.Outputs, b *task.Batch) (y, target task.Array, err error) {
	if y, err = out.Array(r.output); err != nil {
		return y, target, err
	}
	target, err = b.Array(r.target)
	return y, target, err
}

// numbers calls f for every number of the field that is neither padding nor missing,
// with what was computed for it, the k-th number along an axis that the output has more
// than the field, and its weight. axis is the length of that axis, 0 if there is none.
func (r reads) numbers(out *task.Outputs, b *task.Batch, axis int, f func(y func(k int) float64, target, weight float64)) error {
	y, target, err := r.pair(out, b)
	if err != nil {
		return err
	}
	shape := target.Shape
	if axis > 0 {
		shape = append(shape.Clone(), axis)
	}
	if !y.Shape.Eq(shape) {
		return fmt.Errorf("want output %q of the shape of field %q, %v, got %v", r.output, r.target, shape, y.Shape)
	}
	if n := len(r.units); n > 0 && target.Shape[len(target.Shape)-1] != n {
		return fmt.Errorf("want units for each of the last axis of field %q, %v, got %d", r.target, target.Shape, n)
	}
	var weights task.Array
	if r.weights != "" {
		if weights, err = b.Array(r.weights); err != nil {
			return err
		}
		if !weights.Shape.Eq(target.Shape) {
			return fmt.Errorf("want field %q of the shape of field %q, %v, got %v", r.weights, r.target, target.Shape, weights.Shape)
		}
	}
	at, unit := 0, 1.
	of := func(k int) float64 { return unit * y.At(at+k) }
	return b.Counts(r.target, func(i int) {
		weight := 1.
		if r.weights != "" {
			weight = weights.At(i)
		}
		if weight == 0 {
			return
		}
		if len(r.units) > 0 {
			unit = r.units[i%len(r.units)]
		}
		at = i * max(1, axis)
		f(of, unit*target.At(i), weight)
	})
}
