package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-ranks 2,1", "-ranks: want numbers from 2 on, got 1"},
		{"-parameters 10", "-parameters: want whole numbers from 1000"},
		{"-parameters 1e10", "got 1e+10"},
		{"-parameters=", "want at least one number"},
		{"-memory 0", "-memory, -bucket: want positive numbers"},
		{"-bandwidth -1", "-bandwidth: want positive numbers"},
		{"-machines 1", "-machines: want at least 1, 1 and 2"},
		{"-models s4", "-models: want some of small and image"},
		{"-rows 6", "-rows: want a multiple of 4, got 6"},
		{"more", `want no arguments, got ["more"]`},
	} {
		if _, err := parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want error %q, got %v", c.args, c.want, err)
		}
	}
	o, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(append(o.arguments(), "-measure=alone"))
	if err != nil || !slices.Equal(again.parameters, o.parameters) || again.time != o.time {
		t.Errorf("a process that measures gets %+v, %v, want %+v", again, err, o)
	}
}

// All bytes of a model travel, in buckets.
func TestMessages(t *testing.T) {
	const bucket = 1 << 20
	for _, n := range []int{leastParameters, 300_001, 20_000_000} {
		for half, bytes := range map[bool]float64{false: 4, true: 2} {
			ms, err := messages(n, half, bucket)
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, m := range ms {
				sum += m
			}
			if sum != bytes*float64(n) || half && slices.Max(ms) > bucket {
				t.Errorf("%d parameters, bfloat16 %v: got %g bytes in %d messages", n, half, sum, len(ms))
			}
		}
	}
}

// pointsOf are sums that take what a cost model says, times an error.
func pointsOf(t *testing.T, c cost, of func(i int) float64) (ps []point) {
	t.Helper()
	for _, n := range []int{1e4, 1e5, 1e6, 1e7} {
		for _, wire := range []string{"float32", "bfloat16"} {
			for _, ranks := range []int{2, 4} {
				ms, err := messages(n, wire == "bfloat16", 1<<22)
				if err != nil {
					t.Fatal(err)
				}
				p := point{sample{kind: reduceKind, transport: tcp, ranks: ranks, threads: 1, wire: wire, parameters: n}, ms}
				p.seconds = p.time(c) * of(len(ps))
				ps = append(ps, p)
			}
		}
	}
	return ps
}

func TestFit(t *testing.T) {
	want := cost{alpha: 2e-5, beta: 8e-10, gamma: 3e-9}
	got := fit(pointsOf(t, want, func(int) float64 { return 1 }))
	for _, r := range []float64{got.alpha / want.alpha, got.beta / want.beta, got.gamma / want.gamma} {
		if math.Abs(r-1) > 0.01 {
			t.Fatalf("want %v, got %v", want, got)
		}
	}
	points := pointsOf(t, want, func(i int) float64 { return 1 + 0.2*math.Sin(float64(i)) })
	if e := misfit(fit(points), points); e < 0.02 || e > misfit(want, points) {
		t.Errorf("the error is %g, that of the model itself %g", e, misfit(want, points))
	}
}

func TestFitLine(t *testing.T) {
	l, ok := fitLine([]sample{{rows: 2, seconds: 5}, {rows: 4, seconds: 9}, {rows: 8, seconds: 17}})
	if !ok || math.Abs(l.base-1) > 1e-12 || math.Abs(l.row-2) > 1e-12 {
		t.Errorf("want 1 + 2 rows, got %+v, %v", l, ok)
	}
	if l, ok := fitLine([]sample{{rows: 4, seconds: 9}, {rows: 4, seconds: 8}}); ok {
		t.Errorf("want no line, got %+v", l)
	}
}

func TestNetwork(t *testing.T) {
	ms, err := messages(1e6, false, 1<<22)
	if err != nil {
		t.Fatal(err)
	}
	n := network{cost{alpha: 3e-5, beta: 1e-9}, line{0.01, 0.02}, ms, false}
	if e := n.efficiency(1, 64); e != 1 {
		t.Errorf("one machine: want 1, got %g", e)
	}
	for p := 2; p <= 64; p *= 2 {
		if n.efficiency(p, 64) >= n.efficiency(p/2, 64) || n.hidden(p, 64) > n.at(p, 64) || n.hidden(p, 64) < n.step.at(64/float64(p)) {
			t.Errorf("%d machines: efficiency %g after %g, step %g, hidden %g", p, n.efficiency(p, 64), n.efficiency(p/2, 64), n.at(p, 64), n.hidden(p, 64))
		}
		b := n.batch(p)
		if b == 0 || n.efficiency(p, b) < efficient || n.batch(p/2) > b {
			t.Errorf("%d machines: batch %g", p, b)
		}
	}
	most := n.machines(64, 64)
	if n.efficiency(most, 64) < efficient || most == 64 {
		t.Errorf("%d machines are efficient", most)
	}
	if n.step.base = 1e9; n.batch(2) != 0 {
		t.Errorf("want no batch for machines that only wait, got %g", n.batch(2))
	}
}

