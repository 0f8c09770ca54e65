package models_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
)

// chained returns what the layers of a language model return for tokens (B, L), one
// after the other: the encoder, each block, and the norm behind them.
func chained(t *testing.T, m *models.LanguageModel, batch, length int, ids []int) []G.Value {
	t.Helper()
	cfg := m.Config().(models.LanguageModelConfig)
	g := G.NewGraph()
	c, err := m.CloneTo(g)
	if err != nil {
		t.Fatal(err)
	}
	x := G.NewMatrix(g, tensor.Int, G.WithShape(batch, length), G.WithName("x"), G.WithValue(tensor.New(tensor.WithShape(batch, length), tensor.WithBacking(ids))))
	embedding, err := layers.NewEmbedding(g, m.Dtype(), layers.EmbeddingConfig{Vocab: cfg.Vocab, DModel: cfg.Stack.DModel()})
	if err != nil {
		t.Fatal(err)
	}
	if err := G.Let(embedding.Params()[0].Node, m.Params()[0].Node.Value()); err != nil {
		t.Fatal(err)
	}
	y, err := embedding.Fwd(x)
	if err != nil {
		t.Fatal(err)
	}
	nodes := G.Nodes{y}
	for _, b := range c.Blocks() {
		if y, err = b.Fwd(y); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, y)
	}
	values := make([]G.Value, len(nodes))
	for i, n := range nodes {
		G.Read(n, &values[i])
	}
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return values
}

// The hidden states are what the layers return, in order, and the last of them is what the
// scores are made of.
func TestHidden(t *testing.T) {
	const tol = 1e-12
	m := newLanguageModel(t, letters(), tensor.Float64)
	ids := []int{1, 2, 3, 0, 1, 2, 2, 1, 0, 3}
	b := loaded(t, 2, 5, task.Col(task.Tokens(task.X, 0), [][]int{ids[:5], ids[5:]}))
	h, err := models.NewHidden(m, 2, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for range 2 { // the second run is like the first
		got, err := h.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		want := chained(t, m, 2, 5, ids)
		if len(got) < len(want) || len(got) > len(want)+1 {
			t.Fatalf("got %d states, want %d, and a norm", len(got), len(want))
		}
		for i, v := range want {
			if e := testutil.RelErr(got[i].Float64s, v.Data().([]float64)); !(e <= tol) || !got[i].Shape.Eq(v.Shape()) {
				t.Errorf("state %d: relative error %.3g, shape %v, want %v", i, e, got[i].Shape, v.Shape())
			}
		}
	}
}

// What is behind a length changes nothing before it, and a norm behind the last block has
// a state of its own.
func TestHiddenOfLengths(t *testing.T) {
	const tol = 1e-5
	cfg := tokens()
	cfg.Stack.Norm = layers.LayerNorm
	m := newClassifier(t, cfg, tensor.Float32)
	states := func(length int, tokens ...[]int) []task.Array {
		h, err := models.NewHidden(m, 2, length)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		got, err := h.Run(loaded(t, 2, length, task.Col(task.Tokens(task.X, 0), tokens)))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	padded, alone := states(4, []int{1, 2, 3, 1}, []int{2, 1}), states(2, []int{2, 1})
	if want := len(m.Blocks()) + 2; len(padded) != want {
		t.Fatalf("got %d states, want %d: the encoder, the blocks and the norm", len(padded), want)
	}
	for i, a := range padded {
		for f := range a.Shape[1] {
			for l := range 2 {
				got, want := a.At((a.Shape[1]+f)*4+l), alone[i].At(f*2+l)
				if math.Abs(got-want) > tol {
					t.Fatalf("state %d, feature %d, step %d: got %g, alone %g", i, f, l, got, want)
				}
			}
		}
	}
}

// What was never made is an error.
func TestModelsThatWereNotMade(t *testing.T) {
	for _, m := range []models.Model{
		(*models.Classifier)(nil), (*models.LanguageModel)(nil), (*models.Retrieval)(nil), (*models.Forecaster)(nil),
		&models.Classifier{}, &models.LanguageModel{}, &models.Retrieval{}, &models.Forecaster{},
	} {
		want := "got a " + fmt.Sprintf("%T", m) + " that is nil or zero"
		if _, err := models.Clone(m, G.NewGraph()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Clone: got error %v, want %q", err, want)
		}
		if _, err := models.NewHidden(m, 1, 1); err == nil || !strings.Contains(err.Error(), "models: Hidden: want a ") {
			t.Errorf("NewHidden of a %T: got error %v", m, err)
		}
		if _, err := models.NewSaliency(m, 1, 1); err == nil || !strings.Contains(err.Error(), "models: Saliency: want a ") {
			t.Errorf("NewSaliency of a %T: got error %v", m, err)
		}
	}
}

func TestHiddenErrors(t *testing.T) {
	m := newLanguageModel(t, letters(), tensor.Float32)
	h, err := models.NewHidden(m, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	words := func(rows, length int) *task.Batch {
		return loaded(t, rows, length, task.Col(task.Tokens(task.X, 0), [][]int{{1, 2, 3}, {1, 2, 3}}))
	}
	for want, f := range map[string]func() error{
		"models: Hidden: want a batch (2, 3), got (3, 3)":                 func() error { _, err := h.Run(words(3, 3)); return err },
		"models: Hidden: want a batch (2, 3), got nil":                    func() error { _, err := h.Run(nil); return err },
		"models: Hidden: want batch and length >= 1, got 0 and 3":         func() error { _, err := models.NewHidden(m, 0, 3); return err },
		"models: Hidden: want a Classifier or a LanguageModel, got <nil>": func() error { _, err := models.NewHidden(nil, 1, 1); return err },
		`models: Hidden: want field "x" of dtype int`: func() error {
			_, err := h.Run(loaded(t, 2, 3, task.Col(task.Features(task.X, 2), [][]float32{make([]float32, 6)})))
			return err
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	for range 2 {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.Run(words(2, 3)); err == nil || !strings.Contains(err.Error(), "want one that NewHidden made and that was not closed") {
		t.Errorf("got error %v", err)
	}
}
