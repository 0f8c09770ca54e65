package krylov_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// stabilised returns the parameters that Config.Stable uses instead of p.
func stabilised(tb testing.TB, s krylov.Size, p krylov.Params[[]float64]) krylov.Params[[]float64] {
	tb.Helper()
	q := krylov.Params[[]float64]{Dt: p.Dt, C: p.C}
	for i := range s.S {
		m := model(&p, s, i)
		for n := range m.Pl {
			m.Pl[n], m.Pr[n] = math.Abs(m.Pl[n]), math.Abs(m.Pr[n])
		}
		// T^-1 + diag(c) is -A of the same model without scales.
		bare := *m
		bare.Pl, bare.Pr = ones(s.N), ones(s.N)
		a, _, err := hippo.Untridiagonal(&bare)
		if err != nil {
			tb.Fatal(err)
		}
		rho := max(0, -leastOfSymmetricPart(tb, a, -1))
		for n := range m.C {
			m.C[n] += rho
		}
		for k, v := range m.Parts() {
			*fields(&q.A)[k] = append(*fields(&q.A)[k], v...)
		}
	}
	return q
}

func ones(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// leastOfSymmetricPart returns the least eigenvalue of sign (a + a^T)/2.
func leastOfSymmetricPart(tb testing.TB, a *mat.Dense, sign float64) float64 {
	tb.Helper()
	n, _ := a.Dims()
	sym := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			sym.SetSym(i, j, sign*(a.At(i, j)+a.At(j, i))/2)
		}
	}
	var e mat.EigenSym
	if !e.Factorize(sym, false) {
		tb.Fatal("no eigenvalues")
	}
	return e.Values(nil)[0]
}

// The HiPPO systems are dissipative already: they are not moved, nor are their
// gradients. In the dense form the two in other scalings are not.
func TestStableLeavesHiPPOAlone(t *testing.T) {
	const tol = 1e-13
	for _, m := range hippo.LSSLMeasures() {
		for _, n := range []int{2, 5, 64} {
			free, s := krylov.Config{L: 50}, krylov.Size{CH: 1, H: 2, S: 1, N: n}
			stable := free
			stable.Stable = true
			p := measure(t, m, free, s)
			gk := normal(rand.New(rand.NewPCG(1, 2)), s.H*free.L)
			if m != hippo.LMU { // its signs of states are dropped: the same up to the signs of C
				want, wantG := run(t, free, s, p, gk)
				got, g := run(t, stable, s, p, gk)
				if e := testutil.RelErr(got, want); !(e <= tol) {
					t.Errorf("%s, N = %d: relative error %.3g > %.3g", m, n, e, tol)
				}
				compare(t, string(m), g, wantG, tol)
			}
			if m == hippo.LMU || m == hippo.GLagT {
				continue
			}
			d := denseOf(t, s, p)
			want, wantG := runDense(t, free, s, d, gk)
			got, g := runDense(t, stable, s, d, gk)
			for _, x := range [][2][]float64{{got, want}, {g.A, wantG.A}, {g.B, wantG.B}, {g.Dt, wantG.Dt}} {
				if e := testutil.RelErr(x[0], x[1]); !(e <= tol) {
					t.Errorf("%s, N = %d, dense: relative error %.3g > %.3g", m, n, e, tol)
				}
			}
		}
	}
}

// expansion returns the largest norm of a discretised state matrix, in the
// norm in which Config.Stable keeps it from growing: |D x|, D = diag(Pr/Pl)^1/2.
func expansion(t *testing.T, cfg krylov.Config, s krylov.Size, p krylov.Params[[]float64]) float64 {
	t.Helper()
	ab, _, err := krylov.Discretize(cfg, s, p)
	if err != nil {
		t.Fatal(err)
	}
	var worst float64
	for h := range s.H {
		m := model(&p, s, h%s.S)
		a := mat.NewDense(s.N, s.N, ab[h*s.N*s.N:(h+1)*s.N*s.N])
		d := func(n int) float64 { return math.Sqrt(math.Abs(m.Pr[n] / m.Pl[n])) }
		a.Apply(func(i, j int, v float64) float64 { return d(i) * v / d(j) }, a)
		var svd mat.SVD
		if math.IsNaN(mat.Sum(a)) {
			return math.Inf(1)
		}
		if !svd.Factorize(a, mat.SVDNone) {
			t.Fatal("no singular values")
		}
		worst = max(worst, svd.Values(nil)[0])
	}
	return worst
}

var stableRules = []krylov.Config{
	{Stable: true}, {Stable: true, Disc: ssm.BackwardEuler}, {Stable: true, Disc: ssm.GBT, Alpha: 0.7}, {Stable: true, Disc: ssm.ZOH},
}

