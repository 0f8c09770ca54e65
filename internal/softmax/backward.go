package softmax

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// gains returns the gradients of the losses of the tokens under way, nil for ones.
func (m *mapper[T]) gains(gout []T) []T {
	if gout == nil {
		return nil
	}
	g := m.gain.Of(len(m.at))
	for i, at := range m.at {
		g[i] = gout[at]
	}
	return g
}

// backward adds the gradients of the tokens under way to grad. z has the exponentials,
// and the factors are known. logitGrads turns the probabilities of a tile into the
// gradients of its logits, but for the factors g of the tokens, where nil is ones.
func (m *mapper[T]) backward(h, x, z, g []T, grad [][]T, logitGrads func(t tile, y []T)) {
	n, xg := len(m.at), x
	if g != nil {
		xg = m.xg.Of(m.In * n)
		par.Blocks(m.In, 16, func(_, lo, hi int) { scaleColumns(xg[lo*n:hi*n], x[lo*n:hi*n], g) })
	}
	m.classGrads(xg, z, g, grad, logitGrads)
	dx := m.dx.Of(m.In * n)
	m.featureGrads(dx, z, g)
	m.hiddenGrads(h, dx, grad)
}

// scaleColumns sets dst to x, both of rows as long as g, times g.
func scaleColumns[T num.Float](dst, x, g []T) {
	n := len(g)
	for i := 0; i < len(x); i += n {
		vec.Mul(dst[i:i+n], x[i:i+n], g)
	}
}

// lessLabels subtracts the targets from the probabilities of a tile.
func (m *mapper[T]) lessLabels(t tile, y []T) {
	n := len(m.at)
	if m.Smoothing > 0 {
		vec.Affine(y, y, T(m.Smoothing/float64(m.n)), 1, 0)
	}
	for j, c := range m.class {
		if r := c - t.first; r >= 0 && r < t.hi-t.lo {
			y[r*n+j] -= T(1 - m.Smoothing)
		}
	}
}

// classGrads turns the exponentials z into the gradients of the logits, and adds those of
// weights and biases.
func (m *mapper[T]) classGrads(xg, z, g []T, grad [][]T, logitGrads func(t tile, y []T)) {
	n := len(m.at)
	top, bias := m.top.Of(len(m.tiles)*n), m.bias.Of(m.n)
	par.For(len(m.tiles), func(w, i int) {
		t := m.tiles[i]
		rows := t.hi - t.lo
		y := z[t.first*n:][:rows*n]
		scaleColumns(y, y, top[i*n:][:n])
		logitGrads(t, y)
		for r := 0; r < rows && t.seg.Bias >= 0; r++ {
			bias[t.first+r] += dot(y[r*n:][:n], g)
		}
		dw := grad[t.seg.Weight][(t.seg.Row+t.lo)*m.In:][:rows*m.In]
		gemm.Gemm(m.workspace(w), false, true, rows, m.In, n, y, n, xg, n, dw, m.In, true)
	})
}

// dot returns the sum of y times g, where nil is ones.
func dot[T num.Float](y, g []T) float64 {
	if g == nil {
		return vec.Sum64(y)
	}
	return float64(vec.Dot(y, g))
}

// featureGrads sets dx (In, tokens) to the gradient of the features.
func (m *mapper[T]) featureGrads(dx, z, g []T) {
	n := len(m.at)
	const block = 384 // of features
	blocks := (m.In + block - 1) / block
	par.For((n+span-1)/span*blocks, func(w, i int) {
		j0, f0 := i/blocks*span, i%blocks*block
		j1, f1 := min(j0+span, n), min(f0+block, m.In)
		first := 0
		for k, s := range m.Segments {
			weight := m.in[s.Weight].F[s.Row*m.In:][:s.Classes*m.In]
			gemm.Gemm(m.workspace(w), true, false, f1-f0, j1-j0, s.Classes, weight[f0:], m.In, z[first*n+j0:], n, dx[f0*n+j0:], n, k > 0)
			first += s.Classes
		}
		for f := f0; f < f1 && g != nil; f++ {
			row := dx[f*n+j0 : f*n+j1]
			vec.Mul(row, row, g[j0:j1])
		}
	})
}

// hiddenGrads adds the gradients of the projection and of the hidden vectors h, which it
// overwrites, for those dx of the features.
func (m *mapper[T]) hiddenGrads(h, dx []T, grad [][]T) {
	n := len(m.at)
	if m.Proj >= 0 {
		m.projGrad(grad[m.Proj], h, dx)
		proj := m.in[m.Proj].F
		par.Blocks(n, span, func(w, lo, hi int) {
			gemm.Gemm(m.workspace(w), m.ProjRows, false, m.H, hi-lo, m.In, proj, m.leading(), dx[lo:], n, h[lo:], n, false)
		})
		dx = h
	}
	dst := grad[0]
	par.Blocks(m.H, 16, func(_, lo, hi int) {
		for _, r := range m.runs {
			for f := lo; f < hi; f++ {
				d := dst[r.place+f*m.L:][:r.n]
				vec.Add(d, d, dx[f*n+r.first:][:r.n])
			}
		}
	})
}

// projGrad adds the gradient of the projection.
func (m *mapper[T]) projGrad(dst, h, dx []T) {
	n, rows := len(m.at), m.H
	a, b := h, dx
	if m.ProjRows {
		a, b, rows = dx, h, m.In
	}
	ld := m.leading()
	par.Blocks(rows, 48, func(w, lo, hi int) {
		gemm.Gemm(m.workspace(w), false, true, hi-lo, ld, n, a[lo*n:], n, b, n, dst[lo*ld:], ld, true)
	})
}

// finish adds the gradients of the biases, after all tokens of the map.
func (m *mapper[T]) finish(grad [][]T) {
	if grad == nil {
		return
	}
	bias, first := m.bias.Of(m.n), 0
	for _, s := range m.Segments {
		if s.Bias >= 0 {
			d := grad[s.Bias][s.BiasRow:]
			for i, v := range bias[first:][:s.Classes] {
				d[i] += T(v)
			}
		}
		first += s.Classes
	}
}
