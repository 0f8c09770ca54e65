package pathfinder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/train/data"
)

// Bounds on files of metadata. The published ones have 1000 lines of 60 bytes.
const (
	maxMetadata = 64 << 20 // bytes of a file
	maxLine     = 4096     // bytes of a line
	maxColumns  = 64       // of an array
	maxCell     = 1024     // characters of a cell of an array
)

// entry is what metadata say of a picture.
type entry struct {
	file  file
	label uint8
}

// readMetadata returns the pictures of a file of metadata: lines of text, as in the
// published data sets, or an array of strings of NumPy, as the published generator
// writes it.
func readMetadata(b []byte) ([]entry, error) {
	if len(b) > maxMetadata {
		return nil, fmt.Errorf("want at most %d bytes of metadata, got %d", maxMetadata, len(b))
	}
	if bytes.HasPrefix(b, []byte(npyMagic)) {
		return readArray(b)
	}
	var entries []entry
	_, err := data.Lines(bytes.NewReader(b), maxLine, func(_ int, text []byte) error {
		e, err := parseEntry(strings.Fields(string(text)))
		entries = append(entries, e)
		return err
	})
	return entries, err
}

// parseEntry reads the first columns of a picture: the folder, the name, the number
// in it, and the label. More columns are the parameters of the generator.
func parseEntry(columns []string) (e entry, err error) {
	if len(columns) < 4 {
		return e, fmt.Errorf("want at least 4 columns, got %d", len(columns))
	}
	batch, ok := strings.CutPrefix(columns[0], "imgs/")
	if e.file.batch, err = number(batch); !ok || err != nil {
		return e, fmt.Errorf("want a folder imgs/<number> in column 1, got %q", columns[0])
	}
	if e.file.sample, err = sampleNumber(columns[1]); err != nil {
		return e, fmt.Errorf("want a file sample_<number>.png in column 2, got %q", columns[1])
	}
	switch columns[3] {
	case "0":
	case "1":
		e.label = 1
	default:
		return e, fmt.Errorf("want a label 0 or 1 in column 4, got %q", columns[3])
	}
	return e, nil
}

// sampleNumber returns the number in the name of a picture.
func sampleNumber(name string) (int32, error) {
	s, ok := strings.CutPrefix(name, "sample_")
	s, end := strings.CutSuffix(s, ".png")
	if !ok || !end {
		return 0, fmt.Errorf("want sample_<number>.png, got %q", name)
	}
	return number(s)
}

// number reads a whole number as file names have it.
func number(s string) (int32, error) {
	v, err := strconv.ParseUint(s, 10, 31)
	if err == nil && strconv.FormatUint(v, 10) != s {
		err = fmt.Errorf("want a number without a leading 0, got %q", s)
	}
	return int32(v), err
}

// npyMagic begins a file of an array.
const npyMagic = "\x93NUMPY"

// The parts of the header of an array of strings in two dimensions.
var (
	npyType  = regexp.MustCompile(`'descr': *'([<>|=]?)([US])([0-9]{1,9})'`)
	npyOrder = regexp.MustCompile(`'fortran_order': *(True|False)`)
	npyShape = regexp.MustCompile(`'shape': *\(([0-9]{1,9}), *([0-9]{1,9}),? *\)`)
)

// readArray returns the pictures of an array of strings of NumPy.
func readArray(b []byte) ([]entry, error) {
	header, cells, err := npyParts(b)
	if err != nil {
		return nil, err
	}
	kind, order, shape := npyType.FindSubmatch(header), npyOrder.FindSubmatch(header), npyShape.FindSubmatch(header)
	if kind == nil || order == nil || shape == nil || string(order[1]) == "True" {
		return nil, fmt.Errorf("want an array of strings in two dimensions, row by row, got %q", bytes.TrimSpace(header[:min(len(header), 200)]))
	}
	length, _ := strconv.Atoi(string(kind[3]))
	rows, _ := strconv.Atoi(string(shape[1]))
	columns, _ := strconv.Atoi(string(shape[2]))
	if length < 1 || length > maxCell || columns > maxColumns {
		return nil, fmt.Errorf("want 1 to %d characters and at most %d columns, got %d and %d", maxCell, maxColumns, length, columns)
	}
	size := length
	if string(kind[2]) == "U" {
		size *= 4
	}
	if want := int64(rows) * int64(columns) * int64(size); int64(len(cells)) != want {
		return nil, fmt.Errorf("want %d bytes of %d x %d strings, got %d", want, rows, columns, len(cells))
	}
	decode := npyString(string(kind[2]), string(kind[1]))
	var entries []entry
	row := make([]string, columns)
	for i := range rows {
		for j := range row {
			if row[j], err = decode(cells[:size]); err != nil {
				return nil, fmt.Errorf("row %d, column %d: %w", i, j, err)
			}
			cells = cells[size:]
		}
		e, err := parseEntry(row)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// npyParts returns the header and the numbers of an array.
func npyParts(b []byte) (header, rest []byte, err error) {
	cut := errors.New("want an array of NumPy, got one that is cut off")
	b = b[len(npyMagic):]
	if len(b) < 6 {
		return nil, nil, cut
	}
	n, rest := int64(binary.LittleEndian.Uint16(b[2:])), b[4:]
	if version := b[0]; version != 1 {
		if version != 2 && version != 3 {
			return nil, nil, fmt.Errorf("want version 1 to 3 of the array format, got %d", version)
		}
		n, rest = int64(binary.LittleEndian.Uint32(b[2:])), b[6:]
	}
	if n > int64(len(rest)) {
		return nil, nil, cut
	}
	return rest[:n], rest[n:], nil
}

// npyString returns how a cell of strings is read: bytes, or code points of four
// bytes in an order. Zeros at its end are no part of it.
func npyString(kind, order string) func(cell []byte) (string, error) {
	if kind == "S" {
		return func(cell []byte) (string, error) { return string(bytes.TrimRight(cell, "\x00")), nil }
	}
	var bytesOrder binary.ByteOrder = binary.LittleEndian
	if order == ">" {
		bytesOrder = binary.BigEndian
	}
	return func(cell []byte) (string, error) {
		var s []byte
		for ; len(cell) > 0; cell = cell[4:] {
			r := bytesOrder.Uint32(cell)
			if r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
				return "", fmt.Errorf("want code points, got %#x", r)
			}
			s = utf8.AppendRune(s, rune(r))
		}
		return string(bytes.TrimRight(s, "\x00")), nil
	}
}
