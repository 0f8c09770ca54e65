package option

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
)

// Strings declares an option that takes a list of words; what v holds is its
// default. Items are separated by commas, blanks around them do not matter, and
// "" is the empty list.
func Strings(fs *flag.FlagSet, name string, v *[]string, usage string) {
	fs.Var(&list[string]{v, func(s string) (string, error) { return s, nil }}, name, usage)
}

// Ints is Strings for whole numbers.
func Ints(fs *flag.FlagSet, name string, v *[]int, usage string) {
	fs.Var(&list[int]{v, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 0, fmt.Errorf("want whole numbers, got %q", s)
		}
		return n, nil
	}}, name, usage)
}

// Floats is Strings for real numbers.
func Floats(fs *flag.FlagSet, name string, v *[]float64, usage string) {
	fs.Var(&list[float64]{v, func(s string) (float64, error) {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || x-x != 0 {
			return 0, fmt.Errorf("want finite numbers, got %q", s)
		}
		return x, nil
	}}, name, usage)
}

// list is the flag.Value of Strings, Ints and Floats.
type list[T any] struct {
	v     *[]T
	parse func(string) (T, error)
}

func (l *list[T]) String() string {
	if l.v == nil {
		return ""
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*l.v), " ", ","), "[]")
}

func (l *list[T]) Set(s string) error {
	*l.v = nil
	if strings.TrimSpace(s) == "" {
		return nil
	}
	for _, item := range strings.Split(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			return fmt.Errorf("want items separated by commas, got an empty one")
		}
		x, err := l.parse(item)
		if err != nil {
			return err
		}
		*l.v = append(*l.v, x)
	}
	return nil
}
