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
