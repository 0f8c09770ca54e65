package vandermonde

import (
	"fmt"
	"math"
	"math/big"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil/fence"
)

// passCase has the operands of the passes for n poles.
type passCase[T num.Float] struct {
	n, rows int
	z, c    []float64
	u       []T // (rows, 4n)
}

func newPassCase[T num.Float](rng *rand.Rand, n, rows int) *passCase[T] {
	p := &passCase[T]{n, rows, make([]float64, 2*n), make([]float64, 2*n), make([]T, rows*4*n)}
	for i := range n {
		z := cmplx.Rect(math.Exp(-rng.ExpFloat64()/4), 2*math.Pi*rng.Float64())
		p.z[i], p.z[n+i] = real(z), imag(z)
		p.c[i], p.c[n+i] = rng.NormFloat64(), rng.NormFloat64()
	}
	for i := range p.u {
		p.u[i] = T(rng.NormFloat64())
	}
	return p
}

// apply returns what the passes compute at a level: z^i c, (z^i, i z^(i-1)) and
// the results of horner, and behind each z^rows.
func (p *passCase[T]) apply(t *testing.T, l cpu.Level, offset int) (pow, tan, sums []float64) {
	t.Helper()
	defer cpu.SetActive(cpu.SetActive(l))
	z, c, u := fence.Of(p.z, offset), fence.Of(p.c, offset+1), fence.Of(p.u, offset+2)
	x, s := fence.Of(make([]float64, 2*p.n), offset+3), fence.Of(make([]float64, 6*p.n), offset+4)
	k := groups(p.rows)
	a, b := fence.Of(make([]T, k*group*2*p.n), offset+5), fence.Of(make([]T, (k*group+1)*4*p.n), offset+6)
	b.V[k*group*4*p.n] = 12345

	powers(a.V, x.V, z.V, c.V, k)
	pow = append(widen(a.V), x.V...)
	tangents(b.V, x.V, z.V, k)
	if b.V[k*group*4*p.n] != 12345 {
		t.Fatal("tangents: the last row has a power")
	}
	tan = append(widen(b.V), x.V...)
	horner(s.V, z.V, u.V)
	sums = append(sums, s.V...)
	z.Unchanged(t, "z")
	c.Unchanged(t, "c")
	u.Unchanged(t, "u")
	x.Check(t, "x")
	s.Check(t, "sums")
	a.Check(t, "powers")
	b.Check(t, "tangents")
	return pow, tan, sums
}

func widen[T num.Float](v []T) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = float64(x)
	}
	return w
}

// epsilon is the rounding error of T.
func epsilon[T num.Float]() float64 {
	if _, ok := any(T(0)).(float32); ok {
		return 0x1p-24
	}
	return 0x1p-53
}

// The portable passes against sums of more precision: powers as documented.
func TestPassesAreThePowers(t *testing.T) {
	t.Run("float32", testPassesAreThePowers[float32])
	t.Run("float64", testPassesAreThePowers[float64])
}

func testPassesAreThePowers[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, rows := range []int{1, 4, 5, 32, 130} {
		p := newPassCase[T](rng, 3, rows)
		pow, tan, sums := p.apply(t, cpu.Generic, 0)
		for col := range p.n {
			z, c := wide(p.z[col], p.z[p.n+col]), wide(p.c[col], p.c[p.n+col])
			near := func(name string, i int, got, want complex128) {
				t.Helper()
				bound := (3*epsilon[T]() + float64(i)*0x1p-52) * cmplx.Abs(want)
				if e := cmplx.Abs(got - want); !(e <= bound+1000*tiny[T]()) {
					t.Errorf("%s: %d rows: row %d: %v, want %v", name, rows, i, got, want)
				}
			}
			at := func(v []float64, i int) complex128 { return complex(v[i+col], v[i+p.n+col]) }
			zi := wide(1, 0) // z^i
			for i := range group * groups(rows) {
				near("powers", i, at(pow, 2*p.n*i), zi.mul(c).value())
				near("tangents", i, at(tan, 4*p.n*i), zi.value())
				near("derivative", i, at(tan, 4*p.n*(i+1)+2*p.n), zi.mul(wide(float64(i+1), 0)).value())
				zi = zi.mul(z)
			}
			near("first derivative", 0, at(tan, 2*p.n), 0)
			near("last power", group*groups(rows), at(pow[len(pow)-2*p.n:], 0), zi.value())

			var s [3]complex128
			zi, before := wide(1, 0), wide(0, 0)
			for j := range rows {
				u := at(widen(p.u), 4*p.n*j)
				s[0] += u * zi.value()
				s[1] += at(widen(p.u), 4*p.n*j+2*p.n) * zi.value()
				s[2] += u * before.mul(wide(float64(j), 0)).value()
				before, zi = zi, zi.mul(z)
			}
			for i, want := range s {
				if got := at(sums, 2*p.n*i); cmplx.Abs(got-want) > 1e-13*(1+cmplx.Abs(want)) {
					t.Errorf("horner: %d rows: sum %d is %v, want %v", rows, i, got, want)
				}
			}
		}
	}
}

