package layers_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
)

func attentionVariant(c layers.AttentionConfig) variant {
	return variantOf(c.DModel, c, layers.NewAttention, (*layers.Attention).CloneTo)
}

func positionVariant(c layers.PositionConfig) variant {
	return variantOf(c.DModel, c, layers.NewPosition, (*layers.Position).CloneTo)
}

func transformerVariant(c layers.TransformerConfig) variant {
	return variantOf(c.DModel, c, layers.NewTransformer, (*layers.Transformer).CloneTo)
}

// transformers are attentions, positions and Transformer layers.
func transformers() []variant {
	return []variant{
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true}),
		attentionVariant(layers.AttentionConfig{DModel: 8, Heads: 2, Causal: true, Rotary: attention.RotaryInterleaved, NoBias: true}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 1, Causal: true, Rotary: attention.RotaryHalf, Theta: 100}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Window: 1}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Window: 4, Dropout: 0.2}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 3, Inner: 6, Causal: true, Window: 5, Rotary: attention.RotaryHalf}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Form: attention.Linear}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 1, Causal: true, Form: attention.Linear, Rotary: attention.RotaryInterleaved}),
		blockVariant(layers.BlockConfig{Mixer: layers.PositionConfig{DModel: 3}, NoResidual: true}),
		positionVariant(layers.PositionConfig{DModel: 4, Positions: layers.LearnedPositions, MaxLen: 2 * familyLength}),
		transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 2, Causal: true, Positions: layers.SinusoidalPositions}),
		transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 2, Causal: true, PreNorm: true, Gate: true, FF: 3, Positions: layers.LearnedPositions, MaxLen: 2 * familyLength, Dropout: 0.1, AttentionDropout: 0.2}),
		transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 1, Causal: true, PreNorm: true, Form: attention.Linear, Positions: layers.SinusoidalPositions, Activation: ops.ActReLU, NoAttentionBias: true}),
		transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 1, Causal: true, Window: 3, FF: 2, Positions: layers.SinusoidalPositions}),
		transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 2, Causal: true, PreNorm: true, Rotary: attention.RotaryHalf, Window: 3, FF: 2, FFDropout: 0.1, NoBias: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.TransformerConfig{DModel: 4, Heads: 2, Causal: true, FF: 3}, Norm: layers.NoNorm, NoResidual: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true}, PreNorm: true, Dropout: 0.1}),
	}
}

// largest returns the largest absolute value of a parameter.
func largest(l layers.Layer, name string) float64 {
	most := math.Inf(-1)
	for _, p := range l.Params() {
		if strings.HasSuffix(p.Name, name) {
			for _, v := range testutil.Floats(p.Node.Value()) {
				most = max(most, math.Abs(v))
			}
		}
	}
	return most
}

// shapes lists the parameters of a layer.
func shapes(l layers.Layer) string {
	var s []string
	for _, p := range l.Params() {
		s = append(s, strings.TrimPrefix(p.Name, l.Name()+".")+" "+strings.ReplaceAll(fmt.Sprint(p.Node.Shape()), " ", ""))
	}
	return strings.Join(s, ", ")
}

