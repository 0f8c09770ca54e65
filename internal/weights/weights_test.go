package weights

import (
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/safetensors"
)

func dense[T any](data []T, shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
}

func TestMemoryIsInPlace(t *testing.T) {
	d := dense([]float64{1, 2, 3, 4}, 2, 2)
	scalar := tensor.New(tensor.FromScalar(5.0))
	f32, f64 := G.NewF32(6), G.NewF64(7)
	for _, c := range []struct {
		v    G.Value
		want float64
		read func() float64
	}{
		{d, 1, func() float64 { return d.Data().([]float64)[0] }},
		{scalar, 5, func() float64 { return scalar.Data().(float64) }},
		{f64, 7, func() float64 { return float64(*f64) }},
	} {
		s, ok := Memory[float64](c.v)
		if !ok || s[0] != c.want {
			t.Fatalf("%v: got %v, %v", c.v, s, ok)
		}
		s[0] = -1
		if got := c.read(); got != -1 {
			t.Errorf("%T: the value is %v after a write to its memory", c.v, got)
		}
		if _, ok := Memory[float32](c.v); ok {
			t.Errorf("%T: float64 taken for float32", c.v)
		}
	}
	if s, ok := Memory[float32](f32); !ok || s[0] != 6 {
		t.Errorf("F32: got %v, %v", s, ok)
	}
	if _, ok := Memory[float64](dense([]int{1}, 1)); ok {
		t.Error("int taken for float64")
	}
}

