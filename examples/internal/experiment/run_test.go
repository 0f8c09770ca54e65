package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/models/statespaces"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train/tensorboard"
)

// gainConfig configures a kind of layer that package experiment has never heard of.
type gainConfig struct {
	DModel int     `json:"d_model"`
	Gain   float64 `json:"gain"`
}

func init() {
	if err := layers.RegisterMixer[gainConfig]("gain"); err != nil {
		panic(err)
	}
}

func (c gainConfig) Validate() error {
	if c.Gain <= 0 {
		return fmt.Errorf("gainConfig: want Gain > 0, got %v", c.Gain)
	}
	return nil
}

func (c gainConfig) Features() (in, out int) { return c.DModel, c.DModel }

func (c gainConfig) Build(b *layers.Builder) (layers.Layer, error) {
	l, err := b.Child("map", layers.LinearConfig{In: c.DModel, Out: c.DModel})
	if err != nil {
		return nil, err
	}
	g := &gain{linear: l.(layers.Mixer)}
	g.Base, err = b.Done()
	return g, err
}

type gain struct {
	*layers.Base
	linear layers.Mixer
}

func (l *gain) Fwd(x *G.Node) (*G.Node, error) { return l.linear.Fwd(x) }
func (l *gain) FwdLengths(x, lengths *G.Node) (*G.Node, error) {
	return l.linear.FwdLengths(x, lengths)
}

// A kind of layer that was registered elsewhere is a model with its options.
func TestRegisteredKind(t *testing.T) {
	dir := trained(t, "-model", "gain", "-gain", "0.5")
	text, err := os.ReadFile(filepath.Join(dir, "model", "config.json"))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(text)), ""), `{"kind":"gain","d_model":4,"gain":0.5}`) {
		t.Errorf("got %s, %v", text, err)
	}
	for want, args := range map[string][]string{
		"want -gain > 0, got 0":                       {"-model", "gain"},
		"-gain is about -model gain: want none with":  {"-gain", "1"},
		"-d-state is about -model s4d, s4, dss, lssl": {"-model", "gain", "-gain", "1", "-d-state", "4"},
	} {
		if _, err := try(t, "", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
	if help, _ := try(t, "", "-h"); !strings.Contains(help, "-gain float") {
		t.Errorf("no -gain in\n%s", help)
	}
}

// A run leaves what a reader, eval, predict and report need.
func TestFilesOfARun(t *testing.T) {
	for _, name := range []string{"tokens", "real", "pairs", "forecast", "text"} {
		dir := trained(t, "-task", name, "-report", "-tensorboard")
		run, err := report.ReadRun(dir)
		if err != nil {
			t.Fatal(err)
		}
		if run.Task != name || run.End == nil || run.End.Reason != "finished" || run.End.Steps != 4 || len(run.Data) != 3 || run.Data[0].Examples != 12 || run.Versions["go"] == "" {
			t.Errorf("%s: got %+v", name, run)
		}
		test, err := report.ReadTest(dir)
		if err != nil {
			t.Fatal(err)
		}
		if test.Examples != 12 || len(test.Samples) == 0 || len(test.Samples) > 2*samplesEach {
			t.Errorf("%s: got %+v", name, test)
		}
		counted := 0
		for _, row := range test.Confusion {
			for _, n := range row {
				counted += n
			}
		}
		classes := name != "forecast" && name != "text"
		if want := 12; classes && counted != want {
			t.Errorf("%s: the confusion counts %d, want %d", name, counted, want)
		}
		for _, s := range test.Samples {
			if classes && len(s.Saliency) == 0 {
				t.Errorf("%s: sample %d has no saliency", name, s.Index)
			}
		}
		events, err := filepath.Glob(filepath.Join(dir, "tensorboard", tensorboard.StepsDir, "*"))
		if err != nil || len(events) != 1 {
			t.Fatalf("want one event file, got %v, %v", events, err)
		}
		if text, err := os.ReadFile(events[0]); err != nil || !strings.Contains(string(text), "\n      \"task\": ") {
			t.Errorf("want the recipe as code, indented by 4, in %s, %v", events[0], err)
		}
		for _, f := range []string{"start/config.json", "model/config.json", "model/task.json", "report.html", "metrics.jsonl", "tensorboard"} {
			if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
				t.Error(err)
			}
		}
		want := values(nil, test.Metrics) + fmt.Sprintf("loss %.4f", test.Metrics.Loss)
		if out := must(t, "eval", "-run", dir, "-cache", dir); !strings.Contains(out, want) {
			t.Errorf("%s: want %s, got %s", name, want, out)
		}
		must(t, "report", "-run", dir)
	}
}

