package models_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// tied configures a language model whose table is the weight of the scores.
func tied() models.LanguageModelConfig {
	cfg := letters()
	cfg.Tie = true
	return cfg
}

// adaptive configures one whose vocabulary is in clusters.
func adaptive() models.LanguageModelConfig {
	cfg := tied()
	cfg.Cutoffs, cfg.DivVal = []int{3, 5}, 2
	return cfg
}

// A model that was saved before there was anything to tie is what it was.
func TestLoadALanguageModelOfBefore(t *testing.T) {
	m, err := models.LoadLanguageModel(G.NewGraph(), filepath.Join("testdata", "language_model"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]float64{
		{0.46915984, -0.20409608, 0.2469227, 1.0937443, 0.38684353, 0.7921003, -0.30651516},
		{1.2105085, 1.127857, -0.25975406, -0.5550261, -0.11685388, -1.6477569, -0.41547588},
		{-0.070458025, 0.7436096, 0.13334444, 0.54488707, -0.048973292, -0.48242512, -0.66883063},
	}
	for i, id := range []int{3, 1, 4} {
		y, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id})))
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(testutil.Floats(y), want[i]); !(e <= 1e-5) {
			t.Errorf("step %d: relative error %.3g", i, e)
		}
	}
	if cfg := m.Config().(models.LanguageModelConfig); !cfg.Carry || cfg.Tie || m.Vocab() != 7 {
		t.Errorf("got %+v", cfg)
	}
}

// What is tied is one tensor: in the parameters, in a copy, in a graph, in a file.
func TestTiedIsOneTensor(t *testing.T) {
	m := newLanguageModel(t, tied(), tensor.Float64)
	names := func(ps []param.Param) (names []string) {
		for _, p := range ps {
			if strings.HasPrefix(p.Name, "encoder.") || strings.HasPrefix(p.Name, "decoder.") {
				names = append(names, p.Name)
			}
		}
		return names
	}
	want := []string{"encoder.weight", "decoder.bias"}
	c, err := m.CloneTo(G.NewGraph())
	check(err)
	gr, err := m.Build(task.Training, 2, 4)
	check(err)
	for _, ps := range [][]param.Param{m.Params(), c.Params(), gr.Params} {
		if got := names(ps); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if !weights.Same(ps[0].Node.Value(), m.Params()[0].Node.Value()) {
			t.Error("the table is another")
		}
	}
	dir := t.TempDir()
	check(m.Save(dir))
	f, err := safetensors.ReadFile(filepath.Join(dir, "model.safetensors"))
	check(err)
	for _, ts := range f.Tensors {
		if ts.Name == "decoder.weight" {
			t.Error("the file has decoder.weight")
		}
	}
	for _, m := range []*models.LanguageModel{m, newLanguageModel(t, adaptive(), tensor.Float64)} {
		check(m.Save(dir))
		l, err := models.Open(G.NewGraph(), dir)
		check(err)
		ids := []int{3, 1, 4, 1, 5}
		before, _ := scores(t, m, ids, []int{5}, nil)
		after, _ := scores(t, l.(*models.LanguageModel), ids, []int{5}, nil)
		if !slices.Equal(before, after) || !reflect.DeepEqual(l.Config(), m.Config()) {
			t.Error("what was loaded is another")
		}
	}
	if s := newLanguageModel(t, adaptive(), tensor.Float64).Summary(); !strings.Contains(s, "decoder (B, 7, L), adaptive in 3 clusters, tied to the encoder\n") || !strings.Contains(s, "emb_layers.2.weight") {
		t.Errorf("got\n%s", s)
	}
	if s := m.Summary(); !strings.Contains(s, "decoder (B, 7, L), tied to the encoder\n") || !strings.Contains(s, "decoder            Softmax                  7\n") {
		t.Errorf("got\n%s", s)
	}
}

