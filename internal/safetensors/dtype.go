package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// dtype is an element type of the format and how it maps to a Go slice.
type dtype struct {
	name string // as in the header
	size int    // bytes per element
	// length returns the number of elements of data, and false if data is not
	// of the Go type that is written as this element type.
	length func(data any) (int, bool)
	// read reads n elements. buf is scratch whose length is a multiple of size.
	read func(r io.Reader, buf []byte, n int) (any, error)
	// write writes data, which length accepts.
	write func(w io.Writer, buf []byte, data any) error
}

// dtypes are the supported element types.
var dtypes = []*dtype{
	newDtype("F32", 4,
		func(dst []float32, src []byte) error {
			for i := range dst {
				dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
			}
			return nil
		},
		func(dst []byte, src []float32) {
			for i, v := range src {
				binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
			}
		}),
	newDtype("F64", 8,
		func(dst []float64, src []byte) error {
			for i := range dst {
				dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
			}
			return nil
		},
		func(dst []byte, src []float64) {
			for i, v := range src {
				binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(v))
			}
		}),
	newHalf("F16", Float16),
	newHalf("BF16", BFloat16),
	newDtype("I64", 8,
		func(dst []int64, src []byte) error {
			for i := range dst {
				dst[i] = int64(binary.LittleEndian.Uint64(src[8*i:]))
			}
			return nil
		},
		func(dst []byte, src []int64) {
			for i, v := range src {
				binary.LittleEndian.PutUint64(dst[8*i:], uint64(v))
			}
		}),
	newDtype("I32", 4,
		func(dst []int32, src []byte) error {
			for i := range dst {
				dst[i] = int32(binary.LittleEndian.Uint32(src[4*i:]))
			}
			return nil
		},
		func(dst []byte, src []int32) {
			for i, v := range src {
				binary.LittleEndian.PutUint32(dst[4*i:], uint32(v))
			}
		}),
	newDtype("U8", 1,
		func(dst []uint8, src []byte) error { copy(dst, src); return nil },
		func(dst []byte, src []uint8) { copy(dst, src) }),
	newDtype("BOOL", 1,
		func(dst []bool, src []byte) error {
			for i, v := range src {
				if v > 1 {
					return fmt.Errorf("want a BOOL of 0 or 1, got %d", v)
				}
				dst[i] = v == 1
			}
			return nil
		},
		func(dst []byte, src []bool) {
			for i, v := range src {
				dst[i] = 0
				if v {
					dst[i] = 1
				}
			}
		}),
}

// newHalf makes a float type of 2 bytes, which is read as float32, by a function
// that converts the bits of an element, and never written.
func newHalf(name string, convert func(bits uint16) float32) *dtype {
	dt := newDtype(name, 2,
		func(dst []float32, src []byte) error {
			for i := range dst {
				dst[i] = convert(binary.LittleEndian.Uint16(src[2*i:]))
			}
			return nil
		}, nil)
	dt.length = func(any) (int, bool) { return 0, false }
	return dt
}

// newDtype makes the dtype of []T from functions that decode and encode
// len(dst) or len(src) elements of size bytes each.
func newDtype[T any](name string, size int, decode func(dst []T, src []byte) error, encode func(dst []byte, src []T)) *dtype {
	return &dtype{
		name: name,
		size: size,
		length: func(data any) (int, bool) {
			s, ok := data.([]T)
			return len(s), ok
		},
		read: func(r io.Reader, buf []byte, n int) (any, error) {
			s := make([]T, n)
			for rest := s; len(rest) > 0; {
				k := min(len(rest), len(buf)/size)
				b := buf[:k*size]
				if _, err := io.ReadFull(r, b); err != nil {
					return nil, err
				}
				if err := decode(rest[:k], b); err != nil {
					return nil, err
				}
				rest = rest[k:]
			}
			return s, nil
		},
		write: func(w io.Writer, buf []byte, data any) error {
			for rest := data.([]T); len(rest) > 0; {
				k := min(len(rest), len(buf)/size)
				encode(buf, rest[:k])
				if _, err := w.Write(buf[:k*size]); err != nil {
					return err
				}
				rest = rest[k:]
			}
			return nil
		},
	}
}

// dtypeOf returns the element type of data and its number of elements.
func dtypeOf(data any) (*dtype, int, error) {
	for _, dt := range dtypes {
		if n, ok := dt.length(data); ok {
			return dt, n, nil
		}
	}
	return nil, 0, fmt.Errorf("want data of type []float32, []float64, []int64, []int32, []uint8 or []bool, got %T", data)
}

// dtypeNamed returns the element type of the name in a header.
func dtypeNamed(name string) (*dtype, error) {
	names := make([]string, len(dtypes))
	for i, dt := range dtypes {
		if dt.name == name {
			return dt, nil
		}
		names[i] = dt.name
	}
	return nil, fmt.Errorf("dtype %q is not supported, want one of %s", name, strings.Join(names, " "))
}
