//go:build mpi && cgo

package mpi

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// caseVariable names the case that this test binary runs as a rank, in place of
// its tests.
const caseVariable = "S4_MPI_CASE"

func TestMain(m *testing.M) {
	name := os.Getenv(caseVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	rank, ok := cases[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "want a case, got %q\n", name)
		os.Exit(99)
	}
	if err := rank(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// The two ways between ranks of one machine.
const (
	memory   = "self,vader"
	loopback = "self,tcp"
)

// patience is the time in which all ranks have ended, whatever happened to one. It is
// far more than it takes: a loaded machine must not fail.
const patience = 60 * time.Second

// launched is what came of a run.
type launched struct {
	*testing.T
	output string
	status int // of mpirun
}

// launch runs a case on ranks.
func launch(t *testing.T, name string, ranks int, way string) launched {
	t.Helper()
	return wait(t, start(t, name, ranks, way))
}

// running is mpirun and what the ranks write.
type running struct {
	*exec.Cmd
	output *output
	ctx    context.Context
}

func start(t *testing.T, name string, ranks int, way string) running {
	t.Helper()
	r := prepare(t, name, ranks, way)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// prepare is start that starts nothing yet.
func prepare(t *testing.T, name string, ranks int, way string) running {
	t.Helper()
	mpirun, err := exec.LookPath("mpirun")
	if err != nil {
		t.Skip("want mpirun, got none: apt-get install openmpi-bin")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := running{exec.CommandContext(ctx, mpirun, "--oversubscribe", "--allow-run-as-root", "--mca", "btl", way,
		"--mca", "btl_tcp_if_include", "lo", "-np", strconv.Itoa(ranks), os.Args[0]), new(output), ctx}
	r.Stdout, r.Stderr = r.output, r.output
	r.Env = append(os.Environ(), caseVariable+"="+name)
	r.WaitDelay = time.Second
	return r
}

// output is what has been written so far.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until all texts are in the output.
func (r running) await(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for !strings.Contains(r.output.String(), text) {
			if r.ctx.Err() != nil {
				t.Fatalf("want %q, got\n%s", text, r.output)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func wait(t *testing.T, r running) launched {
	t.Helper()
	err := r.Wait()
	if r.ctx.Err() != nil {
		t.Fatalf("want an end of all ranks, got none after %v:\n%s", patience, r.output)
	}
	if err != nil && r.ProcessState == nil {
		t.Fatal(err)
	}
	return launched{t, r.output.String(), r.ProcessState.ExitCode()}
}

// ends holds the status and what the ranks have written.
func (l launched) ends(status int, texts ...string) {
	l.Helper()
	if l.status != status {
		l.Errorf("want status %d, got %d", status, l.status)
	}
	for _, text := range texts {
		if !strings.Contains(l.output, text) {
			l.Errorf("want %q in the output", text)
		}
	}
	if l.Failed() {
		l.Logf("output:\n%s", l.output)
	}
}

// eachOf runs a test for numbers of ranks and both ways between them.
func eachOf(t *testing.T, ranks []int, test func(t *testing.T, ranks int, way string)) {
	for _, n := range ranks {
		for _, way := range []string{memory, loopback} {
			if n == 1 && way == loopback {
				continue // nothing is sent
			}
			t.Run(fmt.Sprintf("%d ranks by %s", n, way), func(t *testing.T) { test(t, n, way) })
		}
	}
}
