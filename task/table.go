package task

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/deepcopy"
)

// Table is a Dataset in memory: a column of values for each field.
type Table struct {
	fields  []Field
	columns []column
	rows    int
}

// Column is a field with its values for all examples.
type Column struct {
	field  Field
	values any
}

// column is a Column whose type is known.
type column struct {
	len  int
	size func(i int) int // numbers of example i
	put  func(i int, row *Row)
}

// Col returns a column. The values are a list with one entry for each example:
// [][]int, [][]float32 or [][]float64, the numbers of a step after those of the
// step before, or []int, []float32 or []float64 where each has one number.
func Col(f Field, values any) Column { return Column{f, values} }

// NewTable returns a data set of the columns, whose values it does not copy:
//
//	ds, err := task.NewTable(task.Col(task.Tokens("x", 0), tokens), task.Col(task.Label("target"), labels))
func NewTable(columns ...Column) (*Table, error) {
	t := &Table{}
	for _, c := range columns {
		col, err := c.typed()
		if err != nil {
			return nil, fmt.Errorf("task: Table: field %q: %w", c.field.Name, err)
		}
		if len(t.columns) == 0 {
			t.rows = col.len
		}
		if col.len != t.rows {
			return nil, fmt.Errorf("task: Table: field %q: want values of %d examples, as the first field has, got %d", c.field.Name, t.rows, col.len)
		}
		t.fields, t.columns = append(t.fields, c.field), append(t.columns, col)
	}
	if err := CheckFields(t.fields); err != nil {
		return nil, fmt.Errorf("task: Table: %w", err)
	}
	t.fields = deepcopy.Of(t.fields) // their shapes are the caller's
	return t, nil
}

// typed finds the type of the values.
func (c Column) typed() (column, error) {
	name := c.field.Name
	var col column
	dt := tensor.Float64
	switch v := c.values.(type) {
	case []int:
		dt, col = tensor.Int, single(v, func(x int, r *Row) { r.Ints(name, x) })
	case []float32:
		dt, col = tensor.Float32, single(v, func(x float32, r *Row) { r.Floats(name, x) })
	case []float64:
		col = single(v, func(x float64, r *Row) { r.Float64s(name, x) })
	case [][]int:
		dt, col = tensor.Int, several(v, func(x []int, r *Row) { r.Ints(name, x...) })
	case [][]float32:
		dt, col = tensor.Float32, several(v, func(x []float32, r *Row) { r.Floats(name, x...) })
	case [][]float64:
		col = several(v, func(x []float64, r *Row) { r.Float64s(name, x...) })
	default:
		return col, fmt.Errorf("want values of int, float32 or float64, one or a list for each example, got %T", c.values)
	}
	if dt != c.field.Dtype {
		return col, fmt.Errorf("want values of type %v, got %T", c.field.Dtype, c.values)
	}
	return col, nil
}

func single[T any](v []T, put func(T, *Row)) column {
	return column{len(v), func(int) int { return 1 }, func(i int, r *Row) { put(v[i], r) }}
}

func several[T any](v [][]T, put func([]T, *Row)) column {
	return column{len(v), func(i int) int { return len(v[i]) }, func(i int, r *Row) { put(v[i], r) }}
}

// Fields implements Dataset.
func (t *Table) Fields() []Field { return deepcopy.Of(t.fields) }

// Len implements Dataset.
func (t *Table) Len() int { return t.rows }

// Length implements Dataset: the steps of the longest field.
func (t *Table) Length(i int) int {
	n := 0
	steps := false
	for c, f := range t.fields {
		if f.PerStep {
			n, steps = max(n, t.columns[c].size(i)/f.width()), true
		}
	}
	if !steps {
		return 1
	}
	return n
}

// Example implements Dataset.
func (t *Table) Example(i int, row *Row) error {
	for _, c := range t.columns {
		c.put(i, row)
	}
	return nil
}

// Streams is a Dataset of one long sequence of tokens, cut into streams that run
// side by side and those into pieces of one length: example i is piece i/streams
// of stream i%streams. Batches of so many examples in their order carry a
// [State] on. The fields are [X] and [Target], the token that follows each.
type Streams struct {
	tokens          []int
	streams, length int
}

// NewStreams returns the pieces of tokens, which it does not copy. What does not
// fill a last piece of every stream is left out.
func NewStreams(tokens []int, streams, length int) (*Streams, error) {
	if streams < 1 || length < 1 {
		return nil, fmt.Errorf("task: Streams: want streams and length >= 1, got %d and %d", streams, length)
	}
	s := &Streams{tokens, streams, length}
	if s.pieces() == 0 {
		return nil, fmt.Errorf("task: Streams: want more than %d tokens, a piece of each stream, got %d", streams*length, len(tokens))
	}
	return s, nil
}

// pieces returns the number of pieces of a stream.
func (s *Streams) pieces() int { return (len(s.tokens) - 1) / s.streams / s.length }

// Fields implements Dataset.
func (s *Streams) Fields() []Field { return []Field{Tokens(X, 0), Labels(Target)} }

// Len implements Dataset.
func (s *Streams) Len() int { return s.pieces() * s.streams }

// Length implements Dataset.
func (s *Streams) Length(int) int { return s.length }

// Example implements Dataset.
func (s *Streams) Example(i int, row *Row) error {
	at := i%s.streams*s.pieces()*s.length + i/s.streams*s.length
	row.Ints(X, s.tokens[at:at+s.length]...)
	row.Ints(Target, s.tokens[at+1:at+1+s.length]...)
	return nil
}
