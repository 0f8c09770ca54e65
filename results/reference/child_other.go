//go:build !linux

package main

import (
	"os"
	"syscall"
)

// Elsewhere a child is in the process group of this process, so that the terminal tells
// it of a Ctrl-C.

func attributes() *syscall.SysProcAttr { return nil }

func stop(*os.Process) error { return nil }
