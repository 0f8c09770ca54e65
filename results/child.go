package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gorgonia-s4/s4/internal/child"
	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/results/recipes"
)

// What a run's directory holds beside what its program writes, and its ledger.
const (
	logFile  = "log.txt" // what the program printed
	lockFile = "lock"    // locked while a process works on the run
)

// lock takes the lock of a run, and waits until another process lets go of it. The
// program that is started inherits it, so that it holds the lock too if it outlives the
// runner; then it is told to save and stop.
func (r *runner) lock(ctx context.Context, run recipes.Run) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(r.dir(run), lockFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for said := false; ; said = true {
		ok, err := tryLock(f)
		if ok {
			return f, nil
		}
		if err == nil && !said {
			fmt.Fprintf(r.out, "%s: another process works on it, waiting for its end\n", run.Name())
		}
		if err == nil {
			err = stopOrphan(r.dir(run))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(time.Second):
		}
	}
}

// stopOrphan lets a program that works on a run, and therefore has its lock, save and
// stop if its runner is no more, and notes its times, which nobody else does.
func stopOrphan(dir string) error {
	l, err := readLedger(dir)
	if err != nil || len(l.Sessions) == 0 {
		return err
	}
	s := &l.Sessions[len(l.Sessions)-1]
	if s.Exit != "" || alive(s.Runner) || !alive(s.PID) || !uses(s.PID, filepath.Join(dir, lockFile)) {
		return nil
	}
	p, err := os.FindProcess(s.PID)
	if err != nil {
		return err
	}
	s.Wall = time.Since(s.Start).Seconds()
	s.CPU, _ = cpu.Time(s.PID)
	return errors.Join(l.save(), child.Stop(p))
}

// start runs a program to its end and keeps the ledger. The end of ctx lets it save and
// stop, which takes a step and a save; then the error says so.
func (r *runner) start(ctx context.Context, l *ledger, lock *os.File, from source, command []string) error {
	log, err := os.OpenFile(filepath.Join(l.dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer log.Close()
	stopFollowing := follow(log.Name(), r.out)
	defer stopFollowing()

	c := child.Command(ctx, command[0], command[1:]...)
	c.Stdout, c.Stderr = log, log
	c.ExtraFiles = []*os.File{lock}
	l.Sessions = append(l.Sessions, session{
		Start: time.Now().UTC().Truncate(time.Millisecond), Commit: from.commit, Dirty: from.dirty,
		Processor: cpu.Model(), Cores: runtime.GOMAXPROCS(0), Command: command,
		Runner: os.Getpid(),
	})
	if err := l.save(); err != nil {
		return err
	}
	began := time.Now()
	s := &l.Sessions[len(l.Sessions)-1]
	if err = c.Start(); err == nil {
		s.PID = c.Process.Pid
		err = l.save()
		stopNoting := l.note(s, c.Process.Pid, began, noting)
		err = errors.Join(c.Wait(), err)
		stopNoting()
	}
	s.Wall = time.Since(began).Seconds()
	if c.ProcessState != nil {
		s.CPU = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	}
	switch {
	case c.ProcessState != nil && c.ProcessState.Success():
		s.Exit, err = finished, nil
	case ctx.Err() != nil:
		s.Exit = interrupted
		err = fmt.Errorf("interrupted (%w): the same command goes on", context.Cause(ctx))
	default:
		s.Exit = err.Error()
		err = fmt.Errorf("%w: %s says why", err, log.Name())
	}
	return errors.Join(err, l.save())
}

// follow copies what is added to a file to out, until it is stopped.
func follow(path string, out io.Writer) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	f, err := os.Open(path)
	if err != nil {
		return func() {}
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		f.Close()
		return func() {}
	}
	go func() {
		defer close(done)
		defer f.Close()
		for {
			select {
			case <-quit:
				io.Copy(out, f)
				return
			case <-time.After(time.Second / 2):
				io.Copy(out, f)
			}
		}
	}()
	return func() { close(quit); <-done }
}