// wideComplex is a complex number of 200 bits.
type wideComplex struct{ re, im *big.Float }

func bits() *big.Float { return new(big.Float).SetPrec(200) }

func wide(re, im float64) wideComplex {
	return wideComplex{bits().SetFloat64(re), bits().SetFloat64(im)}
}

func (a wideComplex) mul(b wideComplex) wideComplex {
	rr, ii := bits().Mul(a.re, b.re), bits().Mul(a.im, b.im)
	ri, ir := bits().Mul(a.re, b.im), bits().Mul(a.im, b.re)
	return wideComplex{bits().Sub(rr, ii), bits().Add(ri, ir)}
}

func (a wideComplex) value() complex128 {
	re, _ := a.re.Float64()
	im, _ := a.im.Float64()
	return complex(re, im)
}

// The passes of every instruction set against those in Go, for every number of
// poles: whole vectors, and not.
func TestPasses(t *testing.T) {
	t.Run("float32", testPasses[float32])
	t.Run("float64", testPasses[float64])
}

func testPasses[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	for n := 1; n <= 40; n++ {
		for _, rows := range []int{1, 3, 4, 9, 33} {
			comparePasses(t, fmt.Sprintf("%d poles, %d rows", n, rows), newPassCase[T](rng, n, rows), rng.IntN(8))
		}
	}
}

func comparePasses[T num.Float](t *testing.T, name string, p *passCase[T], offset int) {
	t.Helper()
	wantPow, wantTan, wantSums := p.apply(t, cpu.Generic, 0)
	var lastPow, lastTan, lastSums []float64
	// The powers of two levels differ by rounding: to T once, in float64 at every
	// step, where |c| is up to 4.
	tol := 2*epsilon[T]() + float64(p.rows+group)*0x1p-50
	for l := cpu.Generic + 1; l <= cpu.Detected(); l++ {
		pow, tan, sums := p.apply(t, l, offset)
		for _, x := range []struct {
			name            string
			got, want, last []float64
			tol             float64
		}{
			{"powers", pow, wantPow, lastPow, tol},
			{"tangents", tan, wantTan, lastTan, tol * float64(p.rows+group)},
			{"horner", sums, wantSums, lastSums, 1e-13 * float64(p.rows)},
		} {
			for i, want := range x.want {
				if got := x.got[i]; num.Finite(got) != num.Finite(want) || num.Finite(got) && !(math.Abs(got-want) <= x.tol*(1+math.Abs(want))) {
					t.Fatalf("%v: %s: %s: element %d is %v, want %v", l, name, x.name, i, got, want)
				}
				if x.last != nil && p.n >= 8 && x.got[i] != x.last[i] && num.Finite(want) {
					t.Fatalf("%s: %s: element %d: %v has %v, %v has %v", name, x.name, i, l-1, x.last[i], l, x.got[i])
				}
			}
		}
		lastPow, lastTan, lastSums = pow, tan, sums
	}
}

// What is not finite stays visible, and stays in its own column.
func TestPassesNotFinite(t *testing.T) {
	t.Run("float32", testPassesNotFinite[float32])
	t.Run("float64", testPassesNotFinite[float64])
}

