package ops

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
)

// PoolMode names a way to reduce the steps of a sequence to one.
type PoolMode string

// The pooling modes.
const (
	PoolMean  PoolMode = "mean"  // mean over the steps
	PoolLast  PoolMode = "last"  // the last step
	PoolFirst PoolMode = "first" // the first step
	PoolSum   PoolMode = "sum"   // sum over the steps
	PoolMax   PoolMode = "max"   // largest value of each feature; the first of equal ones gets the gradient
)

var poolModes = []PoolMode{PoolMean, PoolLast, PoolFirst, PoolSum, PoolMax}

// PoolModes lists the pooling modes.
func PoolModes() []PoolMode { return slices.Clone(poolModes) }

// Validate returns an error unless m is one of the modes above.
func (m PoolMode) Validate() error {
	if !slices.Contains(poolModes, m) {
		return fmt.Errorf("want a pooling mode of %q, got %q", poolModes, string(m))
	}
	return nil
}

// Pool reduces x (B, H, L) over its steps to (B, H). With lengths (B), of dtype
// int, only the first lengths[b] steps of row b count, and a row of length 0
// gives 0; a length that is not in [0, L] is an error when the graph runs.
// lengths may be nil.
func Pool(mode PoolMode, x, lengths *G.Node) (*G.Node, error) {
	const op = "ops.Pool"
	if err := mode.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if err := checkFloat(op, "x", x, formBHL); err != nil {
		return nil, err
	}
	b, h, l := bhl(x)
	if err := checkLengths(op, lengths, b); err != nil {
		return nil, err
	}
	in := inputs{x}
	ints := []int{in.add(lengths)}
	return graphop.Apply(graphop.Spec{Name: op, Out: tensor.Shape{b, h}, Ints: ints, Unread: []int{0}},
		func() graphop.Core[float32] { return newPool[float32](mode, b, h, l) },
		func() graphop.Core[float64] { return newPool[float64](mode, b, h, l) }, in...)
}

// Mask returns x (B, H, L), or (B, H) with L = 1, with the steps at and beyond lengths[b] of row b set
// to zero, so that padding does not leak into what follows. lengths is (B), of
// dtype int; a length that is not in [0, L] is an error when the graph runs.
//
// Most ops that read x with lengths do not need it: see Lengths.
func Mask(x, lengths *G.Node) (*G.Node, error) {
	const op = "ops.Mask"
	if err := checkFloat(op, "x", x, formBHL, formBH); err != nil {
		return nil, err
	}
	b, h, l := bhl(x)
	if lengths == nil {
		return nil, fmt.Errorf("%s: want lengths (B), got nil", op)
	}
	if err := checkLengths(op, lengths, b); err != nil {
		return nil, err
	}
	return graphop.Apply(graphop.Spec{Name: op, Out: x.Shape(), Ints: []int{1}, Unread: []int{0}},
		func() graphop.Core[float32] { return mask[float32]{h: h, l: l} },
		func() graphop.Core[float64] { return mask[float64]{h: h, l: l} }, x, lengths)
}
