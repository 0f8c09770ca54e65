// Package npy reads the arrays that numpy.save writes, and writes such.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Array is an array of numbers in row-major order.
type Array struct {
	Shape []int
	Data  []float64
}

// maxFile is the largest file that is read, in bytes.
const maxFile = 1 << 32

// Read reads a file of numpy.save: version 1 to 3, little-endian float32, float64, int32
// or int64, which become float64, in C order.
func Read(path string) (Array, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Array{}, fmt.Errorf("npy: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return Array{}, fmt.Errorf("npy: %s: want a regular file of at most %d bytes", path, int64(maxFile))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Array{}, fmt.Errorf("npy: %w", err)
	}
	a, err := decode(b)
	if err != nil {
		return Array{}, fmt.Errorf("npy: %s: %w", path, err)
	}
	return a, nil
}

// header is the header of a file: a dict of Python, in the order in which NumPy
// writes it.
var header = regexp.MustCompile(`^\{'descr': '([<|>=][a-z]\d+)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\),? ?\}\s*$`)

// types are the types of elements: their sizes, and how they are read.
var types = map[string]struct {
	size int
	one  func(b []byte) float64
}{
	"<f4": {4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	"<f8": {8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	"<i4": {4, func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) }},
	"<i8": {8, func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) }},
}

// decode reads a file from its bytes.
func decode(b []byte) (Array, error) {
	if len(b) < 12 || string(b[:6]) != "\x93NUMPY" || b[6] < 1 || b[6] > 3 {
		return Array{}, errors.New("want a file of numpy.save, version 1 to 3")
	}
	n, at := uint64(binary.LittleEndian.Uint16(b[8:])), 10
	if b[6] > 1 {
		n, at = uint64(binary.LittleEndian.Uint32(b[8:])), 12
	}
	if n > uint64(len(b)-at) {
		return Array{}, fmt.Errorf("want a header of %d bytes, got a file of %d: truncated", n, len(b))
	}
	m := header.FindSubmatch(b[at : at+int(n)])
	if m == nil {
		return Array{}, fmt.Errorf("want a header with descr, fortran_order and shape, got %.80q", b[at:at+int(n)])
	}
	t, ok := types[string(m[1])]
	if !ok || string(m[2]) != "False" {
		return Array{}, fmt.Errorf("want <f4, <f8, <i4 or <i8 in C order, got %s, fortran_order %s", m[1], m[2])
	}
	a := Array{Shape: []int{}}
	total := uint64(1)
	for _, s := range strings.FieldsFunc(string(m[3]), func(r rune) bool { return r == ',' || r == ' ' }) {
		d, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return Array{}, fmt.Errorf("shape (%s): want dimensions below 2^31", m[3])
		}
		hi, lo := bits.Mul64(total, d)
		if hi != 0 {
			return Array{}, fmt.Errorf("shape (%s): overflow", m[3])
		}
		total = lo
		a.Shape = append(a.Shape, int(d))
	}
	data := b[at+int(n):]
	if total > uint64(len(data)) || total*uint64(t.size) != uint64(len(data)) {
		return Array{}, fmt.Errorf("want %d elements of %d bytes for shape (%s), got %d bytes", total, t.size, m[3], len(data))
	}
	a.Data = make([]float64, total)
	for i := range a.Data {
		a.Data[i] = t.one(data[i*t.size:])
	}
	return a, nil
}
