package ssm_test

import (
	"math"
	"math/big"
	"math/cmplx"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

func TestNames(t *testing.T) {
	for _, d := range []ssm.Disc{ssm.ZOH, ssm.Bilinear, ssm.Euler, ssm.BackwardEuler, ssm.GBT} {
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
	}
	for _, x := range ssm.Transforms() {
		if err := x.Validate(); err != nil {
			t.Error(err)
		}
	}
	if err := ssm.Transform("").Validate(); err != nil {
		t.Errorf("the zero Transform: %v", err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{ssm.Disc("tustin").Validate(), `ssm: want discretisation "zoh", "bilinear", "euler", "backward_diff" or "gbt", got "tustin"`},
		{ssm.Disc("").Validate(), `got ""`},
		{ssm.Euler.Validate(ssm.ZOH, ssm.Bilinear), `ssm: want discretisation "zoh" or "bilinear", got "euler"`},
		{ssm.Transform("Exp").Validate(), `ssm: want transform "exp", "softplus", "relu", "sigmoid" or "none", got "Exp"`},
		{ssm.ReLU.Validate(ssm.Exp), `ssm: want transform "exp", got "relu"`},
		{ssm.CheckBank(1, 5, 2, 1), "got H = 5, S = 2"},
		{ssm.CheckBank(1, 4, 0, 1), "got H = 4, S = 0"},
		{ssm.CheckBank(1, 0, 1, 1), "got H = 0, S = 1"},
		{ssm.CheckBank(0, 4, 2, 3), "want at least 1 channel CH, got 0"},
		{ssm.CheckBank(1, 4, 2, 0), "want at least 1 stored state N, got 0"},
		{ssm.CheckBank(1, 4, 3, 1), "got H = 4, S = 3"},
		{ssm.Dynamics{DtTransform: "tanh"}.Validate(), "field DtTransform: ssm: want transform"},
		{ssm.Dynamics{ATransform: "tanh"}.Validate(), "field ATransform: ssm: want transform"},
		{ssm.Dynamics{Rate: -1}.Validate(), "want Rate a finite number, not negative (0 means 1), got -1"},
		{ssm.Dynamics{Rate: math.NaN()}.Validate(), "got NaN"},
		{ssm.Dynamics{Rate: math.Inf(1)}.Validate(), "got +Inf"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
	if err := ssm.CheckBank(1, 6, 3, 1); err != nil {
		t.Error(err)
	}
	for h, want := range []int{0, 1, 2, 0, 1, 2} {
		if got := ssm.Row(h, 3); got != want {
			t.Errorf("Row(%d, 3) = %d, want %d", h, got, want)
		}
	}
}

func TestDynamics(t *testing.T) {
	var published ssm.Dynamics
	if dt, deriv := published.Dt(0.5); dt != math.Exp(0.5) || deriv != dt {
		t.Errorf("Dt(0.5) = %g, %g, want e^0.5 twice", dt, deriv)
	}
	if a := published.Lambda(0, 2); a != -1-2i {
		t.Errorf("Lambda(0, 2) = %g, want -1-2i", a)
	}
	d := ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.None, Rate: 2}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if dt, deriv := d.Dt(3); dt != 6 || deriv != 2 {
		t.Errorf("Dt(3) = %g, %g, want 6 and 2", dt, deriv)
	}
	if a := d.Lambda(-1, -2); a != 1+2i {
		t.Errorf("Lambda(-1, -2) = %g, want 1+2i", a)
	}
	if n, one := ssm.DtCols(5, true), ssm.DtCols(5, false); n != 5 || one != 1 {
		t.Errorf("DtCols: got %d and %d, want 5 and 1", n, one)
	}
}

func TestTransformValues(t *testing.T) {
	const tol = 1e-15
	for _, c := range []struct {
		t         ssm.Transform
		raw, want float64
	}{
		{"", 0, 1},
		{ssm.Exp, math.Log(0.5), 0.5},
		{ssm.Softplus, 0, math.Ln2},
		{ssm.Softplus, -40, math.Exp(-40)}, // no loss to 1 + e^-40
		{ssm.Softplus, 800, 800},           // no overflow
		{ssm.ReLU, -3, 1e-4},
		{ssm.ReLU, 0, 1e-4},
		{ssm.ReLU, 0.25, 0.2501},
		{ssm.Sigmoid, 0, 0.5},
		{ssm.Sigmoid, -40, math.Exp(-40) / (1 + math.Exp(-40))},
		{ssm.Sigmoid, -800, ssm.Least},
		{ssm.Sigmoid, 800, 1},
		{ssm.None, -0.25, -0.25},
		{ssm.Exp, -59, math.Exp(-59)},
		{ssm.Exp, -1e30, ssm.Least},
		{ssm.Exp, 59, math.Exp(59)},
		{ssm.Exp, 1e30, ssm.Most},
		{ssm.Softplus, -1e30, ssm.Least},
		{ssm.Softplus, 1e30, ssm.Most},
		{ssm.ReLU, 1e30, ssm.Most},
		{ssm.None, -1e30, -1e30},
		{ssm.None, 1e30, 1e30},
	} {
		if got, _ := c.t.Eval(c.raw); math.Abs(got-c.want) > tol*math.Abs(c.want) {
			t.Errorf("%q.Eval(%g) = %g, want %g", c.t, c.raw, got, c.want)
		}
	}
	for _, x := range append(ssm.Transforms(), "unknown") {
		if v, _ := x.Eval(math.NaN()); !math.IsNaN(v) {
			t.Errorf("%q.Eval(NaN) = %g, want NaN", x, v)
		}
	}
	if v, d := ssm.Transform("unknown").Eval(1); !math.IsNaN(v) || !math.IsNaN(d) {
		t.Errorf("an unknown transform gives %g, %g, want NaN", v, d)
	}
}

func TestTransformDerivative(t *testing.T) {
	const (
		step = 1e-4
		tol  = 1e-7
	)
	for _, x := range ssm.Transforms() {
		for _, raw := range []float64{-7, -1.5, -0.2, 0.3, 1, 4} {
			hi, _ := x.Eval(raw + step)
			lo, _ := x.Eval(raw - step)
			want := (hi - lo) / (2 * step)
			if _, got := x.Eval(raw); math.Abs(got-want) > tol*max(1, math.Abs(want)) {
				t.Errorf("%q: derivative at %g: got %g, want %g", x, raw, got, want)
			}
		}
	}
}

// A parameter that has run away has no gradient.
func TestTransformBounds(t *testing.T) {
	for _, x := range ssm.Transforms() {
		for _, raw := range []float64{-1e30, -1000, 1e30} {
			v, d := x.Eval(raw)
			switch {
			case x == ssm.None:
				if v != raw || d != 1 {
					t.Errorf("%q.Eval(%g) = %g, %g, want no bounds", x, raw, v, d)
				}
			case !(v >= ssm.Least && v <= ssm.Most) || d != 0:
				t.Errorf("%q.Eval(%g) = %g, %g, want a value within the bounds and no derivative", x, raw, v, d)
			}
		}
	}
}

func TestTransformInverse(t *testing.T) {
	const tol = 4e-15
	for _, x := range ssm.Transforms() {
		for _, v := range []float64{1e-4, 1e-3, 0.1, 0.5, 0.999, 1.5, 60} {
			if x == ssm.Sigmoid && v >= 1 {
				continue
			}
			raw, err := x.Inverse(v)
			if err != nil {
				t.Errorf("%q.Inverse(%g): %v", x, v, err)
				continue
			}
			if got, _ := x.Eval(raw); math.Abs(got-v) > tol*v {
				t.Errorf("%q.Eval(Inverse(%g)) = %.17g", x, v, got)
			}
		}
	}
	for _, c := range []struct {
		t    ssm.Transform
		v    float64
		want string
	}{
		{ssm.Exp, 0, `transform "exp": want a value in [1e-26, 1e+26], got 0`},
		{ssm.Softplus, -1, "want a value in [1e-26, 1e+26], got -1"},
		{ssm.ReLU, 1e-5, "want a value in [0.0001, 1e+26], got 1e-05"},
		{ssm.Sigmoid, 1, "want a value in [1e-26, 1), got 1"},
		{ssm.None, math.NaN(), "want a value that is finite, got NaN"},
		{ssm.Exp, math.Inf(1), "got +Inf"},
		{"tanh", 1, `got "tanh"`},
	} {
		if _, err := c.t.Inverse(c.v); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q.Inverse(%g): got error %v, want %q", c.t, c.v, err, c.want)
		}
	}
}

// bigComplex is a complex number of 300 bits.
type bigComplex struct{ re, im *big.Float }

func newBig(re, im float64) bigComplex {
	f := func(x float64) *big.Float { return new(big.Float).SetPrec(300).SetFloat64(x) }
	return bigComplex{f(re), f(im)}
}

func (a bigComplex) mul(b bigComplex) bigComplex {
	p := func(x, y *big.Float) *big.Float { return new(big.Float).SetPrec(300).Mul(x, y) }
	re := p(a.re, b.re)
	im := p(a.re, b.im)
	return bigComplex{re.Sub(re, p(a.im, b.im)), im.Add(im, p(a.im, b.re))}
}

func (a bigComplex) addTo(b bigComplex) {
	a.re.Add(a.re, b.re)
	a.im.Add(a.im, b.im)
}

func (a bigComplex) complex128() complex128 {
	re, _ := a.re.Float64()
	im, _ := a.im.Float64()
	return complex(re, im)
}

// bigPhi returns sum_k z^k/(k+1)! and its derivative from 400 terms in 300
// bits.
func bigPhi(z complex128) (phi, dphi complex128) {
	zb := newBig(real(z), imag(z))
	power, fact := newBig(1, 0), new(big.Float).SetPrec(300).SetInt64(1) // z^(k-1), 1/k!
	s, d := newBig(1, 0), newBig(0, 0)
	for k := 1; k < 400; k++ {
		fact.Quo(fact, new(big.Float).SetInt64(int64(k)))
		f := bigComplex{new(big.Float).SetPrec(300).Quo(fact, big.NewFloat(float64(k+1))), new(big.Float).SetPrec(300)} // 1/(k+1)!
		term := power.mul(f)
		d.addTo(term.mul(newBig(float64(k), 0)))
		power = power.mul(zb)
		s.addTo(power.mul(f))
	}
	return s.complex128(), d.complex128()
}

// poles are values of z from the origin outwards, on both sides of where the
// code changes formula.
var poles = []complex128{
	0, 1e-300, -1e-12 + 1e-13i, -1e-5i, -0.001 + 0.1i, -0.25 - 0.2499i, -0.25 - 0.2501i,
	-0.5, -0.499i, 0.3 + 0.4i, -1 + 2i, -3.2 - 10i, -0.05 - 31.4i, 20i,
}

func TestZOHPole(t *testing.T) {
	const tol = 2e-15
	for _, z := range poles {
		phi, dphi := bigPhi(z)
		p := ssm.ZOHPole(z)
		if p.Ab != cmplx.Exp(z) || p.DAb != p.Ab {
			t.Errorf("z = %g: Ab = %g, DAb = %g, want e^z", z, p.Ab, p.DAb)
		}
		// Absolute where e^z - 1 nearly vanishes: z itself is not known better.
		if e := cmplx.Abs(p.Phi - phi); e > tol*max(cmplx.Abs(phi), 1/max(1, cmplx.Abs(z))) {
			t.Errorf("z = %g: Phi = %g, want %g (off by %.3g)", z, p.Phi, phi, e)
		}
		if e := cmplx.Abs(p.DPhi - dphi); e > 2*tol*max(cmplx.Abs(dphi), 1/max(1, cmplx.Abs(z))) {
			t.Errorf("z = %g: DPhi = %g, want %g (off by %.3g)", z, p.DPhi, dphi, e)
		}
	}
}

func TestGBTPole(t *testing.T) {
	const (
		step = 1e-4
		tol  = 1e-7
	)
	for _, alpha := range []float64{0, 0.3, 0.5, 1} {
		for _, z := range poles {
			p := ssm.GBTPole(z, alpha)
			a := complex(alpha, 0)
			if want := (1 + (1-a)*z) / (1 - a*z); cmplx.Abs(p.Ab-want) > 1e-15*(1+cmplx.Abs(want)) {
				t.Errorf("alpha = %g, z = %g: Ab = %g, want %g", alpha, z, p.Ab, want)
			}
			// Phi solves the implicit step from x = 0: (1 - alpha z) x = dt b.
			if r := (1-a*z)*p.Phi - 1; cmplx.Abs(r) > 1e-15 {
				t.Errorf("alpha = %g, z = %g: Phi = %g leaves %g", alpha, z, p.Phi, r)
			}
			hi, lo := ssm.GBTPole(z+step, alpha), ssm.GBTPole(z-step, alpha)
			if want := (hi.Ab - lo.Ab) / (2 * step); cmplx.Abs(p.DAb-want) > tol {
				t.Errorf("alpha = %g, z = %g: DAb = %g, want %g", alpha, z, p.DAb, want)
			}
			if want := (hi.Phi - lo.Phi) / (2 * step); cmplx.Abs(p.DPhi-want) > tol {
				t.Errorf("alpha = %g, z = %g: DPhi = %g, want %g", alpha, z, p.DPhi, want)
			}
		}
	}
}

// A step of the discrete model must agree with the continuous one: zero-order
// hold exactly, the others to their order in dt.
func TestPolesFollowTheContinuousModel(t *testing.T) {
	const a, b, u = -0.7 + 2i, 1.5 - 0.5i, 0.8
	for _, c := range []struct {
		name  string
		pole  func(z complex128) ssm.Pole
		order float64
	}{
		{"zoh", ssm.ZOHPole, math.Inf(1)},
		{"euler", func(z complex128) ssm.Pole { return ssm.GBTPole(z, 0) }, 1},
		{"bilinear", func(z complex128) ssm.Pole { return ssm.GBTPole(z, 0.5) }, 2},
		{"backward euler", func(z complex128) ssm.Pole { return ssm.GBTPole(z, 1) }, 1},
	} {
		// x(1) for constant input u from x(0) = 0, in n steps.
		exact := b * u * (cmplx.Exp(a) - 1) / a
		atOne := func(n int) float64 {
			dt := 1 / float64(n)
			p := c.pole(complex(dt, 0) * a)
			var x complex128
			for range n {
				x = p.Ab*x + complex(dt, 0)*p.Phi*b*u
			}
			return cmplx.Abs(x - exact)
		}
		e1, e2 := atOne(100), atOne(200)
		if math.IsInf(c.order, 1) {
			if e1 > 1e-13 || e2 > 1e-13 {
				t.Errorf("%s: errors %.3g, %.3g, want exact", c.name, e1, e2)
			}
			continue
		}
		if got := math.Log2(e1 / e2); math.Abs(got-c.order) > 0.05 {
			t.Errorf("%s: order %.3f, want %g", c.name, got, c.order)
		}
	}
}
