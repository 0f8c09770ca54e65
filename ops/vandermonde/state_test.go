package vandermonde_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// tolState bounds the float64 error of states and what they add to the output
// against the recurrence.
const tolState = 1e-12

// stateModel is a diagonal model of every feature: its discretisation, its
// output row and the factor before its real part.
type stateModel struct {
	ab, bb, c []complex128
	gain      float64
	h, n      int
}

// scan runs the recurrence over u (B, H, L) from x0 (B, H, N, 2), nil for zero,
// and returns the outputs (B, H, L) and the last state.
func (m *stateModel) scan(u []float64, x0 []float64, batch, l int) (y, x []float64) {
	x = make([]float64, batch*m.h*m.n*2)
	copy(x, x0)
	y = make([]float64, batch*m.h*l)
	for row := range batch * m.h {
		for t := range l {
			for i := range m.n {
				j, k := row%m.h*m.n+i, 2*(row*m.n+i)
				z := m.ab[j]*complex(x[k], x[k+1]) + m.bb[j]*complex(u[row*l+t], 0)
				x[k], x[k+1] = real(z), imag(z)
				y[row*l+t] += m.gain * real(m.c[j]*z)
			}
		}
	}
	return y, x
}

func complexes(v []float64) []complex128 {
	z := make([]complex128, len(v)/2)
	for i := range z {
		z[i] = complex(v[2*i], v[2*i+1])
	}
	return z
}

// checkState holds the two ops on states, and their gradients, against the
// recurrence. The parameters come first, c and w being the last of them.
func checkState(t *testing.T, m *stateModel, batch, l int, rng *rand.Rand, params []testutil.Input, response, final testutil.Build) {
	t.Helper()
	x0 := testutil.Normal(rng, "x0", batch, m.h, m.n, 2)
	u := testutil.Normal(rng, "u", batch, m.h, l)
	testutil.CheckStateOps(t, tolState, testutil.StateOps{
		Output: response, Final: final, OutputParams: params, FinalParams: params[:len(params)-1], U: u, X0: x0,
		Scan:        func(u, x0 []float64) (y, x []float64) { return m.scan(u, x0, batch, l) },
		NoGradients: l == 1,
	})
}

func TestStateOfS4D(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for _, disc := range []ssm.Disc{ssm.ZOH, ssm.Bilinear} {
		for _, size := range []vandermonde.Size{
			{CH: 1, H: 2, S: 1, N: 1}, {CH: 1, H: 3, S: 3, N: 2}, {CH: 1, H: 4, S: 2, N: 3, DtPerState: true},
		} {
			for _, l := range []int{1, 9} {
				t.Run(fmt.Sprint(disc, size, l), func(t *testing.T) {
					dts := 1
					if size.DtPerState {
						dts = size.N
					}
					params := []testutil.Input{
						testutil.Uniform(rng, "dt", -2, -1, size.H, dts),
						testutil.Uniform(rng, "aReal", -1, 0, size.S, size.N),
						testutil.Uniform(rng, "aImag", -3, 3, size.S, size.N),
						testutil.Normal(rng, "b", size.S, size.N, 2),
						testutil.Normal(rng, "c", size.CH, size.H, size.N, 2),
					}
					cfg := vandermonde.Config{Dynamics: ssm.Dynamics{Rate: 1.5}, Disc: disc, L: l}
					ab, bb, err := vandermonde.Discretize(cfg, size, vandermonde.Params[[]float64]{
						Dt: params[0].F, AReal: params[1].F, AImag: params[2].F, B: params[3].F,
					})
					if err != nil {
						t.Fatal(err)
					}
					m := &stateModel{ab: ab, bb: bb, c: complexes(params[4].F), gain: 2, h: size.H, n: size.N}
					checkState(t, m, 2, l, rng, params,
						func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
							return vandermonde.StateOutput(cfg, vandermonde.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], B: n[3], C: n[4]}, n[5])
						},
						func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
							if len(n) == 5 {
								n = append(n, nil)
							}
							return vandermonde.FinalState(cfg, vandermonde.Params[*G.Node]{Dt: n[0], AReal: n[1], AImag: n[2], B: n[3]}, n[4], n[5])
						})
				})
			}
		}
	}
}

