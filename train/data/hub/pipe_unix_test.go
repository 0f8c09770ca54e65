//go:build unix

package hub_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gorgonia-s4/s4/train/data/hub"
)

// A pipe that nobody writes to is an error, and not waited for.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "train.parquet")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	err := hub.Read(t.Context(), path, []hub.Column{{Names: []string{"text"}}}, nil)
	if err == nil || !strings.HasSuffix(err.Error(), "train.parquet: not a regular file") {
		t.Errorf("got error %v", err)
	}
}
