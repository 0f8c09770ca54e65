package safetensors

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/gorgonia-s4/s4/internal/ending"
)

// ReadFile reads the safetensors file path. See Decode for what is refused;
// errors name the file.
func ReadFile(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("safetensors: %s: not a regular file", path)
	}
	f, err := decode(r, info.Size())
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return f, nil
}

// Decode reads a safetensors file of size bytes from r.
//
// It refuses a file that is shorter or longer than its header says; a header
// that is longer than 100 MB, is not UTF-8, is not a JSON object of the
// format, or repeats a name; an element type other than those of Tensor.Data;
// a byte range that does not fit its shape and type; and ranges that overlap
// or leave bytes unused. Apart from the header it allocates at most the size of
// the file, or twice that of F16 and BF16, and only after these checks.
func Decode(r io.Reader, size int64) (*File, error) {
	f, err := decode(r, size)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

// decode is Decode without the name of the package in its errors.
func decode(r io.Reader, size int64) (*File, error) {
	header, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	entries, metadata, err := parseHeader(header)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	if err := checkRanges(entries, size-8-int64(len(header))); err != nil {
		return nil, err
	}

	f := &File{Tensors: make([]Tensor, len(entries)), Metadata: metadata}
	br := bufio.NewReaderSize(r, chunk)
	buf := make([]byte, chunk)
	for i, e := range entries {
		data, err := e.dtype.read(br, buf, e.elements())
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.name, ending.Unexpected(err))
		}
		f.Tensors[i] = Tensor{Name: e.name, Shape: e.shape, Data: data}
	}
	return f, nil
}

// readHeader returns the header of a file of size bytes.
func readHeader(r io.Reader, size int64) ([]byte, error) {
	if size < 8 {
		return nil, fmt.Errorf("want at least 8 bytes, the length of the header, got a file of %d", size)
	}
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return nil, fmt.Errorf("length of the header: %w", ending.Unexpected(err))
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > maxHeader {
		return nil, fmt.Errorf("want a header of at most %d bytes, got %d: not a safetensors file?", maxHeader, n)
	}
	if int64(n) > size-8 {
		return nil, fmt.Errorf("want a header of %d bytes, got a file of %d: truncated", n, size)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, fmt.Errorf("header: %w", ending.Unexpected(err))
	}
	return header, nil
}

// checkRanges checks that the byte ranges of the entries, sorted, cover size
// bytes exactly once and fit the shapes.
func checkRanges(entries []entry, size int64) error {
	var end int64
	for _, e := range entries {
		want, err := byteSize(e.dtype, e.shape)
		switch {
		case err != nil:
			return fmt.Errorf("tensor %q: %w", e.name, err)
		case e.begin < end:
			return fmt.Errorf("tensor %q: bytes [%d, %d) overlap the tensor before, which ends at %d", e.name, e.begin, e.end, end)
		case e.begin > end:
			return fmt.Errorf("tensor %q: bytes [%d, %d) leave a hole, want a start at %d", e.name, e.begin, e.end, end)
		case e.end < e.begin || e.end-e.begin != want:
			return fmt.Errorf("tensor %q: want %d bytes for %s %v, got [%d, %d)", e.name, want, e.dtype.name, e.shape, e.begin, e.end)
		}
		end = e.end
	}
	switch {
	case end > size:
		return fmt.Errorf("want %d bytes of tensors, got %d: truncated", end, size)
	case end < size:
		return fmt.Errorf("want %d bytes of tensors, got %d: bytes that belong to no tensor", end, size)
	}
	return nil
}
