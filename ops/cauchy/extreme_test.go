package cauchy_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/exact"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// exactModel returns feature h of a bank with Transform None.
func exactModel(s cauchy.Size, p params64, h, ch int) *exact.Model {
	n, row := s.N, h%s.S
	at := func(v []float64, i int) complex128 { return complex(v[2*i], v[2*i+1]) }
	var lambda, b, c []complex128
	var dt []float64
	low := make([][]complex128, s.R)
	for i := range n {
		j := row*n + i
		lambda = append(lambda, complex(-p.AReal[j], -p.AImag[j]))
		b, c = append(b, at(p.B, j)), append(c, at(p.C, (ch*s.H+h)*n+i))
		for r := range low {
			low[r] = append(low[r], at(p.P, r*s.S*n+j))
		}
		if s.DtPerState {
			dt = append(dt, p.Dt[h*n+i])
		} else {
			dt = append(dt, p.Dt[h])
		}
	}
	return exact.DPLR(lambda, low, b, c, dt)
}

// Kernel, C~ and back, twice the length, and the recurrence at steps of every
// length, against numbers of 400 bits.
func TestEveryStepSize(t *testing.T) {
	const tol = 1e-10
	cfg := cauchy.Config{Dynamics: ssm.Dynamics{DtTransform: ssm.None, ATransform: ssm.None}}
	for _, size := range []cauchy.Size{
		{CH: 2, H: 1, S: 1, N: 3, R: 1},
		{CH: 1, H: 1, S: 1, N: 4, R: 2},
		{CH: 1, H: 1, S: 1, N: 3, R: 1, DtPerState: true},
	} {
		for _, zeroP := range []bool{false, true} {
			for exp := -12; exp <= 13; exp++ {
				for _, l := range []int{1, 15, 16, 24} {
					rng := rand.New(rand.NewPCG(uint64(exp+100), uint64(l)))
					p := randomParams(rng, cfg, size)
					for i := range p.Dt {
						p.Dt[i] = (1 + rng.Float64()) * math.Pow(10, float64(exp))
						if i > 0 { // of the states, at both ends
							p.Dt[i] = math.Pow(p.Dt[i], -1)
						}
					}
					if zeroP {
						clear(p.P)
					}
					name := fmt.Sprintf("%+v, P = 0 %v, dt = 1e%d, l = %d", size, zeroP, exp, l)
					checkExtreme(t, name, cfg, size, p, l, tol)
				}
			}
		}
	}
}

func checkExtreme(t *testing.T, name string, cfg cauchy.Config, size cauchy.Size, p params64, l int, tol float64) {
	t.Helper()
	check := func(what string, got, want []float64) {
		t.Helper()
		if e := testutil.RelErr(got, want); !(e <= tol) {
			t.Errorf("%s: %s: relative error %.3g > %.3g", name, what, e, tol)
		}
	}
	step, err := exactModel(size, p, 0, 0).GBT(0.5)
	if err != nil {
		t.Fatal(err)
	}
	ab, bb := step.Floats()
	gotA, gotB, err := cauchy.Discretize(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	check("Ab", gotA, ab)
	check("Bb", gotB, bb)
	q := clone(p)
	if err := cauchy.TuneC(q.C, cfg, size, p, l); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	back := clone(q)
	if err := cauchy.UntuneC(back.C, cfg, size, q, l); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	twice := clone(q)
	if err := cauchy.RetuneC(twice.C, cfg, size, q, l); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for ch := range size.CH {
		want := step.Kernel(exactModel(size, p, 0, ch).C, 2*l)
		// Not C itself: where one state is 1e24 times as fast as another, C~ has
		// no more of C than what the kernel needs.
		check("kernel of UntuneC", step.Kernel(exactModel(size, back, 0, ch).C, 2*l), want)
		cfg.L = l
		check("kernel", forward(t, cfg, size, q)[ch*l:][:l], want[:l])
		cfg.L = 2 * l
		check("kernel of twice the length", forward(t, cfg, size, twice)[ch*2*l:][:2*l], want)
	}
	cfg.L = l
	for _, g := range named(backward(t, cfg, size, q, make64(size.CH*l))) {
		for i, v := range g.v {
			if !num.Finite(v) {
				t.Errorf("%s: gradient of %s[%d]: %g", name, g.name, i, v)
			}
		}
	}
}

// make64 returns n ones.
func make64(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
