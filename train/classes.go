package train

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/task"
)

// Accuracy is the part (0 to 1) of the labels, ignored ones apart, whose class
// has the highest score: the output is (B, C) for labels (B), or (B, C, L) for
// (B, L). Of equal scores the first is the highest.
func Accuracy(opts ...MetricOption) *Mean {
	r := newReads("accuracy", task.Logits, opts)
	return &Mean{name: r.name, better: Higher,
		sum: func(out *task.Outputs, b *task.Batch) (float64, float64, error) {
			return r.hits(out, b, hitsFirst[float32], hitsFirst[float64])
		},
		show: func(v float64) string { return fmt.Sprintf("acc %.1f %%", 100*v) },
	}
}

// SequenceAccuracy is the part (0 to 1) of the examples all of whose labels, ignored
// ones apart, have the highest score, otherwise as [Accuracy]. Examples without such
// labels do not count.
func SequenceAccuracy(opts ...MetricOption) *Mean {
	r := newReads("sequence_accuracy", task.Logits, opts)
	return &Mean{name: r.name, better: Higher,
		sum: func(out *task.Outputs, b *task.Batch) (float64, float64, error) {
			labels, wrong := make([]bool, b.B), make([]bool, b.B)
			note := func(row int, hit bool) bool {
				labels[row], wrong[row] = true, wrong[row] || !hit
				return hit
			}
			stride := 1
			if target, err := b.Array(r.target); err == nil {
				stride = max(1, target.Len()/b.B)
			}
			_, _, err := r.hits(out, b,
				func(s scores[float32], i, y int) bool { return note(i/stride, s.first(i) == y) },
				func(s scores[float64], i, y int) bool { return note(i/stride, s.first(i) == y) })
			right, all := 0., 0.
			for row := range labels {
				if labels[row] {
					all++
				}
				if labels[row] && !wrong[row] {
					right++
				}
			}
			return right, all, err
		},
		show: func(v float64) string { return fmt.Sprintf("seq acc %.1f %%", 100*v) },
	}
}

// TopK is the part (0 to 1) of the labels whose class is among the k of highest
// score, otherwise as [Accuracy]. Its name is "top" and k.
func TopK(k int, opts ...MetricOption) *Mean {
	r := newReads(fmt.Sprintf("top%d", k), task.Logits, opts)
	return &Mean{name: r.name, better: Higher,
		sum: func(out *task.Outputs, b *task.Batch) (float64, float64, error) {
			if k < 1 {
				return 0, 0, fmt.Errorf("want k >= 1, got %d", k)
			}
			return r.hits(out, b, hitsAmong[float32](k), hitsAmong[float64](k))
		},
		show: func(v float64) string { return fmt.Sprintf("%s %.1f %%", r.name, 100*v) },
	}
}

// scores are those of a batch: of label i class c is at at(i) + c stride.
type scores[T num.Float] struct {
	s               []T
	classes, stride int
}

func (s scores[T]) at(i int) int { return i/s.stride*s.classes*s.stride + i%s.stride }

// first returns the class of the highest score, the first of equals.
func (s scores[T]) first(i int) int {
	row := s.s[s.at(i):]
	best := 0
	for c := range s.classes {
		if row[c*s.stride] > row[best*s.stride] {
			best = c
		}
	}
	return best
}

// rank returns how many classes come before class y.
func (s scores[T]) rank(i, y int) int {
	row, n := s.s[s.at(i):], 0
	for c := range s.classes {
		if v, w := row[c*s.stride], row[y*s.stride]; v > w || v == w && c < y {
			n++
		}
	}
	return n
}

func hitsFirst[T num.Float](s scores[T], i, y int) bool { return s.first(i) == y }

func hitsAmong[T num.Float](k int) func(s scores[T], i, y int) bool {
	return func(s scores[T], i, y int) bool { return s.rank(i, y) < k }
}

// hits counts the labels that one of two functions, by the type of the scores,
// takes for a hit, and all that are not ignored.
func (r reads) hits(out *task.Outputs, b *task.Batch, hit32 func(scores[float32], int, int) bool, hit64 func(scores[float64], int, int) bool) (sum, count float64, err error) {
	y, target, err := r.pair(out, b)
	if err != nil {
		return 0, 0, err
	}
	classes, err := r.classes(y, target)
	if err != nil {
		return 0, 0, err
	}
	stride := target.Len() / b.B
	if y.Float32s != nil {
		s := scores[float32]{y.Float32s, classes, stride}
		return r.each(b, target.Ints, classes, func(i, y int) bool { return hit32(s, i, y) })
	}
	s := scores[float64]{y.Float64s, classes, stride}
	return r.each(b, target.Ints, classes, func(i, y int) bool { return hit64(s, i, y) })
}

