package ops

import (
	"fmt"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// feedForwardInputs draws x (B, E, L) and the weights of a network with F features
// in between.
func feedForwardInputs(seed uint64, b, e, f, o, l int, gated bool) []testutil.Input {
	rng := newRand(seed)
	inner := f
	if gated {
		inner *= 2
	}
	return []testutil.Input{
		testutil.Normal(rng, "x", b, e, l),
		testutil.Normal(rng, "W1", inner, e), testutil.Normal(rng, "B1", inner),
		testutil.Normal(rng, "W2", o, f), testutil.Normal(rng, "B2", o),
	}
}

// weightsOf returns the weights among the nodes of feedForwardInputs.
func weightsOf(n []*G.Node) FeedForwardWeights {
	return FeedForwardWeights{W1: n[1], B1: n[2], W2: n[3], B2: n[4]}
}

// A feed-forward network is two linear maps.
func TestFeedForwardIsLinearTwice(t *testing.T) {
	for _, s := range [][5]int{{1, 1, 1, 1, 1}, {2, 3, 4, 5, 17}, {3, 2, 5, 2, 1}, {1, 3, 2, 3, 1301}} {
		for _, act := range []Activation{ActGELU, ActTanh} {
			for _, gated := range []bool{false, true} {
				for _, tied := range []bool{false, true} {
					options := func() []LinearOption {
						opts := []LinearOption{Activated(act), DropInputElements(0.3, newMasks(1, 0)), DropOutput(0.4, newMasks(2, 0))}
						if gated {
							opts[0] = Gated(act)
						}
						if tied {
							opts[1] = DropInput(0.3, newMasks(1, 0))
						}
						return opts
					}
					in := feedForwardInputs(uint64(s[4]), s[0], s[1], s[2], s[3], s[4], gated)
					one := build(func(n []*G.Node) (*G.Node, error) { return FeedForward(n[0], weightsOf(n), options()...) })
					sameResults(t, one, build(func(n []*G.Node) (*G.Node, error) {
						h, err := Linear(n[0], n[1], n[2])
						if err != nil {
							return nil, err
						}
						return Linear(h, n[3], n[4], options()...)
					}), in...)
					if s[4] == 17 && act == ActGELU {
						testutil.Check(t, one, in...)
					}
				}
			}
		}
	}
}

// Without an option nothing is between the maps; without biases, and where x is
// data, the other gradients are the same.
func TestFeedForwardPlain(t *testing.T) {
	in := feedForwardInputs(2, 2, 3, 4, 5, 7, false)
	sameResults(t,
		build(func(n []*G.Node) (*G.Node, error) { return FeedForward(n[0], weightsOf(n)) }),
		build(func(n []*G.Node) (*G.Node, error) {
			h, err := Linear(n[0], n[1], n[2])
			if err != nil {
				return nil, err
			}
			return Linear(h, n[3], n[4])
		}), in...)
	in[0].Fixed = true
	testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) { return FeedForward(n[0], weightsOf(n), Activated(ActSiLU)) }), in...)
	in = []testutil.Input{in[0], in[1], in[3]}
	testutil.Check(t, build(func(n []*G.Node) (*G.Node, error) {
		return FeedForward(n[0], FeedForwardWeights{W1: n[1], W2: n[2]}, Activated(ActSiLU))
	}), in...)
}

// newFeedForwardPass is a pass of a gated network of random weights.
func newFeedForwardPass(o linearOptions) *pass[float64] {
	const b, e, f, out, l = 2, 5, 4, 3, 700
	o.gated = true
	d := feedForwardDims{
		first:  linearDims{b: b, i: e, o: 2 * f, l: l, bias: 3},
		second: linearDims{b: b, i: f, o: out, l: l, bias: 4, gated: true},
	}
	return newPass[float64](newFeedForward[float64](d, o), b*out*l, []int{b * e * l, 2 * f * e, out * f, 2 * f, out})
}