func TestAttentionAtTheStart(t *testing.T) {
	const e = 24
	l, err := layers.NewAttention(G.NewGraph(), tensor.Float64, layers.AttentionConfig{DModel: e, Heads: 3, Inner: 12})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := shapes(l), "in_proj_weight (36,24), in_proj_bias (36), out_proj.weight (24,12), out_proj.bias (24)"; got != want {
		t.Errorf("got parameters %s, want %s", got, want)
	}
	for name, bound := range map[string]float64{"in_proj_weight": math.Sqrt(6. / (e + 36)), "out_proj.weight": 1 / math.Sqrt(12), "in_proj_bias": 0, "out_proj.bias": 0} {
		if got := largest(l, name); got > bound || got < 0.9*bound {
			t.Errorf("%s: got values up to %g, want up to %g", name, got, bound)
		}
	}
	want := layers.AttentionConfig{DModel: e, Heads: 3, Inner: 12, Form: attention.Softmax}
	if got := l.Config(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	p, err := layers.NewPosition(G.NewGraph(), tensor.Float32, layers.PositionConfig{DModel: 16, Positions: layers.LearnedPositions, MaxLen: 50})
	if err != nil {
		t.Fatal(err)
	}
	if got := largest(p, "weight"); got < 0.04 || got > 0.1 {
		t.Errorf("learned positions up to %g", got)
	}
}

func TestAttentionConfigErrors(t *testing.T) {
	learned := layers.LearnedPositions
	for want, cfg := range map[string]layers.Config{
		"AttentionConfig: want DModel >= 1, got 0":                                                    layers.AttentionConfig{Heads: 1},
		"AttentionConfig: want Inner >= 1, or 0 for DModel, got -2":                                   layers.AttentionConfig{DModel: 4, Heads: 2, Inner: -2},
		"AttentionConfig: want Heads >= 1, got 0":                                                     layers.AttentionConfig{DModel: 4},
		"AttentionConfig: want Heads that divide the 4 features, got 3":                               layers.AttentionConfig{DModel: 4, Heads: 3},
		"AttentionConfig: want Heads that divide the 5 features, got 2":                               layers.AttentionConfig{DModel: 4, Heads: 2, Inner: 5},
		"AttentionConfig: want an even number of features of a head with Rotary, got 3":               layers.AttentionConfig{DModel: 6, Heads: 2, Rotary: attention.RotaryHalf},
		`AttentionConfig: want Rotary "", "interleaved" or "half", got "both"`:                        layers.AttentionConfig{DModel: 4, Heads: 2, Rotary: "both"},
		`AttentionConfig: want Form "softmax" or "linear", got "hard"`:                                layers.AttentionConfig{DModel: 4, Heads: 2, Form: "hard"},
		"AttentionConfig: want Window 3 with Causal, got it without":                                  layers.AttentionConfig{DModel: 4, Heads: 2, Window: 3},
		"AttentionConfig: want Window in [0, 1073741824], got -1":                                     layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Window: -1},
		`AttentionConfig: want Window 0 with Form "linear", got 3`:                                    layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Window: 3, Form: attention.Linear},
		"AttentionConfig: want Dropout in [0, 1), got 1":                                              layers.AttentionConfig{DModel: 4, Heads: 2, Dropout: 1},
		`AttentionConfig: want Dropout 0 with Form "linear", got 0.1`:                                 layers.AttentionConfig{DModel: 4, Heads: 2, Dropout: 0.1, Form: attention.Linear},
		"TransformerConfig: AttentionConfig: want Dropout in [0, 1), got -1":                          layers.TransformerConfig{DModel: 4, Heads: 2, AttentionDropout: -1},
		"AttentionConfig: want a finite Theta >= 1, or 0 for 10000, got NaN":                          layers.AttentionConfig{DModel: 4, Heads: 2, Rotary: attention.RotaryHalf, Theta: math.NaN()},
		"AttentionConfig: want a finite Theta >= 1, or 0 for 10000, got 1e-320":                       layers.AttentionConfig{DModel: 64, Heads: 1, Rotary: attention.RotaryHalf, Theta: 1e-320},
		"AttentionConfig: want Rotary with Theta 500, the base of its angles, got none":               layers.AttentionConfig{DModel: 4, Heads: 2, Theta: 500},
		"TransformerConfig: AttentionConfig: want Rotary with Theta 500":                              layers.TransformerConfig{DModel: 4, Heads: 2, Theta: 500},
		"PositionConfig: want DModel >= 1, got -1":                                                    layers.PositionConfig{DModel: -1},
		`PositionConfig: want Positions "sinusoidal" or "learned", got "none"`:                        layers.PositionConfig{DModel: 2, Positions: layers.NoPositions},
		`PositionConfig: want MaxLen >= 1 with Positions "learned", got 0`:                            layers.PositionConfig{DModel: 2, Positions: learned},
		`want Positions "learned" with MaxLen 7, got "sinusoidal"`:                                    layers.PositionConfig{DModel: 2, MaxLen: 7},
		"TransformerConfig: AttentionConfig: want Heads that divide the 4 features, got 3":            layers.TransformerConfig{DModel: 4, Heads: 3},
		"TransformerConfig: FeedForwardConfig: want FF >= 1, or 0 for 4*DModel, got -1":               layers.TransformerConfig{DModel: 4, Heads: 2, FF: -1},
		"TransformerConfig: Dropout: DropoutConfig: want P in [0, 1), got 1":                          layers.TransformerConfig{DModel: 4, Heads: 2, Dropout: 1},
		"TransformerConfig: FeedForwardConfig: Dropout: DropoutConfig: want P in [0, 1), got 2":       layers.TransformerConfig{DModel: 4, Heads: 2, FFDropout: 2},
		"TransformerConfig: FeedForwardConfig: Activation: want an activation of":                     layers.TransformerConfig{DModel: 4, Heads: 2, Activation: "soft"},
		`TransformerConfig: PositionConfig: want MaxLen >= 1 with Positions "learned", got 0`:         layers.TransformerConfig{DModel: 4, Heads: 2, Positions: learned},
		`TransformerConfig: MaxLen is the number of learned positions: want Positions "learned" with`: layers.TransformerConfig{DModel: 4, Heads: 2, MaxLen: 4},
		"BlockConfig: want a finite NormEps >= 0, got +Inf":                                           layers.BlockConfig{Mixer: layers.LinearConfig{In: 2, Out: 2}, NormEps: math.Inf(1)},
		"TransformerConfig: want a finite NormEps >= 0, got -1":                                       layers.TransformerConfig{DModel: 4, Heads: 2, NormEps: -1},
	} {
		_, err := layers.New(G.NewGraph(), tensor.Float32, cfg)
		errorSays(t, "New", err, want)
	}
}

