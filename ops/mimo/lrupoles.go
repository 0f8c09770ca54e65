package mimo

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// LRUParams are the parameters of the poles of the LRU: V is *gorgonia.Node or a slice.
type LRUParams[V any] struct {
	NuLog, ThetaLog, GammaLog V // (P)
}

// LRUPoles adds the poles and the factors of the LRU to the graph of its parameters,
// (2, 2, P) as those of [S5Poles]:
//
//	a = exp(-e^NuLog + i e^ThetaLog),      beta = e^GammaLog
//
// so that |a| < 1 whatever they are. Gradients are exact and go to all of them. An error
// names the argument, the wanted shape and what came.
func LRUPoles(p LRUParams[*G.Node]) (*G.Node, error) {
	const name = "mimo.LRUPoles"
	in, err := graphop.Floats(name, graphop.Named("NuLog", p.NuLog), graphop.Named("ThetaLog", p.ThetaLog), graphop.Named("GammaLog", p.GammaLog))
	if err != nil {
		return nil, err
	}
	s := p.NuLog.Shape()
	if s.Dims() != 1 || s[0] < 1 {
		return nil, fmt.Errorf("%s: NuLog: want (P), P >= 1, got %v", name, s)
	}
	if err := size.First(graphop.WantShape("ThetaLog", p.ThetaLog, s), graphop.WantShape("GammaLog", p.GammaLog, s)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(graphop.Spec{Name: name, Out: tensor.Shape{2, 2, s[0]}},
		func() graphop.Core[float32] { return lruPoles[float32]{} },
		func() graphop.Core[float64] { return lruPoles[float64]{} }, in...)
}

// lruPoles is the core of LRUPoles.
type lruPoles[T num.Float] struct{}

func (lruPoles[T]) at(in []graphop.Arg[T], p int) lruPole {
	return polarPole(float64(in[0].F[p]), float64(in[1].F[p]), float64(in[2].F[p]))
}

func (c lruPoles[T]) Forward(out []T, in []graphop.Arg[T]) error {
	n := len(out) / 2
	for p := range in[0].F {
		v := c.at(in, p)
		setInside(out[:n], p, v.a)
		setPlane(out[n:], p, complex(v.beta, 0))
	}
	return nil
}

func (c lruPoles[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	n := len(gout) / 2
	for p := range in[0].F {
		v := c.at(in, p)
		nu, theta, gamma := v.back(plane(gout[:n], p), plane(gout[n:], p))
		grad[0][p], grad[1][p], grad[2][p] = T(nu), T(theta), T(gamma)
	}
	return nil
}

// LRUPoleValues returns what LRUPoles computes, (2, 2, P), of slices. It returns an error
// if a length is wrong.
func LRUPoleValues[T num.Float](p LRUParams[[]T]) ([]T, error) {
	n := len(p.NuLog)
	if err := size.First(size.Positive("P", n), num.CheckLen("ThetaLog", p.ThetaLog, n, false), num.CheckLen("GammaLog", p.GammaLog, n, false)); err != nil {
		return nil, fmt.Errorf("mimo: LRUPoleValues: %w", err)
	}
	out := make([]T, 4*n)
	_ = lruPoles[T]{}.Forward(out, []graphop.Arg[T]{{F: p.NuLog}, {F: p.ThetaLog}, {F: p.GammaLog}}) // which does not fail
	return out, nil
}
