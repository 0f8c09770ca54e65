package rnn

import (
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// layout says where the gates of a row are in memory at a step: width numbers z,
// of which the input is mapped to the first in, and the state to the gates*H from
// hid on. What both are mapped to is their sum.
type layout struct {
	width, in, hid int
	// turn is the row of the input weights that is the first in z: those before it
	// come last.
	turn int
}

// layoutOf returns the layout of a cell of h features.
//
// LSTM: i, f, g, o. GRU: n of the input, r, z, n of the state, which enters after
// it was multiplied by r.
func layoutOf(c Cell, h int) layout {
	n := c.Gates() * h
	if c == GRU {
		return layout{width: n + h, in: n, hid: h, turn: 2 * h}
	}
	return layout{width: n, in: n}
}

// cell is the arithmetic of a cell at one step of one row of h features.
type cell[T num.Float] interface {
	// forward replaces the sums z by the gates, as backward wants them, and writes
	// the state after the step to h1 and c1, which may be that before, h0 and c0. There
	// is no c unless Cell.HasC.
	forward(z, h0, c0, h1, c1 []T)
	// backward writes the gradient of z to dz. dh + g and dc are the gradients of the
	// state after the step, and replaced by the part of that before that does not pass
	// through z.
	backward(dz, z, h0, c0, c1, dh, dc, g []T)
}

func cellOf[T num.Float](c Cell, leak float64) cell[T] {
	if leak > 0 && leak < 1 {
		return leaky[T]{T(leak)}
	}
	switch c {
	case LSTM:
		return lstm[T]{}
	case GRU:
		return gru[T]{}
	case ReLU:
		return relu[T]{}
	}
	return tanh[T]{}
}

type lstm[T num.Float] struct{}

func (lstm[T]) forward(z, _, c0, h1, c1 []T) { vec.LSTM(z, c0, c1, h1) }

func (lstm[T]) backward(dz, z, _, c0, c1, dh, dc, g []T) { vec.LSTMGrad(dz, z, c0, c1, dh, dc, g) }

type gru[T num.Float] struct{}

func (gru[T]) forward(z, h0, _, h1, _ []T) { vec.GRU(z, h0, h1) }

func (gru[T]) backward(dz, z, h0, _, _, dh, _, g []T) { vec.GRUGrad(dz, z, h0, dh, g) }

type tanh[T num.Float] struct{}

func (tanh[T]) forward(z, _, _, h1, _ []T) {
	vec.Tanh(z, z)
	copy(h1, z)
}

func (tanh[T]) backward(dz, z, _, _, _, dh, _, g []T) {
	vec.Add(dh, dh, g)
	vec.Mul(dz, z, z)
	vec.Mul(dz, dz, dh)
	vec.Sub(dz, dh, dz)
	clear(dh)
}

type relu[T num.Float] struct{}

func (relu[T]) forward(z, _, _, h1, _ []T) {
	for k, v := range z {
		h1[k] = max(v, 0)
	}
}

func (relu[T]) backward(dz, z, _, _, _, dh, _, g []T) {
	for k, d := range dh {
		dz[k] = 0
		if z[k] > 0 {
			dz[k] = d + g[k]
		}
	}
	clear(dh)
}

// leaky is tanh of which a part is new.
type leaky[T num.Float] struct{ part T }

func (c leaky[T]) forward(z, h0, _, h1, _ []T) {
	vec.Tanh(z, z)
	h0, h1 = h0[:len(z)], h1[:len(z)]
	for k, v := range z {
		h1[k] = h0[k] + c.part*(v-h0[k])
	}
}

func (c leaky[T]) backward(dz, z, _, _, _, dh, _, g []T) {
	dz, z, g = dz[:len(dh)], z[:len(dh)], g[:len(dh)]
	for k, d := range dh {
		d += g[k]
		dz[k] = c.part * d * (1 - z[k]*z[k])
		dh[k] = (1 - c.part) * d
	}
}