// eval measures any part, or other data, and writes what it finds.
func TestEval(t *testing.T) {
	dir := trained(t)
	file := filepath.Join(t.TempDir(), "out", "eval.json")
	must(t, "eval", "-run", dir, "-cache", dir, "-split", "val", "-limit", "5", "-batch", "2", "-json", file)
	text, err := os.ReadFile(file)
	var test report.Test
	if err != nil || json.Unmarshal(text, &test) != nil || test.Split != "val" || test.Examples != 5 {
		t.Errorf("got %s, %v", text, err)
	}
	own := write(t, `{"x": [1, 2, 3], "target": 1}`+"\n"+`{"x": [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3], "target": 0}`)
	if out := must(t, "eval", "-run", dir, "-cache", dir, "-data", own); !strings.Contains(out, "(2 examples)") || !strings.Contains(out, "zero") {
		t.Errorf("own examples: got\n%s", out)
	}
	for want, args := range map[string][]string{
		"want -run DIR":           {"eval"},
		"which has none of":       {"eval", "-run", t.TempDir()},
		"want one of test, val":   {"eval", "-run", dir, "-split", "all"},
		"bad: no such data":       {"eval", "-run", dir, "-cache", dir, "-data", "bad"},
		"want options, or one of": {"evaluate"},
		`none of ["run.json" "me`: {"report", "-run", t.TempDir()},
		"-limit: want >= 0":       {"eval", "-run", dir, "-limit", "-2"},
		"-batch: want >= 0":       {"eval", "-run", dir, "-batch", "-1"},
	} {
		if _, err := try(t, "", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
}

// lines returns the JSON lines of predict.
func lines(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// numbers returns all numbers of a value in JSON, in order.
func numbers(v any) (all []float64) {
	switch v := v.(type) {
	case float64:
		return []float64{v}
	case []any:
		for _, e := range v {
			all = append(all, numbers(e)...)
		}
	}
	return all
}

// Batches and steps say the same of examples of any length.
func TestPredict(t *testing.T) {
	for name, in := range map[string]string{
		"tokens":   `{"x": [1]}` + "\n" + `{"x": [1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0], "target": 2}` + "\n" + `{"x": [5, 5]}`,
		"real":     `{"features": [0.5, 1]}` + "\n" + `{"features": [1, 2, 3, 4, 5, 6, 7, 8]}`,
		"pairs":    `{"x": [1, 2], "x2": [3, 4, 5]}` + "\n" + `{"x": [1, 2, 3, 4, 5], "x2": [3]}`,
		"forecast": `{"features": [0.5, 1, 2, 3]}` + "\n" + `{"features": [1, 2, 3, 4, 5, 6, 7, 8]}`,
		"text":     `{"x": [1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]}` + "\n" + `{"x": [5, 5]}`,
	} {
		dir := trained(t, "-task", name, "-model", "s4", "-dropout", "0.1")
		file := write(t, in)
		batch := lines(t, must(t, "predict", "-run", dir, "-batch", "2", file))
		out, err := try(t, in, "predict", "-run", filepath.Join(dir, "model"), "-stream", "-")
		if err != nil {
			t.Fatal(err)
		}
		steps := lines(t, out)
		if want := strings.Count(in, "\n") + 1; len(batch) != want || len(steps) != want {
			t.Fatalf("%s: got %d and %d lines, want %d", name, len(batch), len(steps), want)
		}
		for i := range batch {
			for _, key := range []string{"scores", "forecast", "nll", "perplexity", "tokens"} {
				a, b := numbers(batch[i][key]), numbers(steps[i][key])
				for j := range a {
					if math.Abs(a[j]-b[j]) > 1e-4*(1+math.Abs(a[j])) || len(a) != len(b) {
						t.Errorf("%s: example %d: %s %v in a batch, %v step by step", name, i, key, a, b)
					}
				}
			}
			if batch[i]["origin"] != fmt.Sprintf("%s:%d", file, i+1) || steps[i]["origin"] != fmt.Sprintf("stdin:%d", i+1) {
				t.Errorf("%s: got origins %v and %v", name, batch[i]["origin"], steps[i]["origin"])
			}
		}
	}
}

// What has been read so far has a prediction too, and it is that of the part alone.
func TestPredictEvery(t *testing.T) {
	dir := trained(t)
	out, err := try(t, `{"x": [1, 2, 3, 4, 5]}`+"\n"+`{"x": [1, 2]}`, "predict", "-run", dir, "-stream", "-every", "2", "-")
	if err != nil {
		t.Fatal(err)
	}
	got := lines(t, out)
	var at []any
	for _, v := range got {
		at = append(at, v["step"])
	}
	if !slices.Equal(at, []any{2.0, 4.0, nil, nil}) {
		t.Fatalf("got steps %v", at)
	}
	if a, b := numbers(got[0]["scores"]), numbers(got[3]["scores"]); !slices.Equal(a, b) {
		t.Errorf("after 2 steps %v, of 2 steps %v", a, b)
	}
}

func TestPredictErrors(t *testing.T) {
	dir := trained(t, "-bidirectional")
	pairs := trained(t, "-task", "pairs")
	for want, c := range map[string]struct {
		in   string
		args []string
	}{
		"want the files to read":                    {"", []string{"-run", dir}},
		"want -run DIR":                             {"", []string{"x"}},
		"want no -every with it":                    {"", []string{"-run", dir, "-stream", "-every", "3", "-format", "csv", "x"}},
		"-every is about -stream":                   {"", []string{"-run", dir, "-every", "3", "x"}},
		"-batch: want >= 1, got 0":                  {"", []string{"-run", dir, "-batch", "0", "x"}},
		"want options before the files, got -run":   {"", []string{"x", "-run", dir}},
		"no such file":                              {"", []string{"-run", dir, "/nonexistent"}},
		"a bidirectional layer":                     {"", []string{"-run", dir, "-stream", "-"}},
		"stdin:2: unexpected end of JSON":           {`{"x": [1]}` + "\n", []string{"-run", dir, "-"}},
		"stdin:1: want tokens in [0, 6), got 6":     {`{"x": [6]}`, []string{"-run", dir, "-"}},
		"stdin:1: want a class in [0, 3), got 7":    {`{"x": [5], "target": 7}`, []string{"-run", dir, "-"}},
		"stdin:1: want at least 1 step, got none":   {`{"x": []}`, []string{"-run", dir, "-"}},
		"stdin:1: want two documents, got one of 1": {`{"x": [1]}`, []string{"-run", pairs, "-"}},
	} {
		in := c.in
		if strings.HasSuffix(in, "\n") {
			in += "\n"
		}
		if _, err := try(t, in, append([]string{"predict"}, c.args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", c.args, err, want)
		}
	}
}

// What is before a mistake is predicted.
func TestPredictUntilAnError(t *testing.T) {
	dir := trained(t)
	out, err := try(t, `{"x": [1]}`+"\n"+`{"x": [2]}`+"\n"+`{"x": [6]}`, "predict", "-run", dir, "-")
	if err == nil || !strings.Contains(err.Error(), "stdin:3: want tokens") || len(lines(t, out)) != 2 {
		t.Errorf("got %v and\n%s", err, out)
	}
}

// The end of the context ends a prediction that waits for its input.
func TestPredictWhileWaiting(t *testing.T) {
	dir := trained(t)
	in, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if _, err := io.WriteString(w, `{"x": [1]}`+"\n"); err != nil {
			t.Error(err)
		}
		cancel()
	}()
	if err := toys().Run(ctx, []string{"predict", "-run", dir, "-"}, in, io.Discard); err == nil || !strings.Contains(err.Error(), "interrupted (context canceled) in the prediction") {
		t.Errorf("got error %v", err)
	}
}

// An output that takes nothing is told of once.
func TestPredictToNowhere(t *testing.T) {
	dir := trained(t)
	err := toys().Run(t.Context(), []string{"predict", "-run", dir, "-batch", "1", "-"}, strings.NewReader(`{"x": [1]}`+"\n"+`{"x": [1]}`), nowhere{})
	if err == nil || strings.Count(err.Error(), "nowhere") != 1 {
		t.Errorf("got error %v", err)
	}
}

type nowhere struct{}

func (nowhere) Write([]byte) (int, error) { return 0, errors.New("nowhere") }

// parameters returns the parameters of a saved model.
func parameters(t *testing.T, dir string) map[string][]float32 {
	t.Helper()
	m, err := models.Open(G.NewGraph(), dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]float32{}
	for _, p := range m.Params() {
		v, err := p.Value()
		if err != nil {
			t.Fatal(err)
		}
		all[p.Name] = slices.Clone(v.Float32s())
	}
	return all
}

// A run goes on from another's parameters, with another last layer if need be.
func TestInitFrom(t *testing.T) {
	dir := trained(t, "-dropout", "0.1")
	want := parameters(t, filepath.Join(dir, "model"))
	for _, from := range []string{dir, filepath.Join(dir, "model"), filepath.Join(dir, "best.json"), filepath.Join(dir, "model", "model.safetensors")} {
		for _, classes := range []string{"3", "2"} {
			next := filepath.Join(t.TempDir(), "next")
			out := must(t, "-init-from", from, "-out", next, "-classes", classes, "-freeze", "blocks.*")
			if said := strings.Contains(out, "but for the last layer"); said != (classes == "2") {
				t.Errorf("%s classes from %s: got\n%s", classes, from, out)
			}
			if !strings.Contains(out, "by -freeze and -rate, learned: ") {
				t.Errorf("want how much is learned, got\n%s", out)
			}
			got := parameters(t, filepath.Join(next, "start"))
			after := parameters(t, filepath.Join(next, "model"))
			for name, v := range want {
				head := strings.HasPrefix(name, "decoder.")
				if same := slices.Equal(v, got[name]); same == (head && classes == "2") {
					t.Errorf("%s classes from %s: %s is that of the first: %v", classes, from, name, same)
				}
				if still := slices.Equal(got[name], after[name]); still != strings.HasPrefix(name, "blocks.") {
					t.Errorf("%s: stayed as it was: %v", name, still)
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "model", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.safetensors")
	if err := os.WriteFile(cut, text[:500], 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"no such file":                 {"-init-from", "/nonexistent"},
		"which has none of":            {"-init-from", t.TempDir()},
		"-init-from:":                  {"-init-from", write(t, "not a checkpoint")},
		"got a file of 500: truncated": {"-init-from", cut},
		"encoder.weight: want shape":   {"-init-from", dir, "-d-model", "8"},
		"blocks.1.layer.kernel.log_dt is not in the model": {"-init-from", dir, "-layers", "1"},
	} {
		args = append(args, "-out", filepath.Join(t.TempDir(), "next"))
		if strings.HasPrefix(args[1], "/nonex") {
			args = append(args, "-data", "bad") // which is not come to
		}
		if _, err := try(t, "", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
}

// The memory of a run is that of its largest part, also if the last one only repeats the
// test.
func TestPeakOfParts(t *testing.T) {
	dir := trained(t)
	const most = 1 << 50
	info, err := report.ReadRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	info.End.PeakBytes = most
	if err := info.Save(dir); err != nil {
		t.Fatal(err)
	}
	must(t, "-out", dir, "-resume")
	if info, err = report.ReadRun(dir); err != nil || info.End.PeakBytes != most {
		t.Errorf("resumed: want %d bytes at the peak, got %d, error %v", int64(most), info.End.PeakBytes, err)
	}
}

// A run that was killed before its first checkpoint goes on from the start that
// -init-from names; one of step 0 leaves the model before training.
func TestInitFromResumed(t *testing.T) {
	dir := trained(t)
	args := []string{"-init-from", dir, "-freeze", "encoder.*", "-rate", "decoder.*=0.1"}
	want := parameters(t, filepath.Join(trained(t, args...), "model"))
	empty := t.TempDir()
	must(t, append(args, "-out", empty, "-resume")...)
	for name, v := range parameters(t, filepath.Join(empty, "model")) {
		if !slices.Equal(v, want[name]) {
			t.Errorf("%s: got %v, want %v", name, v, want[name])
		}
	}
	begun := filepath.Join(t.TempDir(), "begun")
	must(t, append(args, "-out", begun, "-max-time", "1ns")...)
	if err := errors.Join(os.RemoveAll(filepath.Join(begun, "start")), os.Remove(filepath.Join(begun, "run.json"))); err != nil {
		t.Fatal(err)
	}
	must(t, append(args, "-out", begun, "-resume")...)
	start := parameters(t, filepath.Join(begun, "start"))
	for name, v := range parameters(t, filepath.Join(dir, "model")) {
		if !slices.Equal(v, start[name]) {
			t.Errorf("start: %s: got %v, want %v", name, start[name], v)
		}
	}
}

// What an earlier run has left is looked at before the data are.
func TestEarlierRun(t *testing.T) {
	dir := trained(t)
	for want, args := range map[string][]string{
		"-out: " + filepath.Join(dir, "last.json") + " is a checkpoint of an earlier run: resume it with -resume": {},
		"-resume: the run in " + dir + " is of -task tokens, want that, got -task real":                           {"-resume", "-task", "real"},
	} {
		if _, err := try(t, "", append(args, "-out", dir, "-data", "bad")...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
	rated := trained(t, "-rate", "decoder.*=0.1")
	if _, err := try(t, "", "-out", rated, "-resume", "-rate", "decoder.*=0.2"); err == nil || !strings.Contains(err.Error(), "-rate is 0.1 in the checkpoint, 0.2 here") {
		t.Errorf("another rate: got error %v", err)
	}
}

// The floor of a test is that of the examples that it is of.
func TestFloor(t *testing.T) {
	dir := trained(t)
	own := write(t, strings.Repeat(`{"x": [1], "target": 1}`+"\n", 3)+`{"x": [2], "target": 2}`)
	for want, args := range map[string][]string{
		"always guessing the commonest class: 75.00 %":  {"-data", own},
		"always guessing the commonest class: 100.00 %": {"-limit", "1", "-split", "val"},
	} {
		if out := must(t, append([]string{"eval", "-run", dir, "-cache", dir}, args...)...); !strings.Contains(out, want) {
			t.Errorf("%q: no %q in\n%s", args, want, out)
		}
	}
}

// What S4 is tuned to may be shorter than what a run that goes on from it reads.
func TestInitFromShorter(t *testing.T) {
	dir := trained(t, "-model", "s4")
	next := trained(t, "-model", "s4", "-longest", "40", "-init-from", dir)
	if out := must(t, "-out", next, "-model", "s4", "-longest", "40", "-init-from", dir, "-resume"); !strings.Contains(out, "finished after 4 steps") {
		t.Errorf("-resume: got\n%s", out)
	}
	must(t, "eval", "-run", dir, "-cache", dir, "-data", write(t, `{"x": [`+strings.Repeat("1, ", 50)+`1], "target": 1}`))
}

// Parameters of every kind are frozen, and have rates, by their names.
func TestFreezeAndRate(t *testing.T) {
	for _, kind := range []string{"s4", "lstm", "transformer", "tcn", "longconv", "gain"} {
		args := []string{"-model", kind, "-freeze", "encoder.*, blocks.0.*", "-rate", "blocks.1.*=1e-30", "-rate", "decoder.*=0.1"}
		if kind == "gain" {
			args = append(args, "-gain", "1")
		}
		if kind == "tcn" {
			args[5] = "blocks.norm.*=1"
			args = slices.Delete(args, 4, 6)
		}
		dir := trained(t, args...)
		before, after := parameters(t, filepath.Join(dir, "start")), parameters(t, filepath.Join(dir, "model"))
		for name, v := range before {
			if strings.HasPrefix(name, "blocks.1.") && strings.HasSuffix(name, "bias") {
				continue // 0 at the start: any rate is seen
			}
			if still := slices.Equal(v, after[name]); still != (!strings.HasPrefix(name, "decoder.") && !strings.HasPrefix(name, "blocks.norm.")) {
				t.Errorf("%s: %s: stayed as it was: %v", kind, name, still)
			}
		}
	}
	dir := trained(t, "-freeze", "A, dt,encoder.*", "-model", "s4")
	text, err := os.ReadFile(filepath.Join(dir, "model", "config.json"))
	if err != nil || !bytes.Contains(bytes.Join(bytes.Fields(text), nil), []byte(`"frozen":["A","dt"]`)) {
		t.Errorf("got %s, %v", text, err)
	}
	for want, args := range map[string][]string{
		"-freeze and -rate: param: rule \"nothing\"": {"-freeze", "nothing"},
		"want PATTERN=RATE":                          {"-rate", "decoder.*"},
		"got the rate \"fast\"":                      {"-rate", "decoder.*=fast"},
		"want a finite learning rate > 0, got 0":     {"-rate", "decoder.*=0"},
		"-freeze: want some parameters that are lea": {"-freeze", "*"},
		"-freeze and -rate is":                       {"-out", dir, "-resume", "-model", "s4", "-freeze", "A, dt"},
	} {
		if _, err := try(t, "", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
}

// A checkpoint of PyTorch is a start too.
func TestInitFromPyTorch(t *testing.T) {
	file := filepath.Join("..", "..", "..", "models", "statespaces", "testdata", "checkpoints", "s4d_postnorm", "model.pt")
	c, err := statespaces.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "want")
	m, err := c.Model(G.NewGraph(), statespaces.PreNorm(false))
	if err != nil || m.Save(dir) != nil {
		t.Fatal(err)
	}
	want := parameters(t, dir)
	args := []string{"-task", "colours", "-d-model", "8", "-d-state", "16", "-fixed-b", "-init-from", file}
	for _, classes := range []string{"5", "3"} {
		got := parameters(t, filepath.Join(trained(t, append(args, "-classes", classes)...), "start"))
		for name, v := range want {
			if head := strings.HasPrefix(name, "decoder.") && classes == "3"; slices.Equal(got[name], v) == head {
				t.Errorf("%s classes: %s is that of the checkpoint: %v", classes, name, head)
			}
		}
	}
	file = filepath.Join(filepath.Dir(filepath.Dir(file)), "s4_dplr", "model.pt") // without a norm after the last block
	args = []string{"-task", "colours", "-model", "s4", "-d-model", "8", "-d-state", "16", "-prenorm", "-last-norm", "none", "-init-from", file}
	if out := must(t, append(args, "-out", filepath.Join(t.TempDir(), "run"))...); !strings.Contains(out, "parameters from "+file) {
		t.Errorf("got\n%s", out)
	}
	if _, err := try(t, "", append(args, "-d-state", "8", "-out", dir)...); err == nil || !strings.Contains(err.Error(), "-init-from: statespaces: load") {
		t.Errorf("another size: got error %v", err)
	}
}

// A run that has not ended has the best model so far.
func TestRunThatHasNotEnded(t *testing.T) {
	dir := trained(t)
	want := must(t, "eval", "-run", dir, "-cache", dir)
	if err := os.RemoveAll(filepath.Join(dir, "model")); err != nil {
		t.Fatal(err)
	}
	if got := must(t, "eval", "-run", dir, "-cache", dir); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := os.Remove(filepath.Join(dir, "best.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := try(t, "", "eval", "-run", dir); err == nil || !strings.Contains(err.Error(), "no best model yet") {
		t.Errorf("got error %v", err)
	}
}
