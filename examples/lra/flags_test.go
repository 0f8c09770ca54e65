package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data/listops"
)

// commandLine is the environment variable that makes the test program the
// command.
const commandLine = "LRA_TEST_COMMAND_LINE"

func TestMain(m *testing.M) {
	args, ok := os.LookupEnv(commandLine)
	if !ok {
		os.Exit(m.Run())
	}
	if err := run(context.Background(), strings.Split(args, "\n"), os.Stdout); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

// values are what the options that do not list theirs are tried with.
var values = map[string][]string{
	"data": {"x"}, "cache": {"x"}, "out": {"x"}, "cpuprofile": {"x"}, "seed": {"0", "18446744073709551615"},
	"layers": {"1", "7"}, "d-model": {"1", "5", "64", "96"}, "dropout": {"0", "0.3"},
	"d-state": {"2", "16", "256"}, "n-ssm": {"0", "1", "2"}, "channels": {"1", "2"}, "rank": {"0", "1", "3"},
	"dt-min": {"1e-6", "0.01"}, "dt-max": {"0.01", "3"},
	"lr-ssm": {"0.1", "1"}, "lr-dt": {"0", "0.1"}, "lr-a": {"0", "0.1"}, "lr-b": {"0", "0.1"},
	"mixer":  {`{"kind":"s4d","d_model":4}`, `{"kind":"linear","in":3,"out":3}`},
	"freeze": {"", "A", "A, dt", " B ,C,D"}, "follow-lr": {"", "dt, A"},
	"steps": {"1", "2", "50", "100000"}, "epochs": {"1", "1000"}, "max-time": {"0s", "1us", "9m30s"},
	"batch": {"1", "7", "5000"}, "micro-batch": {"0", "1", "8"}, "eval-batch": {"0", "1", "1000"}, "buckets": {"", "2048", "32, 64 ,4096"},
	"lr": {"1e-6", "1"}, "wd": {"0", "0.3"}, "clip": {"0", "1"}, "warmup": {"0", "1"},
	"drop": {"0.5"}, "drop-patience": {"0", "3"}, "eval-every": {"0", "1"}, "patience": {"0", "1"},
	"train-examples": {"1", "100000"}, "test-examples": {"1", "100"},
	"min-length": {"1", "30", "100", "600", "3000"}, "max-length": {"3", "20", "100", "600", "3000"},
}

// needs are the options that others are about.
func needs(name, value string) []string {
	switch {
	case name == "drop" || name == "drop-patience":
		return []string{"-schedule", "plateau"}
	case name == "off-by-one":
		return []string{"-bidirectional"}
	case name == "init":
		for _, k := range kinds {
			if slices.Contains(k.inits, hippo.Init(value)) {
				return []string{"-layer", k.name}
			}
		}
	case name == "dt" && value == "part":
		return []string{"-layer", "dss"}
	case name == "micro-batch":
		return []string{"-batch", "32"}
	case name == "mixing":
		return []string{"-channels", "1"}
	case name == "warmup":
		return []string{"-steps", "20"}
	case name != "layer" && len(takers(name)) > 0:
		return []string{"-layer", takers(name)[0]}
	}
	return nil
}

// No preset makes an option unusable: each is tried alone, but for the options
// that it is about, on top of every preset.
func TestEveryOptionGoesWithEveryPreset(t *testing.T) {
	tried := 0
	for _, task := range taskNames {
		for _, preset := range presetNames {
			o, err := defaults(task, preset, "s4d")
			if err != nil {
				t.Fatal(err)
			}
			o.flags().VisitAll(func(f *flag.Flag) {
				for _, v := range valuesOf(t, f) {
					args := append([]string{"-task", task, "-preset", preset}, needs(f.Name, v)...)
					if f.Name != "task" && f.Name != "preset" {
						args = append(args, "-"+f.Name+"="+v)
					}
					if task == "image" {
						args = append(args, "-data", "x")
					}
					tryOptions(t, args)
					tried++
				}
			})
		}
	}
	if tried < 900 {
		t.Errorf("only %d command lines", tried)
	}
}

// valuesOf returns what an option is tried with.
func valuesOf(t *testing.T, f *flag.Flag) []string {
	t.Helper()
	if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
		return []string{"true", "false"}
	}
	if v, ok := values[f.Name]; ok {
		return v
	}
	list, _ := flag.UnquoteUsage(f)
	if !strings.Contains(list, ", ") {
		t.Fatalf("-%s is not tried", f.Name)
	}
	return strings.Split(list, ", ")
}

