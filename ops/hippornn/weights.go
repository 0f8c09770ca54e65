package hippornn

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// weights are the parameters laid out for the products of steps: c and g, of a row one
// behind the other, are of x xz + m mz + h hz and biases, and f is of x xf + h hf and its
// bias.
type weights[T num.Float] struct {
	sizes
	order  Order
	all    []T // (gates, columns): Hidden and HiddenHidden, then Gate
	write  []T // (M, writeColumns)
	bias   []T // (gates)
	fBias  []T // (M)
	um     []T // (M, N), nil for none
	xz, mz gemm.PackedB[T]
	hz     gemm.PackedB[T] // if hidden
	xf, hf gemm.PackedB[T] // xf with Code alone
	a      gemm.PackedB[T] // of a constant measure, transposed
	b      []T             // of it, nil for LegS
}

// update takes over the measure.
func (w *weights[T]) update(cfg Config) {
	w.order = cfg.Order
	if cfg.legS() {
		return
	}
	n := cfg.N
	a := make([]T, n*n)
	w.b = make([]T, n)
	for i := range a {
		a[i] = T(cfg.A[i])
	}
	for i := range w.b {
		w.b[i] = T(cfg.B[i])
	}
	w.a.Pack(true, n, n, a, n, nil)
}

// pack lays the parameters out.
func (w *weights[T]) pack(p *Params[[]T]) {
	n, cols, mem := w.gates(), w.columns(), w.memory()
	w.join(p)
	w.xz.Pack(true, w.I, n, w.all, cols, w.bias)
	w.mz.Pack(true, mem, n, w.all[w.I:], cols, nil)
	if w.hidden {
		w.hz.Pack(true, w.H, n, w.all[w.I+mem:], cols, nil)
	}
	w.write, w.um = p.Write, p.WriteMemory
	w.fBias = num.Grow(w.fBias, w.M)
	clear(w.fBias)
	copy(w.fBias, p.WriteBias)
	from := w.writeColumns(w.order)
	if w.order == Code {
		w.xf.Pack(true, w.I, w.M, w.write, from, w.fBias)
	}
	w.hf.Pack(true, w.H, w.M, w.write[from-w.H:], from, nil)
}

// join puts the weights of c and g, and their biases, together.
func (w *weights[T]) join(p *Params[[]T]) {
	cols := w.columns()
	w.all, w.bias = num.Grow(w.all, w.gates()*cols), num.Grow(w.bias, w.gates())
	clear(w.bias)
	copy(w.bias, p.HiddenBias)
	own := len(p.Hidden) / w.H
	for i := range w.H {
		row := w.all[i*cols:][:cols]
		copy(row, p.Hidden[i*own:][:own])
		if p.HiddenHidden != nil {
			copy(row[own:], p.HiddenHidden[i*w.H:][:w.H])
		}
	}
	if w.gated {
		copy(w.all[w.H*cols:], p.Gate)
		copy(w.bias[w.H:], p.GateBias)
	}
}

// apart is the other way round, for gradients: those of parameters that are nil are left
// out.
func (w *weights[T]) apart(p *Params[[]T], all []T) {
	cols := w.columns()
	own := cols
	if w.hidden && w.order == Code {
		own -= w.H
	}
	for i := range w.H {
		row := all[i*cols:][:cols]
		if p.Hidden != nil {
			copy(p.Hidden[i*own:][:own], row)
		}
		if p.HiddenHidden != nil {
			copy(p.HiddenHidden[i*w.H:][:w.H], row[own:])
		}
	}
	if p.Gate != nil {
		copy(p.Gate, all[w.H*cols:])
	}
}

// mapInputs sets z (rows, gates) and f (rows, M) to what the inputs x (rows, I) and the
// biases give.
func (w *weights[T]) mapInputs(ws *gemm.Workspace[T], z, f, x []T, rows int) {
	n := w.gates()
	gemm.GemmPackedB(ws, rows, x, w.I, &w.xz, 0, n, z, n)
	if w.order == Code {
		gemm.GemmPackedB(ws, rows, x, w.I, &w.xf, 0, w.M, f, w.M)
		return
	}
	for r := range rows {
		copy(f[r*w.M:][:w.M], w.fBias)
	}
}

// states are the state before a step and that after it, of rows: h (rows, H), m (rows, M,
// N).
type states[T num.Float] struct{ h0, m0, h1, m1 []T }

// advance takes rows through a step: z (rows, gates) and f (rows, M) are what mapInputs
// gave, and become c and g, and the signals; a (rows) says where in time each is.
func (w *weights[T]) advance(ws *gemm.Workspace[T], l *legs[T], z, f []T, s states[T], a []float64) {
	if w.order == Code {
		w.signals(ws, f, s.h0, s.m0, a)
		w.remember(ws, l, f, s, a)
		w.see(ws, z, s.m1, s, a)
		return
	}
	w.see(ws, z, s.m0, s, a)
	w.signals(ws, f, s.h1, nil, a)
	w.remember(ws, l, f, s, a)
}

// signals adds what the state h, and the memory m unless it is nil, give to f.
func (w *weights[T]) signals(ws *gemm.Workspace[T], f, h, m []T, a []float64) {
	gemm.AddPackedB(ws, len(a), h, w.H, &w.hf, f, w.M)
	if w.um == nil || m == nil {
		return
	}
	for i := range f {
		f[i] += vec.Dot(w.um[i%w.M*w.N:][:w.N], m[i*w.N:][:w.N])
	}
}

// remember updates the memory by f.
func (w *weights[T]) remember(ws *gemm.Workspace[T], l *legs[T], f []T, s states[T], a []float64) {
	mem := w.memory()
	if w.b != nil {
		rows := len(a) * w.M
		clear(s.m1[:rows*w.N])
		gemm.AddPackedB(ws, rows, s.m0, w.N, &w.a, s.m1, w.N)
	}
	for r, v := range a {
		next, fr := s.m1[r*mem:][:mem], f[r*w.M:][:w.M]
		switch {
		case v == noStep:
			clear(next)
		case w.b == nil:
			l.forward(next, s.m0[r*mem:][:mem], fr, v)
		default:
			for j, x := range fr {
				vec.Axpy(next[j*w.N:][:w.N], x, w.b)
			}
		}
	}
}

// see computes c and g from the memory m, and the state after the step.
func (w *weights[T]) see(ws *gemm.Workspace[T], z, m []T, s states[T], a []float64) {
	n, h := w.gates(), w.H
	gemm.AddPackedB(ws, len(a), m, w.memory(), &w.mz, z, n)
	if w.hidden {
		gemm.AddPackedB(ws, len(a), s.h0, h, &w.hz, z, n)
	}
	for r, v := range a {
		next := s.h1[r*h:][:h]
		if v == noStep {
			clear(next)
			continue
		}
		c := z[r*n:][:h]
		vec.Tanh(c, c)
		copy(next, c)
		if w.gated {
			g := z[r*n+h:][:h]
			vec.Sigmoid(g, g)
			blend(next, g, s.h0[r*h:][:h])
		}
	}
}

// blend sets c to (1-g) h + g c.
func blend[T num.Float](c, g, h []T) {
	g, h = g[:len(c)], h[:len(c)]
	for i, v := range c {
		c[i] = h[i] + g[i]*(v-h[i])
	}
}
