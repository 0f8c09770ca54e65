package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
	"github.com/gorgonia-s4/s4/report"
)

// of returns the program with some of its tasks.
func of(tasks ...experiment.Task) experiment.Program {
	p := program
	p.Tasks = tasks
	return p
}

func TestPresets(t *testing.T) { experimenttest.Presets(t, of(selective, adding)) }

func TestEveryOption(t *testing.T) {
	experimenttest.EveryOption(t, of(selective, adding), map[string][]string{
		"length": {"16", "1000"}, "tokens": {"1", "12"}, "vocabulary": {"4", "100"},
		"train-examples": {"1", "100000"}, "test-examples": {"1", "1000"}, "test-lengths": {"", "16,4096"},
		"rate": {"*.bias=0.1"},
	})
}

func TestHelp(t *testing.T) {
	experimenttest.HelpFits(t, program)
	out, err := experimenttest.Run(t, t.Context(), program, "-h")
	if want := "not for a training: the examples are drawn"; !errors.Is(err, flag.ErrHelp) || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
		t.Errorf("got error %v, no %q in\n%s", err, want, out)
	}
}

// examplesOf are what predict reads of the tasks, with spaces that do no harm.
var examplesOf = map[string]string{
	"selective-copying": "0 0 1 0 2 0 5 5 = 1 2\n\n  3 3\t5 5 \n",
	"delay":             "1 2 0 0 0 0 5 5 = 1 2\n",
	"induction":         "3 1 5 4 2 2 0 5 = 4\n",
	"adding":            "0.25 0.5* 0.125 0.75*\n",
}

// file writes examples of a task.
func file(t *testing.T, task string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(name, []byte(examplesOf[task]), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Each task is trained, gone on with, evaluated and applied, and tested at other lengths.
func TestSmoke(t *testing.T) {
	for name, lengths := range map[string][]int{"selective-copying": nil, "delay": nil, "induction": {6, 24}, "adding": {24}} {
		mine := file(t, name)
		dir := experimenttest.Smoke(t, program, name, mine)
		test, err := report.ReadTest(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, at := range test.Lengths {
			got = append(got, at.Length)
			if v := at.Metrics.Value(test.Headline); math.IsNaN(v) {
				t.Errorf("%s: %s of %d steps: got no number", name, test.Headline, at.Length)
			}
		}
		if !slices.Equal(got, lengths) || test.Floor == nil || math.IsNaN(test.Metrics.Value(test.Headline)) {
			t.Errorf("%s: got %+v", name, test)
		}
		checkStream(t, dir, mine)
	}
}

// checkStream checks that steps tell what batches do.
func checkStream(t *testing.T, dir, mine string) {
	t.Helper()
	const tol = 1e-4
	batch := experimenttest.MustRun(t, program, "predict", "-run", dir, mine)
	steps := experimenttest.MustRun(t, program, "predict", "-run", dir, "-stream", mine)
	a, b := strings.Split(batch, "\n"), strings.Split(steps, "\n")
	for i := range a[:len(a)-1] {
		var x, y struct {
			Answers       []int
			Probabilities []float64
			Targets       []int
			Forecast      [][]float64
		}
		if err := json.Unmarshal([]byte(a[i]), &x); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(b[i]), &y); err != nil {
			t.Fatal(err)
		}
		of := slices.Concat(append(x.Forecast, x.Probabilities)...)
		for j, v := range slices.Concat(append(y.Forecast, y.Probabilities)...) {
			if math.Abs(v-of[j]) > tol {
				t.Errorf("%s, line %d: got %g step by step, %g in a batch", dir, i, v, of[j])
			}
		}
		if !reflect.DeepEqual(x.Answers, y.Answers) || !reflect.DeepEqual(x.Targets, y.Targets) || len(x.Forecast)+len(x.Answers) == 0 {
			t.Errorf("line %d: got %s step by step, %s in a batch", i, b[i], a[i])
		}
	}
}

// Examples of one's own are measured by their answers.
func TestEvalOfOwn(t *testing.T) {
	mine := file(t, "delay")
	dir := filepath.Join(t.TempDir(), "run")
	experimenttest.MustRun(t, program, "-task", "delay", "-preset", "smoke", "-out", dir)
	out := experimenttest.MustRun(t, program, "eval", "-run", dir, "-data", mine)
	if !strings.Contains(out, "sequence accuracy") || !strings.Contains(out, "(1 examples)") {
		t.Errorf("got\n%s", out)
	}
	for text, want := range map[string]string{
		"0 1 5 5\n":         "want an example with its answers, got none",
		"0 1 5 5 = 1\n":     "want 2 answers, got 1",
		"0 1 5 5 = 1 6\n":   "want tokens in [0, 6), got 6",
		"5 = 1 1\n":         "want at least 2 tokens, a step for each answer, got 1",
		"0 x 5 5 = 1 1\n":   `want numbers with spaces between them, got "x"`,
		"0 1 5 5 = 1 one\n": `want numbers with spaces between them, got "one"`,
	} {
		if err := os.WriteFile(mine, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := experimenttest.Run(t, t.Context(), program, "eval", "-run", dir, "-data", mine); err == nil || !strings.Contains(err.Error(), "mine:1: "+want) {
			t.Errorf("%q: got error %v, want %q", text, err, want)
		}
	}
	var out2 bytes.Buffer
	err := program.Run(t.Context(), []string{"predict", "-run", dir, "-stream", "-every", "2", "-"}, strings.NewReader("0 1 5 5\n"), &out2)
	if err == nil || !strings.Contains(err.Error(), "-every: answers are told at the last steps alone") {
		t.Errorf("got error %v", err)
	}
}

func TestErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"-tokens: want >= 1, got 0":                          {"-tokens", "0"},
		"-length: want 8 to 1048576, got 4":                  {"-length", "4", "-tokens", "8"},
		"-data: want none, or for eval a file":               {"-preset", "smoke", "-data", "x", "-out", filepath.Join(t.TempDir(), "run")},
		"-vocabulary: want 4 to 65536, got 3":                {"-vocabulary", "3"},
		"-test-lengths: want 4 to 1048576, got 2":            {"-task", "induction", "-test-lengths", "64,2"},
		"-test-examples: want 1 to 16777216, got -1":         {"-test-examples", "-1"},
		"flag provided but not defined: -tokens":             {"-task", "adding", "-tokens", "3"},
		"-task: want one of selective-copying, induction, d": {"-task", "copying"},
	} {
		if _, err := experimenttest.Run(t, t.Context(), program, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got error %v, want %q", args, err, want)
		}
	}
}
