package ema

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
)

// StateOutput adds what the state h0 (B, D, N) before the first of length steps adds to
// the outputs, (B, D, length), to the graph: sum_n g q^(l+1) h0.
func StateOutput(p Params[*G.Node], h0 *G.Node, length int) (*G.Node, error) {
	const name = "ema.StateOutput"
	in, d, err := nodes(name, p, graphop.Named("h0", h0))
	if err != nil {
		return nil, err
	}
	if d.l = length; h0.Shape().Dims() > 0 {
		d.b = h0.Shape()[0]
	}
	if err := size.First(graphop.WantShape("h0", h0, tensor.Shape{d.b, d.d, d.n}), size.Positive("B", d.b), size.Length("length", length),
		size.Tensor("the output (B, D, length)", d.b, d.d, length), size.Tensor(powersName, d.n, length+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(graphop.Spec{Name: name, Out: tensor.Shape{d.b, d.d, length}, Carried: []*G.Node{h0}, Optional: []int{4}},
		func() graphop.Core[float32] { return newStateOutput[float32](d) },
		func() graphop.Core[float64] { return newStateOutput[float64](d) }, in...)
}

// FinalState adds the state (B, D, N) after the steps of x (B, D, L) to the graph, where
// h0 (B, D, N) is that before them, nil for zero: q^L h0 + sum_l b q^(L-1-l) x_l.
func FinalState(p Params[*G.Node], x, h0 *G.Node) (*G.Node, error) {
	const name = "ema.FinalState"
	in, d, err := nodes(name, p, graphop.Named("x", x), graphop.Optional("h0", h0))
	if err != nil {
		return nil, err
	}
	s := x.Shape()
	if s.Dims() != 3 || s.TotalSize() == 0 || s[1] != d.d {
		return nil, fmt.Errorf("%s: x: want (B, %d, L), each at least 1, got %v", name, d.d, s)
	}
	d.b, d.l = s[0], s[2]
	out := tensor.Shape{d.b, d.d, d.n}
	if err := size.First(size.Tensor("the state (B, D, N)", out...), size.Tensor(powersName, d.n, d.l+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if h0 != nil {
		if err := graphop.WantShape("h0", h0, out); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	spec := graphop.Spec{Name: name, Out: out, Carried: []*G.Node{h0}, Optional: []int{4}}
	if h0 != nil {
		spec.Optional = append(spec.Optional, 5)
	}
	if d.l == 1 {
		spec.Carried = append(spec.Carried, x)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return newFinalState[float32](d, h0 != nil) },
		func() graphop.Core[float64] { return newFinalState[float64](d, h0 != nil) }, in...)
}

// stateCore is what the cores of states have in common: for each feature a matrix of
// powers (N, L).
type stateCore[T num.Float] struct {
	dims
	ws graphop.Common[[]stateSpace[T]]
}

// stateSpace is the scratch memory of a worker.
type stateSpace[T num.Float] struct {
	gemm gemm.Workspace[T]
	p    []T       // (N, L)
	dp   []T       // (N, L)
	q    []float64 // (N, L+1): q^0 .. q^L
	avg  []average // (N)
}

func newStateCore[T num.Float](d dims) stateCore[T] {
	return stateCore[T]{d, graphop.PerWorker[stateSpace[T]]()}
}

// Rooms implements graphop.Roomy.
func (c *stateCore[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.ws} }

// each calls f for every feature, with the powers of its averages.
func (c *stateCore[T]) each(in []graphop.Arg[T], f func(s *stateSpace[T], d int)) {
	spaces, prm := *c.ws.Get(), values(in)
	par.For(c.d, func(worker, d int) {
		s := &spaces[worker]
		s.p, s.dp = num.Grow(s.p, c.n*c.l), num.Grow(s.dp, c.n*c.l)
		s.q, s.avg = num.Grow(s.q, c.n*(c.l+1)), s.avg[:0]
		for n := range c.n {
			a := at(prm, d*c.n+n, c.n)
			s.avg = append(s.avg, a)
			powers(s.q[n*(c.l+1):][:c.l+1], a.q)
		}
		f(s, d)
	})
}

// row returns the powers of average n.
func (c *stateCore[T]) row(s *stateSpace[T], n int) []float64 { return s.q[n*(c.l+1):][:c.l+1] }

// stateOutput is the core of StateOutput.
type stateOutput[T num.Float] struct{ stateCore[T] }

func newStateOutput[T num.Float](d dims) *stateOutput[T] {
	return &stateOutput[T]{newStateCore[T](d)}
}

// open sets p[n,l] = g q^(l+1).
func (c *stateOutput[T]) open(s *stateSpace[T]) {
	for n, a := range s.avg {
		for l, v := range c.row(s, n)[1:] {
			s.p[n*c.l+l] = T(a.g * v)
		}
	}
}

func (c *stateOutput[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.each(in, func(s *stateSpace[T], d int) {
		c.open(s)
		gemm.Gemm(&s.gemm, false, false, c.b, c.l, c.n, in[4].F[d*c.n:], c.d*c.n, s.p, c.l, out[d*c.l:], c.d*c.l, false)
	})
	return nil
}

func (c *stateOutput[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.each(in, func(s *stateSpace[T], d int) {
		h0, g := in[4].F[d*c.n:], gout[d*c.l:]
		if grad[4] != nil {
			c.open(s)
			gemm.Gemm(&s.gemm, false, true, c.b, c.n, c.l, g, c.d*c.l, s.p, c.l, grad[4][d*c.n:], c.d*c.n, false)
		}
		gemm.Gemm(&s.gemm, true, false, c.n, c.l, c.b, h0, c.d*c.n, g, c.d*c.l, s.dp, c.l, false)
		for n, a := range s.avg {
			var dq, dg float64
			q := c.row(s, n)
			for l, v := range s.dp[n*c.l:][:c.l] {
				dg += float64(v) * q[l+1]
				dq += float64(v) * a.g * float64(l+1) * q[l]
			}
			setGrad(grad, d*c.n+n, a, dq, 0, dg)
		}
	})
	return nil
}

// finalState is the core of FinalState.
type finalState[T num.Float] struct {
	stateCore[T]
	hasStart bool
}

func newFinalState[T num.Float](d dims, hasStart bool) *finalState[T] {
	return &finalState[T]{newStateCore[T](d), hasStart}
}

// open sets p[n,l] = b q^(L-1-l).
func (c *finalState[T]) open(s *stateSpace[T]) {
	for n, a := range s.avg {
		q := c.row(s, n)
		for l := range c.l {
			s.p[n*c.l+l] = T(a.b * q[c.l-1-l])
		}
	}
}

func (c *finalState[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.each(in, func(s *stateSpace[T], d int) {
		c.open(s)
		gemm.Gemm(&s.gemm, false, true, c.b, c.n, c.l, in[4].F[d*c.l:], c.d*c.l, s.p, c.l, out[d*c.n:], c.d*c.n, false)
		if !c.hasStart {
			return
		}
		for n := range c.n {
			all := T(c.row(s, n)[c.l])
			for i := d*c.n + n; i < len(out); i += c.d * c.n {
				out[i] += all * in[5].F[i]
			}
		}
	})
	return nil
}

func (c *finalState[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.each(in, func(s *stateSpace[T], d int) {
		x, g := in[4].F[d*c.l:], gout[d*c.n:]
		if grad[4] != nil {
			c.open(s)
			gemm.Gemm(&s.gemm, false, false, c.b, c.l, c.n, g, c.d*c.n, s.p, c.l, grad[4][d*c.l:], c.d*c.l, false)
		}
		gemm.Gemm(&s.gemm, true, false, c.n, c.l, c.b, g, c.d*c.n, x, c.d*c.l, s.dp, c.l, false)
		for n, a := range s.avg {
			var dq, db float64
			q := c.row(s, n)
			for l, v := range s.dp[n*c.l:][:c.l] {
				i := c.l - 1 - l
				db += float64(v) * q[i]
				if i > 0 {
					dq += float64(v) * a.b * float64(i) * q[i-1]
				}
			}
			setGrad(grad, d*c.n+n, a, dq+c.gradStart(grad, in, gout, q, d*c.n+n), db, 0)
		}
	})
	return nil
}

// gradStart writes the gradient of average i of the state at the start, and returns its
// part of that of q.
func (c *finalState[T]) gradStart(grad [][]T, in []graphop.Arg[T], gout []T, q []float64, i int) (dq float64) {
	if !c.hasStart {
		return 0
	}
	for ; i < len(gout); i += c.d * c.n {
		dq += float64(gout[i]) * float64(in[5].F[i]) * float64(c.l) * q[c.l-1]
		if grad[5] != nil {
			grad[5][i] = T(q[c.l]) * gout[i]
		}
	}
	return dq
}
