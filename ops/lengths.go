package ops

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Option is an option of every op on sequences that takes options.
type Option func(*sequenceOptions)

type sequenceOptions struct{ lengths *G.Node }

// Lengths makes only the first lengths[b] steps of row b count: the others are
// not read, in x or in the gradient of the output, whatever they hold, come out
// as zero and get no gradient. lengths is (B), of dtype int; a length that is not
// in [0, L] is an error when the graph runs, and a row of length 0 is padding. nil
// is no option.
func Lengths(lengths *G.Node) Option { return func(o *sequenceOptions) { o.lengths = lengths } }

// readOptions returns the options of an op of batches of b.
func readOptions(op string, b int, opts []Option) (sequenceOptions, error) {
	var o sequenceOptions
	for _, f := range opts {
		f(&o)
	}
	return o, checkLengths(op, o.lengths, b)
}

// checkLengths returns an error that names the op unless lengths is nil or an integer
// node (b).
func checkLengths(op string, lengths *G.Node, b int) error {
	if err := graphop.WantLengths(lengths, b); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// lastInts returns the last input of an op if it is an integer one, else nil:
// lengths are the last input of every op that has them.
func lastInts[T num.Float](in []graphop.Arg[T]) []int { return in[len(in)-1].I }
