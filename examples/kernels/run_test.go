package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/figure/figuretest"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// kernels runs the command and returns what it printed.
func kernels(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(args, &out); err != nil {
		t.Fatalf("kernels %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

// checkPicture checks that a file is a picture of rows by columns of panels that
// is not of one colour.
func checkPicture(t *testing.T, path string, rows, columns int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	if s := img.Bounds().Size(); s.X != 600*columns || s.Y != 456*rows {
		t.Errorf("%s: %v dots, want %d x %d panels", path, s, columns, rows)
	}
	first, inked := img.At(0, 0), 0
	for x := range img.Bounds().Dx() {
		if img.At(x, 200) != first {
			inked++
		}
	}
	if inked < 50 {
		t.Errorf("%s: the picture is empty", path)
	}
}

// The states of S4 from LegT after an impulse are Legendre polynomials in a
// window of 2 units of time, times 1/2, but for the size of N: the first is flat,
// then gone.
func TestBasisIsThatOfTheMeasure(t *testing.T) {
	const dt, n = 0.01, 32
	l, err := layers.NewS4(G.NewGraph(), tensor.Float64, layers.S4Config{DModel: 1, DState: n, Init: "legt", LMax: 400, DtMin: dt, DtMax: dt})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.System(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	phi, err := basis(l, s, 0, 2, 400)
	if err != nil {
		t.Fatal(err)
	}
	if len(phi) != 2 || len(phi[0]) != 400 {
		t.Fatalf("got %d functions of %d steps", len(phi), len(phi[0]))
	}
	const window = 2 / dt // steps
	for _, at := range []struct {
		step int
		want [2]float64
	}{
		{window / 4, [2]float64{0.5, 0.25 * math.Sqrt(3)}}, {window / 2, [2]float64{0.5, 0}}, {3 * window / 4, [2]float64{0.5, -0.25 * math.Sqrt(3)}},
		{3 * window / 2, [2]float64{0, 0}},
	} {
		for i, want := range at.want {
			if got := phi[i][at.step] / dt; math.Abs(got-want) > 0.06 {
				t.Errorf("function %d after %d steps: got %g, want %g", i, at.step, got, want)
			}
		}
	}
}

func TestEveryInitialisationIsDrawn(t *testing.T) {
	dir := t.TempDir()
	out := kernels(t, "-out", dir, "-length", "40", "-states", "3")
	for _, name := range startNames() {
		rows := 2
		if name == "longconv" { // kernels alone
			rows = 1
		}
		checkPicture(t, filepath.Join(dir, name+".png"), rows, 2)
	}
	for _, want := range []string{"shortest", `S4D, init "lin"`, "32"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestPicturesAreThoseOfBefore(t *testing.T) {
	for _, name := range []string{"s4d-lin", "s4-legs"} {
		dir := t.TempDir()
		kernels(t, "-out", dir, "-init", name, "-length", "96", "-feature", "1")
		figuretest.Golden(t, filepath.Join(dir, name+".png"))
	}
}

// classifier returns a small model of two blocks.
func classifier(t *testing.T, block layers.BlockConfig) *models.Classifier {
	t.Helper()
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{Features: 1, Classes: 2, Stack: layers.StackConfig{Repeat: 2, Blocks: []layers.BlockConfig{block}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSavedModel(t *testing.T) {
	for name, block := range map[string]layers.BlockConfig{
		"one":  {Mixer: layers.S4DConfig{DModel: 1, DState: 2}},
		"s4d":  {Mixer: layers.S4DConfig{DModel: 4, DState: 4, Dt: layers.DtPerState, SSM: layers.SSM{Bidirectional: true}}},
		"s4":   {Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: 32, SSM: layers.SSM{Bottleneck: 2, Gate: 2}}},
		"lssl": {Mixer: layers.LSSLConfig{DModel: 3, DState: 4}},
	} {
		dir := t.TempDir()
		if err := classifier(t, block).Save(dir); err != nil {
			t.Fatal(err)
		}
		out := kernels(t, "-model", dir, "-length", "100") // longer than what S4 is tuned to
		for _, file := range []string{"layer-0.png", "layer-1.png"} {
			checkPicture(t, filepath.Join(dir, "kernels", file), 2, 2)
			if !strings.Contains(out, filepath.Join(dir, "kernels", file)) {
				t.Errorf("%s: no %s in\n%s", name, file, out)
			}
		}
		pictures := t.TempDir()
		kernels(t, "-model", dir, "-length", "2", "-layer", "1", "-feature", "0", "-out", pictures)
		checkPicture(t, filepath.Join(pictures, "layer-1.png"), 2, 2)
		if files, err := os.ReadDir(pictures); err != nil || len(files) != 1 {
			t.Errorf("%s: -layer 1 drew %v (%v)", name, files, err)
		}
	}
}

// What a training that diverged leaves behind is an error that names the layer.
func TestParametersThatAreNotFinite(t *testing.T) {
	for name, block := range map[string]layers.BlockConfig{
		"S4D":  {Mixer: layers.S4DConfig{DModel: 2, DState: 2}},
		"S4":   {Mixer: layers.S4Config{DModel: 2, DState: 2}},
		"DSS":  {Mixer: layers.DSSConfig{DModel: 2, DState: 2}},
		"LSSL": {Mixer: layers.LSSLConfig{DModel: 2, DState: 2}},
	} {
		for i, p := range classifier(t, block).Params() {
			if !strings.HasPrefix(p.Name, "blocks.1.layer.kernel.") {
				continue
			}
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				m := classifier(t, block)
				v, err := m.Params()[i].Value()
				if err != nil {
					t.Fatal(err)
				}
				v.Data().([]float32)[0] = float32(bad)
				dir := t.TempDir()
				if err := m.Save(dir); err != nil {
					t.Fatal(err)
				}
				err = run([]string{"-model", dir, "-layer", "1", "-length", "8"}, &bytes.Buffer{})
				// An infinite logarithm of a rate may stand for a rate of 0.
				if err == nil && !math.IsInf(bad, 0) || err != nil && !strings.Contains(err.Error(), "blocks.1.layer") {
					t.Errorf("%s: %g in %s: got error %v, want one that names the layer", name, bad, p.Name, err)
				}
			}
		}
	}
}

// A DSS layer that is no system still has kernels.
func TestLayerWithoutSystem(t *testing.T) {
	dir := t.TempDir()
	if err := classifier(t, layers.BlockConfig{Mixer: layers.DSSConfig{DModel: 2, DState: 3}}).Save(dir); err != nil {
		t.Fatal(err)
	}
	kernels(t, "-model", dir, "-length", "40")
	checkPicture(t, filepath.Join(dir, "kernels", "layer-0.png"), 1, 2)
}

// Kernels that are shorter than the length asked for are drawn as far as they reach.
func TestShortKernels(t *testing.T) {
	dir := stacked(t, layers.DSSConfig{DModel: 3, DState: 4, LMax: 20})
	kernels(t, "-model", dir, "-length", "40")
	checkPicture(t, filepath.Join(dir, "kernels", "layer-0.png"), 2, 2)
}

// The kernels of a convolution that is no state space model are drawn.
func TestFreeKernels(t *testing.T) {
	dir := stacked(t, layers.LongConvConfig{DModel: 3, LMax: 20, SSM: layers.SSM{Bidirectional: true}})
	out := kernels(t, "-model", dir, "-length", "40")
	checkPicture(t, filepath.Join(dir, "kernels", "layer-0.png"), 1, 2)
	fields := strings.Fields(out[strings.LastIndex(out, "layer 0"):])
	if longest, err := strconv.Atoi(fields[5]); fields[2] != "6" || err != nil || longest < 2 || longest > 20 {
		t.Errorf("want 6 kernels of at most 20 steps, got\n%s", out)
	}
}

// stacked saves a model of different blocks, and returns its directory.
func stacked(t *testing.T, mixers ...layers.MixerConfig) string {
	t.Helper()
	var s layers.StackConfig
	for _, m := range mixers {
		s.Blocks = append(s.Blocks, layers.BlockConfig{Mixer: m})
	}
	m, err := models.NewClassifier(G.NewGraph(), tensor.Float32, models.ClassifierConfig{Features: 1, Classes: 2, Stack: s}, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A layer that is no convolution is named, and the others are drawn; a model of
// such layers alone is an error.
func TestLayersWithoutKernels(t *testing.T) {
	linear, s4d := layers.LinearConfig{In: 2, Out: 2}, layers.S4DConfig{DModel: 2, DState: 2}
	dir := stacked(t, linear, s4d)
	out := kernels(t, "-model", dir, "-length", "16")
	if want := "none: the layer has no kernels of each feature: Linear"; !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
	checkPicture(t, filepath.Join(dir, "kernels", "layer-1.png"), 2, 2)
	if _, err := os.Stat(filepath.Join(dir, "kernels", "layer-0.png")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("layer 0: got %v, want no picture", err)
	}
	for want, args := range map[string][]string{
		"-layer: want a block around a layer with kernels of each feature, as those of s4d or longconv, got number 0, around Linear": {"-model", dir, "-layer", "0"},
		"which has only Linear": {"-model", stacked(t, linear, linear)},
		"which has only S4ND":   {"-model", stacked(t, layers.S4NDConfig{DModel: 2, Shape: []int{4, 4}, S4NDAxis: layers.S4NDAxis{DState: 2}})},
		"which has only CKConv": {"-model", stacked(t, layers.CKConvConfig{In: 2, Out: 2, Hidden: 2, LMax: 16}), "-length", "16"},
	} {
		if err := run(args, &bytes.Buffer{}); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("kernels %q: got error %v, want %q", args, err, want)
		}
	}
}

// noise is a data set.
type noise struct{}

func (noise) Len() int       { return 4 }
func (noise) Length(int) int { return 8 }
func (noise) Fields() []task.Field {
	return []task.Field{task.Features(task.X, 1), task.Label(task.Target)}
}
func (noise) Example(i int, row *task.Row) error {
	row.Floats(task.X, 1, 2, float32(i), 4, 3, 2, 1, 0)
	row.Ints(task.Target, i%2)
	return nil
}

func TestCheckpointAndRun(t *testing.T) {
	dir := t.TempDir()
	m := classifier(t, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 2}})
	cfg := train.Config{Steps: 2, BatchSize: 2, LR: 0.01, CheckpointDir: dir}
	tr, err := train.New(cfg, m, noise{}, noise{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Fit(context.Background()); err != nil {
		t.Fatal(err)
	}
	kernels(t, "-model", filepath.Join(dir, train.LastCheckpoint), "-length", "16")
	checkPicture(t, filepath.Join(dir, "kernels", "layer-0.png"), 2, 2)
	kernels(t, "-model", dir, "-length", "16", "-out", filepath.Join(dir, "best"))
	checkPicture(t, filepath.Join(dir, "best", "layer-1.png"), 2, 2)
	if err := m.Save(filepath.Join(dir, "model")); err != nil {
		t.Fatal(err)
	}
	kernels(t, "-model", dir, "-length", "16", "-out", filepath.Join(dir, "trained"))
	checkPicture(t, filepath.Join(dir, "trained", "layer-1.png"), 2, 2)
}

func TestErrors(t *testing.T) {
	empty, saved := t.TempDir(), t.TempDir()
	if err := classifier(t, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 2}}).Save(saved); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(empty, "broken.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`invalid value "s4d-legt" for flag -init: want one of all, s4d-lin`:     {"-init", "s4d-legt"},
		"flag provided but not defined: -chart":                                 {"-chart"},
		`want options only, got "runs"`:                                         {"runs"},
		"-length: want 2 to 1048576, got 1":                                     {"-length", "1"},
		"-states: want 1 to 12, got 0":                                          {"-states", "0"},
		`invalid value "-1" for flag -feature: want a number from 0, or median`: {"-feature", "-1"},
		`invalid value "x" for flag -layer: want a number from 0, or all`:       {"-layer", "x"},
		"want one of them": {"-model", saved, "-init", "s4-legs"},
		"-layer is about a -model: an initialisation has one layer, got 1": {"-layer", "1"},
		"-layer: want one of the model's blocks 0 to 1, got 2":             {"-model", saved, "-layer", "2"},
		"-feature: layer 0 has features 0 to 1, got 2":                     {"-model", saved, "-feature", "2"},
		"no such file":          {"-model", filepath.Join(empty, "nothing")},
		"which has none of":     {"-model", empty},
		"the file is truncated": {"-model", broken},
	} {
		err := run(append(args, "-out", t.TempDir()), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("kernels %s: got error %v, want %q", strings.Join(args, " "), err, want)
		}
	}
}

func TestHelpListsEveryOption(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-h"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got error %v", err)
	}
	for _, want := range []string{"-model path", "-init", "lssl-legt", "-layer block", "(default all)", "-feature feature", "(default median)", "(default 1024)", "-states int", "-out directory"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
