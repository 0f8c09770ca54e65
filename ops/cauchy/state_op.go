package cauchy

import (
	"fmt"
	"math/cmplx"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// StateOutput adds what an initial state contributes to the output of the
// models whose kernels [Kernel] computes, and returns it, (B, CH*H, cfg.L):
//
//	y[b,c,h,l] = 2 Re(C Ab^(l+1) x0[b,h])
//
// x0 is (B, H, N, 2), re and im of the state before the first step; the other
// inputs are those of Kernel, c being C~. Added to the convolution of the input
// with the kernels, it is the output of the recurrence that starts from x0.
// Gradients are exact and go to all inputs. The cost is that of a kernel for
// every row of the batch.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func StateOutput(cfg Config, dt, aReal, aImag, p, c, x0 *G.Node) (*G.Node, error) {
	const name = "cauchy.StateOutput"
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := graphop.FloatType(name, dt, aReal, aImag, p, c, x0); err != nil {
		return nil, err
	}
	size, err := modelSize(dt, aReal, aImag, p)
	if err == nil {
		size.CH = c.Shape().TotalSize() / (size.H * size.N * 2)
		err = wantShape("c", c, []int{size.CH, size.H, size.N, 2})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	xs := x0.Shape()
	if xs.Dims() != 4 || xs[0] < 1 || xs[1] != size.H || xs[2] != size.N || xs[3] != 2 {
		return nil, fmt.Errorf("%s: x0: want (B, %d, %d, 2), got %v", name, size.H, size.N, xs)
	}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: tensor.Shape{xs[0], size.CH * size.H, cfg.L}},
		func() graphop.Core[float32] { return newStateOutput[float32](cfg, size, xs[0]) },
		func() graphop.Core[float64] { return newStateOutput[float64](cfg, size, xs[0]) },
		dt, aReal, aImag, p, c, x0)
}

