package experiment

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/internal/splitmix"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// samplesEach is the number of examples right, and of those wrong, that a test
// keeps to be looked at.
const samplesEach = 8

// tester collects what a model says of the examples of a split.
type tester struct {
	data *Data
	ds   task.Dataset
	test report.Test
	found
}

// found is what a tester has found on the examples that it has seen.
type found struct {
	Confusion    [][]int // as report.Test has it
	Wrong, Right []kept
}

// kept is an example that is kept to be looked at: one of those whose numbers, mixed,
// are the smallest.
type kept struct {
	Mixed  uint64
	Sample report.Sample
}

// list returns the examples that are kept of those that were told right, or wrong.
func (f *found) list(right bool) *[]kept {
	if right {
		return &f.Right
	}
	return &f.Wrong
}

// keep puts an example among those that are kept.
func (f *found) keep(right bool, k kept) {
	list := f.list(right)
	at := sort.Search(len(*list), func(i int) bool { return (*list)[i].Mixed >= k.Mixed })
	*list = slices.Insert(*list, at, k)
	*list = (*list)[:min(len(*list), samplesEach)]
}

// merge adds what was found on other examples.
func (f *found) merge(other found) {
	for i, row := range other.Confusion {
		for j, n := range row {
			f.Confusion[i][j] += n
		}
	}
	for _, right := range []bool{false, true} {
		for _, k := range *other.list(right) {
			f.keep(right, k)
		}
	}
}

func newTester(d *Data, split string, ds task.Dataset) *tester {
	t := &tester{data: d, ds: ds, test: report.Test{Split: split, Examples: ds.Len()}}
	t.test.Headline = d.Metrics[0].Name()
	t.test.HigherIsBetter = d.Metrics[0].Better(1, 0)
	if n := d.Model.Classes; n > 0 {
		names := d.Codec.Classes()
		for i := range n {
			t.test.Classes = append(t.test.Classes, className(names, i))
			t.Confusion = append(t.Confusion, make([]int, n))
		}
	}
	return t
}

