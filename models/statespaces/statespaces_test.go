package statespaces_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
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

	"github.com/gorgonia-s4/s4/internal/npy"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
	"github.com/gorgonia-s4/s4/param"
)

// read reads one of the checkpoints of testdata.
func read(t *testing.T, name string) *statespaces.Checkpoint {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "checkpoints", name, "model.*"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%s: got %v, %v", name, paths, err)
	}
	c, err := statespaces.Read(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// errorSays checks that an error has a text.
func errorSays(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got error %v, want %q", what, err, want)
	}
}

var pre = statespaces.PreNorm(true)

// A description of what is in the file, and of what is not.
func TestInspect(t *testing.T) {
	c := read(t, "s4_diag")
	in, err := c.Inspect()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(in.Assumed, "; "), "activation: gelu; dt_transform: exp; real_transform: exp; disc: zoh; pool: mean"; got != want {
		t.Errorf("assumed %s, want %s", got, want)
	}
	_, err = in.Config()
	errorSays(t, "Config", err, "prenorm, whether blocks normalise before their layer or after the sum, cannot be known from names and shapes")
	in, err = c.Inspect(pre, statespaces.With(map[string]any{"disc": "bilinear", "dt_transform": "softplus", "pool": "last", "dropout": 0.1, "tie_dropout": false}))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := in.Config()
	if err != nil {
		t.Fatal(err)
	}
	b := cfg.Stack.Blocks[0]
	m := b.Mixer.(layers.S4DConfig)
	if !b.PreNorm || m.Disc != ssm.Bilinear || m.DtTransform != ssm.Softplus || cfg.Pool != "last" || b.Dropout != 0.1 || !b.UntiedDropout || !m.UntiedDropout || cfg.Stack.Repeat != 2 || cfg.Stack.Norm != layers.NoNorm {
		t.Errorf("got %+v", cfg)
	}
	if len(in.Layout.Names) != len(c.Tensors) || len(in.Unknown) != 0 {
		t.Errorf("%d names for %d tensors, unknown %v", len(in.Layout.Names), len(c.Tensors), in.Unknown)
	}
}