// What is measured in a process is in the file, and a report is made of it.
func TestMeasureAndDraw(t *testing.T) {
	out := t.TempDir()
	args := []string{"-out=" + out, "-ranks=2,3", "-parameters=1000,5000", "-time=1ms", "-steps=1", "-rows=4", "-length=16", "-bucket=0.01", "-models=small"}
	for _, transport := range []string{alone, process} {
		o, err := parse(append(args, "-measure="+transport))
		if err != nil {
			t.Fatal(err)
		}
		if err := measure(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	o, err := parse(append(args, "-draw"))
	if err != nil {
		t.Fatal(err)
	}
	samples, err := readSamples(o.samplesFile())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, s := range samples {
		kinds[s.kind]++
		if !(s.seconds > 0) {
			t.Errorf("%+v", s)
		}
	}
	if kinds[reduceKind] != 8 || kinds[voteKind] != 2 || kinds[stepKind] < 3 {
		t.Errorf("got samples %v", kinds)
	}
	if err := scale(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(filepath.Join(out, "scaling.md"))
	for _, want := range []string{"| process | 2 | float32 |", "| process | 3 | bfloat16 |", "| small | alone | 1 | "} {
		if err != nil || !strings.Contains(string(table), want) {
			t.Errorf("want %q, got %v\n%s", want, err, table)
		}
	}
	if info, err := os.Stat(filepath.Join(out, "scaling.png")); err != nil || info.Size() == 0 {
		t.Errorf("want a picture, got %v, %v", info, err)
	}
}

// A report of samples as they are on a machine with two processors.
func TestReport(t *testing.T) {
	o, err := parse([]string{"-parameters=1e4,1e5,1e6,1e7"})
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	for _, p := range pointsOf(t, cost{2e-5, 8e-10, 3e-9}, func(int) float64 { return 1 }) {
		samples = append(samples, p.sample)
	}
	for _, s := range []sample{
		{ranks: 1, threads: 1, rows: 4, seconds: 0.5}, {ranks: 1, threads: 1, rows: 8, seconds: 0.9}, {ranks: 1, threads: 1, rows: 16, seconds: 1.7},
		{ranks: 1, threads: 2, rows: 4, seconds: 0.3}, {ranks: 1, threads: 2, rows: 8, seconds: 0.5}, {ranks: 2, threads: 1, rows: 16, seconds: 1},
	} {
		s.kind, s.model, s.wire, s.parameters, s.transport = stepKind, "small", "float32", 1e6, alone
		if s.ranks > 1 {
			s.transport = tcp
		}
		samples = append(samples, s)
	}
	samples = append(samples, sample{kind: voteKind, transport: tcp, ranks: 2, seconds: 5e-5})
	r, err := o.conclude(samples, 2)
	if err != nil {
		t.Fatal(err)
	}
	table := string(r.table())
	for _, want := range []string{
		"| TCP | 20 µs | 1.25 GB/s | 3.00 ns | 0 % | x 1.0 | 50 µs | 40.4 µs |", // the cost, found again
		"| TCP | 2 | float32 | 112 µs 1.00 |", "| TCP | 4 | float32 | 225 µs (1.00) |",
		"| small | TCP | 2 | 1 | 16 | 1 s | 903 ms | 1.11 | 90 % | 85 % |", // 0.9 s of 8 rows, and of 16 rows 1.7 s by two
		"small, 4 x 128: 1 M parameters, 100 ms + 50 ms for each sequence; with a batch of 64",
		"| 64 | 10.6 ms | 7.66 ms | 161 ms | 32 % | 33 % | 34 % | 1280 | 1280 |", "This is computed, not measured",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("want %q, got\n%s", want, table)
		}
	}
}

func TestBadSamples(t *testing.T) {
	path := filepath.Join(t.TempDir(), "samples.csv")
	if err := os.WriteFile(path, []byte(strings.Join(header, ",")+"\nsum,,TCP,2,1,float32,1000,0,1e-5\nsum,,TCP,two,1,float32,1000,0,1e-5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readSamples(path); err == nil || !strings.Contains(err.Error(), path+": line 3") {
		t.Errorf("want an error with file and line, got %v", err)
	}
}
