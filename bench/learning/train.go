package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorgonia-s4/s4/internal/child"
	"github.com/gorgonia-s4/s4/internal/cpu"
)

// program is the package of the program that trains.
const program = "github.com/gorgonia-s4/s4/examples/wikitext"

// train trains all models at the same time.
func train(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "learning")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	binary := filepath.Join(tmp, "wikitext")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, program).CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", program, err, out)
	}
	var all sync.WaitGroup
	errs := make([]error, len(o.chosen()))
	for i, m := range o.chosen() {
		all.Go(func() {
			if err := o.run(ctx, binary, m); err != nil {
				errs[i] = fmt.Errorf("%s: %w", m.title, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// arguments are those of the program that trains a model.
func (o options) arguments(m model) []string {
	wall := o.budget * time.Duration(max(len(o.models), o.threads)) / time.Duration(o.threads)
	begin := "-overwrite"
	if o.resume {
		begin = "-resume"
	}
	args := []string{
		"-out=" + filepath.Join(o.out, m.name), begin, "-max-time=" + wall.String(),
		"-length=" + strconv.Itoa(o.length), "-batch=" + strconv.Itoa(o.batch),
		"-eval-every=" + strconv.Itoa(o.evalEvery), "-warmup=200",
	}
	if o.data != "" {
		args = append(args, "-data="+o.data)
	}
	if o.cache != "" {
		args = append(args, "-cache="+o.cache)
	}
	return slices.Concat(args, m.options, o.more)
}

// run trains a model and writes what it printed, and its time of the processor, to
// files. An interrupt ends the run as one at its terminal does: with a model.
func (o options) run(ctx context.Context, binary string, m model) (err error) {
	log, err := o.open(m.name + ".log")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	cmd := child.Command(ctx, binary, o.arguments(m)...)
	cmd.WaitDelay = time.Minute
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stdout, cmd.Stderr = log, log
	cpu, before, err := o.record(m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	var watch sync.WaitGroup
	var watched error
	watch.Go(func() { watched = before.record(cpu, cmd.Process.Pid, begun, ended) })
	err = cmd.Wait()
	close(ended)
	watch.Wait()
	if err != nil {
		err = fmt.Errorf("%w: see %s", err, log.Name())
	}
	return errors.Join(err, watched)
}

// cpuSuffix is that of the file of the processor's time of a run.
const cpuSuffix = ".cpu.csv"

// record returns the file that the processor's time of a run is written to, and the
// last that is in it.
func (o options) record(m model) (*os.File, moment, error) {
	var last moment
	name := m.name + cpuSuffix
	if o.resume {
		c, err := readClock(filepath.Join(o.out, name))
		if err != nil {
			return nil, last, err
		}
		if n := len(c.elapsed); n > 0 {
			last = moment{c.elapsed[n-1], c.cpu[n-1]}
		}
	}
	f, err := o.open(name)
	if err != nil {
		return nil, last, err
	}
	if info, err := f.Stat(); err != nil || info.Size() > 0 {
		return f, last, err
	}
	_, err = fmt.Fprintln(f, "elapsed_s,cpu_s")
	return f, last, err
}

// open opens a file in -out to write to it, behind what is there if the runs go on.
func (o options) open(name string) (*os.File, error) {
	how := os.O_TRUNC
	if o.resume {
		how = os.O_APPEND
	}
	return os.OpenFile(filepath.Join(o.out, name), os.O_CREATE|os.O_WRONLY|how, 0o644)
}

// moment is a time since a run began, and the processor's, both in seconds.
type moment struct{ elapsed, cpu float64 }

// record writes the processor's time of a process against that since it began, every
// second until it has ended, both counted from m. Where the system does not tell it
// nothing is written.
func (m moment) record(f *os.File, pid int, begun time.Time, ended <-chan struct{}) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return nil
		case <-tick.C:
		}
		seconds, ok := cpu.Time(pid)
		if !ok {
			continue
		}
		if _, err := fmt.Fprintf(f, "%.2f,%.2f\n", m.elapsed+time.Since(begun).Seconds(), m.cpu+seconds); err != nil {
			return err
		}
	}
}
