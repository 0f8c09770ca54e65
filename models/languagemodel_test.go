package models_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// letters configures a language model of blocks that differ.
func letters() models.LanguageModelConfig {
	return models.LanguageModelConfig{Vocab: 7, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: 16}, PreNorm: true},
		{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, Norm: layers.BatchNorm},
	}}}
}

func newLanguageModel(t testing.TB, cfg models.LanguageModelConfig, dt tensor.Dtype) *models.LanguageModel {
	t.Helper()
	m, err := models.NewLanguageModel(G.NewGraph(), dt, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// scores runs a graph in evaluation mode on token ids (B, L), and returns the
// logits (B, Vocab, L) and the states behind the ids, from those of before.
func scores(t testing.TB, m *models.LanguageModel, ids, lengths []int, before []*tensor.Dense) (logits []float64, after []*tensor.Dense) {
	t.Helper()
	b := len(lengths)
	gr, err := m.WithLogits().Build(task.Evaluation, b, len(ids)/b)
	if err != nil {
		t.Fatal(err)
	}
	let := map[*G.Node]any{
		gr.Inputs[task.X]:       tensor.New(tensor.WithShape(b, len(ids)/b), tensor.WithBacking(slices.Clone(ids))),
		gr.Inputs[task.Lengths]: tensor.New(tensor.WithShape(b), tensor.WithBacking(slices.Clone(lengths))),
		gr.Inputs[task.Target]:  tensor.New(tensor.WithShape(b, len(ids)/b), tensor.WithBacking(make([]int, len(ids)))),
	}
	states := make([]G.Value, len(gr.States))
	for i, s := range gr.States {
		let[s.In] = tensor.New(tensor.Of(s.In.Dtype()), tensor.WithShape(s.In.Shape()...))
		if before != nil {
			let[s.In] = before[i]
		}
		G.Read(s.Out, &states[i])
	}
	for n, v := range let {
		if err := G.Let(n, v); err != nil {
			t.Fatal(err)
		}
	}
	var v G.Value
	G.Read(gr.Outputs[task.Logits], &v)
	vm := G.NewTapeMachine(gr.G, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		after = append(after, s.(*tensor.Dense).Clone().(*tensor.Dense))
	}
	return testutil.Floats(v), after
}

// at returns the logits of the steps [lo, hi) of (vocab, l).
func at(logits []float64, l, lo, hi int) (part []float64) {
	for v := 0; v < len(logits); v += l {
		part = append(part, logits[v+lo:v+hi]...)
	}
	return part
}

// A whole sequence, its parts with the state carried, and its tokens one by one
// give the same scores.
func TestLanguageModelInOneInPartsAndStepByStep(t *testing.T) {
	ids := []int{3, 1, 4, 1, 5, 0, 2, 6, 5, 3, 5}
	cfg := letters()
	whole, _ := scores(t, newLanguageModel(t, cfg, tensor.Float64), ids, []int{len(ids)}, nil)
	cfg.Carry = true
	m := newLanguageModel(t, cfg, tensor.Float64)
	var state []*tensor.Dense
	for lo := 0; lo < len(ids); {
		hi := min(lo+4, len(ids))
		var part []float64
		part, state = scores(t, m, ids[lo:hi], []int{hi - lo}, state)
		if e := testutil.RelErr(part, at(whole, len(ids), lo, hi)); !(e <= 1e-12) || len(state) != 2 {
			t.Errorf("steps %d to %d, %d states: relative error %.3g", lo, hi, len(state), e)
		}
		lo = hi
	}
	r, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	for l, id := range ids {
		y, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id})))
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(testutil.Floats(y), at(whole, len(ids), l, l+1)); !(e <= 1e-12) {
			t.Errorf("step %d: relative error %.3g", l, e)
		}
	}
}

func TestLanguageModelPaddingIsNotRead(t *testing.T) {
	m := newLanguageModel(t, letters(), tensor.Float64)
	short, _ := scores(t, m, []int{1, 2, 3}, []int{3}, nil)
	padded, _ := scores(t, m, []int{1, 2, 3, 6, 5}, []int{3}, nil)
	if e := testutil.RelErr(at(padded, 5, 0, 3), short); !(e <= 1e-12) {
		t.Errorf("padding moves the logits by %.3g", e)
	}
}

