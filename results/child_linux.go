package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// alive says whether a process is there and has not ended, waited for or not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, ok := strings.Cut(string(stat), ") ")
	return err == nil && ok && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// tryLock locks a file if no other process has locked it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// userOf returns the number of a process that has a file open; 0 if none is found.
func userOf(path string) int { return userAmong("[0-9]*", path) }

// uses says whether a process has a file open.
func uses(pid int, path string) bool { return userAmong(strconv.Itoa(pid), path) == pid }

// userAmong returns the number of one of some processes that has a file open; 0 if none is
// found.
func userAmong(pids, path string) int {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0
	}
	open, _ := filepath.Glob("/proc/" + pids + "/fd/*") // the pattern is a good one
	for _, fd := range open {
		if to, err := os.Readlink(fd); err == nil && to == path {
			pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
			return pid
		}
	}
	return 0
}
