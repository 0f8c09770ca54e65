package task

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"
)

// Names of fields and outputs that the models and metrics of this module use.
const (
	// X is the input sequence: token ids, int (B, L), or features (B, L, F).
	X = "x"
	// Target is what the loss compares with.
	Target = "target"
	// Lengths is the number of steps of each row that are not padding, int (B).
	// Every batch has it; no data set declares it. A row of length 0 is there
	// only to fill the batch.
	Lengths = "lengths"
	// Logits are the scores of C classes, float (B, C) or (B, C, L).
	Logits = "logits"
	// NLL is the negative log-probability of each target in nats, float (B, L), or (B)
	// for one target an example; 0 where the target is Ignore or padding.
	NLL = "nll"
	// Output is numbers of the shape of the target.
	Output = "output"

	// X2 is the second sequence of a pair, beside X: see Pair.
	X2 = "x2"
	// XLengths and X2Lengths are the numbers of steps of the sequences of a pair,
	// int (B).
	XLengths  = "x_lengths"
	X2Lengths = "x2_lengths"
	// Weights says how much each number of the target counts in a loss and in a
	// metric, floats of its shape: 0 for one that is missing.
	Weights = "weights"
	// Quantiles are numbers for each number of the target, float (B, ..., Q).
	Quantiles = "quantiles"
)

// Ignore is the label that counts neither in a loss nor in a metric, as
// ops.IgnoreLabel.
const Ignore = -1

// Field declares a part of every example of a data set.
type Field struct {
	// Name is unique in the data set.
	Name string
	// Dtype is the type of the numbers: tensor.Int, Float32 or Float64. A graph
	// may read floats as the other float type.
	Dtype tensor.Dtype
	// PerStep says that there is one for each of the L steps of an example: in a
	// batch it is (B, L, Shape...), padded. Otherwise it is (B, Shape...).
	PerStep bool
	// Shape is that of the numbers of one step, or of an example; nil is one
	// number.
	Shape []int
	// Pad is the number behind the end of a sequence, and in rows that only fill
	// a batch.
	Pad float64
	// Lengths names a field that the batch gets too, int (B): the number of steps
	// of this one, for sequences that may be shorter than the example. "" means
	// that they are as long.
	Lengths string
}

// Tokens declares a sequence of token ids, padded with pad.
func Tokens(name string, pad int) Field {
	return Field{Name: name, Dtype: tensor.Int, PerStep: true, Pad: float64(pad)}
}

// Features declares a sequence of width real numbers a step, padded with 0.
func Features(name string, width int) Field {
	return Field{Name: name, Dtype: tensor.Float32, PerStep: true, Shape: []int{width}}
}

// Pair declares two sequences of one kind, [X] and [X2], each with lengths of its
// own, [XLengths] and [X2Lengths]: two documents whose relation is the target. f is
// what Tokens or Features returns; its name does not count.
//
//	fields := append(task.Pair(task.Tokens("", 0)), task.Label(task.Target))
func Pair(f Field) []Field {
	a, b := f, f
	a.Name, a.Lengths = X, XLengths
	b.Name, b.Lengths = X2, X2Lengths
	b.Shape = slices.Clone(f.Shape)
	return []Field{a, b}
}

// Label declares a class for each example, padded with Ignore.
func Label(name string) Field { return Field{Name: name, Dtype: tensor.Int, Pad: Ignore} }

// Labels declares a class for each step, padded with Ignore.
func Labels(name string) Field {
	return Field{Name: name, Dtype: tensor.Int, PerStep: true, Pad: Ignore}
}

// Numbers declares real numbers for each example: a forecast of so many values,
// or one number without a shape. They are padded with 0.
func Numbers(name string, shape ...int) Field {
	return Field{Name: name, Dtype: tensor.Float32, Shape: shape}
}

// width returns the numbers of one step, or of an example.
func (f Field) width() int { return tensor.Shape(f.Shape).TotalSize() }

// validate reports what is wrong with a field by itself.
func (f Field) validate() error {
	floats := f.Dtype == tensor.Float32 || f.Dtype == tensor.Float64
	switch {
	case f.Name == "" || f.Name == Lengths:
		return fmt.Errorf("want a field name other than %q, which every batch has, got %q", Lengths, f.Name)
	case f.Dtype != tensor.Int && !floats:
		return fmt.Errorf("field %q: want Dtype int, float32 or float64, got %v", f.Name, f.Dtype)
	case slices.ContainsFunc(f.Shape, func(n int) bool { return n < 1 }):
		return fmt.Errorf("field %q: want a Shape of sizes >= 1, got %v", f.Name, tensor.Shape(f.Shape))
	case !floats && f.Pad != math.Trunc(f.Pad):
		return fmt.Errorf("field %q: want a whole number as Pad, got %g", f.Name, f.Pad)
	case math.IsNaN(f.Pad) || math.IsInf(f.Pad, 0):
		return fmt.Errorf("field %q: want a finite Pad, got %g", f.Name, f.Pad)
	case f.Lengths != "" && !f.PerStep:
		return fmt.Errorf("field %q: Lengths is about fields with a number for each step", f.Name)
	}
	return nil
}

// CheckFields reports fields that no batch can have.
func CheckFields(fields []Field) error {
	seen := map[string]bool{Lengths: true}
	for _, f := range fields {
		if err := f.validate(); err != nil {
			return err
		}
		for _, name := range []string{f.Name, f.Lengths} {
			if name != "" && seen[name] {
				return fmt.Errorf("two fields are named %q", name)
			}
			seen[name] = true
		}
	}
	if len(fields) == 0 {
		return fmt.Errorf("want at least one field, got none")
	}
	return nil
}
