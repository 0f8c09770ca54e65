package report

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/train"
)

// someRun is a run with every field.
func someRun() *Run {
	return &Run{
		Task: "listops", Preset: "quick", Model: "s4d", Command: []string{"lra", "-task", "listops"},
		Recipe:   json.RawMessage(`{"lr":0.01}`),
		Data:     []Split{{Name: "train", Source: "basic_train.tsv", Examples: 100, Longest: 64}},
		Notes:    []string{"made for a test"},
		Versions: map[string]string{"go": "go1.25"}, Machine: "2 cores", Began: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), Steps: 10,
		End: &End{Reason: "finished", Steps: 10, Elapsed: train.Duration(90 * time.Second), PeakBytes: 2e9,
			Best: &train.Record{Step: 5, Epoch: 1, Val: train.Metrics{Loss: 1, Count: 10, Scores: []train.Score{{Name: "accuracy", Value: 0.5}}}}},
	}
}

// nan is what is missing.
var nan = float32(math.NaN())

// someTest is a test of a classifier with a sample of every kind.
func someTest() *Test {
	loss := 0.7
	return &Test{
		Split: "test", Examples: 10, Headline: "accuracy", HigherIsBetter: true, Seconds: 2,
		Metrics: train.Metrics{Loss: 0.6, Count: 10, Scores: []train.Score{{Name: "accuracy", Value: 0.8}}},
		Floor:   &Floor{What: "always the commonest class", Value: 0.6},
		Rates:   []RateTest{{Rate: 0.5, Metrics: train.Metrics{Loss: 0.7, Count: 10, Scores: []train.Score{{Name: "accuracy", Value: 0.7}}}}},
		Lengths: []LengthTest{{Length: 4096, Metrics: train.Metrics{Loss: 0.8, Count: 10, Scores: []train.Score{{Name: "accuracy", Value: 0.65}}}}},
		Classes: []string{"no", "yes"}, Confusion: [][]int{{5, 1}, {1, 3}},
		Samples: []Sample{
			{Index: 3, Origin: "a.tsv:4", Target: 1, Prediction: 0, Scores: Numbers{0.7, 0.3}, Loss: &loss, Saliency: Numbers{0, 1, -1},
				Picture:        Picture{Kind: Text, Pieces: []string{"one ", "two ", "three"}, Second: &Picture{Kind: Text, Pieces: []string{"four"}}},
				SecondSaliency: Numbers{2}},
			{Index: 4, Target: 1, Prediction: 1, Saliency: Numbers{0, 1, 0, 0},
				Picture: Picture{Kind: Image, Width: 2, Height: 2, Channels: 3, Pixels: make([]byte, 12), Order: []int{3, 2, 1, 0}, Path: []int{0, 3}}},
			{Index: 5, Picture: Picture{Kind: Wave, Samples: Numbers{0, 0.5, nan, -0.5}, Rate: 8000}, Saliency: Numbers{1, nan}},
			{Index: 6, Picture: Picture{Kind: Lines, Series: []Series{{Name: "OT", Past: Numbers{1, nan, 2}, Future: Numbers{3, 4}, Forecast: Numbers{3, 5},
				Quantiles: []Quantile{{Level: 0.1, Values: Numbers{2, 3}}, {Level: 0.9, Values: Numbers{4, 6}}}}}}, Saliency: Numbers{0, 0, 1}},
		},
	}
}

// sameText compares as JSON, where a NaN is like another.
func sameText(t *testing.T, got, want any) {
	t.Helper()
	a, err1 := json.Marshal(got)
	b, err2 := json.Marshal(want)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("got %s\nwant %s", a, b)
	}
}

func TestFilesComeBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	run, test := someRun(), someTest()
	if err := errors.Join(run.Save(dir), test.Save(dir)); err != nil {
		t.Fatal(err)
	}
	gotRun, err := ReadRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	gotRun.Recipe = json.RawMessage(strings.Join(strings.Fields(string(gotRun.Recipe)), "")) // its text is indented
	if !reflect.DeepEqual(gotRun, run) {
		t.Errorf("got %+v\nwant %+v", gotRun, run)
	}
	got, err := ReadTest(dir)
	if err != nil {
		t.Fatal(err)
	}
	sameText(t, got, test)
	if v := got.Samples[2].Picture.Samples[2]; v == v {
		t.Errorf("a sample that is missing came back as %g, want NaN", v)
	}
}

func TestFilesThatAreNotThere(t *testing.T) {
	_, err1 := ReadRun(t.TempDir())
	_, err2 := ReadTest(t.TempDir())
	for _, err := range []error{err1, err2} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got error %v, want fs.ErrNotExist", err)
		}
	}
}

