package ssm

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Transform names the function p that turns an unconstrained trainable number
// (the raw parameter) into a step size or a decay rate:
//
//	dt   = p(raw)
//	Re A = -p(raw)
//
// so that with every transform but None an optimiser can never leave the left
// half plane, whatever its learning rate: their values are also kept between
// [Least] and [Most]. The names and functions are those of state-spaces/s4. The
// zero value is Exp, the default of the papers.
type Transform string

// The transforms, with their ranges where those are smaller than (0, inf).
const (
	Exp      Transform = "exp"      // e^raw
	Softplus Transform = "softplus" // log(1 + e^raw)
	ReLU     Transform = "relu"     // max(raw, 0) + ReLUFloor, >= ReLUFloor
	Sigmoid  Transform = "sigmoid"  // 1/(1 + e^-raw), in (0, 1)
	None     Transform = "none"     // raw: unconstrained
)

// ReLUFloor is the smallest value of the ReLU transform. A decay rate of
// exactly zero would make the pole marginally stable.
const ReLUFloor = 1e-4

// Least and Most bound the values of every transform but None at finite raw
// parameters, so far out that nothing useful is cut off: a parameter that runs
// away gives neither 0, which would make the pole marginally stable, nor
// infinity, from which NaNs come.
const (
	Least = 1e-26
	Most  = 1e26
)

// Transforms lists every transform.
func Transforms() []Transform { return []Transform{Exp, Softplus, ReLU, Sigmoid, None} }

// Validate returns an error, which lists the allowed names, unless t is one of
// allowed, or one of Transforms where allowed is empty. The zero value stands
// for Exp.
func (t Transform) Validate(allowed ...Transform) error {
	if t == "" {
		t = Exp
	}
	return validate("transform", t, allowed, Transforms())
}

// Eval returns p(raw) and its derivative p'(raw): NaN for both where t is not a
// transform. The derivative is 0 where the value is bounded by Least or Most, and
// that of ReLU at 0.
func (t Transform) Eval(raw float64) (value, deriv float64) {
	value, deriv = t.eval(raw)
	switch {
	case t == None, math.IsInf(raw, 0): // what is not finite stays visible
	case value < Least:
		return Least, 0
	case value > Most:
		return Most, 0
	}
	return value, deriv
}

// eval is Eval without bounds.
func (t Transform) eval(raw float64) (value, deriv float64) {
	switch t {
	case Exp, "":
		v := math.Exp(raw)
		return v, v
	case Softplus:
		// log(1 + e^raw) = max(raw, 0) + log(1 + e^-|raw|)
		return max(raw, 0) + math.Log1p(math.Exp(-math.Abs(raw))), logistic(raw)
	case ReLU:
		if raw > 0 {
			return raw + ReLUFloor, 1
		}
		if math.IsNaN(raw) {
			return raw, raw
		}
		return ReLUFloor, 0
	case Sigmoid:
		v := logistic(raw)
		return v, v * logistic(-raw)
	case None:
		return raw, 1
	}
	return math.NaN(), math.NaN()
}

// logistic is 1/(1 + e^-x), without overflow and with full relative accuracy
// on both sides.
func logistic(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// Inverse returns a raw parameter with p(raw) = value, for initialisation. The
// error says which values t can take when value is not one of them.
//
// It is the exact inverse. The reference instead stores value itself for ReLU,
// which starts training ReLUFloor too high, and first raises every value to
// 1e-4; whoever wants that floor applies it to value.
func (t Transform) Inverse(value float64) (raw float64, err error) {
	if err := t.Validate(); err != nil {
		return 0, err
	}
	in, want := true, "that is finite"
	switch t {
	case Exp, "":
		in, want = value >= Least && value <= Most, "in [1e-26, 1e+26]"
		raw = math.Log(value)
	case Softplus:
		in, want = value >= Least && value <= Most, "in [1e-26, 1e+26]"
		raw = value + math.Log(-math.Expm1(-value)) // log(e^v - 1)
	case ReLU:
		in, want = value >= ReLUFloor && value <= Most, "in [0.0001, 1e+26]"
		raw = value - ReLUFloor
	case Sigmoid:
		in, want = value >= Least && value < 1, "in [1e-26, 1)"
		raw = math.Log(value) - math.Log1p(-value)
	case None:
		raw = value
	}
	if !in || !num.Finite(raw) {
		return 0, fmt.Errorf("ssm: transform %q: want a value %s, got %g", string(t), want, value)
	}
	return raw, nil
}
