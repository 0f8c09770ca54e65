package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Checksum returns, in hexadecimal, the SHA-256 of a file, or of the names, sizes
// and times of modification of the files of a folder, links followed: what a cache
// of data read from there depends on. The files of a Cache do not count, as it may be
// in the folder.
func Checksum(ctx context.Context, path string) (string, error) {
	return Room{}.Checksum(ctx, path)
}

// Checksum is the function of that name, which the room sees getting on.
func (r Room) Checksum(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if info.IsDir() {
		err = hashFolder(ctx, h, path)
	} else {
		meter := r.Meter("checksum of "+filepath.Base(path), info.Size())
		defer meter.Close()
		err = ReadFile(path, func(f io.Reader, _ int64) error {
			_, err := io.CopyBuffer(h, meter.Reader(contextReader{ctx, f}), make([]byte, 1<<20))
			return err
		})
	}
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashFolder writes a line to w for each file of a folder.
func hashFolder(ctx context.Context, w io.Writer, path string) error {
	fsys := os.DirFS(path)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() || strings.Contains(d.Name(), cacheExtension) {
			return err
		}
		info, err := fs.Stat(fsys, name)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%q %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// contextReader reads until the context is cancelled.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
