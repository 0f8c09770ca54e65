package models_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// promptVocab is the number of token ids of the models of these tests.
const promptVocab = 11

// prompted are language models of every kind of layer that steps, whose kernels reach
// as far as a length.
func prompted(reach int) map[string]models.LanguageModelConfig {
	const h = 4
	inner := func(m layers.MixerConfig) layers.BlockConfig { return layers.BlockConfig{Mixer: m, PreNorm: true} }
	bare := func(m layers.MixerConfig) layers.BlockConfig {
		return layers.BlockConfig{Mixer: m, NoResidual: true, Norm: layers.NoNorm}
	}
	cfgs := map[string]models.LanguageModelConfig{}
	for name, blocks := range map[string][]layers.BlockConfig{
		"S4":                 {inner(layers.S4Config{DModel: h, DState: 4, LMax: reach}), inner(layers.FeedForwardConfig{DModel: h})},
		"S4D":                {inner(layers.S4DConfig{DModel: h, DState: 4}), inner(layers.FeedForwardConfig{DModel: h, Gate: true})},
		"DSS":                {inner(layers.DSSConfig{DModel: h, DState: 4, LMax: reach, Version: vandermonde.DSSExp})},
		"LSSL":               {inner(layers.LSSLConfig{DModel: h, DState: 4})},
		"LSTM":               {inner(layers.LSTMConfig{DModel: h})},
		"GRU":                {inner(layers.GRUConfig{DModel: h})},
		"Transformer":        {bare(layers.TransformerConfig{DModel: h, Heads: 2, Causal: true, PreNorm: true, Positions: layers.SinusoidalPositions})},
		"rotary Transformer": {bare(layers.TransformerConfig{DModel: h, Heads: 2, Causal: true, PreNorm: true, Rotary: attention.RotaryHalf})},
		"window":             {inner(layers.AttentionConfig{DModel: h, Heads: 2, Causal: true, Window: 300})},
		"linear attention":   {inner(layers.AttentionConfig{DModel: h, Heads: 2, Causal: true, Form: attention.Linear})},
		"TCN":                {bare(layers.TCNConfig{In: h, Out: h, Levels: 2})},
		"ConvNet":            {inner(layers.ConvNetConfig{DModel: h})},
	} {
		cfgs[name] = models.LanguageModelConfig{Vocab: promptVocab, Stack: layers.StackConfig{Blocks: blocks, Repeat: 2}}
	}
	return cfgs
}

// prompt draws n token ids.
func prompt(n int) []int {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	ids := make([]int, n)
	for i := range ids {
		ids[i] = rng.IntN(promptVocab)
	}
	return ids
}

// parallel returns the scores (Vocab, L) of a model in the parallel view.
func parallel(t *testing.T, m *models.LanguageModel, ids []int) []float64 {
	t.Helper()
	g := G.NewGraph()
	c, err := m.CloneTo(g)
	if err != nil {
		t.Fatal(err)
	}
	x := G.NewMatrix(g, tensor.Int, G.WithShape(1, len(ids)), G.WithName("ids"), G.WithValue(tensor.New(tensor.WithShape(1, len(ids)), tensor.WithBacking(ids))))
	y, err := c.Fwd(x, nil)
	if err != nil {
		t.Fatal(err)
	}
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(v)
}

