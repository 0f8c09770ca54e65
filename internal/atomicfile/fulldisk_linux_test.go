package atomicfile

import (
	"errors"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk lets the kernel refuse the data, with a limit on file sizes in
// the place of a full disk.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	if err := Write(path, 0o644, put("old")); err != nil {
		t.Fatal(err)
	}

	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Skip(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: old.Max}); err != nil {
		t.Skip(err)
	}
	err := Write(path, 0o644, put(strings.Repeat("x", 2000)))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}

	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("error %v, want %v", err, syscall.EFBIG)
	}
	wantOnly(t, path, "old")
}
