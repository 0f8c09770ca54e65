package layers

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/ops"
)

// Recurrence returns the block as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DModel). Its state is that of the
// layer inside; a BatchNorm normalises by its running statistics. A block
// around a bidirectional layer has none.
func (l *Block) Recurrence(batch int) (Recurrence, error) {
	if l.base == nil {
		return nil, l.wrap("Recurrence", errNotMade)
	}
	if l.dt == tensor.Float32 {
		return newBlockRecurrence[float32](l, batch)
	}
	return newBlockRecurrence[float64](l, batch)
}

// blockRecurrence is the recurrence of the layer inside, whose state it has,
// with norm and residual around it.
type blockRecurrence[T num.Float] struct {
	Recurrence
	l     *Block
	batch int
	h     int // features
	norm  *normWeights[T]
	in    *tensor.Dense // (B, H) of the layer inside
	out   *tensor.Dense // (B, H)

	inData, outData []T
}

func newBlockRecurrence[T num.Float](l *Block, batch int) (Recurrence, error) {
	inner, err := l.layer.Recurrence(batch)
	if err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	h := l.cfg.DModel()
	r := &blockRecurrence[T]{
		Recurrence: inner, l: l, batch: batch, h: h,
		inData: num.Aligned[T](batch * h), outData: num.Aligned[T](batch * h),
	}
	r.in = tensor.New(tensor.WithShape(batch, h), tensor.WithBacking(r.inData))
	r.out = tensor.New(tensor.WithShape(batch, h), tensor.WithBacking(r.outData))
	if r.norm, err = newNormWeights[T](l.norm); err != nil {
		return nil, l.wrap("Recurrence", err)
	}
	return r, nil
}

// Refresh implements Recurrence.
func (r *blockRecurrence[T]) Refresh() error {
	norm, err := newNormWeights[T](r.l.norm)
	if err != nil {
		return r.l.wrap("Recurrence", err)
	}
	if err := r.Recurrence.Refresh(); err != nil {
		return r.l.wrap("Recurrence", err)
	}
	r.norm = norm
	return nil
}

// Step implements Recurrence.
func (r *blockRecurrence[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x, err := stepInput[T](r.l.base, u, r.batch, r.h)
	if err != nil {
		return nil, err
	}
	if r.l.cfg.PreNorm {
		r.norm.apply(r.inData, x)
	} else {
		copy(r.inData, x)
	}
	y, err := r.Recurrence.Step(r.in)
	if err != nil {
		return nil, err
	}
	yData, _ := weights.Memory[T](y)
	vec.Add(r.outData, x, yData)
	if !r.l.cfg.PreNorm {
		r.norm.apply(r.outData, r.outData)
	}
	return r.out, nil
}

// normWeights are one snapshot of a Norm for steps in evaluation, with which they
// share no memory. They are only read.
type normWeights[T num.Float] struct {
	cfg          NormConfig
	weight, bias []T // (H), nil if not affine

	// Of a BatchNorm: the running mean, and the inverse deviation times the
	// weight.
	mean, scale []T
}

// newNormWeights takes a snapshot.
func newNormWeights[T num.Float](l *Norm) (*normWeights[T], error) {
	w := &normWeights[T]{cfg: l.cfg}
	for _, err := range []error{readCopy(&w.weight, l.weight), readCopy(&w.bias, l.bias)} {
		if err != nil {
			return nil, l.wrap("Recurrence", err)
		}
	}
	if l.cfg.Kind != BatchNorm {
		return w, nil
	}
	return w, l.wrap("Recurrence", w.readStats(l.stats))
}

// readStats reads the running statistics.
func (w *normWeights[T]) readStats(stats ops.BatchNormStats) error {
	mean, ok1 := weights.Memory[T](stats.Mean)
	variance, ok2 := weights.Memory[T](stats.Var)
	if h := w.cfg.DModel; !ok1 || !ok2 || len(mean) != h || len(variance) != h {
		return fmt.Errorf("want running statistics (%d) of dtype %T, contiguous, got mean %v of %v and variance %v of %v",
			h, *new(T), stats.Mean.Shape(), stats.Mean.Dtype(), stats.Var.Shape(), stats.Var.Dtype())
	}
	w.mean, w.scale = slices.Clone(mean), num.Aligned[T](len(variance))
	for i, v := range variance {
		scale := 1 / math.Sqrt(float64(v)+w.cfg.Eps)
		if w.weight != nil {
			scale *= float64(w.weight[i])
		}
		w.scale[i] = T(scale)
	}
	return nil
}

// apply normalises x (B, H) to dst, which may be x.
func (w *normWeights[T]) apply(dst, x []T) {
	h := w.cfg.DModel
	for lo := 0; lo < len(x); lo += h {
		w.row(dst[lo:lo+h], x[lo:lo+h])
	}
}

// row normalises one example.
func (w *normWeights[T]) row(dst, x []T) {
	switch w.cfg.Kind {
	case NoNorm:
		copy(dst, x)
		return
	case BatchNorm:
		vec.Sub(dst, x, w.mean)
		vec.Mul(dst, dst, w.scale)
	case LayerNorm:
		mean, rstd := moments(x, w.cfg.Eps)
		vec.Affine(dst, x, T(mean), T(rstd), 0)
		if w.weight != nil {
			vec.Mul(dst, dst, w.weight)
		}
	}
	if w.bias != nil {
		vec.Add(dst, dst, w.bias)
	}
}

// moments returns the mean of x and 1/sqrt(variance + eps).
func moments[T num.Float](x []T, eps float64) (mean, rstd float64) {
	n := float64(len(x))
	mean = vec.Sum64(x) / n
	return mean, 1 / math.Sqrt(vec.SumSqDiff(x, mean)/n+eps)
}