// prefill returns a Prefill of a model.
func prefill(t *testing.T, m *models.LanguageModel) *models.Prefill {
	t.Helper()
	p, err := models.NewPrefill(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// read reads ids behind a state.
func read(t *testing.T, p *models.Prefill, x0 layers.State, ids []int) ([]float64, layers.State) {
	t.Helper()
	y, x1, err := p.Read(context.Background(), x0, ids)
	if err != nil {
		t.Fatal(err)
	}
	if !y.Shape().Eq(tensor.Shape{1, promptVocab}) {
		t.Fatalf("want scores (1, %d), got %v", promptVocab, y.Shape())
	}
	return testutil.Floats(y), x1
}

// The scores behind a prompt are those of the parallel view, and state and scores those
// of a recurrence that steps through it, as is what follows.
func TestPrefillIsTheParallelAndTheRecurrentView(t *testing.T) {
	const most = 600
	lengths := []int{1, 2, 511, 512, 513, most} // around the steps that are read at a time
	for name, cfg := range prompted(most) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1e-4} {
				m := newLanguageModel(t, cfg, dt)
				ids := prompt(most)
				all := parallel(t, m, ids)
				p := prefill(t, m)
				r, err := m.Recurrence(1)
				if err != nil {
					t.Fatal(err)
				}
				seen := 0
				for _, n := range lengths {
					var stepped *tensor.Dense
					for ; seen < n; seen++ {
						if stepped, err = r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking(ids[seen:seen+1]))); err != nil {
							t.Fatal(err)
						}
					}
					y, x1 := read(t, p, nil, ids[:n])
					if e := testutil.RelErr(y, at(all, most, n-1, n)); !(e <= tol) {
						t.Errorf("%v, %d tokens: off from the parallel view by %.3g > %g", dt, n, e, tol)
					}
					if e := testutil.RelErr(y, testutil.Floats(stepped)); !(e <= tol) {
						t.Errorf("%v, %d tokens: off from the recurrent view by %.3g > %g", dt, n, e, tol)
					}
					checkStates(t, x1, r.State(), tol)
				}
				checkParts(t, m, p, ids, tol)
			}
		})
	}
}

// checkStates reports a state that is not the one that is wanted.
func checkStates(t *testing.T, got, want layers.State, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("want a state of %d tensors, got %d", len(want), len(got))
	}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name || g.Grows != w.Grows || g.Value.Dtype() != w.Value.Dtype() || !g.Value.Shape().Eq(w.Value.Shape()) {
			t.Fatalf("want state %q of %v %v, got %q of %v %v", w.Name, w.Value.Dtype(), w.Value.Shape(), g.Name, g.Value.Dtype(), g.Value.Shape())
		}
		if e := testutil.RelErr(testutil.Floats(g.Value), testutil.Floats(w.Value)); !(e <= tol) {
			t.Errorf("state %q is off by %.3g > %g", w.Name, e, tol)
		}
	}
}

// checkParts reads a text in parts, which is to read the whole, and has what follows
// join a batch that is under way.
func checkParts(t *testing.T, m *models.LanguageModel, p *models.Prefill, ids []int, tol float64) {
	t.Helper()
	want, _ := read(t, p, nil, ids[:431])
	_, x := read(t, p, nil, ids[:130])
	f, err := p.Fork()
	if err != nil {
		t.Fatal(err)
	}
	got, x := read(t, f, x, ids[130:431])
	if e := testutil.RelErr(got, want); !(e <= tol) {
		t.Errorf("in parts: off by %.3g > %g", e, tol)
	}
	r, err := m.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Regroup([]int{1}, x); err != nil {
		t.Fatal(err)
	}
	y, err := r.Step(tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{3, ids[431]})))
	if err != nil {
		t.Fatal(err)
	}
	want, _ = read(t, p, nil, ids[:432])
	if e := testutil.RelErr(testutil.Floats(y)[promptVocab:], want); !(e <= tol) {
		t.Errorf("what follows is off by %.3g > %g", e, tol)
	}
}

// Nor does it matter how long a prompt is.
func TestLongPrompts(t *testing.T) {
	const n = 10_000
	ids := prompt(n)
	for name, cfg := range prompted(n) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newLanguageModel(t, cfg, tensor.Float32)
			y, _ := read(t, prefill(t, m), nil, ids)
			if e := testutil.RelErr(y, at(parallel(t, m, ids), n, n-1, n)); !(e <= 1e-4) {
				t.Errorf("off from the parallel view by %.3g > 1e-4", e)
			}
		})
	}
}

