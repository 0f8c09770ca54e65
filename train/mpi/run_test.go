//go:build mpi && cgo

package mpi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/train"
)

// Whatever happens to rank 1, the others end.
func TestNoRankIsLeftWaiting(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		texts  []string
	}{
		{"abort", 7, nil},
		{"panic", 2, []string{"mpi: rank 1 of 3: panic: boom: aborting all", "run_test.go"}},
		{"goexit", 2, []string{"mpi: rank 1 of 3: runtime.Goexit: aborting all"}},
		{"exit", 3, nil},
		{"killed", 128 + 9, []string{"exited on signal 9"}},
		{"leave", 1, []string{"the disk is full", "rank 0: ok", "rank 2: ok"}},
		{"forgotten", 1, []string{"mpi: rank 1 of 3: aborting all: the disk is full\nmpi: Finalize on rank 1 of 3: the other ranks have not come to their end"}},
		{"timeout", 1, []string{" Barrier has waited 300ms for the other ranks: aborting all"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // mpirun sleeps most of the time
			launch(t, c.name, 3, memory).ends(c.status, c.texts...)
		})
	}
}

// waitFor makes calls until one fails; they all wait for rank 1.
func waitFor(c *Comm) error {
	for {
		if _, err := c.Gather(nil); err != nil {
			return err
		}
	}
}

func aborts(c *Comm) error {
	if c.Rank() == 1 {
		c.Abort(7)
	}
	return waitFor(c)
}

func panics(c *Comm) error {
	if c.Rank() == 1 {
		panic("boom")
	}
	return waitFor(c)
}

func exits(c *Comm) error {
	if c.Rank() == 1 {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.run(func(*Comm) error { runtime.Goexit(); return nil })
		}()
		<-ended
	}
	return waitFor(c)
}

func exitsProcess(c *Comm) error {
	if c.Rank() == 1 {
		os.Exit(3)
	}
	return waitFor(c)
}

func isKilled(c *Comm) error {
	if c.Rank() == 1 {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return waitFor(c)
}

func leaves(c *Comm) error {
	if c.Rank() == 1 {
		return errors.New("the disk is full")
	}
	err := waitFor(c)
	if want := fmt.Sprintf("mpi: Gather on rank %d of 3: want a call of all ranks, got rank 1 at its end", c.Rank()); !says(err, want) {
		return fmt.Errorf("want %q, got %v", want, err)
	}
	fmt.Printf("rank %d: ok\n", c.Rank())
	return nil
}

// forgotten is a rank that has failed, while the others make no call.
func forgotten() error {
	grace = 300 * time.Millisecond
	return Run(func(c *Comm) error {
		if c.Rank() == 1 {
			return errors.New("the disk is full")
		}
		select {}
	})
}

const timeout = 300 * time.Millisecond

func waitsTooLong(c *Comm) error {
	if err := c.Barrier(); err != nil {
		return err
	}
	if c.Rank() == 1 {
		select {}
	}
	return c.Barrier()
}

// With an error that all share, a rank waits for one that is still at work.
func TestErrorOfAll(t *testing.T) {
	launch(t, "shared", 2, memory).ends(1, "rank 0 has saved", "rank 1: the disk is full")
}

func sharesItsError(c *Comm) error {
	grace = time.Millisecond
	if c.Rank() == 0 {
		time.Sleep(500 * time.Millisecond)
		fmt.Println("rank 0 has saved")
	}
	return fmt.Errorf("fit: %w", &train.RankError{Rank: 1, Err: errors.New("the disk is full")})
}

func TestBeginAndEnd(t *testing.T) { launch(t, "ended", 2, memory).ends(0) }

// ended begins twice, ends twice, and calls afterwards.
func ended() error {
	c, err := Init()
	if err != nil {
		return err
	}
	if _, err := Init(); !says(err, "mpi: Init: want one call in a process, got another") {
		return fmt.Errorf("second Init: got %v", err)
	}
	if err := c.run(func(c *Comm) error { return c.Finalize() }); err != nil {
		return err
	}
	for name, err := range map[string]error{"Finalize": c.Finalize(), "Barrier": c.Barrier(), "SumFloat32": c.SumFloat32(nil)} {
		want := fmt.Sprintf("mpi: %s on rank %d of 2: want a Comm that Init has returned and Finalize has not ended", name, c.Rank())
		if !says(err, want) {
			return fmt.Errorf("want %q, got %v", want, err)
		}
	}
	return nil
}

// Without a launcher, or with that of another library, there is no world of
// one rank by mistake.
func TestInitWithoutItsLauncher(t *testing.T) {
	for name, c := range map[string]struct {
		run         string
		environment []string
		text        string
	}{
		"no launcher":      {"init", nil, "mpi: Init: want a process that mpirun, mpiexec or srun has started"},
		"another library":  {"init", []string{"PMI_SIZE=4"}, "mpi: Init: want 4 ranks, as PMI_SIZE says, got 1: the program is linked with another MPI"},
		"negative timeout": {"negative", []string{"PMI_SIZE=1"}, "mpi: Init: want a Timeout >= 0, got -1ns"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		rank := exec.CommandContext(ctx, os.Args[0])
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "OMPI_") && !strings.HasPrefix(v, "PMI") {
				rank.Env = append(rank.Env, v)
			}
		}
		rank.Env = append(append(rank.Env, caseVariable+"="+c.run), c.environment...)
		output, _ := rank.CombinedOutput()
		if !strings.Contains(string(output), c.text) || rank.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: want status 1 and %q, got %v and\n%s", name, c.text, rank.ProcessState, output)
		}
	}
}