// lossOf returns the loss of a graph of a model on some tokens, and its gradient with
// respect to the first parameter, by a machine of either kind.
func lossOf(t *testing.T, m *models.LanguageModel, lisp bool) (loss float64, grad []float64) {
	t.Helper()
	ids := []int{3, 1, 4, 1, 5, 0}
	gr, err := m.Build(task.Training, 2, 3)
	check(err)
	for name, v := range map[string]*tensor.Dense{
		task.X: tensor.New(tensor.WithShape(2, 3), tensor.WithBacking(ids)), task.Lengths: tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{3, 2})),
		task.Target: tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]int{1, 4, 6, 5, 0, task.Ignore})),
	} {
		check(G.Let(gr.Inputs[name], v))
	}
	w := gr.Params[0].Node
	var l G.Value
	G.Read(gr.Loss, &l)
	var vm G.VM
	if lisp {
		vm = G.NewLispMachine(gr.G)
	} else {
		_, err = G.Grad(gr.Loss, w)
		check(err)
		vm = G.NewTapeMachine(gr.G, G.BindDualValues(w))
	}
	defer vm.Close()
	check(vm.RunAll())
	g, err := w.Grad()
	check(err)
	return testutil.Floats(l)[0], slices.Clone(testutil.Floats(g))
}

// The gradient of what is tied is the sum of both sides, on either machine.
func TestTiedGradient(t *testing.T) {
	t.Run("table", func(t *testing.T) { checkFirstGradient(t, tied()) })
	t.Run("adaptive", func(t *testing.T) { checkFirstGradient(t, adaptive()) })
}

// checkFirstGradient compares the gradient of the first parameter, the table of the
// most frequent tokens, with finite differences.
func checkFirstGradient(t *testing.T, cfg models.LanguageModelConfig) {
	m := newLanguageModel(t, cfg, tensor.Float64)
	for _, p := range m.Params() { // those of the scores start as 0
		if v := p.Node.Value().(*tensor.Dense).Float64s(); strings.HasPrefix(p.Name, "decoder.") && v[0] == 0 {
			for i := range v {
				v[i] = math.Sin(float64(3*i + len(p.Name)))
			}
		}
	}
	_, grad := lossOf(t, m, false)
	_, lisp := lossOf(t, m, true)
	table := m.Params()[0].Node.Value().(*tensor.Dense).Float64s()
	num := make([]float64, len(grad))
	const eps = 1e-5
	for i := range table {
		v := table[i]
		table[i] = v + eps
		up, _ := lossOf(t, m, false)
		table[i] = v - eps
		down, _ := lossOf(t, m, false)
		table[i] = v
		num[i] = (up - down) / (2 * eps)
	}
	for name, g := range map[string][]float64{"tape": grad, "lisp": lisp} {
		if e := testutil.RelErr(g, num); !(e <= 1e-7) {
			t.Errorf("%s: relative error %.3g", name, e)
		}
	}
}

// A tied table starts small, and its rows are made large: features and scores of a new
// model are near N(0, 1).
func TestTiedStart(t *testing.T) {
	cfg := tied()
	cfg.Vocab = 4000
	for i, of := range []func(*models.LanguageModelConfig){
		func(*models.LanguageModelConfig) {},
		func(c *models.LanguageModelConfig) { c.InitScale, c.Scale = 0.5, 3 },
		func(c *models.LanguageModelConfig) { c.Tie = false },
	} {
		of(&cfg)
		m := newLanguageModel(t, cfg, tensor.Float64)
		sum := 0.0
		table := testutil.Floats(m.Params()[0].Node.Value())
		for _, v := range table {
			sum += v * v
		}
		if std, want := math.Sqrt(sum/float64(len(table))), []float64{0.5, 0.25, 0.25}[i]; math.Abs(std/want-1) > 0.05 {
			t.Errorf("%+v: standard deviation %v, want %v", cfg, std, want)
		}
	}
	// Over 7 tokens that a new model knows nothing of, about log 7.
	if loss, _ := lossOf(t, newLanguageModel(t, tied(), tensor.Float64), false); !(loss < 2*math.Log(7)) {
		t.Errorf("a new model has loss %v", loss)
	}
}

