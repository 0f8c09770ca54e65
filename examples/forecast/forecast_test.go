package main

import (
	"bytes"
	"context"
	stdcsv "encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
	"github.com/gorgonia-s4/s4/internal/figure/figuretest"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data/series"
)

// All presets of two tasks go with every model; those of the others are much the same.
func TestPresets(t *testing.T) {
	p := program
	p.Tasks = []experiment.Task{waves, ett}
	experimenttest.Presets(t, p)
	for _, task := range program.Tasks {
		for _, preset := range program.PresetNames(task.Name) {
			if _, err := program.Check([]string{"-task", task.Name, "-preset", preset}, 1000, 96); err != nil {
				t.Error(err)
			}
		}
		if want, got := []string{"small", "paper", "smoke"}, program.PresetNames(task.Name); !slices.Equal(got, want) {
			t.Errorf("%s: presets %q, want %q", task.Name, got, want)
		}
	}
}

func TestEveryOption(t *testing.T) {
	p := program
	p.Tasks = []experiment.Task{waves}
	experimenttest.EveryOption(t, p, map[string][]string{
		"lookback": {"1", "1000"}, "horizon": {"1", "1000"}, "window-stride": {"1", "9"}, "eval-stride": {"1", "9"},
		"time": {"", "x"}, "time-layout": {"", "2006"}, "step": {"", "15m", "1mo"}, "columns": {"", "a,b"}, "targets": {"", "a,b"},
		"shares": {"", "0.5,0.25,0.25"}, "quantiles": {"", "0.5", "0.1, 0.9"}, "season": {"0", "24"}, "generated": {"0", "100"},
	})
}

func TestHelp(t *testing.T) { experimenttest.HelpFits(t, program) }

// Every task is trained without a download, and draws a picture.
func TestSmoke(t *testing.T) {
	for _, task := range program.Tasks {
		dir := filepath.Join(t.TempDir(), "run")
		out := experimenttest.MustRun(t, program, "-task", task.Name, "-preset", "smoke", "-cache", t.TempDir(), "-out", dir)
		for _, want := range []string{"a series that is generated: 251 training", "persistence, the last number: mse ", "the number 24 steps before: mse ", "finished after 10 steps", "test mse ", "mae_in_units", "coverage ", "picture in " + filepath.Join(dir, pictureFile)} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", task.Name, want, out)
			}
		}
		test, err := report.ReadTest(dir)
		if err != nil || test.Headline != "mse" || test.HigherIsBetter || test.Floor == nil || len(test.Samples) == 0 {
			t.Fatalf("%s: test.json: %+v, %v", task.Name, test, err)
		}
		s := test.Samples[0].Picture.Series
		if len(s) != 2 || s[0].Name != "load" || len(s[0].Past) != 24 || len(s[0].Future) != 6 || len(s[0].Forecast) != 6 || len(s[0].Quantiles) != 3 {
			t.Errorf("%s: sample %+v", task.Name, s)
		}
		line := regexp.MustCompile(`test mse \S+, mae \S+,`).FindString(out)
		if again := experimenttest.MustRun(t, program, "eval", "-run", dir); !strings.Contains(again, line) {
			t.Errorf("%s: eval says\n%s\nwant %s", task.Name, again, line)
		}
	}
}

