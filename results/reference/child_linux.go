package main

import (
	"os"
	"syscall"
)

// attributes make of a child a process group of its own, so that it has a Ctrl-C once,
// from here.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// stop lets a child save and stop.
func stop(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
