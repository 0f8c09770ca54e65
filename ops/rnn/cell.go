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
	// backward writes the gradient of z to dz, and adds that of the state before to
	// what dz gives: dh and dc, the gradient of the state after, are replaced by
	// the part of that before that does not pass through z. tmp is scratch of h.
	backward(dz, z, h0, c0, c1, dh, dc, tmp []T)
}

func cellOf[T num.Float](c Cell) cell[T] {
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

func (lstm[T]) forward(z, _, c0, h1, c1 []T) {
	h := len(h1)
	i, f, g, o := z[:h], z[h:2*h], z[2*h:3*h], z[3*h:4*h]
	vec.Sigmoid(z[:2*h], z[:2*h])
	vec.Tanh(g, g)
	vec.Sigmoid(o, o)
	vec.Mul(c1, f, c0)
	vec.AddMul(c1, i, g)
	vec.Tanh(h1, c1)
	vec.Mul(h1, h1, o)
}

func (lstm[T]) backward(dz, z, _, c0, c1, dh, dc, tmp []T) {
	h := len(dh)
	i, f, g, o := z[:h], z[h:][:h], z[2*h:][:h], z[3*h:][:h]
	di, df, dg, do := dz[:h], dz[h:][:h], dz[2*h:][:h], dz[3*h:][:h]
	tmp, c0, dc = tmp[:h], c0[:h], dc[:h]
	vec.Tanh(tmp, c1)
	for k, d := range dh {
		t := tmp[k]
		do[k] = d * t * o[k] * (1 - o[k])
		e := dc[k] + d*o[k]*(1-t*t)
		di[k] = e * g[k] * i[k] * (1 - i[k])
		df[k] = e * c0[k] * f[k] * (1 - f[k])
		dg[k] = e * i[k] * (1 - g[k]*g[k])
		dc[k] = e * f[k]
		dh[k] = 0
	}
}

type gru[T num.Float] struct{}

func (gru[T]) forward(z, h0, _, h1, _ []T) {
	h := len(h1)
	n, r, u, q := z[:h], z[h:][:h], z[2*h:][:h], z[3*h:][:h]
	vec.Sigmoid(z[h:3*h], z[h:3*h])
	vec.AddMul(n, r, q)
	vec.Tanh(n, n)
	for k, v := range h0 {
		h1[k] = n[k] + u[k]*(v-n[k])
	}
}

func (gru[T]) backward(dz, z, h0, _, _, dh, _, _ []T) {
	h := len(dh)
	n, r, u, q := z[:h], z[h:][:h], z[2*h:][:h], z[3*h:][:h]
	dn, dr, du, dq := dz[:h], dz[h:][:h], dz[2*h:][:h], dz[3*h:][:h]
	h0 = h0[:h]
	for k, d := range dh {
		e := d * (1 - u[k]) * (1 - n[k]*n[k])
		dn[k] = e
		dq[k] = e * r[k]
		dr[k] = e * q[k] * r[k] * (1 - r[k])
		du[k] = d * (h0[k] - n[k]) * u[k] * (1 - u[k])
		dh[k] = d * u[k]
	}
}

type tanh[T num.Float] struct{}

func (tanh[T]) forward(z, _, _, h1, _ []T) {
	vec.Tanh(h1, z)
	copy(z, h1)
}

func (tanh[T]) backward(dz, z, _, _, _, dh, _, _ []T) {
	for k, d := range dh {
		dz[k] = d * (1 - z[k]*z[k])
	}
	clear(dh)
}

type relu[T num.Float] struct{}

func (relu[T]) forward(z, _, _, h1, _ []T) {
	for k, v := range z {
		h1[k] = max(v, 0)
	}
}

func (relu[T]) backward(dz, z, _, _, _, dh, _, _ []T) {
	for k, d := range dh {
		if !(z[k] > 0) {
			d = 0
		}
		dz[k] = d
	}
	clear(dh)
}
