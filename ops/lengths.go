package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"
)

// checkLengths returns an error unless lengths is nil or an integer node (B).
func checkLengths(op string, lengths *G.Node, b int) error {
	if lengths == nil {
		return nil
	}
	if err := checkInts(op, "lengths", lengths, "(B)"); err != nil {
		return err
	}
	return checkShape(op, "lengths", lengths, lengths.Dtype(), b)
}

// validLengths returns an error that names the first row whose length is not in
// [0, l].
func validLengths(lengths []int, l int) error {
	for b, n := range lengths {
		if n < 0 || n > l {
			return fmt.Errorf("lengths[%d]: want a length in [0, %d], got %d", b, l, n)
		}
	}
	return nil
}

// length returns how many steps of row b count: all l without lengths.
func length(lengths []int, b, l int) int {
	if lengths == nil {
		return l
	}
	return lengths[b]
}
