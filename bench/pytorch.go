package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// setting is a way to run PyTorch.
type setting struct {
	name    string
	threads int
	env     []string
}

// pyTorch runs the benchmarks in bench/pytorch.
type pyTorch struct {
	dir      string
	o        options
	version  string
	settings []setting
}

// result is what bench.py prints.
type result struct {
	Torch      string  `json:"torch"`
	MKL        bool    `json:"mkl"`
	StartBytes float64 `json:"start_bytes"` // peak of resident memory after import torch
	Seconds    float64 `json:"seconds"`     // mean of the runs
	PeakBytes  float64 `json:"peak_bytes"`  // peak of resident memory; 0 if unknown
	Params     int     `json:"params"`
}

// findPyTorch returns an error if the interpreter has no PyTorch.
func findPyTorch(ctx context.Context, dir string, o options) (*pyTorch, error) {
	t := &pyTorch{dir: dir, o: o, settings: settings(o.threads, allocators())}
	r, err := t.bench(ctx, t.settings[0])
	if err != nil {
		return nil, err
	}
	t.version = "PyTorch " + r.Torch
	if r.MKL {
		t.version += " with MKL"
	}
	return t, nil
}

// check compares the models with the golden cases.
func (t *pyTorch) check(ctx context.Context) error {
	out, err := t.python(ctx, nil, "check.py")
	if err != nil {
		return fmt.Errorf("checking the PyTorch models against the golden cases: %w\n%s", err, out)
	}
	return nil
}

// run measures a benchmark once.
func (t *pyTorch) run(ctx context.Context, c benchmark, s setting) (sample, error) {
	args := append(slices.Clone(c.pyTorch),
		"--threads="+strconv.Itoa(s.threads),
		"--seconds="+strconv.FormatFloat(t.o.time.Seconds(), 'g', -1, 64))
	r, err := t.bench(ctx, s, args...)
	if err != nil {
		return sample{}, fmt.Errorf("PyTorch, %s: %w", s.name, err)
	}
	return sample{
		benchmark: c.name, setting: s.name,
		seconds: r.Seconds, peak: known(r.PeakBytes), start: known(r.StartBytes), params: r.Params,
	}, nil
}

// known replaces the 0 that stands for an unknown value by NaN.
func known(v float64) float64 {
	if v == 0 {
		return math.NaN()
	}
	return v
}

// bench runs bench.py in a setting.
func (t *pyTorch) bench(ctx context.Context, s setting, args ...string) (result, error) {
	var r result
	out, err := t.python(ctx, s.env, append([]string{"bench.py"}, args...)...)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("bench.py: want a line of JSON, got %q: %w", out, err)
	}
	return r, nil
}

// python runs a script of the folder and returns what it prints.
func (t *pyTorch) python(ctx context.Context, env []string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.o.python, args...)
	cmd.Dir = t.dir
	cmd.Env = append(append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1"), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		return out, fmt.Errorf("%s %s: %w: %s", t.o.python, args[0], err, lastLine(stderr.String()))
	}
	return out, nil
}

// lastLine returns the last line of a traceback, which has the error.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// allocator is a memory allocator for PyTorch that keeps freed memory.
type allocator struct {
	name string
	env  []string
}

// allocators returns the C library's, tuned to return nothing to the system,
// and others that are installed.
func allocators() []allocator {
	all := []allocator{{"glibc", []string{"MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=20000000000"}}}
	for _, a := range []struct{ name, library, conf string }{
		{"jemalloc", "libjemalloc.so*", "MALLOC_CONF=oversize_threshold:1,background_thread:true,dirty_decay_ms:-1,muzzy_decay_ms:-1"},
		{"tcmalloc", "libtcmalloc_minimal.so*", "TCMALLOC_RELEASE_RATE=0"},
	} {
		for _, dir := range []string{"/usr/lib", "/usr/lib/*", "/usr/lib64", "/usr/local/lib"} {
			if found, err := filepath.Glob(filepath.Join(dir, a.library)); err == nil && len(found) > 0 {
				all = append(all, allocator{a.name, []string{"LD_PRELOAD=" + found[0], a.conf}})
				break
			}
		}
	}
	return all
}

// settings returns every allocator with one thread and with all.
func settings(threads int, as []allocator) []setting {
	counts := []int{1}
	if threads > 1 {
		counts = append(counts, threads)
	}
	var all []setting
	for _, a := range as {
		for _, n := range counts {
			k := strconv.Itoa(n)
			all = append(all, setting{
				name: a.name + ", threads " + k, threads: n,
				env: append(slices.Clone(a.env), "OMP_NUM_THREADS="+k, "MKL_NUM_THREADS="+k),
			})
		}
	}
	return all
}