// A signal to mpirun reaches every rank, and Go handles it: SIGUSR1 as it is and
// without haste, SIGTERM and SIGINT as SIGTERM.
func TestRanksAreTold(t *testing.T) {
	for _, c := range []struct {
		to, of syscall.Signal
		status int
	}{{syscall.SIGUSR1, syscall.SIGUSR1, 0}, {syscall.SIGTERM, syscall.SIGTERM, 1}, {syscall.SIGINT, syscall.SIGTERM, 1}} {
		t.Run(c.to.String(), func(t *testing.T) {
			t.Parallel()
			r := start(t, "told", 2, memory)
			r.await(t, "rank 0 is ready", "rank 1 is ready")
			if err := r.Process.Signal(c.to); err != nil {
				t.Fatal(err)
			}
			wait(t, r).ends(c.status, fmt.Sprintf("rank 0 was told: %v", c.of), fmt.Sprintf("rank 1 was told: %v", c.of))
		})
	}
}

// A script gives the ranks the time they need, though a terminal signals all that
// runs in it: mpirun has a session of its own, and is told by SIGUSR1.
func TestRanksOfAScriptAreTold(t *testing.T) {
	r := prepare(t, "told", 2, memory)
	const script = `setsid "$@" & p=$!; trap "kill -USR1 $p" INT TERM; wait $p || wait $p`
	r.Path, r.Args = "/bin/sh", append([]string{"sh", "-c", script, "sh"}, r.Args...)
	r.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	r.await(t, "rank 0 is ready", "rank 1 is ready")
	if err := syscall.Kill(-r.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait(t, r).ends(0, "rank 0 was told: user defined signal 1", "rank 1 was told: user defined signal 1")
}

// isTold makes calls until all ranks have a signal.
func isTold(c *Comm) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM, os.Interrupt)
	fmt.Printf("rank %d is ready\n", c.Rank())
	for told, sum := 0.0, []float64{0}; sum[0] < float64(c.Size()); {
		select {
		case s := <-signals:
			told = 1
			fmt.Printf("rank %d was told: %v\n", c.Rank(), s)
		default:
		}
		sum[0] = told
		if err := c.SumFloat64(sum); err != nil {
			return err
		}
	}
	return nil
}

// After Init the process is one of Go's: faults are panics, goroutines are
// preempted, children are waited for, and memory is collected.
func TestGoGoesOn(t *testing.T) { launch(t, "go", 2, memory).ends(0) }

func goOn(c *Comm) error {
	fault := func() (p any) {
		defer func() { p = recover() }()
		var nothing *Comm
		nothing.limit++
		return nil
	}
	if p := fmt.Sprint(fault()); !strings.Contains(p, "nil pointer") {
		return fmt.Errorf("want a panic of a nil pointer, got %v", p)
	}
	if out, err := exec.Command("echo", "child").Output(); err != nil || string(out) != "child\n" {
		return fmt.Errorf("want the output of a child, got %q and %v", out, err)
	}
	var stop atomic.Bool
	defer stop.Store(true)
	go func() {
		for !stop.Load() { // lets nobody in by itself
		}
	}()
	for n := range 5 {
		runtime.GC()
		v := make([]float32, 1000*n)
		for i := range v {
			v[i] = 1
		}
		if err := c.SumFloat32(v); err != nil {
			return err
		}
		for i, x := range v {
			if x != float32(c.Size()) {
				return fmt.Errorf("want %d, got %v at %d", c.Size(), x, i)
			}
		}
	}
	return nil
}
