// Package atomicfile replaces files all at once.
//
// Checkpoints, data caches and reports are written through it, so that a
// crash, a full disk or a cancelled run leaves either the old file or the new
// one, never a part of either.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

const bufferSize = 256 << 10 // bytes gathered before each write to the file

// Write makes the file path hold exactly what write writes to its argument.
//
// The content goes, buffered, to a temporary file in the directory of path,
// which is synced to disk and then renamed to path; the directory is synced
// after that, so that the new name survives a power cut too. The directory
// must exist. perm is the new file's mode before the umask; an existing
// file's mode is not kept, and if path is a symbolic link, the link itself is
// replaced.
//
// If write or any step up to the rename fails, Write returns that error,
// wrapped and naming path, removes the temporary file and leaves a file that
// was at path as it was; the same holds if write panics. A failed sync of the
// directory is reported although the new file is in place.
func Write(path string, perm os.FileMode, write func(io.Writer) error) error {
	if err := replace(path, perm, write); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// replace is Write without the path in its errors.
func replace(path string, perm os.FileMode, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	f, err := createTemp(dir, filepath.Base(path), perm)
	if err != nil {
		return err
	}
	renamed := false
	defer func() {
		if !renamed {
			f.Close()
			os.Remove(f.Name())
		}
	}()

	w := bufio.NewWriterSize(f, bufferSize)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	renamed = true
	return syncDir(dir)
}

// TempPattern returns the pattern (see path/filepath.Match) of the temporary
// files that a killed Write of a file of the given name, or pattern of names,
// leaves behind.
func TempPattern(name string) string { return "." + name + ".tmp*" }

// createTemp creates a new file for writing, hidden and named after base, in
// dir. Unlike os.CreateTemp it gives the file the mode perm less the umask.
func createTemp(dir, base string, perm os.FileMode) (*os.File, error) {
	const tries = 1000
	for range tries {
		name := "." + base + ".tmp" + strconv.FormatUint(rand.Uint64(), 36)
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("no free temporary name in %s after %d tries", dir, tries)
}

// syncDir commits the names in dir to disk, where the system can do that.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
