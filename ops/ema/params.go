package ema

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Params are those of the averages of D features, N of each: V is *gorgonia.Node or a
// slice.
type Params[V any] struct {
	Delta, Alpha, Beta V // (D, N, 1) or (D, N)
	Gamma              V // (D, N)
}

// dims are the sizes of an op: D features, N averages of each, rows and steps.
type dims struct{ d, n, b, l int }

// nodes checks parameters and the nodes of an op behind them, and returns them all.
func nodes(op string, p Params[*G.Node], more ...graphop.Argument) ([]*G.Node, dims, error) {
	in, err := graphop.Floats(op, append([]graphop.Argument{
		graphop.Named("Delta", p.Delta), graphop.Named("Alpha", p.Alpha), graphop.Named("Beta", p.Beta), graphop.Named("Gamma", p.Gamma),
	}, more...)...)
	if err != nil {
		return nil, dims{}, err
	}
	s := p.Gamma.Shape()
	if s.Dims() != 2 || s.TotalSize() == 0 {
		return nil, dims{}, fmt.Errorf("%s: Gamma: want (D, N), each at least 1, got %v", op, s)
	}
	long := tensor.Shape{s[0], s[1], 1}
	err = size.First(graphop.WantShape("Delta", p.Delta, long, s), graphop.WantShape("Alpha", p.Alpha, long, s), graphop.WantShape("Beta", p.Beta, long, s))
	if err != nil {
		return nil, dims{}, fmt.Errorf("%s: %w", op, err)
	}
	return in, dims{d: s[0], n: s[1]}, nil
}

// average is one of the averages, in float64.
type average struct {
	p, s    float64 // sigmoid of delta and of alpha
	q, b, g float64
	beta    float64
	root    float64 // 1/sqrt(N)
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// at returns average i of parameters, with n averages of a feature.
func at[T num.Float](p Params[[]T], i, n int) average {
	a := average{p: sigmoid(float64(p.Delta[i])), s: sigmoid(float64(p.Alpha[i])), beta: float64(p.Beta[i]), root: 1 / math.Sqrt(float64(n))}
	a.q, a.b, a.g = 1-a.p*a.s, a.p*a.beta, float64(p.Gamma[i])*a.root
	return a
}

// grad writes the gradients of the parameters of average i, of those of q, b and g.
func (a average) grad(dq, db, dg float64) (delta, alpha, beta, gamma float64) {
	dp := db*a.beta - dq*a.s
	return dp * a.p * (1 - a.p), -dq * a.p * a.s * (1 - a.s), db * a.p, dg * a.root
}

// params returns the parameters of an op, its first inputs, or their gradients.
func params[T num.Float](of func(i int) []T) Params[[]T] {
	return Params[[]T]{Delta: of(0), Alpha: of(1), Beta: of(2), Gamma: of(3)}
}

// values is params of the inputs.
func values[T num.Float](in []graphop.Arg[T]) Params[[]T] {
	return params(func(i int) []T { return in[i].F })
}

// setGrad writes the gradients of the parameters of average i.
func setGrad[T num.Float](grad [][]T, i int, a average, dq, db, dg float64) {
	delta, alpha, beta, gamma := a.grad(dq, db, dg)
	for k, v := range []float64{delta, alpha, beta, gamma} {
		if grad[k] != nil {
			grad[k][i] = T(v)
		}
	}
}
