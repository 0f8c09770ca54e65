package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

// lra runs the command and returns what it printed.
func lra(t *testing.T, ctx context.Context, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := program.Run(ctx, args, nil, &out)
	return out.String(), err
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := lra(t, context.Background(), args...)
	if err != nil {
		t.Fatalf("lra %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func TestSmokePresetRunsEveryPart(t *testing.T) {
	dir := t.TempDir()
	data, runDir := filepath.Join(dir, "data"), filepath.Join(dir, "run")
	out := mustRun(t, "-preset", "smoke", "-cache", data, "-out", runDir)
	for _, want := range []string{
		"generating ListOps examples, kept in " + data + ": 300 of 300", "200 training, 50 validation, 50 test examples",
		"blocks.1", "parameters: 2442", "evaluation at step 20", "finished after 20 steps", "test accuracy", "commonest class",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, f := range []string{"last.json", "best.json", "metrics.jsonl", "metrics.csv", "model/config.json", "model/model.safetensors"} {
		if _, err := os.Stat(filepath.Join(runDir, f)); err != nil {
			t.Error(err)
		}
	}
	// The same command refuses to replace the run, unless told to, and finds its
	// data again.
	if _, err := lra(t, context.Background(), "-preset", "smoke", "-cache", data, "-out", runDir); err == nil {
		t.Error("a second run replaced the first")
	}
	if out := mustRun(t, "-preset", "smoke", "-cache", data, "-out", runDir, "-overwrite"); strings.Contains(out, "generating") {
		t.Errorf("the data were generated twice:\n%s", out)
	}
}

// testLine is the line of the result, which the same run must repeat.
var testLine = regexp.MustCompile(`test accuracy .*`)

func TestResumedRunEqualsUnbroken(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	args := func(name string, more ...string) []string {
		return append([]string{"-preset", "smoke", "-cache", data, "-dropout", "0.1", "-out", filepath.Join(dir, name)}, more...)
	}
	whole := mustRun(t, args("whole")...)
	// Stop a run in the middle, as Ctrl-C does, and go on.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := program.Run(ctx, args("cut"), nil, &cancelWriter{at: "evaluation at step 10", cancel: cancel})
	if stop := new(train.InterruptedError); !errors.As(err, &stop) || stop.Step != 10 || !strings.Contains(err.Error(), "-resume") {
		t.Fatalf("got error %v, want an interruption after step 10 that says how to go on", err)
	}
	resumed := mustRun(t, args("cut", "-resume")...)
	if got, want := testLine.FindString(resumed), testLine.FindString(whole); got != want {
		t.Errorf("resumed: %s\nunbroken: %s", got, want)
	}
	a, err := os.ReadFile(filepath.Join(dir, "whole", "model", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "cut", "model", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("the resumed run ends with other parameters than the unbroken one")
	}
}

func TestInterruptionSaysWhere(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-preset", "smoke", "-cache", filepath.Join(dir, "data"), "-out", filepath.Join(dir, "run")}
	for _, c := range []struct {
		at, want string
	}{
		{"", "interrupted (context canceled) before the training began"},
		{"best validation", "interrupted (context canceled) in the test; the training is finished and saved"},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		if c.at == "" {
			cancel()
		}
		if err := program.Run(ctx, args, nil, &cancelWriter{at: c.at, cancel: cancel}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want %q", err, c.want)
		}
		cancel()
	}
	if out := mustRun(t, append(args, "-resume")...); !testLine.MatchString(out) {
		t.Errorf("-resume does not repeat the test:\n%s", out)
	}
}

// cancelWriter ends a context when it is told of something.
type cancelWriter struct {
	bytes.Buffer
	at     string
	cancel context.CancelFunc
}

func (w *cancelWriter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.at)) {
		w.cancel()
	}
	return w.Buffer.Write(p)
}

// Layers are trained, saved and gone on with, by their names alone.
func TestEveryLayer(t *testing.T) {
	data := t.TempDir()
	models := map[string]string{
		"s4d": "S4D", "s4": "kernel.P", "dss": "kernel.Lambda", "lssl": "kernel.pl",
		"transformer": "self_attn", "lstm": "LSTM", "gru": "GRU", "rnn": "RNN", "hippo-rnn": "HiPPORNN", "tcn": "TCN", "convnet": "ConvNet", "longconv": "LongConv", "ckconv": "CKConv", "ckblock": "CKBlock", "esn": "readout",
		"retnet": "RetNet", "mega": "Mega", "s5": "S5", "lru": "LRU", "s4nd": "S4ND", "mamba": "Mamba", "retention": "Retention",
		"ema": "EMA", "mega-attention": "MegaAttention", "linear": "Linear", "feedforward": "FeedForward", "conv1d": "Conv1D",
		"attention": "Attention", "position": "Norm", // position has no parameters
	}
	for _, kind := range layers.MixerKinds() {
		if models[kind] == "" {
			t.Errorf("want every kind of mixer in the list, %q is missing", kind)
		}
	}
	for name, want := range models {
		args := []string{"-preset", "smoke", "-model", name, "-cache", data, "-out", filepath.Join(t.TempDir(), "run"), "-eval-every", "1", "-warmup", "0", "-steps", "2"}
		if name == "s4nd" { // reads images
			args = append(args, "-task", "pathfinder")
		}
		out := mustRun(t, args...)
		for _, want := range []string{want, "finished after 2 steps", "test accuracy"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", name, want, out)
			}
		}
		if out := mustRun(t, append(args, "-resume")...); !testLine.MatchString(out) {
			t.Errorf("%s: -resume does not repeat the test:\n%s", name, out)
		}
	}
}

// Every kind of layer of the library is a model.
func TestModelsAreKindsOfMixers(t *testing.T) {
	names := program.ModelNames()
	for _, kind := range layers.MixerKinds() {
		if !slices.Contains(names, kind) {
			t.Errorf("no model %s, got %q", kind, names)
		}
		r, err := program.Check([]string{"-preset", "smoke", "-model", kind}, 200, 64) // 64: a square, for images
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		s, err := r.Stack(64)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		text, err := json.Marshal(s.Blocks[0])
		if want := fmt.Sprintf(`{"kind":%q,`, kind); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("got a block %s (%v), want a mixer %s", text, err, want)
		}
		if n := s.Len(); n != 2 && kind != "tcn" || s.DModel() != 16 {
			t.Errorf("%s: got %d blocks of %d features, want 2 of 16", kind, n, s.DModel())
		}
	}
}

