package models_test

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
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
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
)

func tokens() models.ClassifierConfig {
	return models.ClassifierConfig{
		Vocab: 7, Classes: 3,
		Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{
			{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, PreNorm: true, Norm: layers.BatchNorm, Dropout: 0.2},
		}},
	}
}

// editS4D changes the configuration of the first block's mixer.
func editS4D(c *models.ClassifierConfig, edit func(*layers.S4DConfig)) {
	s := c.Stack.Blocks[0].Mixer.(layers.S4DConfig)
	edit(&s)
	c.Stack.Blocks[0].Mixer = s
}

func newClassifier(t testing.TB, cfg models.ClassifierConfig, dt tensor.Dtype) *models.Classifier {
	t.Helper()
	m, err := models.NewClassifier(G.NewGraph(), dt, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// logits runs a model in evaluation mode on token ids (B, L).
func logits(t testing.TB, m *models.Classifier, ids []int, lengths []int) []float64 {
	t.Helper()
	b := len(lengths)
	gr, err := m.Build(task.Evaluation, b, len(ids)/b)
	if err != nil {
		t.Fatal(err)
	}
	for n, v := range map[*G.Node]any{
		gr.Inputs[task.X]:       tensor.New(tensor.WithShape(b, len(ids)/b), tensor.WithBacking(ids)),
		gr.Inputs[task.Lengths]: tensor.New(tensor.WithShape(b), tensor.WithBacking(lengths)),
		gr.Inputs[task.Target]:  tensor.New(tensor.WithShape(b), tensor.WithBacking(make([]int, b))),
	} {
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
	return testutil.Floats(v)
}

func TestClassifierPaddingDoesNotMatter(t *testing.T) {
	for _, pool := range ops.PoolModes() {
		for _, bi := range []bool{false, true} {
			cfg := tokens()
			cfg.Pool = pool
			editS4D(&cfg, func(c *layers.S4DConfig) { c.Bidirectional = bi })
			m := newClassifier(t, cfg, tensor.Float64)
			ids := []int{1, 2, 3, 4, 5, 6, 1, 2, 3, 4}
			short := logits(t, m, append([]int(nil), ids[:5]...), []int{5})
			padded := logits(t, m, append([]int(nil), ids...), []int{5})
			if e := testutil.RelErr(padded, short); !(e <= 1e-12) {
				t.Errorf("pool %s, bidirectional %v: padding moves the logits by %.3g", pool, bi, e)
			}
		}
	}
}

func TestClassifierSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	m := newClassifier(t, tokens(), tensor.Float32)
	ids, lengths := []int{1, 2, 3, 4, 5, 6}, []int{3, 2}
	want := logits(t, m, append([]int(nil), ids...), append([]int(nil), lengths...))
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(dir); err != nil { // over the first
		t.Fatal(err)
	}
	got, err := models.LoadClassifier(G.NewGraph(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(logits(t, got, ids, lengths), want); e != 0 {
		t.Errorf("the loaded model gives other logits: relative error %.3g", e)
	}
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(es) != 2 {
		t.Errorf("got files %v, want config.json and model.safetensors", es)
	}
}

func TestLoadErrors(t *testing.T) {
	m := newClassifier(t, tokens(), tensor.Float32)
	edit := func(file string, f func([]byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			p := filepath.Join(dir, file)
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, f(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(old, repl string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !strings.Contains(string(b), old) {
				t.Fatalf("no %q in %s", old, b)
			}
			return []byte(strings.Replace(string(b), old, repl, 1))
		}
	}
	set := func(name string, i int, v float64) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			p := filepath.Join(dir, "model.safetensors")
			f, err := safetensors.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			tn, ok := f.Lookup(name)
			if !ok {
				t.Fatalf("no tensor %q", name)
			}
			tn.Data.([]float32)[i] = float32(v)
			if err := safetensors.WriteFile(p, f); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
	}{
		"no config":         {func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "config.json")) }, "config.json"},
		"no tensors":        {func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "model.safetensors")) }, "model.safetensors"},
		"truncated config":  {edit("config.json", func(b []byte) []byte { return b[:len(b)/2] }), "config.json"},
		"truncated tensors": {edit("model.safetensors", func(b []byte) []byte { return b[:len(b)-1] }), "model.safetensors"},
		"config goes on":    {edit("config.json", func(b []byte) []byte { return append(b, "garbage"...) }), "config.json: there is something behind the end"},
		"NaN":               {set("decoder.bias", 1, math.NaN()), "decoder.bias: element 1: want a finite number, got NaN"},
		"infinity":          {set("blocks.1.layer.D", 2, math.Inf(-1)), "blocks.1.layer.D: element 2: want a finite number, got -Inf"},
		"negative variance": {set("blocks.0.norm.running_var", 3, -0.5), "blocks.0.norm.running_var: element 3: want a finite number >= 0, got -0.5"},
		"lying header":      {edit("model.safetensors", func(b []byte) []byte { b[3] = 0x7f; return b }), "model.safetensors"},
		"unknown field":     {edit("config.json", replace(`"classes"`, `"klasses"`)), `unknown field "klasses"`},
		"other model":       {edit("config.json", replace(`"classes": 3`, `"classes": 4`)), "decoder.weight: want shape (4, 4), got (3, 4)"},
		"other kind":        {edit("config.json", replace(`"classifier"`, `"retrieval"`)), `want model "classifier", got "retrieval"`},
		"bad dtype":         {edit("config.json", replace(`"float32"`, `"int"`)), "want dtype float32 or float64"},
		"too many layers":   {edit("config.json", replace(`"repeat": 2`, `"repeat": 1000000000`)), "want Repeat >= 0 and at most 4096 blocks in all, got 1 blocks and Repeat 1000000000"},
		"out of range":      {edit("config.json", replace(`"repeat": 2`, `"repeat": -2`)), "want Repeat >= 0 and at most 4096 blocks in all, got 1 blocks and Repeat -2"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := m.Save(dir); err != nil {
				t.Fatal(err)
			}
			c.damage(t, dir)
			if _, err := models.LoadClassifier(G.NewGraph(), dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

// half rewrites the F32 tensors of a file as the upper half of their bits, BF16.
func half(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var header map[string]struct {
		Dtype   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "__metadata__") // not a tensor
	names := slices.SortedFunc(maps.Keys(header), func(a, b string) int { return header[a].Offsets[0] - header[b].Offsets[0] })
	var data []byte
	for _, name := range names {
		h := header[name]
		old := b[8+int(n)+h.Offsets[0] : 8+int(n)+h.Offsets[1]]
		h.Offsets[0] = len(data)
		if h.Dtype == "F32" {
			h.Dtype = "BF16"
			for i := 0; i < len(old); i += 4 {
				data = append(data, old[i+2], old[i+3])
			}
		} else {
			data = append(data, old...)
		}
		h.Offsets[1] = len(data)
		header[name] = h
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	out := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	if err := os.WriteFile(path, append(out, data...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A model of any float type loads into one of either type of Gorgonia's.
func TestLoadConverts(t *testing.T) {
	all := func(m *models.Classifier) (v []float64) {
		for _, p := range m.Params() {
			switch s := p.Node.Value().Data().(type) {
			case []float32:
				for _, x := range s {
					v = append(v, float64(x))
				}
			case []float64:
				v = append(v, s...)
			}
		}
		return v
	}
	for _, from := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		m := newClassifier(t, tokens(), from)
		dir := t.TempDir()
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		for _, to := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			got, err := models.LoadClassifier(G.NewGraph(), dir, models.As(to))
			if err != nil {
				t.Fatal(err)
			}
			if dt := got.Params()[0].Node.Dtype(); dt != to {
				t.Errorf("%v as %v: got %v", from, to, dt)
			}
			for i, want := range all(m) {
				if to == tensor.Float32 {
					want = float64(float32(want))
				}
				if v := all(got)[i]; v != want {
					t.Fatalf("%v as %v: element %d is %v, want %v", from, to, i, v, want)
				}
			}
		}
	}
	m := newClassifier(t, tokens(), tensor.Float32)
	dir := t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	half(t, filepath.Join(dir, "model.safetensors"))
	for _, to := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		got, err := models.LoadClassifier(G.NewGraph(), dir, models.As(to))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range all(m) {
			if v := all(got)[i]; v != float64(math.Float32frombits(math.Float32bits(float32(want))&0xffff0000)) {
				t.Fatalf("BF16 as %v: element %d is %v, want the upper bits of %v", to, i, v, want)
			}
		}
	}
	huge := newClassifier(t, tokens(), tensor.Float64)
	huge.Params()[0].Node.Value().Data().([]float64)[3] = 1e300
	if err := huge.Save(dir); err != nil {
		t.Fatal(err)
	}
	want := huge.Params()[0].Name + ": element 3: 1e+300 overflows float32"
	if _, err := models.LoadClassifier(G.NewGraph(), dir, models.As(tensor.Float32)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
	if _, err := models.LoadClassifier(G.NewGraph(), dir, models.As(tensor.Int)); err == nil {
		t.Error("a model of ints was accepted")
	}
}

func TestConfigErrors(t *testing.T) {
	for want, change := range map[string]func(*models.ClassifierConfig){
		"want one of Vocab and Features positive": func(c *models.ClassifierConfig) { c.Vocab = 0 },
		"got Vocab 7 and Features 2":              func(c *models.ClassifierConfig) { c.Features = 2 },
		"want Classes >= 2, got 1":                func(c *models.ClassifierConfig) { c.Classes = 1 },
		"want at least one of Blocks, got none":   func(c *models.ClassifierConfig) { c.Stack.Blocks = nil },
		"got 1 blocks and Repeat 1099511627776":   func(c *models.ClassifierConfig) { c.Stack.Repeat = 1 << 40 },
		"ClassifierConfig: decoder, with Out = Classes: LinearConfig: want Out at most 2147483647, got 4611686018427387904": func(c *models.ClassifierConfig) { c.Classes = 1 << 62 },
		"ClassifierConfig: encoder: EmbeddingConfig: want Vocab at most 2147483647, got 4611686018427387904":                func(c *models.ClassifierConfig) { c.Vocab = 1 << 62 },
		"ClassifierConfig: encoder, with In = Features: LinearConfig: want In at most 2147483647, got 1099511627776":        func(c *models.ClassifierConfig) { c.Vocab, c.Features = 0, 1<<40 },
		"want at most 2147483647 elements in weight (Out, In), got 1073741824 x 4":                                          func(c *models.ClassifierConfig) { c.Classes = 1 << 30 },
		"want a pooling mode":            func(c *models.ClassifierConfig) { c.Pool = "x" },
		"want Padding in [0, 7), got 7":  func(c *models.ClassifierConfig) { p := 7; c.Padding = &p },
		"S4DConfig: want an even DState": func(c *models.ClassifierConfig) { editS4D(c, func(c *layers.S4DConfig) { c.DState = 3 }) },
	} {
		cfg := tokens()
		change(&cfg)
		if _, err := models.NewClassifier(G.NewGraph(), tensor.Float32, cfg, 0); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "models: ") {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	m := newClassifier(t, tokens(), tensor.Float32)
	if _, err := m.Build(task.Training, 0, 3); err == nil || !strings.Contains(err.Error(), "want batch and length >= 1, got 0 and 3") {
		t.Errorf("empty batch: got error %v", err)
	}
}

func TestConfigJSONRoundTrip(t *testing.T) {
	b, err := json.Marshal(tokens())
	if err != nil {
		t.Fatal(err)
	}
	var got models.ClassifierConfig
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(b) {
		t.Errorf("got  %s\nwant %s", again, b)
	}
}

func TestSummaryCountsParameters(t *testing.T) {
	cfg := tokens()
	editS4D(&cfg, func(c *layers.S4DConfig) { c.Frozen = []string{"A"} })
	m := newClassifier(t, cfg, tensor.Float32)
	s := m.Summary()
	n := 0
	for _, p := range m.Params() {
		n += p.Node.Shape().TotalSize()
	}
	// Per block: dt 4, A 8+8, B 16, C 16, D 4, mixing 8*4+8, norm 8. Encoder 28,
	// final norm 8, decoder 15.
	if want := 28 + 2*(4+16+16+16+4+40+8) + 8 + 15; n != want {
		t.Errorf("%d parameters, want %d", n, want)
	}
	for _, want := range []string{"encoder", "blocks.1", "(B, 4, L)", "pool (mean)", "(B, 3)", "frozen", "parameters: 259, of which frozen: 32"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
}

func TestCloneSharesParametersAndBuffers(t *testing.T) {
	m := newClassifier(t, tokens(), tensor.Float32)
	c, err := m.CloneTo(G.NewGraph())
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range c.Params() {
		if !weights.Same(p.Node.Value(), m.Params()[i].Node.Value()) {
			t.Errorf("%s is not shared", p.Name)
		}
	}
	a, b := m.Buffers(), c.Buffers()
	if len(a) == 0 || len(a) != len(b) {
		t.Fatalf("%d and %d buffers", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("buffer %s is not shared", a[i].Name)
		}
	}
}

func TestBlocksHoldTheStateSpaceLayers(t *testing.T) {
	m := newClassifier(t, tokens(), tensor.Float32)
	blocks := m.Blocks()
	if len(blocks) != 2 {
		t.Fatalf("%d blocks, want 2", len(blocks))
	}
	if got := blocks[1].Mixer().Name(); got != "blocks.1.layer" {
		t.Errorf("got layer %q", got)
	}
	blocks[0] = nil
	if m.Blocks()[0] == nil {
		t.Error("the list is the model's own")
	}
}

func TestCloneWithOtherParametersFrozen(t *testing.T) {
	cfg := tokens()
	editS4D(&cfg, func(c *layers.S4DConfig) { c.Frozen = []string{"A"} })
	m := newClassifier(t, cfg, tensor.Float32)
	learns := func(m *models.Classifier, name string) bool {
		for _, p := range m.Params() {
			if p.Name == name {
				return !p.Frozen
			}
		}
		t.Fatalf("no parameter %s", name)
		return false
	}
	const a, d = "blocks.1.layer.kernel.A_real", "blocks.1.layer.D"
	c, err := m.CloneTo(G.NewGraph(), layers.WithFrozen("D"))
	if err != nil {
		t.Fatal(err)
	}
	if learns(m, a) || !learns(m, d) || !learns(c, a) || learns(c, d) {
		t.Error("want A frozen in the original, D in the copy")
	}
	// A graph for training, and a saved model, are those of the copy.
	gr, err := c.Build(task.Training, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range gr.Params {
		if (p.Name == a || p.Name == d) && p.Frozen != (p.Name == d) {
			t.Errorf("the training graph has %s frozen: %v", p.Name, p.Frozen)
		}
	}
	dir := t.TempDir()
	if err := c.Save(dir); err != nil {
		t.Fatal(err)
	}
	saved, err := models.LoadClassifier(G.NewGraph(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !learns(saved, a) || learns(saved, d) {
		t.Error("the saved model has other parameters frozen")
	}
	if _, err := m.CloneTo(G.NewGraph(), layers.WithFrozen("P")); err == nil || !strings.Contains(err.Error(), "want Frozen to name some of dt, A, B, C, D") {
		t.Errorf("a parameter of another layer: got error %v", err)
	}
}

func TestFeatureInput(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	cfg := tokens()
	cfg.Vocab, cfg.Features = 0, 2
	cfg.Stack.Blocks[0].Dropout, cfg.Stack.Blocks[0].Norm = 0, layers.LayerNorm
	x := testutil.Normal(rng, "x", 2, 5, 2)
	x.Fixed = true
	testutil.Check(t, func(g *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		m, err := models.NewClassifier(g, n[0].Dtype(), cfg, 1)
		if err != nil {
			return nil, err
		}
		y, err := m.Fwd(n[0], nil)
		if err != nil {
			return nil, err
		}
		return ops.Linear(y, n[1], nil)
	}, x, testutil.Normal(rng, "w", 2, 3))
}

// Every op of a model names, in errors at run time, the layer it is part of, or
// the model.
func TestOpsNameTheirLayer(t *testing.T) {
	gr, err := newClassifier(t, tokens(), tensor.Float32).Build(task.Training, 2, 6)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, n := range gr.G.AllNodes() {
		if n.Op() == nil || !strings.Contains(n.Op().String(), "#") {
			continue
		}
		place, _, _ := strings.Cut(n.Op().String(), `": `)
		if strings.HasPrefix(place, "models: Classifier: ") {
			place = "models: Classifier"
		}
		found[strings.TrimPrefix(place, "layers: ")] = true
	}
	for _, want := range []string{
		`Embedding "encoder`, `S4D "blocks.0.layer`, `Norm "blocks.1.norm`, `Block "blocks.1`, `Norm "blocks.norm`, `Linear "decoder`, "models: Classifier",
	} {
		if !found[want] {
			t.Errorf("no op of %s among those of %v", want, found)
		}
	}
	if want := 10; len(found) != want {
		t.Errorf("got ops of %v, want %d places", found, want)
	}
}
