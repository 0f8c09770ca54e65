package krylov_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// unwritten returns n NaNs: every element must be overwritten.
func unwritten[T num.Float](n int) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = T(math.NaN())
	}
	return v
}

// run computes the kernels and the gradients of sum(gk*K).
func run[T num.Float](t testing.TB, cfg krylov.Config, s krylov.Size, p krylov.Params[T], gk []T) (k []T, g krylov.Params[T]) {
	t.Helper()
	plan, err := krylov.NewPlan[T](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	k = unwritten[T](s.CH * s.H * cfg.L)
	g.C = unwritten[T](len(p.C))
	if !cfg.Frozen {
		g.Dt = unwritten[T](len(p.Dt))
		for i, v := range fields(&g.A) {
			*v = unwritten[T](len(p.A.Parts()[i]))
		}
	}
	if err := plan.Forward(k, p); err != nil {
		t.Fatal(err)
	}
	if err := plan.Backward(g, p, gk); err != nil {
		t.Fatal(err)
	}
	return k, g
}

// runDense is run for dense state matrices.
func runDense[T num.Float](t testing.TB, cfg krylov.Config, s krylov.Size, p krylov.DenseParams[T], gk []T) (k []T, g krylov.DenseParams[T]) {
	t.Helper()
	plan, err := krylov.NewDensePlan[T](cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	k = unwritten[T](s.CH * s.H * cfg.L)
	g.C = unwritten[T](len(p.C))
	if !cfg.Frozen {
		g.Dt, g.A, g.B = unwritten[T](len(p.Dt)), unwritten[T](len(p.A)), unwritten[T](len(p.B))
	}
	if err := plan.Forward(k, p); err != nil {
		t.Fatal(err)
	}
	if err := plan.Backward(g, p, gk); err != nil {
		t.Fatal(err)
	}
	return k, g
}

// measure returns LSSL parameters as at initialisation: the system of a measure
// for every state matrix, step sizes from 0.001 to 0.1, C of N(0, 1).
func measure(tb testing.TB, m hippo.Measure, s krylov.Size) krylov.Params[float64] {
	tb.Helper()
	one, err := hippo.LSSL(m, s.N, hippo.MeasureOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(s.N), uint64(s.H)))
	p := krylov.Params[float64]{Dt: make([]float64, s.H), C: normal(rng, s.CH*s.H*s.N)}
	for h := range p.Dt {
		p.Dt[h] = math.Log(0.001) + math.Log(100)*rng.Float64()
	}
	all := fields(&p.A)
	for i, v := range one.Parts() {
		for range s.S {
			*all[i] = append(*all[i], v...)
		}
	}
	return p
}

// fields returns the seven fields in the order of Parts.
func fields[E any](a *ssm.Tridiagonal[E]) []*E {
	return []*E{&a.Pl, &a.Dl, &a.D, &a.Du, &a.Pr, &a.C, &a.B}
}

func normal(rng *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	return v
}

// denseOf returns the same models with dense state matrices.
func denseOf(tb testing.TB, s krylov.Size, p krylov.Params[float64]) krylov.DenseParams[float64] {
	tb.Helper()
	d := krylov.DenseParams[float64]{Dt: p.Dt, C: p.C}
	for i := range s.S {
		var one ssm.Tridiagonal[[]float64]
		for k, v := range p.A.Parts() {
			w := len(v) / s.S
			*fields(&one)[k] = v[i*w : (i+1)*w]
		}
		a, b, err := hippo.Untridiagonal(&one)
		if err != nil {
			tb.Fatal(err)
		}
		d.A, d.B = append(d.A, a.RawMatrix().Data...), append(d.B, b...)
	}
	return d
}

func to32(p krylov.Params[float64]) krylov.Params[float32] {
	q := krylov.Params[float32]{Dt: f32(p.Dt), C: f32(p.C)}
	for i, v := range p.A.Parts() {
		*fields(&q.A)[i] = f32(v)
	}
	return q
}

func denseTo32(p krylov.DenseParams[float64]) krylov.DenseParams[float32] {
	return krylov.DenseParams[float32]{Dt: f32(p.Dt), A: f32(p.A), B: f32(p.B), C: f32(p.C)}
}

func f32(v []float64) []float32 {
	r := make([]float32, len(v))
	for i, x := range v {
		r[i] = float32(x)
	}
	return r
}

func f64[T num.Float](v []T) []float64 {
	r := make([]float64, len(v))
	for i, x := range v {
		r[i] = float64(x)
	}
	return r
}
