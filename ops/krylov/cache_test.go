package krylov

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

// A frozen plan computes its factors once for each set of values, feature by
// feature: marked factors survive a call exactly where nothing has changed.
func TestFrozenFactorsAreKept(t *testing.T) {
	size := Size{CH: 1, H: 4, S: 2, N: 3}
	rng := rand.New(rand.NewPCG(1, 2))
	row := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = 1 + 0.1*rng.Float64()
		}
		return v
	}
	p := Params[[]float64]{Dt: row(4), C: row(12), A: ssm.Tridiagonal[[]float64]{
		Pl: row(6), Dl: row(4), D: row(6), Du: row(4), Pr: row(6), C: row(6), B: row(6),
	}}
	for _, stable := range []bool{false, true} {
		cfg := Config{L: 40, Frozen: true, Stable: stable}
		plan, err := NewPlan[float64](cfg, size)
		if err != nil {
			t.Fatal(err)
		}
		k, gc := make([]float64, 4*40), make([]float64, 12)
		calls := map[string]func() error{
			"Forward":  func() error { return plan.Forward(k, p) },
			"Backward": func() error { return plan.Backward(Params[[]float64]{C: gc}, p, k) },
		}
		const mark = 12345
		for name, call := range calls {
			for what, c := range map[string]struct {
				change func()
				keeps  []int
			}{
				"nothing":              {func() {}, []int{0, 1, 2, 3}},
				"C":                    {func() { p.C[5]++ }, []int{0, 1, 2, 3}},
				"dt of feature 2":      {func() { p.Dt[2] += 0.1 }, []int{0, 1, 3}},
				"Dl of state matrix 0": {func() { p.A.Dl[1] += 0.1 }, []int{1, 3}},
				"B of state matrix 1":  {func() { p.A.B[4] += 0.1 }, []int{0, 2}},
			} {
				if err := plan.Forward(k, p); err != nil {
					t.Fatal(err)
				}
				for h := range plan.bank.kept {
					plan.bank.kept[h].q[1] = mark
				}
				c.change()
				if err := call(); err != nil {
					t.Fatal(err)
				}
				var got []int
				for h := range plan.bank.kept {
					if plan.bank.kept[h].q[1] == mark {
						got = append(got, h)
					}
					plan.bank.valid[h] = false
				}
				if !slices.Equal(got, c.keeps) {
					t.Errorf("stable %t, %s after a change of %s: kept the factors of %v, want %v", stable, name, what, got, c.keeps)
				}
			}
		}
	}
}

// The kernels of a plan that has kept factors are those of a new plan.
func TestKeptFactorsGiveTheSameKernel(t *testing.T) {
	cfg := Config{L: 300, Frozen: true}
	size := Size{CH: 2, H: 3, S: 1, N: 4}
	rng := rand.New(rand.NewPCG(3, 4))
	row := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(0.3 * rng.NormFloat64())
		}
		return v
	}
	p := DenseParams[[]float32]{Dt: row(3), A: row(16), B: row(4), C: row(24)}
	for i := range 4 {
		p.A[i*5] -= 2 // stable
	}
	plan, err := NewDensePlan[float32](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	for step := range 4 {
		p.C[step]++
		if step == 2 {
			p.A[3] += 0.25
		}
		fresh, err := NewDensePlan[float32](cfg, size)
		if err != nil {
			t.Fatal(err)
		}
		var k, g [2][]float32
		for i, pl := range []*DensePlan[float32]{plan, fresh} {
			k[i], g[i] = make([]float32, 2*3*300), make([]float32, 24)
			if err := pl.Forward(k[i], p); err != nil {
				t.Fatal(err)
			}
			if err := pl.Backward(DenseParams[[]float32]{C: g[i]}, p, k[i]); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(k[0], k[1]) || !slices.Equal(g[0], g[1]) {
			t.Errorf("step %d: the kernel or its gradient differs from that of a new plan", step)
		}
	}
}
