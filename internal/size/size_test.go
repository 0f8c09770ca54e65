package size_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/size"
)

func TestTensor(t *testing.T) {
	for _, c := range []struct {
		dims []int
		want string // "" if it is small enough
	}{
		{nil, ""},
		{[]int{size.MaxElements}, ""},
		{[]int{1 << 15, 1 << 15, 1}, ""},
		{[]int{math.MaxInt, 0}, ""},
		{[]int{0, math.MaxInt, math.MaxInt}, ""},
		{[]int{1 << 16, 1 << 15}, "got 65536 x 32768"},
		{[]int{math.MaxInt}, "got 9223372036854775807"},
		{[]int{1 << 62, 4}, "got 4611686018427387904 x 4"}, // 0 in 64 bits
		{[]int{4, 1 << 62}, "got 4 x 4611686018427387904"},
		{[]int{math.MaxInt, math.MaxInt, math.MaxInt}, " x "},
	} {
		err := size.Tensor("K (H, L)", c.dims...)
		if c.want == "" {
			if err != nil {
				t.Errorf("%v: %v", c.dims, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "want at most 2147483647 elements in K (H, L), got ") {
			t.Errorf("%v: got error %v, want %q in it", c.dims, err, c.want)
		}
	}
}

func TestFirst(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	if err := size.First(nil, a, b); err != a {
		t.Errorf("got %v, want a", err)
	}
	if err := size.First(nil, nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestFieldAndLength(t *testing.T) {
	for v, ok := range map[int]bool{math.MinInt: true, 0: true, size.MaxElements: true, size.MaxElements + 1: false, math.MaxInt: false} {
		if err := size.Field("DModel", v); (err == nil) != ok {
			t.Errorf("Field(%d): got error %v", v, err)
		}
	}
	for v, ok := range map[int]bool{math.MinInt: false, 0: false, 1: true, size.MaxElements: true, size.MaxElements + 1: false} {
		if err := size.Positive("DModel", v); (err == nil) != ok {
			t.Errorf("Positive(%d): got error %v", v, err)
		}
	}
	for v, ok := range map[int]bool{math.MinInt: false, 0: false, 1: true, size.MaxLength: true, size.MaxLength + 1: false, math.MaxInt: false} {
		if err := size.Length("L", v); (err == nil) != ok {
			t.Errorf("Length(%d): got error %v", v, err)
		}
	}
}
