package mnist

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gorgonia-s4/s4/internal/ending"
)

// Numbers at the start of a file: the type of its elements, one byte each, and how
// many dimensions they have.
const (
	imagesMagic = 0x803
	labelsMagic = 0x801
)

// maxImages bounds the number of images of a file. The published have 60000.
const maxImages = 1 << 17

// unzipped returns what a file holds, that may be compressed by gzip.
func unzipped(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	start, _ := br.Peek(2) // a short file is found out by who reads it
	if len(start) < 2 || start[0] != 0x1f || start[1] != 0x8b {
		return br, nil
	}
	return gzip.NewReader(br)
}

// ReadImages calls f with each image of a file idx3-ubyte, which may be compressed by
// gzip: Length bytes, row by row, valid until f returns. Images of another size,
// another format, and a file that is shorter or longer than it says are errors.
func ReadImages(r io.Reader, f func(i int, pixels []uint8) error) error {
	return readImages(r, func(int) error { return nil }, f)
}

// readImages is ReadImages that first calls begin with the number of images that the
// file says it has.
func readImages(r io.Reader, begin func(n int) error, f func(i int, pixels []uint8) error) error {
	z, n, err := open(r, imagesMagic, Side, Side)
	if err != nil {
		return err
	}
	if err := begin(n); err != nil {
		return err
	}
	pixels := make([]uint8, Length)
	for i := range n {
		if _, err := io.ReadFull(z, pixels); err != nil {
			return fmt.Errorf("image %d of %d: %w", i, n, ending.Unexpected(err))
		}
		if err := f(i, pixels); err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
	}
	return atEnd(z)
}

// readLabels calls f with the labels of a file idx1-ubyte, which may be compressed.
func readLabels(r io.Reader, f func(label uint8)) error {
	z, n, err := open(r, labelsMagic)
	if err != nil {
		return err
	}
	var b [1]byte
	for i := range n {
		if _, err := io.ReadFull(z, b[:]); err != nil {
			return fmt.Errorf("label %d of %d: %w", i, n, ending.Unexpected(err))
		}
		if b[0] >= Classes {
			return fmt.Errorf("label %d: want 0 to %d, got %d", i, Classes-1, b[0])
		}
		f(b[0])
	}
	return atEnd(z)
}

// open reads the start of a file and returns what follows, and of how many elements
// of the wanted size.
func open(r io.Reader, magic uint32, size ...uint32) (io.Reader, int, error) {
	z, err := unzipped(r)
	if err != nil {
		return nil, 0, ending.Unexpected(err)
	}
	z = bufio.NewReader(z)
	header := make([]uint32, 2+len(size))
	if err := binary.Read(z, binary.BigEndian, header); err != nil {
		return nil, 0, fmt.Errorf("want a header of %d bytes: %w", 4*len(header), ending.Unexpected(err))
	}
	if header[0] != magic {
		return nil, 0, fmt.Errorf("want an idx file that starts with %#08x, got %#08x", magic, header[0])
	}
	for i, want := range size {
		if header[2+i] != want {
			return nil, 0, fmt.Errorf("want images of %d x %d pixels, got %d x %d", size[0], size[1], header[2], header[3])
		}
	}
	if header[1] > maxImages {
		return nil, 0, fmt.Errorf("want at most %d elements, got %d", maxImages, header[1])
	}
	return z, int(header[1]), nil
}

// atEnd reports what follows the last element. It makes gzip check its sum.
func atEnd(r io.Reader) error {
	var b [1]byte
	switch _, err := io.ReadFull(r, b[:]); {
	case err == io.EOF:
		return nil
	case err != nil:
		return ending.Unexpected(err)
	}
	return errors.New("something after the last element")
}
