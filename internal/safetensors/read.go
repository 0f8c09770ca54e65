package safetensors

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/gorgonia-s4/s4/internal/ending"
)

// ReadFile reads the safetensors file path. See Decode for what is refused;
// errors name the file.
func ReadFile(path string) (*File, error) {
	var f *File
	err := opened(onDisk, path, func(r *reader) (err error) {
		f, err = r.file()
		return err
	})
	return f, err
}

// ReadEach reads the file path as ReadFile does, but one tensor at a time. First it
// calls begin with all of them, whose Data are empty slices of the type that they have,
// and then each with every tensor, in the order of the file. An error of either ends it
// and is returned as it is.
func ReadEach(path string, begin func(*File) error, each func(Tensor) error) error {
	return readEach(onDisk, path, begin, each)
}

// ReadEachOf is ReadEach of a file of fsys, such as an embed.FS.
func ReadEachOf(fsys fs.FS, name string, begin func(*File) error, each func(Tensor) error) error {
	return readEach(fsys.Open, name, begin, each)
}

// opener opens a file by its name.
type opener func(name string) (fs.File, error)

// onDisk opens a file of the operating system.
func onDisk(path string) (fs.File, error) { return os.Open(path) }

// readEach is ReadEach of what open opens.
func readEach(open opener, path string, begin func(*File) error, each func(Tensor) error) error {
	var own error
	err := opened(open, path, func(r *reader) error {
		f, err := r.outline()
		if err != nil {
			return err
		}
		if own = begin(f); own != nil {
			return own
		}
		for i := range f.Tensors {
			t, err := r.next(i)
			if err != nil {
				return err
			}
			if own = each(t); own != nil {
				return own
			}
		}
		return nil
	})
	if own != nil {
		return own
	}
	return err
}

// opened calls f with a reader of the file path, and names it in the error.
func opened(open opener, path string, f func(*reader) error) error {
	file, err := open(path)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("safetensors: %s: not a regular file", path)
	}
	r, err := newReader(file, info.Size())
	if err == nil {
		err = f(r)
	}
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return nil
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
	d, err := newReader(r, size)
	if err == nil {
		var f *File
		if f, err = d.file(); err == nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("safetensors: %w", err)
}

// reader reads the tensors of a file, whose header it has read and checked.
type reader struct {
	entries  []entry // in the order of their bytes
	metadata map[string]string
	r        *bufio.Reader
	buf      []byte
}

// newReader reads the header of a file of size bytes.
func newReader(r io.Reader, size int64) (*reader, error) {
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
	return &reader{entries, metadata, bufio.NewReaderSize(r, chunk), make([]byte, chunk)}, nil
}

// file reads all tensors.
func (r *reader) file() (*File, error) {
	f := &File{Tensors: make([]Tensor, len(r.entries)), Metadata: r.metadata}
	for i := range f.Tensors {
		var err error
		if f.Tensors[i], err = r.next(i); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// outline returns the file with tensors that have no elements yet.
func (r *reader) outline() (*File, error) {
	f := &File{Tensors: make([]Tensor, len(r.entries)), Metadata: r.metadata}
	for i, e := range r.entries {
		none, err := e.dtype.read(r.r, r.buf, 0)
		if err != nil {
			return nil, err
		}
		f.Tensors[i] = Tensor{Name: e.name, Shape: e.shape, Data: none}
	}
	return f, nil
}

// next reads the i-th tensor, the one behind that of the last call.
func (r *reader) next(i int) (Tensor, error) {
	e := &r.entries[i]
	data, err := e.dtype.read(r.r, r.buf, e.elements())
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %q: %w", e.name, ending.Unexpected(err))
	}
	return Tensor{Name: e.name, Shape: e.shape, Data: data}, nil
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
