package mega

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Inputs are the operands of attention: V is *gorgonia.Node or a slice.
type Inputs[V any] struct {
	Z           V // (B, Z, L): what queries and keys are made of
	V           V // (B, V, L): the values
	Gamma, Beta V // (2, Z): of queries, and of keys
	// Bias (2M-1) has the bias of key j for query i at M-1+j-i: M is at least the number of
	// steps of a chunk.
	Bias V
}

// State is the chunk that a sequence goes on in: V is *gorgonia.Node or a slice. T is
// Chunk-1, at least 1.
type State[V any] struct {
	Z, V V // (B, T, Z) and (B, T, V): those of its steps, the newest last
	// Position (B) is the number of these steps, in [0, Chunk): that of the next one in its
	// chunk. The slots in front of them are never read.
	Position V
}

// Slots returns T.
func (c Config) Slots() int { return max(1, c.Chunk-1) }

// Attend adds the attention of a sequence to the graph of its inputs and returns h
// (B, V, L). Only the first lengths[b] steps of row b count, all if lengths, (B) of dtype
// int, is nil: what is behind them is not read, the output is 0 there, and so are the
// gradients. A length that is not in [0, L] is an error when the graph runs. Gradients are
// exact and go to all inputs.
//
// from is the state before the first step, nil for the start of a chunk, and wants Causal
// and chunks. It is followed by [Cache].
//
// The op owns its buffers: a graph with it may be run by one VM at a time.
func Attend(c Config, in Inputs[*G.Node], from *State[*G.Node], lengths *G.Node) (*G.Node, error) {
	const name = "mega.Attend"
	all, err := graphop.Floats(name, graphop.Named("Z", in.Z), graphop.Named("V", in.V), graphop.Named("Gamma", in.Gamma), graphop.Named("Beta", in.Beta), graphop.Named("Bias", in.Bias))
	if err != nil {
		return nil, err
	}
	d, err := newDims(c, in, lengths)
	if err == nil && from != nil {
		err = d.checkState(from)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	spec := graphop.Spec{Name: name, Out: in.V.Shape().Clone()}
	if d.l == 1 {
		spec.Carried = []*G.Node{in.Z, in.V}
	}
	if from != nil {
		d.state = true
		all = append(all, from.Z, from.V, from.Position)
		spec.Carried = append(spec.Carried, from.Z, from.V, from.Position)
		spec.NoGrad, spec.Optional = []int{7}, []int{5, 6}
	}
	if lengths != nil {
		d.lengths = len(all)
		spec.Ints = []int{d.lengths}
		all = append(all, lengths)
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return newAttend[float32](d) },
		func() graphop.Core[float64] { return newAttend[float64](d) }, all...)
}

// dims are the sizes of an op.
type dims struct {
	Config
	b, z, v, l int
	m          int  // of the bias
	state      bool // inputs 5, 6 and 7 are one
	lengths    int  // input, -1 for none
}

func newDims(c Config, in Inputs[*G.Node], lengths *G.Node) (dims, error) {
	if err := c.Validate(); err != nil {
		return dims{}, err
	}
	z, v := in.Z.Shape(), in.V.Shape()
	if z.Dims() != 3 || z.TotalSize() == 0 {
		return dims{}, wrong("Z", "(B, Z, L), each at least 1", z)
	}
	if v.Dims() != 3 || v[0] != z[0] || v[1] < 1 || v[2] != z[2] {
		return dims{}, wrong("V", fmt.Sprintf("(%d, V, %d), V >= 1", z[0], z[2]), v)
	}
	d := dims{Config: c, b: z[0], z: z[1], v: v[1], l: z[2], lengths: -1}
	if s := in.Bias.Shape(); s.Dims() != 1 || s[0]%2 == 0 || (s[0]+1)/2 < min(d.l, d.chunk(d.l)) {
		return d, wrongBias(min(d.l, d.chunk(d.l)), s)
	}
	d.m = (in.Bias.Shape()[0] + 1) / 2
	affine := tensor.Shape{2, d.z}
	return d, size.First(graphop.WantShape("Gamma", in.Gamma, affine), graphop.WantShape("Beta", in.Beta, affine),
		graphop.WantLengths(lengths, d.b), size.Length("L", d.l))
}

// wrong is the error of an argument that is not what is wanted.
func wrong(name, want string, got any) error {
	return fmt.Errorf("%s: want %s, got %v", name, want, got)
}

// wrongBias is that of too few relative positions for a chunk.
func wrongBias(chunk int, got tensor.Shape) error {
	return wrong("Bias", fmt.Sprintf("(2M-1) with M at least the %d steps of a chunk", chunk), got)
}

// checkState returns an error unless the nodes are a state.
func (d *dims) checkState(s *State[*G.Node]) error {
	switch {
	case !d.Causal || d.Chunk == Whole:
		return fmt.Errorf("want Causal and chunks with a state, got Causal %v and Chunk %d", d.Causal, d.Chunk)
	case d.m < d.Chunk:
		return wrongBias(d.Chunk, tensor.Shape{2*d.m - 1})
	}
	if _, err := graphop.Floats("state", graphop.Named("Z", s.Z), graphop.Named("V", s.V), graphop.Named("Position", s.Position)); err != nil {
		return err
	}
	return size.First(graphop.WantShape("state: Z", s.Z, tensor.Shape{d.b, d.Slots(), d.z}), graphop.WantShape("state: V", s.V, tensor.Shape{d.b, d.Slots(), d.v}),
		graphop.WantShape("state: Position", s.Position, tensor.Shape{d.b}))
}

// validPositions returns an error unless all positions are whole numbers in [0, chunk).
func validPositions[T num.Float](p []T, chunk int) error {
	for b, x := range p {
		if v := float64(x); !(v >= 0 && v < float64(chunk) && v == math.Trunc(v)) {
			return fmt.Errorf("position[%d]: want a whole number in [0, %d), got %g", b, chunk, v)
		}
	}
	return nil
}
