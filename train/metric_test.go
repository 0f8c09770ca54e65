package train

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/task"
)

// batchOf returns a batch of all examples of some columns, with a row that only
// fills it.
func batchOf(t *testing.T, columns ...task.Column) *task.Batch {
	t.Helper()
	ds, err := task.NewTable(columns...)
	if err != nil {
		t.Fatal(err)
	}
	b := task.NewBatch(ds)
	longest := 1
	examples := make([]int, ds.Len())
	for i := range examples {
		examples[i], longest = i, max(longest, ds.Length(i))
	}
	if err := b.Load(examples, ds.Len()+1, longest+1); err != nil {
		t.Fatal(err)
	}
	return b
}

func outputs(name string, y task.Array) *task.Outputs {
	return &task.Outputs{Loss: 0.5, Count: 2, Arrays: map[string]task.Array{name: y}}
}

func TestMetricValues(t *testing.T) {
	labels := batchOf(t, task.Col(task.Label(task.Target), []int{2, 0, -1, 1}))
	scores := outputs(task.Logits, task.Array{Shape: tensor.Shape{5, 3}, Float32s: []float32{0, 1, 2, 1, 1, 0, 9, 9, 9, 3, 1, 2, 0, 0, 0}})
	steps := batchOf(t, task.Col(task.Labels(task.Target), [][]int{{1, 0}, {-1, 1, 1}}))
	stepScores := outputs(task.Logits, task.Array{Shape: tensor.Shape{3, 2, 4}, Float64s: []float64{
		0, 1, 7, 7, 1, 0, 7, 7, // example 0: classes 1, 0
		5, 3, 0, 7, 5, 2, 1, 7, // example 1: classes 0, 0, 1
		0, 0, 0, 0, 0, 0, 0, 0}})
	numbers := batchOf(t, task.Col(task.Features(task.Target, 1), [][]float32{{1, 2}, {4}}))
	y := outputs(task.Output, task.Array{Shape: tensor.Shape{3, 3, 1}, Float64s: []float64{2, 2, 99, 1, 99, 99, 99, 99, 99}})
	missing := task.Features("w", 1)
	weighted := batchOf(t, task.Col(task.Features(task.Target, 1), [][]float32{{1, 2}, {4}}), task.Col(missing, [][]float32{{2, 1}, {0}}))
	w := Weighted("w")
	quantiles := outputs(task.Quantiles, task.Array{Shape: tensor.Shape{3, 3, 1, 2}, Float64s: []float64{
		0, 3, 4, 2, 99, 99, 1, 5, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}})
	single := outputs(task.Quantiles, task.Array{Shape: tensor.Shape{3, 3, 1, 1}, Float64s: []float64{2, 2, 99, 1, 99, 99, 99, 99, 99}})
	binary := batchOf(t, task.Col(task.Label(task.Target), []int{0, 1, 0, 1, -1}))
	margins := outputs(task.Logits, task.Array{Shape: tensor.Shape{6}, Float32s: []float32{0.1, 0.4, 0.4, 0.8, 9, 9}})
	two := outputs(task.Logits, task.Array{Shape: tensor.Shape{6, 2}, Float64s: []float64{3, 3.1, 2, 2.4, 1, 1.4, 0, 0.8, 0, 9, 0, 9}})
	for _, c := range []struct {
		m    Metric
		out  *task.Outputs
		b    *task.Batch
		want float64
	}{
		{Accuracy(), scores, labels, 2. / 3},
		{TopK(1), scores, labels, 2. / 3},
		{TopK(2), scores, labels, 2. / 3},
		{TopK(3), scores, labels, 1},
		{Accuracy(), stepScores, steps, 3. / 4},
		{SequenceAccuracy(), stepScores, steps, 1. / 2},
		{SequenceAccuracy(), scores, labels, 2. / 3},
		{TopK(2), stepScores, steps, 1},
		{MSE(), y, numbers, (1. + 0 + 9) / 3},
		{MAE(), y, numbers, (1. + 0 + 3) / 3},
		{R2(), y, numbers, 1 - 10/(14./3)},
		{MSE(w), y, weighted, 2. / 3},
		{MAE(w), y, weighted, 2. / 3},
		{R2(w), y, weighted, 1 - 2/(2./3)},
		{Pinball([]float64{0.1, 0.8}), quantiles, numbers, (0.1*1 + 0.2*2 + 0.9*2 + 0 + 0.1*3 + 0.2*1) / 2 / 3},
		{Pinball([]float64{0.1, 0.8}, w), quantiles, weighted, (2*(0.1*1+0.2*2) + 0.9*2 + 0) / 2 / 3},
		{Pinball([]float64{0.5}), single, numbers, 0.5 * (1. + 0 + 3) / 3},
		{Perplexity(), scores, labels, math.Exp(0.5)},
		{BitsPerByte(nil), scores, labels, 0.5 / math.Ln2},
		{BitsPerByte(func(*task.Batch) float64 { return 8 }), scores, labels, 1. / 8 / math.Ln2},
		{AUC(), margins, binary, (0.5*1 + 2 + 1) / 4},
		{AUC(), two, binary, (0.5*1 + 2 + 1) / 4},
	} {
		if got := c.m.Value(); !math.IsNaN(got) {
			t.Errorf("%s: %v before it has counted anything", c.m.Name(), got)
		}
		if err := c.m.Add(c.out, c.b); err != nil {
			t.Fatalf("%s: %v", c.m.Name(), err)
		}
		if got := c.m.Value(); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %v, want %v", c.m.Name(), got, c.want)
		}
		if got := c.m.New().Value(); !math.IsNaN(got) {
			t.Errorf("%s: a new one is %v", c.m.Name(), got)
		}
	}
}

