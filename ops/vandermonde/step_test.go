package vandermonde_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Steps, and those of a fork, are the recurrences of Discretize and DiscretizeDSS.
func TestStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	size := vandermonde.Size{CH: 1, H: 4, S: 2, N: 3, DtPerState: true}
	cfg := vandermonde.Config{L: 9}
	p := randomParams(rng, cfg, size, true)
	ab, bb, err := vandermonde.Discretize(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	step, err := vandermonde.NewStep(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	checkStep(t, rng, step, &stateModel{ab: ab, bb: bb, c: complexes(p.C), gain: 2, h: size.H, n: size.N})

	dssCfg, dssSize := vandermonde.DSSConfig{L: 9}, vandermonde.DSSSize{CH: 1, H: 3, N: 4, SeparateDt: true}
	dss := randomDSS(rng, dssCfg, dssSize, true)
	if ab, bb, err = vandermonde.DiscretizeDSS(dssCfg, dssSize, dss); err != nil {
		t.Fatal(err)
	}
	if step, err = vandermonde.NewDSSStep(dssCfg, dssSize, dss); err != nil {
		t.Fatal(err)
	}
	checkStep(t, rng, step, &stateModel{ab: ab, bb: bb, c: complexes(dss.W), gain: 1, h: dssSize.H, n: dssSize.N})
}

func checkStep(t *testing.T, rng *rand.Rand, step *vandermonde.Step[float64], m *stateModel) {
	t.Helper()
	const batch, l = 3, 9
	u, x0 := testutil.Normal(rng, "u", batch, m.h, l).F, testutil.Normal(rng, "x0", batch, m.h, m.n, 2).F
	wantY, wantX := m.scan(u, x0, batch, l)
	for _, s := range []*vandermonde.Step[float64]{step, step.Fork()} {
		y, x := testutil.Scan(t, s, u, x0, batch, 1, m.h, l)
		if e := testutil.RelErr(y, wantY); !(e <= tolState) {
			t.Errorf("output: relative error %.3g > %g", e, tolState)
		}
		if e := testutil.RelErr(x, wantX); !(e <= tolState) {
			t.Errorf("state: relative error %.3g > %g", e, tolState)
		}
	}
}

func TestStepErrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	size, cfg := vandermonde.Size{CH: 2, H: 2, S: 1, N: 3}, vandermonde.Config{L: 4}
	p := randomParams(rng, cfg, size, true)
	dssSize, dssCfg := vandermonde.DSSSize{CH: 2, H: 2, N: 3}, vandermonde.DSSConfig{L: 4}
	dss := randomDSS(rng, dssCfg, dssSize, false)
	short, shortDSS, none, noneDSS := p, dss, size, dssSize
	short.C, shortDSS.W, none.CH, noneDSS.CH = p.C[1:], dss.W[1:], 0, 0
	newStep := func(size vandermonde.Size, p vandermonde.Params[[]float64]) error {
		_, err := vandermonde.NewStep(cfg, size, p)
		return err
	}
	newDSS := func(size vandermonde.DSSSize, p vandermonde.DSSParams[[]float64]) error {
		_, err := vandermonde.NewDSSStep(dssCfg, size, p)
		return err
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{newStep(size, short), "vandermonde: NewStep: C: want 24 elements, got 23"},
		{newStep(none, p), "vandermonde: NewStep: want at least 1 channel CH, got 0"},
		{newDSS(dssSize, shortDSS), "vandermonde: NewDSSStep: W: want 24 elements, got 23"},
		{newDSS(noneDSS, dss), "vandermonde: NewDSSStep: want at least 1 channel CH, got 0"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
