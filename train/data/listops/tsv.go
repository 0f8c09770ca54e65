package listops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/train/data"
)

// tsvHeader is the first line of a published file: two columns separated by a
// tab.
const tsvHeader = "Source\tTarget"

// maxLine is the length in bytes above which a line is refused.
const maxLine = 16 << 20

// bounds are the most examples of a split, and the most bytes of a split's
// expressions in memory: a small Parquet file may have any number of rows.
type bounds struct{ examples, symbols int }

// most is ten times what is published, and more.
var most = bounds{examples: 1 << 22, symbols: 1 << 30}

// ReadDir reads the three published files of a directory (listops-1000 of the
// benchmark's release): basic_train.tsv, basic_val.tsv and basic_test.tsv.
func ReadDir(dir string) (*Data, error) {
	return readDir(context.Background(), dir, data.Room{})
}

// readDir is ReadDir that a context can end and a room can watch.
func readDir(ctx context.Context, dir string, room data.Room) (*Data, error) {
	d := newData()
	for i, s := range d.All() {
		if err := s.readFile(ctx, tsvPath(dir, data.SplitNames[i]), room); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// WriteDir writes the data set to a directory, which it creates if needed, in
// the published layout.
func (d *Data) WriteDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("listops: %w", err)
	}
	for i, s := range d.All() {
		if err := s.WriteTSV(tsvPath(dir, data.SplitNames[i])); err != nil {
			return err
		}
	}
	return nil
}

// tsvPath returns the published name of a split's file in dir.
func tsvPath(dir, split string) string { return filepath.Join(dir, "basic_"+split+".tsv") }

// ReadTSV reads one published file. Lines may end in CRLF, as published, or
// LF; blank lines and a byte order mark, as editors leave them, are skipped. An
// error names the file, the line and what is wrong with it: a header
// that is not the published one, no examples, a wrong number of columns, an
// unknown symbol, an expression that is cut off or otherwise malformed, a
// value that is not a digit. The values are not computed anew.
func ReadTSV(path string) (*Split, error) {
	s := &Split{}
	if err := s.readFile(context.Background(), path, data.Room{}); err != nil {
		return nil, err
	}
	return s, nil
}

// readFile fills an empty split with the examples of a published file.
func (s *Split) readFile(ctx context.Context, path string, room data.Room) error {
	err := data.ReadFile(path, func(r io.Reader, size int64) error {
		meter := room.Meter("reading "+filepath.Base(path), size)
		defer meter.Close()
		return s.read(ctx, meter.Reader(r), room)
	})
	if err != nil {
		return fmt.Errorf("listops: %w", err)
	}
	s.file = path
	return nil
}

// read fills an empty split with the examples of a published file. An error of its
// contents is a data.LineError.
func (s *Split) read(ctx context.Context, r io.Reader, room data.Room) error {
	header := false
	lines, err := data.Lines(r, maxLine, func(line int, row []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !header {
			if header = isHeader(row); !header {
				return fmt.Errorf("want the header %q, got %.40q", tsvHeader, row)
			}
			return nil
		}
		if room.Limited(s.Len()+1) == s.Len() {
			return fs.SkipAll
		}
		s.lines = append(s.lines, line)
		return s.readRow(row)
	})
	switch {
	case errors.Is(err, fs.SkipAll):
		return nil
	case err != nil:
		return err
	case !header:
		return &data.LineError{Line: 1, Err: fmt.Errorf("empty file, want the header %q", tsvHeader)}
	case s.Len() == 0:
		return &data.LineError{Line: lines + 1, Err: errors.New("no examples, want at least one behind the header")}
	}
	return nil
}

// isHeader says whether a line is the header, up to blanks.
func isHeader(row []byte) bool {
	source, target, _ := bytes.Cut(row, []byte{'\t'})
	return string(bytes.TrimSpace(source))+"\t"+string(bytes.TrimSpace(target)) == tsvHeader
}

// readRow appends the example of a line: source, tab, target.
func (s *Split) readRow(row []byte) error {
	source, target, ok := bytes.Cut(row, []byte{'\t'})
	if !ok {
		return fmt.Errorf("want 2 columns, got 1: cut off? the line ends in %q", row[max(0, len(row)-20):])
	}
	if n := bytes.Count(target, []byte{'\t'}); n > 0 {
		return fmt.Errorf("want 2 columns, got %d", n+2)
	}
	target = bytes.TrimSpace(target)
	if len(target) != 1 || target[0] < '0' || target[0] > '9' {
		return fmt.Errorf("target: want a digit 0 to 9, got %.20q", target)
	}
	return s.append(source, target[0]-'0')
}

// append appends an example as the published files write it.
func (s *Split) append(source []byte, target uint8) error {
	switch {
	case s.Len() == most.examples:
		return fmt.Errorf("want at most %d examples, got more", most.examples)
	case len(source) > most.symbols-len(s.tokens):
		return fmt.Errorf("want at most %d bytes of expressions, got more", most.symbols)
	}
	tokens, err := appendTokens(s.tokens, source)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	s.tokens = tokens
	s.ends = append(s.ends, len(tokens))
	s.targets = append(s.targets, target)
	return nil
}

// WriteTSV writes the split to a file as published, with CRLF line ends. The
// file appears whole or not at all.
func (s *Split) WriteTSV(path string) error {
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		if _, err := io.WriteString(w, tsvHeader+"\r\n"); err != nil {
			return err
		}
		var row []byte
		for i := range s.Len() {
			row = appendSource(row[:0], s.at(i))
			row = append(row, '\t', '0'+s.targets[i], '\r', '\n')
			if _, err := w.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("listops: %w", err)
	}
	return nil
}
