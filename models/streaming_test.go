package models_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/task"
)

// streamed is how long the sequences are that are read step by step.
const streamed = 9

// steppers lists a mixer, or several, of every registered kind, as it steps.
func steppers() map[string][]layers.MixerConfig {
	return map[string][]layers.MixerConfig{
		"s4":             {layers.S4Config{DModel: 4, DState: 4, LMax: streamed}, layers.S4Config{DModel: 4, DState: 4, LMax: streamed, SSM: layers.SSM{Gate: 2, Bottleneck: 2}}},
		"s4d":            {layers.S4DConfig{DModel: 4, DState: 4}},
		"dss":            {layers.DSSConfig{DModel: 4, DState: 4, LMax: streamed}},
		"lssl":           {layers.LSSLConfig{DModel: 4, DState: 4}},
		"s5":             {layers.S5Config{DModel: 4, DState: 4}, layers.S5Config{DModel: 4, DState: 6, Full: true, SSM: layers.SSM{Mixing: layers.MixHalfGLU2}}},
		"lru":            {layers.LRUConfig{DModel: 4, DState: 3}},
		"linear":         {layers.LinearConfig{In: 4, Out: 4}},
		"feedforward":    {layers.FeedForwardConfig{DModel: 4, FF: 6}},
		"lstm":           {layers.LSTMConfig{DModel: 4, Layers: 2}},
		"gru":            {layers.GRUConfig{DModel: 4}},
		"rnn":            {layers.RNNConfig{DModel: 4}},
		"hippo-rnn":      {layers.HiPPORNNConfig{DModel: 4}, layers.HiPPORNNConfig{DModel: 4, MemoryOrder: 3, LMU: true}},
		"conv1d":         {layers.Conv1DConfig{In: 4, Out: 4, Kernel: 3}},
		"tcn":            {layers.TCNConfig{In: 4, Out: 4, Levels: 2, Kernel: 2}},
		"convnet":        {layers.ConvNetConfig{DModel: 4}},
		"esn":            {layers.ESNConfig{DModel: 4, Reservoir: 6}},
		"ckconv":         {layers.CKConvConfig{In: 4, Out: 4, Hidden: 3, LMax: streamed}},
		"ckblock":        {layers.CKBlockConfig{In: 4, Out: 4, Hidden: 3, LMax: streamed}},
		"longconv":       {layers.LongConvConfig{DModel: 4, LMax: streamed}},
		"retention":      {layers.RetentionConfig{DModel: 4, Heads: 2}},
		"retnet":         {layers.RetNetConfig{DModel: 4, Heads: 2}},
		"ema":            {layers.EMAConfig{DModel: 4, DState: 2}},
		"mega-attention": {layers.MegaAttentionConfig{DModel: 4, DState: 2, Causal: true, Chunk: 3}},
		"mega":           {layers.MegaConfig{DModel: 4, DState: 2, Causal: true, Chunk: 3}},
		"mamba":          {layers.MambaConfig{DModel: 4, DState: 3}, layers.MambaConfig{DModel: 4, Kernel: 1}},
		"attention":      {layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true}, layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Window: 3}, layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Form: attention.Linear}},
		"position":       {layers.PositionConfig{DModel: 4}},
		"transformer":    {layers.TransformerConfig{DModel: 4, Heads: 2, FF: 8, Causal: true}},
	}
}

// prefixes returns the logits of all prefixes of features x (streamed, F), or of ids, by
// one graph with a row for each.
func prefixes(t *testing.T, m models.Model, x []float64, ids []int) []float64 {
	t.Helper()
	gr, err := m.Build(task.Evaluation, streamed, streamed)
	if err != nil {
		t.Fatal(err)
	}
	lengths := make([]int, streamed)
	for i := range lengths {
		lengths[i] = i + 1
	}
	for name, n := range gr.Inputs {
		v := tensor.New(tensor.Of(n.Dtype()), tensor.WithShape(n.Shape()...))
		switch {
		case name == task.Lengths:
			copy(v.Ints(), lengths)
		case name == task.X && ids != nil:
			copy(v.Ints(), slices.Repeat(ids, streamed))
		case name == task.X:
			v = testutil.Dense(n.Dtype(), slices.Repeat(x, streamed), n.Shape()...)
		}
		if err := G.Let(n, v); err != nil {
			t.Fatal(err)
		}
	}
	out := gr.Outputs[task.Logits]
	if out == nil {
		if out = gr.Outputs[task.Quantiles]; out == nil {
			out = gr.Outputs[task.Output]
		}
	}
	var v G.Value
	G.Read(out, &v)
	vm := G.NewTapeMachine(gr.G, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(v)
}

// A classifier that reads step by step has at every step the logits of what it has
// read: of every mixer, in every way of pooling. Its state, saved after any of the
// steps, goes on in another session, and rows at different places make one batch.
func TestClassifierStepByStep(t *testing.T) {
	for _, kind := range layers.MixerKinds() {
		of := steppers()[kind]
		if len(of) == 0 && kind != "leaky" && kind != "s4nd" { // which has no steps
			t.Errorf("want a mixer of kind %q in steppers, got none", kind)
		}
		for i, mixer := range of {
			for k, pool := range ops.PoolModes() {
				cfg := models.ClassifierConfig{
					Features: 2, Classes: 3, Pool: pool,
					Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{{Mixer: mixer, PreNorm: i%2 == 0, Norm: []layers.NormKind{layers.LayerNorm, layers.BatchNorm}[k%2]}}},
				}
				if layers.HasResidual(mixer) {
					cfg.Stack.Blocks[0] = layers.BlockConfig{Mixer: mixer, NoResidual: true, Norm: layers.NoNorm}
				}
				dt, tol := tensor.Float64, 1e-11
				if k == 1 {
					dt, tol = tensor.Float32, 1e-4
				}
				t.Run(fmt.Sprint(kind, i, " ", pool), func(t *testing.T) { checkStream(t, cfg, dt, tol) })
			}
		}
	}
}

