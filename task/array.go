package task

import (
	"fmt"

	"gorgonia.org/tensor"
)

// Array is numbers of one type with a shape, row-major. One of the three slices
// holds them.
type Array struct {
	Shape    tensor.Shape
	Ints     []int
	Float32s []float32
	Float64s []float64
}

// Len returns the number of elements.
func (a Array) Len() int { return len(a.Ints) + len(a.Float32s) + len(a.Float64s) }

// At returns element i, in row-major order, as a float64.
func (a Array) At(i int) float64 {
	switch {
	case a.Float32s != nil:
		return float64(a.Float32s[i])
	case a.Float64s != nil:
		return a.Float64s[i]
	}
	return float64(a.Ints[i])
}

// Dtype returns the type of the elements.
func (a Array) Dtype() tensor.Dtype {
	switch {
	case a.Float32s != nil:
		return tensor.Float32
	case a.Float64s != nil:
		return tensor.Float64
	}
	return tensor.Int
}

// String returns "float32 of shape (2, 3)".
func (a Array) String() string { return fmt.Sprintf("%v of shape %v", a.Dtype(), a.Shape) }

// rows returns the rows [lo, hi) of an array whose first axis has n, in place.
// The memory of shape is used.
func (a Array) rows(lo, hi, n int, shape tensor.Shape) Array {
	w := a.Len() / n
	shape = append(append(shape[:0], hi-lo), a.Shape[1:]...)
	switch {
	case a.Float32s != nil:
		return Array{Shape: shape, Float32s: a.Float32s[lo*w : hi*w]}
	case a.Float64s != nil:
		return Array{Shape: shape, Float64s: a.Float64s[lo*w : hi*w]}
	}
	return Array{Shape: shape, Ints: a.Ints[lo*w : hi*w]}
}
