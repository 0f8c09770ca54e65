package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/safetensors"
	"github.com/gorgonia-s4/s4/internal/size"
)

// State is what a layer or a model remembers of a sequence: named tensors in an
// order that belongs to the layer, each with the batch as its first axis. A state
// space layer has one, a stack those of its blocks, named by their place.
type State []StateTensor

// StateTensor is one tensor of a State.
type StateTensor struct {
	Name  string
	Value *tensor.Dense // (B, ...), of float32, float64 or int64, contiguous
	// Grows is the axis along which the tensor grows with the steps that the state
	// remembers, the latest last, as that of the keys of an attention; 0 for none.
	// How many of them count is for the layer to know: there may be others in front.
	Grows int
}

// StateShape is the name and shape of one tensor of a state. Zeros of that shape
// are the state at the start of a sequence.
type StateShape struct {
	Name  string
	Shape tensor.Shape // (B, ...)
	// Grows is the axis along which the tensor grows: see StateTensor. The shape has
	// length 1 there, and a tensor may have any other.
	Grows int
}

// fits says whether a tensor of a state may have a shape.
func (s StateShape) fits(shape tensor.Shape) bool { return sameButAxis(s.Shape, shape, s.Grows) }

// form is the shape, with T for the length of the axis along which it grows.
func (s StateShape) form() string {
	if s.Grows == 0 {
		return fmt.Sprint(s.Shape)
	}
	text := "("
	for i, n := range s.Shape {
		if i > 0 {
			text += ", "
		}
		if i == s.Grows {
			text += "T"
		} else {
			text += fmt.Sprint(n)
		}
	}
	return text + ")"
}

// sameButAxis says whether two shapes differ in the length of an axis at most. Axis
// 0 may not differ.
func sameButAxis(a, b tensor.Shape, axis int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (i != axis || axis == 0) {
			return false
		}
	}
	return true
}

// Clone returns a copy.
func (s State) Clone() State {
	c := slices.Clone(s)
	for i, t := range c {
		if t.Value != nil {
			c[i].Value = t.Value.Clone().(*tensor.Dense)
		}
	}
	return c
}

// Batch returns the number of rows, 0 if there is no tensor.
func (s State) Batch() int {
	if len(s) == 0 || len(shapeOf(s[0].Value)) == 0 {
		return 0
	}
	return s[0].Value.Shape()[0]
}

// check reports a tensor that is no part of a state.
func (s State) check() error {
	for _, t := range s {
		shape := shapeOf(t.Value)
		if len(shape) == 0 || slices.Min(shape) < 1 {
			return fmt.Errorf("%s: want a tensor (B, ...), got %s", t.Name, describe(t.Value))
		}
		if t.Value.RequiresIterator() || t.Value.DataOrder().IsColMajor() {
			return fmt.Errorf("%s: want a contiguous row-major tensor, got strides %v", t.Name, t.Value.Strides())
		}
		if t.Grows < 0 || t.Grows >= len(shape) {
			return fmt.Errorf("%s: want an axis of %v along which it grows, or 0 for none, got %d", t.Name, shape, t.Grows)
		}
	}
	return nil
}

// Keys in the metadata of a state in bytes: its check sum, and the axes along which
// tensors grow, an object in JSON.
const sumKey, growsKey = "crc32", "grows"

// checkSum is that of the names, types, shapes and numbers of tensors, and of the
// axes along which they grow.
func checkSum(ts []safetensors.Tensor, grows string) (string, error) {
	f := &safetensors.File{Tensors: ts}
	if grows != "" {
		f.Metadata = map[string]string{growsKey: grows}
	}
	sum := crc32.NewIEEE()
	err := safetensors.Encode(sum, f)
	return fmt.Sprintf("%08x", sum.Sum32()), err
}

// growing returns the axes along which tensors grow, "" if none does.
func (s State) growing() (string, error) {
	axes := map[string]int{}
	for _, t := range s {
		if t.Grows != 0 {
			axes[t.Name] = t.Grows
		}
	}
	if len(axes) == 0 {
		return "", nil
	}
	text, err := json.Marshal(axes)
	return string(text), err
}

