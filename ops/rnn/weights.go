package rnn

import (
	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// weights are the parameters laid out for the products of steps,
// z = x wih + h whh + biases.
type weights[T num.Float] struct {
	layout
	wih, whh gemm.PackedB[T] // transposed, wih with the biases of its columns
	bias     []T             // (width): the biases in the columns of z
	order    []T             // the input weights in the order of z, if it is another
}

// pack lays the parameters of a cell of h features of i inputs out.
func (w *weights[T]) pack(c Cell, i, h int, prm *Params[[]T]) {
	w.layout = layoutOf(c, h)
	w.bias = num.Grow(w.bias, w.width)
	clear(w.bias)
	turn(w.bias[:w.in], prm.BiasIH, w.turn)
	if prm.BiasHH != nil {
		vec.Add(w.bias[w.hid:], w.bias[w.hid:], prm.BiasHH)
	}
	w.wih.Pack(true, i, w.in, w.ordered(prm.WeightIH, i), i, w.bias[:w.in])
	w.whh.Pack(true, h, c.Gates()*h, prm.WeightHH, h, nil)
}

// ordered returns input weights of i columns in the order of z. The next call
// overwrites them.
func (w *weights[T]) ordered(v []T, i int) []T {
	if w.turn == 0 {
		return v
	}
	w.order = num.Grow(w.order, len(v))
	turn(w.order, v, w.turn*i)
	return w.order
}

// turn copies src from n on, then what is before n. src may be nil.
func turn[T num.Float](dst, src []T, n int) {
	if src != nil {
		copy(dst[copy(dst, src[n:]):], src[:n])
	}
}

// mapInputs sets z (m, width) to what the inputs x (m, I) and the biases give.
func (w *weights[T]) mapInputs(ws *gemm.Workspace[T], z, x []T, i, m int) {
	gemm.GemmPackedB(ws, m, x, i, &w.wih, 0, w.in, z, w.width)
	if w.in == w.width {
		return
	}
	for r := range m {
		copy(z[r*w.width+w.in:][:w.width-w.in], w.bias[w.in:])
	}
}
