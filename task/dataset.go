package task

import "fmt"

// Dataset is a finite, indexable set of examples. Its methods are called from
// several goroutines at once.
type Dataset interface {
	// Fields declares what an example consists of. It returns the same at every
	// call.
	Fields() []Field
	// Len returns the number of examples.
	Len() int
	// Length returns the number of steps L of example i, 0 <= i < Len, without
	// decoding it: the loader groups examples by length. Without fields of one
	// number for each step it is 1.
	Length(i int) int
	// Example puts all fields of example i, 0 <= i < Len, into a row of a batch.
	// The error is that of reading it: what does not fit the declaration is
	// reported by who reads the row.
	Example(i int, row *Row) error
}

// Located is a Dataset that knows where its examples are from. Errors about an
// example say so.
type Located interface {
	Dataset
	// Origin returns where example i, 0 <= i < Len, is from, such as
	// "basic_train.tsv:7"; "" means that there is no such place.
	Origin(i int) string
}

// Described is a Dataset that can say how its examples were chosen. Resuming a
// run names what differs between the data of a checkpoint and its own.
type Described interface {
	Dataset
	// Describe returns the choices by name, such as "min-length": "500".
	Describe() map[string]string
}

// ExampleName names example i of a data set, for errors: "example 5
// (basic_train.tsv:7)".
func ExampleName(ds Dataset, i int) string {
	if l, ok := ds.(Located); ok {
		if origin := l.Origin(i); origin != "" {
			return fmt.Sprintf("example %d (%s)", i, origin)
		}
	}
	return fmt.Sprintf("example %d", i)
}
