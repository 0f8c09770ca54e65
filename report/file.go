package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/strictjson"
)

// Bounds on a file that is read: its bytes, and the objects and lists in it, which
// take far more memory than their two bytes of text.
const (
	maxFile    = 32 << 20
	maxObjects = 16 << 10
	maxLists   = 64 << 10
)

// save writes JSON to a file, which it replaces as a whole. err is that of making the
// text.
func save(path string, text []byte, err error) error {
	if err == nil {
		err = checkSize(text)
	}
	if err != nil {
		return fmt.Errorf("report: %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	err = atomicfile.Write(path, 0o666, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// read reads a file that save has written.
func read(path string, v interface{ validate() error }) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	err = errors.Join(decode(f, v), f.Close())
	if err != nil {
		return fmt.Errorf("report: %s: %w", path, err)
	}
	return nil
}

// decode reads a JSON value, all of r.
func decode(r io.Reader, v interface{ validate() error }) error {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return err
	}
	if err := checkSize(text); err != nil {
		return err
	}
	if err := strictjson.Decode(text, v); err != nil {
		return err
	}
	return v.validate()
}

// checkSize reports a text that would take too much memory.
func checkSize(text []byte) error {
	if len(text) > maxFile {
		return fmt.Errorf("want at most %d bytes, got more", maxFile)
	}
	objects, lists, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{':
			objects++
		case c == '[':
			lists++
		}
	}
	if objects > maxObjects || lists > maxLists {
		return fmt.Errorf("want at most %d objects and %d lists, got %d and %d", maxObjects, maxLists, objects, lists)
	}
	return nil
}
