package weights

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/safetensors"
)

// Var is a named value of a model: a parameter or a buffer.
type Var struct {
	Name  string
	Value G.Value
}

// Tensors returns the values as tensors of a file. Float tensors share the
// values' memory; those of int become int64.
func Tensors(vars []Var) ([]safetensors.Tensor, error) {
	ts := make([]safetensors.Tensor, len(vars))
	for i, v := range vars {
		data, err := Elements(v.Value)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", v.Name, err)
		}
		if ints, ok := data.([]int); ok {
			wide := make([]int64, len(ints))
			for j, x := range ints {
				wide[j] = int64(x)
			}
			data = wide
		}
		ts[i] = safetensors.Tensor{Name: v.Name, Shape: slices.Clone([]int(v.Value.Shape())), Data: data}
	}
	return ts, nil
}

// Elements returns the elements of v in place: a []float32, []float64, []int64
// or []int.
func Elements(v G.Value) (any, error) {
	if s, ok := Memory[float32](v); ok {
		return s, nil
	}
	if s, ok := Memory[float64](v); ok {
		return s, nil
	}
	d, ok := v.(*tensor.Dense)
	if v == nil || ok && d == nil {
		return nil, errors.New("want a value, got none")
	}
	if ok && !d.RequiresIterator() && !d.DataOrder().IsColMajor() {
		switch d.Dtype() {
		case tensor.Int64:
			return d.Int64s(), nil
		case tensor.Int:
			return d.Ints(), nil
		}
	}
	return nil, fmt.Errorf("want a row-major tensor of float32, float64, int64 or int, got %v of shape %v", v.Dtype(), v.Shape())
}

// tunedLength ends the names of tensors without which another one, whose name
// ends in tunedMatrix, means nothing: the steps that it is tuned to.
const (
	tunedLength = "kernel.l_kernel"
	tunedMatrix = "kernel.C"
)

// runningVariance ends the names of tensors that hold variances.
const runningVariance = "running_var"

// CheckFinite returns an error that names the tensor, the first element that is
// a NaN or an infinity, and its value; nil for integers.
func CheckFinite(t safetensors.Tensor) error {
	return checkFrom(t, -math.MaxFloat64, "a finite number")
}

// CheckVariance is CheckFinite for variances, which are not negative either.
func CheckVariance(t safetensors.Tensor) error { return checkFrom(t, 0, "a finite number >= 0") }

// checkFrom returns an error for the first float below low, infinite or NaN.
func checkFrom(t safetensors.Tensor, low float64, want string) error {
	i, v := -1, 0.0
	switch d := t.Data.(type) {
	case []float32:
		i, v = outside(d, low)
	case []float64:
		i, v = outside(d, low)
	}
	if i < 0 {
		return nil
	}
	return fmt.Errorf("%s: element %d: want %s, got %v", t.Name, i, want, v)
}

// outside returns the first element that is not in [low, MaxFloat64], or -1.
func outside[T num.Float](s []T, low float64) (int, float64) {
	for i, x := range s {
		if v := float64(x); !(v >= low && v <= math.MaxFloat64) {
			return i, v
		}
	}
	return -1, 0
}

// maxDifferences is the number of differences an error lists.
const maxDifferences = 8

// Load copies the tensors of a file into the values of a model. The two must
// agree in names and shapes; floats of one type become those of the other,
// rounded to the nearest, and integers likewise. The numbers must be finite, in
// the type of the value too, and variances not negative. Otherwise nothing is
// copied and the error lists the differences, or names the tensor and the
// element.
func Load(ts []safetensors.Tensor, vars []Var) error {
	m, err := Compare(ts, vars)
	if err != nil {
		return err
	}
	if err := m.Err(); err != nil {
		return err
	}
	return m.Copy()
}

// Match says which tensor of a file is which value of a model.
type Match struct {
	Missing []string // values without a tensor, in the order of the model
	Left    []string // tensors without a value, in the order of the file

	pairs []pair
	wrong []string // of the pairs, that are not of one shape and kind
}

