package vec

import (
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
)

// AdamWStep holds the factors of one step of AdamW, in the element type of the
// parameter. NewAdamWStep computes them.
type AdamWStep[T num.Float] struct {
	Decay        T // 1 - lr weightDecay: what is left of the parameter
	Beta1, Gain1 T // β1 and 1 - β1
	Beta2, Gain2 T // β2 and 1 - β2
	Rate         T // lr / (1 - β1^t)
	Root         T // 1 / sqrt(1 - β2^t)
	Eps          T // ε
}

// NewAdamWStep returns the factors of step t = 1, 2, ... in the notation of
// Loshchilov and Hutter (2019), algorithm 2, with the decay scaled by the
// learning rate, as PyTorch has it. They are computed in float64 and rounded
// once: 1 - β2 loses four digits in float32.
func NewAdamWStep[T num.Float](lr, beta1, beta2, eps, weightDecay float64, t int) AdamWStep[T] {
	return AdamWStep[T]{
		Decay: T(1 - lr*weightDecay),
		Beta1: T(beta1), Gain1: T(1 - beta1),
		Beta2: T(beta2), Gain2: T(1 - beta2),
		Rate: T(lr / (1 - math.Pow(beta1, float64(t)))),
		Root: T(1 / math.Sqrt(1-math.Pow(beta2, float64(t)))),
		Eps:  T(eps),
	}
}

// AdamW updates the parameter p and the moments m and v of its gradient g:
//
//	m = β1 m + (1-β1) g
//	v = β2 v + (1-β2) g²
//	p = (1 - lr weightDecay) p - lr/(1-β1^t) m / (sqrt(v)/sqrt(1-β2^t) + ε)
//
// No two of the four slices may overlap.
func AdamW[T num.Float](p, g, m, v []T, s AdamWStep[T]) {
	want("AdamW", "g", len(p), len(g))
	want("AdamW", "m", len(p), len(m))
	want("AdamW", "v", len(p), len(v))
	active[T]().adamW(p, g, m, v, s.Decay, s.Beta1, s.Gain1, s.Beta2, s.Gain2, s.Rate, s.Root, s.Eps)
}
