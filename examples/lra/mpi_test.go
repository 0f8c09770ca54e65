//go:build mpi

package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/report"
)

// mpirun runs a command line on two ranks. What they print is told to each, if there is
// one, with the process of mpirun.
func mpirun(t *testing.T, each func(p *os.Process, text string), args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("mpirun")
	if err != nil {
		t.Skip("want mpirun, as in openmpi-bin:", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-np", "2", "--oversubscribe", "--bind-to", "none", os.Args[0])
	cmd.Env = append(os.Environ(), commandLine+"="+strings.Join(args, "\n"), "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	out := &listener{cmd: cmd, each: each}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	return out.text.String(), err
}

// listener tells each of what a command has printed so far.
type listener struct {
	cmd  *exec.Cmd
	each func(p *os.Process, text string)
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.each != nil {
		l.each(l.cmd.Process, l.text.String())
	}
	return len(p), nil
}

// Two processes learn what one learns; the first alone prints.
func TestMPI(t *testing.T) {
	cache, plain, dir := t.TempDir(), filepath.Join(t.TempDir(), "plain"), filepath.Join(t.TempDir(), "run")
	args := []string{"-preset", "smoke", "-norm", "layer", "-cache", cache, "-out"}
	mustRun(t, append(args, plain)...)
	out, err := mpirun(t, nil, append(args, dir, "-mpi")...)
	if err != nil || strings.Count(out, "model in ") != 1 || !testLine.MatchString(out) {
		t.Fatalf("got %v\n%s", err, out)
	}
	got, err := report.ReadTest(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, err := report.ReadTest(plain)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := got.Metrics.Loss, want.Metrics.Loss; !(math.Abs(a-b) <= 1e-4*b) || got.Metrics.Count != want.Metrics.Count {
		t.Errorf("got a loss of %v, want %v", a, b)
	}
}

// What is wrong is told once, and no rank is left.
func TestMPIFails(t *testing.T) {
	for want, args := range map[string][]string{
		"-mpi: want no more ranks than the 1 sequences of -batch, got 2": {"-batch", "1"},
		"want -patience >= 0": {"-patience", "-1"},
	} {
		line := append([]string{"-mpi", "-preset", "smoke", "-cache", t.TempDir(), "-out", t.TempDir()}, args...)
		if out, err := mpirun(t, nil, line...); err == nil || strings.Count(out, want) != 1 {
			t.Errorf("%q: want %q once, got %v\n%s", args, want, err, out)
		}
	}
}

// A deadline stops all ranks, saved; the run goes on with another number of them. mpirun
// kills soon after SIGTERM, and has all the time of the world after SIGUSR1.
func TestMPIStops(t *testing.T) {
	args := []string{"-preset", "smoke", "-norm", "layer", "-cache", t.TempDir(), "-out", filepath.Join(t.TempDir(), "run")}
	var once sync.Once
	out, err := mpirun(t, func(p *os.Process, text string) {
		if strings.Contains(text, "/1000000 ") {
			once.Do(func() { _ = p.Signal(syscall.SIGUSR1) })
		}
	}, append(args, "-mpi", "-steps", "1000000")...)
	if err == nil || strings.Count(out, "interrupted after step") != 1 || !strings.Contains(out, "go on with the same options and -resume") {
		t.Fatalf("got %v\n%s", err, out)
	}
	if out := mustRun(t, append(args, "-replicas", "3", "-resume")...); !testLine.MatchString(out) {
		t.Errorf("resumed: got\n%s", out)
	}
}
