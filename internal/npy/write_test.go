package npy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// written writes an array and reads it.
func written[T Number](t *testing.T, shape []int, data []T) Array {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.npy")
	if err := Write(path, shape, data); err != nil {
		t.Fatal(err)
	}
	a, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if start := 10 + int(b[8]) + int(b[9])<<8; err != nil || start%align != 0 || b[start-1] != '\n' {
		t.Errorf("want the elements at a multiple of %d, behind a line end, got them at %d, %v", align, start, err)
	}
	return a
}

func TestWrite(t *testing.T) {
	want := []float64{1, -2, 3, 4, 5, -6}
	for name, a := range map[string]Array{
		"float32": written(t, []int{2, 3}, []float32{1, -2, 3, 4, 5, -6}),
		"float64": written(t, []int{2, 3}, want),
		"int32":   written(t, []int{2, 3}, []int32{1, -2, 3, 4, 5, -6}),
		"int64":   written(t, []int{2, 3}, []int64{1, -2, 3, 4, 5, -6}),
	} {
		if !slices.Equal(a.Shape, []int{2, 3}) || !slices.Equal(a.Data, want) {
			t.Errorf("%s: got %v, want %v of shape [2 3]", name, a, want)
		}
	}
	for _, shape := range [][]int{{}, {1}, {1, 1, 1}, {1, 0, 2}} {
		data := []float32{7}
		if slices.Contains(shape, 0) {
			data = nil
		}
		if a := written(t, shape, data); !slices.Equal(a.Shape, shape) || len(a.Data) != len(data) {
			t.Errorf("shape %v: got %v", shape, a)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	if err := Write(path, []int{2, 2}, []int32{1, 2, 3}); err == nil || !strings.Contains(err.Error(), "want 4 elements for shape [2 2], got 3") {
		t.Errorf("too few elements: error %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("want no file of an array that is refused")
	}
	if err := Write(filepath.Join(path, "none", "x.npy"), []int{1}, []int32{1}); err == nil || !strings.HasPrefix(err.Error(), "npy: ") {
		t.Errorf("no such folder: error %v", err)
	}
}
