package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/gorgonia-s4/s4/internal/child"
	"github.com/gorgonia-s4/s4/report"
)

//go:embed *.py
var scripts embed.FS

// outcome is the end of a run of either side.
type outcome struct {
	dir     string // with metrics.jsonl
	test    float64
	steps   int
	seconds float64
}

// ours trains our model, or goes on with it, and returns how it ended.
func (o options) ours(ctx context.Context, dir string, args []string) (outcome, error) {
	if end, err := o.ourEnd(dir, args); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return end, err
	}
	program := filepath.Join(o.out, "bin", o.of.program)
	if err := o.command(ctx, "go", "build", "-o", program, "github.com/gorgonia-s4/s4/examples/"+o.of.program); err != nil {
		return outcome{}, err
	}
	asked := slices.Clone(args)
	args = append(args, "-out="+dir)
	if _, err := os.Stat(filepath.Join(dir, "last.json")); err == nil {
		args = append(args, "-resume")
	} else if _, err := os.Stat(dir); err == nil {
		args = append(args, "-overwrite")
	}
	if err := o.command(ctx, program, args...); err != nil {
		return outcome{}, err
	}
	return o.ourEnd(dir, asked)
}

// ourEnd reads how our run ended: fs.ErrNotExist if it has not. It is an error if it had
// other options or processors.
func (o options) ourEnd(dir string, args []string) (outcome, error) {
	test, err := report.ReadTest(dir)
	if err != nil {
		return outcome{}, err
	}
	r, err := report.ReadRun(dir)
	if err != nil {
		return outcome{}, err
	}
	if r.End == nil {
		return outcome{}, fmt.Errorf("%s: %w: the end of the run", dir, fs.ErrNotExist)
	}
	if err := sameArguments(dir, args, r.Command); err != nil {
		return outcome{}, err
	}
	if r.Cores != o.processors() {
		return outcome{}, fmt.Errorf("%s: want a run with %d processors, got one that has ended with %d: give another -out", dir, o.processors(), r.Cores)
	}
	return outcome{dir, test.Metrics.Value("accuracy"), r.End.Steps, time.Duration(r.End.Elapsed).Seconds()}, nil
}

// sameArguments reports an argument that a run in dir has ended without.
func sameArguments(dir string, want, got []string) error {
	for _, a := range want {
		if !slices.Contains(got, a) {
			return fmt.Errorf("%s: want a run with %s, got one that has ended without: give another -out", dir, a)
		}
	}
	return nil
}

// processors is the number of those that a side uses.
func (o options) processors() int { return min(o.threads, runtime.NumCPU()) }

// public trains the public model as our run was trained, and returns how it ended.
func (o options) public(ctx context.Context, dir, ours string, seed int) (outcome, error) {
	r, err := report.ReadRun(ours)
	if err != nil {
		return outcome{}, err
	}
	args := []string{
		"--of=" + r.Began.Format(time.RFC3339Nano), "--threads=" + strconv.Itoa(o.threads), "--code=" + o.code, "--seed=" + strconv.Itoa(seed),
		"--val-limit=" + strconv.Itoa(o.valLimit), "--test-limit=" + strconv.Itoa(o.testLimit),
	}
	if end, err := publicEnd(dir, args); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return end, err
	}
	data := ours + "-export"
	if err := export(ctx, ours, data); err != nil {
		return outcome{}, err
	}
	if err := o.script(ctx, "train.py", append(slices.Clone(args), "--data="+data, "--out="+dir)...); err != nil {
		return outcome{}, err
	}
	if err := os.RemoveAll(data); err != nil { // hundreds of megabytes, made again at need
		return outcome{}, err
	}
	return publicEnd(dir, args)
}

// publicEnd reads how a run of train.py ended: fs.ErrNotExist if it has not. It is an error
// if it had other arguments, which say of which run of ours it is too.
func publicEnd(dir string, args []string) (outcome, error) {
	path := filepath.Join(dir, "result.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return outcome{}, err
	}
	var r struct {
		Steps     int
		Seconds   float64
		Test      struct{ Accuracy float64 }
		Arguments []string
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return outcome{}, fmt.Errorf("%s: %w", path, err)
	}
	if err := sameArguments(dir, args, r.Arguments); err != nil {
		return outcome{}, err
	}
	return outcome{dir, r.Test.Accuracy, r.Steps, r.Seconds}, nil
}

// script runs a script of this folder.
func (o options) script(ctx context.Context, name string, args ...string) error {
	dir := filepath.Join(o.out, "bin")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	files, err := fs.Glob(scripts, "*.py")
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := scripts.ReadFile(f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f), text, 0o666); err != nil {
			return err
		}
	}
	return o.command(ctx, o.python, append([]string{filepath.Join(dir, name)}, args...)...)
}

// command runs a program whose output is this one's, with as many processors as -threads
// says. When ctx ends it is told to stop, and waited for.
func (o options) command(ctx context.Context, name string, args ...string) error {
	cmd := child.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "GOMAXPROCS="+strconv.Itoa(o.processors()))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}
