package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func put(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// wantOnly checks that path holds want and that its directory holds nothing
// else.
func wantOnly(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s holds %.40q, want %.40q", path, got, want)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("directory holds %v, want only %s", entries, filepath.Base(path))
	}
}

func TestWriteCreatesAndReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	big := string(bytes.Repeat([]byte("0123456789"), bufferSize/4)) // several buffers
	for _, content := range []string{"first", "", big, "last"} {
		if err := Write(path, 0o644, put(content)); err != nil {
			t.Fatal(err)
		}
		wantOnly(t, path, content)
	}
}

func TestWriteMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := Write(path, 0o600, put("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm() & 0o077; got != 0 {
		t.Errorf("mode %v: group or others may use the file, want only its owner", info.Mode())
	}
}

func TestFailedWriteKeepsOldFile(t *testing.T) {
	errDisk := errors.New("no space left on device")
	for _, n := range []int{0, 10, 3 * bufferSize} { // before and after the buffer reached the file
		path := filepath.Join(t.TempDir(), "model")
		if err := Write(path, 0o644, put("old")); err != nil {
			t.Fatal(err)
		}
		err := Write(path, 0o644, func(w io.Writer) error {
			if _, err := w.Write(make([]byte, n)); err != nil {
				return err
			}
			return errDisk
		})
		if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), path) {
			t.Errorf("after %d bytes: error %v, want one that wraps %v and names %s", n, err, errDisk, path)
		}
		wantOnly(t, path, "old")
	}
}

func TestFailedFirstWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "a"), 0o644, func(io.Writer) error { return io.ErrShortWrite }); err == nil {
		t.Fatal("no error")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestPanicKeepsOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := Write(path, 0o644, put("old")); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the callback was swallowed")
			}
		}()
		Write(path, 0o644, func(io.Writer) error { panic("bug") })
	}()
	wantOnly(t, path, "old")
}

func TestMissingDirectory(t *testing.T) {
	err := Write(filepath.Join(t.TempDir(), "no", "such", "file"), 0o644, put("x"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func TestTargetIsDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, 0o644, put("x")); err == nil {
		t.Fatal("no error")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("directory holds %v, want only d", entries)
	}
}
