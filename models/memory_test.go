package models_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/task"
)

// ofEach returns one configuration for each layer that a block can hold, with
// everything set that refers to memory.
func ofEach() []models.ClassifierConfig {
	var cfgs []models.ClassifierConfig
	for _, b := range []layers.BlockConfig{
		{Mixer: layers.S4Config{DModel: 2, DState: 4, LMax: 8, SSM: layers.SSM{Frozen: []string{"A"}, FollowLR: []string{"A"}}}},
		{Mixer: layers.S4DConfig{DModel: 2, DState: 4, SSM: layers.SSM{Frozen: []string{"A"}, FollowLR: []string{"A"}}}},
		{Mixer: layers.DSSConfig{DModel: 2, DState: 4, SSM: layers.SSM{Frozen: []string{"C"}, FollowLR: []string{"A"}}}},
		{Mixer: layers.LSSLConfig{DModel: 2, DState: 4, SSM: layers.SSM{Frozen: []string{"A"}, FollowLR: []string{"A"}}}},
	} {
		padding := 1
		cfgs = append(cfgs, models.ClassifierConfig{Vocab: 5, Padding: &padding, Classes: 2, Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{b}}})
	}
	return cfgs
}

func classifierOf(t *testing.T, cfg models.ClassifierConfig) *models.Classifier {
	t.Helper()
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModelsShareNoMemoryWithTheirCaller(t *testing.T) {
	var makers, languageModels, retrievals, forecasters []func() (given, kept any, out []any)
	keeps := func(cfg any, m models.Model, err error) (given, kept any, out []any) {
		if err != nil {
			t.Fatal(err)
		}
		c, err := models.Clone(m, G.NewGraph())
		if err != nil {
			t.Fatal(err)
		}
		return cfg, []any{m, c}, []any{m.Config(), m.Config(), m.Params(), m.Params(), m.Buffers(), c.Config(), c.Params()}
	}
	for _, cfg := range ofEach() {
		lm := models.LanguageModelConfig{Vocab: cfg.Vocab, Stack: stepping(cfg.Stack)}
		languageModels = append(languageModels, func() (given, kept any, out []any) {
			m := newLanguageModel(t, lm, tensor.Float32)
			c, err := m.CloneTo(G.NewGraph())
			if err != nil {
				t.Fatal(err)
			}
			return lm, []any{m, c}, []any{m.Config(), m.Config(), m.Params(), m.Params(), m.Buffers(), c.Config(), c.Params()}
		})
		adaptive := lm
		adaptive.Tie, adaptive.Cutoffs, adaptive.TieProjs, adaptive.DivVal = true, []int{2, 4}, []bool{true, false}, 1
		languageModels = append(languageModels, func() (given, kept any, out []any) {
			m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, adaptive, 1)
			return keeps(adaptive, m, err)
		})
		pair := models.RetrievalConfig{Vocab: cfg.Vocab, Padding: cfg.Padding, Classes: 2, Stack: cfg.Stack}
		retrievals = append(retrievals, func() (given, kept any, out []any) {
			m, err := models.NewRetrieval(G.NewGraph(), tensor.Float32, pair, 1)
			return keeps(pair, m, err)
		})
		series := models.ForecasterConfig{Features: 1, Horizon: 2, Quantiles: []float64{0.1, 0.9}, Stack: cfg.Stack}
		forecasters = append(forecasters, func() (given, kept any, out []any) {
			m, err := models.NewForecaster(G.NewGraph(), tensor.Float32, series, 1)
			return keeps(series, m, err)
		})
		makers = append(makers, func() (given, kept any, out []any) {
			m := classifierOf(t, cfg)
			c, err := m.CloneTo(G.NewGraph())
			if err != nil {
				t.Fatal(err)
			}
			return cfg, []any{m, c}, []any{m.Config(), m.Config(), m.Params(), m.Params(), m.Buffers(), c.Config(), c.Params()}
		})
	}
	testutil.CheckConfigs(t, map[string][]func() (given, kept any, out []any){
		"ClassifierConfig": makers, "LanguageModelConfig": languageModels, "RetrievalConfig": retrievals, "ForecasterConfig": forecasters,
	})
}

// stepping returns a stack whose DSS layers can step.
func stepping(c layers.StackConfig) layers.StackConfig {
	if d, ok := c.Blocks[0].Mixer.(layers.DSSConfig); ok {
		d.LMax = 8
		c.Blocks = []layers.BlockConfig{{Mixer: d}}
	}
	return c
}

// What the caller does to its configuration afterwards changes neither the
// model, nor the graphs it builds, nor what it saves.
func TestConfigurationsOfTheCallerAreNotRead(t *testing.T) {
	for _, cfg := range ofEach() {
		want := deepcopy.Of(cfg)
		m := classifierOf(t, cfg)
		for _, c := range []models.ClassifierConfig{cfg, m.Config().(models.ClassifierConfig)} {
			*c.Padding = 99
			switch m := c.Stack.Blocks[0].Mixer.(type) {
			case layers.S4Config:
				m.Frozen[0] = "x"
			case layers.S4DConfig:
				m.Frozen[0] = "x"
			case layers.DSSConfig:
				m.Frozen[0] = "x"
			case layers.LSSLConfig:
				m.Frozen[0] = "x"
			}
			c.Stack.Blocks[0].Mixer = nil
		}
		if got := m.Config(); !reflect.DeepEqual(got, want) {
			t.Errorf("want %+v, got %+v", want, got)
		}
		if _, err := m.Build(task.Training, 2, 8); err != nil {
			t.Error(err)
		}
		dir := t.TempDir()
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		loaded, err := models.LoadClassifier(G.NewGraph(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := loaded.Config(); !reflect.DeepEqual(got, want) {
			t.Errorf("loaded: want %+v, got %+v", want, got)
		}
	}
}

// The files of two models are not loaded as one, which would be a model that
// never was: here the shapes of all tensors are the same. One whose configuration
// was edited after it was saved is loaded, and so is one saved again.
func TestFilesOfTwoModelsAreNotOne(t *testing.T) {
	save := func(dir string, disc ssm.Disc) {
		t.Helper()
		b := layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 4, Disc: disc}}
		if err := classifierOf(t, models.ClassifierConfig{Vocab: 5, Classes: 2, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{b}}}).Save(dir); err != nil {
			t.Fatal(err)
		}
	}
	load := func(dir string) error {
		_, err := models.LoadClassifier(G.NewGraph(), dir)
		return err
	}
	a, b := t.TempDir(), t.TempDir()
	save(a, ssm.ZOH)
	save(b, ssm.Bilinear)
	config, err := os.ReadFile(filepath.Join(a, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b, "config.json"), config, 0o666); err != nil { // as if Save had stopped half-way
		t.Fatal(err)
	}
	if err := load(b); err == nil || !strings.Contains(err.Error(), "config.json and model.safetensors are of two models") {
		t.Errorf("got error %v", err)
	}
	save(b, ssm.ZOH)
	if err := load(b); err != nil {
		t.Error(err)
	}
	edited := strings.Replace(string(config), `"disc": "zoh"`, `"disc": "bilinear"`, 1)
	if edited == string(config) {
		t.Fatalf("nothing to edit in %s", config)
	}
	if err := os.WriteFile(filepath.Join(a, "config.json"), []byte(edited), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := load(a); err != nil {
		t.Error(err)
	}
}
