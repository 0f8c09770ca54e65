package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
)

// saveModel saves a classifier of a few mixers to a directory.
func saveModel(t *testing.T, dir string, seed uint64, mixers ...layers.MixerConfig) {
	t.Helper()
	var s layers.StackConfig
	for _, m := range mixers {
		s.Blocks = append(s.Blocks, layers.BlockConfig{Mixer: m})
	}
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{Features: 1, Classes: 2, Stack: s}, seed)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
}

// saveMetrics writes the lines of steps with an evaluation every tenth.
func saveMetrics(t *testing.T, dir string, steps int) {
	t.Helper()
	var b bytes.Buffer
	for i := 1; i <= steps; i++ {
		fmt.Fprintf(&b, `{"kind":"step","step":%d,"epoch":%g,"batch":{"loss":%g,"accuracy":0.5,"count":8},"grad_norm":%g,"sequences":8,"lr":0.01,"seconds":0.1,"elapsed":%g}`+"\n",
			i, float64(i)/100, 1/float64(i), 100/float64(i), float64(i)/10)
		if i%10 == 0 {
			fmt.Fprintf(&b, `{"kind":"eval","step":%d,"epoch":1,"train":{"loss":0.5,"accuracy":0.7,"count":80},"val":{"loss":"NaN","accuracy":0.625,"count":9},"lr":0.01,"seconds":0.2,"elapsed":%g}`+"\n",
				i, float64(i)/10)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, MetricsFile), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// stateSpaces are small layers with kernels, of every kind.
var stateSpaces = []layers.MixerConfig{
	layers.S4DConfig{DModel: 4, DState: 4}, layers.S4Config{DModel: 4, DState: 4, LMax: 16}, layers.DSSConfig{DModel: 4, DState: 2},
	layers.LSSLConfig{DModel: 4, DState: 3}, layers.LongConvConfig{DModel: 4, LMax: 8}, layers.S4DConfig{DModel: 4, DState: 4, Dt: layers.DtPerState},
}

// render returns the page of a directory, which is well formed and needs nothing
// else.
func render(t *testing.T, dir string) string {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, dir); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	checkWellFormed(t, page)
	checkAlone(t, page)
	return page
}

// checkWellFormed checks that elements are closed in order.
func checkWellFormed(t *testing.T, page string) {
	t.Helper()
	body := regexp.MustCompile(`(?s)<(script|style)>.*?</(script|style)>|<meta [^>]*>`).ReplaceAllString(page, "")
	d := xml.NewDecoder(strings.NewReader(strings.Replace(body, " hidden ", " ", 1)))
	d.Entity = xml.HTMLEntity
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			at := d.InputOffset()
			t.Fatalf("%v: ...%s", err, body[max(0, at-200):at])
		}
	}
}

// checkAlone checks that a page refers to nothing outside of it.
func checkAlone(t *testing.T, page string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?:src|href|action|data)\s*=\s*"([^"]*)"|url\(([^)]*)\)|@import`).FindAllStringSubmatch(page, -1) {
		if to := m[1] + m[2]; !strings.HasPrefix(to, "#") && !strings.HasPrefix(to, "data:image/png;base64,") {
			t.Errorf("the page refers to %.60q", m[0])
		}
	}
	if !strings.Contains(page, "default-src &#39;none&#39;") && !strings.Contains(page, "default-src 'none'") {
		t.Error("the page may fetch something")
	}
}

// wholeRun returns the directory of a run with all files.
func wholeRun(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run, test := someRun(), someTest()
	if err := errors.Join(run.Save(dir), test.Save(dir)); err != nil {
		t.Fatal(err)
	}
	saveMetrics(t, dir, 25)
	saveModel(t, filepath.Join(dir, StartDir), 1, stateSpaces...)
	saveModel(t, filepath.Join(dir, ModelDir), 2, stateSpaces...)
	return dir
}