func testPassesNotFinite[T num.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for i := range 200 {
		p := newPassCase[T](rng, 1+rng.IntN(20), 9)
		v := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[rng.IntN(3)]
		col := rng.IntN(p.n)
		switch i % 3 {
		case 0:
			p.z[col] = v
		case 1:
			p.c[p.n+col] = v
		case 2:
			p.u[4*p.n*rng.IntN(9)+col] = T(v)
		}
		comparePasses(t, fmt.Sprintf("%v in operand %d", v, i%3), p, 0)
	}
	p := newPassCase[T](rng, 8, 9)
	p.z[3] = math.NaN()
	pow, _, _ := p.apply(t, cpu.Detected(), 0)
	if v := pow[2*p.n*8+3]; v == v {
		t.Errorf("the power 8 of NaN is %v", v)
	}
	if v := pow[2*p.n*8+4]; !num.Finite(v) {
		t.Errorf("beside NaN is %v", v)
	}
}

// Powers are not subnormal: they are 0 first.
func TestSmallPowersAreZero(t *testing.T) {
	t.Run("float32", testSmallPowersAreZero[float32])
	t.Run("float64", testSmallPowersAreZero[float64])
}

func testSmallPowersAreZero[T num.Float](t *testing.T) {
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		p := newPassCase[T](rand.New(rand.NewPCG(4, 1)), 9, 80)
		for i := range p.n {
			z := cmplx.Rect(math.Pow(tiny[T](), 1.0/32), float64(i))
			p.z[i], p.z[p.n+i], p.c[i], p.c[p.n+i] = real(z), imag(z), 1, 0
		}
		pow, _, _ := p.apply(t, l, 0)
		for i := range 80 {
			for col := range p.n {
				size := math.Hypot(pow[2*p.n*i+col], pow[2*p.n*i+p.n+col])
				if i < 31 && size < tiny[T]() {
					t.Errorf("%v: power %d is %v", l, i, size)
				}
				if i > 33 && size != 0 {
					t.Errorf("%v: power %d is %v, want 0", l, i, size)
				}
			}
		}
	}
}

func TestPassesPanic(t *testing.T) {
	z, c, x, s := make([]float64, 6), make([]float64, 6), make([]float64, 6), make([]float64, 18)
	for name, f := range map[string]func(){
		"powers: a row missing":      func() { powers(make([]float32, 7*6), x, z, c, 2) },
		"powers: x":                  func() { powers(make([]float32, 8*6), x[:5], z, c, 2) },
		"powers: c":                  func() { powers(make([]float32, 8*6), x, z, c[:4], 2) },
		"tangents: no last row":      func() { tangents(make([]float32, 8*12), x, z, 2) },
		"tangents: x":                func() { tangents(make([]float32, 9*12), x[:4], z, 2) },
		"horner: s":                  func() { horner(s[:12], x, make([]float64, 24)) },
		"horner: not a whole row":    func() { horner(s, x, make([]float64, 23)) },
		"horner: rows of other size": func() { horner(s, x[:4], make([]float64, 8)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// BenchmarkPasses times the passes of a block of 32 powers of 32 poles.
func BenchmarkPasses(b *testing.B) {
	p := newPassCase[float32](rand.New(rand.NewPCG(1, 1)), 32, 32)
	x, s := make([]float64, 2*p.n), make([]float64, 6*p.n)
	pow, tan := make([]float32, p.rows*2*p.n), make([]float32, (p.rows+1)*4*p.n)
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		for _, pass := range []struct {
			name string
			call func()
		}{
			{"powers", func() { powers(pow, x, p.z, p.c, groups(p.rows)) }},
			{"tangents", func() { tangents(tan, x, p.z, groups(p.rows)) }},
			{"horner", func() { horner(s, p.z, p.u) }},
		} {
			b.Run(fmt.Sprintf("%v/%s", l, pass.name), func(b *testing.B) {
				defer cpu.SetActive(cpu.SetActive(l))
				for b.Loop() {
					pass.call()
				}
			})
		}
	}
}