func checkStream(t *testing.T, cfg models.ClassifierConfig, dt tensor.Dtype, tol float64) {
	m := newClassifier(t, cfg, dt)
	x := testutil.Normal(rand.New(rand.NewPCG(3, 3)), "x", streamed, cfg.Features).F
	want := prefixes(t, m, x, nil)
	r, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	step := func(r *layers.Recurrence, at ...int) []float64 {
		var u []float64
		for _, l := range at {
			u = append(u, x[l*cfg.Features:(l+1)*cfg.Features]...)
		}
		y, err := r.Step(testutil.Dense(dt, u, len(at), cfg.Features))
		if err != nil {
			t.Fatal(err)
		}
		return testutil.Floats(y)
	}
	saved := make([][]byte, streamed)
	for l := range streamed {
		if e := testutil.RelErr(step(r, l), want[3*l:3*l+3]); !(e <= tol) {
			t.Fatalf("step %d: relative error %.3g", l, e)
		}
		if saved[l], err = r.State().MarshalBinary(); err != nil {
			t.Fatal(err)
		}
	}
	// Two rows, at steps 2 and 5, in a session of their own.
	var parts []layers.State
	for _, l := range []int{2, 5} {
		var s layers.State
		if err := s.UnmarshalBinary(saved[l]); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, s)
	}
	joined, err := layers.JoinStates(parts...)
	if err != nil {
		t.Fatal(err)
	}
	two, err := r.Fork(2)
	if err != nil {
		t.Fatal(err)
	}
	if len(joined) > 0 { // else there is nothing to remember
		if err := two.SetState(joined); err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(step(two, 3, 6), slices.Concat(want[9:12], want[18:21])); !(e <= tol) {
			t.Errorf("two rows that go on: relative error %.3g", e)
		}
	}
	r.Reset()
	if e := testutil.RelErr(step(r, 0), want[:3]); !(e <= tol) {
		t.Errorf("after Reset: relative error %.3g", e)
	}
}

func TestClassifierOfTokensStepByStep(t *testing.T) {
	cfg := tokens()
	padding := 3
	cfg.Padding = &padding
	m := newClassifier(t, cfg, tensor.Float64)
	ids := []int{3, 1, 4, 1, 5, 3, 2, 6, 5}
	want := prefixes(t, m, nil, ids)
	r, err := m.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	for l, id := range ids {
		y, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{id})))
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(testutil.Floats(y), want[3*l:3*l+3]); !(e <= 1e-11) {
			t.Errorf("step %d: relative error %.3g", l, e)
		}
	}
	if _, err := r.Step(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{7}))); err == nil || !strings.Contains(err.Error(), "want an id in [0, 7), got 7") {
		t.Errorf("got error %v", err)
	}
}

// What cannot step says which layer it is.
func TestModelsThatCannotStep(t *testing.T) {
	stack := layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 4, DState: 4}}, {Mixer: layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true}}},
	}}
	retrieval := pairs()
	retrieval.Stack = stack
	series := windows()
	series.Stack = stack
	centered := windows()
	centered.Center = true
	const layer = `layers: Block "blocks.1": Recurrence: layers: S4D "blocks.1.layer": Recurrence: a bidirectional layer needs the future`
	for want, m := range map[string]interface {
		Recurrence(batch int) (*layers.Recurrence, error)
	}{
		"models: Classifier: " + layer: newClassifier(t, models.ClassifierConfig{Features: 1, Classes: 2, Stack: stack}, tensor.Float32),
		"models: Retrieval: " + layer:  newRetrieval(t, retrieval, tensor.Float32),
		"models: Forecaster: " + layer: newForecaster(t, series, tensor.Float32),
		"models: Forecaster: Recurrence: with Center every step is read less the last one": newForecaster(t, centered, tensor.Float32),
	} {
		if _, err := m.Recurrence(1); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	m := newClassifier(t, tokens(), tensor.Float32)
	if _, err := m.Recurrence(0); err == nil {
		t.Error("a batch of 0 was accepted")
	}
}
