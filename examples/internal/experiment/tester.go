package experiment

import (
	"fmt"
	"math"
	"time"

	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// samplesEach is the number of examples right, and of those wrong, that a test
// keeps to be looked at.
const samplesEach = 8

// tester collects what a classifier says of the examples of a split.
type tester struct {
	data        *Data
	ds          task.Dataset
	test        report.Test
	right, left int // samples right that are kept, and wrong ones
}

func newTester(d *Data, split string, ds task.Dataset) *tester {
	t := &tester{data: d, ds: ds, test: report.Test{Split: split, Examples: ds.Len(), Floor: d.Floor}}
	t.test.Headline = d.Metrics[0].Name()
	t.test.HigherIsBetter = d.Metrics[0].Better(1, 0)
	if n := d.Model.Classes; n > 0 {
		t.test.Classes = d.Codec.Classes()
		t.test.Confusion = make([][]int, n)
		for i := range t.test.Confusion {
			t.test.Confusion[i] = make([]int, n)
		}
	}
	return t
}

// add counts the examples of a batch.
func (t *tester) add(out *task.Outputs, b *task.Batch) error {
	logits, ok := out.Arrays[task.Logits]
	if !ok || t.test.Confusion == nil {
		return nil
	}
	target, err := b.Array(task.Target)
	if err != nil {
		return err
	}
	n := len(t.test.Confusion)
	for row, example := range b.Examples {
		want := target.Ints[row]
		if want < 0 || want >= n {
			continue
		}
		scores := probabilities(rowOf(logits, row, b.B))
		got := best(scores)
		t.test.Confusion[want][got]++
		if err := t.keep(b, row, example, want, got, scores); err != nil {
			return err
		}
	}
	return nil
}

// keep keeps an example to be looked at if there are not enough of its kind.
func (t *tester) keep(b *task.Batch, row, example, want, got int, scores []float64) error {
	count := &t.left
	if want == got {
		count = &t.right
	}
	if *count == samplesEach {
		return nil
	}
	*count++
	e, err := exampleOf(b, row)
	if err != nil {
		return err
	}
	if l, ok := t.ds.(task.Located); ok {
		e.Origin = l.Origin(example)
	}
	loss := -math.Log(max(scores[want], math.SmallestNonzeroFloat64))
	t.test.Samples = append(t.test.Samples, report.Sample{
		Index: example, Origin: e.Origin, Picture: t.data.Codec.Show(e), Target: want, Prediction: got, Scores: float32s(scores), Loss: &loss,
	})
	return nil
}

// result returns the test with its metrics.
func (t *tester) result(m train.Metrics, took time.Duration) *report.Test {
	t.test.Metrics, t.test.Seconds = m, took.Seconds()
	return &t.test
}

// exampleOf returns a row of a batch.
func exampleOf(b *task.Batch, row int) (Example, error) {
	e := Example{Target: task.Ignore}
	x, err := b.Array(task.X)
	if err != nil {
		return e, err
	}
	n := b.Lengths[row]
	w := x.Len() / (b.B * b.L)
	from := row * b.L * w
	switch {
	case x.Ints != nil:
		e.Tokens = append(e.Tokens, x.Ints[from:from+n]...)
	default:
		for i := from; i < from+n*w; i++ {
			e.Features = append(e.Features, float32(x.At(i)))
		}
	}
	return e, nil
}

// probabilities returns the softmax of scores.
func probabilities(scores []float64) []float64 {
	p := make([]float64, len(scores))
	top := math.Inf(-1)
	for _, v := range scores {
		top = max(top, v)
	}
	sum := 0.0
	for i, v := range scores {
		p[i] = math.Exp(v - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// best returns the index of the largest, the first of equals.
func best(p []float64) int {
	at := 0
	for i := range p {
		if p[i] > p[at] {
			at = i
		}
	}
	return at
}

func float32s(p []float64) []float32 {
	f := make([]float32, len(p))
	for i := range p {
		f[i] = float32(p[i])
	}
	return f
}

// show returns a metric with its value.
func show(name string, v float64) string {
	if name == "accuracy" {
		return fmt.Sprintf("accuracy %.2f %%", 100*v)
	}
	return fmt.Sprintf("%s %.4g", name, v)
}

// floor says what is to be had without learning.
func floor(t *report.Test) string {
	if t.Floor == nil {
		return ""
	}
	if t.Headline == "accuracy" {
		return fmt.Sprintf("; %s: %.2f %%", t.Floor.What, 100*t.Floor.Value)
	}
	return fmt.Sprintf("; %s: %.4g", t.Floor.What, t.Floor.Value)
}