// csvFile writes a file of n hours of columns a and b, with a number missing and an
// hour left out.
func csvFile(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("date,a,b\n")
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		if i == 50 {
			continue
		}
		v := fmt.Sprintf("%.3f", 50+10*math.Sin(2*math.Pi*float64(i)/24))
		if i == 70 {
			v = "NaN"
		}
		fmt.Fprintf(&b, "%s,%s,%d\n", at.Add(time.Duration(i)*time.Hour).Format("2006-01-02 15:04"), v, i%7)
	}
	path := filepath.Join(t.TempDir(), "sales.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file of one's own: what is wrong with it is said, and then handled; what follows
// its last row is forecast in its units, at its times.
func TestFile(t *testing.T) {
	path := csvFile(t, 400)
	dir := filepath.Join(t.TempDir(), "run")
	args := []string{"-task", "csv", "-preset", "smoke", "-data", path, "-cache", t.TempDir(), "-out", dir}
	for want, more := range map[string][]string{
		path + ":71: column 18: column \"a\": want a number, got \"NaN\": say":           nil,
		"say what to do about missing ones (-missing)":                                   nil,
		path + ":52: want the time 2024-01-03T02:00:00Z, a step of 1h0m0s after the one": {"-missing", "linear"},
		"train: want at least 1006 steps":                                                {"-missing", "linear", "-uneven", "last", "-lookback", "1000"},
		`want a column of numbers "c", got ["date" "a" "b"]`:                             {"-columns", "c"},
	} {
		if out, err := experimenttest.Run(t, t.Context(), program, append(slices.Clone(args), more...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q\n%s", err, want, out)
		}
	}
	args = append(args, "-targets", "a", "-uneven", "missing", "-missing", "mask", "-calendar", "-center")
	out := experimenttest.MustRun(t, program, args...)
	for _, want := range []string{`column "a": 1 of 399 numbers are missing (mask)`, "of 400 even steps from 2024-01-01T00:00:00Z on, 1 are made (missing)", "test mse"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// Another file is standardised as the first one was: its own error is that of its units.
	again := experimenttest.MustRun(t, program, "eval", "-run", dir, "-data", csvFile(t, 500), "-json", "-")
	var test report.Test
	if err := json.Unmarshal([]byte(again), &test); err != nil || test.Metrics.Count == 0 {
		t.Fatalf("%s: %v", again, err)
	}
	if ratio := test.Metrics.Value("mae_in_units") / test.Metrics.Value("mae"); math.Abs(ratio-deviation(t, dir)) > 1e-3*ratio {
		t.Errorf("a unit of the model is %v of the file, want %v, as in training", ratio, deviation(t, dir))
	}
	var got told
	if err := json.Unmarshal([]byte(experimenttest.MustRun(t, program, "predict", "-run", dir, path)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Origin != path || len(got.Steps) != 6 || got.Steps[0].Time != "2024-01-17T16:00:00Z" || got.Steps[5].Time != "2024-01-17T21:00:00Z" {
		t.Errorf("got %+v", got)
	}
	for _, s := range got.Steps {
		v, q := s.Values["a"], s.Quantiles["a"]
		if len(s.Values) != 1 || len(q) != 3 || q["0.5"] != v || !(v > 20 && v < 80) {
			t.Errorf("got %+v", s)
		}
	}
	rows, err := stdcsv.NewReader(strings.NewReader(experimenttest.MustRun(t, program, "predict", "-run", dir, "-format", "csv", path, path))).ReadAll()
	if err != nil || len(rows) != 1+2*6 || strings.Join(rows[0], "|") != "file|time|a|a 0.1|a 0.5|a 0.9" {
		t.Fatalf("as CSV: %q, %v", rows, err)
	}
	if v, err := strconv.ParseFloat(rows[1][2], 64); err != nil || v != got.Steps[0].Values["a"] || rows[7][1] != got.Steps[0].Time {
		t.Errorf("as CSV: %q, want %+v", rows[1], got.Steps[0])
	}
	for want, text := range map[string]string{
		"stdin: series: want at least 24 steps to look back at, got 2": "date,a,b\n2024-01-01 00:00,1,2\n2024-01-01 01:00,1,2\n",
		`stdin: want a column of numbers "b", got ["date" "a"]`:        "date,a\n2024-01-01 00:00,1\n",
		"stdin:2: column 18: want a finite number, got \"x\"":          "date,a,b\n2024-01-01 00:00,x,2\n",
		"stdin: want at least one row of numbers, got none":            "",
	} {
		err := program.Run(t.Context(), []string{"predict", "-run", dir, "-"}, strings.NewReader(text), new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// A model that starts from another has its scales, and its own window and horizon.
func TestStartFromAModel(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-task", "csv", "-preset", "smoke", "-cache", dir, "-missing", "linear", "-uneven", "last", "-data"}
	first, next := filepath.Join(dir, "first"), filepath.Join(dir, "next")
	experimenttest.MustRun(t, program, append(args, csvFile(t, 400), "-out", first)...)
	out := experimenttest.MustRun(t, program, append(args, csvFile(t, 500), "-out", next, "-init-from", first, "-horizon", "3", "-lookback", "20")...)
	if !strings.Contains(out, "but for the last layer") || deviation(t, next) != deviation(t, first) {
		t.Errorf("got deviation %v, want %v, and\n%s", deviation(t, next), deviation(t, first), out)
	}
}

// deviation returns that of the first column in the training of a run.
func deviation(t *testing.T, dir string) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "model", "task.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Codec codec `json:"codec"`
	}
	if err := json.Unmarshal(text, &v); err != nil || len(v.Codec.Encoding.Dev) == 0 {
		t.Fatal(err)
	}
	return v.Codec.Encoding.Dev[0]
}

// Without time stamps, and with a forecast of the mean alone, step by step.
func TestStream(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	text := "y\n"
	for i := range 300 {
		text += fmt.Sprintln(i % 5)
	}
	path := filepath.Join(t.TempDir(), "y.csv")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	experimenttest.MustRun(t, program, "-task", "csv", "-preset", "smoke", "-data", path, "-quantiles", "", "-time", "-", "-cache", t.TempDir(), "-out", dir)
	read := func(args ...string) (all []told) {
		t.Helper()
		d := json.NewDecoder(strings.NewReader(experimenttest.MustRun(t, program, append([]string{"predict", "-run", dir}, args...)...)))
		for d.More() {
			var v told
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
		return all
	}
	want, steps := read(path), read("-stream", "-every", "8", path)
	if len(want) != 1 || len(steps) != 3 || steps[0].Step != 8 || steps[2].Step != 0 || want[0].Steps[0].Time != "" || want[0].Steps[0].Quantiles != nil {
		t.Fatalf("got %+v and %+v", want, steps)
	}
	for i, s := range steps[2].Steps {
		if v := want[0].Steps[i].Values["y"]; math.Abs(v-s.Values["y"]) > 1e-3 {
			t.Errorf("step %d: %v, at once %v", i, s, v)
		}
	}
}

func TestOptionErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"-task csv needs -data: a CSV file":                   {"-task", "csv"},
		"-task ett needs -data: ETTh1.csv":                    {"-task", "ett"},
		"-lookback: want >= 1, got 0":                         {"-lookback", "0"},
		"-horizon: want >= 1, got -1":                         {"-horizon", "-1"},
		"-shares: want three numbers, got [0.5]":              {"-shares", "0.5"},
		"-shares: want three numbers in (0, 1)":               {"-shares", "0.5,0,0.5"},
		"want -quantiles in (0, 1), ascending, got [0.5 0.1]": {"-quantiles", "0.5,0.1"},
		"-season: want >= 0":                                  {"-season", "-1"},
		"-generated: want 0 to":                               {"-generated", "-1"},
		`-step: want a duration such as "1h30m"`:              {"-step", "x"},
		"-time: want a column for -calendar":                  {"-time", "-", "-calendar"},
	} {
		args = append(args, "-steps", "1", "-warmup", "0", "-out", filepath.Join(t.TempDir(), "run"), "-cache", t.TempDir())
		if out, err := experimenttest.Run(t, t.Context(), program, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q\n%s", err, want, out)
		}
	}
}

// The same seed makes the same series; other names of columns are columns too.
func TestGenerate(t *testing.T) {
	load := func(o *options) *experiment.Data {
		t.Helper()
		o.Lookback, o.Horizon, o.Stride, o.EvalStride, o.Generated = 24, 6, 1, 1, 500
		d, err := o.Load(context.Background(), experiment.Source{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := load(&options{}), load(&options{})
	if !reflect.DeepEqual(a.Codec, b.Codec) || a.Model.Features != 2 || a.Model.Outputs != 2 || !reflect.DeepEqual(a.Floor, b.Floor) {
		t.Errorf("got %+v and %+v", a, b)
	}
	c := load(&options{Targets: []string{"x"}, Columns: []string{"y", "x", "z"}})
	if e := c.Codec.(*codec).Encoding; !slices.Equal(e.Columns, []string{"x", "y", "z"}) || c.Model.Outputs != 1 || c.Model.Features != 3 {
		t.Errorf("got %+v of shape %+v", e, c.Model)
	}
	// A target that is chosen is forecast from all columns, and is what it is without.
	hot := load(&options{Targets: []string{"temperature"}}).Codec.(*codec).Encoding
	if all := a.Codec.(*codec).Encoding; !slices.Equal(hot.Columns, []string{"temperature", "load"}) || hot.Targets != 1 || hot.Mean[0] != all.Mean[1] || hot.Mean[1] != all.Mean[0] {
		t.Errorf("got %+v of %+v", hot, all)
	}
}

// Two of three numbers are between the least and the greatest quantile; one of them
// counts twice.
func TestCoverage(t *testing.T) {
	ds, err := task.NewTable(
		task.Col(task.Numbers(task.Target, 3, 1), [][]float32{{1, 2, 3}}),
		task.Col(task.Numbers(task.Weights, 3, 1), [][]float32{{2, 1, 1}}))
	if err != nil {
		t.Fatal(err)
	}
	b := task.NewBatch(ds)
	if err := b.Load([]int{0}, 1, 1); err != nil {
		t.Fatal(err)
	}
	out := &task.Outputs{Arrays: map[string]task.Array{task.Quantiles: {Shape: tensor.Shape{1, 3, 1, 3}, Float64s: []float64{0, 1, 2, 3, 4, 5, 2, 2.5, 3}}}}
	for mask, want := range map[bool]float64{false: 2. / 3, true: 3. / 4} {
		m := coverage(mask)
		if err := m.Add(out, b); err != nil || math.Abs(m.Value()-want) > 1e-12 {
			t.Errorf("mask %t: %v, %v, want %v", mask, m.Value(), err, want)
		}
	}
	if err := coverage(false).Add(&task.Outputs{}, b); err == nil {
		t.Error("without quantiles: got no error")
	}
}

// A picture of two columns, of one of which the past has a hole.
func TestPlot(t *testing.T) {
	c := &codec{Quantiles: []float64{0.1, 0.5, 0.9}, Encoding: series.Encoding{
		Columns: []string{"load", "heat"}, Targets: 2, Lookback: 30, Horizon: 8, Mask: true, Mean: []float64{100, 20}, Dev: []float64{10, 2},
	}}
	e := experiment.Example{Origin: "a.csv: steps from 2024-01-01 on"}
	for i := range 30 {
		v := float32(math.Sin(float64(i) / 3))
		there := float32(1)
		if i > 10 && i < 20 {
			there = 0
		}
		e.Features = append(e.Features, v, -v, 1, there)
	}
	for i := range 8 {
		v := math.Sin(float64(30+i) / 3)
		e.Future = append(e.Future, float32(v), float32(-v))
		for _, s := range []float64{1, -1} {
			e.Forecast = append(e.Forecast, s*v*0.9)
			e.Quantiles = append(e.Quantiles, s*v*0.9-0.3, s*v*0.9, s*v*0.9+0.3)
		}
	}
	p := c.Show(e)
	if v := p.Series[1].Past[11]; p.Kind != report.Lines || len(p.Series) != 2 || v == v || p.Series[0].Past[0] != 100 || math.Abs(float64(p.Series[1].Quantiles[2].Values[0])-(20+2*(-math.Sin(10)*0.9+0.3))) > 1e-4 {
		t.Errorf("picture %+v", p)
	}
	path, err := c.Plot(t.TempDir(), &report.Test{Samples: []report.Sample{{Origin: e.Origin, Picture: p}}})
	if err != nil {
		t.Fatal(err)
	}
	figuretest.Golden(t, path)
	if path, err := c.Plot(t.TempDir(), &report.Test{}); path != "" || err != nil {
		t.Errorf("nothing to draw: %q, %v", path, err)
	}
	if _, err := c.Tell(e, experiment.Forecast{Forecast: [][]float64{{math.NaN(), 0}}}); err == nil || !strings.Contains(err.Error(), `step 0 of column "load": want a finite forecast, got NaN`) {
		t.Errorf("got error %v", err)
	}
	var broken errWriter
	if err := c.TellCSV(broken, true, e, experiment.Forecast{Forecast: [][]float64{{1, 2}}, Quantiles: [][][]float64{{{0, 1, 2}, {0, 1, 2}}}}); !errors.Is(err, errBroken) {
		t.Errorf("got error %v", err)
	}
}

var errBroken = errors.New("broken")

type errWriter struct{}

func (errWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestReplicas(t *testing.T) { experimenttest.Replicas(t, program, "waves") }
