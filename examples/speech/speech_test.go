package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/audio"
)

// All presets of two tasks go with every model; those of the others are the same models.
func TestPresets(t *testing.T) {
	p := program
	p.Tasks = []experiment.Task{tones, sc10}
	experimenttest.Presets(t, p)
	for _, task := range program.Tasks {
		for _, preset := range program.PresetNames(task.Name) {
			if _, err := program.Check([]string{"-task", task.Name, "-preset", preset}, 1000, 3000); err != nil {
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
	p.Tasks = []experiment.Task{tones, digits}
	experimenttest.EveryOption(t, p, map[string][]string{
		"length": {"0", "1", "16000"}, "subsample": {"1", "2"}, "sample-rate": {"0", "8000"}, "speaker": {"", "theo"}, "generated": {"0", "100"},
	})
}

func TestHelp(t *testing.T) { experimenttest.HelpFits(t, program) }

// Every task is trained without a download, and tested at half the sampling rate too.
func TestSmoke(t *testing.T) {
	for _, task := range program.Tasks {
		dir := filepath.Join(t.TempDir(), "run")
		out := experimenttest.MustRun(t, program, "-task", task.Name, "-preset", "smoke", "-cache", t.TempDir(), "-out", dir)
		for _, want := range []string{"recordings of each class are generated tones", "finished after 10 steps", "test accuracy", "test at 0.5 of the sampling rate, nothing trained for it: accuracy", "test at 0.5 of the sampling rate, band-limited, nothing trained for it: accuracy"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", task.Name, want, out)
			}
		}
		if own := task.Name == "tones" || task.Name == "folders"; strings.Contains(out, "no result about") == own {
			t.Errorf("%s: says of words that they are none: %t in\n%s", task.Name, !own, out)
		}
		test, err := report.ReadTest(dir)
		if err != nil || len(test.Rates) != 2 {
			t.Fatalf("%s: want tests at two rates in test.json, got error %v", task.Name, err)
		}
		for i, opts := range [][]string{nil, {"-band-limited"}} {
			again := experimenttest.MustRun(t, program, append([]string{"eval", "-run", dir, "-rate", "0.5"}, opts...)...)
			rest := out[strings.Index(out, "test at 0.5 of the sampling rate, "+[]string{"nothing", "band-limited"}[i]):]
			line := regexp.MustCompile(`(accuracy [0-9.]+ %), (loss [0-9.]+)`).FindStringSubmatch(rest)
			if !strings.Contains(again, "test "+line[1]) || !strings.Contains(again, line[2]) {
				t.Errorf("%s: eval -rate 0.5 %q says\n%s\nwant %s", task.Name, opts, again, line)
			}
			at := test.Rates[i]
			if at.Rate != 0.5 || at.BandLimited != (i == 1) || at.Metrics.Count != test.Metrics.Count || at.Metrics.Loss == test.Metrics.Loss {
				t.Errorf("%s: test.json: rate %g, band-limited %t: %+v", task.Name, at.Rate, at.BandLimited, at.Metrics)
			}
		}
		if test.Rates[0].Metrics.Loss == test.Rates[1].Metrics.Loss {
			t.Errorf("%s: want another loss on what is band-limited, got the same", task.Name)
		}
	}
}

// A user's own WAV file, and raw samples from standard input, at once and sample after
// sample.
func TestPredict(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	experimenttest.MustRun(t, program, "-preset", "smoke", "-bidirectional=false", "-cache", t.TempDir(), "-out", dir)
	w := &audio.Wave{Rate: 8000, Samples: make([]float32, 200)}
	for i := range w.Samples {
		w.Samples[i] = float32(0.5 * math.Sin(float64(i)/3))
	}
	file := filepath.Join(t.TempDir(), "word.wav")
	write(t, file, w)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	predict := func(args ...string) (all []experiment.Prediction) {
		t.Helper()
		var out bytes.Buffer
		if err := program.Run(t.Context(), append([]string{"predict", "-run", dir}, args...), bytes.NewReader(raw[44:]), &out); err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(&out); d.More(); {
			var p experiment.Prediction
			if err := d.Decode(&p); err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		return all
	}
	want := predict(file)[0]
	if want.Origin != file || len(want.Probabilities) != 10 || want.Label != toneNames[want.Class] {
		t.Errorf("got %+v", want)
	}
	bare := filepath.Join(t.TempDir(), "word.raw")
	if err := os.WriteFile(bare, raw[44:], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := predict(bare)[0]; !slices.Equal(got.Scores, want.Scores) {
		t.Errorf("bare samples: got %v, want %v", got.Scores, want.Scores)
	}
	other := filepath.Join(t.TempDir(), "word.mp3")
	if err := os.WriteFile(other, raw[44:], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := experimenttest.Run(t, t.Context(), program, "predict", "-run", dir, other); err == nil || !strings.Contains(err.Error(), other+": want a WAV file, or bare samples") {
		t.Errorf("another file: got error %v", err)
	}
	steps := predict("-stream", "-every", "80", file)
	if len(steps) != 3 || steps[0].Step != 80 || steps[1].Step != 160 || steps[2].Step != 0 {
		t.Fatalf("step by step: got %+v", steps)
	}
	for _, got := range []experiment.Prediction{predict("-")[0], steps[2]} {
		for i, p := range got.Probabilities {
			if math.Abs(p-want.Probabilities[i]) > 1e-3 {
				t.Errorf("got probabilities %v, want %v", got.Probabilities, want.Probabilities)
				break
			}
		}
	}
}

// A layer without a time step has no other rate, which is said and no failure.
func TestNoRate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	out := experimenttest.MustRun(t, program, "-preset", "smoke", "-model", "gru", "-cache", t.TempDir(), "-out", dir)
	if !strings.Contains(out, "no test at 0.5 of the sampling rate: ") || !strings.Contains(out, "it has no step size") {
		t.Errorf("got\n%s", out)
	}
	for rate, want := range map[string]string{"0.5": "it has no step size", "0.25": "-rate: want one of the sampling rates that the data are there at, 1, 0.5, got 0.25"} {
		if _, err := experimenttest.Run(t, t.Context(), program, "eval", "-run", dir, "-rate", rate); err == nil || !strings.HasPrefix(err.Error(), "-rate: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	out = experimenttest.MustRun(t, program, "-preset", "smoke", "-features", "mfcc", "-length", "1000", "-cache", t.TempDir(), "-out", dir, "-overwrite")
	if strings.Contains(out, "of the sampling rate") || !strings.Contains(out, "test accuracy") {
		t.Errorf("coefficients: got\n%s", out)
	}
}

// recordings writes a folder for each class, of n recordings each.
func recordings(t *testing.T, n int, classes ...string) string {
	t.Helper()
	dir := t.TempDir()
	for c, class := range classes {
		for i := range n {
			w := &audio.Wave{Rate: 8000, Samples: make([]float32, 200+10*i)}
			for j := range w.Samples {
				w.Samples[j] = float32(0.5 * math.Sin(float64(j*(c+1))/5))
			}
			write(t, filepath.Join(dir, class, fmt.Sprintf("%d.wav", i)), w)
		}
	}
	return dir
}

func write(t *testing.T, path string, w *audio.Wave) {
	t.Helper()
	var b bytes.Buffer
	if err := audio.WriteWAV(&b, w); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, task experiment.Task, o *options, path string) *experiment.Data {
	t.Helper()
	d, err := o.Load(context.Background(), experiment.Source{Path: path, Seed: 1, Room: data.Room{}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// optionsOf returns the options of a task with their defaults.
func optionsOf(task experiment.Task) *options {
	o := task.Options().(*options)
	o.Features, o.Subsample = audio.FeaturesRaw, 1
	return o
}

// Recordings of one's own: the classes are the folders, and the codec of the data reads
// what a data set reads.
func TestFolders(t *testing.T) {
	dir := recordings(t, 20, "high", "low", "mid")
	d := load(t, folders, optionsOf(folders), dir)
	if got := d.Codec.Classes(); !slices.Equal(got, []string{"high", "low", "mid"}) || d.Model.Classes != 3 || d.Model.Length != 390 || d.Test.Len() != 9 {
		t.Errorf("classes %q, shape %+v, %d test examples", got, d.Model, d.Test.Len())
	}
	if half := d.Rates[0]; half.Rate != 0.5 || half.Test.Len() != d.Test.Len() || half.Test.Length(0) != (d.Test.Length(0)+1)/2 {
		t.Errorf("at half the rate: %+v", half)
	}
	text, err := json.Marshal(d.Codec)
	if err != nil {
		t.Fatal(err)
	}
	c := new(codec)
	if err := json.Unmarshal(text, c); err != nil || !reflect.DeepEqual(c, d.Codec) {
		t.Fatalf("%s: got back %+v, %v", text, c, err)
	}
	wav, err := os.ReadFile(filepath.Join(dir, "low", "3.wav"))
	if err != nil {
		t.Fatal(err)
	}
	var examples []experiment.Example
	for name, b := range map[string][]byte{"3.wav": wav, "samples.raw": wav[44:]} {
		if err := c.Read(bytes.NewReader(b), name, func(e experiment.Example) error { examples = append(examples, e); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(examples) != 2 || len(examples[0].Features) != 230 || !slices.Equal(examples[0].Features, examples[1].Features) {
		t.Errorf("a WAV file and its samples: %d examples", len(examples))
	}
	p := c.Show(examples[0])
	if p.Kind != report.Wave || p.Rate != 8000 || len(p.Samples) != 230 || math.Abs(float64(p.Samples[7]-int16Sample(wav, 7))) > 1e-6 {
		t.Errorf("picture %+v", p)
	}
	for want, b := range map[string]string{
		"x.raw: want samples of 2 bytes, at least one, got 0 bytes": "",
		"x.raw: want a WAV file, which starts with":                 "RIFF",
		"x.raw: want samples of 2 bytes, at least one, got 3":       "abc",
	} {
		if err := c.Read(strings.NewReader(b), "x.raw", nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	var other bytes.Buffer
	if err := audio.WriteWAV(&other, &audio.Wave{Rate: 16000, Samples: make([]float32, 9)}); err != nil {
		t.Fatal(err)
	}
	if err := c.Read(&other, "x", nil); err == nil || !strings.Contains(err.Error(), "want 8000 samples a second, got 16000") {
		t.Errorf("got error %v", err)
	}
}

func int16Sample(wav []byte, i int) float32 {
	return float32(int16(binary.LittleEndian.Uint16(wav[44+2*i:]))) / (1 << 15)
}

// Recordings for a model that has been trained are read as it reads: of its classes,
// at its rate, scaled as those of its training.
func TestForAModel(t *testing.T) {
	d := load(t, folders, optionsOf(folders), recordings(t, 20, "high", "low", "mid"))
	trained := d.Codec.(*codec)
	trained.Names, trained.Encoding.Mean = []string{"mid", "low"}, []float64{0.25}
	other, err := optionsOf(folders).Load(t.Context(), experiment.Source{Path: recordings(t, 30, "low", "mid", "new"), Codec: trained})
	if err != nil {
		t.Fatal(err)
	}
	c := other.Codec.(*codec)
	if !slices.Equal(c.Names, trained.Names) || c.Encoding.Mean[0] != 0.25 || c.Encoding.Dev[0] != trained.Encoding.Dev[0] || other.Model.Classes != 2 {
		t.Errorf("got %+v, want %+v", c, trained)
	}
	_, err = optionsOf(folders).Load(t.Context(), experiment.Source{Path: recordings(t, 20, "low", "high"), Codec: trained})
	if err == nil || !strings.Contains(err.Error(), `want recordings of the class "mid", got none`) {
		t.Errorf("got error %v", err)
	}
}

// A model that starts from another keeps its scales, and may have other classes,
// lengths and features.
func TestStartFromAModel(t *testing.T) {
	trained := load(t, folders, optionsOf(folders), recordings(t, 20, "high", "low", "mid")).Codec.(*codec)
	trained.Encoding.Mean = []float64{0.25}
	path := recordings(t, 20, "new", "low")
	for _, features := range []audio.Features{audio.FeaturesRaw, audio.FeaturesMFCC} {
		o := optionsOf(folders)
		o.Length, o.Features = 150, features
		d, err := o.Load(t.Context(), experiment.Source{Path: path, Codec: trained, Start: true})
		if err != nil {
			t.Fatal(err)
		}
		c := d.Codec.(*codec)
		if !slices.Equal(c.Names, []string{"low", "new"}) || c.Encoding.Length != 150 || (c.Encoding.Mean[0] == 0.25) != (features == audio.FeaturesRaw) {
			t.Errorf("%s: got %+v", features, c)
		}
	}
}

func TestCoefficients(t *testing.T) {
	o := optionsOf(folders)
	o.Features = audio.FeaturesMFCC
	d := load(t, folders, o, recordings(t, 20, "a", "b"))
	if d.Model.Features != 20 || d.Rates != nil {
		t.Errorf("shape %+v, rates %v", d.Model, d.Rates)
	}
	p := d.Codec.Show(experiment.Example{Features: make([]float32, 60)})
	if p.Kind != report.Lines || len(p.Series) != 3 || len(p.Series[0].Past) != 3 {
		t.Errorf("picture %+v", p)
	}
}

func TestOptionErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"-task digits needs -data: a clone of":           {"-task", "digits"},
		"-task sc35 needs -data: Speech Commands v0.0.2": {"-task", "sc35"},
		"-generated: want 0 to 65536":                    {"-generated", "-1"},
		"-length: want 0 to":                             {"-length", "-1"},
		"-subsample: want 1 for MFCC":                    {"-features", "mfcc", "-subsample", "2"},
		"-sample-rate: want 0 to":                        {"-sample-rate", "-1"},
		`want one of the speakers [], got "theo"`:        {"-task", "folders", "-preset", "small", "-speaker", "theo", "-data", recordings(t, 4, "a", "b")},
		"no such file or directory":                      {"-task", "digits", "-data", filepath.Join(t.TempDir(), "none")},
	} {
		args = append(args, "-steps", "1", "-warmup", "0", "-out", filepath.Join(t.TempDir(), "run"), "-cache", t.TempDir())
		if out, err := experimenttest.Run(t, t.Context(), program, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q\n%s", err, want, out)
		}
	}
}

// The same seed makes the same tones on any number of processors; every class has its
// own.
func TestTones(t *testing.T) {
	o := optionsOf(tones)
	o.Generated = 10
	d := load(t, tones, o, "")
	if d.Train.Len() != 80 || d.Val.Len() != 10 || d.Test.Len() != 10 || len(d.Notes) != 1 {
		t.Errorf("%d, %d and %d examples, notes %q", d.Train.Len(), d.Val.Len(), d.Test.Len(), d.Notes)
	}
	for i := range d.Train.Len() {
		if n := d.Train.Length(i); n < toneLength/2 || n > toneLength {
			t.Errorf("example %d: %d samples", i, n)
		}
	}
	counts := map[string]int{}
	for i := range d.Train.Len() {
		name := strings.TrimPrefix(d.Train.(*audio.Dataset).Origin(i), "generated tones:")
		counts[filepath.Dir(name)]++
	}
	for _, name := range toneNames {
		if counts[name] != 8 {
			t.Errorf("%d examples of %s, want 8", counts[name], name)
		}
	}
}

func TestReplicas(t *testing.T) { experimenttest.Replicas(t, program, "tones") }
