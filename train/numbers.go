package train

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gorgonia-s4/s4/task"
)

// MSE is the mean squared error over the numbers of the target that are not
// padding. The output has the target's shape.
func MSE(opts ...MetricOption) *Mean {
	return newError("mse", func(d float64) float64 { return d * d }, opts)
}

// MAE is the mean absolute error, otherwise as [MSE].
func MAE(opts ...MetricOption) *Mean { return newError("mae", math.Abs, opts) }

func newError(name string, of func(float64) float64, opts []MetricOption) *Mean {
	r := newReads(name, task.Output, opts)
	return NewMean(r.name, Lower, func(out *task.Outputs, b *task.Batch) (sum, count float64, err error) {
		err = r.numbers(out, b, 0, func(y func(int) float64, target, weight float64) {
			sum += weight * of(y(0)-target)
			count += weight
		})
		return sum, count, err
	})
}

// Pinball is the mean pinball loss of forecasts of quantiles, each in (0, 1), over the
// numbers of the target that are not padding: max(q d, (q-1) d) of d = target - forecast.
// The output, task.Quantiles by default, has the target's shape and an axis of the
// quantiles behind it.
func Pinball(quantiles []float64, opts ...MetricOption) *Mean {
	r, quantiles := newReads("pinball", task.Quantiles, opts), slices.Clone(quantiles)
	return NewMean(r.name, Lower, func(out *task.Outputs, b *task.Batch) (sum, count float64, err error) {
		for _, q := range quantiles {
			if !(q > 0 && q < 1) {
				return 0, 0, fmt.Errorf("want quantiles in (0, 1), got %v", quantiles)
			}
		}
		if len(quantiles) == 0 {
			return 0, 0, errors.New("want at least one quantile, got none")
		}
		err = r.numbers(out, b, len(quantiles), func(y func(int) float64, target, weight float64) {
			for k, q := range quantiles {
				d := target - y(k)
				sum += weight * max(q*d, (q-1)*d) / float64(len(quantiles))
			}
			count += weight
		})
		return sum, count, err
	})
}

// R2 is the coefficient of determination, 1 - SSE/SST: the part of the variance
// of the target that the output explains. The output has the target's shape.
func R2(opts ...MetricOption) Metric {
	return &r2{reads: newReads("r2", task.Output, opts)}
}

// r2 keeps the mean of the targets and their squared distances from it, which
// the squares themselves would drown (Chan, Golub and LeVeque 1983).
type r2 struct {
	reads
	n, mean, total float64 // of the targets: number, mean, sum of squared distances from it
	residual       float64 // sum of squared errors
}

func (m *r2) Name() string             { return m.name }
func (m *r2) Better(a, b float64) bool { return a > b }
func (m *r2) New() Metric              { return &r2{reads: m.reads} }
func (m *r2) State() []float64         { return []float64{m.n, m.mean, m.total, m.residual} }

func (m *r2) Add(out *task.Outputs, b *task.Batch) error {
	return m.numbers(out, b, 0, func(y func(int) float64, target, weight float64) {
		d := y(0) - target
		m.merge(weight, target, 0, weight*d*d)
	})
}

func (m *r2) Merge(state []float64) error {
	if err := checkState(state, 4); err != nil {
		return err
	}
	m.merge(state[0], state[1], state[2], state[3])
	return nil
}

func (m *r2) merge(n, mean, total, residual float64) {
	if m.n == 0 { // what was saved comes back as it was
		m.n, m.mean, m.total, m.residual = n, mean, total, residual
		return
	}
	d, all := mean-m.mean, m.n+n
	m.total += total + d*d*m.n*n/all
	m.mean += d * n / all
	m.n = all
	m.residual += residual
}

func (m *r2) Value() float64 {
	if m.total == 0 {
		return math.NaN()
	}
	return 1 - m.residual/m.total
}