func TestStateOfDSS(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 2))
	for _, version := range vandermonde.DSSVersions() {
		for _, separate := range []bool{false, true} {
			t.Run(fmt.Sprint(version, separate), func(t *testing.T) {
				const h, n, l, window = 3, 4, 11, 13
				size := vandermonde.DSSSize{CH: 1, H: h, N: n, SeparateDt: separate}
				cols := 1
				if separate {
					cols = 2
				}
				params := []testutil.Input{
					testutil.Uniform(rng, "logDt", -2, -1, h, cols),
					testutil.Uniform(rng, "lambda", -1.5, 1.5, n, 2), // with softmax, some grow
					testutil.Normal(rng, "w", 1, h, n, 2),
				}
				cfg := vandermonde.DSSConfig{Version: version, L: window}
				ab, bb, err := vandermonde.DiscretizeDSS(cfg, size, vandermonde.DSSParams[[]float64]{LogDt: params[0].F, Lambda: params[1].F})
				if err != nil {
					t.Fatal(err)
				}
				m := &stateModel{ab: ab, bb: bb, c: complexes(params[2].F), gain: 1, h: h, n: n}
				checkState(t, m, 2, l, rng, params,
					func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
						return vandermonde.DSSStateOutput(cfg, l, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1], W: n[2]}, n[3])
					},
					func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
						if len(n) == 3 {
							n = append(n, nil)
						}
						return vandermonde.DSSFinalState(cfg, vandermonde.DSSParams[*G.Node]{LogDt: n[0], Lambda: n[1]}, n[2], n[3])
					})
			})
		}
	}
}

func TestStateErrors(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	dt, a, ai, c := node("dt", 3, 1), node("a", 3, 2), node("ai", 3, 2), node("c", 1, 3, 2, 2)
	_, noL := vandermonde.StateOutput(vandermonde.Config{}, vandermonde.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai, C: c}, node("x1", 1, 3, 2, 2))
	_, badX := vandermonde.StateOutput(vandermonde.Config{L: 4}, vandermonde.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai, C: c}, node("x2", 1, 2, 2, 2))
	_, badU := vandermonde.FinalState(vandermonde.Config{}, vandermonde.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai}, node("u1", 2, 4, 5), nil)
	_, badBatch := vandermonde.FinalState(vandermonde.Config{}, vandermonde.Params[*G.Node]{Dt: dt, AReal: a, AImag: ai}, node("u2", 2, 3, 5), node("x3", 1, 3, 2, 2))
	_, badA := vandermonde.FinalState(vandermonde.Config{}, vandermonde.Params[*G.Node]{Dt: dt, AReal: a, AImag: node("ai2", 3, 3)}, node("u3", 2, 3, 5), nil)
	_, noSteps := vandermonde.DSSStateOutput(vandermonde.DSSConfig{L: 4}, 0, vandermonde.DSSParams[*G.Node]{LogDt: node("dt2", 3, 2), Lambda: node("l2", 2, 2), W: c}, node("x4", 1, 3, 2, 2))
	_, badLambda := vandermonde.DSSFinalState(vandermonde.DSSConfig{L: 4}, vandermonde.DSSParams[*G.Node]{LogDt: node("dt3", 3, 2), Lambda: node("l3", 2, 3)}, node("u4", 2, 3, 5), nil)
	for _, c := range []struct {
		err  error
		want string
	}{
		{noL, "vandermonde.StateOutput: want kernel length L at least 1, got 0"},
		{badX, "vandermonde.StateOutput: x0: want (B, 3, 2, 2), got (1, 2, 2, 2)"},
		{badU, "vandermonde.FinalState: u: want (B, 3, L), got (2, 4, 5)"},
		{badBatch, "vandermonde.FinalState: x0: want (2, 3, 2, 2), got (1, 3, 2, 2)"},
		{badA, "vandermonde.FinalState: AImag: want (3, 2), got (3, 3)"},
		{noSteps, "vandermonde.DSSStateOutput: want kernel length L at least 1, got 0"},
		{badLambda, "vandermonde.DSSFinalState: Lambda: want (2, 2), got (2, 3)"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
