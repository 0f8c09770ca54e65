package mega

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// rotaryBase is the base of the angles of a rotary bias.
const rotaryBase = 10000

// RotaryBias adds the bias (2M-1) of relative positions up to M-1 to the graph of alpha
// and beta (1, Z), Z even: the product of alpha turned as position i and beta as j,
//
//	bias_(j-i) = R_i(alpha) . R_j(beta)
//
// where R_n turns the pairs (t, t+Z/2) by n 10000^(-t/(Z/2)), which depends on j-i alone.
// It is at M-1+j-i. Gradients go to both.
func RotaryBias(alpha, beta *G.Node, m int) (*G.Node, error) {
	const name = "mega.RotaryBias"
	in, err := graphop.Floats(name, graphop.Named("alpha", alpha), graphop.Named("beta", beta))
	if err != nil {
		return nil, err
	}
	s := alpha.Shape()
	if s.Dims() != 2 || s[0] != 1 || s[1] < 2 || s[1]%2 != 0 {
		return nil, fmt.Errorf("%s: alpha: want (1, Z), Z even, got %v", name, s)
	}
	if err := size.First(graphop.WantShape("beta", beta, s), size.Length("M", m)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	z := s[1]
	return graphop.Apply(graphop.Spec{Name: name, Out: tensor.Shape{2*m - 1}},
		func() graphop.Core[float32] { return rotaryBias[float32]{z / 2, m} },
		func() graphop.Core[float64] { return rotaryBias[float64]{z / 2, m} }, in...)
}

// rotaryBias is the core of RotaryBias: with n = j-i, and alpha and beta of a pair as
// complex numbers, it sums Re(conj(alpha) beta e^(i n theta)).
type rotaryBias[T num.Float] struct{ pairs, m int }

// each calls f for the lag of every element and every pair: cos and sin of its angle.
func (c rotaryBias[T]) each(f func(i, t int, cos, sin float64)) {
	for t := range c.pairs {
		theta := math.Pow(rotaryBase, -float64(t)/float64(c.pairs))
		for i := range 2*c.m - 1 {
			sin, cos := math.Sincos(float64(i-c.m+1) * theta)
			f(i, t, cos, sin)
		}
	}
}

func (c rotaryBias[T]) Forward(out []T, in []graphop.Arg[T]) error {
	a, b := in[0].F, in[1].F
	sums := make([]float64, len(out))
	c.each(func(i, t int, cos, sin float64) {
		a0, a1, b0, b1 := float64(a[t]), float64(a[t+c.pairs]), float64(b[t]), float64(b[t+c.pairs])
		sums[i] += (a0*b0+a1*b1)*cos + (a1*b0-a0*b1)*sin
	})
	for i, v := range sums {
		out[i] = T(v)
	}
	return nil
}

func (c rotaryBias[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	re, im := make([]float64, c.pairs), make([]float64, c.pairs)
	c.each(func(i, t int, cos, sin float64) {
		re[t] += float64(gout[i]) * cos
		im[t] += float64(gout[i]) * sin
	})
	a, b := in[0].F, in[1].F
	for t := range c.pairs {
		u := t + c.pairs
		r, s := re[t], im[t]
		grad[0][t], grad[0][u] = T(r*float64(b[t])-s*float64(b[u])), T(r*float64(b[u])+s*float64(b[t]))
		grad[1][t], grad[1][u] = T(r*float64(a[t])+s*float64(a[u])), T(r*float64(a[u])-s*float64(a[t]))
	}
	return nil
}

// RotaryBiases is [RotaryBias] without a graph, of alpha and beta (Z) of one even length.
func RotaryBiases[T num.Float](alpha, beta []T, m int) []T {
	out := make([]T, 2*m-1)
	_ = rotaryBias[T]{len(alpha) / 2, m}.Forward(out, []graphop.Arg[T]{{F: alpha}, {F: beta}}) // which never fails
	return out
}