// MarshalBinary returns the state in the format safetensors, with a check sum.
func (s State) MarshalBinary() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("layers: State: %w", err)
	}
	f := &safetensors.File{}
	for _, t := range s {
		f.Tensors = append(f.Tensors, safetensors.Tensor{Name: t.Name, Shape: t.Value.Shape(), Data: t.Value.Data()})
	}
	grows, err := s.growing()
	if err != nil {
		return nil, fmt.Errorf("layers: State: %w", err)
	}
	sum, err := checkSum(f.Tensors, grows)
	f.Metadata = map[string]string{sumKey: sum}
	if grows != "" {
		f.Metadata[growsKey] = grows
	}
	var b bytes.Buffer
	if err == nil {
		err = safetensors.Encode(&b, f)
	}
	if err != nil {
		return nil, fmt.Errorf("layers: State: %w", err)
	}
	return b.Bytes(), nil
}

// UnmarshalBinary reads what MarshalBinary returned: bytes that have changed since
// are an error, after which the state is as it was. Whether it is the state of a
// certain layer is found out by whom it is given to.
func (s *State) UnmarshalBinary(b []byte) error {
	f, err := safetensors.Decode(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return fmt.Errorf("layers: State: %w", err)
	}
	sum, err := checkSum(f.Tensors, f.Metadata[growsKey])
	if err != nil || f.Metadata[sumKey] != sum {
		return fmt.Errorf("layers: State: want bytes with the check sum %q, as MarshalBinary returned them, got %q", sum, f.Metadata[sumKey])
	}
	grows := map[string]int{}
	if text := f.Metadata[growsKey]; text != "" {
		if err := json.Unmarshal([]byte(text), &grows); err != nil {
			return fmt.Errorf("layers: State: %s: %w", growsKey, err)
		}
	}
	out := make(State, len(f.Tensors))
	for i, t := range f.Tensors {
		if len(t.Shape) == 0 || slices.Min(t.Shape) < 1 {
			return fmt.Errorf("layers: State: %s: want a tensor (B, ...), got shape %v", t.Name, t.Shape)
		}
		out[i] = StateTensor{t.Name, tensor.New(tensor.WithShape(t.Shape...), tensor.WithBacking(t.Data)), grows[t.Name]}
	}
	if err := out.check(); err != nil {
		return fmt.Errorf("layers: State: %w", err)
	}
	*s = out
	return nil
}

// JoinStates returns the rows of several states of one layer as one state. Of
// tensors that grow the ends are aligned: what is shorter has zeros in front.
func JoinStates(parts ...State) (State, error) {
	if len(parts) == 0 {
		return nil, errors.New("layers: JoinStates: want at least one state, got none")
	}
	for k, p := range parts {
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("layers: JoinStates: state %d: %w", k, err)
		}
		if err := sameKind(parts[0], p); err != nil {
			return nil, fmt.Errorf("layers: JoinStates: state %d: %w", k, err)
		}
	}
	joined := slices.Clone(parts[0])
	for i := range joined {
		var ts []*tensor.Dense
		for _, p := range parts {
			ts = append(ts, p[i].Value)
		}
		v, err := joinRows(ts, joined[i].Grows)
		if err != nil {
			return nil, fmt.Errorf("layers: JoinStates: %s: %w", joined[i].Name, err)
		}
		joined[i].Value = v
	}
	return joined, nil
}

// growth says for errors along which axis a tensor grows, if it does.
func (t StateTensor) growth() string {
	if t.Grows == 0 {
		return ""
	}
	return fmt.Sprintf(" that grows along axis %d", t.Grows)
}

// sameKind reports where a state has not the tensors of another, but for the
// number of rows.
func sameKind(want, got State) error {
	if len(got) != len(want) {
		return fmt.Errorf("want %d tensors, got %d", len(want), len(got))
	}
	for i, w := range want {
		g := got[i]
		ws, gs := w.Value.Shape(), g.Value.Shape()
		rows := gs.Clone()
		rows[0] = ws[0]
		if g.Name != w.Name || g.Value.Dtype() != w.Value.Dtype() || g.Grows != w.Grows || !sameButAxis(ws, rows, w.Grows) {
			return fmt.Errorf("want %q of %v (B, %v)%s, got %q of %v %v%s", w.Name, w.Value.Dtype(), []int(ws[1:]), w.growth(), g.Name, g.Value.Dtype(), gs, g.growth())
		}
	}
	return nil
}