// In evaluation nothing is dropped, and nothing kept: the results are the same.
func TestFeedForwardEvaluation(t *testing.T) {
	want := newFeedForwardPass(linearOptions{act: ActSiLU})
	want.run(t)
	eval := newFeedForwardPass(linearOptions{
		act: ActSiLU, dropInput: dropoutConfig{p: 0.5, masks: newMasks(1, 0)}, dropOutput: dropoutConfig{p: 0.5, masks: newMasks(2, 0)},
	})
	eval.core.(graphop.TrainModer).SetTraining(false)
	eval.run(t)
	for i, r := range eval.results() {
		if !slices.Equal(r, want.results()[i]) {
			t.Errorf("result %d differs from that without dropout in training", i)
		}
	}
	if z := eval.core.(*feedForward[float64]).z.Of(0); cap(z) > 0 {
		t.Errorf("evaluation keeps %d elements, want 0", cap(z))
	}
}

func TestFeedForwardCore(t *testing.T) {
	state := dropoutState(1, 0)
	masks := masksOf(state)
	drop := dropoutConfig{p: 0.2, masks: masks}
	checkPass(t, newFeedForwardPass(linearOptions{act: ActGELU, dropInput: drop, dropOutput: drop}), func() { state.Data().([]int64)[1] = 0 })
}

func TestFeedForwardErrors(t *testing.T) {
	g := newGraph()
	x, w1, b1, w2, b2 := g.f64("x", 2, 3, 5), g.f64("W1", 4, 3), g.f64("B1", 4), g.f64("W2", 3, 4), g.f64("B2", 3)
	for i, c := range []struct {
		x    *G.Node
		w    FeedForwardWeights
		opt  LinearOption
		want string
	}{
		{nil, FeedForwardWeights{w1, b1, w2, b2}, Activated(ActGELU), "want x (B, E, L), got nil"},
		{g.f64("v", 2, 3), FeedForwardWeights{w1, b1, w2, b2}, Activated(ActGELU), "want x (B, E, L), got (2, 3)"},
		{x, FeedForwardWeights{nil, b1, w2, b2}, Activated(ActGELU), "want W1 (F, E), got nil"},
		{x, FeedForwardWeights{w2, b1, w2, b2}, Activated(ActGELU), "want W1 (3, 3), got (3, 4)"},
		{x, FeedForwardWeights{w1, b2, w2, b2}, Activated(ActGELU), "want B1 (4), got (3)"},
		{x, FeedForwardWeights{w1, b1, nil, b2}, Activated(ActGELU), "want W2 (O, F), got nil"},
		{x, FeedForwardWeights{w1, b1, w1, b2}, Activated(ActGELU), "want W2 (4, 4), got (4, 3)"},
		{x, FeedForwardWeights{w1, b1, w2, b1}, Activated(ActGELU), "want B2 (3), got (4)"},
		{x, FeedForwardWeights{w1, b1, w2, b2}, Gated(ActGELU), "want W2 (3, 2), got (3, 4)"},
		{x, FeedForwardWeights{g.f64("odd", 3, 3), nil, w2, b2}, Gated(ActGELU), "want W1 (2F, 3) with Gated, got (3, 3)"},
		{x, FeedForwardWeights{nil, b1, w2, b2}, Gated(ActGELU), "want W1 (2F, E), got nil"},
		{x, FeedForwardWeights{w1, b1, w2, b2}, Activated("swish"), "want an activation of"},
		{x, FeedForwardWeights{w1, b1, w2, b2}, DropInputElements(-1, nil), "want p in [0, 1), got -1"},
		{x, FeedForwardWeights{w1, b1, w2, b2}, Lengths(g.ints("n", 3)), "want lengths (2) of dtype int, got (3) of dtype int"},
		{g.f64("long", 1<<10, 1, 1<<12), FeedForwardWeights{g.f64("wide", 1<<16, 1), nil, g.f64("back", 1, 1<<16), nil}, Activated(ActGELU),
			"want at most 2147483647 elements in what W1 gives (B, F, L), got 1024 x 65536 x 4096"},
	} {
		_, err := FeedForward(c.x, c.w, c.opt)
		t.Run(fmt.Sprint(i), func(t *testing.T) { wantError(t, err, "ops.FeedForward: "+c.want) })
	}
}
