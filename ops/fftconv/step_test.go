package fftconv

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// The steps are the defining sums, from the start and from a state.
func TestStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	const batch, l = 2, 11
	for _, c := range []struct{ ch, h, lk int }{{1, 3, 4}, {2, 2, 7}, {1, 1, 1}, {1, 2, 30}, {1, 2, 2}} {
		k := testutil.Normal(rng, "k", c.ch, c.h, c.lk).F
		u := testutil.Normal(rng, "u", batch, c.h, l).F
		before := testutil.Normal(rng, "x0", batch, c.h, c.lk).F[:batch*c.h*(c.lk-1)]
		first, err := NewStep(c.ch, c.h, c.lk, k)
		if err != nil {
			t.Fatal(err)
		}
		for _, x0 := range [][]float64{nil, before} {
			at := func(r, l int) float64 { // input l of row r
				switch {
				case l >= 0:
					return u[r*11+l]
				case x0 != nil && l >= 1-c.lk:
					return x0[(r+1)*(c.lk-1)+l]
				}
				return 0
			}
			var want []float64
			for b := range batch {
				for ch := range c.ch {
					for h := range c.h {
						for l := range l {
							var s float64
							for lag := range c.lk {
								s += k[(ch*c.h+h)*c.lk+lag] * at(b*c.h+h, l-lag)
							}
							want = append(want, s)
						}
					}
				}
			}
			y, x := testutil.Scan(t, first, u, x0, batch, c.ch, c.h, l)
			if e := testutil.RelErr(y, want); !(e <= 1e-14) {
				t.Errorf("%+v: steps off by %.3g", c, e)
			}
			var last []float64
			for r := range batch * c.h {
				for i := range c.lk - 1 {
					last = append(last, at(r, l-c.lk+1+i))
				}
			}
			if !slices.Equal(x, last) {
				t.Errorf("%+v: state %v, want %v", c, x, last)
			}
		}
	}
}

func TestStepErrors(t *testing.T) {
	for want, err := range map[string]error{
		"fftconv.NewStep: LK: want at least 1, got 0": second(NewStep(1, 1, 0, []float64{})),
		"fftconv.NewStep: k: want 6":                  second(NewStep(1, 2, 3, make([]float64, 5))),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	s, err := NewStep(1, 2, 3, make([]float64, 6))
	if err != nil {
		t.Fatal(err)
	}
	x, y, u := make([]float64, s.StateLen(2)), make([]float64, 4), make([]float64, 4)
	for what, err := range map[string]error{
		"y": s.Advance(y[1:], x, u), "x": s.Advance(y, x[1:], u), "u": s.Advance(y, x, u[1:]), "state": s.Load(x, u),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "fftconv.Step: want ") {
			t.Errorf("%s too short: got error %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestStepDoesNotAllocate(t *testing.T) {
	const h = 64
	for _, lk := range []int{5, parallelProducts / h} {
		s, err := NewStep(1, h, lk, make([]float32, h*lk))
		if err != nil {
			t.Fatal(err)
		}
		x, y, u := make([]float32, s.StateLen(1)), make([]float32, h), make([]float32, h)
		testutil.CheckNoAllocations(t, "a step", func() error { return s.Advance(y, x, u) })
	}
}
