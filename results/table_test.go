package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/results/recipes"
	"github.com/gorgonia-s4/s4/train"
)

// README.md is made of the rows that are there.
func TestDocumentIsOfTheRows(t *testing.T) {
	all, err := recipes.All()
	if err != nil {
		t.Fatal(err)
	}
	fs, err := readRows("rows", all)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, table(fs)) {
		t.Error("results/README.md is not of the rows and the recipes: go run ./results -table")
	}
	for _, f := range fs {
		_, err := os.Stat(f.pictureFile())
		if has, want := err == nil, len(f.all()) > 0; has != want {
			t.Errorf("%s: want a picture %v, got it %v: go run ./results -table", f.Name, want, has)
		}
		for _, w := range f.all() {
			if c, err := readCurves("rows", w); err != nil || len(c.points) == 0 {
				t.Errorf("%s: got %v and no curves", w.file(), err)
			}
		}
	}
}

// told is a recipe with all that a table can say.
const told = `{"title": "words", "group": "short", "priority": 1, "program": "recall", "task": "selective-copying",
	"args": "-steps 5", "variants": [{"name": "s4", "args": "-model s4"}, {"name": "gru", "args": "-model gru"}, {"name": "lstm", "args": ""}], "seeds": [0, 1],
	"goals": {"accuracy": 0.9, "half_rate": 0.8}, "notes": ["It is a test."],
	"published": [{"model": "S4", "of": "s4", "accuracy": 0.96, "half_rate": 0.91, "at": "epoch 9", "source": "a paper"}, {"model": "S6", "accuracy": 0.99, "source": "another"}]}`

// rowWith returns a finished row with accuracies.
func rowWith(variant string, seed uint64, test, half, val float64) *row {
	of := func(x float64) train.Metrics {
		return train.Metrics{Count: 1, Scores: []train.Score{{Name: accuracy, Value: x}}}
	}
	m := of(test)
	return &row{
		Recipe: "copying", Variant: variant, Seed: seed, Finished: true, Parameters: 12345, Steps: 5, Planned: 5, Epochs: 2, Commits: []string{"c"},
		Cores: []int{2}, Train: 7200, CPU: 90, Rate: 123.4, PeakBytes: 5e8, Best: &train.Record{Val: of(val)}, Test: &m,
		Rates: []report.RateTest{{Rate: 0.5, Metrics: of(half)}}, Floor: &report.Floor{What: "guessing", Value: 0.1},
	}
}

func TestTable(t *testing.T) {
	root := t.TempDir()
	o := &options{root: root}
	all := made(t, told)
	running := rowWith("gru", 1, 0, 0, 0.5)
	running.Finished, running.Test, running.Rates, running.Steps, running.CPU, running.Cores = false, nil, nil, 3, 0, nil
	alone := rowWith("s4", 1, 0.90, 0.81, 0.95)
	alone.Cores = []int{1}
	for _, w := range []*row{rowWith("s4", 0, 0.92, 0.83, 0.93), alone, rowWith("gru", 0, 0.91, 0.7, 0.9), running} {
		path := filepath.Join(o.rows(), w.file())
		if err := os.MkdirAll(o.rows(), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := writeJSON(path+".json", w); err != nil {
			t.Fatal(err)
		}
		c := &curves{[]point{{trainLoss, 2, 1, 60, 2.5}, {"val_accuracy", 2, 1, 60, 0.25}, {"val_accuracy", 5, 2, 120.5, 0.5}}}
		if err := c.save(path + ".csv"); err != nil {
			t.Fatal(err)
		}
		again, err := readCurves(o.rows(), w)
		if err != nil || len(again.points) != 3 || again.points[2] != c.points[2] {
			t.Fatalf("got curves %v %v", again, err)
		}
	}
	if err := o.writeTable(all, new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "results", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"|  | parameters | steps | epochs | test, % | at half the rate, % | validation, % | goal | published, % | cores | training | processors | samples/s | memory | rows |\n",
		"| s4 | 12,345 | 5 | 2 | 91.0 (90.0 to 92.0) | 82.0 (81.0 to 83.0) | 94.0 (93.0 to 95.0) | 90.0 (half rate 80.0): reached | 96.0 (half rate 91.0) at epoch 9 | 1, 2 | 2h00m | 1m30s | 123 | 0.5 GB | [0](rows/copying-s4-0.json) [1](rows/copying-s4-1.json) |\n",
		"| gru | 12,345 | 5 | 2 | 91.0 | 70.0 | 90.0 | 90.0 (half rate 80.0): missed | - | 2 | 2h00m | 1m30s |",
		"| gru, seed 1, not finished | 12,345 | 3 of 5 | 2 | - | - | 50.0 | 90.0 (half rate 80.0): open | - | - | 2h00m | - |",
		"![words](copying.png)", "S6 99.0 (another)", "It is a test.", "Without learning (guessing): 10.0 %.", "go run ./results -run copying",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "| lstm") {
		t.Error("a variant without a row is in the table")
	}
	if _, err := os.Stat(filepath.Join(root, "results", "copying.png")); err != nil {
		t.Error(err)
	}
}

func TestRowsAreChecked(t *testing.T) {
	all := made(t, told)
	for name, c := range map[string]struct{ file, variant, text, want string }{
		"another name":    {"copying-s4-1", "s4", "", "want the name copying-s4-0.json"},
		"another variant": {"copying-s5-0", "s5", "", "want a row of a recipe, got one of copying/s5"},
		"another field":   {"copying-s4-0", "", `{"speed": 3}`, "unknown field"},
	} {
		o := &options{root: t.TempDir()}
		if err := os.MkdirAll(o.rows(), 0o777); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(o.rows(), c.file+".json")
		err := writeJSON(path, rowWith(c.variant, 0, 0.5, 0.5, 0.5))
		if c.text != "" {
			err = os.WriteFile(path, []byte(c.text), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readRows(o.rows(), all); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestCurvesAreThinned(t *testing.T) {
	h := new(history)
	for i := range 950 {
		norm := 1.0
		l := train.MetricsLine{Kind: train.StepLine, Step: i + 1, Elapsed: float64(i + 1), Seconds: 0.5, Sequences: 4, GradNorm: &norm, Batch: &train.Metrics{Loss: float64(i)}}
		if err := h.add(l); err != nil {
			t.Fatal(err)
		}
	}
	for i, accuracies := range []float64{0.2, 0.6, 0.6, 0.4} {
		m := &train.Metrics{Loss: 1, Scores: []train.Score{{Name: accuracy, Value: accuracies}}}
		if err := h.add(train.MetricsLine{Kind: train.EvalLine, Step: 1000 + i, Train: m, Val: m, Elapsed: 2000}); err != nil {
			t.Fatal(err)
		}
	}
	ps := h.curves().points
	if len(ps) != 95+8 {
		t.Fatalf("got %d points", len(ps))
	}
	if p := ps[94]; p.curve != trainLoss || p.step != 950 || math.Abs(p.value-944.5) > 1e-9 {
		t.Errorf("got the last point of the loss %+v", p)
	}
	if p := ps[98]; p.curve != "val_accuracy" || p.step != 1001 || p.value != 0.6 || p.elapsed != 2000 {
		t.Errorf("got %+v", p)
	}
	if b := h.best(); b.Step != 1001 {
		t.Errorf("got the best at step %d, want the first of the highest", b.Step)
	}
	w := new(row)
	w.addHistory(h)
	if w.Sequences != 3800 || w.Rate != 8 || w.Train != 2000 {
		t.Errorf("got %+v", w)
	}
}