// Metrics of parts, merged by their states, are those of the whole, and a state
// that was saved comes back bit for bit.
func TestMetricsMerge(t *testing.T) {
	const n = 60
	rng := rand.New(rand.NewPCG(1, 2))
	y, logits := make([]float64, n+1), make([]float64, 2*(n+1))
	labels, targets := make([]int, n), make([]float32, n)
	for i := range n {
		labels[i], targets[i] = rng.IntN(3)-1, float32(1000+rng.NormFloat64())
		y[i], logits[2*i], logits[2*i+1] = 1000+rng.NormFloat64(), math.Round(3*rng.NormFloat64()), math.Round(3*rng.NormFloat64())
	}
	b := batchOf(t, task.Col(task.Label(task.Target), labels), task.Col(task.Numbers("y"), targets))
	part := func(lo, hi int) (*task.Outputs, *task.Batch) {
		p := new(task.Batch)
		b.Rows(lo, hi, p)
		return &task.Outputs{Loss: float64(hi), Count: float64(hi - lo), Arrays: map[string]task.Array{
			task.Logits: {Shape: tensor.Shape{hi - lo, 2}, Float64s: logits[2*lo : 2*hi]},
			task.Output: {Shape: tensor.Shape{hi - lo}, Float64s: y[lo:hi]},
		}}, p
	}
	on := On(task.Output, "y")
	for _, kind := range []Metric{Accuracy(), SequenceAccuracy(), TopK(1), MSE(on), MAE(on), R2(on), Perplexity(), BitsPerByte(nil), AUC()} {
		whole, merged := kind.New(), kind.New()
		for _, cut := range [][2]int{{0, 20}, {20, 21}, {21, n + 1}} {
			out, p := part(cut[0], cut[1])
			one := kind.New()
			if err := errors.Join(whole.Add(out, p), one.Add(out, p), merged.Merge(one.State())); err != nil {
				t.Fatalf("%s: %v", kind.Name(), err)
			}
		}
		if e := math.Abs(merged.Value()/whole.Value() - 1); !(e < 1e-12) {
			t.Errorf("%s: merged %v, whole %v", kind.Name(), merged.Value(), whole.Value())
		}
		again := kind.New()
		if err := again.Merge(merged.State()); err != nil || again.Value() != merged.Value() || !reflect.DeepEqual(again.State(), merged.State()) {
			t.Errorf("%s: %v (%v) from a state, want %v", kind.Name(), again.Value(), err, merged.Value())
		}
		if err := again.Merge([]float64{1, 2, 3, 4, 5, 6, 7}); kind.Name() != "auc" && err == nil {
			t.Errorf("%s: another's state was accepted", kind.Name())
		}
	}
	if err := AUC().Merge(nil); err == nil {
		t.Error("auc: an empty state was accepted")
	}
}

