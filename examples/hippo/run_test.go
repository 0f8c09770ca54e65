package main

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/figure/figuretest"
	"github.com/gorgonia-s4/s4/layers/hippo"
)

// memories runs the command and returns what it printed.
func memories(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(args, &out); err != nil {
		t.Fatalf("hippo %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

func TestPicturesAreThoseOfBefore(t *testing.T) {
	for _, m := range measures() {
		path := filepath.Join(t.TempDir(), string(m)+".png")
		out := memories(t, "-measure", string(m), "-length", "200", "-states", "4,8,16", "-out", path)
		for _, want := range []string{string(m) + ", N =  4: relative error 0.", "N = 16", "picture in " + path} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		figuretest.Golden(t, path)
	}
}

// Little is still a picture.
func TestSmallestMemories(t *testing.T) {
	for _, args := range [][]string{
		{"-states", "1"},
		{"-states", " 1 , 2,\t4"},
		{"-states", "1", "-measure", "legt"},
		{"-states", "2", "-measure", "fout", "-length", "10", "-window", "2"},
		{"-states", "1,256", "-length", "10"},
		{"-states", "1,2,3,4,5,6,7,8,9,10,11,12", "-length", "10"},
	} {
		path := filepath.Join(t.TempDir(), "a.png")
		memories(t, append(args, "-out", path)...)
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// More coefficients remember more, and what is in the span of a memory is
// remembered best by the last of them.
func TestMemoryGrowsWithItsStates(t *testing.T) {
	for _, measure := range measures() {
		o, err := parseOptions([]string{"-measure", string(measure)}, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		u := signal(o.length, o.seed)
		last := math.Inf(1)
		for _, n := range []int{4, 16, 64} {
			m, err := o.remember(u, n)
			if err != nil {
				t.Fatal(err)
			}
			e, err := m.err()
			if err != nil {
				t.Fatal(err)
			}
			if !(e < last) {
				t.Errorf("%s: error %.3g with %d coefficients, %.3g with fewer", measure, e, n, last)
			}
			last = e
		}
		if last > 0.1 {
			t.Errorf("%s: error %.3g with 64 coefficients", measure, last)
		}
	}
}

func TestSpan(t *testing.T) {
	all, window := memory{}, memory{window: 10}
	for _, c := range []struct {
		m           memory
		t, from, to int
	}{{all, 5, 0, 5}, {all, 50, 0, 50}, {window, 5, 0, 5}, {window, 50, 40, 50}} {
		if from, to := c.m.span(c.t); from != c.from || to != c.to {
			t.Errorf("window %d after %d inputs: got %d to %d, want %d to %d", c.m.window, c.t, from, to, c.from, c.to)
		}
	}
}

// A memory of a constant is that constant, at every age.
func TestRecallOfAConstant(t *testing.T) {
	const tol = 0.02
	u := make([]float64, 300)
	for i := range u {
		u[i] = 3
	}
	o := &options{measure: hippo.LegS, window: 100}
	for _, o.measure = range []hippo.Measure{hippo.LegS, hippo.LegT} {
		m, err := o.remember(u, 16)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.recall(250)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if math.Abs(v-3) > tol {
				t.Errorf("%s: input %d of %d: got %g, want 3", o.measure, i, len(got), v)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`invalid value "lagt" for flag -measure: want one of legs, legt, fout`: {"-measure", "lagt"},
		`invalid value "4,x" for flag -states: want whole numbers, got "x"`:    {"-states", "4,x"},
		"-states: want numbers from 1 to 256, ascending, got [8 4]":            {"-states", "8,4"},
		"-states: want at least one number, got none":                          {"-states", " "},
		"-states: want numbers from 1 to 256, ascending, got [0]":              {"-states", "0"},
		"-length: want 10 to 100000, got 5":                                    {"-length", "5"},
		"-states: want at most 12 numbers, got 13":                             {"-states", "1,2,3,4,5,6,7,8,9,10,11,12,13"},
		"-window is about -measure legt and fout: legs remembers all":          {"-window", "100"},
		"-window: want 2 to -length = 100, got 101":                            {"-measure", "legt", "-length", "100", "-window", "101"},
		`want options only, got "legs"`:                                        {"legs"},
		"figure: ":                                                             {"-length", "20", "-states", "2", "-out", filepath.Join(file, "a.png")},
		`measure "fout": want an even N`:                                       {"-measure", "fout", "-states", "3"},
	} {
		if err := run(args, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("hippo %s: got error %v, want %q", strings.Join(args, " "), err, want)
		}
	}
}

func TestHelpListsEveryOption(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-h"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got error %v", err)
	}
	for _, want := range []string{"-measure", "legs, legt, fout", "-states numbers", "-length int", "(default 1000)", "two fifths", "-window int", "-seed uint", "-out file"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
