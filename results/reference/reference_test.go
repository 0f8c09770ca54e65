package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/internal/npy"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

// minimal is the model that both sides have.
func minimal() models.ClassifierConfig {
	padding := listops.Pad
	mixer := layers.S4DConfig{DModel: 4, DState: 4, FixedB: true, SSM: layers.SSM{Dropout: 0.25}}
	return models.ClassifierConfig{
		Vocab: listops.VocabSize, Padding: &padding, Classes: listops.Classes,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: mixer, Norm: layers.LayerNorm, Dropout: 0.25}}, Repeat: 2},
	}
}

// drawnListOps are the options of the expressions of a test.
const drawnListOps = `{"train_examples": 10, "test_examples": 3, "min_length": 5, "max_length": 30}`

// writeRun writes what a run of ours on ListOps begins with.
func writeRun(t *testing.T, cfg models.ClassifierConfig, limit int, end *report.End) (dir string) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir = t.TempDir()
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(filepath.Join(dir, "start")); err != nil {
		t.Fatal(err)
	}
	settings := train.Config{
		Steps: 7, BatchSize: 4, Buckets: []int{16, 32}, Seed: 3, LR: 0.02, WeightDecay: 0.03, EvalEvery: 2,
		Schedule: train.Schedule{Kind: train.Cosine, WarmUp: 2}, MaxDuration: train.Duration(time.Minute),
	}
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	recipe := fmt.Sprintf(`{"task": "listops", "limit": %d, "data": %s, "model": {}, "train": %s}`, limit, drawnListOps, text)
	r := report.Run{Task: "listops", Recipe: json.RawMessage(recipe), Steps: 7, End: end}
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// array reads an array of an export.
func array(t *testing.T, dir, name string) npy.Array {
	t.Helper()
	a, err := npy.Read(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// readConfig reads the configuration of an export.
func readConfig(t *testing.T, dir string) (c exported) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testExport exports a run and returns where, with its training data.
func testExport(t *testing.T, limit int, end *report.End) (dir string, ds task.Dataset) {
	t.Helper()
	ctx := context.Background()
	run, dir := writeRun(t, minimal(), limit, end), t.TempDir()
	if err := export(ctx, run, dir); err != nil {
		t.Fatal(err)
	}
	d, err := listops.Load(ctx, listops.Config{Train: 10, Val: 3, Test: 3, MinLength: 5, MaxLength: 30, Seed: 3}, "", listops.Report{})
	if err != nil {
		t.Fatal(err)
	}
	ds, err = d.Train.Dataset(listops.Encoding{})
	if err != nil {
		t.Fatal(err)
	}
	return dir, ds
}

func TestExportConfig(t *testing.T) {
	dir, _ := testExport(t, 0, nil)
	c := readConfig(t, dir)
	if c.Vocab != listops.VocabSize || *c.Padding != listops.Pad || c.DState != 4 || c.Layers != 2 || c.Dropout != 0.25 || c.DtMin != 0.001 || c.DtMax != 0.1 {
		t.Errorf("got the model %+v", c)
	}
	if c.Steps != 7 || c.StepsPerEpoch != 3 || c.Batch != 4 || c.EvalEvery != 2 || c.Seconds != 60 || c.Schedule.WarmUp != 2 || c.DType != train.Float32 {
		t.Errorf("got the training %+v", c)
	}
	for name, want := range map[string]parameter{
		"encoder.weight":                     {"encoder.weight", false, 0.02, 0.03},
		"s4_layers.1.kernel.A_imag":          {"blocks.1.layer.kernel.A_imag", true, 0.001, 0},
		"s4_layers.0.kernel.log_dt":          {"blocks.0.layer.kernel.log_dt", false, 0.001, 0},
		"s4_layers.0.kernel.C":               {"blocks.0.layer.kernel.C", false, 0.02, 0.03},
		"s4_layers.0.output_linear.0.weight": {"blocks.0.layer.output_linear.weight", false, 0.02, 0.03},
	} {
		if got := c.Parameters[name]; got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	start, err := statespaces.Read(filepath.Join(dir, startFile))
	if err != nil || len(start.Tensors) != len(c.Parameters) {
		t.Errorf("want the parameters before training, got %v, %v", start, err)
	}
}

func TestExportData(t *testing.T) {
	for _, limit := range []int{0, 5} {
		dir, ds := testExport(t, limit, nil)
		x, lengths, y := array(t, dir, "train_x.npy"), array(t, dir, "train_length.npy"), array(t, dir, "train_y.npy")
		n := ds.Len()
		if limit > 0 {
			n = limit
		}
		if len(lengths.Data) != n || len(y.Data) != n {
			t.Fatalf("limit %d: got %d examples, want %d", limit, len(y.Data), n)
		}
		at := 0
		for i := range n {
			b := task.NewBatch(ds)
			if err := b.Load([]int{i}, 1, ds.Length(i)); err != nil {
				t.Fatal(err)
			}
			want, err := b.Array(task.X)
			if err != nil {
				t.Fatal(err)
			}
			class, err := b.Array(task.Target)
			if err != nil {
				t.Fatal(err)
			}
			got := x.Data[at : at+int(lengths.Data[i])]
			if !slices.EqualFunc(want.Ints, got, func(a int, b float64) bool { return float64(a) == b }) || float64(class.Ints[0]) != y.Data[i] {
				t.Errorf("example %d: got %v, class %g, want %v, %d", i, got, y.Data[i], want.Ints, class.Ints[0])
			}
			at += len(got)
		}
		if at != len(x.Data) {
			t.Errorf("got %d steps, want %d", len(x.Data), at)
		}
	}
}

// The order is that of the trainer's loader, -1 where a row only fills.
func TestExportOrder(t *testing.T) {
	dir, ds := testExport(t, 0, nil)
	order := array(t, dir, orderFile)
	if !slices.Equal(order.Shape, []int{7, 4}) {
		t.Fatalf("got shape %v, want 7 steps of 4 rows", order.Shape)
	}
	l, err := train.NewLoader(ds, train.LoaderConfig{BatchSize: 4, Buckets: []int{16, 32}, Shuffle: true, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Stream(context.Background(), train.Position{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	filled := false
	for step := range 7 {
		b, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		for row := range 4 {
			want := -1
			if row < len(b.Examples) {
				want = b.Examples[row]
			}
			filled = filled || want < 0
			if got := order.Data[4*step+row]; got != float64(want) {
				t.Errorf("step %d, row %d: got example %g, want %d", step, row, got, want)
			}
		}
	}
	if !filled {
		t.Error("want a batch that is not full in this test")
	}
}

// Of a run whose time was bounded there is order for twice its steps.
func TestExportOfBoundedTime(t *testing.T) {
	dir, _ := testExport(t, 0, &report.End{Reason: "finished", Steps: 2})
	if got := array(t, dir, orderFile).Shape[0]; got != 4 {
		t.Errorf("got the order of %d steps, want 4", got)
	}
	if got := readConfig(t, dir).Steps; got != 7 {
		t.Errorf("got %d steps, want those planned, 7", got)
	}
}

func TestExportRefuses(t *testing.T) {
	for want, change := range map[string]func(c *models.ClassifierConfig, m *layers.S4DConfig){
		"FixedB":                func(_ *models.ClassifierConfig, m *layers.S4DConfig) { m.FixedB = false },
		"one kernel":            func(_ *models.ClassifierConfig, m *layers.S4DConfig) { m.Bidirectional, m.OffByOne = true, true },
		"want layer norm":       func(c *models.ClassifierConfig, _ *layers.S4DConfig) { c.Stack.Blocks[0].Norm = layers.BatchNorm },
		"PreNorm true":          func(c *models.ClassifierConfig, _ *layers.S4DConfig) { c.Stack.Blocks[0].PreNorm = true },
		"want one tied dropout": func(c *models.ClassifierConfig, _ *layers.S4DConfig) { c.Stack.Blocks[0].Dropout = 0 },
		"untied false and true": func(c *models.ClassifierConfig, _ *layers.S4DConfig) { c.Stack.Blocks[0].UntiedDropout = true },
		"want the mean":         func(c *models.ClassifierConfig, _ *layers.S4DConfig) { c.Pool = ops.PoolLast },
		"got a layers.S4Config": func(c *models.ClassifierConfig, _ *layers.S4DConfig) {
			c.Stack.Blocks[0].Mixer = layers.S4Config{DModel: 4}
		},
		"want equal blocks, got": func(c *models.ClassifierConfig, _ *layers.S4DConfig) {
			c.Stack.Blocks = append(c.Stack.Blocks, c.Stack.Blocks[0])
		},
	} {
		c := minimal()
		m := c.Stack.Blocks[0].Mixer.(layers.S4DConfig)
		change(&c, &m)
		if s, ok := c.Stack.Blocks[0].Mixer.(layers.S4DConfig); ok && s.DModel == m.DModel {
			for i := range c.Stack.Blocks {
				c.Stack.Blocks[i].Mixer = m
			}
		}
		err := export(context.Background(), writeRun(t, c, 0, nil), t.TempDir())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got error %v", want, err)
		}
	}
}

func TestExportOfOtherTask(t *testing.T) {
	r := recipe{Task: "text"}
	if _, err := r.load(context.Background()); err == nil || !strings.Contains(err.Error(), `got "text"`) {
		t.Errorf("got error %v", err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ command, args, want string }{
		{"check", "-task text", "-task: want one of image, listops, smnist"},
		{"check", "-task listops", "-code: want"},
		{"check", "-code x", "-data: want the data of image"},
		{"alike", "-code x -data y -seeds 0", "-seeds: want at least 1, got 0"},
		{"alike", "-code x -data y -steps 100", "-warmup: want fewer than -steps, 100"},
		{"alike", "-code x -data y -val-limit -1", "want >= 0"},
		{"hours", "-code x -data y -time 0s", "-time: want a positive duration"},
	} {
		if _, err := parse(c.command, strings.Fields(c.args), io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: want error %q, got %v", c.command, c.args, c.want, err)
		}
	}
	for _, args := range []string{"", "learn", "export one"} {
		if err := run(context.Background(), strings.Fields(args)); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestArguments(t *testing.T) {
	o, err := parse("alike", strings.Fields("-code x -data y -d-model 32 -d-state 16"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	args := o.arguments(o.of.dropout, rate, "-seed=2")
	for _, want := range []string{
		`-mixer={"kind":"s4d","d_model":32,"d_state":16,"fixed_b":true,"dropout":0.1,"lr":0.001}`,
		"-dropout=0.1", "-layers=4", "-batch=50", "-lr=0.01", "-norm=layer", "-data=y", "-seed=2",
	} {
		if !slices.Contains(args, want) {
			t.Errorf("want %s, got %q", want, args)
		}
	}
}

// writeMetrics writes the metrics of a run with so many steps, evaluated every second one.
func writeMetrics(t *testing.T, steps int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var b strings.Builder
	for s := 1; s <= steps; s++ {
		fmt.Fprintf(&b, `{"kind":"step","step":%d,"epoch":1,"batch":{"loss":%d,"accuracy":0.5,"count":1},"grad_norm":1,"sequences":1,"lr":1,"seconds":1,"elapsed":%d}`+"\n", s, s, 36*s)
		if s%2 == 0 {
			fmt.Fprintf(&b, `{"kind":"eval","step":%d,"epoch":1,"train":{"loss":1,"accuracy":0.5,"count":1},"val":{"loss":1,"accuracy":0.25,"count":1},"lr":1,"seconds":1,"elapsed":%d}`+"\n", s, 36*s)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, report.MetricsFile), []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCurves(t *testing.T) {
	c, err := readCurves(writeMetrics(t, 2*together))
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{(together + 1) / 2., (3*together + 1) / 2.}; !slices.Equal(c.loss.value, want) || !slices.Equal(c.loss.step, []float64{together, 2 * together}) {
		t.Errorf("got losses %+v, want %v", c.loss, want)
	}
	if len(c.accuracy.value) != together || c.accuracy.value[0] != 25 || c.accuracy.hours[0] != 0.02 {
		t.Errorf("got accuracies %+v", c.accuracy)
	}
}

func TestDraw(t *testing.T) {
	o := options{task: "image", layers: 1, dModel: 2, out: "none", results: t.TempDir()}
	p := pair{ours: outcome{dir: writeMetrics(t, 50)}, public: outcome{dir: writeMetrics(t, 30)}}
	for command, x := range map[string]abscissa{"alike": bySteps, "hours": byHours} {
		if err := o.draw(command, []pair{p, p}, x); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(o.result(command) + "-0-public.csv")
		if want := "curve,step,epoch,elapsed_s,value\ntrain_loss,20,1,720.0,10.5\nval_accuracy,2,1,72.0,0.25\n"; err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("want curves that begin with %q, got %.80q, %v", want, text, err)
		}
		if info, err := os.Stat(o.result(command) + ".png"); err != nil || info.Size() == 0 {
			t.Errorf("%s: want a picture, got %v, %v", command, info, err)
		}
	}
}

// TestDrawMoment draws the accuracy of a run that was evaluated once.
func TestDrawMoment(t *testing.T) {
	path, red := filepath.Join(t.TempDir(), "moment.png"), color.RGBA{R: 255, A: 255}
	p := figure.NewPlot("", "", "")
	add(p, bySteps, curve{step: []float64{500}, value: []float64{43}}, red, "")
	if err := figure.Save(path, []figure.Panel{p}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			if color.RGBAModel.Convert(picture.At(x, y)) == red {
				n++
			}
		}
	}
	if n < 20 {
		t.Errorf("want a dot, got %d pixels of its colour", n)
	}
}

func TestTable(t *testing.T) {
	got := string(table([]pair{
		{0, outcome{test: 0.41, steps: 500, seconds: 200}, outcome{test: 0.4, steps: 500, seconds: 1000}},
		{1, outcome{test: 0.43, steps: 500, seconds: 200}, outcome{test: 0.42, steps: 500, seconds: 1000}},
	}))
	for _, want := range []string{"| 0 | 41.00 % | 40.00 % | 500 and 500 | 200 and 1000 |", "| mean | 42.00 ± 1.41 % | 41.00 ± 1.41 % |"} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q, got\n%s", want, got)
		}
	}
}

// A child that is told to stop is waited for: it may save.
func TestCommandStops(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the terminal tells it")
	}
	saved := filepath.Join(t.TempDir(), "saved")
	ctx, cancel := context.WithCancel(context.Background())
	begun := saved + ".begun"
	go func() {
		for {
			if _, err := os.Stat(begun); err == nil {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	script := fmt.Sprintf("trap 'echo x > %s; exit 0' TERM; echo x > %s; while :; do sleep 0.01; done", saved, begun)
	err := options{threads: 1}.command(ctx, "sh", "-c", script)
	if err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("want %v, got %v", context.Canceled, err)
	}
	if _, err := os.Stat(saved); err != nil {
		t.Error(err)
	}
}

// The ends of finished runs are read, and they are not run again.
func TestFinishedRuns(t *testing.T) {
	ours := writeRun(t, minimal(), 0, &report.End{Reason: "finished", Steps: 7, Elapsed: train.Duration(time.Minute)})
	test := report.Test{Split: "test", Examples: 3, Metrics: train.Metrics{Loss: 1, Count: 3, Scores: []train.Score{{Name: "accuracy", Value: 0.25}}}}
	if err := test.Save(ours); err != nil {
		t.Fatal(err)
	}
	if _, err := (options{}).ours(context.Background(), ours, []string{"-steps=8"}); err == nil || !strings.Contains(err.Error(), "want a run with -steps=8") {
		t.Errorf("other options: error %v", err)
	}
	public := t.TempDir()
	if err := os.WriteFile(filepath.Join(public, "result.json"), []byte(`{"steps": 5, "seconds": 2.5, "test": {"loss": 1, "accuracy": 0.5, "count": 3},
		"arguments": ["--of=0001-01-01T00:00:00Z", "--threads=0", "--code=", "--seed=0", "--val-limit=0", "--test-limit=0"]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	o := options{out: filepath.Join(t.TempDir(), "none")}
	if got, err := o.ours(context.Background(), ours, nil); err != nil || got != (outcome{ours, 0.25, 7, 60}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for want, other := range map[string]func(*options){
		"--test-limit=5":      func(o *options) { o.testLimit = 5 },
		"--code=elsewhere":    func(o *options) { o.code = "elsewhere" },
		"--threads=1":         func(o *options) { o.threads = 1 },
		"run with 1 processo": func(o *options) { o.threads = 1 },
	} {
		o := o
		other(&o)
		_, err1 := o.public(context.Background(), public, ours, 0)
		_, err2 := o.ours(context.Background(), ours, nil)
		if err := errors.Join(err1, err2); err == nil || !strings.Contains(err.Error(), "want a "+want) && !strings.Contains(err.Error(), "want a run with "+want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if got, err := o.public(context.Background(), public, ours, 0); err != nil || got != (outcome{public, 0.5, 5, 2.5}) {
		t.Errorf("got %+v, %v", got, err)
	}
}