// tryOptions reads a command line and follows it to where the data would be
// known.
func tryOptions(t *testing.T, args []string) {
	t.Helper()
	o, err := parseOptions(args, &bytes.Buffer{})
	if err != nil {
		t.Errorf("lra %s: %v", strings.Join(args, " "), err)
		return
	}
	examples, longest := 45000, 1024
	if o.task == "listops" {
		examples, longest = o.trainExamples, min(o.maxLen, listops.DefaultLMax)
	}
	if err := errors.Join(o.bendTo(examples, longest), o.model.Validate(), o.train.Validate()); err != nil {
		t.Errorf("lra %s: %v", strings.Join(args, " "), err)
		return
	}
	if _, err := train.NewScheduler(o.train.Schedule, o.steps(examples)); err != nil {
		t.Errorf("lra %s: %v", strings.Join(args, " "), err)
	}
	if b := o.train.Buckets; len(b) > 0 && b[len(b)-1] < longest {
		t.Errorf("lra %s: buckets %v for sequences of up to %d steps", strings.Join(args, " "), b, longest)
	}
}

// What a preset sets is bent to these, in a whole run.
func TestOptionsAgainstThePreset(t *testing.T) {
	cache := t.TempDir()
	for _, args := range []string{
		"-schedule plateau", "-max-length 100", "-min-length 70", "-steps 1", "-train-examples 3", "-epochs 1 -steps 0",
		"-freeze=A,\tdt", "-buckets= 32 ,64", "-layer s4 -max-length 80", "-micro-batch 4 -batch 8", "-bidirectional -off-by-one -steps 3",
	} {
		line := append([]string{"-preset", "smoke", "-cache", cache, "-out", filepath.Join(t.TempDir(), "run")}, strings.Split(args, " -")...)
		line = line[:6]
		for _, a := range strings.Split(args[1:], " -") {
			name, value, ok := strings.Cut(a, " ")
			if strings.Contains(name, "=") || !ok {
				line = append(line, "-"+a)
			} else {
				line = append(line, "-"+name, value)
			}
		}
		if out := mustRun(t, line...); !testLine.MatchString(out) {
			t.Errorf("lra %q:\n%s", line, out)
		}
	}
}