// The option of a training is the one nearest to the layer, unless it is set.
func TestHyperParameters(t *testing.T) {
	c := read(t, "s4_diag")
	c.HyperParameters = map[string]any{
		"prenorm": false, "disc": "zoh",
		"model":   map[string]any{"layer": map[string]any{"disc": "bilinear", "dt_transform": "${x}", "real_transform": nil}, "prenorm": true},
		"decoder": map[string]any{"mode": "last"}, "mode": "sum",
	}
	cfg, err := c.Config()
	if err != nil {
		t.Fatal(err)
	}
	if m := cfg.Stack.Blocks[0].Mixer.(layers.S4DConfig); m.Disc != ssm.Bilinear || m.DtTransform != ssm.Exp || cfg.Pool != "last" || cfg.Stack.Blocks[0].PreNorm {
		t.Errorf("got %+v", cfg)
	}
	cfg, err = c.Config(statespaces.With(map[string]any{"disc": "zoh", "prenorm": true}))
	if err != nil || cfg.Stack.Blocks[0].Mixer.(layers.S4DConfig).Disc != ssm.ZOH || !cfg.Stack.Blocks[0].PreNorm {
		t.Errorf("got %+v, %v", cfg, err)
	}
	got := statespaces.Options(c.HyperParameters)
	if want := map[string]any{"prenorm": false, "disc": "bilinear", "pool": "last"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOptionsThatDoNotFit(t *testing.T) {
	for want, c := range map[string]struct {
		checkpoint string
		set        map[string]any
	}{
		`want options among prenorm, norm, residual, pool, disc`:                   {"s4_diag", map[string]any{"colour": 1}},
		`option prenorm: want true or false, got yes`:                              {"s4_diag", map[string]any{"prenorm": "yes"}},
		`option disc: want zoh or bilinear, got "dss"`:                             {"s4_diag", map[string]any{"disc": "dss"}},
		`option disc: want a text, got 1`:                                          {"s4_diag", map[string]any{"disc": 1}},
		`option dt_transform: want one of ["exp" "softplus"], got "relu"`:          {"s4_dplr", map[string]any{"dt_transform": "relu"}},
		`option real_transform: want one of`:                                       {"s4_dplr", map[string]any{"real_transform": "cube"}},
		`option imag_transform: want none, got exp`:                                {"s4_dplr", map[string]any{"imag_transform": "exp"}},
		`option dt_fast: want false`:                                               {"s4_dplr", map[string]any{"dt_fast": true}},
		`option bandlimit: want a number above 0, got -1`:                          {"s4_dplr", map[string]any{"bandlimit": -1}},
		`option bandlimit: want a number, got x`:                                   {"s4_dplr", map[string]any{"bandlimit": "x"}},
		`option activation: want gelu, relu, tanh, sigmoid, silu or id, got "glu"`: {"s4_dplr", map[string]any{"activation": "glu"}},
		`option norm: want "layer" as the tensors are, got "batch"`:                {"s4_dplr", map[string]any{"norm": "batch"}},
		`option residual: want R or none, got affine`:                              {"s4_dplr", map[string]any{"residual": "affine"}},
		`option pool: want mean, last, first or sum, got ragged`:                   {"s4_dplr", map[string]any{"pool": "ragged"}},
		`option dropout: want a number, got true`:                                  {"s4_dplr", map[string]any{"dropout": true}},
		`want P in [0, 1)`:                                                 {"s4_dplr", map[string]any{"dropout": 3.0, "prenorm": true}},
		`cannot be known from names and shapes`:                            {"s4_dplr", nil},
		`cannot be known from names and shapes, and the checkpoint has no`: {"s4_bidirectional", nil},
	} {
		_, err := read(t, c.checkpoint).Config(statespaces.With(c.set))
		errorSays(t, want, err, want)
	}
}

// changed is a copy of a checkpoint with some tensors changed.
func changed(c *statespaces.Checkpoint, change func(name string, x *statespaces.Tensor) bool) *statespaces.Checkpoint {
	d := *c
	d.Tensors = nil
	for _, x := range c.Tensors {
		if change(x.Name, &x) {
			d.Tensors = append(d.Tensors, x)
		}
	}
	return &d
}

func TestDamagedStateDicts(t *testing.T) {
	without := func(suffix string) func(string, *statespaces.Tensor) bool {
		return func(name string, _ *statespaces.Tensor) bool { return !strings.HasSuffix(name, suffix) }
	}
	reshaped := func(suffix string, shape ...int) func(string, *statespaces.Tensor) bool {
		return func(name string, x *statespaces.Tensor) bool {
			if strings.HasSuffix(name, suffix) {
				x.Shape = shape
			}
			return true
		}
	}
	renamed := func(old, name string) func(string, *statespaces.Tensor) bool {
		return func(_ string, x *statespaces.Tensor) bool {
			x.Name = strings.Replace(x.Name, old, name, 1)
			return true
		}
	}
	for want, c := range map[string]struct {
		checkpoint string
		change     func(string, *statespaces.Tensor) bool
	}{
		`want a tensor encoder.weight of 2 axes`:         {"s4_dplr", without("encoder.weight")},
		`want a tensor bias, decoder.bias (5), got none`: {"s4_dplr", without("decoder.bias")},
		`want kernels of the 4 features of the model, got 8: bottlenecks are not supported`: {"s4_dplr", func(name string, x *statespaces.Tensor) bool {
			if name == "encoder.weight" {
				x.Shape = []int{6, 4}
			}
			return name != "encoder.bias"
		}},
		`block 0: want a kernel with C, or with W of DSS, got none`:                      {"s4_dplr", without("0.layer.kernel.C")},
		`want blocks 0 to 0, got none of number 0`:                                       {"s4_dplr", func(name string, _ *statespaces.Tensor) bool { return !strings.HasPrefix(name, "s4_layers.0") }},
		`want a tensor A_imag, A_imag (8, 8), got none`:                                  {"s4_dplr", without("1.layer.kernel.A_imag")},
		`want a tensor inv_dt, inv_dt (8), (8, 1) or (8, 8), got none`:                   {"s4_dplr", without("1.layer.kernel.inv_dt")},
		`tensor s4_layers.0.layer.kernel.inv_dt: want inv_dt (8)`:                        {"s4_dplr", reshaped("kernel.inv_dt", 2, 4)},
		`tensor s4_layers.0.layer.kernel.A_imag: want A_imag (8, 8), got shape [4 16]`:   {"s4_dplr", reshaped("kernel.A_imag", 4, 16)},
		`tensor A_real: want (state matrices, 8), as many as divide the 8 features`:      {"s4_dplr", reshaped("kernel.A_real", 64)},
		`tensor s4_layers.0.layer.kernel.B: want (1, 8, 8, 2), got shape [128]`:          {"s4_dplr", reshaped("kernel.B", 128)},
		`tensor s4_layers.0.layer.kernel.P: want P (rank, 8, 8, 2), got shape [128]`:     {"s4_dplr", reshaped("kernel.P", 128)},
		`tensor s4_layers.0.layer.kernel.C: want (kernels, features, states, 2)`:         {"s4_dplr", reshaped("kernel.C", 8, 8, 2)},
		`want as many kernels as D has rows, 1, or twice that in two directions, got 3`:  {"s4_dplr", reshaped("kernel.C", 3, 8, 8, 2)},
		`want a tensor D (channels, features), got none`:                                 {"s4_dplr", without("layer.D")},
		`want a tensor l_kernel, the number of steps that C is tuned to, (), got none`:   {"s4_dplr", without("l_kernel")},
		`want a tensor B of S4, got none`:                                                {"s4_dplr", without("kernel.B")},
		`tensor s4_layers.0.output_linear.0.weight: want (16 or 8, 8), with or without`:  {"s4_dplr", reshaped("output_linear.0.weight", 128)},
		`tensor norms.0.bias: want (8), got shape [2 4]`:                                 {"s4_dplr", reshaped("norms.0.bias", 2, 4)},
		`want blocks named s4_layers.I, layers.I or model.layers.I, got ["decoder.bias"`: {"s4_dplr", renamed("s4_layers.", "rnn.")},
		`or (features, states, 2) of the minimal S4D`:                                    {"s4d_legacy", reshaped("kernel.C", 64)},
		`want D (channels, 8), got shape [4]`:                                            {"s4d_legacy", reshaped(".D", 4)},
	} {
		_, err := changed(read(t, c.checkpoint), c.change).Config(pre)
		errorSays(t, want, err, want)
	}
	_, err := changed(read(t, "s4_dplr"), func(name string, _ *statespaces.Tensor) bool { return !strings.HasPrefix(name, "norms.1.") }).Config()
	errorSays(t, "a last block without a norm", err, "cannot be known from names and shapes")
	c := read(t, "s4_dplr")
	c.Tensors = append(c.Tensors, statespaces.Tensor{Name: "norms.1.s", Dtype: "float32", Shape: []int{1}, Data: []float32{1}})
	_, err = c.Config(pre)
	errorSays(t, "a norm of scalars", err, "block 1: norm: tensor norms.1.s: a layer norm of two numbers")
	for _, name := range []string{"s4_layers.0.layer.kernel.Q", "norms.0.scale", "classifier.weight"} {
		c := read(t, "s4_dplr")
		c.Tensors = append(c.Tensors, statespaces.Tensor{Name: name, Dtype: "float32", Shape: []int{1}, Data: []float32{1}})
		_, err := c.Config(pre)
		errorSays(t, name, err, fmt.Sprintf("want tensors of a model that is known, got [%q]", name))
		_, err = c.Model(G.NewGraph(), pre)
		errorSays(t, name, err, fmt.Sprintf("got [%q]", name))
		_, err = c.Layout(pre)
		errorSays(t, name, err, fmt.Sprintf("got [%q]", name))
	}
	l := changed(read(t, "s4_dplr"), func(name string, x *statespaces.Tensor) bool {
		if strings.HasSuffix(name, "l_kernel") {
			x.Data = []int64{1 << 50}
		}
		return true
	})
	_, err = l.Config(pre)
	errorSays(t, "a length of 2^50", err, "LMax")
}

// A model that is there is loaded if it computes what the checkpoint is of.
func TestLoad(t *testing.T) {
	c := read(t, "s4_bidirectional")
	off := statespaces.PreNorm(false)
	cfg, err := c.Config(off)
	if err != nil {
		t.Fatal(err)
	}
	model := func(change func(c *models.ClassifierConfig, b *layers.BlockConfig, m *layers.S4Config)) *models.Classifier {
		d := cfg
		d.Stack.Blocks = slices.Clone(cfg.Stack.Blocks)
		m := d.Stack.Blocks[0].Mixer.(layers.S4Config)
		change(&d, &d.Stack.Blocks[0], &m)
		if _, ok := d.Stack.Blocks[0].Mixer.(layers.S4Config); ok {
			d.Stack.Blocks[0].Mixer = m
		}
		l, err := models.NewClassifier(G.NewGraph(), tensor.Float32, d, 1)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	r, err := c.Load(model(func(*models.ClassifierConfig, *layers.BlockConfig, *layers.S4Config) {}))
	if err != nil || r.Loaded != len(c.Tensors) || len(r.Missing)+len(r.Left) > 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	// Dropouts have random states, which the checkpoint has not.
	if _, err := c.Load(model(func(_ *models.ClassifierConfig, b *layers.BlockConfig, m *layers.S4Config) {
		b.Dropout, m.Dropout = 0.1, 0.1
	})); err != nil {
		t.Error(err)
	}
	for want, m := range map[string]*models.Classifier{
		`block 0: want Bidirectional and OffByOne, got a layer without`: model(func(_ *models.ClassifierConfig, _ *layers.BlockConfig, m *layers.S4Config) { m.OffByOne = false }),
		`block 0: want PreNorm false, got true`:                         model(func(_ *models.ClassifierConfig, b *layers.BlockConfig, _ *layers.S4Config) { b.PreNorm = true }),
		`block 0: want a layer S4, got S4D`: model(func(_ *models.ClassifierConfig, b *layers.BlockConfig, _ *layers.S4Config) {
			b.Mixer = layers.S4DConfig{DModel: 8}
		}),
		`decoder.weight: want shape (7, 8), got (5, 8)`: model(func(c *models.ClassifierConfig, _ *layers.BlockConfig, _ *layers.S4Config) { c.Classes = 7 }),
		`blocks.2.layer.kernel.log_dt is missing`:       model(func(c *models.ClassifierConfig, _ *layers.BlockConfig, _ *layers.S4Config) { c.Stack.Repeat = 3 }),
	} {
		before := fmt.Sprint(m.Params()[0].Node.Value().Data())
		_, err := c.Load(m, off)
		errorSays(t, want, err, want)
		if fmt.Sprint(m.Params()[0].Node.Value().Data()) != before {
			t.Errorf("%s: the parameters have changed", want)
		}
	}
	// Softplus is a contradiction only where exp is said.
	soft := model(func(_ *models.ClassifierConfig, _ *layers.BlockConfig, m *layers.S4Config) {
		m.DtTransform = ssm.Softplus
	})
	if _, err := c.Load(soft); err != nil {
		t.Error(err)
	}
	_, err = c.Load(soft, statespaces.With(map[string]any{"dt_transform": "exp"}))
	errorSays(t, "exp", err, `block 0: want DtTransform "exp", got "softplus"`)
	// In part.
	m := model(func(c *models.ClassifierConfig, _ *layers.BlockConfig, _ *layers.S4Config) { c.Stack.Repeat = 1 })
	r, err = c.Load(m, statespaces.Partial())
	if err != nil || !slices.Contains(r.Left, "model.norms.1.weight") || r.Loaded != 16 {
		t.Errorf("got %+v, %v", r, err)
	}
	_, err = c.Load(nil)
	errorSays(t, "nil", err, "want a model, got nil")
	// With a head of its own.
	m = model(func(c *models.ClassifierConfig, _ *layers.BlockConfig, _ *layers.S4Config) { c.Classes = 7 })
	r, err = c.Load(m, statespaces.Without("decoder."))
	if err != nil || fmt.Sprint(r.Missing, r.Left) != "[decoder.weight decoder.bias] [model.decoder.weight model.decoder.bias]" {
		t.Errorf("got %+v, %v", r, err)
	}
}

// A model of another kind with the same names is loaded in part.
func TestLoadALanguageModel(t *testing.T) {
	c := read(t, "s4_dplr")
	cfg, err := c.Config(pre)
	if err != nil {
		t.Fatal(err)
	}
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, models.LanguageModelConfig{Vocab: 9, Stack: cfg.Stack}, 1)
	if err != nil {
		t.Fatal(err)
	}
	blocks := changed(c, func(name string, _ *statespaces.Tensor) bool { return true })
	_, err = blocks.Load(param.Source(m), statespaces.Partial())
	errorSays(t, "another encoder", err, "encoder.weight: want shape (9, 8), got (8, 3)")
}

// What a model is written as by names of the public code is read as the same model.
func TestLayoutOf(t *testing.T) {
	s4 := func(c layers.SSM) layers.MixerConfig { return layers.S4Config{DModel: 4, DState: 6, LMax: 16, SSM: c} }
	x := npy.Array{Shape: []int{2, 12, 3}}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2 * 12 * 3 {
		x.Data = append(x.Data, rng.NormFloat64())
	}
	twoWays := layers.SSM{Bidirectional: true, OffByOne: true}
	for name, c := range map[string]struct {
		mixer layers.MixerConfig
		set   map[string]any
	}{
		"s4":             {mixer: s4(layers.SSM{Channels: 2, Dropout: 0.1})},
		"s4, rank 2":     {mixer: layers.S4Config{DModel: 4, DState: 6, LMax: 16, Rank: 2, Init: hippo.InitLegT, NSSM: 2, Dt: layers.DtPerState, SSM: twoWays}},
		"s4d":            {mixer: layers.S4DConfig{DModel: 4, DState: 6, DtTransform: ssm.Softplus, Disc: ssm.Bilinear, SSM: twoWays}, set: map[string]any{"disc": "bilinear", "dt_transform": "softplus"}},
		"s4d, linear":    {mixer: layers.S4DConfig{DModel: 4, DState: 6, SSM: layers.SSM{Mixing: layers.MixLinear}}},
		"s4d, unmixed":   {mixer: layers.S4DConfig{DModel: 4, DState: 6, SSM: layers.SSM{Mixing: layers.MixNone}}},
		"minimal":        {mixer: layers.S4DConfig{DModel: 4, DState: 6, FixedB: true}},
		"dss":            {mixer: layers.DSSConfig{DModel: 4, DState: 3, DetachShift: true}},
		"dss, exp":       {mixer: layers.DSSConfig{DModel: 4, DState: 3, DetachShift: true, Version: vandermonde.DSSExp, Dt: layers.DtPerFeature}},
		"dss, exp-re-im": {mixer: layers.DSSConfig{DModel: 4, DState: 3, DetachShift: true, Version: vandermonde.DSSExpReIm, SSM: layers.SSM{Mixing: layers.MixLinear}}},
	} {
		for _, style := range []statespaces.Style{statespaces.Example, statespaces.Sequence} {
			for _, norm := range []layers.NormKind{layers.LayerNorm, layers.BatchNorm} {
				cfg := models.ClassifierConfig{Features: 3, Classes: 2, Stack: layers.StackConfig{Repeat: 2, Norm: layers.NoNorm, Blocks: []layers.BlockConfig{{Mixer: c.mixer, Norm: norm, PreNorm: true}}}}
				if style == statespaces.Sequence {
					cfg.Stack.Norm = ""
				}
				m, err := models.NewClassifier(G.NewGraph(), tensor.Float64, cfg, 3)
				if err != nil {
					t.Fatal(err)
				}
				l, err := statespaces.LayoutOf(m, style)
				if err != nil {
					t.Errorf("%s, %s: %v", name, style, err)
					continue
				}
				path := filepath.Join(t.TempDir(), "m.safetensors")
				if err := l.Write(path, m); err != nil {
					t.Fatal(err)
				}
				back, err := statespaces.Read(path)
				if err != nil {
					t.Fatal(err)
				}
				opts := []statespaces.Option{statespaces.With(c.set)}
				if style == statespaces.Example {
					opts = append(opts, pre)
				}
				again, err := back.Model(G.NewGraph(), opts...)
				if err != nil {
					t.Errorf("%s, %s: %v", name, style, err)
					continue
				}
				a, b := logits(t, m, tensor.Float64, x), logits(t, again, tensor.Float64, x)
				if !slices.Equal(a, b) {
					t.Errorf("%s, %s, norm %s: outputs differ by %.3g", name, style, norm, off(a, b))
				}
			}
		}
	}
}

func TestLayoutsThatThereAreNot(t *testing.T) {
	block := func(m layers.MixerConfig) layers.StackConfig {
		return layers.StackConfig{Norm: layers.NoNorm, Blocks: []layers.BlockConfig{{Mixer: m, PreNorm: true}}}
	}
	for want, c := range map[string]struct {
		stack layers.StackConfig
		style statespaces.Style
	}{
		`block 0: want S4, S4D or DSS, got a layers.LSTMConfig`:                                                             {block(layers.LSTMConfig{DModel: 4}), statespaces.Example},
		`block 0: want OffByOne of a bidirectional layer`:                                                                   {block(layers.S4DConfig{DModel: 4, SSM: layers.SSM{Bidirectional: true}}), statespaces.Example},
		`block 0: want a layer without gate and bottleneck`:                                                                 {block(layers.S4DConfig{DModel: 4, SSM: layers.SSM{Gate: 2}}), statespaces.Example},
		`block 0: want Disc zoh and transforms exp of the minimal S4D (FixedB), got bilinear`:                               {block(layers.S4DConfig{DModel: 4, FixedB: true, Disc: ssm.Bilinear}), statespaces.Example},
		`block 0: want one kernel, one step size and one state matrix for each feature`:                                     {block(layers.S4DConfig{DModel: 4, FixedB: true, NSSM: 2}), statespaces.Example},
		`block 0: want a residual block, got one without`:                                                                   {layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4}, NoResidual: true}}}, statespaces.Example},
		`style "example": want a model whose parameters the module has, got also ["blocks.norm.bias" "blocks.norm.weight"]`: {layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4}, PreNorm: true}}}, statespaces.Example},
		`want a style "example" or "sequence", got "other"`:                                                                 {block(layers.S4DConfig{DModel: 4}), "other"},
	} {
		m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{Features: 1, Classes: 2, Stack: c.stack}, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = statespaces.LayoutOf(m, c.style)
		errorSays(t, want, err, want)
	}
	c := read(t, "s4d_legacy")
	l, err := c.Layout(pre)
	if err != nil {
		t.Fatal(err)
	}
	other, err := read(t, "s4_dplr").Model(G.NewGraph(), pre)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Tensors(other)
	errorSays(t, "the layout of another model", err, "got")
	_, err = l.Tensors(nil)
	errorSays(t, "no model", err, "want a model, got nil")
	_, err = statespaces.SavedLayout(t.TempDir())
	if !os.IsNotExist(err) && !strings.Contains(fmt.Sprint(err), "no such file") {
		t.Errorf("got error %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "statespaces.json"), []byte(`{"names":[],"extra":"AAAA"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = statespaces.SavedLayout(dir)
	errorSays(t, "a damaged layout", err, "statespaces.json: ")
}

// A number that is no parameter of a working model is an error, and nothing is loaded.
func TestNumbersThatAreNone(t *testing.T) {
	c := read(t, "s4d_legacy")
	bad := changed(c, func(name string, x *statespaces.Tensor) bool {
		if name == "s4_layers.1.D" {
			x.Data = slices.Clone(x.Data.([]float32))
			x.Data.([]float32)[3] = float32(math.NaN())
		}
		return true
	})
	_, err := bad.Model(G.NewGraph(), pre)
	errorSays(t, "NaN", err, "blocks.1.layer.D: element 3: want a finite number, got NaN")
	ints := changed(c, func(name string, x *statespaces.Tensor) bool {
		if name == "s4_layers.1.D" {
			x.Data, x.Dtype = make([]uint8, 8), "uint8"
		}
		return true
	})
	_, err = ints.Model(G.NewGraph(), pre)
	errorSays(t, "integers", err, "tensor s4_layers.1.D: want floats, got a []uint8")
}

// The state dict of any module becomes a file that layers can be loaded from.
func TestWriteAsItIs(t *testing.T) {
	c := read(t, "s4_bidirectional")
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := c.Write(path); err != nil {
		t.Fatal(err)
	}
	l, err := layers.NewLinear(G.NewGraph(), tensor.Float32, layers.LinearConfig{In: 8, Out: 5}, layers.WithName("model.decoder"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := param.Loader{Partial: true}.Load(path, l)
	if err != nil || r.Loaded != 2 || len(r.Missing) > 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.pt")
	for want, text := range map[string]string{
		`want a file of torch.save or of safetensors, got one that begins with "hello, wo"`: "hello, world",
		`want a file of torch.save or of safetensors, got one that begins with ""`:          "",
		`want a state dict with tensors, got none`:                                          "\x02\x00\x00\x00\x00\x00\x00\x00{}",
		`header: `: "\x03\x00\x00\x00\x00\x00\x00\x00{x}",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := statespaces.Read(path)
		errorSays(t, want, err, want)
		errorSays(t, want, err, path)
	}
	// Tensors without names, as torch.save({1: torch.ones(1)}) writes them.
	const one = "}K\x01ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00K\x01\x85K\x01\x85\x89NtRs"
	for _, pickle := range []string{"\x80\x02" + one + ".", "\x80\x02}X\x0a\x00\x00\x00state_dict" + one + "s."} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for name, text := range map[string]string{"m/data.pkl": pickle, "m/data/0": "\x00\x00\x80\x3f"} {
			w, err := z.CreateHeader(&zip.FileHeader{Name: name})
			if err == nil {
				_, err = io.WriteString(w, text)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(z.Close(), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
		_, err := statespaces.Read(path)
		errorSays(t, "tensors without names", err, "want a state dict of tensors, or one under state_dict")
	}
	_, err := statespaces.Read(dir)
	errorSays(t, "a directory", err, "not a regular file")
	_, err = statespaces.Read(path + "x")
	errorSays(t, "nothing", err, "no such file")
	for _, name := range []string{"s4_fout/model.pt", "s4d_legacy/model.pt"} {
		b, err := os.ReadFile(filepath.Join("testdata", "checkpoints", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n < len(b); n += 211 {
			if err := os.WriteFile(path, b[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := statespaces.Read(path); err == nil {
				t.Errorf("%s cut to %d bytes: no error", name, n)
			}
		}
	}
}
