package rnn

import (
	"math"
	"math/rand/v2"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// problem is a recurrence with its operands in float64, by name.
type problem struct {
	cfg  Config
	size sizes
	in   []testutil.Input
	in64 inputs[float64]
}

// options say which optional operands a problem has.
type options struct {
	biasIH, biasHH, start bool
	lengths               []int
}

// newProblem draws operands.
func newProblem(rng *rand.Rand, cfg Config, s sizes, o options) *problem {
	p := &problem{cfg: cfg, size: s}
	n := cfg.Cell.Gates() * s.H
	add := func(to *[]float64, has bool, name string, shape ...int) {
		if has {
			in := testutil.Uniform(rng, name, -1, 1, shape...)
			p.in = append(p.in, in)
			*to = in.F
		}
	}
	add(&p.in64.X, true, "x", s.B, s.I, s.L)
	add(&p.in64.Params.WeightIH, true, "weight_ih", n, s.I)
	add(&p.in64.Params.WeightHH, true, "weight_hh", n, s.H)
	add(&p.in64.Params.BiasIH, o.biasIH, "bias_ih", n)
	add(&p.in64.Params.BiasHH, o.biasHH, "bias_hh", n)
	add(&p.in64.Start.H, o.start, "h0", s.B, s.H)
	add(&p.in64.Start.C, o.start && cfg.Cell.HasC(), "c0", s.B, s.H)
	if o.lengths != nil {
		p.in = append(p.in, testutil.Ints("lengths", o.lengths, s.B))
		p.in64.Lengths = o.lengths
	}
	return p
}

// cast returns the operands in another type.
func cast[T num.Float](in *inputs[float64]) inputs[T] {
	f := func(v []float64) []T {
		if v == nil {
			return nil
		}
		w := make([]T, len(v))
		for i, x := range v {
			w[i] = T(x)
		}
		return w
	}
	return inputs[T]{
		X:      f(in.X),
		Params: Params[[]T]{f(in.Params.WeightIH), f(in.Params.WeightHH), f(in.Params.BiasIH), f(in.Params.BiasHH)},
		Start:  State[[]T]{f(in.Start.H), f(in.Start.C)}, Lengths: in.Lengths,
	}
}

// logistic is 1 / (1 + e^-v) without overflow.
func logistic(v float64) float64 { return (1 + math.Tanh(v/2)) / 2 }

// oracle runs the recurrence row by row and sum by sum, as the formulas have it.
func oracle(p *problem) (y []float64, end State[[]float64]) {
	s := p.size
	y, end.H = make([]float64, s.B*s.H*s.L), make([]float64, s.B*s.H)
	if p.cfg.Cell.HasC() {
		end.C = make([]float64, s.B*s.H)
	}
	for b := range s.B {
		h, c := make([]float64, s.H), make([]float64, s.H)
		if p.in64.Start.H != nil {
			copy(h, p.in64.Start.H[b*s.H:])
		}
		if p.in64.Start.C != nil {
			copy(c, p.in64.Start.C[b*s.H:])
		}
		n := s.L
		if p.in64.Lengths != nil {
			n = p.in64.Lengths[b]
		}
		for k := range n {
			t := k
			if p.cfg.Direction == Backward {
				t = n - 1 - k
			}
			x := make([]float64, s.I)
			for i := range x {
				x[i] = p.in64.X[(b*s.I+i)*s.L+t]
			}
			h, c = oracleStep(p, x, h, c)
			for i, v := range h {
				y[(b*s.H+i)*s.L+t] = v
			}
		}
		copy(end.H[b*s.H:], h)
		if end.C != nil {
			copy(end.C[b*s.H:], c)
		}
	}
	return y, end
}

// affine is row r of w v + bias.
func affine(w, bias, v []float64, r int) float64 {
	var sum float64
	if bias != nil {
		sum = bias[r]
	}
	for i, x := range v {
		sum += w[r*len(v)+i] * x
	}
	return sum
}

func oracleStep(p *problem, x, h, c []float64) (h1, c1 []float64) {
	prm, n := &p.in64.Params, len(h)
	h1, c1 = make([]float64, n), make([]float64, n)
	for k := range n {
		in := func(gate int) float64 { return affine(prm.WeightIH, prm.BiasIH, x, gate*n+k) }
		hid := func(gate int) float64 { return affine(prm.WeightHH, prm.BiasHH, h, gate*n+k) }
		both := func(gate int) float64 { return in(gate) + hid(gate) }
		switch p.cfg.Cell {
		case LSTM:
			c1[k] = logistic(both(1))*c[k] + logistic(both(0))*math.Tanh(both(2))
			h1[k] = logistic(both(3)) * math.Tanh(c1[k])
		case GRU:
			r, z := logistic(both(0)), logistic(both(1))
			h1[k] = (1-z)*math.Tanh(in(2)+r*hid(2)) + z*h[k]
		case Tanh:
			h1[k] = math.Tanh(both(0))
		case ReLU:
			h1[k] = max(both(0), 0)
		}
	}
	return h1, c1
}
