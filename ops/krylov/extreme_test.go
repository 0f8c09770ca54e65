package krylov_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/exact"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Both forms, in every discretisation, at steps of every length against numbers of
// 400 bits.
func TestEveryStepSize(t *testing.T) {
	const n, l = 6, 12
	rng := rand.New(rand.NewPCG(9, 1))
	c := testutil.Normal(rng, "c", n).F
	for _, measure := range []hippo.Measure{hippo.LegS, hippo.LegT, hippo.LagT} {
		start, err := hippo.LSSL(measure, n, hippo.MeasureOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if measure == hippo.LagT { // singular A
			start.Pr[1] = 0
		}
		for _, disc := range []krylov.Config{
			{Disc: ssm.Bilinear}, {Disc: ssm.BackwardEuler}, {Disc: ssm.GBT, Alpha: 0.75}, {Disc: ssm.GBT, Alpha: 0.5, Stable: true}, {Disc: ssm.ZOH}, {Disc: ssm.Euler},
		} {
			for exp := -12; exp <= 13; exp++ {
				if disc.Disc == ssm.Euler && exp > 0 {
					continue // grows without bound, as it must
				}
				dt := (1 + rng.Float64()) * math.Pow(10, float64(exp))
				m, err := exact.Structured(start.Pl, start.Dl, start.D, start.Du, start.Pr, start.C, start.B, c, dt)
				if err != nil {
					t.Fatal(err)
				}
				cfg := disc
				cfg.L, cfg.DtTransform = l, ssm.None
				name := fmt.Sprintf("%s, %s, alpha = %g, dt = %g", measure, disc.Disc, disc.Alpha, dt)
				checkStep(t, name, cfg, m, krylov.Params[[]float64]{Dt: []float64{dt}, A: *start, C: c})
			}
		}
	}
}

// exactStep discretises a model as cfg says.
func exactStep(t *testing.T, cfg krylov.Config, m *exact.Model) *exact.Step {
	t.Helper()
	if cfg.Disc == ssm.ZOH {
		return m.ZOH()
	}
	alpha := map[ssm.Disc]float64{ssm.Bilinear: 0.5, ssm.BackwardEuler: 1, ssm.GBT: cfg.Alpha}[cfg.Disc]
	s, err := m.GBT(alpha)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func checkStep(t *testing.T, name string, cfg krylov.Config, m *exact.Model, p krylov.Params[[]float64]) {
	t.Helper()
	const tol = 1e-10
	n := len(m.B)
	size := krylov.Size{CH: 1, H: 1, S: 1, N: n}
	step := exactStep(t, cfg, m)
	ab, bb := step.Floats()
	k := step.Kernel(m.C, cfg.L)
	check := func(what string, got, want []float64) {
		t.Helper()
		if e := testutil.RelErr(got, want); !(e <= tol) {
			t.Errorf("%s: %s: relative error %.3g > %.3g", name, what, e, tol)
		}
	}
	finite := func(what string, v []float64) {
		t.Helper()
		for _, x := range v {
			if !num.Finite(x) {
				t.Errorf("%s: gradient of %s: %g", name, what, x)
			}
		}
	}
	gotA, gotB, err := krylov.Discretize(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	check("Ab", gotA, ab)
	check("Bb", gotB, bb)
	plan, err := krylov.NewPlan[float64](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float64, cfg.L)
	if err := plan.Forward(got, p); err != nil {
		t.Fatal(err)
	}
	check("kernel", got, k)
	g := krylov.Params[[]float64]{Dt: make([]float64, 1), C: make([]float64, n), A: ssm.Tridiagonal[[]float64]{
		Pl: make([]float64, n), Dl: make([]float64, n-1), D: make([]float64, n), Du: make([]float64, n-1), Pr: make([]float64, n), C: make([]float64, n), B: make([]float64, n),
	}}
	if err := plan.Backward(g, p, k); err != nil {
		t.Fatal(err)
	}
	for what, v := range map[string][]float64{"dt": g.Dt, "C": g.C, "Pl": g.A.Pl, "Dl": g.A.Dl, "D": g.A.D, "Du": g.A.Du, "Pr": g.A.Pr, "c": g.A.C, "b": g.A.B} {
		finite(what, v)
	}
	if cfg.Stable { // the dense form has another idea of it
		return
	}
	// The dense form of the same model.
	a, b := make([]float64, 0, n*n), make([]float64, n)
	for i, row := range m.A {
		for _, x := range row {
			f, _ := x.Float64()
			a = append(a, f)
		}
		b[i], _ = m.B[i].Float64()
	}
	rounded := exact.Of(a, b, p.C, p.Dt[0])
	step = exactStep(t, cfg, rounded)
	ab, bb = step.Floats()
	d := krylov.DenseParams[[]float64]{Dt: p.Dt, A: a, B: b, C: p.C}
	if gotA, gotB, err = krylov.DiscretizeDense(cfg, size, d); err != nil {
		t.Fatal(err)
	}
	check("dense Ab", gotA, ab)
	check("dense Bb", gotB, bb)
	dense, err := krylov.NewDensePlan[float64](cfg, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := dense.Forward(got, d); err != nil {
		t.Fatal(err)
	}
	check("dense kernel", got, step.Kernel(rounded.C, cfg.L))
	gd := krylov.DenseParams[[]float64]{Dt: make([]float64, 1), A: make([]float64, n*n), B: make([]float64, n), C: make([]float64, n)}
	if err := dense.Backward(gd, d, k); err != nil {
		t.Fatal(err)
	}
	for what, v := range map[string][]float64{"dense dt": gd.Dt, "dense A": gd.A, "dense B": gd.B, "dense C": gd.C} {
		finite(what, v)
	}
}
