package krylov_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// lengths are the kernel lengths of the tests: the smallest, below and above
// the block length, odd and prime.
var lengths = []int{1, 2, 3, 17, 489, 1047}

// variants are the combinations of configuration and sharing under test.
var variants = []struct {
	name string
	cfg  krylov.Config
	size krylov.Size
}{
	{"published", krylov.Config{}, krylov.Size{CH: 1, H: 3, S: 1, N: 4}},
	{"channels", krylov.Config{Disc: ssm.Bilinear}, krylov.Size{CH: 3, H: 2, S: 1, N: 5}},
	{"shared", krylov.Config{Disc: ssm.GBT, Alpha: 0.3}, krylov.Size{CH: 2, H: 6, S: 2, N: 3}},
	{"one each", krylov.Config{Disc: ssm.GBT, Alpha: 0.5}, krylov.Size{CH: 1, H: 3, S: 3, N: 4}},
	{"two states", krylov.Config{Disc: ssm.BackwardEuler}, krylov.Size{CH: 1, H: 1, S: 1, N: 2}},
	{"forward Euler", krylov.Config{Disc: ssm.Euler}, krylov.Size{CH: 1, H: 2, S: 1, N: 5}},
	{"zero-order hold", krylov.Config{Disc: ssm.ZOH}, krylov.Size{CH: 2, H: 2, S: 2, N: 3}},
	{"alpha 0", krylov.Config{Disc: ssm.GBT}, krylov.Size{CH: 1, H: 2, S: 1, N: 3}},
	{"alpha 1", krylov.Config{Disc: ssm.GBT, Alpha: 1}, krylov.Size{CH: 1, H: 2, S: 1, N: 3}},
	{"softplus, rate", krylov.Config{DtTransform: ssm.Softplus, Rate: 2}, krylov.Size{CH: 1, H: 2, S: 1, N: 5}},
	{"stable", krylov.Config{Stable: true}, krylov.Size{CH: 1, H: 4, S: 2, N: 5}},
	{"stable, zero-order hold", krylov.Config{Stable: true, Disc: ssm.ZOH}, krylov.Size{CH: 1, H: 2, S: 1, N: 3}},
	{"frozen", krylov.Config{Frozen: true}, krylov.Size{CH: 2, H: 4, S: 2, N: 5}},
}

// normal returns n independent N(0, 1) numbers.
func normal(rng *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	return v
}

// fields returns the seven fields in the order of Parts.
func fields[E any](a *ssm.Tridiagonal[E]) []*E {
	return []*E{&a.Pl, &a.Dl, &a.D, &a.Du, &a.Pr, &a.C, &a.B}
}

// measure returns LSSL parameters as at initialisation: the system of a measure
// for every state matrix, step sizes from 0.001 to 0.1, C of N(0, 1).
func measure(tb testing.TB, m hippo.Measure, cfg krylov.Config, s krylov.Size) krylov.Params[[]float64] {
	tb.Helper()
	one, err := hippo.LSSL(m, s.N, hippo.MeasureOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(s.N), uint64(s.H)))
	p := krylov.Params[[]float64]{Dt: make([]float64, s.H), C: normal(rng, s.CH*s.H*s.N)}
	for h := range p.Dt {
		if p.Dt[h], err = cfg.DtTransform.Inverse(0.001 * math.Pow(100, rng.Float64())); err != nil {
			tb.Fatal(err)
		}
	}
	for i, v := range one.Parts() {
		for range s.S {
			*fields(&p.A)[i] = append(*fields(&p.A)[i], v...)
		}
	}
	return p
}

// random returns parameters as after some training: those of LegT, whose T
// takes pivoting, moved a little, all different. A few signs are wrong where
// Config.Stable has to mend them.
func random(tb testing.TB, cfg krylov.Config, s krylov.Size, seed uint64) krylov.Params[[]float64] {
	tb.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	p := measure(tb, hippo.LegT, cfg, s)
	for _, v := range p.A.Parts() {
		for i := range v {
			v[i] += 0.1 * rng.NormFloat64()
		}
	}
	if cfg.Stable { // which drops signs
		p.A.Pl[0] *= -1
		p.A.Pr[1] *= -1
	}
	return p
}

// model returns state matrix s of the parameters.
func model(p *krylov.Params[[]float64], size krylov.Size, s int) *ssm.Tridiagonal[[]float64] {
	t := new(ssm.Tridiagonal[[]float64])
	for i, v := range p.A.Parts() {
		w := len(v) / size.S
		*fields(t)[i] = append([]float64(nil), v[s*w:(s+1)*w]...)
	}
	return t
}