func TestMetricErrors(t *testing.T) {
	labels := batchOf(t, task.Col(task.Label(task.Target), []int{2, 0, 1}))
	numbers := batchOf(t, task.Col(task.Numbers(task.Target, 2), [][]float32{{1, 2}, {3, 4}}))
	scores := func(shape ...int) *task.Outputs {
		return outputs(task.Logits, task.Array{Shape: shape, Float64s: make([]float64, tensor.Shape(shape).TotalSize())})
	}
	for _, c := range []struct {
		m    Metric
		out  *task.Outputs
		b    *task.Batch
		want string
	}{
		{Accuracy(), outputs("y", task.Array{}), labels, `want one of the outputs "y", got "logits"`},
		{Accuracy(On(task.Logits, "label")), scores(4, 3), labels, `want one of the fields "target", "lengths", got "label"`},
		{Accuracy(), scores(4, 3, 1), labels, "otherwise the shape of field \"target\", (4), got float64 of shape (4, 3, 1)"},
		{Accuracy(), scores(3, 3), labels, "got float64 of shape (3, 3)"},
		{Accuracy(), scores(4, 2), labels, "example 0: target: want a class in [0, 2), got 2"},
		{Accuracy(), scores(3, 2), numbers, `want field "target" of type int, got float32`},
		{TopK(0), scores(4, 3), labels, "want k >= 1, got 0"},
		{MSE(), scores(3, 3), numbers, `want one of the outputs "logits", got "output"`},
		{MSE(On(task.Logits, task.Target)), scores(3, 3), numbers, `want output "logits" of the shape of field "target", (3, 2), got (3, 3)`},
		{MSE(On(task.Logits, task.Target)), scores(3, 2, 1), numbers, `want output "logits" of the shape of field "target", (3, 2), got (3, 2, 1)`},
		{MSE(On(task.Logits, task.Target), Weighted("w")), scores(3, 2), numbers, `want one of the fields "target", "lengths", got "w"`},
		{MSE(On(task.Logits, task.Target), Weighted(task.Lengths)), scores(3, 2), numbers, `want field "lengths" of the shape of field "target", (3, 2), got (3)`},
		{Accuracy(Weighted(task.Lengths)), scores(4, 3), labels, `want no Weighted, which is for metrics of numbers, got field "lengths"`},
		{Pinball([]float64{0.5}, On(task.Logits, task.Target)), scores(3, 2), numbers, `of the shape of field "target", (3, 2, 1), got (3, 2)`},
		{Pinball([]float64{0.5, 1}, On(task.Logits, task.Target)), scores(3, 2, 2), numbers, `want quantiles in (0, 1), got [0.5 1]`},
		{Pinball(nil), scores(3, 2), numbers, `want at least one quantile, got none`},
		{AUC(), scores(4, 3), labels, "one or two scores for each label"},
		{AUC(), scores(4, 2), labels, "example 0: target: want a class in [0, 2), got 2"},
	} {
		if err := c.m.Add(c.out, c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", c.m.Name(), err, c.want)
		}
	}
}

