package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/train"
)

// finetune runs the command and returns what it printed.
func finetune(args ...string) (string, error) {
	var out bytes.Buffer
	err := run(context.Background(), args, &out)
	return out.String(), err
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := finetune(args...)
	if err != nil {
		t.Fatalf("finetune %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// small are options for a run that learns nothing.
func small(dir string, more ...string) []string {
	return append([]string{
		"-out", dir, "-d-model", "4", "-length", "24", "-steps", "10", "-batch", "8",
		"-train-examples", "40", "-test-examples", "20",
	}, more...)
}

// load reads one of the models of a run.
func load(t *testing.T, dir, name string) *models.Classifier {
	t.Helper()
	m, err := models.LoadClassifier(G.NewGraph(), filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// parameter returns a parameter of the kernel.
func parameter(t *testing.T, m *models.Classifier, name string) []float64 {
	t.Helper()
	v, err := values(m, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOnlyTheLastTrainingLearnsA(t *testing.T) {
	for layer, a := range map[string][]string{"s4d": {"A_real", "A_imag"}, "s4": {"A_real", "A_imag", "P"}} {
		dir := t.TempDir()
		out := mustRun(t, small(dir, "-model", layer)...)
		for _, want := range []string{layer + ": 4 features, 2 state matrices A of size 4", "steps 1 to 10: at most -0.", "of all 10 steps: -0.",
			"after 10 steps with A frozen", "after 10 more with A frozen", "after 10 more with A learned instead", "models in " + dir} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", layer, want, out)
			}
		}
		frozen, control, learned := load(t, dir, "frozen"), load(t, dir, "control"), load(t, dir, "learned")
		o, err := parseOptions(small(dir, "-model", layer), &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		start, err := models.NewClassifier(G.NewGraph(), train.Float32.Tensor(), o.model(), o.seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range a {
			want := parameter(t, start, name)
			if got := parameter(t, frozen, name); !slices.Equal(got, want) {
				t.Errorf("%s: %s frozen: got %v, want %v", layer, name, got, want)
			}
			if got := parameter(t, control, name); !slices.Equal(got, want) {
				t.Errorf("%s: %s of the control: got %v, want %v", layer, name, got, want)
			}
			if got := parameter(t, learned, name); slices.Equal(got, want) {
				t.Errorf("%s: %s is not learned", layer, name)
			}
		}
		if b := parameter(t, frozen, "log_dt"); slices.Equal(parameter(t, control, "log_dt"), b) {
			t.Errorf("%s: the control does not learn dt", layer)
		}
	}
}

// What the example is to show, on an easier task in fewer steps.
func TestLearningAHelps(t *testing.T) {
	dir := t.TempDir()
	out := mustRun(t, "-model", "s4", "-steps", "400", "-noise", "1", "-ratio", "1.1", "-lr-a", "0.03", "-length", "128", "-test-examples", "500", "-out", dir)
	m := regexp.MustCompile(`instead: ([+-][0-9.]+) points`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no gain in\n%s", out)
	}
	if gain, err := strconv.ParseFloat(m[1], 64); err != nil || gain < 25 {
		t.Errorf("gain %s points (%v)\n%s", m[1], err, out)
	}
}

func TestSameSeedSameRun(t *testing.T) {
	for _, layer := range modelNames {
		a, b := t.TempDir(), t.TempDir()
		report := func(dir, seed string) string {
			out, _, _ := strings.Cut(mustRun(t, small(dir, "-model", layer, "-seed", seed)...), "\nmodels in")
			return out
		}
		first := report(a, "3")
		if again := report(b, "3"); again != first {
			t.Errorf("%s: got\n%s\nwant\n%s", layer, again, first)
		}
		x, err := os.ReadFile(filepath.Join(a, "learned", "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(b, "learned", "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s: the same run ends with other parameters", layer)
		}
		if other := report(b, "4"); other == first {
			t.Errorf("%s: another seed gives the same run", layer)
		}
	}
}

// However large the learning rate of A, A is stable after every step, or the run
// stops because the loss is not finite.
func TestHugeLearningRateKeepsAStable(t *testing.T) {
	const steps = 60
	line := regexp.MustCompile(`(?m)^  step [0-9]+: (.*)$`)
	for _, layer := range modelNames {
		for _, lr := range []string{"10", "100", "1e6", "1e30"} {
			out, err := finetune(small(t.TempDir(), "-model", layer, "-lr-a", lr, "-steps", strconv.Itoa(steps), "-every", "1")...)
			lines := line.FindAllStringSubmatch(out, -1)
			for i, l := range lines {
				if re, err := strconv.ParseFloat(l[1], 64); err != nil || !(re < 0) {
					t.Errorf("%s, -lr-a %s: largest real part %s after step %d (%v)", layer, lr, l[1], i+1, err)
				}
			}
			if err == nil && len(lines) != steps {
				t.Errorf("%s, -lr-a %s: %d real parts for %d steps", layer, lr, len(lines), steps)
			}
			if err != nil && !errors.As(err, new(*train.NonFiniteError)) {
				t.Errorf("%s, -lr-a %s: %v", layer, lr, err)
			}
		}
	}
}

// A training that diverges says so, where, and in what.
func TestDivergence(t *testing.T) {
	_, err := finetune(small(t.TempDir(), "-lr", "1e38")...)
	if !errors.As(err, new(*train.NonFiniteError)) || !strings.Contains(err.Error(), "frozen: train: step 2: ") {
		t.Errorf("got error %v", err)
	}
}

func TestInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, small(t.TempDir()), &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

func TestErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`invalid value "lssl" for flag -model: want one of s4d, s4`:            {"-model", "lssl"},
		`invalid value "many" for flag -steps`:                                 {"-steps", "many"},
		`want options only, got "s4"`:                                          {"s4"},
		"-steps: want at least 1, got 0":                                       {"-steps", "0"},
		"-every: want at least 1, got 0":                                       {"-every", "0"},
		"-classes: want at least 2, got 1":                                     {"-classes", "1"},
		"-length: want at least 2, got 1":                                      {"-length", "1"},
		"-batch: want at least 1, got -3":                                      {"-batch", "-3"},
		"-n-ssm: want at least 1, got 0":                                       {"-n-ssm", "0"},
		"-lr: want a positive number, got 0":                                   {"-lr", "0"},
		"-lr-ssm: want a positive number, got 0":                               {"-lr-ssm", "0"},
		"-lr-a: want a positive number, got NaN":                               {"-lr-a", "nan"},
		"-lr-a: want a positive number, got +Inf":                              {"-lr-a", "inf"},
		"-dt-min: want a positive number, got -1":                              {"-dt-min", "-1"},
		"-period: want more than 2 steps, got 2":                               {"-period", "2"},
		"-ratio: want more than 1, got 1":                                      {"-ratio", "1"},
		"-period, -ratio: want periods that are finite, got +Inf for the last": {"-ratio", "1e300"},
		"-noise: want at least 0, got -1":                                      {"-noise", "-1"},
		"want an even -d-state >= 2":                                           {"-d-state", "3"},
		"want -n-ssm a divisor of the number of features H = 16, got 3":        {"-n-ssm", "3"},
		"want 0 < -dt-min <= -dt-max, got -dt-min = 1":                         {"-dt-min", "1"},
		"not a directory":                                                      small(filepath.Join(file, "a")),
	} {
		if _, err := finetune(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("finetune %s: got error %v, want %q", strings.Join(args, " "), err, want)
		}
	}
}

// A default keeps no option from being used.
func TestOddWidth(t *testing.T) {
	mustRun(t, small(t.TempDir(), "-d-model", "5")...)
}

func TestHelpListsEveryOption(t *testing.T) {
	out, err := finetune("-h")
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got error %v", err)
	}
	for _, want := range []string{"-model", "low rank (S4)", "-lr-a float", "-noise", "-length int", "(default 2000)", "-seed", "-out directory"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestWatchStopsWhatIsNotFinite(t *testing.T) {
	o, err := parseOptions(small(t.TempDir()), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		m, err := models.NewClassifier(G.NewGraph(), train.Float32.Tensor(), o.model(), o.seed)
		if err != nil {
			t.Fatal(err)
		}
		w, err := newWatch(o, m, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.OnStep(train.StepEvent{Step: 1, Steps: 2}); err != nil {
			t.Errorf("at the start: %v", err)
		}
		for _, p := range m.Params() {
			if strings.HasSuffix(p.Name, ".A_real") {
				v, err := p.Value()
				if err != nil {
					t.Fatal(err)
				}
				v.Data().([]float32)[1] = float32(bad)
			}
		}
		if err := w.OnStep(train.StepEvent{Step: 2, Steps: 2}); err == nil || !strings.Contains(err.Error(), "A_real is "+strconv.FormatFloat(bad, 'g', -1, 64)+" at element 1") {
			t.Errorf("%g in A: got error %v", bad, err)
		}
	}
}