func TestPageOfAWholeRun(t *testing.T) {
	dir := wholeRun(t)
	page := render(t, dir)
	for _, want := range []string{
		"<h1>listops</h1>", "s4d \u00b7 quick", "finished",
		`<p class="value">80.00 %</p>`, "without learning: <b>60.00 %</b> (always the commonest class)",
		"accuracy at 0.5 of the sampling rate", "70.00 %", "accuracy of 4096 steps", "65.00 %",
		`<span class="word">-task</span> <span class="word">listops</span>`, "&#34;lr&#34;: 0.01", "basic_train.tsv", "made for a test",
		"loss over the steps", "accuracy over the steps", "learning rate over the steps", "gradient norm over the steps", "samples per second over the steps",
		"confusion matrix of 2 classes", "no taken for yes: 1 of 6, 16.7 %", "yes: 3 of 4 right, 75.0 %", "83.3 %", // recall and precision of no
		"<b>no</b> <span class=\"quiet\">instead of</span> <b>yes</b>", "a.tsv:4", "loss 0.7", `<span class="s6">two </span>`, `<span class="n6">three</span>`, "four",
		"2 \u00d7 2, read in an order of its own", "4 samples at 8000 Hz", "forecast of OT", "band from 10 to 90 %",
		"Layer 0: S4D", "Layer 1: S4", "Layer 2: DSS", "Layer 3: LSSL", "Layer 4: LongConv",
		"heat map of kernels before training", "heat map of kernels after training", "eigenvalues on the complex plane", "discretised eigenvalues in the unit disc",
		"effective length by share", "step size by share", "No eigenvalues: the kernels are free: there is no state space",
		`<th scope="rowgroup">blocks.0</th>`, "kernel.log_dt", "0.001", "memory at the peak", "2.00 GB", "go1.25", "2 cores",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(page, "Left out") {
		t.Errorf("want nothing left out, got %s", page[strings.LastIndex(page, "Left out"):])
	}
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(dir, PageFile))
	if err != nil || string(written) != page {
		t.Errorf("what is written is another page (%v)", err)
	}
}

// What there is no file of is left out, which the page says.
func TestPageOfAPartOfARun(t *testing.T) {
	for _, c := range []struct {
		name      string
		make      func(dir string)
		has, lack []string
	}{
		{"nothing", func(string) {},
			[]string{"there is no run.json", "there is no metrics.jsonl", "there is no test.json", "there is no start", "there is no model", "nothing was evaluated"},
			[]string{`id="curves"`, `id="test"`, `id="layers"`, `id="run"`}},
		{"a run that was killed", func(dir string) {
			run := someRun()
			run.End = nil
			if err := run.Save(dir); err != nil {
				t.Fatal(err)
			}
			saveMetrics(t, dir, 15)
			saveModel(t, filepath.Join(dir, StartDir), 1, stateSpaces[0])
		},
			[]string{"not ended", "it is under way, or was interrupted", `<p class="value">62.50 %</p>`, "accuracy, validation, at step 10; there is no test yet", "heat map of kernels before training", "there is no model", "there is no test.json"},
			[]string{"heat map of kernels after training", "<th class=\"n\">moved</th>"}},
		{"a run before its first evaluation", func(dir string) { saveMetrics(t, dir, 5) },
			[]string{"there was no evaluation yet", "loss over the steps"}, []string{`class="headline"`}},
		{"a run whose metrics file is empty", func(dir string) { saveMetrics(t, dir, 0) },
			[]string{"metrics.jsonl is empty"}, []string{`id="curves"`}},
		{"a model without kernels", func(dir string) {
			saveModel(t, filepath.Join(dir, ModelDir), 1, layers.LinearConfig{In: 4, Out: 4})
		},
			[]string{"kernels of some layers: Linear has none of each feature", `id="parameters"`}, []string{`id="layers"`}},
		{"a model with and without", func(dir string) {
			saveModel(t, filepath.Join(dir, ModelDir), 1, layers.LSTMConfig{DModel: 4}, stateSpaces[0])
		},
			[]string{"kernels of some layers: LSTM has none of each feature", "Layer 1: S4D", "heat map of kernels after training"}, []string{"Layer 0", "kernels before training"}},
		{"a model that is damaged", func(dir string) {
			saveModel(t, filepath.Join(dir, ModelDir), 1, stateSpaces[0])
			if err := os.Truncate(filepath.Join(dir, ModelDir, "model.safetensors"), 100); err != nil {
				t.Fatal(err)
			}
		},
			[]string{"the trained model: "}, []string{`id="layers"`}},
		{"models that are not of one run", func(dir string) {
			saveModel(t, filepath.Join(dir, StartDir), 1, stateSpaces[0])
			saveModel(t, filepath.Join(dir, ModelDir), 1, stateSpaces[:2]...)
		},
			[]string{"has 1 blocks, the trained one 2", "Layer 1: S4"}, []string{"heat map of kernels before"}},
		{"a forecaster's test", func(dir string) {
			test := &Test{Split: "test", Metrics: train.Metrics{Loss: 0.25, Count: 4, Scores: []train.Score{{Name: "mse", Value: 0.25}}}, Samples: someTest().Samples[3:]}
			if err := test.Save(dir); err != nil {
				t.Fatal(err)
			}
		},
			[]string{`<p class="value">0.25</p>`, "forecast of OT"}, []string{"<h3>Right</h3>", "instead of", "without learning", "confusion matrix"}},
		{"a test without a confusion matrix", func(dir string) {
			test := someTest()
			test.Confusion = nil
			if err := test.Save(dir); err != nil {
				t.Fatal(err)
			}
		},
			[]string{"confusion matrix: the test has none"}, []string{"Most often confused"}},
	} {
		dir := t.TempDir()
		c.make(dir)
		page := render(t, dir)
		for _, want := range c.has {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page has no %q", c.name, want)
			}
		}
		for _, not := range c.lack {
			if strings.Contains(page, not) {
				t.Errorf("%s: the page has %q", c.name, not)
			}
		}
	}
}

