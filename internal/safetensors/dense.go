package safetensors

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"
)

// FromDense returns t under a name, sharing its elements. t is contiguous and
// row-major, of a type that Tensor.Data can hold.
func FromDense(name string, t *tensor.Dense) (Tensor, error) {
	if t.RequiresIterator() || t.DataOrder().IsColMajor() {
		return Tensor{}, fmt.Errorf("safetensors: tensor %q: want a contiguous row-major tensor, got strides %v of shape %v", name, t.Strides(), t.Shape())
	}
	out := Tensor{Name: name, Shape: slices.Clone(t.Shape()), Data: t.Data()}
	if _, _, err := dtypeOf(out.Data); err != nil {
		return Tensor{}, fmt.Errorf("safetensors: tensor %q: %w", name, err)
	}
	return out, nil
}

// CopyTo copies the elements into dst, which has the tensor's shape and type.
func (t Tensor) CopyTo(dst *tensor.Dense) error {
	if !slices.Equal(t.Shape, dst.Shape()) {
		return fmt.Errorf("safetensors: tensor %q: want shape %v, got %v", t.Name, dst.Shape(), tensor.Shape(t.Shape))
	}
	if dst.RequiresIterator() || dst.DataOrder().IsColMajor() {
		return fmt.Errorf("safetensors: tensor %q: want a contiguous row-major tensor to copy to, got strides %v of shape %v", t.Name, dst.Strides(), dst.Shape())
	}
	ok := false
	switch d := dst.Data().(type) {
	case []float32:
		ok = copyTo(d, t.Data)
	case []float64:
		ok = copyTo(d, t.Data)
	case []int64:
		ok = copyTo(d, t.Data)
	}
	if !ok {
		return fmt.Errorf("safetensors: tensor %q: want elements of type %v, got %T", t.Name, dst.Dtype(), t.Data)
	}
	return nil
}

func copyTo[T any](dst []T, src any) bool {
	s, ok := src.([]T)
	if ok {
		copy(dst, s)
	}
	return ok && len(s) == len(dst)
}
