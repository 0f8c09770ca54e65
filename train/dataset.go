package train

import "fmt"

// Example is one labelled sequence of a [Dataset]: token ids or features,
// never both.
type Example struct {
	// Tokens holds the L token ids of a symbolic sequence.
	Tokens []int
	// Features holds the L steps of a real-valued sequence, row-major (L, F).
	Features []float32
	// Label is the class of the whole sequence, or ops.IgnoreLabel.
	Label int
	// Labels holds one class per position (L); nil if the sequence has one
	// label. A position labelled ops.IgnoreLabel counts neither in the
	// loss nor in the accuracy.
	Labels []int
}

// Dataset is a finite, indexable set of examples. Its methods are called from
// several goroutines at once, and what Example returns is read only, so a
// dataset may hand out slices of its own memory.
type Dataset interface {
	// Len returns the number of examples.
	Len() int
	// Length returns the sequence length L of example i, 0 <= i < Len, without
	// decoding it: the loader groups sequences by length.
	Length(i int) int
	// Example returns example i, 0 <= i < Len.
	Example(i int) (Example, error)
}

// Located is a Dataset that knows where its examples are from. Errors about an
// example say so.
type Located interface {
	Dataset
	// Origin returns where example i, 0 <= i < Len, is from, such as
	// "basic_train.tsv:7"; "" means that there is no such place.
	Origin(i int) string
}

// Described is a Dataset that can say how its examples were chosen. Resume
// names what differs between the data of a checkpoint and its own.
type Described interface {
	Dataset
	// Describe returns the choices by name, such as "min-length": "500".
	Describe() map[string]string
}

// exampleName names example i of a data set, for errors.
func exampleName(ds Dataset, i int) string {
	if l, ok := ds.(Located); ok {
		if origin := l.Origin(i); origin != "" {
			return fmt.Sprintf("example %d (%s)", i, origin)
		}
	}
	return fmt.Sprintf("example %d", i)
}