// No parameters make the state grow, whatever they are; without Stable nearly
// all of these do.
func TestStableAtAnyParameters(t *testing.T) {
	const tol = 1e-9
	s := krylov.Size{CH: 1, H: 4, S: 2, N: 7}
	var grew int
	for _, cfg := range stableRules {
		free := cfg
		free.Stable = false
		for seed := range uint64(40) {
			rng := rand.New(rand.NewPCG(seed, 3))
			p := random(t, cfg, s, seed)
			for _, v := range p.A.Parts() {
				for i := range v {
					v[i] = rng.NormFloat64() * math.Pow(10, 2*rng.Float64()-1)
				}
			}
			for h := range p.Dt {
				p.Dt[h] = 4*rng.Float64() - 3
			}
			if e := expansion(t, cfg, s, p); !(e <= 1+tol) {
				t.Errorf("%+v, seed %d: a step multiplies the norm by %.12g", cfg, seed, e)
			}
			if e := expansion(t, free, s, p); e > 1.01 {
				grew++
			}
		}
	}
	if grew < 100 {
		t.Errorf("only %d of 160 models grow without Stable: the test shows nothing", grew)
	}
}

// Ascending the energy of the kernel with an absurd learning rate breaks a free
// A in a few steps and never a stable one.
func TestStableUnderAHugeLearningRate(t *testing.T) {
	const (
		steps = 60
		rate  = 10.
		tol   = 1e-9
	)
	s := krylov.Size{CH: 1, H: 3, S: 1, N: 8}
	train := func(cfg krylov.Config) (worst float64) {
		cfg.L = 100
		p := measure(t, hippo.LegS, cfg, s)
		for range steps {
			k, g := run(t, cfg, s, p, make([]float64, s.H*cfg.L))
			_, g = run(t, cfg, s, p, k)
			if e := expansion(t, cfg, s, p); !(e <= worst) {
				worst = e
			}
			if math.IsNaN(worst) || worst > 2 {
				return worst
			}
			for i, v := range g.A.Parts() {
				norm := math.Sqrt(mat.Dot(mat.NewVecDense(len(v), v), mat.NewVecDense(len(v), v)))
				for j := range v {
					(*fields(&p.A)[i])[j] += rate * v[j] / norm
				}
			}
		}
		return worst
	}
	for _, cfg := range stableRules {
		if worst := train(cfg); !(worst <= 1+tol) {
			t.Errorf("%+v: a step multiplies the norm by %.12g", cfg, worst)
		}
		cfg.Stable = false
		if worst := train(cfg); worst <= 2 {
			t.Errorf("%+v: a step multiplies the norm by %.12g at most: the test shows nothing", cfg, worst)
		}
	}
}

// A dense matrix is moved to where its symmetric part is not positive.
func TestStableDense(t *testing.T) {
	const tol = 1e-12
	s := krylov.Size{CH: 1, H: 2, S: 2, N: 6}
	for _, cfg := range stableRules {
		cfg.L = 80
		rng := rand.New(rand.NewPCG(8, 9))
		p := krylov.DenseParams[[]float64]{
			Dt: []float64{-2, 0}, A: normal(rng, s.S*s.N*s.N), B: normal(rng, s.S*s.N), C: normal(rng, s.H*s.N),
		}
		k, _ := runDense(t, cfg, s, p, make([]float64, s.H*cfg.L))
		for i := range s.S {
			a := mat.NewDense(s.N, s.N, p.A[i*s.N*s.N:(i+1)*s.N*s.N])
			rho := -leastOfSymmetricPart(t, a, -1)
			if rho <= 0 {
				t.Fatal("the matrix is stable as it is")
			}
			for n := range s.N {
				a.Set(n, n, a.At(n, n)-rho)
			}
		}
		if e := testutil.RelErr(k, naive(t, cfg, s, p)); !(e <= tol) {
			t.Errorf("%+v: relative error %.3g > %.3g", cfg, e, tol)
		}
	}
}

// NaN in, NaN out: the guard of a training loop finds it.
func TestStableOfNaN(t *testing.T) {
	cfg, s := krylov.Config{L: 5, Stable: true}, krylov.Size{CH: 1, H: 2, S: 1, N: 3}
	p := random(t, cfg, s, 1)
	for _, v := range []*float64{&p.A.D[0], &p.A.C[2], &p.A.Pl[1]} {
		old := *v
		*v = math.NaN()
		k, _ := run(t, cfg, s, p, make([]float64, s.H*cfg.L))
		for i, x := range k {
			if !math.IsNaN(x) {
				t.Fatalf("K[%d] = %g, want NaN", i, x)
			}
		}
		*v = old
	}
}
