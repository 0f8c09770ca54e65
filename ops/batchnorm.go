package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// BatchNormStats are the running statistics of a BatchNorm, which the caller
// owns and saves: training updates them in place, evaluation normalises by them.
// Graphs that share them must not run at the same time.
type BatchNormStats struct {
	Mean *tensor.Dense // (H), of the dtype of x; 0 at the start
	Var  *tensor.Dense // (H), of the dtype of x, unbiased; 1 at the start
}

// NewBatchNormStats returns statistics of h features with mean 0 and variance
// 1. dt is tensor.Float32 or tensor.Float64.
func NewBatchNormStats(dt tensor.Dtype, h int) *BatchNormStats {
	return &BatchNormStats{
		Mean: tensor.New(tensor.Of(dt), tensor.WithShape(h)),
		Var:  tensor.Ones(dt, h),
	}
}

// BatchNormOption changes how BatchNorm works: Eps, Momentum or an Option.
type BatchNormOption interface{ setBatchNorm(*batchNormOptions) }

type batchNormOptions struct {
	sequenceOptions
	eps, momentum float64
	ranks         *Ranks
}

func (f Option) setBatchNorm(o *batchNormOptions) { f(&o.sequenceOptions) }

type batchNormOption func(*batchNormOptions)

func (f batchNormOption) setBatchNorm(o *batchNormOptions) { f(o) }

// Eps sets what is added to the variance, finite and at least 0. The default
// is 1e-5.
func Eps(eps float64) BatchNormOption {
	return batchNormOption(func(o *batchNormOptions) { o.eps = eps })
}

// Momentum sets the weight, in [0, 1], of a batch in the running statistics:
// running = (1-momentum) running + momentum batch. The default is 0.1.
func Momentum(m float64) BatchNormOption {
	return batchNormOption(func(o *batchNormOptions) { o.momentum = m })
}

// OfRanks makes the batch that of all ranks, which train together: the statistics
// are over the values of all, and gradients flow through them to the rows of all.
// Ioffe, Szegedy 2015 for one batch; over devices: Peng et al. 2018, "MegDet",
// arXiv:1711.07240, section 3.3.
func OfRanks(r *Ranks) BatchNormOption {
	return batchNormOption(func(o *batchNormOptions) { o.ranks = r })
}

// BatchNorm normalises every feature over batch and steps,
//
//	y = (x - mean) / sqrt(var + eps) * weight + bias,
//
// where x and y are (B, H, L) or (B, H). weight and bias are (H); either may be
// nil, for 1 and 0. In training mean and var, the biased variance, are those of
// the batch, gradients flow through them, and the running statistics are
// updated with mean and the unbiased variance; fewer than two values per
// feature are an error. Only where other rows of a batch are elsewhere (see OfRanks and
// Ranks.Begin) there may be none, which change nothing. In evaluation mean and var are
// the running statistics. The virtual machine says which: gorgonia.EvalMode makes it
// evaluation. With Lengths the statistics are those of the steps that count.
//
// Ioffe, Szegedy 2015, "Batch Normalization", arXiv:1502.03167.
func BatchNorm(x, weight, bias *G.Node, stats *BatchNormStats, opts ...BatchNormOption) (*G.Node, error) {
	const op = "ops.BatchNorm"
	if err := checkFloat(op, "x", x, formBHL, formBH); err != nil {
		return nil, err
	}
	b, h, l := bhl(x)
	if err := checkOptional(op, "weight", weight, x.Dtype(), h); err != nil {
		return nil, err
	}
	if err := checkOptional(op, "bias", bias, x.Dtype(), h); err != nil {
		return nil, err
	}
	if stats == nil {
		return nil, fmt.Errorf("%s: want running statistics, got nil", op)
	}
	if err := checkTensor(op, "stats.Mean", stats.Mean, x.Dtype(), h); err != nil {
		return nil, err
	}
	if err := checkTensor(op, "stats.Var", stats.Var, x.Dtype(), h); err != nil {
		return nil, err
	}
	o := batchNormOptions{eps: 1e-5, momentum: 0.1}
	for _, opt := range opts {
		opt.setBatchNorm(&o)
	}
	if err := checkEps(op, o.eps); err != nil {
		return nil, err
	}
	if !(o.momentum >= 0 && o.momentum <= 1) {
		return nil, fmt.Errorf("%s: want momentum in [0, 1], got %g", op, o.momentum)
	}
	if err := checkLengths(op, o.lengths, b); err != nil {
		return nil, err
	}
	in := inputs{x}
	d := normDims{b: b, h: h, l: l, weight: in.add(weight), bias: in.add(bias), eps: o.eps}
	ints := []int{in.add(o.lengths)}
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape(), Carried: oneStep(x), Ints: ints},
		func() graphop.Core[float32] { return newBatchNorm[float32](d, o.momentum, *stats, o.ranks) },
		func() graphop.Core[float64] { return newBatchNorm[float64](d, o.momentum, *stats, o.ranks) }, in...)
}
