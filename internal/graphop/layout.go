package graphop

import "gorgonia.org/tensor"

// rowMajor reports whether the elements of t lie in memory one after the other
// in the order of their indices.
func rowMajor(t *tensor.Dense) bool {
	if t.IsMasked() {
		return false
	}
	shape, strides := t.Shape(), t.Strides()
	if len(strides) != len(shape) { // scalars, and vectors with one stride
		return !t.RequiresIterator()
	}
	next := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] != 1 && strides[i] != next {
			return false
		}
		next *= shape[i]
	}
	return true
}

// EachRow calls f for every row, along the last axis, of an array of the given
// shape and strides, in row-major order: the row has n elements, which lie at
// from, from+stride, ... in memory and at to, to+1, ... in row-major order.
func EachRow(shape tensor.Shape, strides []int, f func(to, from, stride, n int)) {
	last := len(shape) - 1
	n, stride := shape[last], strides[last]
	index := make([]int, last)
	from := 0
	for to := 0; ; to += n {
		f(to, from, stride, n)
		axis := last - 1
		for ; axis >= 0; axis-- {
			index[axis]++
			from += strides[axis]
			if index[axis] < shape[axis] {
				break
			}
			from -= index[axis] * strides[axis]
			index[axis] = 0
		}
		if axis < 0 {
			return
		}
	}
}
