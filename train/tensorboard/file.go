package tensorboard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// filePrefix is how the name of an event file begins. The seconds since 1970, in ten
// digits, follow: readers take files in the order of their names.
const filePrefix = "events.out.tfevents."

// flushSize is the number of bytes that are gathered, at most, before they are
// written.
const flushSize = 32 << 10

// file is an event file that is being written. It only grows by whole records.
type file struct {
	f       *os.File
	pending []byte
}

// eventFiles returns the names of the event files in a directory, in order; none if
// it does not exist.
func eventFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filePrefix) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// create begins a file behind those in a directory, which is made if it does not
// exist. What earlier ones say of steps from first on no longer counts.
func create(dir string, now time.Time, first int) (*file, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	names, err := eventFiles(dir)
	if err != nil {
		return nil, err
	}
	second := now.Unix()
	for _, name := range names {
		digits, _, _ := strings.Cut(strings.TrimPrefix(name, filePrefix), ".")
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n >= second && n < 1e10-1 {
			second = n + 1
		}
	}
	name := fmt.Sprintf("%s%010d.%d.s4", filePrefix, second, os.Getpid())
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	w := &file{f: f}
	at := seconds(now)
	w.add(event(at, 0).text(3, version))
	if len(names) > 0 {
		w.add(event(at, first).started())
	}
	return w, w.flush()
}

// seconds returns a time as events have it.
func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// add adds an event.
func (w *file) add(e message) { w.pending = appendRecord(w.pending, e) }

// flushIfFull writes what has been added if that is much.
func (w *file) flushIfFull() error {
	if len(w.pending) < flushSize {
		return nil
	}
	return w.flush()
}

// flush writes what has been added.
func (w *file) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	_, err := w.f.Write(w.pending)
	w.pending = w.pending[:0]
	return err
}

func (w *file) close() error { return errors.Join(w.flush(), w.f.Close()) }
