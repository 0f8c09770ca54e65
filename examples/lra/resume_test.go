package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/internal/option"
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
	if err := program.Run(option.UntilInterrupt(), strings.Split(args, "\n"), nil, os.Stdout); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

// What a preset sets is bent to these, in a whole run.
func TestOptionsAgainstThePreset(t *testing.T) {
	cache := t.TempDir()
	for _, args := range []string{
		"-schedule plateau", "-max-length 100", "-min-length 70", "-steps 1", "-train-examples 3", "-epochs 1 -steps 0",
		"-freeze=A,\tdt", "-buckets= 32 ,64", "-model s4 -max-length 80", "-micro-batch 4 -batch 8", "-bidirectional -off-by-one -steps 3",
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
	for _, task := range []string{"listops", "image"} {
		for option, want := range map[string][2]string{
			"-bidirectional=false": {"", ""}, "-off-by-one=false": {"\"bidirectional\": true", ""}, "-seed=1": {"\"bidirectional\": true", "\"off_by_one\": true"},
		} {
			text := mustRun(t, "-task", task, "-preset", "paper", option, "-print-config")
			for i, key := range []string{"bidirectional", "off_by_one"} {
				if got := strings.Contains(text, key); got != (want[i] != "") || !strings.Contains(text, want[i]) {
					t.Errorf("%s %s: want %q, got\n%s", task, option, want[i], text)
				}
			}
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
	if _, err := lra(t, context.Background(), "-preset", "smoke", "-out", out+"2"); err == nil || !strings.Contains(err.Error(), "give one with -cache") {
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
	err := program.Run(ctx, append(args, "-overwrite"), nil, &cancelWriter{at: "step 1/", cancel: cancel})
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
