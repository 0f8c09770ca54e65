package cauchy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/cauchy"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// tolStateOp bounds the float64 error of the ops on states against the
// recurrence.
const tolStateOp = 1e-10

// outputOf builds cauchy.StateOutput of Dt, AReal, AImag, P, C and x0.
func outputOf(cfg cauchy.Config) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return cauchy.StateOutput(cfg, cauchy.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], P: n[3], C: n[4]}, n[5])
	}
}

// finalOf builds cauchy.FinalState of Dt, AReal, AImag, P, B, u and, if it is
// there, x0.
func finalOf(cfg cauchy.Config) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		if len(n) == 6 {
			n = append(n, nil)
		}
		return cauchy.FinalState(cfg, cauchy.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], P: n[3], B: n[4]}, n[5], n[6])
	}
}

func TestStateOps(t *testing.T) {
	const batch = 2
	rng := rand.New(rand.NewPCG(8, 1))
	for _, size := range []cauchy.Size{
		{CH: 1, H: 2, S: 1, N: 1, R: 1}, {CH: 2, H: 3, S: 3, N: 2, R: 1}, {CH: 1, H: 4, S: 2, N: 3, R: 2},
		{CH: 2, H: 2, S: 2, N: 2, R: 2, DtPerState: true},
	} {
		for _, l := range []int{1, 2, 13, 300} {
			slow := 0.0   // makes dt shorter
			if l == 300 { // several blocks of steps
				if size.R == 1 {
					continue
				}
				slow = 3
			}
			t.Run(fmt.Sprint(size, l), func(t *testing.T) {
				in := []testutil.Input{
					testutil.Uniform(rng, "dt", -2-slow, -1-slow, size.H, dtCount(size)/size.H),
					testutil.Uniform(rng, "aReal", -1, 0, size.S, size.N),
					testutil.Uniform(rng, "aImag", 0.3, 3, size.S, size.N),
					testutil.Normal(rng, "p", size.R, size.S, size.N, 2),
					testutil.Normal(rng, "b", size.S, size.N, 2),
					testutil.Normal(rng, "c", size.CH, size.H, size.N, 2),
				}
				u := testutil.Normal(rng, "u", batch, size.H, l)
				x0 := testutil.Normal(rng, "x0", batch, size.H, size.N, 2)
				cfg := cauchy.Config{Dynamics: ssm.Dynamics{Rate: 2}, LKernel: 2 * max(13, l), L: l}
				step, err := cauchy.NewStep(cfg, size, cauchy.Params[[]float64]{
					Dt: in[0].F, AReal: in[1].F, AImag: in[2].F, P: in[3].F, B: in[4].F, C: in[5].F,
				})
				if err != nil {
					t.Fatal(err)
				}
				testutil.CheckStateOps(t, tolStateOp, testutil.StateOps{
					Output: outputOf(cfg), Final: finalOf(cfg),
					OutputParams: []testutil.Input{in[0], in[1], in[2], in[3], in[5]}, FinalParams: in[:5],
					U: u, X0: x0,
					Scan: func(u, x0 []float64) (y, x []float64) {
						return testutil.Scan(t, step, u, x0, batch, size.CH, size.H, l)
					},
				})
			})
		}
	}
}

// Of the two modes of an eigenvalue 0, P lets one decay. The other has no part in
// C~, nor in what a state adds to the output.
func TestStateOutputOfAModeThatDoesNotDecay(t *testing.T) {
	cfg, size, p := zeroPair()
	step, err := cauchy.NewStep(cfg, size, p)
	if err != nil {
		t.Fatal(err)
	}
	x0 := testutil.Normal(rand.New(rand.NewPCG(8, 2)), "x0", 1, size.H, size.N, 2)
	want, _ := testutil.Scan(t, step, make([]float64, size.H*cfg.L), x0.F, 1, size.CH, size.H, cfg.L)
	in := func(name string, v []float64, shape ...int) testutil.Input {
		return testutil.Input{Name: name, Shape: shape, F: v}
	}
	got, err := testutil.Forward(tensor.Float64, outputOf(cfg), in("dt", p.Dt, size.H), in("aReal", p.AReal, size.S, size.N), in("aImag", p.AImag, size.S, size.N),
		in("p", p.P, size.R, size.S, size.N, 2), in("c", p.C, size.CH, size.H, size.N, 2), x0)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(got, want); !(e <= tolStateOp) {
		t.Errorf("relative error %.3g > %g", e, tolStateOp)
	}
}

func TestStateOpErrors(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	dt, a, ai, p, b := node("dt", 3, 1), node("a", 3, 2), node("ai", 3, 2), node("p", 1, 3, 2, 2), node("b", 3, 2, 2)
	c := node("c", 1, 3, 2, 2)
	_, noL := cauchy.StateOutput(cauchy.Config{}, cauchy.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai, P: p, C: c}, node("x1", 1, 3, 2, 2))
	_, tooLong := cauchy.StateOutput(cauchy.Config{L: 9, LKernel: 8}, cauchy.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai, P: p, C: c}, node("x2", 1, 3, 2, 2))
	_, badX := cauchy.StateOutput(cauchy.Config{L: 4}, cauchy.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai, P: p, C: c}, node("x3", 3, 2, 2))
	_, badP := cauchy.FinalState(cauchy.Config{}, cauchy.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai, P: node("p2", 3, 2), B: b}, node("u1", 1, 3, 5), nil)
	_, badU := cauchy.FinalState(cauchy.Config{}, cauchy.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai, P: p, B: b}, node("u2", 1, 2, 5), nil)
	_, badBatch := cauchy.FinalState(cauchy.Config{}, cauchy.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai, P: p, B: b}, node("u3", 2, 3, 5), node("x4", 1, 3, 2, 2))
	for _, c := range []struct {
		err  error
		want string
	}{
		{noL, "cauchy.StateOutput: want kernel length L at least 1, got 0"},
		{tooLong, "got 9"},
		{badX, "cauchy.StateOutput: x0: want (B, 3, 2, 2), got (3, 2, 2)"},
		{badP, "cauchy.FinalState: P: want (R, 3, 2, 2) or (3, 2, 2), got (3, 2)"},
		{badU, "cauchy.FinalState: u: want (B, 3, L), got (1, 2, 5)"},
		{badBatch, "cauchy.FinalState: x0: want (2, 3, 2, 2), got (1, 3, 2, 2)"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
