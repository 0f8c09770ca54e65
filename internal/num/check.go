package num

import "fmt"

// Finite reports whether x is neither NaN nor infinite.
func Finite[T Float](x T) bool { return x-x == 0 }

// CheckLen returns an error that names v unless it has the wanted number of
// elements or, where it is optional, is nil.
func CheckLen[T Float](name string, v []T, want int, optional bool) error {
	if len(v) != want && (v != nil || !optional) {
		return fmt.Errorf("%s: want %d elements, got %d", name, want, len(v))
	}
	return nil
}
