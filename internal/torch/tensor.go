package torch

import (
	"fmt"
	"math/bits"
)

// maxDims is the largest number of axes of a tensor, that of PyTorch.
const maxDims = 64

// storage is a row of elements that tensors are views of.
type storage struct {
	key   string
	dtype *elements
	n     int   // elements
	at    int64 // where its bytes are in a legacy file; -1: not there
}

// bytes returns the number of bytes.
func (s *storage) bytes() uint64 { return uint64(s.n) * uint64(s.dtype.size) }

// newStorage returns a storage of n elements, which have to fit into a file of size
// bytes, compressed as they may be.
func newStorage(key string, dtype *elements, n int, size int64) (*storage, error) {
	if n < 0 || uint64(n) > uint64(maxBytes(size))/uint64(dtype.size) {
		return nil, fmt.Errorf("storage %q: want a number of elements that fits into the file, got %d of %s", key, n, dtype.name)
	}
	return &storage{key: key, dtype: dtype, n: n, at: -1}, nil
}

// Tensor is a view of a storage. File.Load gives it its elements.
type Tensor struct {
	storage        *storage
	dtype          *elements
	offset         int // of the first element
	sizes, strides []int
	conj, neg      bool // what is done to the elements

	// Data are the elements in row-major order once they are loaded: a []float32
	// (of float16 and bfloat16 too), []float64, []int64, []int32, []uint8 or
	// []bool. Complex numbers are pairs of real ones.
	Data any
}

// Dtype returns the name of the type of the elements in PyTorch, such as "float32".
func (t *Tensor) Dtype() string { return t.dtype.name }

// Shape returns the shape of Data: that of a complex tensor has a last axis of 2.
func (t *Tensor) Shape() []int {
	shape := append([]int{}, t.sizes...)
	if t.dtype.complex {
		shape = append(shape, 2)
	}
	return shape
}

// check checks that all elements are in the storage.
func (t *Tensor) check() error {
	if len(t.sizes) != len(t.strides) || t.offset < 0 {
		return fmt.Errorf("tensor: want as many strides as sizes, and an offset from 0, got sizes %v, strides %v, offset %d", t.sizes, t.strides, t.offset)
	}
	last, empty := uint64(t.offset), false
	for i, n := range t.sizes {
		if n < 0 || t.strides[i] < 0 {
			return fmt.Errorf("tensor: want sizes and strides from 0, got sizes %v, strides %v", t.sizes, t.strides)
		}
		if n == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(uint64(n-1), uint64(t.strides[i]))
		var carry uint64
		if last, carry = bits.Add64(last, lo, 0); hi != 0 || carry != 0 {
			return fmt.Errorf("tensor: sizes %v, strides %v: overflow", t.sizes, t.strides)
		}
	}
	if _, err := t.elements(); err != nil {
		return err
	}
	if n := t.storage.bytes() / uint64(t.dtype.size); !empty && last >= n {
		return fmt.Errorf("tensor: want elements inside storage %q, which has %d, got sizes %v, strides %v, offset %d", t.storage.key, n, t.sizes, t.strides, t.offset)
	}
	return nil
}

// elements returns the number of elements.
func (t *Tensor) elements() (uint64, error) {
	n := uint64(1)
	for _, size := range t.sizes {
		hi, lo := bits.Mul64(n, uint64(size))
		if hi != 0 || lo > 1<<48 {
			return 0, fmt.Errorf("tensor: sizes %v: overflow", t.sizes)
		}
		n = lo
	}
	return n, nil
}

// take sets Data from the bytes of the storage.
func (t *Tensor) take(raw []byte) {
	n, _ := t.elements()
	size := t.dtype.size
	var dst []byte
	switch {
	case n == 0:
	case t.contiguous():
		dst = raw[t.offset*size:][:int(n)*size]
	default:
		dst = gather(make([]byte, 0, int(n)*size), raw, t.offset, t.sizes, t.strides, size)
	}
	t.Data = t.dtype.decode(dst)
	switch d := t.Data.(type) {
	case []float32:
		t.flip(len(d), func(i int) { d[i] = -d[i] })
	case []float64:
		t.flip(len(d), func(i int) { d[i] = -d[i] })
	}
}

// flip negates what is to be negated of n numbers.
func (t *Tensor) flip(n int, negate func(i int)) {
	for i := range n {
		if t.neg != (t.conj && t.dtype.complex && i%2 == 1) {
			negate(i)
		}
	}
}

// contiguous reports whether the elements lie in row-major order.
func (t *Tensor) contiguous() bool {
	step := 1
	for i := len(t.sizes) - 1; i >= 0; i-- {
		if t.sizes[i] > 1 && t.strides[i] != step {
			return false
		}
		step *= t.sizes[i]
	}
	return true
}

// gather appends the elements of size bytes of a view in row-major order.
func gather(dst, raw []byte, at int, sizes, strides []int, size int) []byte {
	if len(sizes) == 0 {
		return append(dst, raw[at*size:(at+1)*size]...)
	}
	for i := range sizes[0] {
		dst = gather(dst, raw, at+i*strides[0], sizes[1:], strides[1:], size)
	}
	return dst
}
