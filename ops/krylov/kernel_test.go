package krylov_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func TestKernelIsTheNaiveSum(t *testing.T) {
	const tol = 1e-12
	for _, v := range variants {
		for _, L := range lengths {
			cfg, s := v.cfg, v.size
			cfg.L = L
			p := random(t, cfg, s, uint64(L))
			k, _ := run(t, cfg, s, p, make([]float64, s.CH*s.H*L))
			if cfg.Stable {
				p = stabilised(t, s, p)
			}
			dense := denseOf(t, s, p)
			want := naive(t, cfg, s, dense)
			if e := testutil.RelErr(k, want); !(e <= tol) {
				t.Errorf("%s, L = %d: relative error %.3g > %.3g", v.name, L, e, tol)
			}
			if cfg.Stable { // the dense form moves a model another way
				continue
			}
			k, _ = runDense(t, cfg, s, dense, make([]float64, s.CH*s.H*L))
			if e := testutil.RelErr(k, want); !(e <= tol) {
				t.Errorf("%s, dense, L = %d: relative error %.3g > %.3g", v.name, L, e, tol)
			}
		}
	}
}

// Every measure, also those that have no tridiagonal form, up to a large N.
func TestMeasures(t *testing.T) {
	const tol = 1e-11
	for _, m := range hippo.Measures() {
		for _, n := range []int{1, 2, 6, 64, 256} {
			a, b, err := hippo.Transition(m, n, hippo.MeasureOptions{})
			if err != nil {
				continue // Fourier measures take an even N
			}
			cfg, s := krylov.Config{L: 300}, krylov.Size{CH: 1, H: 2, S: 1, N: n}
			p := krylov.DenseParams[[]float64]{
				Dt: []float64{math.Log(0.002), math.Log(0.05)}, A: a.RawMatrix().Data, B: b,
				C: normal(rand.New(rand.NewPCG(1, uint64(n))), 2*n),
			}
			want := naive(t, cfg, s, p)
			k, _ := runDense(t, cfg, s, p, want)
			if e := testutil.RelErr(k, want); !(e <= tol) {
				t.Errorf("%s, N = %d: dense: relative error %.3g > %.3g", m, n, e, tol)
			}
			if n == 1 || !slices.Contains(hippo.LSSLMeasures(), m) {
				continue
			}
			q := measure(t, m, cfg, s)
			q.Dt, q.C = p.Dt, p.C
			k, _ = run(t, cfg, s, q, want)
			if e := testutil.RelErr(k, want); !(e <= tol) {
				t.Errorf("%s, N = %d: relative error %.3g > %.3g", m, n, e, tol)
			}
		}
	}
}

// Every length from 1 on, through all shapes of the block grid, with frozen
// factors and without: the gradients of a longer kernel whose tail has no
// weight are the same.
func TestEveryShortLength(t *testing.T) {
	const tol = 1e-12
	s := krylov.Size{CH: 2, H: 1, S: 1, N: 3}
	cfg := krylov.Config{L: 140}
	p := random(t, cfg, s, 1)
	whole := naive(t, cfg, s, denseOf(t, s, p))
	gk := normal(rand.New(rand.NewPCG(3, 4)), 2*140)
	for L := 1; L <= 140; L++ {
		short := func(v []float64) []float64 { return append(append([]float64(nil), v[:L]...), v[140:140+L]...) }
		padded := make([]float64, 2*140)
		copy(padded, gk[:L])
		copy(padded[140:], gk[140:140+L])
		_, want := run(t, cfg, s, p, padded)
		for _, frozen := range []bool{false, true} {
			k, g := run(t, krylov.Config{L: L, Frozen: frozen}, s, p, short(gk))
			if e := testutil.RelErr(k, short(whole)); !(e <= tol) {
				t.Errorf("L = %d, frozen %t: relative error %.3g > %.3g", L, frozen, e, tol)
			}
			compare(t, fmt.Sprintf("L = %d, frozen %t", L, frozen), g, want, tol)
		}
	}
}

