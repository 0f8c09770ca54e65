package graphop

import (
	"fmt"
	"hash/fnv"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// scale is a core that multiplies by a factor.
type scale struct{ by float64 }

func (c scale) Forward(out []float64, in []Arg[float64]) error {
	for i, v := range in[0].F {
		out[i] = c.by * v
	}
	return nil
}

func (c scale) Backward(grad [][]float64, _ []Arg[float64], _, gout []float64) error {
	for k := range grad {
		for i, v := range gout {
			if grad[k] != nil {
				grad[k][i] = c.by * v
			}
		}
	}
	return nil
}

func scaled(t *testing.T, by float64, in ...*G.Node) *G.Node {
	t.Helper()
	y, err := Apply(Spec{Name: "test.Scale", Out: in[0].Shape()}, nil, func() Core[float64] { return scale{by} }, in...)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func vector(g *G.ExprGraph, name string, v ...float64) *G.Node {
	return G.NewVector(g, tensor.Float64, G.WithShape(len(v)), G.WithName(name), G.WithValue(tensor.New(tensor.WithBacking(v))))
}

// The hash of a node is known before there is the node.
func TestNodeHash(t *testing.T) {
	g := G.NewGraph()
	in := G.Nodes{vector(g, "a", 1, 2), vector(g, "b", 3, 4)}
	if _, err := G.Grad(G.Must(G.Sum(scaled(t, 2, in...))), in...); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, n := range g.AllNodes() {
		var children G.Nodes
		for it := g.From(n.ID()); it.Next(); {
			children = append(children, it.Node().(*G.Node))
		}
		var b *base
		switch o := n.Op().(type) {
		case *op[float64]:
			b = &o.base
		case *backOp[float64]:
			b = &o.base
		case *takeOp[float64]:
			b = &o.base
		default:
			continue
		}
		kinds[fmt.Sprintf("%T", n.Op())]++
		if got := b.nodeHash(n.Type(), children); got != n.Hashcode() {
			t.Errorf("%v: want hash %#x, got %#x", n.Op(), n.Hashcode(), got)
		}
	}
	if len(kinds) != 3 {
		t.Errorf("looked at %v, want ops of three kinds", kinds)
	}
}

// Ops whose numbers would give their nodes one hash are two expressions.
func TestHashesAreUnique(t *testing.T) {
	first, second := collision()
	defer ids.Store(max(second, ids.Load()) + 1)
	g := G.NewGraph()
	x := vector(g, "x", 1, 2)
	ids.Store(first - 1)
	double := scaled(t, 2, x)
	ids.Store(second - 1)
	triple := scaled(t, 3, x)
	if double.Hashcode() == triple.Hashcode() {
		t.Error("two nodes have one hash")
	}
	var values [2]G.Value
	G.Read(double, &values[0])
	G.Read(triple, &values[1])
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	if a, b := values[0].Data().([]float64), values[1].Data().([]float64); !slices.Equal(a, []float64{2, 4}) || !slices.Equal(b, []float64{3, 6}) {
		t.Errorf("got %v and %v", a, b)
	}
}

// collision returns two numbers that give ops scale on one vector (2) one hash.
func collision() (first, second uint64) {
	seen := map[uint32]uint64{}
	for id := uint64(1); ; id++ {
		h := fnv.New32a()
		fmt.Fprintf(h, "%v%v", G.TensorType{Dims: 1, Of: tensor.Float64}, tensor.Shape{2})
		b := base{name: "test.Scale", id: id}
		b.WriteHash(h)
		if other, ok := seen[h.Sum32()]; ok {
			return other, id
		}
		seen[h.Sum32()] = id
	}
}