// What is not causal has no state, and says so.
func TestAttentionThatIsNotCausalHasNoState(t *testing.T) {
	for want, v := range map[string]variant{
		`layers: Attention "attention": METHOD: an attention that is not causal needs the future: want Causal true`:      attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2}),
		`layers: Transformer "transformer": METHOD: a Transformer that is not causal needs the future: want Causal true`: transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 2}),
	} {
		g := G.NewGraph()
		l, err := v.make(g, tensor.Float32)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = l.FwdState(placeholder(g, tensor.Float32, "x", 1, 4, 3), nil)
		wantError(t, err, strings.ReplaceAll(want, "METHOD", "FwdState"))
		_, err = l.Recurrence(1)
		wantError(t, err, strings.ReplaceAll(want, "METHOD", "Recurrence"))
		if s := l.StateShapes(2); s != nil {
			t.Errorf("got states %v", s)
		}
	}
}

// sinusoid is the formula of the sinusoidal positions.
func sinusoid(n, e, width int) float64 {
	angle := float64(n) * math.Pow(10000, -float64(e-e%2)/float64(width))
	if e%2 == 0 {
		return math.Sin(angle)
	}
	return math.Cos(angle)
}

func TestPositions(t *testing.T) {
	const e, n = 5, 9
	x := testutil.Normal(rand.New(rand.NewPCG(9, 1)), "x", 2, e, n)
	for _, cfg := range []layers.PositionConfig{{DModel: e}, {DModel: e, Positions: layers.LearnedPositions, MaxLen: n}} {
		g := G.NewGraph()
		l, err := layers.NewPosition(g, tensor.Float64, cfg)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(x.F)
		for i := range want {
			at, f := i%n, i/n%e
			if cfg.MaxLen == 0 {
				want[i] += sinusoid(at, f, e)
			} else {
				want[i] += l.Params()[0].Node.Value().Data().([]float64)[at*e+f]
			}
		}
		r, err := l.Recurrence(2)
		if err != nil {
			t.Fatal(err)
		}
		for how, got := range map[string][]float64{"Fwd": forward(t, l, g, tensor.Float64, x), "Step": stepAll(t, r, tensor.Float64, x)} {
			if e := testutil.RelErr(got, want); !(e <= 1e-14) {
				t.Errorf("%+v: %s is off by %.3g", cfg, how, e)
			}
		}
	}
}

