package cauchy_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/cauchy"
)

// tilted returns C (I - Ab^l) by matrix powers.
func tilted(cfg cauchy.Config, s cauchy.Size, p params64, l int) []float64 {
	c := make([]float64, len(p.C))
	for h := range s.H {
		m := newModel(cfg, s, p, h)
		for ch, row := range product(m.c, m.minusPower(l)) {
			for n := range s.N {
				i := 2 * ((ch*s.H+h)*s.N + n)
				c[i], c[i+1] = real(row[n]), imag(row[n])
			}
		}
	}
	return c
}

func TestTuning(t *testing.T) {
	const tol = 1e-12
	for _, v := range variants {
		for _, l := range []int{1, 2, 13, 64} {
			p := randomParams(rand.New(rand.NewPCG(1, uint64(l))), v.cfg, v.size)
			check := func(name string, got, want []float64) {
				t.Helper()
				if e := testutil.RelErr(got, want); !(e <= tol) {
					t.Errorf("%s, l = %d: %s: relative error %.3g > %.3g", v.name, l, name, e, tol)
				}
			}
			q := clone(p) // its C is retuned in place
			if err := cauchy.SetupC(q.C, v.cfg, v.size, q, l); err != nil {
				t.Fatal(err)
			}
			check("SetupC", q.C, tilted(v.cfg, v.size, p, l))
			c := make([]float64, len(p.C))
			if err := cauchy.RecoverC(c, v.cfg, v.size, q, l); err != nil {
				t.Fatal(err)
			}
			check("RecoverC", c, p.C)
			if err := cauchy.Double(q.C, v.cfg, v.size, q, l); err != nil {
				t.Fatal(err)
			}
			check("Double", q.C, tilted(v.cfg, v.size, p, 2*l))
		}
	}
}

// What a layer does that meets a sequence longer than its kernel.
func TestDoubleKeepsTheKernel(t *testing.T) {
	const tol = 1e-12
	const l = 20
	size := cauchy.Size{CH: 2, H: 4, S: 2, N: 5, R: 2}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cauchy.Config{}, size)
	want := naive(cauchy.Config{L: 4 * l}, size, p, l)
	tuned := l
	for tuned < 4*l {
		if err := cauchy.Double(p.C, cauchy.Config{}, size, p, tuned); err != nil {
			t.Fatal(err)
		}
		tuned *= 2
		cfg := cauchy.Config{LKernel: tuned, L: tuned}
		got := forward(t, cfg, size, p)
		for row := range size.CH * size.H {
			if e := testutil.RelErr(got[row*tuned:][:tuned], want[row*4*l:][:tuned]); !(e <= tol) {
				t.Errorf("length %d, kernel %d: relative error %.3g > %.3g", tuned, row, e, tol)
			}
		}
	}
}

func TestRecoverCOfAModeThatDoesNotDecay(t *testing.T) {
	const tol = 1e-12
	cfg, size, p := zeroPair()
	want := slices.Clone(p.C) // has no part in that mode
	if err := cauchy.SetupC(p.C, cfg, size, p, cfg.L); err != nil {
		t.Fatal(err)
	}
	if err := cauchy.RecoverC(p.C, cfg, size, p, cfg.L); err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(p.C, want); !(e <= tol) {
		t.Errorf("C = %v, want %v", p.C, want)
	}
	// Without P nothing decays.
	clear(p.P)
	if err := cauchy.RecoverC(p.C, cfg, size, p, cfg.L); err != nil {
		t.Fatal(err)
	}
	if p.C[0] != 0 || p.C[1] != 0 {
		t.Errorf("C = %v, want 0", p.C)
	}
}

func TestTuningErrors(t *testing.T) {
	size := cauchy.Size{CH: 1, H: 2, S: 2, N: 3, R: 1}
	p := randomParams(rand.New(rand.NewPCG(1, 2)), cauchy.Config{}, size)
	c := make([]float64, len(p.C))
	short := p
	short.B = short.B[1:]
	infinite := clone(p)
	infinite.Dt[1] = math.Inf(1)
	for _, x := range []struct {
		err  error
		want string
	}{
		{cauchy.SetupC(c, cauchy.Config{}, size, p, 0), "cauchy: SetupC: want a length of at least 1, got 0"},
		{cauchy.Double(c[1:], cauchy.Config{}, size, p, 4), "cauchy: Double: dst: want 12 elements, got 11"},
		{cauchy.RecoverC(c, cauchy.Config{Rate: -1}, size, p, 4), "cauchy: RecoverC: want Rate a finite number"},
		{cauchy.RecoverC(c, cauchy.Config{}, cauchy.Size{CH: 1, H: 2, S: 2, N: 3}, p, 4), "cauchy: RecoverC: want rank R at least 1, got 0"},
		{cauchy.SetupC(c, cauchy.Config{}, size, infinite, 4), "cauchy: SetupC: feature 1: want a finite Ab^4, got a sum of elements of NaN"},
		{cauchy.SetupC(c, cauchy.Config{}, size, short, 4), "cauchy: SetupC: B: want 12 elements, got 11"},
	} {
		if x.err == nil || !strings.Contains(x.err.Error(), x.want) {
			t.Errorf("got error %v, want %q", x.err, x.want)
		}
	}
}
