package attention_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// Multi-head attention is two linear maps and what is between them.
func ExampleAttend() {
	const batch, features, steps = 2, 8, 5
	g := G.NewGraph()
	node := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name), G.WithInit(G.GlorotN(1)))
	}
	x := node("x", batch, features, steps)
	qkv := G.Must(ops.Linear(x, node("in", 3*features, features), nil))
	y := G.Must(attention.Attend(qkv, attention.Config{Heads: 2, Causal: true, Rotary: attention.RotaryHalf}))
	y = G.Must(ops.Linear(y, node("out", features, features), nil))
	fmt.Println(y.Shape())
	// Output: (2, 8, 5)
}

// A step of causal attention has a cache of the keys and values before it.
func ExampleStep() {
	const features = 2
	s, err := attention.NewStep[float64](attention.Config{Heads: 1, Causal: true}, features)
	if err != nil {
		panic(err)
	}
	y := make([]float64, features)
	for step := range 3 {
		v := float64(step)
		qkv := []float64{1, 0, 0, 1, v, -v} // the query is orthogonal to all keys
		if err := s.Advance(y, qkv); err != nil {
			panic(err)
		}
		fmt.Println(y) // the mean of the values so far
	}
	x := s.Store()
	fmt.Println(x.Slots, x.Tensors[2])
	// Output:
	// [0 0]
	// [0.5 -0.5]
	// [1 -1]
	// 4 [3]
}
