package train

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/task"
)

// carry is the states that a model carries from batch to batch: those of the
// rows of one micro-batch. A batch reads now and leaves next, which becomes now
// only when the step is done: a step that fails leaves the states as they were.
type carry struct {
	now, next map[string]task.Array
}

func newCarry() *carry {
	return &carry{make(map[string]task.Array), make(map[string]task.Array)}
}

// checkRows reports data that are streams, as a task.Streams is, where the batches of a
// graph that carries states do not have a row for each, or where ranks would have some that
// only fill: a row would go on from the state of another stream.
func (s *session) checkRows(ds task.Dataset, rows, ranks int) error {
	of, ok := ds.(interface{ Rows() int })
	if len(s.states) == 0 || !ok {
		return nil
	}
	const carries = "the graph carries the state %q from batch to batch: want a batch of %d "
	switch n := of.Rows(); {
	case n != rows:
		return fmt.Errorf(carries+"rows, one for each stream of the data, got %d", s.states[0].Name, n, rows)
	case n%max(1, ranks) != 0:
		return fmt.Errorf(carries+"streams on ranks that divide it, got %d", s.states[0].Name, n, ranks)
	}
	return nil
}

// reset makes the states zero.
func (c *carry) reset() { clear(c.now) }

// commit makes the states those behind the last batch.
func (c *carry) commit() { c.now, c.next = c.next, c.now }

// give copies the states into the tensors of a graph.
func (c *carry) give(states []carried) error {
	for _, st := range states {
		a, ok := c.now[st.Name]
		if !ok {
			st.in.Zero()
			continue
		}
		in, err := arrayOf(st.in, nil)
		if err == nil && (a.Dtype() != in.Dtype() || !a.Shape.Eq(in.Shape)) {
			err = fmt.Errorf("want it to be %v, as the batch before has left it, got %v", a, in)
		}
		if err != nil {
			return fmt.Errorf("state %q: %w", st.Name, err)
		}
		copyArray(in, a)
	}
	return nil
}

// take keeps copies of the states behind a batch.
func (c *carry) take(states []carried) error {
	for i := range states {
		st := &states[i]
		a, err := arrayOf(st.out, &st.ordered)
		if err != nil {
			return fmt.Errorf("state %q: %w", st.Name, err)
		}
		c.next[st.Name] = cloneArray(c.next[st.Name], a)
	}
	return nil
}

// stateTensor begins the name of a state in a checkpoint: the number of the
// micro-batch and the name of the state follow.
const stateTensor = runTensor + "state."

// tensors returns the states for a checkpoint, those of micro-batch part.
func (c *carry) tensors(part int) []safetensors.Tensor {
	var ts []safetensors.Tensor
	for _, name := range slices.Sorted(maps.Keys(c.now)) {
		a := c.now[name]
		t := safetensors.Tensor{Name: fmt.Sprintf("%s%d.%s", stateTensor, part, name), Shape: slices.Clone(a.Shape)}
		switch {
		case a.Float32s != nil:
			t.Data = a.Float32s
		case a.Float64s != nil:
			t.Data = a.Float64s
		default:
			wide := make([]int64, len(a.Ints))
			for i, v := range a.Ints {
				wide[i] = int64(v)
			}
			t.Data = wide
		}
		ts = append(ts, t)
	}
	return ts
}

// readCarries returns the states of a checkpoint, for so many micro-batches.
func readCarries(ts []safetensors.Tensor, parts int) ([]*carry, error) {
	cs := make([]*carry, parts)
	for i := range cs {
		cs[i] = newCarry()
	}
	for _, t := range ts {
		number, name, _ := strings.Cut(strings.TrimPrefix(t.Name, stateTensor), ".")
		part, err := strconv.Atoi(number)
		if err != nil || part < 0 || part >= parts {
			return nil, fmt.Errorf("want states of %d micro-batches, got tensor %q", parts, t.Name)
		}
		if err := weights.CheckFinite(t); err != nil {
			return nil, err
		}
		a := task.Array{Shape: slices.Clone(t.Shape)}
		switch d := t.Data.(type) {
		case []float32:
			a.Float32s = slices.Clone(d)
		case []float64:
			a.Float64s = slices.Clone(d)
		case []int64:
			for _, v := range d {
				a.Ints = append(a.Ints, int(v))
			}
		default:
			return nil, fmt.Errorf("%s: want float32, float64 or int64, got %T", t.Name, t.Data)
		}
		cs[part].now[name] = a
	}
	return cs, nil
}

// arrayOf returns the elements of a value, in place if they lie in row-major
// order; ordered is room for a copy if not, and may be nil where they do.
func arrayOf(v G.Value, ordered *task.Array) (task.Array, error) {
	if v == nil {
		return task.Array{}, fmt.Errorf("want a value, got none")
	}
	a := task.Array{Shape: v.Shape()}
	if d, ok := v.(*tensor.Dense); ok && d.Dtype() == tensor.Int && !d.RequiresIterator() && !d.DataOrder().IsColMajor() {
		a.Ints = d.Ints()
		return a, nil
	}
	if floatArray[float32](&a, v, ordered) || floatArray[float64](&a, v, ordered) {
		return a, nil
	}
	return a, fmt.Errorf("want float32, float64 or row-major int, got %v of shape %v", v.Dtype(), v.Shape())
}

// floatArray sets the numbers of an array if they are of type T.
func floatArray[T num.Float](a *task.Array, v G.Value, ordered *task.Array) bool {
	s, ok := weights.Memory[T](v)
	if !ok && ordered != nil {
		if s, _, ok = weights.Unordered(floatsOf[T](*ordered)[:0], v); ok {
			setFloats(ordered, s)
		}
	}
	if ok {
		setFloats(a, s)
	}
	return ok
}

// copyArray copies the numbers of an array of the same type and shape.
func copyArray(dst, src task.Array) {
	copy(dst.Ints, src.Ints)
	copy(dst.Float32s, src.Float32s)
	copy(dst.Float64s, src.Float64s)
}

// cloneArray returns a copy of src in the memory of dst.
func cloneArray(dst, src task.Array) task.Array {
	return task.Array{
		Shape:    append(dst.Shape[:0], src.Shape...),
		Ints:     append(dst.Ints[:0], src.Ints...),
		Float32s: append(dst.Float32s[:0], src.Float32s...),
		Float64s: append(dst.Float64s[:0], src.Float64s...),
	}
}