// compare reports gradients that are not nil and differ.
func compare(t *testing.T, what string, got, want krylov.Params[[]float64], tol float64) {
	t.Helper()
	one := func(name string, got, want []float64) {
		if got == nil {
			return
		}
		if e := testutil.RelErr(got, want); !(e <= tol) {
			t.Errorf("%s: gradient of %s: relative error %.3g > %.3g", what, name, e, tol)
		}
	}
	one("Dt", got.Dt, want.Dt)
	one("C", got.C, want.C)
	for i, name := range []string{"Pl", "Dl", "D", "Du", "Pr", "A.C", "B"} {
		one(name, got.A.Parts()[i], want.A.Parts()[i])
	}
}

// The dense gradient, carried to the structured parameters by finite
// differences of the dense matrices, is the structured one: two derivations of
// one number.
func TestStructuredAndDenseGradientsAgree(t *testing.T) {
	const (
		step = 1e-5
		tol  = 1e-8
	)
	for _, disc := range []ssm.Disc{ssm.Euler, ssm.Bilinear, ssm.BackwardEuler, ssm.ZOH} {
		cfg, s := krylov.Config{Disc: disc, L: 200}, krylov.Size{CH: 1, H: 3, S: 1, N: 17}
		p := random(t, cfg, s, 9)
		gk := normal(rand.New(rand.NewPCG(5, 6)), s.H*cfg.L)
		_, g := run(t, cfg, s, p, gk)
		d := denseOf(t, s, p)
		_, gd := runDense(t, cfg, s, d, gk)
		if e := testutil.RelErr(gd.Dt, g.Dt); !(e <= tol) {
			t.Errorf("%s: gradient of Dt: relative error %.3g > %.3g", disc, e, tol)
		}
		for i, v := range p.A.Parts() {
			want := make([]float64, len(v))
			for k, x := range v {
				v[k] = x + step
				hi := denseOf(t, s, p)
				v[k] = x - step
				lo := denseOf(t, s, p)
				v[k] = x
				for j := range gd.A {
					want[k] += gd.A[j] * (hi.A[j] - lo.A[j]) / (2 * step)
				}
				for j := range gd.B {
					want[k] += gd.B[j] * (hi.B[j] - lo.B[j]) / (2 * step)
				}
			}
			if e := testutil.RelErr(g.A.Parts()[i], want); !(e <= tol) {
				t.Errorf("%s: gradient of part %d: relative error %.3g > %.3g", disc, i, e, tol)
			}
		}
	}
}

// The kernel is the impulse response of the recurrence: RNN = CNN.
func TestKernelIsTheImpulseResponse(t *testing.T) {
	const tol = 1e-12
	for _, v := range variants {
		cfg, s := v.cfg, v.size
		p := random(t, cfg, s, 2)
		ab, bb, err := krylov.Discretize(cfg, s, p)
		if err != nil {
			t.Fatal(err)
		}
		cfg.L = 150
		k, _ := run(t, cfg, s, p, make([]float64, s.CH*s.H*cfg.L))
		if e := testutil.RelErr(k, impulse(s, cfg.L, ab, bb, p.C)); !(e <= tol) {
			t.Errorf("%s: relative error %.3g > %.3g", v.name, e, tol)
		}
	}
}

// impulse runs the recurrence on an impulse.
func impulse(s krylov.Size, L int, ab, bb, c []float64) []float64 {
	y := make([]float64, s.CH*s.H*L)
	for h := range s.H {
		x := append([]float64(nil), bb[h*s.N:(h+1)*s.N]...)
		for l := range L {
			next := make([]float64, s.N)
			for i := range x {
				for ch := range s.CH {
					y[(ch*s.H+h)*L+l] += c[(ch*s.H+h)*s.N+i] * x[i]
				}
				for j := range x {
					next[i] += ab[(h*s.N+i)*s.N+j] * x[j]
				}
			}
			x = next
		}
	}
	return y
}

