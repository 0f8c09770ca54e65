package mega

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Cache adds the state after the last step of z (B, Z, L) and v (B, V, L) to their graph:
// the steps of the chunk that is under way. from is the state before the first step, nil
// for the start of a chunk. Slots without a step are 0. Gradients go through all but the
// position.
func Cache(c Config, z, v *G.Node, from *State[*G.Node]) (State[*G.Node], error) {
	const name = "mega.Cache"
	var to State[*G.Node]
	var oldZ, oldV, position *G.Node
	args := []graphop.Argument{graphop.Named("z", z), graphop.Named("v", v)}
	if from != nil {
		oldZ, oldV, position = from.Z, from.V, from.Position
		args = append(args, graphop.Named("state: Z", oldZ), graphop.Named("state: V", oldV), graphop.Named("state: Position", position))
	}
	if _, err := graphop.Floats(name, args...); err != nil {
		return to, err
	}
	err := c.Validate()
	if err == nil && (c.Chunk == Whole || !c.Causal) {
		err = fmt.Errorf("want Causal and chunks with a state, got Causal %v and Chunk %d", c.Causal, c.Chunk)
	}
	if zs, vs := z.Shape(), v.Shape(); err == nil && zs.Dims() == 3 && (vs.Dims() != 3 || vs[0] != zs[0] || vs[2] != zs[2]) {
		err = wrong("v", fmt.Sprintf("(%d, V, %d)", zs[0], zs[2]), vs)
	}
	if err != nil {
		return to, fmt.Errorf("%s: %w", name, err)
	}
	if to.Z, err = c.cache(name, "z", z, oldZ, position); err != nil {
		return to, err
	}
	if to.V, err = c.cache(name, "v", v, oldV, position); err != nil {
		return to, err
	}
	in := []*G.Node{z}
	spec := graphop.Spec{Name: name, Out: z.Shape()[:1].Clone(), NoGrad: []int{0}, Unread: []int{0}}
	if position != nil {
		in = append(in, position)
		spec.NoGrad, spec.Carried = []int{0, 1}, []*G.Node{position}
	}
	l := z.Shape()[2]
	to.Position, err = graphop.Apply(spec,
		func() graphop.Core[float32] { return nextPosition[float32]{l, c.Chunk} },
		func() graphop.Core[float64] { return nextPosition[float64]{l, c.Chunk} }, in...)
	return to, err
}

// cache adds the next slots of z or v.
func (c Config) cache(op, name string, x, old, position *G.Node) (*G.Node, error) {
	in, err := graphop.Floats(op, graphop.Named(name, x), graphop.Optional("state", old), graphop.Optional("position", position))
	if err != nil {
		return nil, err
	}
	s := x.Shape()
	if s.Dims() != 3 || s.TotalSize() == 0 {
		return nil, fmt.Errorf("%s: %s: want (B, features, L), each at least 1, got %v", op, name, s)
	}
	d := cacheDims{b: s[0], f: s[1], l: s[2], slots: c.Slots(), chunk: c.Chunk}
	out := tensor.Shape{d.b, d.slots, d.f}
	spec := graphop.Spec{Name: op, Out: out, Unread: []int{0}}
	if old != nil {
		err := graphop.WantShape("state", old, out)
		if err == nil {
			err = graphop.WantShape("position", position, s[:1])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		spec.NoGrad, spec.Carried, spec.Unread = []int{2}, []*G.Node{old, position}, []int{0, 1}
	}
	return graphop.Apply(spec,
		func() graphop.Core[float32] { return cache[float32]{d} },
		func() graphop.Core[float64] { return cache[float64]{d} }, in...)
}

type cacheDims struct{ b, f, l, slots, chunk int }

// cache is the core of a part of Cache.
type cache[T num.Float] struct{ cacheDims }

// counts returns how many steps of the old cache and of the sequence row b keeps.
func (c cache[T]) counts(in []graphop.Arg[T], b int) (old, recent int) {
	first := 0
	if len(in) > 1 {
		first = int(in[2].F[b])
	}
	n := (first + c.l) % c.chunk
	recent = min(n, c.l)
	return n - recent, recent
}

func (c cache[T]) Forward(out []T, in []graphop.Arg[T]) error {
	if len(in) > 1 {
		if err := validPositions(in[2].F, c.chunk); err != nil {
			return err
		}
	}
	clear(out)
	for b := range c.b {
		old, recent := c.counts(in, b)
		rows := out[(b+1)*c.slots*c.f-(old+recent)*c.f:]
		if old > 0 {
			copy(rows[:old*c.f], in[1].F[((b+1)*c.slots-int(in[2].F[b]))*c.f:])
		}
		for f := range c.f {
			x := in[0].F[(b*c.f+f+1)*c.l-recent:]
			for j := range recent {
				rows[(old+j)*c.f+f] = x[j]
			}
		}
	}
	return nil
}

func (c cache[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	clear(grad[0])
	if len(in) > 1 {
		clear(grad[1])
	}
	for b := range c.b {
		old, recent := c.counts(in, b)
		rows := gout[(b+1)*c.slots*c.f-(old+recent)*c.f:]
		if old > 0 {
			copy(grad[1][((b+1)*c.slots-int(in[2].F[b]))*c.f:], rows[:old*c.f])
		}
		for f := range c.f {
			x := grad[0][(b*c.f+f+1)*c.l-recent:]
			for j := range recent {
				x[j] = rows[(old+j)*c.f+f]
			}
		}
	}
	return nil
}

// nextPosition is the core of the position after l steps.
type nextPosition[T num.Float] struct{ l, chunk int }

func (c nextPosition[T]) Forward(out []T, in []graphop.Arg[T]) error {
	for b := range out {
		first := 0
		if len(in) > 1 {
			if err := validPositions(in[1].F, c.chunk); err != nil {
				return err
			}
			first = int(in[1].F[b])
		}
		out[b] = T((first + c.l) % c.chunk)
	}
	return nil
}

func (nextPosition[T]) Backward([][]T, []graphop.Arg[T], []T, []T) error { return nil }
