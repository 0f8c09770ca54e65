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
	wih, whh gemm.PackedB[T] // transposed; the biases are those of wih
	tail     []T             // but for the columns of z that the input is not mapped to
}

// pack lays the parameters of a cell of h features of i inputs out.
func (w *weights[T]) pack(c Cell, i, h int, prm *Params[[]T]) {
	w.layout = layoutOf(c, h)
	bias := make([]T, w.width)
	turn(bias[:w.in], prm.BiasIH, w.turn)
	if prm.BiasHH != nil {
		vec.Add(bias[w.hid:], bias[w.hid:], prm.BiasHH)
	}
	w.wih.Pack(true, i, w.in, turned(w.layout, prm.WeightIH, i), i, bias[:w.in])
	w.whh.Pack(true, h, c.Gates()*h, prm.WeightHH, h, nil)
	w.tail = bias[w.in:]
}

// turned returns input weights of i columns in the order of z.
func turned[T num.Float](l layout, w []T, i int) []T {
	if l.turn == 0 {
		return w
	}
	dst := make([]T, len(w))
	turn(dst, w, l.turn*i)
	return dst
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
		copy(z[r*w.width+w.in:], w.tail)
	}
}