// What is saved is what is loaded, in either type; one kind of model is not
// another.
func TestLanguageModelSaveAndLoad(t *testing.T) {
	ids := []int{3, 1, 4, 1, 5}
	m := newLanguageModel(t, letters(), tensor.Float32)
	want, _ := scores(t, m, ids, []int{5}, nil)
	dir, other := filepath.Join(t.TempDir(), "model"), t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float32: 0, tensor.Float64: 1e-5} {
		l, err := models.LoadLanguageModel(G.NewGraph(), dir, models.As(dt))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := scores(t, l, ids, []int{5}, nil)
		if e := testutil.RelErr(got, want); !(e <= tol) {
			t.Errorf("%v: relative error %.3g", dt, e)
		}
	}
	if err := newClassifier(t, tokens(), tensor.Float32).Save(other); err != nil {
		t.Fatal(err)
	}
	if _, err := models.LoadLanguageModel(G.NewGraph(), other); err == nil || !strings.Contains(err.Error(), `config.json: want model "language_model", got "classifier"`) {
		t.Errorf("got error %v", err)
	}
	if _, err := models.LoadClassifier(G.NewGraph(), dir); err == nil || !strings.Contains(err.Error(), `config.json: want model "classifier", got "language_model"`) {
		t.Errorf("got error %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"model": "language_model", "dtype": "float32"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := models.LoadLanguageModel(G.NewGraph(), dir); err == nil || !strings.Contains(err.Error(), "config.json: want a config, got none") {
		t.Errorf("got error %v", err)
	}
}

func TestLanguageModelConfigErrors(t *testing.T) {
	for want, change := range map[string]func(*models.LanguageModelConfig){
		"LanguageModelConfig: encoder: EmbeddingConfig: want Vocab >= 1, got 0": func(c *models.LanguageModelConfig) { c.Vocab = 0 },
		"want at least one of Blocks, got none":                                 func(c *models.LanguageModelConfig) { c.Stack.Blocks = nil },
		`LanguageModel: layers: Block "blocks.0": Recurrence: layers: S4D "blocks.0.layer": Recurrence: a bidirectional layer needs the future`: func(c *models.LanguageModelConfig) {
			c.Stack.Blocks = []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true}}}}
		},
	} {
		cfg := letters()
		change(&cfg)
		if m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, cfg, 0); m != nil || err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "models: ") {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	m := newLanguageModel(t, letters(), tensor.Float32)
	if _, err := m.Build(task.Training, 2, 0); err == nil || err.Error() != "models: LanguageModel: Build: want batch and length >= 1, got 2 and 0" {
		t.Errorf("got error %v", err)
	}
	if s := m.Summary(); !strings.Contains(s, "encoder (B, 4, L), 2 blocks (B, 4, L), decoder (B, 7, L)") || !strings.Contains(s, "blocks.1") {
		t.Errorf("got\n%s", s)
	}
}

// A piece that is shorter than the others, or a batch that is not full, would leave
// a state of padding.
func TestCarryWantsWholePieces(t *testing.T) {
	for want, x := range map[string][][]int{
		"example 2: lengths: want a number in [4, 5), got 3":                                       {{1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3}, {1, 2, 3, 4}},
		"row 1, which only fills the batch of examples 2: lengths: want a number in [4, 5), got 0": {{1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4}},
	} {
		cfg := letters()
		cfg.Carry = true
		ds, err := task.NewTable(task.Col(task.Tokens(task.X, 0), x), task.Col(task.Labels(task.Target), x))
		check(err)
		tr, err := train.New(train.Config{Epochs: 1, BatchSize: 2, LR: 0.01, InOrder: true}, newLanguageModel(t, cfg, tensor.Float32), ds, nil)
		check(err)
		if _, err := tr.Fit(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		check(tr.Close())
	}
}
