//go:build mpi && cgo && linux

package mpi

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A rank that is lost ends the run, with an error that names it and its host.
func TestALostRankEndsTheRun(t *testing.T) {
	for fault, says := range map[string][]string{
		faultKilled: {"process rank 3", "on node beta exited on signal 9"},
		faultMemory: {"out of memory", ",1],3]"},
	} {
		t.Run(fault, func(t *testing.T) {
			h := newHosts(t)
			j := job{Dir: h.disk, Steps: steps, Rank: 3, Fault: fault}
			h.fails(t, h.start(t, both, j), says...)
			stepOf(t, j)
			j.Resume, j.Fault = true, ""
			h.run(t, "alpha:2", j)
			sameAsAlone(t, j)
		})
	}
}

// A disk that is full at rank 0 ends all ranks with the error, and the last
// checkpoint that there was room for is whole.
func TestAFullDiskEndsTheRun(t *testing.T) {
	h := newHosts(t)
	j := job{Dir: h.disk, Steps: steps, Rank: 0, Fault: faultDisk}
	h.fails(t, h.start(t, both, j), "rank 0: ", "no space left on device", "rank 3: ")
	step := stepOf(t, j)
	if step < faultStep {
		t.Errorf("want a checkpoint of step %d, got %d", faultStep, step)
	}
	if err := os.Remove(filepath.Join(h.disk, filler)); err != nil {
		t.Fatal(err)
	}
	j.Resume, j.Fault = true, ""
	h.run(t, "alpha:2", j)
	sameAsAlone(t, j)
}

// SIGUSR1 to mpirun ends all ranks together, saved; SIGTERM gives them a second to
// save: what there is is whole.
func TestSignalsEndTheRun(t *testing.T) {
	for name, s := range map[string]syscall.Signal{"USR1": syscall.SIGUSR1, "TERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			h := newHosts(t)
			j := job{Dir: h.disk, Steps: 400, Pause: 50 * time.Millisecond}
			r := h.start(t, both, j)
			awaitStep(t, r, j, 2)
			r.Process.Signal(s)
			if s == syscall.SIGUSR1 {
				h.fails(t, r, "rank 0: ", "interrupted after step", "rank 3: ")
			} else {
				h.fails(t, r)
			}
			stepOf(t, j)
		})
	}
}

// What the ranks do not agree on, and more ranks than rows, are errors on all
// before the first step.
func TestRanksThatDoNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		j    job
		says string
	}{
		"configuration": {job{Rank: 3, Fault: faultConfig}, "train.lr is 0.01 on rank 0, 0.02 on rank 3"},
		"data":          {job{Rank: 3, Fault: faultData}, "data.train.contents"},
		"rows":          {job{Batch: 3}, "rows of a batch"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHosts(t)
			c.j.Dir, c.j.Steps = h.disk, steps
			h.fails(t, h.start(t, both, c.j), "rank 0: ", "rank 2: ", "rank 3: ", c.says)
			if c.j.saved() {
				t.Error("want no checkpoint, got one")
			}
		})
	}
}