// Steps beyond the learned positions are errors, and change nothing: of the layer,
// and of a Transformer layer and models that begin with it.
func TestLearnedPositionsComeToAnEnd(t *testing.T) {
	const e, most = 4, 5
	cfg := layers.PositionConfig{DModel: e, Positions: layers.LearnedPositions, MaxLen: most}
	model := layers.TransformerConfig{DModel: e, Heads: 2, Causal: true, Positions: layers.LearnedPositions, MaxLen: most}
	linear := model
	linear.Form = attention.Linear
	for _, v := range []variant{
		positionVariant(cfg), transformerVariant(model), transformerVariant(linear),
		blockVariant(layers.BlockConfig{Mixer: model, Norm: layers.NoNorm, NoResidual: true}),
		variantOf(e, layers.StackConfig{Blocks: []layers.BlockConfig{ // the first of which would go on
			{Mixer: layers.LSTMConfig{DModel: e}}, {Mixer: model, Norm: layers.NoNorm, NoResidual: true},
		}}, layers.NewStack, (*layers.Stack).CloneTo),
	} {
		g := G.NewGraph()
		l := v.on(t, g, tensor.Float64)
		for _, long := range []func(x *G.Node) error{
			func(x *G.Node) error { _, err := l.Fwd(x); return err },
			func(x *G.Node) error { _, _, err := l.FwdState(x, nil); return err },
		} {
			errorSays(t, v.name, long(placeholder(g, tensor.Float64, "x", 1, e, most+1)), "want at most MaxLen = 5 steps, as many as there are learned positions, got 6")
		}
		g = G.NewGraph()
		c, err := v.clone(l, g)
		if err != nil {
			t.Fatal(err)
		}
		state := states(rand.New(rand.NewPCG(9, 2)), l, 1) // after 3 steps
		y, _, err := c.FwdState(node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, e, 3}, F: make([]float64, 3*e)}), stateNodes(g, tensor.Float64, state))
		if err != nil {
			t.Fatal(err)
		}
		var value G.Value
		G.Read(y, &value)
		vm := G.NewTapeMachine(g, G.EvalMode())
		errorSays(t, v.name, vm.RunAll(), "want a whole number in [0, 2], got 3")
		vm.Close()

		r, err := l.Recurrence(2)
		if err != nil {
			t.Fatal(err)
		}
		stepAll(t, r, tensor.Float64, testutil.Normal(rand.New(rand.NewPCG(9, 3)), "x", 2, e, most))
		before := r.State()
		for range 2 {
			_, err := r.Step(testutil.Dense(tensor.Float64, make([]float64, 2*e), 2, e))
			errorSays(t, v.name, err, "Step: want at most 5 steps, as many as there are positions, got another in row 0")
		}
		if !slices.Equal(numbers(r.State()), numbers(before)) {
			t.Errorf("%s: a step that fails changes the state", v.name)
		}
		if err := r.SetState(before); err != nil {
			t.Error(err)
		}
		for _, s := range before {
			if isCount(s.Name) {
				s.Value.Data().([]float64)[1] = most + 1
			}
		}
		errorSays(t, v.name, r.SetState(before), `SetState: "position" of row 1: want a whole number in [0, 5], got 6`)
	}
}

