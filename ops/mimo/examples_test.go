package mimo_test

import (
	"errors"
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/mimo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// S5: poles, and a scan over the steps between two products of matrices. On a graph in
// two parts, and step by step without one.
func ExampleSequence() {
	const P, H, length, first = 3, 2, 8, 5
	cfg, poles := mimo.Config{Pairs: true}, mimo.PolesConfig{Disc: ssm.ZOH}
	check(poles.Validate())
	re, im, log := []float64{-0.5, -0.5, 2}, []float64{1, 2, 3}, []float64{-1, -1, -1}
	b, c := sample.Values(P*H*2), sample.Values(H*P*2)
	g := G.NewGraph()
	a, err := mimo.S5Poles(poles, mimo.S5Params[*G.Node]{
		LambdaRe: sample.Of(g, "re", re, P), LambdaIm: sample.Of(g, "im", im, P), LogStep: sample.Of(g, "log_step", log, P, 1),
	}, nil, nil)
	check(err)
	p := mimo.Params[*G.Node]{Poles: a, B: sample.Of(g, "B", b, P, H, 2), C: sample.Of(g, "C", c, 1, H, P, 2)}
	x := sample.Values(length * H) // (L, H)
	part := func(name string, from, to int) *G.Node {
		var v []float64
		for h := range H {
			for l := from; l < to; l++ {
				v = append(v, x[l*H+h])
			}
		}
		return sample.Of(g, name, v, 1, H, to-from)
	}
	whole, err := mimo.Sequence(cfg, part("x", 0, length), p, nil, nil)
	check(err)
	_, state, err := mimo.SequenceState(cfg, part("before", 0, first), p, nil, nil)
	check(err)
	rest, err := mimo.Sequence(cfg, part("after", first, length), p, state, nil)
	check(err)
	ys := sample.Run(whole, rest, a)
	fmt.Println("in two parts:", sample.Apart(ys[0][first:length], ys[1][:length-first]) < 1e-12)

	// The third pole would let its state grow: its real part is bounded.
	values, err := mimo.S5PoleValues(poles, mimo.S5Params[[]float64]{LambdaRe: re, LambdaIm: im, LogStep: log})
	check(err)
	fmt.Println("poles:", sample.Apart(values, ys[2]) < 1e-12,
		math.Abs(math.Hypot(values[2], values[5])-math.Exp(mimo.ClipRe*math.Exp(-1))) < 1e-12)

	step, err := mimo.NewStep(cfg, P, H, mimo.Params[[]float64]{Poles: values, B: b, C: c})
	check(err)
	s, y := make([]float64, step.StateLen(1)), make([]float64, length*H)
	check(step.Scan(y[:first*H], s, x[:first*H]))
	other := step.Fork()
	from, both := make([]float64, other.StateLen(1)), make([]float64, other.StateLen(2))
	check(other.Load(from, step.Store(s))) // (B, P, 2), as it is saved
	other.CopyRows(both, 0, from, []int{0})
	next := make([]float64, 2*H)
	check(other.Advance(next, both, append(append([]float64(nil), x[first*H:first*H+H]...), 0, 0)))
	fmt.Println("step by step:", sample.Apart(next[:1], ys[0][first:first+1]) < 1e-12)
	// Output:
	// in two parts: true
	// poles: true true
	// step by step: true
}

// Steps of any length: two short ones bring an input no further than a long one, if
// nothing comes between.
func ExampleS5Step() {
	const P, H = 2, 1
	s5 := mimo.S5Params[[]float64]{LambdaRe: []float64{-0.5, -0.3}, LambdaIm: []float64{1, 2}, LogStep: []float64{-1, -1}}
	step, err := mimo.NewS5Step(mimo.Config{Pairs: true}, mimo.PolesConfig{}, H, s5,
		mimo.Params[[]float64]{B: sample.Values(P * H * 2), C: sample.Values(H * P * 2)})
	check(err)
	y := make([]float64, H)
	long, short := make([]float64, step.StateLen(1)), make([]float64, step.StateLen(1))
	check(step.Advance(y, long, []float64{1}), step.AdvanceAt(y, long, []float64{0}, []float64{2}))
	other := step.Fork()
	check(other.Advance(y, short, []float64{1}), other.Advance(y, short, []float64{0}), other.Advance(y, short, []float64{0}))
	fmt.Println(sample.Apart(long, short) < 1e-12)
	// Output: true
}

// The poles of an LRU are stable whatever its parameters are.
func ExampleLRUPoles() {
	nu, theta, gamma := []float64{-3, 5}, []float64{0, 1}, []float64{0, 0}
	values, err := mimo.LRUPoleValues(mimo.LRUParams[[]float64]{NuLog: nu, ThetaLog: theta, GammaLog: gamma})
	check(err)
	fmt.Printf("%.3f %.3f\n", math.Hypot(values[0], values[2]), math.Hypot(values[1], values[3]))
	g := G.NewGraph()
	a, err := mimo.LRUPoles(mimo.LRUParams[*G.Node]{NuLog: sample.Of(g, "nu", nu, 2), ThetaLog: sample.Of(g, "theta", theta, 2), GammaLog: sample.Of(g, "gamma", gamma, 2)})
	check(err)
	fmt.Println(a.Shape(), sample.Apart(sample.Run(a)[0], values) < 1e-12)
	// Output:
	// 0.951 0.000
	// (2, 2, 2) true
}
