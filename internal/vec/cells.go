package vec

import "github.com/gorgonia-s4/s4/internal/num"

// LSTM replaces the sums z of a row of n features, i, f, g, o one behind the other,
// by the gates sigmoid(i), sigmoid(f), tanh(g), sigmoid(o), and sets
// c1 = f c0 + i g and h1 = o tanh(c1) of them. c1 may be the same slice as c0.
func LSTM[T num.Float](z, c0, c1, h1 []T) {
	want("LSTM", "z", 4*len(c0), len(z))
	want("LSTM", "c1", len(c0), len(c1))
	want("LSTM", "h1", len(c0), len(h1))
	active[T]().lstm(z, c0, c1, h1)
}

// LSTMGrad sets dz to the gradient of the sums that LSTM had in z, which has the gates,
// where those of h1 and c1 are dh + g and dc. It replaces dc by the gradient of c0 and
// dh by 0.
func LSTMGrad[T num.Float](dz, z, c0, c1, dh, dc, g []T) {
	n := len(c0)
	want("LSTMGrad", "dz", 4*n, len(dz))
	want("LSTMGrad", "z", 4*n, len(z))
	want("LSTMGrad", "c1", n, len(c1))
	want("LSTMGrad", "dh", n, len(dh))
	want("LSTMGrad", "dc", n, len(dc))
	want("LSTMGrad", "g", n, len(g))
	active[T]().lstmGrad(dz, z, c0, c1, dh, dc, g)
}

// GRU replaces the sums z of a row of n features, n, r, z, q one behind the other, by
// the gates tanh(n + sigmoid(r) q), sigmoid(r), sigmoid(z) and q as it is, and sets
// h1 = (1 - z) n + z h0 of them. h1 may be the same slice as h0.
func GRU[T num.Float](z, h0, h1 []T) {
	want("GRU", "z", 4*len(h0), len(z))
	want("GRU", "h1", len(h0), len(h1))
	active[T]().gru(z, h0, h1)
}

// GRUGrad sets dz to the gradient of the sums that GRU had in z, which has the gates,
// where that of h1 is dh + g. It replaces dh by the part of the gradient of h0 that
// does not pass through z.
func GRUGrad[T num.Float](dz, z, h0, dh, g []T) {
	n := len(h0)
	want("GRUGrad", "dz", 4*n, len(dz))
	want("GRUGrad", "z", 4*n, len(z))
	want("GRUGrad", "dh", n, len(dh))
	want("GRUGrad", "g", n, len(g))
	active[T]().gruGrad(dz, z, h0, dh, g)
}

func lstmGeneric[T num.Float](z, c0, c1, h1 []T) {
	a := approxOf[T]()
	n := len(c0)
	for k, c := range c0 {
		i, f := T(a.sigmoid(float64(z[k]))), T(a.sigmoid(float64(z[n+k])))
		g, o := T(a.tanh(float64(z[2*n+k]))), T(a.sigmoid(float64(z[3*n+k])))
		z[k], z[n+k], z[2*n+k], z[3*n+k] = i, f, g, o
		c1[k] = f*c + i*g
		h1[k] = o * T(a.tanh(float64(c1[k])))
	}
}

func lstmGradGeneric[T num.Float](dz, z, c0, c1, dh, dc, g []T) {
	a := approxOf[T]()
	n := len(c0)
	for k := range c0 {
		i, f, c, o := z[k], z[n+k], z[2*n+k], z[3*n+k]
		t, d := T(a.tanh(float64(c1[k]))), dh[k]+g[k]
		e := dc[k] + d*o*(1-t*t)
		dz[k] = e * c * i * (1 - i)
		dz[n+k] = e * c0[k] * f * (1 - f)
		dz[2*n+k] = e * i * (1 - c*c)
		dz[3*n+k] = d * t * o * (1 - o)
		dc[k], dh[k] = e*f, 0
	}
}

func gruGeneric[T num.Float](z, h0, h1 []T) {
	a := approxOf[T]()
	m := len(h0)
	for k, h := range h0 {
		r, u := T(a.sigmoid(float64(z[m+k]))), T(a.sigmoid(float64(z[2*m+k])))
		n := T(a.tanh(float64(z[k] + r*z[3*m+k])))
		z[k], z[m+k], z[2*m+k] = n, r, u
		h1[k] = n + u*(h-n)
	}
}

func gruGradGeneric[T num.Float](dz, z, h0, dh, g []T) {
	m := len(h0)
	for k, h := range h0 {
		n, r, u, q := z[k], z[m+k], z[2*m+k], z[3*m+k]
		d := dh[k] + g[k]
		e := d * (1 - u) * (1 - n*n)
		dz[k], dz[3*m+k] = e, e*r
		dz[m+k] = e * q * r * (1 - r)
		dz[2*m+k] = d * (h - n) * u * (1 - u)
		dh[k] = d * u
	}
}
