package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestParseGo(t *testing.T) {
	const out = `goos: linux
BenchmarkS4D/B16_H128_N64_L10240/fwdbwd-2         	       3	 1 ns/op
BenchmarkS4D/B16_H128_N64_L1024/fwdbwd-2         	       3	 111090927 ns/op	     49664 params	       104.2 peak-MB	   16485 B/op	     219 allocs/op
PASS
`
	got, ok, err := parseGo(out, "BenchmarkS4D/B16_H128_N64_L1024/fwdbwd")
	want := sample{setting: goSetting, seconds: 0.111090927, peak: 104.2e6, params: 49664, garbage: 16485}
	if err != nil || !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, %v, want %+v", got, ok, err, want)
	}
	if _, ok, err := parseGo(out, "BenchmarkS4/B16_H128_N64_L1024/fwdbwd"); ok || err != nil {
		t.Errorf("a benchmark that did not run: got %v, %v", ok, err)
	}
	if _, _, err := parseGo("BenchmarkStep 3 many ns/op\n", "BenchmarkStep"); err == nil || !strings.Contains(err.Error(), "many") {
		t.Errorf("a line without number: got error %v", err)
	}
}

func TestExactly(t *testing.T) {
	if got, want := exactly("BenchmarkS4/a/b"), "^BenchmarkS4$/^a$/^b$"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{5, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.v); got != c.want {
			t.Errorf("median %v: got %g, want %g", c.v, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing: got %g, want NaN", got)
	}
}

// Measurements of two benchmarks, the second without PyTorch.
var measured = []sample{
	{benchmark: "layer", setting: goSetting, seconds: 0.010, peak: 100e6, params: 7, garbage: 1500},
	{benchmark: "layer", setting: "glibc, threads 1", seconds: 0.150, peak: 400e6, start: 200e6, params: 7},
	{benchmark: "layer", setting: "glibc, threads 2", seconds: 0.100, peak: 500e6, start: 200e6, params: 7},
	{benchmark: "layer", setting: goSetting, round: 1, seconds: 0.030, peak: 100e6, params: 7, garbage: 1500},
	{benchmark: "layer", setting: "glibc, threads 2", round: 1, seconds: 0.120, peak: 500e6, start: 200e6, params: 7},
	{benchmark: "step", setting: goSetting, seconds: 12.34e-6, peak: math.NaN()},
}

func TestTable(t *testing.T) {
	got := string(table([]string{"host"}, []benchmark{{name: "layer"}, {name: "step"}, {name: "missing"}}, measured))
	for _, want := range []string{
		"- host\n",
		"| layer | 20 ms | 110 ms | 5.5 | 100 | 400 | 200 | 4.0 | 1.5 | glibc, threads 2 |\n",
		"| step | 12.3 us | - | - | - | - | - | - | 0.0 |  |\n",
		"| missing | - | - | - | - | - | - | - | - |  |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want the line %q in\n%s", want, got)
		}
	}
}

func TestContenders(t *testing.T) {
	got := contenders([]setting{{name: "glibc, threads 1"}, {name: "glibc, threads 2"}}, measured)
	if len(got) != 1 || got[0].name != "glibc, threads 2" {
		t.Errorf("got %v: want the slow setting dropped", got)
	}
}

func TestSameSize(t *testing.T) {
	if err := sameSize(benchmark{}, measured); err != nil {
		t.Error(err)
	}
	other := append(slices.Clone(measured), sample{params: 8})
	if err := sameSize(benchmark{name: "layer"}, other); err == nil || !strings.Contains(err.Error(), "7 parameters and 8") {
		t.Errorf("models of two sizes: got error %v", err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-rounds 0", "-rounds: want at least 1"},
		{"-time 0s", "-time: want a positive duration"},
		{"-threads 0", "-threads: want at least 1"},
		{"-run (", "-run:"},
		{"more", "want no arguments"},
	} {
		if _, err := parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want error %q, got %v", c.args, c.want, err)
		}
	}
	o, err := parse(strings.Fields("-rounds 3 -run S4D"))
	if err != nil || o.rounds != 3 || !o.match.MatchString("S4D layer") || o.match.MatchString("S4 layer") {
		t.Errorf("got %+v, %v", o, err)
	}
}

// fakePython is a folder with a script in place of the interpreter.
func fakePython(t *testing.T, script string) *pyTorch {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell script")
	}
	dir := t.TempDir()
	python := filepath.Join(dir, "python")
	if err := os.WriteFile(python, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &pyTorch{dir: dir, o: options{python: python, time: 1.5e9, threads: 2}}
}