// Values that JSON does not have are saved and read, in their order.
func TestMetricsInJSON(t *testing.T) {
	want := Metrics{Loss: 0.1, Count: 2.5, Scores: []Score{{"z", math.NaN()}, {"a", math.Inf(-1)}, {"b", 1e300}}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := `{"loss":0.1,"z":"NaN","a":"-Inf","b":1e+300,"count":2.5}`; string(text) != got {
		t.Errorf("got %s, want %s", text, got)
	}
	var got Metrics
	if err := json.Unmarshal(text, &got); err != nil || !math.IsNaN(got.Value("z")) || got.Value("a") != math.Inf(-1) || got.Value("b") != 1e300 || got.Loss != 0.1 || got.Count != 2.5 {
		t.Errorf("got %+v, %v", got, err)
	}
	a, b := Record{Val: want}, Record{Val: got}
	if !a.equal(&b) {
		t.Error("what was read is not what was written")
	}
	for _, bad := range []string{`[1]`, `{"loss":true}`, `{"loss":"one"}`, `{"loss":{}}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestMonitor(t *testing.T) {
	metrics := []Metric{MAE(), Accuracy()}
	for _, c := range []struct {
		name          string
		metrics       []Metric
		monitors      string
		better, worse float64
	}{
		{"", nil, Loss, 1, 2}, {"", metrics, "mae", 1, 2}, {Loss, metrics, Loss, 1, 2}, {"accuracy", metrics, "accuracy", 2, 1},
	} {
		m, err := newMonitor(c.name, c.metrics)
		if err != nil || m.name != c.monitors {
			t.Fatalf("%q: monitors %q (%v), want %q", c.name, m.name, err, c.monitors)
		}
		of := func(v float64) Metrics { return Metrics{Loss: v, Scores: []Score{{"mae", v}, {"accuracy", v}}} }
		good, bad, nan := of(c.better), of(c.worse), of(math.NaN())
		if !m.prefers(good, bad) || m.prefers(bad, good) || m.prefers(good, good) || !m.prefers(bad, nan) || m.prefers(nan, bad) || m.prefers(nan, nan) {
			t.Errorf("%q does not prefer %v to %v, and any number to a NaN", c.name, c.better, c.worse)
		}
	}
}

func TestMetricsRejected(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	for want, metrics := range map[string][]Metric{
		`want Monitor one of ["loss" "top2"], got "accuracy"`: {TopK(2)},
		`metric "accuracy": want a name of its own`:           {Accuracy(), Accuracy()},
		`metric "loss": want a name of its own`:               {Accuracy(Called("loss"))},
		"want a metric, got nil":                              {nil},
	} {
		cfg.Monitor = "accuracy"
		if _, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithMetrics(metrics...)); err == nil || !strings.HasPrefix(err.Error(), "train: Config: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

// failing is a metric that fails at one of its batches.
type failing struct {
	Metric
	at  *int // batches left
	err error
}

func (f failing) New() Metric { return failing{f.Metric.New(), f.at, f.err} }

func (f failing) Add(out *task.Outputs, b *task.Batch) error {
	if *f.at--; *f.at == 0 {
		return f.err
	}
	return f.Metric.Add(out, b)
}

// A metric that fails ends the run with what was done before it, and the run
// that is resumed from there is the one that it would have been.
func TestFailingMetric(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	want := unbroken(t, cfg, mc, train, val)
	for at, c := range map[int]struct {
		step int
		want string
	}{
		3: {2, `train: step 3: in the batch of examples `},
		7: {5, `train: evaluation after step 5: in the batch of examples `}, // 5 steps, 2 batches of validation data
		9: {6, `train: step 7: in the batch of examples `},
	} {
		cfg.CheckpointDir = t.TempDir()
		m := newTinyModel(mc, tensor.Float32)
		first, rest := &losses{}, &losses{}
		full := errors.New("division by zero")
		left := at
		tr, err := New(cfg, m, train, val, WithMetrics(failing{Accuracy(), &left, full}), WithHooks(first))
		if err != nil {
			t.Fatal(err)
		}
		_, err = tr.Fit(context.Background())
		for _, part := range []string{c.want, `metric "accuracy": division by zero`, "(the latest checkpoint, " + filepath.Join(cfg.CheckpointDir, LastCheckpoint)} {
			if !errors.Is(err, full) || !strings.Contains(err.Error(), part) {
				t.Errorf("batch %d: got error %v, want %q", at, err, part)
			}
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		tr = resumed(t, cfg, mc, train, val, rest)
		if tr.state.Step != c.step {
			t.Errorf("batch %d: the checkpoint is of step %d, want %d", at, tr.state.Step, c.step)
		}
		r, err := tr.Fit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomeOf(t, tr, r, append(first.loss, rest.loss...)); !reflect.DeepEqual(got, want) {
			t.Errorf("batch %d:\n%+v\nunbroken:\n%+v", at, got, want)
		}
	}
}

// What the metrics have counted since the last evaluation survives a break.
func TestMetricsResume(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	mc.Classes = 2
	for _, d := range []*tokenData{train, val} {
		for i := range d.examples {
			d.examples[i].Label %= 2
		}
	}
	metrics := WithMetrics(AUC(), TopK(1), Perplexity())
	run := func(dir string, stop int) []Record {
		cfg.CheckpointDir = dir
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		hook := stepHook{f: func(e StepEvent) error {
			if e.Step == stop {
				cancel()
			}
			return nil
		}}
		tr, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, metrics, WithHooks(hook))
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if stop < 0 {
			c, err := ReadCheckpoint(filepath.Join(dir, LastCheckpoint))
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Resume(c); err != nil {
				t.Fatal(err)
			}
		}
		r, err := tr.Fit(ctx)
		if stop > 0 {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.History {
			r.History[i].Elapsed = 0
		}
		return r.History
	}
	want := run(t.TempDir(), 0)
	dir := t.TempDir()
	run(dir, 8)
	if got := run(dir, -1); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if v := want[len(want)-1].Val.Value("auc"); !(v > 0.5) {
		t.Errorf("auc %v", v)
	}
}

// Numbers of two units, some of which count more, and one not at all.
func TestMetricWeightsAndUnits(t *testing.T) {
	b := batchOf(t,
		task.Col(task.Numbers(task.Target, 2, 2), [][]float32{{1, 2, 3, 4}, {5, 6, 7, 8}}),
		task.Col(task.Numbers(task.Weights, 2, 2), [][]float32{{1, 0, 1, 1}, {2, 1, 0, 1}}),
		task.Col(task.Numbers("few", 2), [][]float32{{1, 0}, {2, 1}}))
	out := outputs(task.Output, task.Array{Shape: tensor.Shape{3, 2, 2}, Float64s: []float64{2, math.NaN(), 3, 6, 5, 5, math.NaN(), 8, 9, 9, 9, 9}})
	weighted := Weighted(task.Weights)
	total := 0. // squared distances from the mean of what counts
	for _, v := range []float64{1, 3, 4, 5, 5, 6, 8} {
		total += (v - 32./7) * (v - 32./7)
	}
	for _, c := range []struct {
		m    Metric
		want float64
	}{
		{MSE(weighted), (1. + 0 + 4 + 0 + 1 + 0) / 7},
		{MAE(weighted, InUnits(10, 0.5)), (10. + 0 + 1 + 0 + 0.5 + 0) / 7},
		{R2(weighted), 1 - 6/total},
	} {
		if err := c.m.Add(out, b); err != nil {
			t.Fatal(err)
		}
		if got := c.m.Value(); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.m.Name(), got, c.want)
		}
	}
	for want, m := range map[string]Metric{
		`want units for each of the last axis of field "target", (3, 2, 2), got 3`: MSE(InUnits(1, 2, 3)),
		`want field "few" of the shape of field "target"`:                          MSE(Weighted("few")),
		`want one of the fields "target", "weights", "few", "lengths", got "none"`: MSE(Weighted("none")),
	} {
		if err := m.Add(out, b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