// add counts the examples of a batch.
func (t *tester) add(out *task.Outputs, b *task.Batch) error {
	switch t.data.Model.Kind {
	case Forecaster:
		return t.addForecasts(out, b)
	case LanguageModel:
		return nil
	}
	logits, ok := out.Arrays[task.Logits]
	if !ok || t.Confusion == nil {
		return nil
	}
	target, err := b.Array(task.Target)
	if err != nil {
		return err
	}
	for row, example := range b.Examples {
		want := target.Ints[row]
		if want < 0 || want >= len(t.Confusion) {
			continue
		}
		p := probabilities(rowOf(logits, row, b.B))
		got := best(p)
		t.Confusion[want][got]++
		err := t.keep(b, row, example, want == got, func(e Example, s *report.Sample) {
			loss := -math.Log(max(p[want], math.SmallestNonzeroFloat64))
			s.Target, s.Prediction, s.Scores, s.Loss = want, got, float32s(p), &loss
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addForecasts keeps some of the forecasts of a batch.
func (t *tester) addForecasts(out *task.Outputs, b *task.Batch) error {
	future, err := b.Array(task.Target)
	if err != nil {
		return err
	}
	for row, example := range b.Examples {
		err := t.keep(b, row, example, true, func(e Example, s *report.Sample) {
			e.Future, e.Forecast = float32s(rowOf(future, row, b.B)), rowOf(out.Arrays[task.Output], row, b.B)
			e.Quantiles = rowOf(out.Arrays[task.Quantiles], row, b.B)
			s.Picture = t.data.Codec.Show(e)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keep keeps an example to be looked at if it is among the first of its kind. more
// fills in what is known of it.
func (t *tester) keep(b *task.Batch, row, example int, right bool, more func(e Example, s *report.Sample)) error {
	mixed, list := splitmix.Mix(uint64(example)), *t.list(right)
	if len(list) == samplesEach && list[samplesEach-1].Mixed < mixed {
		return nil
	}
	e, err := exampleOf(b, row)
	if err != nil {
		return err
	}
	if l, ok := t.ds.(task.Located); ok {
		e.Origin = l.Origin(example)
	}
	s := report.Sample{Index: example, Origin: e.Origin, Picture: t.data.Codec.Show(e)}
	more(e, &s)
	t.found.keep(right, kept{mixed, s})
	return nil
}

// explain adds to the samples how much each step counted for the prediction.
func (t *tester) explain(m models.Model) error {
	if !t.data.Model.classifies() {
		return nil
	}
	longest := 0
	for _, k := range slices.Concat(t.Wrong, t.Right) {
		longest = max(longest, t.ds.Length(k.Sample.Index))
	}
	if longest == 0 {
		return nil
	}
	s, err := models.NewSaliency(m, 1, longest)
	if err != nil {
		return err
	}
	defer s.Close()
	b := task.NewBatch(t.ds)
	for _, list := range [][]kept{t.Wrong, t.Right} {
		for i := range list {
			if err := t.salient(s, b, &list[i].Sample, longest); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tester) salient(s *models.Saliency, b *task.Batch, of *report.Sample, longest int) error {
	if err := b.Load([]int{of.Index}, 1, longest); err != nil {
		return err
	}
	r, err := s.Run(b, []int{of.Prediction})
	if err != nil {
		return err
	}
	steps := func(name, lengths string) report.Numbers {
		n := b.Lengths[0]
		if a, err := b.Array(lengths); err == nil {
			n = a.Ints[0]
		}
		if r.Steps[name] == nil {
			return nil
		}
		return float32s(r.Steps[name][:n])
	}
	of.Saliency = steps(task.X, task.XLengths)
	if of.Picture.Second != nil {
		of.SecondSaliency = steps(task.X2, task.X2Lengths)
	}
	return nil
}

// result returns the test with its metrics.
func (t *tester) result(m train.Metrics, took time.Duration) *report.Test {
	t.test.Metrics, t.test.Seconds = m, took.Seconds()
	t.test.Floor, t.test.Confusion = t.floor(), t.Confusion
	for _, k := range slices.Concat(t.Wrong, t.Right) {
		t.test.Samples = append(t.test.Samples, k.Sample)
	}
	return &t.test
}

// floor returns what is to be had without learning on the examples of the test: that of
// the data is of all of their test part.
func (t *tester) floor() *report.Floor {
	if t.Confusion == nil {
		if t.test.Split != splitNames[0] {
			return nil
		}
		return t.data.Floor
	}
	var counts []int
	for _, row := range t.Confusion {
		n := 0
		for _, v := range row {
			n += v
		}
		counts = append(counts, n)
	}
	return Commonest(counts)
}

// exampleOf returns a row of a batch.
func exampleOf(b *task.Batch, row int) (Example, error) {
	e := Example{Target: task.Ignore}
	x, err := b.Array(task.X)
	if err != nil {
		return e, err
	}
	switch {
	case x.Ints != nil:
		e.Tokens = slices.Clone(stepsOf(x.Ints, b, task.XLengths, row))
	case x.Float32s != nil:
		e.Features = slices.Clone(stepsOf(x.Float32s, b, task.XLengths, row))
	default:
		e.Features = float32s(stepsOf(x.Float64s, b, task.XLengths, row))
	}
	if x2, err := b.Array(task.X2); err == nil {
		e.Tokens2 = slices.Clone(stepsOf(x2.Ints, b, task.X2Lengths, row))
	}
	return e, nil
}

// stepsOf returns the steps of a row of a field (B, L, ...).
func stepsOf[T any](field []T, b *task.Batch, lengths string, row int) []T {
	n := b.Lengths[row]
	if own, err := b.Array(lengths); err == nil {
		n = own.Ints[row]
	}
	w := len(field) / b.B
	return field[row*w : row*w+n*(w/b.L)]
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
	if name == "accuracy" || name == "sequence_accuracy" {
		return fmt.Sprintf("%s %.2f %%", strings.ReplaceAll(name, "_", " "), 100*v)
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