// In float32 everything between parameters and results is still float64.
func TestFloat32IsRoundedOnce(t *testing.T) {
	const tol = 1e-7
	for _, disc := range []ssm.Disc{ssm.Bilinear, ssm.ZOH} {
		for _, L := range []int{256, 4096, 16384} {
			cfg, s := krylov.Config{Disc: disc, L: L}, krylov.Size{CH: 1, H: 2, S: 1, N: 32}
			p := rounded(measure(t, hippo.LegS, cfg, s))
			gk := testutil.Float64s(testutil.Float32s(normal(rand.New(rand.NewPCG(7, uint64(L))), s.H*L)))
			k, g := run(t, cfg, s, p, gk)
			k32, g32 := run(t, cfg, s, to32(p), testutil.Float32s(gk))
			if e := testutil.RelErr(testutil.Float64s(k32), k); !(e <= tol) {
				t.Errorf("%s, L = %d: relative error %.3g > %.3g", disc, L, e, tol)
			}
			wide := krylov.Params[[]float64]{Dt: testutil.Float64s(g32.Dt), C: testutil.Float64s(g32.C)}
			for i, v := range g32.A.Parts() {
				*fields(&wide.A)[i] = testutil.Float64s(v)
			}
			compare(t, fmt.Sprintf("%s, L = %d", disc, L), wide, g, tol)
		}
	}
}

// T needs no diagonal: the rows are exchanged.
func TestZeroDiagonal(t *testing.T) {
	const tol = 1e-13
	for _, disc := range []ssm.Disc{ssm.Euler, ssm.Bilinear} {
		cfg, s := krylov.Config{Disc: disc, L: 60}, krylov.Size{CH: 1, H: 1, S: 1, N: 6}
		p := random(t, cfg, s, 4)
		clear(p.A.D) // T is regular: N is even
		k, _ := run(t, cfg, s, p, make([]float64, cfg.L))
		if e := testutil.RelErr(k, naive(t, cfg, s, denseOf(t, s, p))); !(e <= tol) {
			t.Errorf("%s: relative error %.3g > %.3g", disc, e, tol)
		}
	}
}

// Kernels that decay to nothing within a few samples keep an exact head and
// have finite gradients.
func TestFastDecay(t *testing.T) {
	const tol = 1e-12
	cfg, s := krylov.Config{Disc: ssm.ZOH, DtTransform: ssm.None, L: 3000}, krylov.Size{CH: 1, H: 1, S: 1, N: 3}
	p := measure(t, hippo.LegS, cfg, s)
	p.Dt[0] = 40
	k, g := run(t, cfg, s, p, slices.Repeat([]float64{1}, cfg.L))
	if e := testutil.RelErr(k, naive(t, cfg, s, denseOf(t, s, p))); !(e <= tol) {
		t.Errorf("relative error %.3g > %.3g", e, tol)
	}
	for _, v := range append(g.A.Parts(), g.Dt, g.C) {
		for _, x := range v {
			if !num.Finite(x) {
				t.Fatalf("gradient is not finite: %+v", g)
			}
		}
	}
}

// A plan gives the same bits however often it is used, and on one thread.
func TestPlanIsDeterministic(t *testing.T) {
	cfg, s := krylov.Config{L: 333, Stable: true}, krylov.Size{CH: 2, H: 66, S: 1, N: 5}
	p := to32(random(t, cfg, s, 1))
	gk := testutil.Float32s(normal(rand.New(rand.NewPCG(1, 2)), s.CH*s.H*cfg.L))
	testutil.CheckDeterministic(t, func() any {
		k, g := run(t, cfg, s, p, gk)
		return []any{k, g}
	})
}

