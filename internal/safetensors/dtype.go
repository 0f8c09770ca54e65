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
	// of the Go type of this element type.
	length func(data any) (int, bool)
	// read reads n elements. buf is scratch whose length is a multiple of size.
	read func(r io.Reader, buf []byte, n int) (any, error)
	// write writes data, which length accepts.
	write func(w io.Writer, buf []byte, data any) error
}

// dtypes are the supported element types.
var dtypes = []*dtype{
	newDtype("F32", 4,
		func(b []byte) (float32, bool) { return math.Float32frombits(binary.LittleEndian.Uint32(b)), true },
		func(b []byte, v float32) { binary.LittleEndian.PutUint32(b, math.Float32bits(v)) }),
	newDtype("F64", 8,
		func(b []byte) (float64, bool) { return math.Float64frombits(binary.LittleEndian.Uint64(b)), true },
		func(b []byte, v float64) { binary.LittleEndian.PutUint64(b, math.Float64bits(v)) }),
	newDtype("I64", 8,
		func(b []byte) (int64, bool) { return int64(binary.LittleEndian.Uint64(b)), true },
		func(b []byte, v int64) { binary.LittleEndian.PutUint64(b, uint64(v)) }),
	newDtype("I32", 4,
		func(b []byte) (int32, bool) { return int32(binary.LittleEndian.Uint32(b)), true },
		func(b []byte, v int32) { binary.LittleEndian.PutUint32(b, uint32(v)) }),
	newDtype("U8", 1,
		func(b []byte) (uint8, bool) { return b[0], true },
		func(b []byte, v uint8) { b[0] = v }),
	newDtype("BOOL", 1,
		func(b []byte) (bool, bool) { return b[0] == 1, b[0] <= 1 },
		func(b []byte, v bool) {
			b[0] = 0
			if v {
				b[0] = 1
			}
		}),
}

// newDtype makes the dtype of []T from how one element is decoded (with
// whether the bytes are an element at all) and encoded.
func newDtype[T any](name string, size int, get func([]byte) (T, bool), put func([]byte, T)) *dtype {
	return &dtype{
		name: name,
		size: size,
		length: func(data any) (int, bool) {
			s, ok := data.([]T)
			return len(s), ok
		},
		read: func(r io.Reader, buf []byte, n int) (any, error) {
			s := make([]T, n)
			for done := 0; done < n; {
				b := buf[:min(len(buf), (n-done)*size)]
				if _, err := io.ReadFull(r, b); err != nil {
					return nil, err
				}
				for ; len(b) > 0; b = b[size:] {
					v, ok := get(b)
					if !ok {
						return nil, fmt.Errorf("element %d: % x is not a %s", done, b[:size], name)
					}
					s[done] = v
					done++
				}
			}
			return s, nil
		},
		write: func(w io.Writer, buf []byte, data any) error {
			s := data.([]T)
			for len(s) > 0 {
				n := min(len(s), len(buf)/size)
				for i, v := range s[:n] {
					put(buf[i*size:], v)
				}
				if _, err := w.Write(buf[:n*size]); err != nil {
					return err
				}
				s = s[n:]
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
