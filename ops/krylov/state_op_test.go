package krylov_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// tolState bounds the float64 error of the ops on states against the
// recurrence.
const tolState = 1e-12

// recur runs the recurrence of p over u (B, H, L) from x0 (B, H, N), and
// returns the outputs (B, CH*H, L) and the last states. nil stands for zeros.
func recur(t *testing.T, cfg krylov.Config, s krylov.Size, p krylov.Params[[]float64], batch, l int, u, x0 []float64) (y, x []float64) {
	t.Helper()
	ab, bb, err := krylov.Discretize(cfg, s, p)
	if err != nil {
		t.Fatal(err)
	}
	x = make([]float64, batch*s.H*s.N)
	copy(x, x0)
	y = make([]float64, batch*s.CH*s.H*l)
	for row := range batch * s.H {
		b, h := row/s.H, row%s.H
		state, next := x[row*s.N:][:s.N], make([]float64, s.N)
		for k := range l {
			for i := range s.N {
				next[i] = 0
				for j, v := range state {
					next[i] += ab[(h*s.N+i)*s.N+j] * v
				}
				if u != nil {
					next[i] += bb[h*s.N+i] * u[row*l+k]
				}
			}
			copy(state, next)
			for c := range s.CH {
				for i, v := range state {
					y[((b*s.CH+c)*s.H+h)*l+k] += p.C[(c*s.H+h)*s.N+i] * v
				}
			}
		}
	}
	return y, x
}

// outputOf builds krylov.StateOutput of the parameters and x0.
func outputOf(cfg krylov.Config) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return krylov.StateOutput(cfg, krylov.Params[*G.Node]{Dt: n[0], A: tridiagonal(n[1:8]), C: n[8]}, n[9])
	}
}

// finalOf builds krylov.FinalState of the parameters but C, u and, if it is
// there, x0.
func finalOf(cfg krylov.Config) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		if len(n) == 9 {
			n = append(n, nil)
		}
		return krylov.FinalState(cfg, krylov.Params[*G.Node]{Dt: n[0], A: tridiagonal(n[1:8])}, n[8], n[9])
	}
}

func TestStateOps(t *testing.T) {
	const batch = 2
	for _, v := range variants {
		if v.cfg.Frozen {
			continue
		}
		for _, l := range []int{1, 6} {
			t.Run(fmt.Sprintf("%s/L%d", v.name, l), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(9, uint64(l)))
				cfg, s := v.cfg, v.size
				cfg.L = l
				p := random(t, cfg, s, uint64(l))
				params := inputs(cfg, s, p)
				u := testutil.Normal(rng, "u", batch, s.H, l)
				x0 := testutil.Normal(rng, "x0", batch, s.H, s.N)
				testutil.CheckStateOps(t, tolState, testutil.StateOps{
					Output: outputOf(cfg), Final: finalOf(cfg),
					OutputParams: params, FinalParams: params[:len(params)-1], U: u, X0: x0,
					Scan:        func(u, x0 []float64) (y, x []float64) { return recur(t, cfg, s, p, batch, l, u, x0) },
					NoGradients: l == 1,
				})
			})
		}
	}
}

func TestStateOpErrors(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	a := ssm.Tridiagonal[*G.Node]{
		Pl: node("pl", 1, 4), Dl: node("dl", 1, 3), D: node("d", 1, 4), Du: node("du", 1, 3),
		Pr: node("pr", 1, 4), C: node("ac", 1, 4), B: node("ab", 1, 4),
	}
	dt, c := node("dt", 3, 1), node("c", 2, 3, 4)
	_, noL := krylov.StateOutput(krylov.Config{}, krylov.Params[*G.Node]{Dt: dt, A: a, C: c}, node("x1", 1, 3, 4))
	_, badX := krylov.StateOutput(krylov.Config{L: 5}, krylov.Params[*G.Node]{Dt: dt, A: a, C: c}, node("x2", 3, 4))
	_, badC := krylov.StateOutput(krylov.Config{L: 5}, krylov.Params[*G.Node]{Dt: dt, A: a, C: node("c2", 3, 5)}, node("x3", 1, 3, 4))
	_, badU := krylov.FinalState(krylov.Config{}, krylov.Params[*G.Node]{Dt: dt, A: a}, node("u1", 1, 2, 5), nil)
	_, badBatch := krylov.FinalState(krylov.Config{}, krylov.Params[*G.Node]{Dt: dt, A: a}, node("u2", 2, 3, 5), node("x4", 1, 3, 4))
	_, badDt := krylov.FinalState(krylov.Config{}, krylov.Params[*G.Node]{Dt: node("dt2", 3, 2), A: a}, node("u3", 2, 3, 5), nil)
	for _, c := range []struct {
		err  error
		want string
	}{
		{noL, "krylov.StateOutput: want kernel length L at least 1, got 0"},
		{badX, "krylov.StateOutput: x0: want (B, 3, 4), got (3, 4)"},
		{badC, "krylov.StateOutput: C: want (CH, H, 4) or (H, 4), got (3, 5)"},
		{badU, "krylov.FinalState: u: want (B, 3, L), got (1, 2, 5)"},
		{badBatch, "krylov.FinalState: x0: want (2, 3, 4), got (1, 3, 4)"},
		{badDt, "krylov.FinalState: Dt: want (3, 1) or (3), got (3, 2)"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
