package graphop

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// WantLengths returns an error unless lengths, the numbers of steps that count of the
// rows of a batch of b, is nil or a node (b) of dtype int.
func WantLengths(lengths *G.Node, b int) error {
	if lengths == nil || lengths.Dtype() == tensor.Int && slices.Equal(lengths.Shape(), []int{b}) {
		return nil
	}
	return fmt.Errorf("want lengths (%d) of dtype int, got %v of dtype %v", b, lengths.Shape(), lengths.Dtype())
}

// ValidLengths returns an error that names the first row whose length is not in
// [0, l].
func ValidLengths(lengths []int, l int) error {
	for b, n := range lengths {
		if n < 0 || n > l {
			return fmt.Errorf("lengths[%d]: want a length in [0, %d], got %d", b, l, n)
		}
	}
	return nil
}

// Length returns how many steps of row b count: all l without lengths.
func Length(lengths []int, b, l int) int {
	if lengths == nil {
		return l
	}
	return lengths[b]
}
