package safetensors

import (
	"fmt"
	"math"
	"math/bits"
)

// metadataKey is the one name in the header that is not a tensor's.
const metadataKey = "__metadata__"

// maxHeader is the longest header in bytes, the limit of the reference
// implementation.
const maxHeader = 100_000_000

// chunk is the size in bytes of the buffer through which elements are
// converted; a multiple of every element size.
const chunk = 64 << 10

// Tensor is a named array.
type Tensor struct {
	Name  string
	Shape []int // dimensions, outermost first; empty for a scalar
	// Data holds the elements in row-major order: a []float32 (F32), []float64
	// (F64), []int64 (I64), []int32 (I32), []uint8 (U8) or []bool (BOOL), as
	// long as the product of Shape. F16 and BF16 are read as []float32, which
	// holds all their values.
	Data any
}

// File is what a safetensors file holds.
type File struct {
	// Tensors are in the order of their bytes in the file. Names are unique.
	Tensors []Tensor
	// Metadata is text kept with the tensors; nil if the file has none.
	Metadata map[string]string
}

// Lookup returns the tensor called name and whether there is one.
func (f *File) Lookup(name string) (Tensor, bool) {
	for _, t := range f.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// entry is what the header says of a tensor.
type entry struct {
	name       string
	dtype      *dtype
	shape      []int
	begin, end int64 // range of bytes, from the end of the header
}

// elements returns the number of elements of a checked entry.
func (e *entry) elements() int { return int((e.end - e.begin) / int64(e.dtype.size)) }

// byteSize returns the number of bytes a tensor takes. Like the reference
// implementation it refuses a shape whose product, taken from the left, does
// not fit, even if a later dimension is 0.
func byteSize(dt *dtype, shape []int) (int64, error) {
	size := uint64(dt.size)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v: want dimensions >= 0", shape)
		}
		hi, lo := bits.Mul64(size, uint64(d))
		if hi != 0 || lo > math.MaxInt {
			return 0, fmt.Errorf("shape %v: number of bytes overflows", shape)
		}
		size = lo
	}
	return int64(size), nil
}
