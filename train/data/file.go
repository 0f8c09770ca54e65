package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// byteOrderMark starts a UTF-8 text of some editors.
const byteOrderMark = "\ufeff"

// LineError is an error about a line of a text, the first being 1.
type LineError struct {
	Line int
	Err  error
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns Err.
func (e *LineError) Unwrap() error { return e.Err }

// ReadFile calls read with what is in a regular file, of so many bytes. Errors name
// the file, and with a LineError the line: "basic_train.tsv:7: ...".
func ReadFile(path string, read func(r io.Reader, size int64) error) error {
	info, err := os.Stat(path) // before it is opened: for a pipe that may take for ever
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = read(f, info.Size())
	switch at := new(LineError); {
	case errors.As(err, &at):
		return fmt.Errorf("%s:%d: %w", path, at.Line, at.Err)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Text returns a text without the byte order mark that it may begin with.
func Text(r io.Reader) *bufio.Reader {
	br := bufio.NewReader(r)
	if mark, err := br.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		_, _ = br.Discard(len(byteOrderMark)) // what has been peeked at is there
	}
	return br
}

// Lines calls f with the lines of a text, without their LF or CRLF, and their
// numbers. Blank lines and a byte order mark at the start are skipped. It returns
// the number of lines; an error, of f or because a line is longer than longest
// bytes, is a LineError.
func Lines(r io.Reader, longest int, f func(line int, text []byte) error) (int, error) {
	sc := bufio.NewScanner(Text(r))
	sc.Buffer(make([]byte, min(256<<10, longest)), longest)
	n := 0
	for sc.Scan() {
		n++
		if len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		if err := f(n, sc.Bytes()); err != nil {
			return n, &LineError{n, err}
		}
	}
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return n, &LineError{n + 1, fmt.Errorf("want a line of at most %d bytes, got more", longest)}
	case err != nil:
		return n, &LineError{n + 1, err}
	}
	return n, nil
}