func TestTurningOffWhatThePresetTurnsOn(t *testing.T) {
	for _, task := range taskNames {
		o, err := parseOptions([]string{"-task", task, "-data", "x", "-preset", "paper", "-bidirectional=false"}, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		if s := o.s4d; s.Bidirectional || s.OffByOne {
			t.Errorf("%s: bidirectional %v, off by one %v, want neither", task, s.Bidirectional, s.OffByOne)
		}
		o, err = parseOptions([]string{"-task", task, "-data", "x", "-preset", "paper", "-off-by-one=false"}, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		if s := o.s4d; !s.Bidirectional || s.OffByOne {
			t.Errorf("%s: bidirectional %v, off by one %v, want the first alone", task, s.Bidirectional, s.OffByOne)
		}
	}
}

// writeListOps generates the toy data as the published files.
func writeListOps(t *testing.T) string {
	t.Helper()
	d, err := listops.Generate(context.Background(), listops.Config{Train: 60, Val: 20, Test: 20, MinLength: 10, MaxLength: 90}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "listops-1000")
	if err := d.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Where nothing is generated, no place to keep it is needed; and data of any
// length go with any preset.
func TestPublishedDataNeedNoCache(t *testing.T) {
	dir := writeListOps(t)
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	out := filepath.Join(t.TempDir(), "run")
	if text := mustRun(t, "-preset", "smoke", "-data", dir, "-out", out); !testLine.MatchString(text) {
		t.Errorf("no result in\n%s", text)
	}
	if _, err := lra(t, context.Background(), "-preset", "smoke", "-out", out); err == nil || !strings.Contains(err.Error(), "give one with -cache") {
		t.Errorf("got error %v", err)
	}
}

// The same data in another place are the same; others are refused, with what
// chose them.
func TestResumeKnowsItsData(t *testing.T) {
	dir, cache, out := writeListOps(t), t.TempDir(), filepath.Join(t.TempDir(), "run")
	smoke := func(more ...string) []string { return append([]string{"-preset", "smoke", "-out", out}, more...) }
	mustRun(t, smoke("-data", dir)...)
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, smoke("-data", dir+"-moved", "-resume")...)
	for want, args := range map[string][]string{
		"-data is \"" + dir: {"-cache", cache, "-resume"},
		"the data differ: ": {"-cache", cache, "-resume", "-train-examples", "60", "-test-examples", "20"},
	} {
		if _, err := lra(t, context.Background(), smoke(args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	mustRun(t, smoke("-cache", cache, "-overwrite")...)
	for want, args := range map[string][]string{
		`-min-length is "10" in the checkpoint, "30" here`:         {"-min-length", "30"},
		`-max-length is "60" in the checkpoint, "50" here`:         {"-max-length", "50"},
		`-seed is 0 in the checkpoint, 3 here`:                     {"-seed", "3"},
		`-batch is 16 in the checkpoint, 8 here`:                   {"-batch", "8"},
		`-micro-batch is not set in the checkpoint, 8 here`:        {"-micro-batch", "8"},
		`-d-state is 8 in the checkpoint, 16 here`:                 {"-d-state", "16"},
		`-lr-ssm is 0.001 in the checkpoint, 0.5 here`:             {"-lr-ssm", "0.5"},
		`-dtype is "float32" in the checkpoint, "float64" here`:    {"-dtype", "float64"},
		`-test-examples is "50" in the checkpoint, "51" here`:      {"-test-examples", "51"},
		`-schedule is "cosine" in the checkpoint, "constant" here`: {"-schedule", "constant"},
	} {
		if _, err := lra(t, context.Background(), smoke(append(args, "-cache", cache, "-resume")...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
	if _, err := lra(t, context.Background(), smoke("-cache", cache)...); err == nil || !strings.Contains(err.Error(), "or set -overwrite") {
		t.Errorf("got error %v", err)
	}
}

func TestNoTimeForAStep(t *testing.T) {
	dir, cache := filepath.Join(t.TempDir(), "run"), t.TempDir()
	smoke := func(more ...string) []string {
		return append([]string{"-preset", "smoke", "-cache", cache, "-out", dir}, more...)
	}
	for range 2 { // what is left is no obstacle
		if out := mustRun(t, smoke("-max-time", "1us")...); !strings.Contains(out, "before the first step: nothing is trained") {
			t.Errorf("got\n%s", out)
		}
	}
	if out := mustRun(t, smoke("-resume")...); !strings.Contains(out, "finished after 20 steps") {
		t.Errorf("got\n%s", out)
	}
}

// A run that is killed, at whatever time, is gone on with or started anew.
func TestKilled(t *testing.T) {
	cache := t.TempDir()
	for _, at := range []string{"SSM", "resumable", "step 1/", "evaluation at step 10"} {
		dir := filepath.Join(t.TempDir(), "run")
		args := []string{"-preset", "smoke", "-cache", cache, "-out", dir}
		w := &killer{at: at}
		w.cmd = exec.Command(os.Args[0])
		w.cmd.Env = append(os.Environ(), commandLine+"="+strings.Join(args, "\n"))
		w.cmd.Stdout = w
		if err := w.cmd.Run(); err == nil && at != "SSM" && at != "resumable" {
			t.Errorf("at %q: was not killed", at)
		}
		var left []string
		for _, f := range []string{"last.json", "best.json"} {
			if _, err := os.Stat(filepath.Join(dir, f)); err == nil {
				left = append(left, f)
			}
		}
		if len(left) == 0 { // killed before the directory was made
			continue
		}
		if at == "step 1/" {
			again := append(slices.Clone(args), "-steps", "3")
			if out := mustRun(t, again...); !strings.Contains(out, "finished after 3 steps") {
				t.Errorf("at %q: started anew:\n%s", at, out)
			}
			continue
		}
		if out := mustRun(t, append(args, "-resume")...); !strings.Contains(out, "finished after 20 steps") {
			t.Errorf("at %q, left %q: resumed:\n%s", at, left, out)
		}
	}
}

// killer kills a command when it is told of something.
type killer struct {
	cmd *exec.Cmd
	at  string
}

func (k *killer) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(k.at)) {
		_ = k.cmd.Process.Signal(syscall.SIGKILL)
		time.Sleep(time.Millisecond)
	}
	return len(p), nil
}

// A run that replaces another and is killed does not pass for the other.
func TestReplacedRunLeavesNoModel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	args := []string{"-preset", "smoke", "-cache", t.TempDir(), "-out", dir}
	mustRun(t, args...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := run(ctx, append(args, "-overwrite"), &cancelWriter{at: "step 1/", cancel: cancel})
	if stop := new(train.InterruptedError); !errors.As(err, &stop) {
		t.Fatalf("got error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "model", "config.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the model of the earlier run: got %v", err)
	}
}

func TestResumeWhereNothingIs(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	args := []string{"-preset", "smoke", "-cache", cache, "-resume", "-out"}
	if out := mustRun(t, append(args, dir)...); !strings.Contains(out, "there is no checkpoint in "+dir+": starting from the beginning") {
		t.Errorf("got\n%s", out)
	}
	if _, err := lra(t, context.Background(), append(args, filepath.Join(dir, "none"))...); err == nil || !strings.Contains(err.Error(), "-resume: there is no run in -out") {
		t.Errorf("got error %v", err)
	}
}