func TestUnordered(t *testing.T) {
	d := dense([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err := d.T(); err != nil {
		t.Fatal(err)
	}
	if _, ok := Memory[float32](d); ok {
		t.Error("a transposed tensor was taken for a row-major one")
	}
	ordered, memory, ok := Unordered[float32](nil, d)
	if !ok || !slices.Equal(ordered, []float32{1, 4, 2, 5, 3, 6}) {
		t.Errorf("got %v, %v", ordered, ok)
	}
	memory[5] = 7
	if v, err := d.At(2, 1); err != nil || v != float32(7) {
		t.Errorf("element (2, 1) is %v (%v) after a write to the memory", v, err)
	}
	part, err := dense([]float32{1, 2, 3, 4, 5, 6}, 2, 3).Slice(nil, tensor.S(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := Unordered[float32](nil, part); ok {
		t.Error("a view of columns was taken for a whole tensor")
	}
}

func TestLoadReturnsWhatTensorsGave(t *testing.T) {
	model := func(scale int) []Var {
		return []Var{
			{"w", dense([]float32{1, float32(scale), 3, 4, 5, 6}, 2, 3)},
			{"v", dense([]float64{float64(scale), 8}, 2)},
			{"s", G.NewF64(float64(scale))},
			{"rng", dense([]int64{int64(scale), 10}, 2)},
			{"count", dense([]int{11, scale, 13}, 3)},
		}
	}
	from, to := model(5), model(0)
	ts, err := Tensors(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := Load(ts, to); err != nil {
		t.Fatal(err)
	}
	for i := range from {
		if got, want := to[i].Value.Data(), from[i].Value.Data(); !equal(got, want) {
			t.Errorf("%s: got %v, want %v", from[i].Name, got, want)
		}
	}
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case []float32:
		return slices.Equal(a, b.([]float32))
	case []float64:
		return slices.Equal(a, b.([]float64))
	case []int64:
		return slices.Equal(a, b.([]int64))
	case []int:
		return slices.Equal(a, b.([]int))
	}
	return a == b
}

func TestLoadNamesWhatDiffers(t *testing.T) {
	vars := []Var{
		{"a", dense([]float32{1, 2}, 2)},
		{"b", dense([]float32{1, 2}, 2)},
		{"c", dense([]float32{1, 2}, 2)},
		{"d", dense([]float32{1, 2}, 2)},
	}
	err := Load([]safetensors.Tensor{
		{Name: "a", Shape: []int{2}, Data: []float32{8, 9}},
		{Name: "b", Shape: []int{2}, Data: []int64{8, 9}},
		{Name: "c", Shape: []int{1, 2}, Data: []float32{8, 9}},
		{Name: "e", Shape: []int{1}, Data: []float32{8}},
	}, vars)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"b: want float32, got int64", "c: want shape (2), got (1, 2)", "d is missing", "e is not in the model",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if got := vars[0].Value.Data().([]float32); !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("a was changed to %v although the load failed", got)
	}
}

// Weights of one float type load into a model of another, and integers into
// integers; what the model's type does not hold is an error that leaves the
// model as it was.
func TestLoadConverts(t *testing.T) {
	third := 1. / 3
	for name, c := range map[string]struct {
		from any
		to   *tensor.Dense
		want any // or the error
	}{
		"float64 to float32":  {[]float64{third, -1e-50}, dense([]float32{7, 7}, 2), []float32{float32(third), float32(math.Copysign(0, -1))}},
		"float32 to float64":  {[]float32{1. / 3, 5e-45}, dense([]float64{7, 7}, 2), []float64{float64(float32(1. / 3)), float64(float32(5e-45))}},
		"the largest float32": {[]float64{math.MaxFloat32, -math.MaxFloat32}, dense([]float32{7, 7}, 2), []float32{math.MaxFloat32, -math.MaxFloat32}},
		"rounded down to it":  {[]float64{math.MaxFloat32 * (1 + 1e-9), 0}, dense([]float32{7, 7}, 2), []float32{math.MaxFloat32, 0}},
		"overflow":            {[]float64{1, -1e39}, dense([]float32{7, 7}, 2), "x: element 1: -1e+39 overflows float32, want at most 3.4028234663852886e+38"},
		"NaN":                 {[]float64{math.NaN(), 1}, dense([]float32{7, 7}, 2), "x: element 0: want a finite number, got NaN"},
		"infinity":            {[]float32{1, float32(math.Inf(1))}, dense([]float64{7, 7}, 2), "x: element 1: want a finite number, got +Inf"},
		"int32 to int64":      {[]int32{math.MinInt32, 3}, dense([]int64{7, 7}, 2), []int64{math.MinInt32, 3}},
		"int32 to int":        {[]int32{math.MaxInt32, 3}, dense([]int{7, 7}, 2), []int{math.MaxInt32, 3}},
		"int64 to float32":    {[]int64{1, 2}, dense([]float32{7, 7}, 2), "the tensors are not those of the model: x: want float32, got int64"},
		"float32 to int64":    {[]float32{1, 2}, dense([]int64{7, 7}, 2), "the tensors are not those of the model: x: want int64, got float32"},
		"bytes to float32":    {[]uint8{1, 2}, dense([]float32{7, 7}, 2), "the tensors are not those of the model: x: want float32, got uint8"},
	} {
		other := dense([]float32{5}, 1)
		before := c.to.Clone().(*tensor.Dense)
		err := Load([]safetensors.Tensor{{Name: "other", Shape: []int{1}, Data: []float32{6}}, {Name: "x", Shape: []int{2}, Data: c.from}},
			[]Var{{"other", other}, {"x", c.to}})
		if want, bad := c.want.(string); bad {
			if err == nil || err.Error() != want || !equal(c.to.Data(), before.Data()) || other.Float32s()[0] != 5 {
				t.Errorf("%s: got %v, error %v, want %q", name, c.to.Data(), err, want)
			}
		} else if err != nil || !equal(c.to.Data(), c.want) {
			t.Errorf("%s: got %v, error %v, want %v", name, c.to.Data(), err, c.want)
		}
	}
}

func TestTensorsRejects(t *testing.T) {
	for want, v := range map[string]G.Value{
		"want a value, got none": nil,
		"got bool of shape (1)":  dense([]bool{true}, 1),
	} {
		if _, err := Tensors([]Var{{"x", v}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got error %v, want one with %q", v, err, want)
		}
	}
}

func TestLoadRefusesWhatIsNoParameter(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name string
		data any
		want string
	}{
		{"w", []float64{1, nan}, "w: element 1: want a finite number, got NaN"},
		{"w", []float32{float32(inf), 1}, "w: element 0: want a finite number, got +Inf"},
		{"w", []float64{1, -inf}, "w: element 1: want a finite number, got -Inf"},
		{"w", []float64{-math.MaxFloat64, math.MaxFloat64}, ""},
		{"w", []int64{-1, 1}, ""},
		{"norm.running_var", []float64{0, -1e-300}, "norm.running_var: element 1: want a finite number >= 0, got -1e-300"},
		{"norm.running_var", []float64{inf, 1}, "norm.running_var: element 0: want a finite number >= 0, got +Inf"},
		{"norm.running_var", []float64{0, 1}, ""},
		{"norm.running_mean", []float64{-1, 1}, ""},
	} {
		var to *tensor.Dense
		switch c.data.(type) {
		case []float32:
			to = dense([]float32{7, 7}, 2)
		case []float64:
			to = dense([]float64{7, 7}, 2)
		case []int64:
			to = dense([]int64{7, 7}, 2)
		}
		before := to.Clone().(*tensor.Dense)
		err := Load([]safetensors.Tensor{{Name: c.name, Shape: []int{2}, Data: c.data}}, []Var{{c.name, to}})
		switch {
		case c.want == "" && (err != nil || !equal(to.Data(), c.data)):
			t.Errorf("%s = %v: got %v, error %v", c.name, c.data, to.Data(), err)
		case c.want != "" && (err == nil || err.Error() != c.want || !equal(to.Data(), before.Data())):
			t.Errorf("%s = %v: got %v, error %v, want %q", c.name, c.data, to.Data(), err, c.want)
		}
	}
}