// Models of every kind are looked at.
func TestPageOfEveryKind(t *testing.T) {
	stack := layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: stateSpaces[0]}}}
	for kind, make := range map[string]func(g *G.ExprGraph) (models.Model, error){
		"language model": func(g *G.ExprGraph) (models.Model, error) {
			return models.NewLanguageModel(g, tensor.Float32, models.LanguageModelConfig{Vocab: 5, Stack: stack}, 1)
		},
		"retrieval": func(g *G.ExprGraph) (models.Model, error) {
			return models.NewRetrieval(g, tensor.Float64, models.RetrievalConfig{Vocab: 5, Classes: 2, Stack: stack}, 1)
		},
		"forecaster": func(g *G.ExprGraph) (models.Model, error) {
			return models.NewForecaster(g, tensor.Float32, models.ForecasterConfig{Features: 2, Horizon: 3, Stack: stack}, 1)
		},
	} {
		m, err := make(G.NewGraph())
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := m.Save(filepath.Join(dir, ModelDir)); err != nil {
			t.Fatal(err)
		}
		if page := render(t, dir); !strings.Contains(page, "Layer 0: S4D") || !strings.Contains(page, "kernel.log_dt") {
			t.Errorf("%s: the page has no layer", kind)
		}
	}
}

// Nothing that a run says becomes markup.
func TestPageEscapes(t *testing.T) {
	const bad = `"><script>alert('x')</script><img src=x onerror=y>{{.}}`
	run, test := someRun(), someTest()
	run.Task, run.Preset, run.Model, run.Command, run.Machine, run.Notes = bad, bad, bad, []string{bad}, bad, []string{bad}
	run.Data[0] = Split{Name: bad, Source: bad}
	run.Versions = map[string]string{bad: bad}
	run.End.Reason = bad
	recipe, err := json.Marshal(bad)
	if err != nil {
		t.Fatal(err)
	}
	run.Recipe = recipe
	test.Split, test.Floor.What, test.Classes = bad, bad, []string{bad, bad + "2"}
	test.Metrics.Scores[0].Name, test.Headline = bad, bad
	for i := range test.Samples {
		test.Samples[i].Origin = bad
	}
	test.Samples[0].Picture.Pieces = []string{bad, bad, bad}
	test.Samples[3].Picture.Series[0].Name = bad
	dir := t.TempDir()
	if err := errors.Join(run.Save(dir), test.Save(dir)); err != nil {
		t.Fatal(err)
	}
	name, err := json.Marshal(bad)
	if err != nil {
		t.Fatal(err)
	}
	line := `{"kind":"eval","step":1,"epoch":1,"train":{"loss":1,` + string(name) + `:1,"count":1},"val":{"loss":1,"count":1},"lr":1,"seconds":1,"elapsed":1}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, MetricsFile), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	page := render(t, dir)
	if strings.Count(page, "<script") != 1 || strings.Contains(page, "<img") {
		t.Error("what a run says became markup")
	}
}

// A damaged metrics file is an error that names it and the line.
func TestPageOfDamagedMetrics(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"{}\n": "line 1: ",
		`{"kind":"eval","step":2,"train":{},"val":{}}` + "\n" + `{"kind":"eval","step":1,"train":{},"val":{}}` + "\n": "want steps in order, got 1 after 2",
	} {
		if err := os.WriteFile(filepath.Join(dir, MetricsFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Write(dir); err == nil || !strings.Contains(err.Error(), MetricsFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q and the name of the file", err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, PageFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want no page, got one (%v)", err)
	}
}

// However long a run, however many its classes and however large what it shows, the
// page stays small.
func TestPageIsBounded(t *testing.T) {
	dir := t.TempDir()
	test := someTest()
	test.Classes, test.Confusion = nil, nil
	for i := range 140 {
		test.Classes = append(test.Classes, fmt.Sprintf("class %d", i))
		row := make([]int, 140)
		for k := range row {
			row[k] = i + k
		}
		test.Confusion = append(test.Confusion, row)
	}
	test.Samples = nil
	long := make([]string, 20000)
	for i := range long {
		long[i] = "word "
	}
	pixels, wave := make([]byte, 512*512*3), make(Numbers, 100000)
	for i := range pixels {
		pixels[i] = byte(i * i >> 3)
	}
	for i := range wave {
		wave[i] = float32(i%100) / 100
	}
	saliency := make(Numbers, len(long))
	for i := range saliency {
		saliency[i] = float32(i%13) - 6
	}
	for i := range 40 {
		s := Sample{Target: 1, Prediction: i % 2, Picture: Picture{Kind: Text, Pieces: long}, Saliency: saliency}
		if i%4 == 1 {
			s = Sample{Picture: Picture{Kind: Image, Width: 512, Height: 512, Channels: 3, Pixels: pixels}}
		} else if i%4 == 2 {
			s = Sample{Picture: Picture{Kind: Wave, Samples: wave}}
		}
		test.Samples = append(test.Samples, s)
	}
	if err := test.Save(dir); err != nil {
		t.Fatal(err)
	}
	saveMetrics(t, dir, 5000)
	var mixers []layers.MixerConfig
	for range 10 {
		mixers = append(mixers, layers.S4DConfig{DModel: 128, DState: 8})
	}
	saveModel(t, filepath.Join(dir, StartDir), 1, mixers...)
	saveModel(t, filepath.Join(dir, ModelDir), 2, mixers...)
	if err := (&Run{Data: []Split{{Name: "train", Longest: 100}}}).Save(dir); err != nil {
		t.Fatal(err)
	}
	page := render(t, dir)
	if len(page) > 3_000_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, want := range []string{"8 of 10 layers.", "steps \u2026", "(96 of 128)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

func FuzzTest(f *testing.F) {
	for _, change := range []func(*Test){
		func(*Test) {}, func(v *Test) { *v = Test{} }, func(v *Test) { v.Samples[0].Saliency = nil }, func(v *Test) { v.Confusion = nil },
		func(v *Test) { v.Samples[2].Picture.Samples = nil; v.Samples[2].Saliency = nil },
		func(v *Test) { v.Samples[3].Picture.Series[0] = Series{Past: Numbers{nan, nan, nan}} },
		func(v *Test) { v.Samples[1].Picture.Order = []int{}; v.Samples[1].Saliency = Numbers{} },
	} {
		v := someTest()
		change(v)
		text, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Add([]byte(`{"classes":["a"],"confusion":[[9223372036854775807]],"metrics":{"loss":"Inf","count":1e308}}`))
	f.Add([]byte(`{"samples":[{"picture":{"kind":"wave","samples":[1e38,-1e38,null]},"loss":-0}]}`))
	f.Add([]byte(`{"samples":[{"picture":{"kind":"series","series":[{"past":[3e38,-3e38]}]},"saliency":[3e38,3e38]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v := new(Test)
		if decode(bytes.NewReader(text), v) != nil {
			return
		}
		again := new(Test)
		whole, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(bytes.NewReader(whole), again); err != nil {
			t.Fatalf("%s does not come back: %v", whole, err)
		}
		sameText(t, again, v)
		p := new(page)
		if err := p.addTest(v); err != nil {
			t.Fatal(err)
		}
		p.addHeadline(nil, v, nil)
		p.addEnvironment(nil, v, nil)
		if err := p.render(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzRun(f *testing.F) {
	text, err := json.Marshal(someRun())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add([]byte(`{"recipe":[[[[]]]],"began":"0001-01-01T00:00:00Z","end":{"elapsed":"2562047h"}}`))
	f.Add([]byte(`{"recipe":null,"command":["'","\u0000","a b"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := new(Run)
		if decode(bytes.NewReader(text), r) != nil {
			return
		}
		whole, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again := new(Run)
		if err := decode(bytes.NewReader(whole), again); err != nil {
			t.Fatalf("%s does not come back: %v", whole, err)
		}
		p := new(page)
		p.addRun(r, "dir")
		p.addHeadline(r, nil, nil)
		p.addEnvironment(r, nil, nil)
		if err := p.render(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