func TestRank(t *testing.T) {
	dir := t.TempDir()
	out := mustRun(t, "-preset", "smoke", "-model", "s4", "-rank", "2", "-steps", "2", "-cache", filepath.Join(dir, "data"), "-out", filepath.Join(dir, "run"))
	if want := "(2, 16, 4, 2)"; !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
}

// -mixer is the whole configuration of the layer, whatever its kind.
func TestMixerInJSON(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-preset", "smoke", "-mixer", `{"kind": "s4d", "d_model": 12, "d_state": 6, "bottleneck": 3}`, "-steps", "2", "-cache", filepath.Join(dir, "data"), "-out", filepath.Join(dir, "run")}
	out := mustRun(t, args...)
	for _, want := range []string{"input_linear", "(4, 12)", "(4, 3, 2)", "finished after 2 steps"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	args[3] = `{"kind": "s4d", "d_model": 12, "d_state": 8, "bottleneck": 3}`
	if _, err := lra(t, context.Background(), append(args, "-resume")...); err == nil || !strings.Contains(err.Error(), "mixer.d_state is 6 in the checkpoint, 8 here") {
		t.Errorf("got error %v", err)
	}
}

// stackOf returns the blocks that a command line makes.
func stackOf(t *testing.T, args ...string) layers.StackConfig {
	t.Helper()
	r, err := program.Check(args, 1000, 1024)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Stack(1024)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A mixer that has residuals of its own has no other around it, and behind the last
// one that normalises first there is a norm.
func TestMixerWithResidualsOfItsOwn(t *testing.T) {
	for text, norm := range map[string]layers.NormKind{
		`{"kind": "transformer", "d_model": 4, "heads": 2, "prenorm": true}`: layers.LayerNorm,
		`{"kind": "transformer", "d_model": 4, "heads": 2}`:                  "",
		`{"kind": "tcn", "in": 4, "out": 4}`:                                 "",
		`{"kind": "retnet", "d_model": 4, "heads": 2}`:                       layers.RMSNorm,
		`{"kind": "mega", "d_model": 4, "prenorm": true, "norm": "rms"}`:     layers.RMSNorm,
		`{"kind": "mega", "d_model": 4}`:                                     "",
	} {
		s := stackOf(t, "-mixer", text, "-layers", "3")
		if b := s.Blocks[0]; s.Len() != 3 || s.Norm != norm || !b.NoResidual || b.Norm != layers.NoNorm || b.Dropout != 0 {
			t.Errorf("%s: got %d blocks %+v and norm %q", text, s.Len(), b, s.Norm)
		}
	}
}

// Positions are added once, and a Transformer of images has those of all pixels.
func TestPositionsOfTheTransformer(t *testing.T) {
	for _, c := range []struct {
		task string
		want layers.TransformerConfig
	}{
		{"listops", layers.TransformerConfig{Inner: 64, Heads: 8, FF: 128, Positions: layers.SinusoidalPositions}},
		{"image", layers.TransformerConfig{Inner: 32, Heads: 8, FF: 64, Positions: layers.LearnedPositions, MaxLen: 1024}},
	} {
		for i, b := range stackOf(t, "-task", c.task, "-model", "transformer", "-data", "x", "-bidirectional=false").Blocks {
			got := b.Mixer.(layers.TransformerConfig)
			if i > 0 {
				c.want.Positions, c.want.MaxLen = "", 0
			}
			if got.Inner != c.want.Inner || got.Heads != c.want.Heads || got.FF != c.want.FF || got.Positions != c.want.Positions || got.MaxLen != c.want.MaxLen || !got.Causal {
				t.Errorf("%s, block %d: got %+v, want %+v", c.task, i, got, c.want)
			}
		}
	}
}

// A TCN has the levels that it takes to see the longest sequence, and no fewer than
// the preset.
func TestLevelsOfTheTCN(t *testing.T) {
	for preset, want := range map[string]int{"smoke": 3, "quick": 8, "paper": 8} {
		c := stackOf(t, "-preset", preset, "-model", "tcn").Blocks[0].Mixer.(layers.TCNConfig)
		if c.Levels != want {
			t.Errorf("%s: got %d levels, want %d", preset, c.Levels, want)
		}
	}
}

func TestPublishedFiles(t *testing.T) {
	dir := t.TempDir()
	d, err := listops.Generate(context.Background(), listops.Config{Train: 40, Val: 10, Test: 10, MinLength: 5, MaxLength: 40}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	out := mustRun(t, "-preset", "smoke", "-data", dir, "-out", filepath.Join(dir, "run"), "-steps", "2", "-warmup", "0", "-eval-every", "1")
	if !strings.Contains(out, "40 training, 10 validation, 10 test examples") || strings.Contains(out, "generating") {
		t.Errorf("the published files were not read:\n%s", out)
	}
	if err := os.Remove(filepath.Join(dir, "basic_val.tsv")); err != nil {
		t.Fatal(err)
	}
	if _, err := lra(t, context.Background(), "-preset", "smoke", "-data", dir, "-out", filepath.Join(dir, "run2")); err == nil || !strings.Contains(err.Error(), "basic_val.tsv") {
		t.Errorf("a missing file: got error %v", err)
	}
}

// writeCIFAR writes the published binary files: 10000 black aeroplanes each.
func writeCIFAR(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(10000*3073), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImageTask(t *testing.T) {
	dir := t.TempDir()
	writeCIFAR(t, dir)
	out := mustRun(t, "-task", "image", "-preset", "smoke", "-eval-every", "4", "-data", dir, "-out", filepath.Join(dir, "run"))
	for _, want := range []string{"grey CIFAR-10: 45000 training, 5000 validation, 10000 test examples", "(B, 8, L)", "test accuracy"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "data_batch_3.bin"), 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := lra(t, context.Background(), "-task", "image", "-preset", "smoke", "-data", dir, "-out", filepath.Join(dir, "run2")); err == nil || !strings.Contains(err.Error(), "data_batch_3.bin") {
		t.Errorf("a truncated file: got error %v", err)
	}
}

func TestOptionErrors(t *testing.T) {
	for want, args := range map[string][]string{
		`-task: want one of listops, text, retrieval, image, pathfinder, pathx, got "words"`: {"-task", "words"},
		`-preset: want one of quick, small, paper, smoke, got "fast"`:                        {"-preset=fast"},
		`invalid value "tanhh" for flag -activation: want one of gelu`:                       {"-activation", "tanhh"},
		`-init: want one of [lin`:                                   {"-init", "legt"},
		"with -model s4, got \"lin\"":                               {"-model", "s4", "-init", "lin"},
		`invalid value "hilbert" for flag -init: want one of lin`:   {"-init", "hilbert"},
		"flag provided but not defined: -dmodel":                    {"-dmodel", "3"},
		`want options only, got "listops"`:                          {"listops"},
		"-task image needs -data":                                   {"-task", "image"},
		"-resume goes on with the run in -out":                      {"-resume", "-overwrite"},
		`invalid value "1,x" for flag -buckets: want whole numbers`: {"-buckets", "1,x"},
		"train: want -lr > 0, got -1":                               {"-lr", "-1"},
		"want -batch >= 1, got 0":                                   {"-batch", "0"},
		"want -micro-batch >= 0, got -1":                            {"-micro-batch", "-1"},
		"want -micro-batch to divide -batch, 32, got 5":             {"-batch", "32", "-micro-batch", "5"},
		"want -buckets positive and ascending":                      {"-buckets", "64, 32"},
		`invalid value "soon" for flag -max-time`:                   {"-max-time", "soon"},
		`-freeze and -rate: param: rule "Q": want a pattern of one of the parameters "encoder.weight", "blocks.*.layer.kernel.log_dt"`: {"-freeze", "A, Q", "-preset", "smoke"},
		"models: want an even -d-state >= 2 (conjugate pairs), got 3":                                                                  {"-d-state", "3", "-preset", "smoke"},
		"invalid value 0 for flag -d-state":                                         {"-d-state", "0"},
		"invalid value 0 for flag -lr-ssm":                                          {"-lr-ssm", "0.0"},
		"-fixed-b is about -model s4d: want none with -model s4":                    {"-model", "s4", "-fixed-b"},
		"-disc is about -model s4d, hippo-rnn, s4nd, s5: want none with -model dss": {"-model", "dss", "-disc", "zoh"},
		"-rank is about -model s4: want none with -model s4d":                       {"-rank", "1"},
		"-n-ssm is about -model s4d, s4, lssl, s4nd: want none with -model dss":     {"-model=dss", "-n-ssm", "1"},
		"-norm is about -model s4d, s4, dss, lssl, mega, mega-attention, retention, lstm, gru, rnn, hippo-rnn, esn, convnet, longconv, s4nd, ckconv, conv1d, attention, ema, feedforward, linear, lru, mamba, position, s5: want none with -model tcn": {"-model", "tcn", "-norm", "batch"},
		"-mixer is the whole configuration of the layer: want no -dropout with it":  {"-mixer", `{"kind":"tcn","in":4,"out":4}`, "-dropout", "0.1"},
		"-model: want one of s4d, s4, dss, lssl":                                    {"-model", "s6"},
		"-init: want one of [legs legt lagt] with -model lssl, got \"lin\"":         {"-model", "lssl", "-init", "lin"},
		"-mixer is the whole configuration of the layer: want no -d-state with it":  {"-mixer", `{"kind":"s4d","d_model":4}`, "-d-state", "4"},
		"-mixer is the whole configuration of the layer: want no -model with it":    {"-mixer", `{"kind":"s4d","d_model":4}`, "-model", "s4d"},
		"-mixer is the whole configuration of the layer: want no -d-model with it":  {"-mixer", `{"kind":"s4d","d_model":4}`, "-d-model", "8"},
		`for flag -mixer: block: mixer: want a kind, one of`:                        {"-mixer", `{"kind":"s6"}`},
		`for flag -mixer: block: mixer of kind "s4d": json: unknown field "states"`: {"-mixer", `{"kind":"s4d","states":4}`},
		`for flag -mixer: want an object in JSON`:                                   {"-mixer", `{"kind":"s4d"},"norm":"batch"`},
		`for flag -mixer: want an object, got null`:                                 {"-mixer", `null`},
		`-mixer: S4DConfig: want DModel >= 1, got 0`:                                {"-mixer", `{"kind":"s4d"}`},
		"-off-by-one is about the second kernel":                                    {"-off-by-one"},
		"want both or neither":                                                      {"-preset", "paper", "-bidirectional=false", "-off-by-one"},
		"-drop and -drop-patience are about -schedule plateau":                      {"-drop", "0.5"},
		"want -drop in (0, 1), got 2":                                               {"-schedule", "plateau", "-drop", "2"},
		"want -n-ssm a divisor of the number of features H = 64, got 3":             {"-n-ssm", "3"},
		"want 0 < -dt-min <= -dt-max, got -dt-min = 1, -dt-max = 0.1":               {"-dt-min", "1"},
		"-max-length: want >= -min-length + 2 = 52":                                 {"-min-length", "50", "-max-length", "40"},
		"-train-examples: want >= 1, got -5":                                        {"-train-examples", "-5"},
		"want -steps or -epochs >= 1, got neither":                                  {"-steps", "0"},
		"want -layers >= 0 and at most 4096 blocks in all":                          {"-layers", "-1"},
		"no such file":                                       {"-task", "image", "-data", "/nonexistent"},
		"basic_train.tsv: no such file":                      {"-data", "/nonexistent"},
		"-max-length is about data that are made: want none": {"-data", "/nonexistent", "-max-length", "100"},
		"-generated is about data that are made: want none":  {"-task", "text", "-data", "/nonexistent", "-generated", "100"},
		"imdb: stat /nonexistent: no such file":              {"-task", "text", "-data", "/nonexistent", "-generated", "0"},
		"-warmup: want fewer than the 50 of -steps, got 200": {"-steps", "50", "-warmup", "200"},
	} {
		args = append(args, "-out", filepath.Join(t.TempDir(), "run"))
		if !strings.Contains(want, "-data") && !strings.Contains(want, "no such file") {
			args = append([]string{"-cache", t.TempDir()}, args...)
		}
		out, err := lra(t, context.Background(), args...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("lra %s: got error %v, want %q\n%s", strings.Join(args, " "), err, want, out)
		}
	}
}

func TestMistakesAreFoundBeforeTheDataAreMade(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	_, err := lra(t, context.Background(), "-cache", data, "-d-state", "33")
	if err == nil {
		t.Fatal("an odd state size was accepted")
	}
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: got %v, want no such directory", data, err)
	}
}
