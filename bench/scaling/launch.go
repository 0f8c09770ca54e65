package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// self is the package of this program.
const self = "github.com/gorgonia-s4/s4/bench/scaling"

// measureAll runs the processes that measure, one after the other.
func measureAll(ctx context.Context, o options, processors int) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	for _, threads := range threadsOf(processors) {
		if err := o.run(ctx, threads, program, "-measure="+alone); err != nil {
			return err
		}
	}
	for _, n := range o.ranks {
		if err := o.run(ctx, processors, program, "-measure="+process, fmt.Sprintf("-ranks=%d", n)); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "scaling")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mpi, err := build(ctx, dir)
	if err != nil {
		fmt.Fprintf(os.Stderr, "scaling: no ranks of MPI are measured: %v\n", err)
		return nil
	}
	for _, t := range []struct{ transport, btl string }{{shared, "self,vader"}, {tcp, "self,tcp"}} {
		for _, n := range o.ranks {
			threads := max(1, processors/n)
			if err := o.run(ctx, threads, "mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
				"-np", strconv.Itoa(n), "--mca", "btl", t.btl, mpi, "-measure="+t.transport); err != nil {
				return err
			}
		}
	}
	return nil
}

// threadsOf are the numbers of threads of a rank by itself.
func threadsOf(processors int) []int {
	if processors == 1 {
		return []int{1}
	}
	return []int{1, processors}
}

// build makes the program with MPI.
func build(ctx context.Context, dir string) (string, error) {
	if _, err := exec.LookPath("mpirun"); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "scaling")
	out, err := exec.CommandContext(ctx, "go", "build", "-tags", "mpi", "-o", path, self).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build -tags mpi: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
}

// run runs a process that measures, with so many threads.
func (o options) run(ctx context.Context, threads int, name string, args ...string) error {
	args = append(args, o.arguments()...)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", threads))
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("%s: %w", cmd, err))
	}
	return nil
}

// arguments are the options of a process that measures, but for -measure and -ranks.
func (o options) arguments() []string {
	var numbers []string
	for _, n := range o.parameters {
		numbers = append(numbers, strconv.FormatFloat(n, 'g', -1, 64))
	}
	return []string{"-out=" + o.out, "-parameters=" + strings.Join(numbers, ","), fmt.Sprintf("-memory=%g", o.memory),
		fmt.Sprintf("-time=%v", o.time), fmt.Sprintf("-bucket=%g", o.bucket), fmt.Sprintf("-steps=%d", o.steps),
		fmt.Sprintf("-rows=%d", o.rows), "-models=" + strings.Join(o.models, ","),
		fmt.Sprintf("-length=%d", o.length)}
}
