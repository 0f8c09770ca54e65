package safetensors

import (
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"
)

func TestDenseRoundTrip(t *testing.T) {
	for _, backing := range []any{[]float32{1, 2, 3, 4, 5, 6}, []float64{1, 2, 3, 4, 5, 6}, []int64{1, 2, 3, 4, 5, 6}} {
		src := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking(backing))
		x, err := FromDense("x", src)
		if err != nil {
			t.Fatal(err)
		}
		dst := tensor.New(tensor.WithShape(2, 3), tensor.Of(src.Dtype()))
		if err := x.CopyTo(dst); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x.Shape, []int{2, 3}) || !dst.Eq(src) {
			t.Errorf("%T: got %v of shape %v", backing, dst.Data(), x.Shape)
		}
	}
}

func TestDenseErrors(t *testing.T) {
	f64 := func(shape ...int) *tensor.Dense {
		return tensor.New(tensor.WithShape(shape...), tensor.Of(tensor.Float64))
	}
	x := Tensor{Name: "x", Shape: []int{2, 3}, Data: make([]float32, 6)}
	transposed := tensor.New(tensor.WithShape(3, 2), tensor.Of(tensor.Float32))
	if err := transposed.T(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dst  *tensor.Dense
		want string
	}{
		{f64(3, 2), "want shape (3, 2), got (2, 3)"},
		{f64(2, 3), "want elements of type float64, got []float32"},
		{transposed, "want a contiguous row-major tensor to copy to"},
	} {
		if err := x.CopyTo(c.dst); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("CopyTo %v %v: got error %v, want %q", c.dst.Dtype(), c.dst.Shape(), err, c.want)
		}
	}
	if _, err := FromDense("x", transposed); err == nil {
		t.Error("FromDense of a view: no error")
	}
	if _, err := FromDense("x", tensor.New(tensor.WithShape(2), tensor.WithBacking([]string{"a", "b"}))); err == nil {
		t.Error("FromDense of strings: no error")
	}
}
