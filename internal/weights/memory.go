// Package weights gets at the numbers inside a model's Gorgonia values: as
// slices in place, and as tensors of a safetensors file.
package weights

import (
	"unsafe"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Memory returns the elements of v, in row-major order, in place: to be read or
// written. ok is false if v is not of type T or its elements do not lie in that
// order.
func Memory[T num.Float](v G.Value) (s []T, ok bool) {
	switch v := v.(type) {
	case *tensor.Dense:
		if v == nil || v.RequiresIterator() || v.DataOrder().IsColMajor() {
			return nil, false
		}
		return raw[T](v)
	case *G.F32:
		s, ok = any(unsafe.Slice((*float32)(v), 1)).([]T)
	case *G.F64:
		s, ok = any(unsafe.Slice((*float64)(v), 1)).([]T)
	}
	return s, ok
}

// Share returns another tensor of the same memory: what is written to one is read
// from the other. (Making a virtual machine writes to every tensor of its graph,
// though not to their elements, and running some does; so two graphs that are to
// run at the same time cannot have one.) A tensor that is not contiguous and
// row-major is returned itself.
func Share(t *tensor.Dense) *tensor.Dense {
	if t.IsScalar() || t.RequiresIterator() || t.DataOrder().IsColMajor() {
		return t
	}
	return tensor.New(tensor.WithShape(t.Shape()...), tensor.WithBacking(t.Data()))
}

// Same reports whether two values are one array in memory.
func Same(a, b G.Value) bool {
	return a != nil && b != nil && a.Dtype() == b.Dtype() && a.Uintptr() == b.Uintptr() && a.MemSize() == b.MemSize()
}

// Unordered returns the elements of a tensor in place, in whatever order they
// lie, and appends them to dst in row-major order. ok is false if v is not a
// tensor of type T, or a view of a part of one.
func Unordered[T num.Float](dst []T, v G.Value) (ordered, memory []T, ok bool) {
	d, isDense := v.(*tensor.Dense)
	if !isDense {
		return dst, nil, false
	}
	memory, ok = raw[T](d)
	if !ok || len(memory) != d.Shape().TotalSize() {
		return dst, nil, false
	}
	return gather(dst, memory, d.Shape(), d.Strides()), memory, true
}

// raw returns the memory behind a tensor, whatever its layout.
func raw[T num.Float](t *tensor.Dense) (s []T, ok bool) {
	switch t.Dtype() {
	case tensor.Float32:
		s, ok = any(t.Float32s()).([]T)
	case tensor.Float64:
		s, ok = any(t.Float64s()).([]T)
	}
	return s, ok
}

// gather appends a strided array to dst in row-major order.
func gather[T num.Float](dst, src []T, shape, strides []int) []T {
	if len(shape) == 0 {
		return append(dst, src[0])
	}
	for i := range shape[0] {
		dst = gather(dst, src[i*strides[0]:], shape[1:], strides[1:])
	}
	return dst
}

// Zero sets the elements of a float value to zero.
func Zero(v G.Value) {
	switch v := v.(type) {
	case *tensor.Dense:
		v.Zero()
	case *G.F32:
		*v = 0
	case *G.F64:
		*v = 0
	}
}
