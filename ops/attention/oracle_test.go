package attention_test

import (
	"math"

	"github.com/gorgonia-s4/s4/ops/attention"
)

// problem is attention on one row of a batch, to be computed from the formulas.
type problem struct {
	attention.Config
	e, l  int
	qkv   []float64   // (3E, L)
	k, v  [][]float64 // by slot: of a cache, those that count, (E) each
	start int         // position of the first step
}

// rotated returns a feature of queries or keys at a position.
func (p problem) rotated(x func(f int) float64, f, position int) float64 {
	hd := p.e / p.Heads
	base := p.Theta
	if base == 0 {
		base = 10000
	}
	i, first := f%hd, f/hd*hd
	var a, b, pair int
	switch p.Rotary {
	case attention.RotaryInterleaved:
		pair, a, b = i/2, i/2*2, i/2*2+1
	case attention.RotaryHalf:
		pair, a, b = i%(hd/2), i%(hd/2), i%(hd/2)+hd/2
	default:
		return x(f)
	}
	sin, cos := math.Sincos(float64(position) * math.Pow(base, -2*float64(pair)/float64(hd)))
	if i == a {
		return x(first+a)*cos - x(first+b)*sin
	}
	return x(first+b)*cos + x(first+a)*sin
}

// step returns queries, keys or values of a step, (E).
func (p problem) step(which, j int) []float64 {
	y := make([]float64, p.e)
	x := func(f int) float64 { return p.qkv[(which*p.e+f)*p.l+j] }
	for f := range y {
		y[f] = x(f)
		if which < 2 {
			y[f] = p.rotated(x, f, p.start+j)
		}
	}
	return y
}

// solve returns the output (E, n) of the first n steps, and the keys and values
// of all that came.
func (p problem) solve(n int) (y []float64, k, v [][]float64) {
	k, v = p.k, p.v
	for j := range n {
		k, v = append(k, p.step(1, j)), append(v, p.step(2, j))
	}
	y = make([]float64, p.e*p.l)
	for i := range n {
		hi := len(k)
		if p.Causal {
			hi = len(p.k) + i + 1
		}
		lo := 0
		if p.Window > 0 {
			lo = max(0, hi-p.Window)
		}
		q := p.step(0, i)
		for h := range p.Heads {
			p.attend(h, q, k[lo:hi], v[lo:hi], func(f int, o float64) { y[f*p.l+i] = o })
		}
	}
	return y, k, v
}

// attend gives set the output of head h for the query q.
func (p problem) attend(h int, q []float64, k, v [][]float64, set func(f int, y float64)) {
	hd := p.e / p.Heads
	w := make([]float64, len(k))
	most := math.Inf(-1)
	for j := range k {
		for f := h * hd; f < (h+1)*hd; f++ {
			if p.Form == attention.Linear {
				w[j] += phi(q[f]) * phi(k[j][f])
			} else {
				w[j] += q[f] * k[j][f] / math.Sqrt(float64(hd))
			}
		}
		most = max(most, w[j])
	}
	var sum float64
	if p.Form == attention.Linear {
		sum = 1e-6
	}
	for j := range w {
		if p.Form != attention.Linear {
			w[j] = math.Exp(w[j] - most)
		}
		sum += w[j]
	}
	for f := h * hd; f < (h+1)*hd; f++ {
		var o float64
		for j := range w {
			o += w[j] * v[j][f]
		}
		set(f, o/sum)
	}
}

func phi(x float64) float64 {
	if x > 0 {
		return x + 1
	}
	return math.Exp(x)
}