// What does not fit together is refused when it is written and when it is read.
func TestTestsThatDoNotFit(t *testing.T) {
	for want, change := range map[string]func(*Test){
		"lengths: want lengths >= 1, got 0":                                     func(v *Test) { v.Lengths = []LengthTest{{}} },
		"rates: want rates > 0, got 0":                                          func(v *Test) { v.Rates[0].Rate = 0 },
		"want examples >= 0, got -1":                                            func(v *Test) { v.Examples = -1 },
		"want at most 2048 classes, got 2049":                                   func(v *Test) { v.Classes = make([]string, 2049) },
		"want at most 512 samples, got 513":                                     func(v *Test) { v.Samples = make([]Sample, 513) },
		"confusion: want 2 rows, one for each class, got 1":                     func(v *Test) { v.Confusion = v.Confusion[:1] },
		"confusion: row 1: want 2 counts, one for each class, got 1":            func(v *Test) { v.Confusion[1] = []int{1} },
		"confusion: row 0: want counts >= 0, got -3":                            func(v *Test) { v.Confusion[0][1] = -3 },
		"seconds >= 0, got -1":                                                  func(v *Test) { v.Seconds = -1 },
		"sample 0: want target and prediction in [0, 2), got 2":                 func(v *Test) { v.Samples[0].Target = 2 },
		"sample 0: want target and prediction in [0, 2), got -1":                func(v *Test) { v.Samples[0].Prediction = -1 },
		"sample 0: want 2 scores, one for each class, got 1":                    func(v *Test) { v.Samples[0].Scores = Numbers{1} },
		"sample 0: want index >= 0, got -1":                                     func(v *Test) { v.Samples[0].Index = -1 },
		"sample 0: picture: want a saliency of 3 steps, got 2":                  func(v *Test) { v.Samples[0].Saliency = Numbers{1, 2} },
		"sample 0: second picture: want a saliency of 1 steps, got 2":           func(v *Test) { v.Samples[0].SecondSaliency = Numbers{1, 2} },
		"sample 0: second_saliency: want a second picture too":                  func(v *Test) { v.Samples[0].Picture.Second = nil },
		"sample 0: picture: want at most two pictures, got three":               func(v *Test) { v.Samples[0].Picture.Second.Second = &Picture{} },
		`sample 1: picture: want kind "text", "image", "wave" or "series", got`: func(v *Test) { v.Samples[1].Picture.Kind = "film" },
		"sample 1: picture: want width and height from 1":                       func(v *Test) { v.Samples[1].Picture.Width = 1 << 40 },
		"sample 1: picture: want 1 or 3 channels, got 4":                        func(v *Test) { v.Samples[1].Picture.Channels = 4 },
		"sample 1: picture: want 2 x 2 x 3 bytes of pixels, got 11":             func(v *Test) { v.Samples[1].Picture.Pixels = make([]byte, 11) },
		"want order and path in [0, 4), got 4 at 1":                             func(v *Test) { v.Samples[1].Picture.Order[1] = 4 },
		"want order and path in [0, 4), got -1 at 0":                            func(v *Test) { v.Samples[1].Picture.Path[0] = -1 },
		"sample 2: picture: want rate >= 0, got -8000":                          func(v *Test) { v.Samples[2].Picture.Rate = -8000 },
		"sample 2: picture: want a saliency of 4 steps, got 5":                  func(v *Test) { v.Samples[2].Saliency = make(Numbers, 5) },
		"sample 3: picture: want 1 to 256 series, got 0":                        func(v *Test) { v.Samples[3].Picture.Series = nil },
		"series 0: want a future, a forecast and quantiles of one length":       func(v *Test) { v.Samples[3].Picture.Series[0].Forecast = Numbers{1} },
		"series 1: want a past of 3 steps, as the first, got 1": func(v *Test) {
			v.Samples[3].Picture.Series = append(v.Samples[3].Picture.Series, Series{Past: Numbers{1}})
		},
		"series 0: quantile 1: want levels in (0, 1), ascending, got 0.1": func(v *Test) { v.Samples[3].Picture.Series[0].Quantiles[1].Level = 0.1 },
	} {
		test := someTest()
		change(test)
		dir := t.TempDir()
		if err := test.Save(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("written: got error %v, want %q", err, want)
		}
		text, err := json.Marshal(test)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, TestFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadTest(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), TestFile) {
			t.Errorf("read: got error %v, want %q and the name of the file", err, want)
		}
	}
}

func TestRunsThatDoNotFit(t *testing.T) {
	for want, change := range map[string]func(*Run){
		"data 0: want examples and longest >= 0": func(r *Run) { r.Data[0].Examples = -1 },
		"want steps >= 0, got -1":                func(r *Run) { r.Steps = -1 },
		"end: want steps":                        func(r *Run) { r.End.PeakBytes = -1 },
		"invalid character":                      func(r *Run) { r.Recipe = json.RawMessage("{") },
	} {
		run := someRun()
		change(run)
		if err := run.Save(t.TempDir()); err == nil || !strings.Contains(err.Error(), RunFile) {
			t.Errorf("got error %v, want one about %q that names the file", err, want)
		}
	}
}

// Damaged files are errors that name them, and take no more memory than they may.
func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	if err := someTest().Save(dir); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, TestFile))
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string]string{
		"the file is truncated after 0 bytes":                         "",
		"the file is truncated after":                                 string(whole[:len(whole)/2]),
		"something behind the end":                                    string(whole) + "{}",
		"unknown field":                                               `{"split":"test","more":1}`,
		"want at most 33554432 bytes":                                 strings.Repeat(" ", maxFile+1),
		"want at most 16384 objects":                                  `{"samples":[` + strings.Repeat("{},", maxObjects) + `{}]}`,
		"want at most 16384 objects and 65536 lists, got 1 and 65538": `{"confusion":[` + strings.Repeat("[],", maxLists) + `[]]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, TestFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadTest(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), TestFile) {
			t.Errorf("got error %v, want %q and the name of the file", err, want)
		}
		if err := Write(dir); err == nil || !strings.Contains(err.Error(), TestFile) {
			t.Errorf("page: got error %v, want one that names the file", err)
		}
	}
	if err := checkSize([]byte(`"` + strings.Repeat(`[{\"`, maxLists) + `"`)); err != nil {
		t.Errorf("brackets in a text are no lists: got error %v", err)
	}
}
