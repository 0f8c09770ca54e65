package ops

import (
	"math"
	"slices"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// LayerNormStep is LayerNorm at one step: each row of x (B, H) by itself.
type LayerNormStep[T num.Float] struct {
	eps          float64
	weight, bias []T // (H), or nil
}

// NewLayerNormStep copies weight and bias (H), either of which may be nil.
func NewLayerNormStep[T num.Float](weight, bias []T, eps float64) *LayerNormStep[T] {
	return &LayerNormStep[T]{eps: eps, weight: slices.Clone(weight), bias: slices.Clone(bias)}
}

// Apply normalises a row x (H) to dst, which may be x.
func (s *LayerNormStep[T]) Apply(dst, x []T) {
	n := float64(len(x))
	mean := vec.Sum64(x) / n
	rstd := 1 / math.Sqrt(vec.SumSqDiff(x, mean)/n+s.eps)
	vec.Affine(dst, x, T(mean), T(rstd), 0)
	if s.weight != nil {
		vec.Mul(dst, dst, s.weight)
	}
	if s.bias != nil {
		vec.Add(dst, dst, s.bias)
	}
}

// RMSNormStep is RMSNorm at one step: each row of x (B, H) by itself.
type RMSNormStep[T num.Float] struct {
	eps    float64
	weight []T // (H), or nil
}

// NewRMSNormStep copies weight (H), which may be nil.
func NewRMSNormStep[T num.Float](weight []T, eps float64) *RMSNormStep[T] {
	return &RMSNormStep[T]{eps: eps, weight: slices.Clone(weight)}
}

// Apply normalises a row x (H) to dst, which may be x.
func (s *RMSNormStep[T]) Apply(dst, x []T) {
	vec.Scale(dst, T(1/math.Sqrt(vec.SumSq64(x)/float64(len(x))+s.eps)), x)
	if s.weight != nil {
		vec.Mul(dst, dst, s.weight)
	}
}

// BatchNormStep is BatchNorm in evaluation, by the running statistics, at one
// step.
type BatchNormStep[T num.Float] struct {
	mean, scale []T // (H); scale is the inverse deviation times the weight
	bias        []T // (H), or nil
}

// NewBatchNormStep copies the statistics and weight and bias (H), either of which
// may be nil.
func NewBatchNormStep[T num.Float](mean, variance, weight, bias []T, eps float64) *BatchNormStep[T] {
	s := &BatchNormStep[T]{mean: slices.Clone(mean), scale: num.Aligned[T](len(mean)), bias: slices.Clone(bias)}
	for i, v := range variance {
		scale := 1 / math.Sqrt(float64(v)+eps)
		if weight != nil {
			scale *= float64(weight[i])
		}
		s.scale[i] = T(scale)
	}
	return s
}

// Apply normalises a row x (H) to dst, which may be x.
func (s *BatchNormStep[T]) Apply(dst, x []T) {
	vec.Sub(dst, x, s.mean)
	vec.Mul(dst, dst, s.scale)
	if s.bias != nil {
		vec.Add(dst, dst, s.bias)
	}
}