// pair is a tensor and the elements that it is for.
type pair struct {
	from safetensors.Tensor
	to   any
}

// Compare matches tensors and values by their names.
func Compare(ts []safetensors.Tensor, vars []Var) (*Match, error) {
	byName := make(map[string]safetensors.Tensor, len(ts))
	for _, t := range ts {
		byName[t.Name] = t
	}
	m := &Match{}
	for _, v := range vars {
		to, err := Elements(v.Value)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", v.Name, err)
		}
		t, ok := byName[v.Name]
		if !ok {
			m.Missing = append(m.Missing, v.Name)
			continue
		}
		delete(byName, v.Name)
		if !convertible(to, t.Data) {
			m.wrong = append(m.wrong, fmt.Sprintf("%s: want %s, got %s", v.Name, typeOf(to), typeOf(t.Data)))
		} else if !slices.Equal([]int(v.Value.Shape()), t.Shape) {
			m.wrong = append(m.wrong, fmt.Sprintf("%s: want shape %v, got %v", v.Name, v.Value.Shape(), tensor.Shape(t.Shape)))
		}
		m.pairs = append(m.pairs, pair{t, to})
	}
	for _, t := range ts {
		if _, left := byName[t.Name]; left {
			m.Left = append(m.Left, t.Name)
		}
	}
	return m, nil
}

// Err lists all differences; nil if there are none.
func (m *Match) Err() error {
	var diff []string
	for _, name := range m.Missing {
		diff = append(diff, name+" is missing"+whyNeeded(name))
	}
	diff = append(diff, m.wrong...)
	for _, name := range m.Left {
		diff = append(diff, name+" is not in the model")
	}
	return listed(diff)
}

// Torn lists the values that mean nothing without another, one of the two having
// a tensor and the other none; nil if there are none. It is for a file that may be
// of a part of the model.
func (m *Match) Torn() error {
	loaded := make(map[string]bool, len(m.pairs))
	for _, p := range m.pairs {
		loaded[p.from.Name] = true
	}
	var diff []string
	for _, name := range m.Missing {
		if layer, ok := strings.CutSuffix(name, tunedLength); ok && loaded[layer+tunedMatrix] {
			diff = append(diff, name+" is missing"+whyNeeded(name))
		}
		if layer, ok := strings.CutSuffix(name, tunedMatrix); ok && loaded[layer+tunedLength] {
			diff = append(diff, name+" is missing, which is tuned to "+layer+tunedLength)
		}
	}
	return listed(diff)
}

// listed returns an error that lists differences, the first of many.
func listed(diff []string) error {
	if len(diff) == 0 {
		return nil
	}
	if len(diff) > maxDifferences {
		diff = append(diff[:maxDifferences:maxDifferences], fmt.Sprintf("and %d more", len(diff)-maxDifferences))
	}
	return fmt.Errorf("the tensors are not those of the model: %s", strings.Join(diff, "; "))
}

// Copy copies the tensors that have a value, all of them, or none if one does not
// fit or has a number that is not allowed.
func (m *Match) Copy() error {
	if err := listed(m.wrong); err != nil {
		return err
	}
	for _, p := range m.pairs {
		if err := check(p.from, p.to); err != nil {
			return err
		}
	}
	for _, p := range m.pairs {
		assign(p.to, p.from.Data)
	}
	return nil
}

// CopyOne copies one tensor of a file that has been compared without its elements, all
// of which are then copied by themselves: an error leaves the values as they are by then.
func (m *Match) CopyOne(t safetensors.Tensor) error {
	i := slices.IndexFunc(m.pairs, func(p pair) bool { return p.from.Name == t.Name })
	if i < 0 {
		return nil
	}
	if err := check(t, m.pairs[i].to); err != nil {
		return err
	}
	assign(m.pairs[i].to, t.Data)
	return nil
}