// denseOf returns the same models with dense state matrices.
func denseOf(tb testing.TB, s krylov.Size, p krylov.Params[[]float64]) krylov.DenseParams[[]float64] {
	tb.Helper()
	d := krylov.DenseParams[[]float64]{Dt: p.Dt, C: p.C}
	for i := range s.S {
		a, b, err := hippo.Untridiagonal(model(&p, s, i))
		if err != nil {
			tb.Fatal(err)
		}
		d.A, d.B = append(d.A, a.RawMatrix().Data...), append(d.B, b...)
	}
	return d
}

// naive is the oracle: the models of denseOf discretised and raised to powers
// as the definition says.
func naive(tb testing.TB, cfg krylov.Config, s krylov.Size, p krylov.DenseParams[[]float64]) []float64 {
	tb.Helper()
	k := make([]float64, s.CH*s.H*cfg.L)
	for h := range s.H {
		r := h % s.S
		dt, _ := cfg.DtTransform.Eval(p.Dt[h])
		if cfg.Rate != 0 {
			dt *= cfg.Rate
		}
		disc := cfg.Disc
		if disc == "" {
			disc = ssm.Bilinear
		}
		for c := range s.CH {
			m := hippo.SSM{
				A: mat.NewDense(s.N, s.N, p.A[r*s.N*s.N:(r+1)*s.N*s.N]), B: p.B[r*s.N : (r+1)*s.N],
				C: p.C[(c*s.H+h)*s.N:][:s.N],
			}
			rec, err := m.Discretize(dt, disc, cfg.Alpha)
			if err != nil {
				tb.Fatal(err)
			}
			kernel, err := rec.Kernel(cfg.L)
			if err != nil {
				tb.Fatal(err)
			}
			copy(k[(c*s.H+h)*cfg.L:], kernel)
		}
	}
	return k
}

func to32(p krylov.Params[[]float64]) krylov.Params[[]float32] {
	q := krylov.Params[[]float32]{Dt: testutil.Float32s(p.Dt), C: testutil.Float32s(p.C)}
	for i, v := range p.A.Parts() {
		*fields(&q.A)[i] = testutil.Float32s(v)
	}
	return q
}

// rounded returns p with every value rounded to float32.
func rounded(p krylov.Params[[]float64]) krylov.Params[[]float64] {
	q := to32(p)
	r := krylov.Params[[]float64]{Dt: testutil.Float64s(q.Dt), C: testutil.Float64s(q.C)}
	for i, v := range q.A.Parts() {
		*fields(&r.A)[i] = testutil.Float64s(v)
	}
	return r
}

func denseTo32(p krylov.DenseParams[[]float64]) krylov.DenseParams[[]float32] {
	return krylov.DenseParams[[]float32]{Dt: testutil.Float32s(p.Dt), A: testutil.Float32s(p.A), B: testutil.Float32s(p.B), C: testutil.Float32s(p.C)}
}

// gradOf returns memory for the gradients of p.
func gradOf[T num.Float](cfg krylov.Config, p krylov.Params[[]T]) krylov.Params[[]T] {
	g := krylov.Params[[]T]{C: testutil.Unwritten[T](len(p.C))}
	if cfg.Frozen {
		return g
	}
	g.Dt = testutil.Unwritten[T](len(p.Dt))
	for i, v := range p.A.Parts() {
		*fields(&g.A)[i] = testutil.Unwritten[T](len(v))
	}
	return g
}

// run computes the kernels and the gradients of sum(gk*K).
func run[T num.Float](tb testing.TB, cfg krylov.Config, s krylov.Size, p krylov.Params[[]T], gk []T) (k []T, g krylov.Params[[]T]) {
	tb.Helper()
	plan, err := krylov.NewPlan[T](cfg, s)
	if err != nil {
		tb.Fatal(err)
	}
	k, g = testutil.Unwritten[T](s.CH*s.H*cfg.L), gradOf(cfg, p)
	if err := plan.Forward(k, p); err != nil {
		tb.Fatal(err)
	}
	if err := plan.Backward(g, p, gk); err != nil {
		tb.Fatal(err)
	}
	return k, g
}

// runDense is run for dense state matrices.
func runDense[T num.Float](tb testing.TB, cfg krylov.Config, s krylov.Size, p krylov.DenseParams[[]T], gk []T) (k []T, g krylov.DenseParams[[]T]) {
	tb.Helper()
	plan, err := krylov.NewDensePlan[T](cfg, s)
	if err != nil {
		tb.Fatal(err)
	}
	k, g.C = testutil.Unwritten[T](s.CH*s.H*cfg.L), testutil.Unwritten[T](len(p.C))
	if !cfg.Frozen {
		g.Dt, g.A, g.B = testutil.Unwritten[T](len(p.Dt)), testutil.Unwritten[T](len(p.A)), testutil.Unwritten[T](len(p.B))
	}
	if err := plan.Forward(k, p); err != nil {
		tb.Fatal(err)
	}
	if err := plan.Backward(g, p, gk); err != nil {
		tb.Fatal(err)
	}
	return k, g
}
