package models_test

import (
	"path/filepath"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/task"
)

// decoder configures a language model of Transformer layers: the first sees all that
// was before, the others a window or sums of it.
func decoder() models.LanguageModelConfig {
	cfg := models.LanguageModelConfig{Vocab: 7}
	for _, c := range []layers.TransformerConfig{
		{Positions: layers.LearnedPositions, MaxLen: 16, FF: 6},
		{Rotary: attention.RotaryHalf, Window: 4},
		{Form: attention.Linear, FF: 5, Gate: true},
	} {
		c.DModel, c.Heads, c.Causal, c.PreNorm = 4, 2, true, true
		cfg.Stack.Blocks = append(cfg.Stack.Blocks, layers.BlockConfig{Mixer: c, Norm: layers.NoNorm, NoResidual: true})
	}
	cfg.Stack.Norm = layers.LayerNorm
	return cfg
}

// generated feeds token ids to a recurrence and returns the scores behind each,
// (B, Vocab) after (B, Vocab).
func generated(t *testing.T, r *layers.Recurrence, ids ...[]int) (scores [][]float64) {
	t.Helper()
	for _, row := range ids {
		y, err := r.Step(tensor.New(tensor.WithShape(len(row)), tensor.WithBacking(row)))
		if err != nil {
			t.Fatal(err)
		}
		scores = append(scores, append([]float64(nil), testutil.Floats(y)...))
	}
	return scores
}

// A language model of Transformer layers writes by its caches what it reads as a
// whole, in rows at different places, from a state in bytes, and after it was saved.
func TestTransformerLanguageModel(t *testing.T) {
	m := newLanguageModel(t, decoder(), tensor.Float64)
	ids := []int{3, 1, 4, 1, 5, 0, 2, 6, 5, 3, 5}
	n := len(ids)
	whole, _ := scores(t, m, ids, []int{n}, nil)
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	loaded, err := models.LoadLanguageModel(G.NewGraph(), dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := loaded.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	var states []layers.State // behind 0, 1, .. tokens
	for l, id := range ids {
		states = append(states, r.State())
		y := generated(t, r, []int{id})[0]
		if e := testutil.RelErr(y, at(whole, n, l, l+1)); !(e <= 1e-12) {
			t.Errorf("step %d: relative error %.3g", l, e)
		}
	}
	text, err := states[6].MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := states[6].UnmarshalBinary(text); err != nil {
		t.Fatal(err)
	}
	joined, err := layers.JoinStates(states[6], states[0], states[3])
	if err != nil {
		t.Fatal(err)
	}
	three, err := r.Fork(3)
	if err != nil {
		t.Fatal(err)
	}
	if err := three.SetState(joined); err != nil {
		t.Fatal(err)
	}
	for l := range 5 {
		y := generated(t, three, []int{ids[6+l], ids[l], ids[3+l]})[0]
		for b, from := range []int{6, 0, 3} {
			if e := testutil.RelErr(y[7*b:7*(b+1)], at(whole, n, from+l, from+l+1)); !(e <= 1e-12) {
				t.Errorf("row %d, step %d: relative error %.3g", b, from+l, e)
			}
		}
	}
}

// Sequences that are carried over from batch to batch want a state that keeps its
// size.
func TestTransformerLanguageModelCarriesWindows(t *testing.T) {
	cfg := decoder()
	cfg.Carry = true
	m := newLanguageModel(t, cfg, tensor.Float64)
	if _, err := m.Build(task.Training, 1, 4); err == nil || !strings.Contains(err.Error(), `state "0.k" grows`) {
		t.Errorf("got error %v", err)
	}
	cfg.Stack.Blocks = cfg.Stack.Blocks[1:]
	whole := cfg
	whole.Carry = false
	ids := []int{3, 1, 4, 1, 5, 0, 2, 6, 5}
	want, _ := scores(t, newLanguageModel(t, whole, tensor.Float64), ids, []int{len(ids)}, nil)
	m = newLanguageModel(t, cfg, tensor.Float64)
	var state []*tensor.Dense
	for lo := 0; lo < len(ids); lo += 3 {
		var part []float64
		part, state = scores(t, m, ids[lo:lo+3], []int{3}, state)
		if e := testutil.RelErr(part, at(want, len(ids), lo, lo+3)); !(e <= 1e-12) {
			t.Errorf("steps from %d: relative error %.3g", lo, e)
		}
	}
}

// A model whose layers see the future cannot predict.
func TestTransformerLanguageModelIsCausal(t *testing.T) {
	cfg := decoder()
	cfg.Stack.Blocks[1].Mixer = layers.TransformerConfig{DModel: 4, Heads: 2}
	const want = `layers: Transformer "blocks.1.layer": Recurrence: a Transformer that is not causal needs the future: want Causal true`
	if _, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, cfg, 0); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}