// Rules know what is tied by the name of the encoder; a frozen table does not change
// in training, and one that learns does.
func TestRulesOfTied(t *testing.T) {
	ids := make([]int, 33)
	for i := range ids {
		ids[i] = i * i % 7
	}
	ds, err := task.NewStreams(ids, 2, 4)
	check(err)
	for frozen, rules := range map[bool]param.Rules{true: {param.Freeze("encoder.*")}, false: nil} {
		m := newLanguageModel(t, tied(), tensor.Float32)
		before := slices.Clone(testutil.Floats(m.Params()[0].Node.Value()))
		tr, err := train.New(train.Config{Epochs: 1, BatchSize: 2, LR: 0.01, Rules: rules}, m, ds, ds, train.WithMetrics(train.Perplexity(), train.WordPerplexity(train.PerTarget(0.5)), train.BitsPerByte(train.PerTarget(4))))
		check(err)
		r, err := tr.Fit(context.Background())
		check(err)
		if same := slices.Equal(before, testutil.Floats(m.Params()[0].Node.Value())); same != frozen {
			t.Errorf("frozen %t: the table is the same: %t", frozen, same)
		}
		v := r.Best.Val
		for name, want := range map[string]float64{"perplexity": math.Exp(v.Loss), "word_perplexity": math.Exp(2 * v.Loss), "bits_per_byte": v.Loss / math.Ln2 / 4} {
			if got := v.Value(name); !(math.Abs(got-want) <= 1e-5*want) {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		}
		check(tr.Close())
	}
	if err := (param.Rules{param.Freeze("decoder.weight")}).Apply(newLanguageModel(t, tied(), tensor.Float32).Params()); err == nil || !strings.Contains(err.Error(), `rule "decoder.weight": want a pattern of one of the parameters "encoder.weight"`) {
		t.Errorf("got error %v", err)
	}
}

// The scores of a whole batch are among the outputs only where they are asked for.
func TestLogitsAreAskedFor(t *testing.T) {
	m := newLanguageModel(t, letters(), tensor.Float32)
	for want, m := range map[bool]*models.LanguageModel{false: m, true: m.WithLogits()} {
		for _, carry := range []bool{false, true} {
			gr, err := m.WithCarry(carry).Build(task.Evaluation, 2, 3)
			check(err)
			if logits := gr.Outputs[task.Logits]; (logits != nil) != want || want && !logits.Shape().Eq(tensor.Shape{2, 7, 3}) {
				t.Errorf("want logits: %t, got %v", want, logits)
			}
			if nll := gr.Outputs[task.NLL]; nll == nil || !nll.Shape().Eq(tensor.Shape{2, 3}) {
				t.Errorf("got %v", nll)
			}
			if (len(gr.States) > 0) != carry {
				t.Errorf("carry %t: %d states", carry, len(gr.States))
			}
		}
	}
	c, err := m.WithLogits().CloneTo(G.NewGraph())
	check(err)
	if gr, err := c.Build(task.Evaluation, 1, 1); err != nil || gr.Outputs[task.Logits] == nil {
		t.Errorf("a copy has no logits, error %v", err)
	}
}

// A run that is resumed in mid-epoch is the unbroken one, bit for bit: the states, the
// dropouts and what is tied among it. So is one in micro-batches of streams.
func TestLanguageModelResumes(t *testing.T) {
	ids := make([]int, 4*4*9+1)
	for i := range ids {
		ids[i] = (i*i + i/5) % 7
	}
	ds, err := task.NewStreams(ids, 4, 4)
	check(err)
	mc := adaptive()
	mc.Dropout, mc.Carry = 0.3, true
	run := func(dir string, steps, micro int) (*train.Trainer, *models.LanguageModel) {
		m := newLanguageModel(t, mc, tensor.Float32)
		tr, err := train.New(train.Config{Steps: steps, BatchSize: 4, MicroBatch: micro, LR: 0.01, WeightDecay: 0.1, InOrder: true, CheckpointDir: dir, EvalEvery: 100}, m, ds, nil)
		check(err)
		return tr, m
	}
	for _, micro := range []int{0, 2} {
		want, m := run("", 6, micro)
		_, err := want.Fit(context.Background())
		check(err)
		dir := t.TempDir()
		half, _ := run(dir, 4, micro)
		_, err = half.Fit(context.Background())
		check(err)
		rest, got := run(dir, 6, micro)
		c, err := train.ReadCheckpoint(filepath.Join(dir, train.LastCheckpoint))
		check(err)
		check(rest.Resume(c))
		_, err = rest.Fit(context.Background())
		check(err)
		for i, p := range m.Params() {
			if !slices.Equal(testutil.Floats(p.Node.Value()), testutil.Floats(got.Params()[i].Node.Value())) {
				t.Errorf("micro-batches of %d: %s is another", micro, p.Name)
			}
		}
		check(errors.Join(want.Close(), half.Close(), rest.Close()))
	}
}

// A checkpoint of another vocabulary is an error that says so, and so is a file.
func TestAnotherVocabularyIsSaid(t *testing.T) {
	ds, err := task.NewStreams([]int{1, 2, 3, 4, 5, 6, 0, 1, 2}, 1, 4)
	check(err)
	other := tied()
	other.Vocab = 9
	dir := t.TempDir()
	tr, err := train.New(train.Config{Steps: 1, BatchSize: 1, LR: 0.01, CheckpointDir: dir}, newLanguageModel(t, tied(), tensor.Float32), ds, nil)
	check(err)
	_, err = tr.Fit(context.Background())
	check(errors.Join(err, tr.Close()))
	c, err := train.ReadCheckpoint(filepath.Join(dir, train.LastCheckpoint))
	check(err)
	if err := c.LoadModel(newLanguageModel(t, other, tensor.Float32)); err == nil || !strings.Contains(err.Error(), "it is of another model: vocab is 7 in the checkpoint, 9 here") {
		t.Errorf("got error %v", err)
	}
	saved := t.TempDir()
	check(newLanguageModel(t, tied(), tensor.Float32).Save(saved))
	text, err := os.ReadFile(filepath.Join(saved, "config.json"))
	check(err)
	check(os.WriteFile(filepath.Join(saved, "config.json"), []byte(strings.Replace(string(text), `"vocab": 7`, `"vocab": 9`, 1)), 0o600))
	if _, err := models.LoadLanguageModel(G.NewGraph(), saved); err == nil || !strings.Contains(err.Error(), "encoder.weight: want shape (9, 4), got (7, 4)") {
		t.Errorf("got error %v", err)
	}
}

// A sequence of one token is a sequence; a copy for another rate is tied as well.
func TestTiedCopiesAndOneToken(t *testing.T) {
	cfg := tied()
	cfg.Dropout, cfg.Stack.Blocks[1].Norm = 0.2, layers.LayerNorm
	m := newLanguageModel(t, cfg, tensor.Float32)
	slow, err := models.Clone(m, G.NewGraph(), layers.AtRate(2))
	check(err)
	for name, m := range map[string]models.Model{"model": m, "copy": slow} {
		ds, err := task.NewStreams([]int{1, 2, 3}, 1, 1)
		check(err)
		tr, err := train.New(train.Config{Steps: 2, BatchSize: 1, LR: 0.01}, m, ds, ds)
		check(err)
		if r, err := tr.Fit(context.Background()); err != nil || !(r.Best.Val.Loss > 0) {
			t.Errorf("%s: got %+v, error %v", name, r, err)
		}
		check(tr.Close())
	}
	if !weights.Same(slow.Params()[0].Node.Value(), m.Params()[0].Node.Value()) {
		t.Error("the table of a copy is another")
	}
}

// What is about clusters wants some, and such as there can be.
func TestAdaptiveLanguageModelErrors(t *testing.T) {
	for want, change := range map[string]func(*models.LanguageModelConfig){
		"models: LanguageModelConfig: want DivVal, DEmbed and TieProjs with Cutoffs only, got 2, 0 and [] without": func(c *models.LanguageModelConfig) { c.DivVal = 2 },
		"want DivVal, DEmbed and TieProjs with Cutoffs only, got 0, 3 and []":                                      func(c *models.LanguageModelConfig) { c.DEmbed = 3 },
		"want DivVal, DEmbed and TieProjs with Cutoffs only, got 0, 0 and [true]":                                  func(c *models.LanguageModelConfig) { c.TieProjs = []bool{true} },
		"LanguageModelConfig: encoder: AdaptiveEmbeddingConfig: field Cutoffs: ":                                   func(c *models.LanguageModelConfig) { c.Cutoffs = []int{3, 9} },
		"LanguageModelConfig: decoder: AdaptiveSoftmaxConfig: want TieProjs of the 1 clusters":                     func(c *models.LanguageModelConfig) { c.Cutoffs, c.TieProjs = []int{3}, []bool{true, false} },
		"LanguageModelConfig: DropoutConfig: want P in [0, 1), got 1":                                              func(c *models.LanguageModelConfig) { c.Dropout = 1 },
		"LanguageModelConfig: encoder: EmbeddingConfig: want a finite Std > 0, or 0 for 1, got -0.5":               func(c *models.LanguageModelConfig) { c.InitScale = -1 },
		"LanguageModelConfig: encoder: EmbeddingConfig: want a finite Scale, or 0 for 1, got NaN":                  func(c *models.LanguageModelConfig) { c.Scale = math.NaN() },
	} {
		cfg := tied()
		change(&cfg)
		if _, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, cfg, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// The configuration of the paper is valid, and what it is said to be.
func TestPaperLanguageModel(t *testing.T) {
	cfg := models.PaperLanguageModel(1024)
	if err := cfg.Validate(); err != nil || cfg.Stack.Len() != 48 || cfg.Stack.DModel() != 1024 {
		t.Errorf("%d blocks of %d features, error %v", cfg.Stack.Len(), cfg.Stack.DModel(), err)
	}
	// The same of an eighth of the width, of which there are enough to know the kind.
	small := models.LanguageModelConfig{Vocab: 1000, Tie: true, Dropout: 0.25, Cutoffs: []int{100, 200, 500}, DivVal: 4, Stack: models.PaperStack(64, 1, 16, 0.25)}
	m := newLanguageModel(t, small, tensor.Float32)
	n := 0
	for _, p := range m.Params() {
		n += p.Node.Shape().TotalSize()
	}
	const h, f = 64, 4 * 64
	s4 := h + 2*h*32 + 3*2*h*32 + h + 2*h*h + 2*h + 2*h // log_dt, A, P B C, D, GLU, norm
	ff := 2*h*f + f + h + 2*h                           // and norm
	tables := 100*h + 100*h/4 + 300*h/16 + 500*h/64     // of the clusters
	projs := h*h + h*h/4 + h*h/16 + h*h/64              // all tied
	head := 1000 + h*h + 3*h + 3                        // biases, the projection of the shortlist, clusters
	if want := 2*s4 + ff + 2*h + tables + projs + head; n != want {
		t.Errorf("got %d parameters, want %d\n%s", n, want, m.Summary())
	}
	if loss, _ := lossOf(t, m, false); !(loss < 2*math.Log(1000)) {
		t.Errorf("a new model has loss %v", loss)
	}
}

// A prompt that is read at once, by a model of any head, gives the scores that a graph and
// steps give: those of an adaptive one are logarithms of probabilities.
func TestPromptsOfAnyHead(t *testing.T) {
	ids := []int{3, 1, 4, 1, 5, 0, 2, 6, 5, 3}
	for name, cfg := range map[string]models.LanguageModelConfig{"tied": tied(), "adaptive": adaptive()} {
		m := newLanguageModel(t, cfg, tensor.Float64)
		all, _ := scores(t, m, ids, []int{len(ids)}, nil)
		want := at(all, len(ids), len(ids)-1, len(ids))
		got, _, err := readFrom(context.Background(), reader(t, m), nil, ids)
		check(err)
		r := reader(t, m)
		rows := make([][]int, len(ids))
		for i, id := range ids {
			rows[i] = []int{id}
		}
		steps := generated(t, r, rows...)
		if e := testutil.RelErr(testutil.Floats(got), want); !(e <= 1e-12) {
			t.Errorf("%s: at once: relative error %.3g", name, e)
		}
		if e := testutil.RelErr(steps[len(ids)-1], want); !(e <= 1e-12) {
			t.Errorf("%s: step by step: relative error %.3g", name, e)
		}
		var sum float64
		for _, s := range want {
			sum += math.Exp(s)
		}
		if name == "adaptive" && math.Abs(sum-1) > 1e-12 {
			t.Errorf("probabilities add up to %v", sum)
		}
	}
}
