//go:build unix

package data_test

import (
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gorgonia-s4/s4/train/data"
)

// A pipe that nobody writes to is an error, and not waited for.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	_, form := data.FormOf(path)
	_, sum := data.Checksum(t.Context(), path)
	for what, err := range map[string]error{"FormOf": form, "Checksum": sum, "ReadFile": data.ReadFile(path, func(io.Reader, int64) error { return nil })} {
		if err == nil || !strings.Contains(err.Error(), "pipe: not a regular file") {
			t.Errorf("%s: got error %v", what, err)
		}
	}
}
