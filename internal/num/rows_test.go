package num_test

import (
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

func TestCopyRows(t *testing.T) {
	src := []int{0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121} // (2, 3, 2)
	dst := make([]int, 2*5*2)
	num.CopyRows(dst, 5, 1, src, 3, []int{1, 2, 0, 0}, 2)
	if want := []int{0, 0, 10, 11, 20, 21, 0, 1, 0, 1, 0, 0, 110, 111, 120, 121, 100, 101, 100, 101}; !slices.Equal(dst, want) {
		t.Errorf("want %v, got %v", want, dst)
	}
}

func TestGrowRows(t *testing.T) {
	s := num.GrowRows[float32](nil, 40)
	if len(s) != 40 {
		t.Fatalf("want 40 elements, got %d", len(s))
	}
	if more := num.GrowRows(s, 41); len(more) != 41 || cap(more) != 60 {
		t.Errorf("want 41 elements and room for 60, got %d and %d", len(more), cap(more))
	}
	if less := num.GrowRows(s, 3); len(less) != 3 || &less[0] != &s[0] {
		t.Error("memory that is large enough is not used again")
	}
}
