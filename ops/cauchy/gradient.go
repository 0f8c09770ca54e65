package cauchy

import "github.com/gorgonia-s4/s4/internal/num"

// gradient is the gradient by the model of one feature, in the form of
// holomorphic derivatives g: the loss changes by Re(g dz), and its derivatives
// by the real and imaginary part of z are Re g and -Im g.
type gradient struct {
	dt []float64      // (N) real
	a  []complex128   // (N) by Lambda
	p  [][]complex128 // (R, N) in both of its places
	b  []complex128   // (N)
	c  [][]complex128 // (CH, N)
}

func newGradient(s *Size) *gradient {
	return &gradient{
		dt: make([]float64, s.N),
		a:  make([]complex128, s.N), p: newMatrix(s.R, s.N),
		b: make([]complex128, s.N), c: newMatrix(s.CH, s.N),
	}
}

// newGradients returns one for each feature.
func newGradients(s *Size) []*gradient {
	g := make([]*gradient, s.H)
	for h := range g {
		g[h] = newGradient(s)
	}
	return g
}

func (g *gradient) clear() {
	clear(g.dt)
	clear(g.a)
	clear(g.b)
	for _, p := range g.p {
		clear(p)
	}
	for _, c := range g.c {
		clear(c)
	}
}

// store writes the gradients by the raw parameters that the models of the
// features, parts (H), come from. What features share is summed over them in
// order. A nil slice of grad is left out.
func store[T num.Float](grad, prm *Params[[]T], cfg *Config, s *Size, parts []*gradient) {
	for h, g := range parts {
		storeDt(grad, prm, cfg, s, h, g.dt)
		if grad.C == nil {
			continue
		}
		for ch, c := range g.c {
			for n, v := range c {
				num.SetGrad(grad.C, (ch*s.H+h)*s.N+n, v)
			}
		}
	}
	for i := range s.S * s.N {
		storeShared(grad, prm, cfg, s, parts, i)
	}
}

// storeDt is store for the step sizes of feature h, which the states share unless
// each has its own.
func storeDt[T num.Float](grad, prm *Params[[]T], cfg *Config, s *Size, h int, g []float64) {
	if grad.Dt == nil {
		return
	}
	cols := s.dtCols()
	each := s.N / cols
	for j := range cols {
		var sum float64
		for _, v := range g[j*each:][:each] {
			sum += v
		}
		i := h*cols + j
		_, dDt := cfg.DtTransform.Eval(float64(prm.Dt[i]))
		grad.Dt[i] = T(sum * cfg.Factor() * dDt)
	}
}

// storeShared is store for state i, in (S, N), of the state matrices.
func storeShared[T num.Float](grad, prm *Params[[]T], cfg *Config, s *Size, parts []*gradient, i int) {
	n := i % s.N
	sum := func(of func(*gradient) []complex128) (total complex128) {
		for h := i / s.N; h < s.H; h += s.S {
			total += of(parts[h])[n]
		}
		return total
	}
	a := sum(func(g *gradient) []complex128 { return g.a })
	if grad.AReal != nil {
		_, dDecay := cfg.ATransform.Eval(float64(prm.AReal[i]))
		grad.AReal[i] = T(-dDecay * real(a))
	}
	if grad.AImag != nil {
		grad.AImag[i] = T(imag(a))
	}
	if grad.B != nil {
		num.SetGrad(grad.B, i, sum(func(g *gradient) []complex128 { return g.b }))
	}
	if grad.P == nil {
		return
	}
	for r := range s.R {
		num.SetGrad(grad.P, r*s.S*s.N+i, sum(func(g *gradient) []complex128 { return g.p[r] }))
	}
}