// each counts labels.
func (r reads) each(b *task.Batch, labels []int, classes int, hit func(i, y int) bool) (sum, count float64, err error) {
	for i, y := range labels {
		if y == task.Ignore {
			continue
		}
		if y < 0 || y >= classes {
			return 0, 0, fmt.Errorf("%s: want a class in [0, %d), got %d", b.Element(r.target, i), classes, y)
		}
		count++
		if hit(i, y) {
			sum++
		}
	}
	return sum, count, nil
}

// classes returns the number of classes, C of the scores (B, C, ...) of labels
// (B, ...).
func (r reads) classes(y, target task.Array) (int, error) {
	switch {
	case r.weights != "":
		return 0, fmt.Errorf("want no Weighted, which is for metrics of numbers, got field %q", r.weights)
	case target.Dtype() != tensor.Int:
		return 0, fmt.Errorf("want field %q of type int, got %v", r.target, target.Dtype())
	case y.Dtype() == tensor.Int || len(y.Shape) != len(target.Shape)+1 || !slices.Equal(slices.Delete(y.Shape.Clone(), 1, 2), target.Shape):
		return 0, fmt.Errorf("want output %q to have a float for each class in the second axis, and otherwise the shape of field %q, %v, got %v", r.output, r.target, target.Shape, y)
	}
	return y.Shape[1], nil
}

// AUC is the area under the receiver operating characteristic of two classes:
// the probability that an example of class 1 has a higher score than one of
// class 0. The output has either two scores for each label, as [Accuracy], whose
// difference counts, or one. It keeps all scores that it has counted.
func AUC(opts ...MetricOption) Metric {
	return &auc{reads: newReads("auc", task.Logits, opts)}
}

// auc holds the scores of both classes, ascending.
type auc struct {
	reads
	of [2][]float64
}

func (m *auc) Name() string             { return m.name }
func (m *auc) Better(a, b float64) bool { return a > b }
func (m *auc) New() Metric              { return &auc{reads: m.reads} }

func (m *auc) Add(out *task.Outputs, b *task.Batch) error {
	y, target, err := m.pair(out, b)
	if err != nil {
		return err
	}
	score := y.At
	if !y.Shape.Eq(target.Shape) {
		classes, err := m.classes(y, target)
		if err != nil || classes != 2 {
			return fmt.Errorf("want output %q to have one or two scores for each label of field %q, %v, got %v", m.output, m.target, target.Shape, y)
		}
		n := target.Len() / b.B
		score = func(i int) float64 { at := i/n*2*n + i%n; return y.At(at+n) - y.At(at) }
	}
	var of [2][]float64
	for i, label := range target.Ints {
		switch label {
		case task.Ignore:
		case 0, 1:
			of[label] = append(of[label], score(i))
		default:
			return fmt.Errorf("%s: want a class in [0, 2), got %d", b.Element(m.target, i), label)
		}
	}
	m.merge(of)
	return nil
}

func (m *auc) merge(of [2][]float64) {
	for c, s := range of {
		slices.Sort(s)
		m.of[c] = merged(m.of[c], s)
	}
}

// merged returns two ascending lists as one.
func merged(a, b []float64) []float64 {
	out := make([]float64, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0] < a[0] {
			out, b = append(out, b[0]), b[1:]
		} else {
			out, a = append(out, a[0]), a[1:]
		}
	}
	return append(append(out, a...), b...)
}

// State returns the number of scores of class 0, and those of both.
func (m *auc) State() []float64 {
	return append(append([]float64{float64(len(m.of[0]))}, m.of[0]...), m.of[1]...)
}

func (m *auc) Merge(state []float64) error {
	if len(state) < 1 || !(state[0] >= 0 && state[0] <= float64(len(state)-1)) {
		return fmt.Errorf("want a state of scores, got %d numbers", len(state))
	}
	n := 1 + int(state[0])
	m.merge([2][]float64{slices.Clone(state[1:n]), slices.Clone(state[n:])})
	return nil
}

// Value counts the pairs of which that of class 1 has the higher score, and half
// of those with equal ones.
func (m *auc) Value() float64 {
	pairs := float64(len(m.of[0])) * float64(len(m.of[1]))
	if pairs == 0 {
		return math.NaN()
	}
	below, upTo := 0, 0 // of class 0: scores below, and not above, that of class 1
	sum := 0.0
	for _, s := range m.of[1] {
		for below < len(m.of[0]) && m.of[0][below] < s {
			below++
		}
		for upTo = max(upTo, below); upTo < len(m.of[0]) && m.of[0][upTo] == s; {
			upTo++
		}
		sum += float64(below) + float64(upTo-below)/2
	}
	return sum / pairs
}