func TestPlanDoesNotAllocate(t *testing.T) {
	for _, cfg := range []krylov.Config{{L: 100}, {L: 100, Frozen: true}, {L: 100, Disc: ssm.ZOH}, {L: 100, Stable: true}} {
		s := krylov.Size{CH: 1, H: 4, S: 2, N: 5}
		p := to32(random(t, cfg, s, 1))
		plan, err := krylov.NewPlan[float32](cfg, s)
		if err != nil {
			t.Fatal(err)
		}
		dense := denseTo32(denseOf(t, s, random(t, cfg, s, 1)))
		densePlan, err := krylov.NewDensePlan[float32](cfg, s)
		if err != nil {
			t.Fatal(err)
		}
		k, g := make([]float32, s.H*cfg.L), gradOf(cfg, p)
		gd := krylov.DenseParams[[]float32]{Dt: g.Dt, C: g.C}
		if !cfg.Frozen {
			gd.A, gd.B = make([]float32, len(dense.A)), make([]float32, len(dense.B))
		}
		if n := testing.AllocsPerRun(10, func() {
			p.A.Pl[0] *= 1.001 // nothing may be left from the step before
			dense.A[0] *= 1.001
			for _, err := range []error{
				plan.Forward(k, p), plan.Backward(g, p, k),
				densePlan.Forward(k, dense), densePlan.Backward(gd, dense, k),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}); n != 0 {
			t.Errorf("%+v: %g allocations a step, want none", cfg, n)
		}
	}
}

func TestGradientsMayBeLeftOut(t *testing.T) {
	cfg, s := krylov.Config{L: 30}, krylov.Size{CH: 1, H: 2, S: 1, N: 3}
	p := random(t, cfg, s, 1)
	gk := normal(rand.New(rand.NewPCG(1, 2)), s.H*cfg.L)
	_, want := run(t, cfg, s, p, gk)
	plan, err := krylov.NewPlan[float64](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 9 { // one at a time
		var g krylov.Params[[]float64]
		all, from := append(fields(&g.A), &g.Dt, &g.C), append(want.A.Parts(), want.Dt, want.C)
		*all[i] = make([]float64, len(from[i]))
		if err := plan.Backward(g, p, gk); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(*all[i], from[i]) {
			t.Errorf("gradient %d alone differs", i)
		}
	}
}

func TestPlanErrors(t *testing.T) {
	good, size := krylov.Config{L: 10}, krylov.Size{CH: 1, H: 2, S: 2, N: 3}
	with := func(f func(*krylov.Config, *krylov.Size)) error {
		c, s := good, size
		f(&c, &s)
		_, err := krylov.NewPlan[float32](c, s)
		return err
	}
	p := random(t, good, size, 1)
	plan, err := krylov.NewPlan[float64](good, size)
	if err != nil {
		t.Fatal(err)
	}
	frozen, err := krylov.NewPlan[float64](krylov.Config{L: 10, Frozen: true}, size)
	if err != nil {
		t.Fatal(err)
	}
	densePlan, err := krylov.NewDensePlan[float64](good, size)
	if err != nil {
		t.Fatal(err)
	}
	_, denseSize := krylov.NewDensePlan[float64](good, krylov.Size{CH: 1, H: 1, S: 1})
	d := denseOf(t, size, p)
	k := make([]float64, size.H*good.L)
	short, missing, shortDense := p, p, d
	short.A.Du = short.A.Du[1:]
	missing.Dt = nil
	shortDense.A = shortDense.A[1:]
	onlyA := krylov.Params[[]float64]{C: p.C, A: p.A}
	_, _, discretize := krylov.Discretize(krylov.Config{Rate: math.Inf(1)}, size, p)
	_, _, discretizeShort := krylov.Discretize(good, size, short)
	_, _, discretizeSize := krylov.Discretize(good, krylov.Size{H: -2, S: 1, N: 3}, p)
	_, _, discretiseDense := krylov.DiscretizeDense(good, size, shortDense)
	type (
		config = krylov.Config
		shape  = krylov.Size
	)
	for _, c := range []struct {
		err  error
		want string
	}{
		{with(func(c *config, _ *shape) { c.L = 0 }), "Config: want kernel length L at least 1, got 0"},
		{with(func(c *config, _ *shape) { c.Disc = "tustin" }), `Config: field Disc: ssm: want discretisation "zoh"`},
		{with(func(c *config, _ *shape) { c.Alpha = 0.5 }), `want no Alpha with Disc "bilinear", got 0.5`},
		{with(func(c *config, _ *shape) { c.Disc, c.Alpha = ssm.GBT, 1.5 }), "want Alpha in [0, 1], got 1.5"},
		{with(func(c *config, _ *shape) { c.Disc, c.Alpha = ssm.GBT, math.NaN() }), "want Alpha in [0, 1], got NaN"},
		{with(func(c *config, _ *shape) { c.DtTransform = "log" }), "field DtTransform: ssm: want transform"},
		{with(func(c *config, _ *shape) { c.Rate = -1 }), "want Rate a finite number, not negative (0 means 1), got -1"},
		{with(func(c *config, _ *shape) { c.Stable, c.Disc = true, ssm.Euler }), `want with Stable a discretisation that keeps stability: zoh, bilinear, backward_diff or gbt with Alpha >= 1/2, got "euler" with alpha = 0`},
		{with(func(c *config, _ *shape) { c.Stable, c.Disc, c.Alpha = true, ssm.GBT, 0.25 }), `got "gbt" with alpha = 0.25`},
		{with(func(_ *config, s *shape) { s.N = 1 }), "Size: want a state of size N at least 2, got 1"},
		{denseSize, "Size: want a state of size N at least 1, got 0"},
		{with(func(_ *config, s *shape) { s.CH = 0 }), "want at least 1 channel CH, got 0"},
		{with(func(_ *config, s *shape) { s.H = 3 }), "got H = 3, S = 2"},
		{size.Validate(), ""},
		{plan.Forward(k[1:], p), "k: want 20 elements, got 19"},
		{plan.Forward(k, short), "A.Du: want 4 elements, got 3"},
		{plan.Forward(k, missing), "Dt: want 2 elements, got 0"},
		{plan.Backward(short, p, k), "gradient of A.Du: want 4 elements, got 3"},
		{plan.Backward(p, short, k), "A.Du: want 4 elements, got 3"},
		{plan.Backward(p, p, k[1:]), "gk: want 20 elements, got 19"},
		{frozen.Backward(onlyA, p, k), "want no gradient but that of C with Config.Frozen"},
		{densePlan.Forward(k, shortDense), "A: want 18 elements, got 17"},
		{densePlan.Backward(d, d, k[1:]), "gk: want 20 elements, got 19"},
		{discretize, "krylov: Discretize: Config: want Rate a finite number"},
		{discretizeShort, "krylov: Discretize: A.Du: want 4 elements, got 3"},
		{discretizeSize, "krylov: Discretize: Size: ssm: want the number of features H"},
		{discretiseDense, "krylov: DiscretizeDense: A: want 18 elements, got 17"},
	} {
		if c.want == "" && c.err == nil {
			continue
		}
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}

// What cannot be inverted is an error that names the feature, not NaN.
func TestSingularModels(t *testing.T) {
	const inverted = "the matrix to be inverted is singular"
	size := krylov.Size{CH: 1, H: 2, S: 2, N: 3}
	p := random(t, krylov.Config{}, size, 1)
	for _, v := range [][]float64{p.A.Dl[2:], p.A.D[3:], p.A.Du[2:]} {
		clear(v) // T of state matrix 1
	}
	k := make([]float64, size.H*5)
	forward := func(cfg krylov.Config) error {
		cfg.L = 5
		plan, err := krylov.NewPlan[float64](cfg, size)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // it fails the same way again
			err = plan.Forward(k, p)
		}
		return err
	}
	dense, err := krylov.NewDensePlan[float64](krylov.Config{Disc: ssm.BackwardEuler, L: 5}, krylov.Size{CH: 1, H: 2, S: 2, N: 2})
	if err != nil {
		t.Fatal(err)
	}
	unstable := krylov.DenseParams[[]float64]{ // eigenvalues 1 = 1/dt in the second
		Dt: []float64{0, 0}, A: []float64{-1, 0, 0, -1, 1, 0, 3, 1}, B: make([]float64, 4), C: make([]float64, 4),
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{forward(krylov.Config{Disc: ssm.Euler}), "feature 1: " + inverted},
		{forward(krylov.Config{Disc: ssm.ZOH}), "feature 1: " + inverted},
		{forward(krylov.Config{Stable: true}), "state matrix 1: " + inverted},
		{dense.Forward(k, unstable), "feature 1: " + inverted},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
	// With alpha > 0 a singular T is the limit of an infinite A.
	if err := forward(krylov.Config{}); err != nil {
		t.Error(err)
	}
}