// New parameters are read by Refresh, for all forks, and not before.
func TestPrefillRefresh(t *testing.T) {
	m := newLanguageModel(t, prompted(64)["S4D"], tensor.Float32)
	ids := prompt(40)
	p := prefill(t, m)
	f, err := p.Fork()
	if err != nil {
		t.Fatal(err)
	}
	before, _ := read(t, p, nil, ids)
	for _, q := range m.Params() {
		for i := range q.Node.Value().Data().([]float32) {
			q.Node.Value().Data().([]float32)[i] *= 0.9
		}
	}
	if y, _ := read(t, p, nil, ids); !reflect.DeepEqual(y, before) {
		t.Error("new parameters are read before Refresh")
	}
	if err := p.Refresh(); err != nil {
		t.Fatal(err)
	}
	want, _ := read(t, prefill(t, m), nil, ids)
	for _, p := range []*models.Prefill{p, f} {
		if y, _ := read(t, p, nil, ids); !reflect.DeepEqual(y, want) || reflect.DeepEqual(y, before) {
			t.Error("new parameters are not read by Refresh")
		}
	}
	r, err := m.Recurrence(3)
	if err != nil {
		t.Fatal(err)
	}
	of, err := models.PrefillOf(r)
	if err != nil {
		t.Fatal(err)
	}
	if y, _ := read(t, of, nil, ids); !reflect.DeepEqual(y, want) {
		t.Error("a Prefill of a recurrence differs from one of its model")
	}
}

// ends is a context that ends when it has been asked a number of times.
type ends struct {
	context.Context
	left int
}

func (e *ends) Err() error {
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return nil
}

// What cannot be read is an error that says so, and leaves nothing behind.
func TestPrefillErrors(t *testing.T) {
	cfg := prompted(64)["S4D"]
	cfg.Stack.Blocks = append(cfg.Stack.Blocks, layers.BlockConfig{Mixer: layers.PositionConfig{DModel: 4, Positions: layers.LearnedPositions, MaxLen: 600}})
	m := newLanguageModel(t, cfg, tensor.Float32)
	p := prefill(t, m)
	ids := prompt(590)
	want, x := read(t, p, nil, ids)
	bad := prompt(500)
	bad[321] = promptVocab
	r, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	of, err := models.PrefillOf(r)
	if err != nil {
		t.Fatal(err)
	}
	var none *models.Prefill
	two, err := layers.JoinStates(x, x)
	if err != nil {
		t.Fatal(err)
	}
	background := context.Background()
	for _, c := range []struct {
		want string
		p    *models.Prefill
		ctx  context.Context
		x0   layers.State
		ids  []int
	}{
		{"models: Prefill: Read: want at least one token, got none", p, background, nil, nil},
		{"models: Prefill: Read: ids[321]: want an id in [0, 11), got 11", p, background, nil, bad},
		{"ids[321]: want an id in [0, 11), got 11", of, background, nil, bad},
		{"want at most 600 steps, as many as there are positions, got 11 after 590", p, background, x, ids[:11]},
		{"got 601 after 0", p, background, nil, append(prompt(590), ids[:11]...)},
		{`want a state "x" (1, 4, 2, 2), got (2, 4, 2, 2)`, p, background, two, ids},
		{"want a state of", p, background, x[1:], ids},
		{"models: Prefill: Read: layers: Recurrence: Read: after 512 of 590 steps: context canceled", p, &ends{background, 1}, nil, ids},
		{"want one that NewPrefill, PrefillOf or Fork made", none, background, nil, ids},
	} {
		_, _, err := c.p.Read(c.ctx, c.x0, c.ids)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
		if strings.Contains(c.want, "canceled") && !errors.Is(err, context.Canceled) {
			t.Errorf("want context.Canceled, got %v", err)
		}
	}
	if y, _ := read(t, p, nil, ids); !reflect.DeepEqual(y, want) {
		t.Error("errors have left something behind")
	}
	if _, err := models.NewPrefill(nil); err == nil {
		t.Error("a Prefill of no model")
	}
	if _, err := none.Fork(); err == nil || none.Refresh() == nil {
		t.Error("the zero value is no error")
	}
}