// A cache of another model or another batch is an error, after which the state is as
// it was.
func TestCacheOfAnotherModel(t *testing.T) {
	full := layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true}
	window, linear, one, wide := full, full, full, full
	window.Window, linear.Form, one.Heads, wide.Inner = 4, attention.Linear, 1, 8
	stateOf := func(cfg layers.AttentionConfig, dt tensor.Dtype, batch, steps int) layers.State {
		l, err := layers.NewAttention(G.NewGraph(), dt, cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := recurrence(t, l, batch)
		stepAll(t, r, dt, testutil.Normal(rand.New(rand.NewPCG(9, 4)), "x", batch, cfg.DModel, steps))
		return r.State()
	}
	good := stateOf(full, tensor.Float64, 2, 3)
	changed := func(change func(s layers.State)) layers.State {
		s := good.Clone()
		change(s)
		return s
	}
	const l = `layers: Attention "attention": SetState: `
	for _, c := range []struct {
		cfg   layers.AttentionConfig
		state layers.State
		want  string
	}{
		{full, nil, l + `want a state of ["k" "v" "position"], got []`},
		{full, stateOf(linear, tensor.Float64, 2, 3), l + `want a state of ["k" "v" "position"], got ["S" "z"]`},
		{linear, good, l + `want a state of ["S" "z"], got ["k" "v" "position"]`},
		{full, stateOf(full, tensor.Float64, 3, 3), l + `want a state "k" (2, 2, T, 2), got (3, 2, 3, 2)`},
		{full, stateOf(one, tensor.Float64, 2, 3), l + `want a state "k" (2, 2, T, 2), got (2, 1, 3, 4)`},
		{full, stateOf(wide, tensor.Float64, 2, 3), l + `want a state "k" (2, 2, T, 2), got (2, 2, 3, 4)`},
		{window, stateOf(full, tensor.Float64, 2, 4), l + `want a state "k" (2, 2, 3, 2), got (2, 2, 4, 2)`},
		{full, stateOf(full, tensor.Float32, 2, 3), l + `want a contiguous row-major state "k" of dtype float64, got dtype float32`},
		{full, changed(func(s layers.State) { s[1] = stateOf(full, tensor.Float64, 2, 4)[1] }), l + `want "k" and "v" of one length T, got 3 and 4`},
		{full, changed(func(s layers.State) { s[0].Name = "q" }), l + `want a state of ["k" "v" "position"], got ["q" "v" "position"]`},
		{full, changed(func(s layers.State) { s[2].Value.Data().([]float64)[1] = 1.5 }), "want a whole number in [0, 1073741824], got 1.5"},
		{full, changed(func(s layers.State) { s[2].Value.Data().([]float64)[1] = math.NaN() }), "got NaN"},
		{full, changed(func(s layers.State) { s[2].Value.Data().([]float64)[0] = -1 }), "got -1"},
	} {
		layer, err := layers.NewAttention(G.NewGraph(), tensor.Float64, c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := recurrence(t, layer, 2)
		stepAll(t, r, tensor.Float64, testutil.Normal(rand.New(rand.NewPCG(9, 5)), "x", 2, 4, 2))
		before := numbers(r.State())
		errorSays(t, c.want, r.SetState(c.state), c.want)
		if !slices.Equal(numbers(r.State()), before) {
			t.Errorf("%s: the state changed", c.want)
		}
	}
	// In a graph too.
	g := G.NewGraph()
	layer, err := layers.NewAttention(g, tensor.Float64, full)
	if err != nil {
		t.Fatal(err)
	}
	x := placeholder(g, tensor.Float64, "x", 2, 4, 3)
	k := func(name string, dt tensor.Dtype, shape ...int) *G.Node { return placeholder(g, dt, name, shape...) }
	cache, position := k("k", tensor.Float64, 2, 2, 3, 2), k("position", tensor.Float64, 2)
	for want, x0 := range map[string]G.Nodes{
		`want a state of ["k" "v" "position"], or none for zero, got 2`: {cache, cache},
		`want a state "k" (2, 2, T, 2), got (2, 1, 3, 4)`:               {k("one", tensor.Float64, 2, 1, 3, 4), cache, position},
		`want a state "position" of dtype float64, got float32`:         {cache, cache, k("p32", tensor.Float32, 2)},
		`want a state "v" (2, 2, T, 2), got nil`:                        {cache, nil, position},
		"x0: v: want (2, 2, 3, 2), got (2, 2, 4, 2)":                    {cache, k("v", tensor.Float64, 2, 2, 4, 2), position},
	} {
		_, _, err := layer.FwdState(x, x0)
		errorSays(t, "FwdState", err, want)
	}
}

// A Transformer layer takes a whole state or none of it.
func TestStateOfATransformerIsSetAsAWhole(t *testing.T) {
	for _, cfg := range []layers.TransformerConfig{
		{DModel: 4, Heads: 2, Causal: true, Positions: layers.LearnedPositions, MaxLen: 9},
		{DModel: 4, Heads: 2, Causal: true, Positions: layers.SinusoidalPositions, Form: attention.Linear},
	} {
		l, err := layers.NewTransformer(G.NewGraph(), tensor.Float64, cfg)
		if err != nil {
			t.Fatal(err)
		}
		after := func(steps int) *layers.Recurrence {
			r := recurrence(t, l, 2)
			stepAll(t, r, tensor.Float64, testutil.Normal(rand.New(rand.NewPCG(9, 9)), "x", 2, 4, steps))
			return r
		}
		r, wrong := after(2), after(3).State()
		x := testutil.Normal(rand.New(rand.NewPCG(9, 10)), "x", 2, 4, 4)
		before := r.State()
		want := stepAll(t, r, tensor.Float64, x)
		for what, change := range map[string]func(s layers.State) layers.State{
			"a tensor less":  func(s layers.State) layers.State { return s[:len(s)-1] },
			"another length": func(s layers.State) layers.State { s[1] = after(5).State()[1]; return s },
			"no number":      func(s layers.State) layers.State { s[len(s)-1].Value.Data().([]float64)[1] = 0.5; return s },
		} {
			if cfg.Form == attention.Linear && what == "another length" {
				continue // sums have none
			}
			if err := r.SetState(before); err != nil {
				t.Fatal(err)
			}
			errorSays(t, what, r.SetState(change(wrong.Clone())), "SetState: ")
			if got := stepAll(t, r, tensor.Float64, x); !slices.Equal(got, want) {
				t.Errorf("%s: after an error it goes on from another state", what)
			}
		}
	}
}

// Rows that have seen different numbers of steps go on together, and apart again; a
// cache may be longer than what counts in it, whatever is in front.
func TestCachesOfDifferentLengths(t *testing.T) {
	for _, v := range transformers() {
		if strings.Contains(v.name, "PositionConfig") {
			continue
		}
		l := v.on(t, G.NewGraph(), tensor.Float64)
		rng := rand.New(rand.NewPCG(9, 6))
		var parts []layers.State
		var want []float64
		next := testutil.Normal(rng, "next", 2, v.dModel, 5)
		for b, steps := range []int{7, 2} {
			r := recurrence(t, l, 1)
			stepAll(t, r, tensor.Float64, testutil.Normal(rng, "x", 1, v.dModel, steps))
			parts = append(parts, r.State())
			n := v.dModel * 5
			want = append(want, stepAll(t, r, tensor.Float64, testutil.Input{Shape: tensor.Shape{1, v.dModel, 5}, F: next.F[b*n : (b+1)*n]})...)
		}
		joined, err := layers.JoinStates(parts...)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		for i, s := range joined { // in front of the shorter row
			if s.Grows > 0 {
				d, n := s.Value.Data().([]float64), l.StateShapes(1)[i].Shape[s.Grows+1:].TotalSize()
				heads, slots := s.Value.Shape()[1], s.Value.Shape()[s.Grows]
				for h := range heads {
					for k := range (slots - 2) * n {
						d[((heads+h)*slots)*n+k] = math.NaN()
					}
				}
			}
		}
		both := recurrence(t, l, 2)
		if err := both.SetState(joined); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		if e := testutil.RelErr(stepAll(t, both, tensor.Float64, next), want); !(e <= 1e-13) {
			t.Errorf("%s: rows together are off by %.3g", v.name, e)
		}
		apart, err := both.State().Split(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		one, after := recurrence(t, l, 1), testutil.Normal(rng, "after", 1, v.dModel, 3)
		twice := testutil.Input{Shape: tensor.Shape{2, v.dModel, 3}, F: append(slices.Clone(after.F), after.F...)}
		want = stepAll(t, both, tensor.Float64, twice)
		for b, s := range apart {
			if err := one.SetState(s); err != nil {
				t.Fatal(err)
			}
			n := len(want) / 2
			if e := testutil.RelErr(stepAll(t, one, tensor.Float64, after), want[b*n:(b+1)*n]); !(e <= 1e-13) {
				t.Errorf("%s: row %d apart is off by %.3g", v.name, b, e)
			}
		}
	}
}

// The caches of forks are their own.
func TestForksHaveTheirOwnCache(t *testing.T) {
	for _, v := range transformers() {
		l := v.on(t, G.NewGraph(), tensor.Float64)
		rng := rand.New(rand.NewPCG(9, 7))
		x, y := testutil.Normal(rng, "x", 1, v.dModel, 6), testutil.Normal(rng, "y", 1, v.dModel, 6)
		r := recurrence(t, l, 1)
		f, err := r.Fork(1)
		if err != nil {
			t.Fatal(err)
		}
		want := stepAll(t, recurrence(t, l, 1), tensor.Float64, x)
		var got []float64
		for i := range 6 {
			for _, p := range []struct {
				r *layers.Recurrence
				x testutil.Input
			}{{r, x}, {f, y}} {
				u := make([]float64, v.dModel)
				for k := range u {
					u[k] = p.x.F[k*6+i]
				}
				o, err := p.r.Step(testutil.Dense(tensor.Float64, u, 1, v.dModel))
				if err != nil {
					t.Fatal(err)
				}
				if p.r == r {
					got = append(got, testutil.Floats(o)...)
				}
			}
		}
		for i := range got {
			if w := want[i%v.dModel*6+i/v.dModel]; got[i] != w {
				t.Fatalf("%s: step %d: got %g, want %g", v.name, i/v.dModel, got[i], w)
			}
		}
	}
}

func TestTransformerConfigInJSON(t *testing.T) {
	throughJSON(t,
		layers.AttentionConfig{DModel: 8, Heads: 2, Inner: 4, Form: attention.Softmax, Causal: true, Window: 3, Rotary: attention.RotaryHalf, Theta: 100, Dropout: 0.5, NoBias: true},
		layers.PositionConfig{DModel: 8, Positions: layers.LearnedPositions, MaxLen: 9},
		layers.TransformerConfig{
			DModel: 8, Heads: 2, Inner: 4, Form: attention.Softmax, Causal: true, Window: 3, Rotary: attention.RotaryInterleaved, Theta: 100,
			Positions: layers.LearnedPositions, MaxLen: 9, FF: 3, Activation: ops.ActSiLU, Gate: true, PreNorm: true, NormEps: 1e-6,
			Dropout: 0.1, AttentionDropout: 0.2, FFDropout: 0.3, UntiedDropout: true, NoBias: true, NoAttentionBias: true,
		},
	)
}

// The published layers: that of PyTorch with a GELU, and that of the Long Range Arena.
func TestPublishedTransformers(t *testing.T) {
	for want, cfg := range map[string]layers.TransformerConfig{
		"self_attn.layer.in_proj_weight (24,8), self_attn.layer.in_proj_bias (24), self_attn.layer.out_proj.weight (8,8), self_attn.layer.out_proj.bias (8), " +
			"self_attn.norm.weight (8), self_attn.norm.bias (8), " +
			"feedforward.layer.linear1.weight (32,8), feedforward.layer.linear1.bias (32), feedforward.layer.linear2.weight (8,32), feedforward.layer.linear2.bias (8), " +
			"feedforward.norm.weight (8), feedforward.norm.bias (8)": {DModel: 8, Heads: 2, Dropout: 0.1, AttentionDropout: 0.1, FFDropout: 0.1, UntiedDropout: true},
		"positions.weight (32,8), self_attn.layer.in_proj_weight (12,8), self_attn.layer.out_proj.weight (8,4), " +
			"self_attn.norm.weight (8), self_attn.norm.bias (8), " +
			"feedforward.layer.linear1.weight (8,8), feedforward.layer.linear1.bias (8), feedforward.layer.linear2.weight (8,8), feedforward.layer.linear2.bias (8), " +
			"feedforward.norm.weight (8), feedforward.norm.bias (8)": {
			DModel: 8, Heads: 2, Inner: 4, FF: 8, PreNorm: true, NormEps: 1e-6, NoAttentionBias: true, Activation: ops.ActGELUTanh,
			Dropout: 0.3, AttentionDropout: 0.2, FFDropout: 0.3, UntiedDropout: true,
			Positions: layers.LearnedPositions, MaxLen: 32,
		},
	} {
		l, err := layers.NewTransformer(G.NewGraph(), tensor.Float32, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := shapes(l); got != want {
			t.Errorf("got parameters %s\nwant %s", got, want)
		}
		full := cfg
		full.Form = attention.Softmax
		if !cfg.PreNorm {
			full.Inner, full.FF, full.Activation, full.NormEps, full.Positions = 8, 32, ops.ActGELU, 1e-5, layers.NoPositions
		}
		if got := l.Config(); got != full {
			t.Errorf("got %+v, want %+v", got, full)
		}
	}
}

// The weights of an attention are dropped in training, by masks that begin again
// where the buffer says so, with those of copies apart; in evaluation none is.
func TestAttentionDropout(t *testing.T) {
	x := testutil.Normal(rand.New(rand.NewPCG(9, 8)), "x", 2, 4, 9)
	var first [2][]float64
	for i, p := range []float64{0, 0.5} {
		g := G.NewGraph()
		l, err := layers.NewAttention(g, tensor.Float64, layers.AttentionConfig{DModel: 4, Heads: 2, Dropout: p})
		if err != nil {
			t.Fatal(err)
		}
		on := func(opts ...G.VMOpt) []float64 {
			g := G.NewGraph()
			c, err := l.CloneTo(g, layers.InTurn())
			if err != nil {
				t.Fatal(err)
			}
			y, err := c.Fwd(node(g, tensor.Float64, x))
			if err != nil {
				t.Fatal(err)
			}
			var v G.Value
			G.Read(y, &v)
			vm := G.NewTapeMachine(g, opts...)
			defer vm.Close()
			if err := vm.RunAll(); err != nil {
				t.Fatal(err)
			}
			return testutil.Floats(v)
		}
		first[i] = on(G.EvalMode())
		trained := on()
		if slices.Equal(trained, first[i]) != (p == 0) {
			t.Errorf("P = %g: training is evaluation: %v", p, p > 0)
		}
		if p == 0 {
			continue
		}
		if slices.Equal(on(), trained) {
			t.Error("two runs draw one mask")
		}
		if len(l.Buffers()) != 1 || l.Buffers()[0].Name != "attention.dropout.rng" {
			t.Fatalf("got buffers %v", l.Buffers())
		}
		l.Buffers()[0].Value.Data().([]int64)[1] = 0
		if !slices.Equal(on(), trained) {
			t.Error("a run that is resumed draws another mask")
		}
	}
	if !slices.Equal(first[0], first[1]) {
		t.Error("weights are dropped in evaluation")
	}
}

// The epsilon of the norms is that of the configuration.
func TestNormEpsOfATransformer(t *testing.T) {
	x := testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 1}, F: []float64{1e-3, -1e-3}}
	var y [2]float64
	for i, eps := range []float64{0, 1} {
		g := G.NewGraph()
		l, err := layers.NewTransformer(g, tensor.Float64, layers.TransformerConfig{DModel: 2, Heads: 1, FF: 1, NormEps: eps})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range l.Params() {
			if !strings.Contains(p.Name, "norm") {
				clear(p.Node.Value().Data().([]float64))
			}
		}
		y[i] = forward(t, l, g, tensor.Float64, x)[0]
	}
	first := 1e-3 / math.Sqrt(1e-6+1e-5)
	if want := first / math.Sqrt(first*first+1e-5); math.Abs(y[0]-want) > 1e-12 {
		t.Errorf("with the default: got %g, want %g", y[0], want)
	}
	first = 1e-3 / math.Sqrt(1e-6+1)
	if want := first / math.Sqrt(first*first+1); math.Abs(y[1]-want) > 1e-12 {
		t.Errorf("with 1: got %g, want %g", y[1], want)
	}
}
