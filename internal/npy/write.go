package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
)

// Number is what a file can hold.
type Number interface {
	float32 | float64 | int32 | int64
}

// align is what the length of the header is a multiple of, as in files of NumPy.
const align = 64

// Write writes an array in row-major order to a file as numpy.save does, version 1,
// which is written to a temporary file and renamed.
func Write[T Number](path string, shape []int, data []T) error {
	total := 1
	for _, d := range shape {
		total *= d
	}
	if total != len(data) {
		return fmt.Errorf("npy: %s: want %d elements for shape %v, got %d", path, total, shape, len(data))
	}
	err := atomicfile.Write(path, 0o666, func(w io.Writer) error {
		if _, err := w.Write(preamble[T](shape)); err != nil {
			return err
		}
		return binary.Write(w, binary.LittleEndian, data)
	})
	if err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}

// preamble returns what is before the elements of a file.
func preamble[T Number](shape []int) []byte {
	var dims strings.Builder
	for _, d := range shape {
		fmt.Fprintf(&dims, "%d,", d) // a tuple of one has a comma, and others may
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr[T](), dims.String())
	const before = 10 // magic, version, length
	fill := align - (before+len(text)+1)%align
	text += strings.Repeat(" ", fill) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(text)))
	return append(b, text...)
}

// descr returns the name of a type in a header.
func descr[T Number]() string {
	var v T
	switch any(v).(type) {
	case float32:
		return "<f4"
	case float64:
		return "<f8"
	case int32:
		return "<i4"
	}
	return "<i8"
}
