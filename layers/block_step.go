package layers

import (
	"math"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/internal/weights"
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
	norm  stepNorm[T]
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
		Recurrence: inner, l: l, batch: batch, h: h, norm: stepNorm[T]{l: l.norm},
		inData: num.Aligned[T](batch * h), outData: num.Aligned[T](batch * h),
	}
	r.in = tensor.New(tensor.WithShape(batch, h), tensor.WithBacking(r.inData))
	r.out = tensor.New(tensor.WithShape(batch, h), tensor.WithBacking(r.outData))
	return r, l.wrap("Recurrence", r.norm.refresh())
}

// Refresh implements Recurrence.
func (r *blockRecurrence[T]) Refresh() error {
	if err := r.norm.refresh(); err != nil {
		return r.l.wrap("Recurrence", err)
	}
	return r.Recurrence.Refresh()
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

// stepNorm is a Norm in evaluation, at one step.
type stepNorm[T num.Float] struct {
	l            *Norm
	weight, bias []T // nil if not affine

	// Of a BatchNorm: the running mean, and the inverse deviation times the
	// weight.
	mean, scale []T
}

func (s *stepNorm[T]) refresh() error {
	if err := read(&s.weight, s.l.weight); err != nil {
		return err
	}
	if s.l.cfg.Kind == BatchNorm {
		s.readStats()
	}
	return read(&s.bias, s.l.bias)
}

// readStats reads the running statistics.
func (s *stepNorm[T]) readStats() {
	mean, _ := weights.Memory[T](s.l.stats.Mean)
	variance, _ := weights.Memory[T](s.l.stats.Var)
	s.mean = append(s.mean[:0], mean...)
	s.scale = num.Grow(s.scale, len(variance))
	for i, v := range variance {
		scale := 1 / math.Sqrt(float64(v)+s.l.cfg.Eps)
		if s.weight != nil {
			scale *= float64(s.weight[i])
		}
		s.scale[i] = T(scale)
	}
}

// apply normalises x (B, H) to dst, which may be x.
func (s *stepNorm[T]) apply(dst, x []T) {
	h := s.l.cfg.DModel
	for lo := 0; lo < len(x); lo += h {
		s.row(dst[lo:lo+h], x[lo:lo+h])
	}
}

// row normalises one example.
func (s *stepNorm[T]) row(dst, x []T) {
	switch s.l.cfg.Kind {
	case NoNorm:
		copy(dst, x)
		return
	case BatchNorm:
		vec.Sub(dst, x, s.mean)
		vec.Mul(dst, dst, s.scale)
	case LayerNorm:
		mean, rstd := moments(x, s.l.cfg.Eps)
		vec.Affine(dst, x, T(mean), T(rstd), 0)
		if s.weight != nil {
			vec.Mul(dst, dst, s.weight)
		}
	}
	if s.bias != nil {
		vec.Add(dst, dst, s.bias)
	}
}

// moments returns the mean of x and 1/sqrt(variance + eps).
func moments[T num.Float](x []T, eps float64) (mean, rstd float64) {
	n := float64(len(x))
	mean = vec.Sum64(x) / n
	return mean, 1 / math.Sqrt(vec.SumSqDiff(x, mean)/n+eps)
}