// FinalState adds the state that the models whose kernels [Kernel] computes are
// in after the last step of u (B, H, L), and returns it, (B, H, N, 2). x0, of
// that shape, is the state before the first step; nil: zero. The parameters
// are those of Kernel; the lengths of cfg are not used. Gradients are exact and
// go to all inputs. The cost is O(N R) for every step of every row.
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func FinalState(cfg Config, dt, aReal, aImag, p, b, u, x0 *G.Node) (*G.Node, error) {
	const name = "cauchy.FinalState"
	if err := cfg.validateModel(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in := []*G.Node{dt, aReal, aImag, p, b, u}
	if x0 != nil {
		in = append(in, x0)
	}
	if _, err := graphop.FloatType(name, in...); err != nil {
		return nil, err
	}
	size, err := modelSize(dt, aReal, aImag, p)
	if err == nil {
		err = wantShape("b", b, []int{size.S, size.N, 2}, []int{1, size.S, size.N, 2})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	us := u.Shape()
	if us.Dims() != 3 || us[1] != size.H || us.TotalSize() == 0 {
		return nil, fmt.Errorf("%s: u: want (B, %d, L), got %v", name, size.H, us)
	}
	out := tensor.Shape{us[0], size.H, size.N, 2}
	if x0 != nil {
		if err := wantShape("x0", x0, out); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return graphop.Apply(
		graphop.Spec{Name: name, Out: out},
		func() graphop.Core[float32] { return newFinalState[float32](cfg, size, us[0], us[2]) },
		func() graphop.Core[float64] { return newFinalState[float64](cfg, size, us[0], us[2]) },
		in...)
}

// modelSize reads the size, with one channel, off the shapes of the parameters
// but b and c.
func modelSize(dt, aReal, aImag, p *G.Node) (Size, error) {
	s := Size{CH: 1}
	a := aReal.Shape()
	if a.Dims() != 2 || a[1] < 1 {
		return s, fmt.Errorf("aReal: want (S, N), N >= 1, got %v", a)
	}
	s.S, s.N, s.H = a[0], a[1], dt.Shape()[0]
	rank, ok := leading(p, s.S, s.N, 2)
	if !ok {
		return s, fmt.Errorf("p: want (R, %d, %d, 2) or (%[1]d, %[2]d, 2), got %v", s.S, s.N, p.Shape())
	}
	s.R = rank
	if err := s.Validate(); err != nil {
		return s, err
	}
	if err := wantShape("aImag", aImag, []int{s.S, s.N}); err != nil {
		return s, err
	}
	return s, wantShape("dt", dt, []int{s.H, 1}, []int{s.H})
}

// bank is the models of all features, and the gradients by them, for the ops on
// states.
type bank[T num.Float] struct {
	cfg       Config
	size      Size
	features  []*feature  // (H)
	gradients []*gradient // (H)

	// The call in progress.
	prm Params[T]
}

func newBank[T num.Float](cfg Config, size Size) *bank[T] {
	b := &bank[T]{cfg: cfg, size: size}
	for range size.H {
		b.features = append(b.features, newFeature(&size))
		b.gradients = append(b.gradients, newGradient(&size))
	}
	return b
}

// load takes over the parameters.
func (b *bank[T]) load(prm Params[T]) {
	b.prm = prm
	for h, f := range b.features {
		load(f, &b.prm, &b.cfg, &b.size, h)
	}
}

// backward runs feature, which adds to the gradients by the model of a feature,
// for all features and stores what they make of the parameters.
func (b *bank[T]) backward(grad Params[T], feature func(worker, h int)) {
	for _, g := range b.gradients {
		g.clear()
	}
	par.For(b.size.H, feature)
	for h, g := range b.gradients {
		if grad.Dt != nil {
			grad.Dt[h] = T(g.dt * b.features[h].dDt)
		}
		if grad.C == nil {
			continue
		}
		for ch, c := range g.c {
			for n, v := range c {
				put(grad.C, (ch*b.size.H+h)*b.size.N+n, v)
			}
		}
	}
	p := Plan[T]{cfg: b.cfg, size: b.size, parts: b.gradients, prm: b.prm, grad: grad}
	p.reduce()
}

// set writes element i of a complex array.
func set[T num.Float](dst []T, i int, v complex128) {
	dst[2*i], dst[2*i+1] = T(real(v)), T(imag(v))
}

// derivative returns the holomorphic derivative that a gradient (d/dRe, d/dIm)
// of element i of a complex array stands for: the inverse of put.
func derivative[T num.Float](g []T, i int) complex128 {
	return complex(float64(g[2*i]), -float64(g[2*i+1]))
}

// lowRank returns phi_r = 2 Re(P_r^H x).
func (f *feature) lowRank(phi []float64, x []complex128) {
	for r, p := range f.p {
		phi[r] = 0
		for n, v := range p {
			phi[r] += 2 * (real(v)*real(x[n]) + imag(v)*imag(x[n]))
		}
	}
}

// multiply writes M x = Lambda x - sum_r P_r phi_r to dst, phi being lowRank of
// x.
func (f *feature) multiply(dst, x []complex128, phi []float64) {
	for n, a := range f.a {
		dst[n] = a * x[n]
		for r, p := range f.p {
			dst[n] -= p[n] * complex(phi[r], 0)
		}
	}
}

// multiplyGrad adds the gradients of Re sum g M x to those of the model, and
// adds M^T g, its derivative by x, to gx unless that is nil. phi is lowRank of
// x.
func (f *feature) multiplyGrad(dst *gradient, gx, g, x []complex128, phi []float64) {
	for n, v := range g {
		dst.a[n] += v * x[n]
		if gx != nil {
			gx[n] += v * f.a[n]
		}
	}
	for r, p := range f.p {
		var kappa float64 // by phi_r
		for n, v := range g {
			dst.p[r][n] -= v * complex(phi[r], 0)
			kappa -= real(v * p[n])
		}
		k := complex(2*kappa, 0)
		for n, v := range p {
			dst.p[r][n] += k * cmplx.Conj(x[n])
			if gx != nil {
				gx[n] += k * cmplx.Conj(v)
			}
		}
	}
}