// Split returns the rows of a state as states of as many rows as sizes say.
func (s State) Split(sizes ...int) ([]State, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("layers: State.Split: %w", err)
	}
	total := 0
	for _, n := range sizes {
		if n < 1 {
			return nil, fmt.Errorf("layers: State.Split: want sizes >= 1, got %v", sizes)
		}
		total += n
	}
	for _, t := range s {
		if rows := t.Value.Shape()[0]; total != rows {
			return nil, fmt.Errorf("layers: State.Split: %s: want sizes of %d rows in all, got %v", t.Name, rows, sizes)
		}
	}
	parts := make([]State, len(sizes))
	lo := 0
	for i, n := range sizes {
		for _, t := range s {
			v, err := rowsOf(t.Value, lo, lo+n)
			if err != nil {
				return nil, fmt.Errorf("layers: State.Split: %s: %w", t.Name, err)
			}
			parts[i] = append(parts[i], StateTensor{t.Name, v, t.Grows})
		}
		lo += n
	}
	return parts, nil
}

// joinRows returns tensors (B_i, ...) as one, row after row, with their ends along
// the axis on which they grow aligned.
func joinRows(ts []*tensor.Dense, grows int) (*tensor.Dense, error) {
	shape := ts[0].Shape().Clone()
	for _, t := range ts[1:] {
		shape[0] += t.Shape()[0]
		if grows > 0 {
			shape[grows] = max(shape[grows], t.Shape()[grows])
		}
	}
	if err := size.Tensor("the joined tensor", shape...); err != nil {
		return nil, err
	}
	switch ts[0].Dtype() {
	case tensor.Float32:
		return joinData[float32](ts, shape, grows), nil
	case tensor.Float64:
		return joinData[float64](ts, shape, grows), nil
	case tensor.Int:
		return joinData[int](ts, shape, grows), nil
	case tensor.Int64:
		return joinData[int64](ts, shape, grows), nil
	}
	return nil, fmt.Errorf("want floats or integers, got %v", ts[0].Dtype())
}

// joinData is joinRows of elements T.
func joinData[T any](ts []*tensor.Dense, shape tensor.Shape, grows int) *tensor.Dense {
	d := make([]T, shape.TotalSize())
	to := d
	for _, t := range ts {
		from, size := t.Data().([]T), t.Shape()
		n := len(from) / size[0] // of what stands behind each other in both
		if grows > 0 {
			n = tensor.Shape(size[grows:]).TotalSize()
		}
		end := n // of the joined ones
		if grows > 0 {
			end = tensor.Shape(shape[grows:]).TotalSize()
		}
		for ; len(from) > 0; from, to = from[n:], to[end:] {
			copy(to[end-n:end], from[:n])
		}
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(d))
}

// rowsOf returns a copy of rows [lo, hi).
func rowsOf(t *tensor.Dense, lo, hi int) (*tensor.Dense, error) {
	shape := t.Shape().Clone()
	n := shape.TotalSize() / shape[0]
	shape[0] = hi - lo
	switch v := t.Data().(type) {
	case []float32:
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(slices.Clone(v[lo*n:hi*n]))), nil
	case []float64:
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(slices.Clone(v[lo*n:hi*n]))), nil
	case []int:
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(slices.Clone(v[lo*n:hi*n]))), nil
	case []int64:
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(slices.Clone(v[lo*n:hi*n]))), nil
	}
	return nil, fmt.Errorf("want floats or integers, got %v", t.Dtype())
}

// names lists the names of the tensors, for errors.
func (s State) names() string {
	names := make([]string, len(s))
	for i, t := range s {
		names[i] = fmt.Sprintf("%q", t.Name)
	}
	return "[" + strings.Join(names, " ") + "]"
}

// namesOf is names for shapes.
func namesOf(shapes []StateShape) string {
	s := make(State, len(shapes))
	for i, w := range shapes {
		s[i].Name = w.Name
	}
	return s.names()
}
