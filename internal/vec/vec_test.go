package vec

import (
	"math"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

func TestLengths(t *testing.T) {
	x, y := make([]float32, 3), make([]float32, 4)
	for name, f := range map[string]func(){
		"Exp":           func() { Exp(x, y) },
		"Sigmoid":       func() { Sigmoid(x, y) },
		"Tanh":          func() { Tanh(x, y) },
		"Erf":           func() { Erf(x, y) },
		"GELU":          func() { GELU(x, y) },
		"GELUGrad":      func() { GELUGrad(x, x, y) },
		"GELUTanh":      func() { GELUTanh(x, y) },
		"GELUTanhGrad":  func() { GELUTanhGrad(x, x, y) },
		"GELUTanhBoth":  func() { GELUTanhBoth(x, y, x) },
		"SiLUBoth":      func() { SiLUBoth(x, x, y) },
		"SiLU":          func() { SiLU(x, y) },
		"Softplus":      func() { Softplus(x, y) },
		"SiLUGrad":      func() { SiLUGrad(x, y, x) },
		"GLU":           func() { GLU(x, x, y) },
		"GLUGrad":       func() { GLUGrad(x, x, x, x, y) },
		"Add":           func() { Add(x, x, y) },
		"Mul":           func() { Mul(x, y, x) },
		"Sub":           func() { Sub(x, y, x) },
		"Max":           func() { Max(x, x, y) },
		"AddMul":        func() { AddMul(x, y, x) },
		"Axpy":          func() { Axpy(x, 1, y) },
		"Scale":         func() { Scale(x, 1, y) },
		"Dot":           func() { Dot(x, y) },
		"GELUBoth":      func() { GELUBoth(x, y, x) },
		"AddDiff":       func() { AddDiff(x, x, y) },
		"AddSquareDiff": func() { AddSquareDiff(x, y, x) },
		"Normalise":     func() { Normalise(x, x, x, y, 1, 1) },
		"NormProducts":  func() { NormProducts(x, x, x, x, x, x, y, x, 1) },
		"NormGrad":      func() { NormGrad(x, x, x, x, x, y, 1) },
		"Affine":        func() { Affine(x, y, 1, 1, 1) },
		"AffineGrad":    func() { AffineGrad(x, x, y, 1, 1, 1, 1) },
		"DotDiff":       func() { DotDiff(x, y, 1) },
		"LSTM":          func() { LSTM(y, x[:1], x[:1], x) },
		"LSTM, z":       func() { LSTM(y, x, x, x) },
		"LSTMGrad":      func() { LSTMGrad(y, y, x[:1], x[:1], x[:1], x[:1], x) },
		"LSTMGrad, z":   func() { LSTMGrad(y, x, x[:1], x[:1], x[:1], x[:1], x[:1]) },
		"GRU":           func() { GRU(y, x[:1], x) },
		"GRU, z":        func() { GRU(x, x[:1], x[:1]) },
		"GRUGrad":       func() { GRUGrad(y, y, x[:1], x, x[:1]) },
		"GRUGrad, z":    func() { GRUGrad(x, y, x[:1], x[:1], x[:1]) },
		"Rotate":        func() { Rotate(x, x, x, y, x, x) },
		"RotateBy":      func() { RotateBy(x, y, 1, 0) },
		"Retain":        func() { Retain(x, x, x, y, Turn[float32]{}) },
		"AdamW":         func() { AdamW(x, x, x, y, AdamWStep[float32]{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s accepted lengths 3 and 4", name)
				}
			}()
			f()
		}()
	}
}

func testSpecial[T num.Float](t *testing.T) {
	inf, nan := T(math.Inf(1)), T(math.NaN())
	one := []T{1, 1, 1, 1}
	x := []T{-inf, 0, inf, nan}
	for name, c := range map[string]struct {
		f    func(dst []T)
		want []T
	}{
		"Exp":              {func(d []T) { Exp(d, x) }, []T{0, 1, inf, nan}},
		"Sigmoid":          {func(d []T) { Sigmoid(d, x) }, []T{0, 0.5, 1, nan}},
		"Tanh":             {func(d []T) { Tanh(d, x) }, []T{-1, 0, 1, nan}},
		"Erf":              {func(d []T) { Erf(d, x) }, []T{-1, 0, 1, nan}},
		"GELU":             {func(d []T) { GELU(d, x) }, []T{0, 0, inf, nan}},
		"GELUGrad":         {func(d []T) { GELUGrad(d, x, one) }, []T{0, 0.5, 1, nan}},
		"GELUTanh":         {func(d []T) { GELUTanh(d, x) }, []T{0, 0, inf, nan}},
		"GELUTanhGrad":     {func(d []T) { GELUTanhGrad(d, x, one) }, []T{0, 0.5, 1, nan}},
		"GELUTanhBoth":     {func(d []T) { GELUTanhBoth(d, make([]T, 4), x) }, []T{0, 0, inf, nan}},
		"GELUTanhBoth, dy": {func(d []T) { GELUTanhBoth(make([]T, 4), d, x) }, []T{0, 0.5, 1, nan}},
		"SiLUBoth":         {func(d []T) { SiLUBoth(d, make([]T, 4), x) }, []T{0, 0, inf, nan}},
		"SiLUBoth, dy":     {func(d []T) { SiLUBoth(make([]T, 4), d, x) }, []T{0, 0.5, 1, nan}},
		"SiLU":             {func(d []T) { SiLU(d, x) }, []T{0, 0, inf, nan}},
		"Softplus":         {func(d []T) { Softplus(d, x); d[1] = 0 }, []T{0, 0, inf, nan}}, // log 2 is for TestAccuracy
		"SiLUGrad":         {func(d []T) { SiLUGrad(d, x, one) }, []T{0, 0.5, 1, nan}},
		"GLU":              {func(d []T) { GLU(d, one, x) }, []T{0, 0.5, 1, nan}},
	} {
		got := make([]T, len(x))
		c.f(got)
		for i, w := range c.want {
			if got[i] != w && !(got[i] != got[i] && w != w) {
				t.Errorf("%s at %v: want %v, got %v", name, x[i], w, got[i])
			}
		}
	}
}

func TestSpecial(t *testing.T) {
	t.Run("float32", testSpecial[float32])
	t.Run("float64", testSpecial[float64])
}

// TestGradients compares each gradient with a central difference of its
// function.
func TestGradients(t *testing.T) {
	const h, tol = 1e-5, 1e-9
	var x, one []float64
	for v := -9.0; v <= 9; v += 0.37 {
		x, one = append(x, v), append(one, 1)
	}
	n := len(x)
	shift := func(by float64) []float64 {
		s := make([]float64, n)
		for i, v := range x {
			s[i] = v + by
		}
		return s
	}
	check := func(name string, grad []float64, f func(dst, x []float64)) {
		lo, hi := make([]float64, n), make([]float64, n)
		f(lo, shift(-h))
		f(hi, shift(h))
		for i, g := range grad {
			if w := (hi[i] - lo[i]) / (2 * h); math.Abs(g-w) > tol {
				t.Errorf("%s at %v: want %v, got %v", name, x[i], w, g)
			}
		}
	}
	d := make([]float64, n)
	GELUGrad(d, x, one)
	check("GELUGrad", d, GELU[float64])
	GELUTanhGrad(d, x, one)
	check("GELUTanhGrad", d, GELUTanh[float64])
	SiLUGrad(d, x, one)
	check("SiLUGrad", d, SiLU[float64])
	da := make([]float64, n)
	a := shift(0.2)
	both := make([]float64, n)
	GELUBoth(both, d, x)
	check("GELUBoth", d, GELU[float64])
	GELUTanhBoth(both, d, x)
	check("GELUTanhBoth", d, GELUTanh[float64])
	SiLUBoth(both, d, x)
	check("SiLUBoth", d, SiLU[float64])
	GLUGrad(da, d, a, x, one)
	check("GLUGrad, db", d, func(dst, x []float64) { GLU(dst, a, x) })
	GLUGrad(d, da, x, a, one)
	check("GLUGrad, da", d, func(dst, x []float64) { GLU(dst, x, a) })
}

// Fetch takes rows that are not all there, and changes nothing.
func TestFetch(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		x := []float64{1, 2, 3, 4, 5, 6, 7}
		for _, c := range [][3]int{{3, 2, 3}, {3, 100, 1}, {1, 3, 8}, {0, 1, 1}, {3, 0, 0}, {7, -1, 7}, {1 << 60, 2, 1}} {
			Fetch(x, c[0], c[1], c[2])
		}
		Fetch[float32](nil, 1, 1, 1)
		for i, v := range x {
			if v != float64(i+1) {
				t.Errorf("element %d has become %g", i, v)
			}
		}
	})
}
