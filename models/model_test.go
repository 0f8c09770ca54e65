package models_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// ofKinds returns a model of each kind.
func ofKinds(t testing.TB) []models.Model {
	return []models.Model{
		newClassifier(t, tokens(), tensor.Float32), newLanguageModel(t, letters(), tensor.Float32),
		newRetrieval(t, pairs(), tensor.Float32), newForecaster(t, windows(), tensor.Float32),
	}
}

// Sizes that no graph can have are errors that say so.
func TestBuildOfHugeBatches(t *testing.T) {
	for _, m := range ofKinds(t) {
		for _, n := range [][2]int{{1 << 40, 4}, {1 << 62, 1}, {math.MaxInt, math.MaxInt}, {1, 1 << 34}} {
			_, err := m.Build(task.Training, n[0], n[1])
			if want := fmt.Sprintf("Build: want at most 2147483647 elements in a batch (B, L), got %d x %d", n[0], n[1]); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", m.Kind(), err, want)
			}
		}
	}
}

// A configuration that asks for much more than the tensors beside it is an error before
// there is memory for it.
func TestOpenOfHugeModels(t *testing.T) {
	for field, huge := range map[string]string{`"vocab":`: `"vocab": 100000000`, `"d_state":`: `"d_state": 100000000`} {
		dir := t.TempDir()
		if err := newClassifier(t, tokens(), tensor.Float32).Save(dir); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "config.json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		value := regexp.MustCompile(field + ` *[0-9]+`)
		changed := value.ReplaceAllString(string(text), huge)
		if err := os.WriteFile(path, []byte(changed), 0o644); err != nil || changed == string(text) {
			t.Fatal(err, changed)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = models.Open(G.NewGraph(), dir)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "more elements") {
			t.Errorf("%s: got error %v", field, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%s: %d bytes", field, n)
		}
	}
}

// A model of any kind is opened by its files, as what it was.
func TestOpen(t *testing.T) {
	kinds := []string{"classifier", "language_model", "retrieval", "forecaster"}
	for i, m := range ofKinds(t) {
		if m.Kind() != kinds[i] {
			t.Errorf("got kind %q, want %q", m.Kind(), kinds[i])
		}
		dir := t.TempDir()
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			got, err := models.Open(G.NewGraph(), dir, models.As(dt))
			if dt == tensor.Float32 { // the same of a file system, in a directory below its root
				got, err = models.Open(G.NewGraph(), filepath.Base(dir), models.As(dt), models.From(os.DirFS(filepath.Dir(dir))))
			}
			if err != nil {
				t.Fatal(err)
			}
			if reflect.TypeOf(got) != reflect.TypeOf(m) || !reflect.DeepEqual(got.Config(), m.Config()) || got.Dtype() != dt {
				t.Errorf("got a %T of %v, want a %T of %v", got, got.Dtype(), m, dt)
			}
			for k, p := range got.Params() {
				if !slices.Equal(testutil.Floats(p.Node.Value()), testutil.Floats(m.Params()[k].Node.Value())) {
					t.Errorf("%s: parameter %s is another", m.Kind(), p.Name)
				}
			}
		}
		// A model whose tensors are gone is an error of its own kind of loading.
		if err := os.Remove(filepath.Join(dir, "model.safetensors")); err != nil {
			t.Fatal(err)
		}
		if got, err := models.Open(G.NewGraph(), dir); got != nil || err == nil || !strings.Contains(err.Error(), "model.safetensors") {
			t.Errorf("got %v, error %v", got, err)
		}
		if got, err := models.Open(G.NewGraph(), ".", models.From(os.DirFS(dir))); got != nil || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "model.safetensors") {
			t.Errorf("of a file system: got %v, error %v", got, err)
		}
	}
	// A model on disk is not one of a file system that has none.
	here := t.TempDir()
	if err := ofKinds(t)[0].Save(here); err != nil {
		t.Fatal(err)
	}
	if got, err := models.Open(G.NewGraph(), here, models.From(fstest.MapFS{})); got != nil || err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("of an empty file system: got %v, error %v", got, err)
	}
	for text, want := range map[string]string{
		"":                       "config.json: ",
		"{":                      "config.json: ",
		`{"model": "diffusion"}`: `config.json: want a model of ["classifier" "forecaster" "language_model" "retrieval"], got "diffusion"`,
		`{"modell": "x"}`:        `unknown field "modell"`,
	} {
		dir := t.TempDir()
		if text != "" {
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if m, err := models.Open(G.NewGraph(), dir); m != nil || err == nil || !strings.HasPrefix(err.Error(), "models: load "+dir+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// A copy of any kind shares the tensors; what is no model of this package has none.
func TestCloneOfAnyKind(t *testing.T) {
	for _, m := range ofKinds(t) {
		c, err := models.Clone(m, G.NewGraph())
		if err != nil {
			t.Fatal(err)
		}
		if reflect.TypeOf(c) != reflect.TypeOf(m) {
			t.Errorf("got a %T, want a %T", c, m)
		}
		for i, p := range c.Params() {
			if !weights.Same(p.Node.Value(), m.Params()[i].Node.Value()) {
				t.Errorf("%s is not shared", p.Name)
			}
		}
	}
	if c, err := models.Clone(nil, G.NewGraph()); c != nil || err == nil || !strings.Contains(err.Error(), "want a model of this package, got <nil>") {
		t.Errorf("got error %v", err)
	}
	if c, err := models.Clone(newClassifier(t, tokens(), tensor.Float32), nil); c != nil || err == nil {
		t.Errorf("a copy on no graph: %v, error %v", c, err)
	}
}

// hints returns those of parameters by name.
// Rules change what the parameters of a model of any kind, and of a graph of it,
// recommend: the model itself is as it was.
func TestRulesOfParams(t *testing.T) {
	rules := param.Rules{param.Freeze("*"), param.Thaw("decoder.*"), param.Rate("decoder.weight", 0.25), param.Rule{Pattern: "decoder.bias", WeightDecay: new(float64)}}
	for _, m := range ofKinds(t) {
		gr, err := m.Build(task.Training, 2, 4)
		if err != nil {
			t.Fatal(err)
		}
		before := m.Params()
		for _, ps := range [][]param.Param{m.Params(), gr.Params} {
			if err := rules.Apply(ps); err != nil {
				t.Fatal(err)
			}
			for _, p := range ps {
				if p.Frozen == strings.HasPrefix(p.Name, "decoder.") {
					t.Errorf("%s: %s frozen: %v", m.Kind(), p.Name, p.Frozen)
				}
				if p.Name == "decoder.weight" && (p.LR == nil || *p.LR != 0.25) {
					t.Errorf("%s: the rate of decoder.weight is %v", m.Kind(), p.LR)
				}
				if p.Name == "decoder.bias" && (p.WeightDecay == nil || *p.WeightDecay != 0) {
					t.Errorf("%s: the weight decay of decoder.bias is %v", m.Kind(), p.WeightDecay)
				}
			}
		}
		if !reflect.DeepEqual(m.Params(), before) {
			t.Errorf("%s: rules for some parameters changed the model", m.Kind())
		}
		if err := (param.Rules{param.Freeze("head.x")}).Apply(m.Params()); err == nil || !strings.Contains(err.Error(), `rule "head.x": want a pattern of one of the parameters "encoder.weight"`) {
			t.Errorf("got error %v", err)
		}
	}
}

// rateConfigs are models of state space layers, and what reads waves.
func waveModel(mixer layers.MixerConfig) models.ClassifierConfig {
	return models.ClassifierConfig{Features: 1, Classes: 3, Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{
		{Mixer: mixer, PreNorm: true}, {Mixer: layers.FeedForwardConfig{DModel: 4, FF: 8}, PreNorm: true},
	}}}
}

// wave is a slow wave of l steps, each every steps long.
func wave(l, every int) []float32 {
	v := make([]float32, l)
	for i := range v {
		t := float64(i*every) / 512
		v[i] = float32(math.Sin(2*math.Pi*t) + 0.5*math.Cos(5*t))
	}
	return v
}

// A model at rate 2 reads half of the steps as its original reads all, as far as the
// layers are what they stand for: a system in continuous time. The trainer evaluates
// it, and it shares what is learned.
func TestModelAtAnotherRate(t *testing.T) {
	for name, mixer := range map[string]layers.MixerConfig{
		"s4":  layers.S4Config{DModel: 4, DState: 8, DtMin: 1e-3, DtMax: 1e-2, LMax: 512},
		"s4d": layers.S4DConfig{DModel: 4, DState: 8, DtMin: 1e-3, DtMax: 1e-2},
	} {
		m, err := models.NewClassifier(G.NewGraph(), tensor.Float64, waveModel(mixer), 1)
		if err != nil {
			t.Fatal(err)
		}
		score := func(m models.Model, x []float32) []float64 {
			gr, err := m.Build(task.Evaluation, 1, len(x))
			if err != nil {
				t.Fatal(err)
			}
			return output(t, gr, loaded(t, 1, len(x), task.Col(task.Features(task.X, 1), [][]float32{x}), task.Col(task.Label(task.Target), []int{0})), task.Logits)
		}
		slow, err := models.Clone(m, G.NewGraph(), layers.AtRate(2))
		if err != nil {
			t.Fatal(err)
		}
		want := score(m, wave(512, 1))
		at2, at1 := testutil.RelErr(score(slow, wave(256, 2)), want), testutil.RelErr(score(m, wave(256, 2)), want)
		if !(at2 < 0.01) || !(at1 > 5*at2) {
			t.Errorf("%s: of half the steps the logits are off by %.3g at rate 2, and by %.3g at rate 1", name, at2, at1)
		}
		ds, err := task.NewTable(task.Col(task.Features(task.X, 1), [][]float32{wave(256, 2)}), task.Col(task.Label(task.Target), []int{1}))
		if err != nil {
			t.Fatal(err)
		}
		loss := func(m models.Model) float64 {
			tr, err := train.New(train.Config{Epochs: 1, BatchSize: 1, LR: 1, DType: train.Float64}, m, ds, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			got, err := tr.Evaluate(context.Background(), ds)
			if err != nil {
				t.Fatal(err)
			}
			return got.Loss
		}
		if a, b := loss(slow), loss(m); a == b {
			t.Errorf("%s: the trainer evaluates at rate 1", name)
		}
		m.Params()[0].Node.Value().Data().([]float64)[0] += 1
		if a, b := score(slow, wave(256, 2)), score(m, wave(512, 1)); testutil.RelErr(a, b) > 0.05 {
			t.Errorf("%s: the copy does not learn what its original learns", name)
		}
	}
}

// A rate that a mixer would ignore is an error that names it, in every kind of model.
func TestRateThatIsIgnored(t *testing.T) {
	stack := layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}}, {Mixer: layers.GRUConfig{DModel: 4}}}}
	classifier, retrieval, series := tokens(), pairs(), windows()
	classifier.Stack, retrieval.Stack, series.Stack = stack, stack, stack
	for _, m := range []models.Model{
		newClassifier(t, classifier, tensor.Float32), newRetrieval(t, retrieval, tensor.Float32), newForecaster(t, series, tensor.Float32),
		newLanguageModel(t, models.LanguageModelConfig{Vocab: 3, Stack: stack}, tensor.Float32),
	} {
		_, err := models.Clone(m, G.NewGraph(), layers.AtRate(2))
		if want := `layers: GRU "blocks.1.layer": AtRate: it has no step size, and reads at rate 2 what it would read at rate 1`; err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: got error %v", m.Kind(), err)
		}
		if _, err := models.Clone(m, G.NewGraph(), layers.AtRate(1)); err != nil {
			t.Errorf("%s at rate 1: %v", m.Kind(), err)
		}
	}
	for _, m := range []models.Model{newRetrieval(t, pairs(), tensor.Float32), newForecaster(t, windows(), tensor.Float32)} {
		c, err := models.Clone(m, G.NewGraph(), layers.AtRate(2))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Build(task.Evaluation, 2, 4); err != nil {
			t.Errorf("%s: %v", m.Kind(), err)
		}
	}
}
