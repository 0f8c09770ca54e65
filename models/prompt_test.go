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

// reader returns a recurrence of one row of a model.
func reader(t *testing.T, m *models.LanguageModel) *layers.Recurrence {
	t.Helper()
	r, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// steps returns token ids as a recurrence reads them.
func steps(ids []int) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids))
}

// readFrom reads ids behind a state, nil for that of a start.
func readFrom(ctx context.Context, r *layers.Recurrence, x0 layers.State, ids []int) (scores *tensor.Dense, x1 layers.State, err error) {
	r.Reset()
	if x0 != nil {
		if err := r.SetState(x0); err != nil {
			return nil, nil, err
		}
	}
	scores, err = r.Read(ctx, steps(ids))
	return scores, r.State(), err
}

// read reads ids behind a state, and returns the scores behind the last.
func read(t *testing.T, r *layers.Recurrence, x0 layers.State, ids []int) ([]float64, layers.State) {
	t.Helper()
	y, x1, err := readFrom(context.Background(), r, x0, ids)
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
func TestPromptIsTheParallelAndTheRecurrentView(t *testing.T) {
	const most = 600
	lengths := []int{1, 2, 511, 512, 513, most} // around the steps that are read at a time
	for name, cfg := range prompted(most) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1e-4} {
				m := newLanguageModel(t, cfg, dt)
				ids := prompt(most)
				all := parallel(t, m, ids)
				p, r := reader(t, m), reader(t, m)
				seen := 0
				for _, n := range lengths {
					var stepped *tensor.Dense
					for ; seen < n; seen++ {
						var err error
						if stepped, err = r.Step(steps(ids[seen : seen+1])); err != nil {
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
func checkParts(t *testing.T, m *models.LanguageModel, p *layers.Recurrence, ids []int, tol float64) {
	t.Helper()
	want, _ := read(t, p, nil, ids[:431])
	_, x := read(t, p, nil, ids[:130])
	f, err := p.Fork(1)
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
	y, err := r.Step(steps([]int{3, ids[431]}))
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
			y, _ := read(t, reader(t, m), nil, ids)
			if e := testutil.RelErr(y, at(parallel(t, m, ids), n, n-1, n)); !(e <= 1e-4) {
				t.Errorf("off from the parallel view by %.3g > 1e-4", e)
			}
		})
	}
}

// New parameters are read by Refresh, for all forks, and not before.
func TestPromptAfterRefresh(t *testing.T) {
	m := newLanguageModel(t, prompted(64)["S4D"], tensor.Float32)
	ids := prompt(40)
	r := reader(t, m)
	f, err := r.Fork(1)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := read(t, r, nil, ids)
	for _, q := range m.Params() {
		for i := range q.Node.Value().Data().([]float32) {
			q.Node.Value().Data().([]float32)[i] *= 0.9
		}
	}
	if y, _ := read(t, r, nil, ids); !reflect.DeepEqual(y, before) {
		t.Error("new parameters are read before Refresh")
	}
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	want, _ := read(t, reader(t, m), nil, ids)
	for _, r := range []*layers.Recurrence{r, f} {
		if y, _ := read(t, r, nil, ids); !reflect.DeepEqual(y, want) || reflect.DeepEqual(y, before) {
			t.Error("new parameters are not read by Refresh")
		}
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
func TestPromptErrors(t *testing.T) {
	cfg := prompted(64)["S4D"]
	cfg.Stack.Blocks = append(cfg.Stack.Blocks, layers.BlockConfig{Mixer: layers.PositionConfig{DModel: 4, Positions: layers.LearnedPositions, MaxLen: 600}})
	r := reader(t, newLanguageModel(t, cfg, tensor.Float32))
	ids := prompt(590)
	want, x := read(t, r, nil, ids)
	bad := prompt(500)
	bad[321] = promptVocab
	two, err := layers.JoinStates(x, x)
	if err != nil {
		t.Fatal(err)
	}
	background := context.Background()
	for _, c := range []struct {
		want string
		ctx  context.Context
		x0   layers.State
		ids  []int
	}{
		{"with L >= 1, got", background, nil, nil},
		{"ids[321]: want an id in [0, 11), got 11", background, nil, bad},
		{"want at most 600 steps, as many as there are positions, got 11 after 590", background, x, ids[:11]},
		{"got 601 after 0", background, nil, append(prompt(590), ids[:11]...)},
		{`want a state "x" (1, 4, 2, 2), got (2, 4, 2, 2)`, background, two, ids},
		{"want a state of", background, x[1:], ids},
		{"layers: Recurrence: Read: after 512 of 590 steps: context canceled", &ends{background, 1}, nil, ids},
	} {
		_, _, err := readFrom(c.ctx, r, c.x0, c.ids)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
		if strings.Contains(c.want, "canceled") && !errors.Is(err, context.Canceled) {
			t.Errorf("want context.Canceled, got %v", err)
		}
	}
	if y, _ := read(t, r, nil, ids); !reflect.DeepEqual(y, want) {
		t.Error("errors have left something behind")
	}
}
