// Package size bounds what a configuration or an input may ask for: dimensions
// whose product overflows, or whose tensor no machine holds, are reported
// before any memory is asked for. A failed allocation cannot be recovered from.
package size

import (
	"fmt"
	"math"
	"strings"
)

const (
	// MaxElements is the largest number of elements of a tensor, and so of any
	// of its dimensions: 8 GiB of float32.
	MaxElements = math.MaxInt32
	// MaxLength is the largest number of steps of a sequence.
	MaxLength = 1 << 30
)

// Field returns an error that names the field of a configuration unless v is at
// most MaxElements. That it is not negative is for others to check, as where it
// stops short of 0 differs.
func Field(name string, v int) error {
	if v > MaxElements {
		return fmt.Errorf("want %s at most %d, got %d", name, MaxElements, v)
	}
	return nil
}

// Positive is Field for what is at least 1.
func Positive(name string, v int) error {
	if v < 1 {
		return fmt.Errorf("want %s >= 1, got %d", name, v)
	}
	return Field(name, v)
}

// Length returns an error that names a number of steps unless it is in
// [1, MaxLength].
func Length(name string, n int) error {
	if n < 1 || n > MaxLength {
		return fmt.Errorf("want %s in [1, %d], got %d", name, MaxLength, n)
	}
	return nil
}

// Tensor returns an error that names a tensor unless the product of its
// dimensions is at most MaxElements. A dimension may be given as factors. None
// is negative.
func Tensor(name string, dims ...int) error {
	var over bool
	n := 1
	for _, d := range dims {
		if d == 0 {
			return nil
		}
		over = over || n > MaxElements/d
		if !over {
			n *= d
		}
	}
	if !over {
		return nil
	}
	return fmt.Errorf("want at most %d elements in %s, got %s", MaxElements, name, product(dims))
}

// product writes "2 x 3 x 4".
func product(dims []int) string {
	s := make([]string, len(dims))
	for i, d := range dims {
		s[i] = fmt.Sprint(d)
	}
	return strings.Join(s, " x ")
}

// First returns the first error that is not nil: where a size is out of range by
// itself, the products that it is part of need no mention.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