func TestPyTorchRun(t *testing.T) {
	p := fakePython(t, `test "$*" = "bench.py --what=step --threads=2 --seconds=1.5" || exit 1
test "$OMP_NUM_THREADS" = 2 || exit 1
echo '{"seconds": 0.25, "peak_bytes": 2000, "start_bytes": 0, "params": 9}'`)
	set := settings(2, []allocator{{"glibc", nil}})[1]
	got, err := p.run(context.Background(), benchmark{name: "step", pyTorch: []string{"--what=step"}}, set)
	if err != nil || got.seconds != 0.25 || got.peak != 2000 || !math.IsNaN(got.start) || got.params != 9 || got.setting != "glibc, threads 2" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPyTorchMissing(t *testing.T) {
	p := fakePython(t, "echo Traceback >&2; echo 'No module named torch' >&2; exit 1")
	if _, err := findPyTorch(context.Background(), p.dir, p.o); err == nil || !strings.HasSuffix(err.Error(), "No module named torch") {
		t.Errorf("got error %v, want the last line of the traceback", err)
	}
}

func TestPyTorchModelsAreWrong(t *testing.T) {
	p := fakePython(t, "echo 'FAIL layer 1e-3'; exit 1")
	if err := p.check(context.Background()); err == nil || !strings.Contains(err.Error(), "FAIL layer 1e-3") {
		t.Errorf("got error %v, want what check.py printed", err)
	}
}

// written is measurements of two models and of their parts.
var written = []sample{
	{benchmark: "S4 writes, batch 16, context 16384", setting: goSetting, seconds: 0.001, peak: 70e6, state: 4e6},
	{benchmark: "S4 writes, batch 16, context 256", setting: goSetting, seconds: 0.001, peak: 70e6, state: 4e6},
	{benchmark: "S4 writes, batch 16, context 256", setting: "glibc, threads 1", seconds: 0.008},
	{benchmark: "S4 writes, batch 16, context 256, by the public default", setting: goSetting, seconds: 0.002},
	{benchmark: "S4 writes, batch 16, context 256, by the public default", setting: "glibc, threads 1", seconds: 0.04},
	{benchmark: "Transformer writes, batch 16, context 16384", setting: goSetting, seconds: 0.064, peak: 2100e6, state: 2000e6},
	{benchmark: "Transformer writes, batch 16, context 16384", setting: "glibc, threads 1", seconds: 0.16},
	{benchmark: "S4, parts of a token, batch 16, context 1024", setting: goSetting, seconds: 0.001, parts: []part{{"norm", 12.5e-6}}},
}

func TestGenerationPage(t *testing.T) {
	got := string(byBenchmark(written).page([]string{"host"}))
	for _, want := range []string{
		"- host\n",
		"| 16 | 16384 | 16000 | - | 250 | 64.0 | - | 100 |\n",
		"| 16 | 16384 | 4.00 | - | 2000.00 | 70 | - | 2100 |\n",
		"| Transformer writes, batch 16, context 16384 | 64 ms | 160 ms | 2.5 | - | - | glibc, threads 1 |\n",
		"| S4 writes, batch 16, context 256 | 1 ms | 8 ms | 8.0 | 40 ms | 20.0 | glibc, threads 1 |\n",
		"| S4 | 16 | - | 12.5 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want the line %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "| 1 | 256 |") {
		t.Errorf("want nothing of what was not measured, got\n%s", got)
	}
}

func TestGenerationPicture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "generation.png")
	if err := byBenchmark(written).picture(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("want a picture, got %v, %v", info, err)
	}
}

// The measurements of generation are told apart by name, and their benchmarks too.
func TestGenerationsAreNamedApart(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range generations() {
		if seen[c.name] || seen[c.goName] != strings.HasSuffix(c.name, asPublic) {
			t.Errorf("%s, %s: want names of their own, but for the same Go benchmark beside another PyTorch", c.name, c.goName)
		}
		seen[c.name], seen[c.goName] = true, true
	}
}

func TestParseGoParts(t *testing.T) {
	got, ok, err := parseGo("BenchmarkToken/s4/B1_T64-2 5 1000 ns/op 12.5 feed-forward-ns 64 state-B\n", "BenchmarkToken/s4/B1_T64")
	if err != nil || !ok || !math.IsNaN(got.peak) {
		t.Fatalf("got %+v, %v, %v", got, ok, err)
	}
	got.peak = 0 // NaN is not equal to itself
	if want := (sample{setting: goSetting, seconds: 1e-6, state: 64, parts: []part{{"feed-forward", 12.5e-9}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
