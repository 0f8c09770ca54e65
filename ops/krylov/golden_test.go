package krylov_test

import (
	"math"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// tolGolden is how far float64 may lie from the golden arrays.
const tolGolden = 1e-10

// goldenLSSL reads a case of kind lssl.
func goldenLSSL(t *testing.T, c *golden.Case) (krylov.Config, krylov.Size, krylov.Params[[]float64]) {
	f := func(name string) []float64 { return c.F(t, name) }
	cfg := krylov.Config{Disc: ssm.GBT, Alpha: c.Float("alpha", 0), L: c.Int("L", 0)}
	size := krylov.Size{CH: 1, H: c.Int("H", 0), S: 1, N: c.Int("N", 0)}
	return cfg, size, krylov.Params[[]float64]{
		Dt: f("log_dt"), C: f("C"),
		A: ssm.Tridiagonal[[]float64]{Pl: f("pl"), Dl: f("dl"), D: f("d"), Du: f("du"), Pr: f("pr"), C: f("c"), B: f("b")},
	}
}

func TestGoldenLSSL(t *testing.T) {
	for _, c := range golden.Cases(t, "lssl") {
		cfg, size, p := goldenLSSL(t, c)
		k, g := run(t, cfg, size, p, c.F(t, "W"))
		ab, bb, err := krylov.Discretize(cfg, size, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			name string
			got  []float64
		}{
			{"K", k}, {"dA", ab}, {"dB", bb}, {"g_log_dt", g.Dt}, {"g_C", g.C},
			{"g_pl", g.A.Pl}, {"g_dl", g.A.Dl}, {"g_d", g.A.D}, {"g_du", g.A.Du}, {"g_pr", g.A.Pr}, {"g_c", g.A.C}, {"g_b", g.A.B},
		} {
			if e := testutil.RelErr(x.got, c.F(t, x.name)); !(e <= tolGolden) {
				t.Errorf("%s: %s: relative error %.3g > %.3g", c.Name, x.name, e, tolGolden)
			}
		}
	}
}

func TestGoldenDense(t *testing.T) {
	for _, c := range golden.Cases(t, "dense_ssm") {
		cfg := krylov.Config{Disc: ssm.Disc(c.String("method")), Alpha: c.Float("alpha", 0), L: c.Int("L", 0)}
		size := krylov.Size{CH: 1, H: 1, S: 1, N: c.Int("N", 0)}
		p := krylov.DenseParams[[]float64]{
			Dt: []float64{math.Log(c.Float("dt", 0))}, A: c.F(t, "A"), B: c.F(t, "B"), C: c.F(t, "C"),
		}
		k, _ := runDense(t, cfg, size, p, make([]float64, cfg.L))
		ab, bb, err := krylov.DiscretizeDense(cfg, size, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			name string
			got  []float64
		}{{"K", k}, {"dA", ab}, {"dB", bb}} {
			if e := testutil.RelErr(x.got, c.F(t, x.name)); !(e <= tolGolden) {
				t.Errorf("%s: %s: relative error %.3g > %.3g", c.Name, x.name, e, tolGolden)
			}
		}
	}
}
