package models_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
)

// loaded returns the first rows of a table as a batch.
func loaded(t testing.TB, rows, length int, cols ...task.Column) *task.Batch {
	t.Helper()
	ds, err := task.NewTable(cols...)
	if err != nil {
		t.Fatal(err)
	}
	b := task.NewBatch(ds)
	examples := make([]int, ds.Len())
	for i := range examples {
		examples[i] = i
	}
	if err := b.Load(examples, rows, length); err != nil {
		t.Fatal(err)
	}
	return b
}

// attribution is a saliency by finite differences: every embedding of one token, of
// which the ids have each once, is scaled.
func attribution(t *testing.T, score func() []float64, row []float64) float64 {
	t.Helper()
	const eps = 1e-5
	old := slices.Clone(row)
	at := func(k float64) float64 {
		for i, v := range old {
			row[i] = k * v
		}
		defer copy(row, old)
		return score()[0]
	}
	return (at(1+eps) - at(1-eps)) / (2 * eps)
}

// The saliency of a step is what the score changes by where the embedding of its token
// is scaled.
func TestSaliency(t *testing.T) {
	cfg := tokens()
	cfg.Vocab = 9
	m := newClassifier(t, cfg, tensor.Float64)
	table := m.Params()[0].Node.Value().Data().([]float64)
	ids := []int{1, 2, 3, 4, 5, 6, 7, 8}
	b := loaded(t, 3, 5, task.Col(task.Tokens(task.X, 0), [][]int{ids[:5], ids[5:]}), task.Col(task.Label(task.Target), []int{0, 1}))
	s, err := models.NewSaliency(m, 3, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	padded := append(slices.Clone(ids), 0, 0)
	lengths := []int{5, 3}
	for _, classes := range [][]int{nil, {2, 0, -1}, {-1, 1, 0}} {
		got, err := s.Run(b, classes)
		if err != nil {
			t.Fatal(err)
		}
		all := logits(t, m, slices.Clone(padded), slices.Clone(lengths))
		if e := testutil.RelErr(got.Logits.Float64s[:6], all); !(e <= 1e-12) || !got.Logits.Shape.Eq(tensor.Shape{3, 3}) {
			t.Errorf("logits: relative error %.3g", e)
		}
		for row, n := range lengths {
			class := slices.Index(all[3*row:3*row+3], slices.Max(all[3*row:3*row+3]))
			if classes != nil && classes[row] >= 0 {
				class = classes[row]
			}
			if got.Classes[row] != class {
				t.Errorf("row %d: class %d, want %d", row, got.Classes[row], class)
			}
			for l := range 5 {
				want := 0.0
				if l < n {
					id := padded[5*row+l]
					want = attribution(t, func() []float64 {
						return logits(t, m, slices.Clone(padded), slices.Clone(lengths))[3*row+class:]
					}, table[4*id:4*id+4])
				}
				if v := got.Steps[task.X][5*row+l]; math.Abs(v-want) > 1e-7 {
					t.Errorf("classes %v, row %d, step %d: got %g, want %g", classes, row, l, v, want)
				}
			}
		}
		if rest := got.Steps[task.X][10:]; slices.ContainsFunc(rest, func(v float64) bool { return v != 0 }) {
			t.Errorf("a row that only fills the batch has %v", rest)
		}
	}
	for want, f := range map[string]func() error{
		"models: Saliency: want a batch (3, 5), got (2, 5)": func() error {
			_, err := s.Run(loaded(t, 2, 5, task.Col(task.Tokens(task.X, 0), [][]int{ids[:5], ids[5:]})), nil)
			return err
		},
		"models: Saliency: want a class of each of 3 rows, or nil, got 2":          func() error { _, err := s.Run(b, []int{1, 2}); return err },
		"ops.Pick: class[1]: want one in [0, 3), or -1 for the winning one, got 3": func() error { _, err := s.Run(b, []int{1, 3, 0}); return err },
		"models: Saliency: want a Classifier or a Retrieval, got *models.LanguageModel": func() error {
			_, err := models.NewSaliency(newLanguageModel(t, letters(), tensor.Float32), 1, 1)
			return err
		},
		"models: Saliency: want batch and length >= 1, got 0 and 5": func() error { _, err := models.NewSaliency(m, 0, 5); return err },
		`models: Saliency: want field "x" of dtype int and shape (3, 5), got float32 of shape (3, 5, 2)`: func() error {
			_, err := s.Run(loaded(t, 3, 5, task.Col(task.Features(task.X, 2), [][]float32{make([]float32, 10)})), nil)
			return err
		},
		"want one that NewSaliency made and that was not closed": func() error {
			if err := s.Close(); err != nil {
				return err
			}
			if err := s.Close(); err != nil {
				return err
			}
			_, err := s.Run(b, nil)
			return err
		},
	} {
		if strings.Contains(want, "not closed") {
			defer func() {
				if err := f(); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want %q", err, want)
				}
			}()
			continue
		}
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := s.Run(b, nil); err != nil {
		t.Errorf("after an error: %v", err)
	}
}

// Both documents of a pair have a saliency, in either type and whether or not the model
// can step.
func TestSaliencyOfPairs(t *testing.T) {
	cfg := pairs()
	cfg.Vocab = 12
	cfg.Stack.Blocks[0].Mixer = layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true}}
	m := newRetrieval(t, cfg, tensor.Float64)
	table := m.Params()[0].Node.Value().Data().([]float64)
	docs := [][][]int{{{1, 2, 3, 4}, {5, 6}}, {{7}, {8, 9, 10}}}
	fields := task.Pair(task.Tokens("", 0))
	b := loaded(t, 2, 4, task.Col(fields[0], docs[0]), task.Col(fields[1], docs[1]))
	s, err := models.NewSaliency(m, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Run(b, []int{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	for k, name := range []string{task.X, task.X2} {
		for row, class := range []int{1, 0} {
			for l := range 4 {
				want := 0.0
				if l < len(docs[k][row]) {
					id := docs[k][row][l]
					want = attribution(t, func() []float64 { return pairScores(t, m, docs)[2*row+class:] }, table[4*id:4*id+4])
				}
				if v := got.Steps[name][4*row+l]; math.Abs(v-want) > 1e-7 {
					t.Errorf("%s, row %d, step %d: got %g, want %g", name, row, l, v, want)
				}
			}
		}
	}
	single, err := models.NewSaliency(newRetrieval(t, cfg, tensor.Float32), 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	as32, err := single.Run(b, []int{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	for name, steps := range got.Steps {
		if e := testutil.RelErr(as32.Steps[name], steps); !(e <= testutil.TolFloat32) {
			t.Errorf("%s in float32: relative error %.3g", name, e)
		}
	}
	if _, err := models.NewSaliency(m, 1<<40, 1); err == nil {
		t.Error("a huge batch was accepted")
	}
}

// A graph of its own does not change the model: dropouts, statistics, parameters.
func TestSaliencyChangesNothing(t *testing.T) {
	m := newClassifier(t, tokens(), tensor.Float64)
	var before [][]float64
	all := func() (v [][]float64) {
		for _, p := range m.Params() {
			v = append(v, testutil.Floats(p.Node.Value()))
		}
		for _, b := range m.Buffers() {
			if b.Value.Dtype() == tensor.Int64 {
				for _, n := range b.Value.Data().([]int64) {
					v = append(v, []float64{float64(n)})
				}
				continue
			}
			v = append(v, testutil.Floats(b.Value))
		}
		return v
	}
	before = all()
	s, err := models.NewSaliency(m, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if _, err := s.Run(loaded(t, 1, 3, task.Col(task.Tokens(task.X, 0), [][]int{{1, 2, 3}})), nil); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.EqualFunc(all(), before, slices.Equal[[]float64]) {
		t.Error("the model is another")
	}
	var _ G.VM // the machine is the saliency's own
}
