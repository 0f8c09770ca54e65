package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/internal/cpu"
)

// evalLine is an evaluation in a file of metrics.
const evalLine = `{"kind":"eval","step":%d,"epoch":1,"train":{"loss":1,"count":1},"val":{"loss":1,"bits_per_byte":BITS,"count":1},"lr":1,"seconds":1,"elapsed":ELAPSED}`

// runs writes the run of a model.
func writeRun(t *testing.T, out, name string, cpu string, evals ...[3]string) {
	t.Helper()
	dir := filepath.Join(out, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, e := range evals {
		lines.WriteString(strings.NewReplacer("%d", e[0], "BITS", e[1], "ELAPSED", e[2]).Replace(evalLine) + "\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "metrics.jsonl"), []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, name+cpuSuffix), []byte("elapsed_s,cpu_s\n"+cpu), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDraw(t *testing.T) {
	out := t.TempDir()
	writeRun(t, out, "s4", "100,50\n1000,500\n", [3]string{"500", "2.5", "200"}, [3]string{"1000", "2", "600"}, [3]string{"1500", "2.25", "1000"})
	writeRun(t, out, "lstm", "", [3]string{"500", "3", "60"})
	o, err := parse([]string{"-draw", "-bytes-per-word=2", "-out=" + out})
	if err != nil {
		t.Fatal(err)
	}
	if err := learn(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(filepath.Join(out, "learning.md"))
	for _, want := range []string{
		"| model | 2 | 5 | end | minutes |",
		"| S4 | 2.500 (32) | 2.000 (16) | 2.000 (16) | 8.3 | 1500 | 16.7 |",
		"| LSTM | 3.000 (64) | 3.000 (64) | 3.000 (64) | 1.0 | 500 | 1.0 |",
	} {
		if err != nil || !strings.Contains(string(table), want) {
			t.Errorf("want %q, got %v\n%s", want, err, table)
		}
	}
	if info, err := os.Stat(filepath.Join(out, "learning.png")); err != nil || info.Size() == 0 {
		t.Errorf("want a picture, got %v, %v", info, err)
	}
}

func TestNoRuns(t *testing.T) {
	o, err := parse([]string{"-draw", "-out=" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := learn(context.Background(), o); err == nil || !strings.Contains(err.Error(), "want runs with an evaluation") {
		t.Errorf("got %v", err)
	}
}

func TestClock(t *testing.T) {
	c := clock{elapsed: []float64{10, 20, 40}, cpu: []float64{5, 15, 20}}
	for _, p := range []struct{ elapsed, want float64 }{{0, 0}, {4, 2}, {10, 5}, {15, 10}, {30, 17.5}, {40, 20}, {50, 20}} {
		if got := c.at(p.elapsed); math.Abs(got-p.want) > 1e-12 {
			t.Errorf("at %g: want %g, got %g", p.elapsed, p.want, got)
		}
	}
	if got := (clock{}).at(7); got != 7 {
		t.Errorf("without records: want the time itself, 7, got %g", got)
	}
}

func TestBadClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cpu.csv")
	if err := os.WriteFile(path, []byte("elapsed_s,cpu_s\n1,1\n2,much\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readClock(path); err == nil || !strings.Contains(err.Error(), path+": line 3") {
		t.Errorf("want an error with file and line, got %v", err)
	}
}

func TestArguments(t *testing.T) {
	o, err := parse(strings.Fields("-budget 10m -threads 2 -length 64 -data x -models s4,lstm,transformer -- -tokenizer=bpe"))
	if err != nil {
		t.Fatal(err)
	}
	all := o.chosen()
	got := strings.Join(o.arguments(all[2]), " ")
	for _, want := range []string{"-max-time=15m0s", "-window=64", "-length=64", "-data=x", "-tokenizer=bpe", filepath.Join("runs/learning", "transformer")} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in %s", want, got)
		}
	}
	if o.threads = 8; !strings.Contains(strings.Join(o.arguments(all[0]), " "), "-max-time=10m0s") {
		t.Errorf("want the budget itself where each has a processor, got %v", o.arguments(all[0]))
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-models s4,rnn", "-models: want some of"},
		{"-budget 0s", "-budget: want a positive duration"},
		{"-length 0", "want at least 1"},
		{"-bytes-per-word -1", "-bytes-per-word: want >= 0"},
	} {
		if _, err := parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want error %q, got %v", c.args, c.want, err)
		}
	}
}

// A process has its time recorded until it ends.
func TestRecord(t *testing.T) {
	if _, ok := cpu.Time(os.Getpid()); !ok {
		t.Skip("the system does not tell the time of a process")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "x.cpu.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("elapsed_s,cpu_s\n"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	time.AfterFunc(1200*time.Millisecond, func() { close(ended) })
	if err := (moment{100, 50}).record(f, os.Getpid(), time.Now(), ended); err != nil {
		t.Fatal(err)
	}
	c, err := readClock(f.Name())
	if err != nil || len(c.elapsed) != 1 || c.elapsed[0] < 100.9 || c.cpu[0] < 50 {
		t.Errorf("want one line, got %+v, %v", c, err)
	}
}

// A run that goes on counts the processor's time from where it was.
func TestResume(t *testing.T) {
	out := t.TempDir()
	writeRun(t, out, "s4", "100,50\n")
	for _, c := range []struct {
		resume  bool
		option  string
		last    moment
		content string
	}{
		{true, "-resume", moment{100, 50}, "elapsed_s,cpu_s\n100,50\n"},
		{false, "-overwrite", moment{}, "elapsed_s,cpu_s\n"},
		{true, "-resume", moment{}, "elapsed_s,cpu_s\n"},
	} {
		o, err := parse([]string{"-out=" + out, "-resume=" + strconv.FormatBool(c.resume)})
		if err != nil {
			t.Fatal(err)
		}
		m := o.chosen()[0]
		if args := o.arguments(m); !slices.Contains(args, c.option) {
			t.Errorf("want %s, got %v", c.option, args)
		}
		f, last, err := o.record(m)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		text, err := os.ReadFile(f.Name())
		if last != c.last || err != nil || string(text) != c.content {
			t.Errorf("want from %v with %q, got %v, %q, %v", c.last, c.content, last, text, err)
		}
	}
}
