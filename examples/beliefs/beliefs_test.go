package main

import (
	"bytes"
	"errors"
	"flag"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/internal/figure/figuretest"
	"github.com/gorgonia-s4/s4/train/data/markov"
)

// beliefs runs the command and returns what it printed.
func beliefs(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatalf("beliefs %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

// small are options that end in no time.
var small = []string{"-layers", "1", "-d-model", "8", "-examples", "40", "-length", "6", "-steps", "4", "-every", "2", "-batch", "4"}

// Every model is read on every process, from before the training on.
func TestSmoke(t *testing.T) {
	for i, model := range modelNames {
		process := processNames[i%len(processNames)]
		path := filepath.Join(t.TempDir(), "a.png")
		out := beliefs(t, append(small, "-process", process, "-model", model, "-out", path)...)
		for _, want := range []string{process + ": ", model + ": 1 layers of 8 features", "step 0: R2", "step 2: loss ", "step 4: loss ", "of all together: ", "picture in " + path} {
			if !strings.Contains(out, want) {
				t.Errorf("%s, %s: no %q in\n%s", process, model, want, out)
			}
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.DecodeConfig(f); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A few steps teach a model the beliefs, and nothing about those of other steps.
func TestBeliefsAreLearned(t *testing.T) {
	o, err := parseOptions([]string{"-model", "gru", "-layers", "1", "-d-model", "16", "-examples", "300", "-steps", "60", "-every", "60", "-lr", "0.02"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	readings := learned(t, o, &out)
	first, last := readings[0], readings[len(readings)-1]
	if !(last.last() > 0.95) || !(last.last() > first.last()) || !(last.all > 0.95) || !(math.Abs(last.shuffled) < 0.1) {
		t.Errorf("got\n%s", out.String())
	}
}

// A probe finds a map that there is, whatever directions have nothing in them.
func TestProbe(t *testing.T) {
	const n, tol = 200, 1e-8
	r := rand.New(rand.NewPCG(1, 2))
	x, y := mat.NewDense(n, 4, nil), mat.NewDense(n, 2, nil)
	for i := range n {
		a, b := r.NormFloat64(), r.NormFloat64()
		x.SetRow(i, []float64{a, b, a + b, 7}) // of rank 2
		y.SetRow(i, []float64{2*a - b + 1, b - 3})
	}
	p, err := fit(x.Slice(0, n/2, 0, 4).(*mat.Dense), y.Slice(0, n/2, 0, 2).(*mat.Dense))
	if err != nil {
		t.Fatal(err)
	}
	test := y.Slice(n/2, n, 0, 2).(*mat.Dense)
	read := p.read(x.Slice(n/2, n, 0, 4).(*mat.Dense))
	if v := r2(read, test); math.Abs(v-1) > tol {
		t.Errorf("R2 %g, want 1", v)
	}
	if w := mat.Max(p.w); w > 3 {
		t.Errorf("want small weights, got %g", w)
	}
	mean := mat.NewDense(n/2, 2, nil)
	for i := range n / 2 {
		mean.SetRow(i, means(test))
	}
	if v := r2(mean, test); math.Abs(v) > tol {
		t.Errorf("R2 of the mean: got %g, want 0", v)
	}
}

// Three states are a triangle in red, green and blue.
func TestSimplex(t *testing.T) {
	const tol = 1e-12
	for i, want := range []struct {
		x, y float64
		c    color.NRGBA
	}{{0, 0, color.NRGBA{255, 0, 0, 255}}, {1, 0, color.NRGBA{0, 255, 0, 255}}, {0.5, math.Sqrt(3) / 2, color.NRGBA{0, 0, 255, 255}}} {
		b := make([]float64, 3)
		b[i] = 1
		x, y := place(b)
		if math.Abs(x-want.x) > tol || math.Abs(y-want.y) > tol || mixture(b) != want.c {
			t.Errorf("state %d: got (%g, %g) in %v, want %v", i, x, y, mixture(b), want)
		}
	}
	if got, want := mixture([]float64{0.5, 0.5, 0}), (color.NRGBA{128, 128, 0, 255}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The picture of the exact beliefs is that of before.
func TestPicture(t *testing.T) {
	p, err := markov.Mess3(0.05, 0.85)
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Dataset(8, 300, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := mat.NewDense(300*8, 3, nil)
	for i := range 300 {
		rows, err := p.Beliefs(d.Tokens(i)[:8])
		if err != nil {
			t.Fatal(err)
		}
		for l, row := range rows {
			b.SetRow(i*8+l, row)
		}
	}
	r := &reader{beliefs: b, best: 0.8}
	readings := []*reading{
		{layers: []float64{0.5, 0.8}, all: 0.85, shuffled: -0.01, beliefs: b},
		{step: 10, loss: 0.9, layers: []float64{0.5, 0.9}, all: 0.95, shuffled: -0.01, beliefs: b},
		{step: 20, loss: 0.81, layers: []float64{0.5, 0.99}, all: 1, shuffled: -0.02, beliefs: b},
	}
	o := &options{kind: "gru", out: filepath.Join(t.TempDir(), "simplex.png")}
	if err := o.save(p, r, readings); err != nil {
		t.Fatal(err)
	}
	figuretest.Golden(t, o.out)
}

func TestErrors(t *testing.T) {
	for want, args := range map[string][]string{
		`invalid value "s5x" for flag -model: want one of transformer, s4d, mamba, gru`: {"-model", "s5x"},
		"-d-model: want 8 to 1024, got 4":                                               {"-d-model", "4"},
		"-d-model: want a multiple of 8, got 12":                                        {"-d-model", "12"},
		"-every: want at most 1073741824 sequences between two readings, got 32768":     {"-every", "32768", "-batch", "65536"},
		"-length: want 2 to 12, got 13":                                                 {"-length", "13"},
		"-lr: want a positive number, got 0":                                            {"-lr", "0"},
		"-x: want a probability between 0 and 0.5, got 0.5":                             {"-x", "0.5"},
		"-alpha: want a probability between 0 and 1, got 1":                             {"-alpha", "1"},
		`want options only, got "mess3"`:                                                {"mess3"},
		"-examples: want 4 to 65536, got 3":                                             {"-examples", "3"},
	} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("beliefs %s: got error %v, want %q", args, err, want)
		}
	}
}

// A picture that cannot be written is told before the training.
func TestNowhereToDraw(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{"-steps", "1", "-examples", "100", "-model", "gru", "-out", filepath.Join(file, "a.png")}, &out)
	if err == nil || !strings.HasPrefix(err.Error(), "-out: ") || out.Len() > 0 {
		t.Errorf("got error %v and\n%s", err, &out)
	}
}

func TestHelpListsEveryOption(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got error %v", err)
	}
	for _, want := range []string{"-process", "mess3, z1r, rrxor", "-model", "-alpha float", "-examples int", "-out file"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// learned trains a model, and returns what was read from it on the way.
func learned(t *testing.T, o *options, out *bytes.Buffer) []*reading {
	t.Helper()
	p, err := o.source()
	if err != nil {
		t.Fatal(err)
	}
	m, err := o.newModel(p)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.newReader(p, m)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	readings, err := o.fit(t.Context(), p, m, r, out)
	if err != nil {
		t.Fatal(err)
	}
	return readings
}
