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

// Kernel adds the kernels k (D, length) to the graph of the parameters. Gradients are
// exact and go to all of them.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Kernel(p Params[*G.Node], length int) (*G.Node, error) {
	const name = "ema.Kernel"
	in, d, err := nodes(name, p)
	if err != nil {
		return nil, err
	}
	d.l = length
	if err := size.First(size.Length("length", length), size.Tensor("the kernels (D, length)", d.d, length),
		size.Tensor(powersName, d.n, (length+fineSteps-1)/fineSteps), size.Tensor(powersName, d.n, fineSteps+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(graphop.Spec{Name: name, Out: tensor.Shape{d.d, length}},
		func() graphop.Core[float32] { return newKernel[float32](d) },
		func() graphop.Core[float64] { return newKernel[float64](d) }, in...)
}

// fineSteps is the number of steps that powers of few steps reach.
const fineSteps = 64

// powersName names what an op computes for a feature at a time, in errors.
const powersName = "the powers of the averages (N, powers)"

// kernel is the core of Kernel: lag fineSteps i + j of a feature is the product of row i
// of the coarse powers (I, N), with the factors g b, and column j of the fine ones (N, J).
type kernel[T num.Float] struct {
	dims
	rows int // I
	ws   graphop.Common[[]kernelSpace[T]]
}

// kernelSpace is the scratch memory of a worker.
type kernelSpace[T num.Float] struct {
	gemm             gemm.Workspace[T]
	coarse, dc       []T // (I, N)
	fine, df         []T // (N, J)
	k                []T // (I, J)
	fine64, coarse64 []float64
}

func newKernel[T num.Float](d dims) *kernel[T] {
	return &kernel[T]{dims: d, rows: (d.l + fineSteps - 1) / fineSteps, ws: graphop.PerWorker[kernelSpace[T]]()}
}

// Rooms implements graphop.Roomy.
func (c *kernel[T]) Rooms() []graphop.Holder { return []graphop.Holder{&c.ws} }

// powers sets p to q^0, q^1, ..
func powers(p []float64, q float64) {
	v := 1.
	for i := range p {
		p[i] = v
		v *= q
	}
}

// each calls f for every feature, with its powers.
func (c *kernel[T]) each(in []graphop.Arg[T], f func(s *kernelSpace[T], d int)) {
	spaces, prm := *c.ws.Get(), values(in)
	par.For(c.d, func(worker, d int) {
		s := &spaces[worker]
		for _, v := range []*[]T{&s.coarse, &s.dc} {
			*v = num.Grow(*v, c.rows*c.n)
		}
		for _, v := range []*[]T{&s.fine, &s.df} {
			*v = num.Grow(*v, c.n*fineSteps)
		}
		s.k = num.Grow(s.k, c.rows*fineSteps)
		s.fine64, s.coarse64 = num.Grow(s.fine64, c.n*(fineSteps+1)), num.Grow(s.coarse64, c.n*c.rows)
		for n := range c.n {
			a := at(prm, d*c.n+n, c.n)
			fine, coarse := s.fine64[n*(fineSteps+1):][:fineSteps+1], s.coarse64[n*c.rows:][:c.rows]
			powers(fine, a.q)
			powers(coarse, fine[fineSteps])
			for j, v := range fine[:fineSteps] {
				s.fine[n*fineSteps+j] = T(v)
			}
			for i, v := range coarse {
				s.coarse[i*c.n+n] = T(a.g * a.b * v)
			}
		}
		f(s, d)
	})
}

func (c *kernel[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.each(in, func(s *kernelSpace[T], d int) {
		gemm.Gemm(&s.gemm, false, false, c.rows, fineSteps, c.n, s.coarse, c.n, s.fine, fineSteps, s.k, fineSteps, false)
		copy(out[d*c.l:][:c.l], s.k)
	})
	return nil
}

func (c *kernel[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	prm := values(in)
	c.each(in, func(s *kernelSpace[T], d int) {
		clear(s.k[copy(s.k, gout[d*c.l:][:c.l]):])
		gemm.Gemm(&s.gemm, false, true, c.rows, c.n, fineSteps, s.k, fineSteps, s.fine, fineSteps, s.dc, c.n, false)
		gemm.Gemm(&s.gemm, true, false, c.n, fineSteps, c.rows, s.coarse, c.n, s.k, fineSteps, s.df, fineSteps, false)
		for n := range c.n {
			i := d*c.n + n
			a := at(prm, i, c.n)
			dq, dgb := c.gradPowers(s, n, a)
			setGrad(grad, i, a, dq, dgb*a.g, dgb*a.b)
		}
	})
	return nil
}

// gradPowers returns the gradients of q and of g b of average n.
func (c *kernel[T]) gradPowers(s *kernelSpace[T], n int, a average) (dq, dgb float64) {
	fine, coarse := s.fine64[n*(fineSteps+1):][:fineSteps+1], s.coarse64[n*c.rows:][:c.rows]
	for j, g := range s.df[n*fineSteps+1:][:fineSteps-1] {
		dq += float64(g) * float64(j+1) * fine[j]
	}
	for i, v := range coarse {
		g := float64(s.dc[i*c.n+n])
		dgb += g * v
		if i > 0 {
			dq += g * a.g * a.b * float64(i*fineSteps) * coarse[i-1] * fine[fineSteps-1]
		}
	}
	return dq, dgb
}
