package krylov_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/krylov"
)

// Steps, and those of a fork, are the recurrence of Discretize.
func TestStep(t *testing.T) {
	const batch, l = 3, 7
	for _, v := range variants {
		p := random(t, v.cfg, v.size, 5)
		step, err := krylov.NewStep(v.cfg, v.size, p)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(9, 9))
		u, x0 := testutil.Normal(rng, "u", batch, v.size.H, l).F, testutil.Normal(rng, "x0", batch, v.size.H, v.size.N).F
		wantY, wantX := recur(t, v.cfg, v.size, p, batch, l, u, x0)
		for _, s := range []*krylov.Step[float64]{step, step.Fork()} {
			y, x := testutil.Scan(t, s, u, x0, batch, v.size.CH, v.size.H, l)
			if e := testutil.RelErr(y, wantY); !(e <= tolState) {
				t.Errorf("%s: output: relative error %.3g > %g", v.name, e, tolState)
			}
			if e := testutil.RelErr(x, wantX); !(e <= tolState) {
				t.Errorf("%s: state: relative error %.3g > %g", v.name, e, tolState)
			}
		}
	}
}

func TestStepErrors(t *testing.T) {
	cfg, size := krylov.Config{L: 4}, krylov.Size{CH: 2, H: 2, S: 1, N: 3}
	p := random(t, cfg, size, 5)
	step, err := krylov.NewStep(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	short, few, none := p, p, size
	short.C, few.Dt, none.CH = p.C[1:], p.Dt[1:], 0
	newStep := func(size krylov.Size, p krylov.Params[[]float64]) error {
		_, err := krylov.NewStep(cfg, size, p)
		return err
	}
	v := func(n int) []float64 { return make([]float64, n) }
	for _, c := range []struct {
		err  error
		want string
	}{
		{newStep(size, short), "krylov: NewStep: C: want 12 elements, got 11"},
		{newStep(none, p), "krylov: NewStep: want at least 1 channel CH, got 0"},
		{newStep(size, few), "Dt: want 2 elements, got 1"},
		{step.Load(v(step.StateLen(1)), v(5)), "krylov: Step.Load: want states (B, 2, 3)"},
		{step.Advance(v(4), v(step.StateLen(1)), v(3)), "krylov: Step.Advance: want u (B, 2)"},
		{step.Advance(v(3), v(step.StateLen(1)), v(2)), "krylov: Step.Advance: want u (B, 2)"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