// whyNeeded says why a tensor cannot be left as it is while others are replaced.
func whyNeeded(name string) string {
	if layer, ok := strings.CutSuffix(name, tunedLength); ok {
		return ", the length that " + layer + tunedMatrix + " is tuned to"
	}
	return ""
}

// LoadAndSettle is Load, and then settle, which makes the model consistent. Where
// that fails, the values are what they were before.
func LoadAndSettle(ts []safetensors.Tensor, vars []Var, settle func() error) error {
	return OrAsBefore(vars, func() error {
		if err := Load(ts, vars); err != nil {
			return err
		}
		return settle()
	})
}

// OrAsBefore calls f. Where that fails, the values are what they were before.
func OrAsBefore(vars []Var, f func() error) error {
	before, err := Tensors(vars)
	if err != nil {
		return err
	}
	for i, t := range before {
		before[i].Data = cloneData(t.Data)
	}
	if err = f(); err == nil {
		return nil
	}
	for i, v := range vars {
		dst, undo := Elements(v.Value)
		if undo != nil {
			err = errors.Join(err, undo)
			continue
		}
		assign(dst, before[i].Data)
	}
	return err
}

// cloneData returns a copy of the elements of a tensor of a model.
func cloneData(data any) any {
	switch d := data.(type) {
	case []float32:
		return slices.Clone(d)
	case []float64:
		return slices.Clone(d)
	case []int64:
		return slices.Clone(d)
	}
	return data
}

// typeOf names the element type of a slice of elements as a file has it.
func typeOf(data any) string {
	switch data.(type) {
	case []float32:
		return "float32"
	case []float64:
		return "float64"
	case []int64, []int:
		return "int64"
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", data), "[]")
}

// convertible says whether elements of a file can become those of a value:
// floats floats, and integers integers. Integers are no weights: those of a
// quantised model mean nothing without its scales.
func convertible(dst, data any) bool {
	switch data.(type) {
	case []float32, []float64:
		return isFloat(dst)
	case []int64, []int32:
		return !isFloat(dst)
	}
	return false
}

func isFloat(data any) bool {
	switch data.(type) {
	case []float32, []float64:
		return true
	}
	return false
}

// check returns an error for the first number of a tensor that is not finite, or
// that overflows the type of dst, or for a variance below 0.
func check(t safetensors.Tensor, dst any) error {
	finite := CheckFinite
	if strings.HasSuffix(t.Name, runningVariance) {
		finite = CheckVariance
	}
	if err := finite(t); err != nil {
		return err
	}
	switch data := t.Data.(type) {
	case []float64:
		if _, ok := dst.([]float32); !ok {
			return nil
		}
		for i, x := range data {
			if math.IsInf(float64(float32(x)), 0) {
				return fmt.Errorf("%s: element %d: %v overflows float32, want at most %v", t.Name, i, x, math.MaxFloat32)
			}
		}
	case []int64:
		if _, ok := dst.([]int); !ok {
			return nil
		}
		for i, x := range data {
			if int64(int(x)) != x {
				return fmt.Errorf("%s: element %d: %d overflows the int of this machine", t.Name, i, x)
			}
		}
	}
	return nil
}

// assign copies data that check has accepted into the elements of a value.
func assign(dst, data any) {
	switch dst := dst.(type) {
	case []float32:
		convertFrom(dst, data)
	case []float64:
		convertFrom(dst, data)
	case []int64:
		convertFrom(dst, data)
	case []int:
		convertFrom(dst, data)
	}
}

// convertFrom converts the elements of a file to another type.
func convertFrom[T float32 | float64 | int64 | int](dst []T, data any) {
	switch data := data.(type) {
	case []float32:
		convert(dst, data)
	case []float64:
		convert(dst, data)
	case []int64:
		convert(dst, data)
	case []int32:
		convert(dst, data)
	}
}

func convert[T, S float32 | float64 | int64 | int32 | int](dst []T, src []S) {
	for i, x := range src {
		dst[i] = T(x)
	}
}
