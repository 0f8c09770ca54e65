package ops_test

import (
	"fmt"
	"log"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops"
)

// Two sequences of different length are padded to one batch; pooling by length
// and IgnoreLabel keep the padding out of the loss.
func Example() {
	g := G.NewGraph()
	x := G.NewTensor(g, tensor.Float64, 3, G.WithName("x"), G.WithShape(2, 2, 3), // (B, H, L)
		G.WithValue(tensor.New(tensor.WithShape(2, 2, 3), tensor.WithBacking([]float64{
			1, 2, 3, 4, 5, 6,
			7, 0, 0, 9, 0, 0, // one step, then padding
		}))))
	lengths := G.NewTensor(g, tensor.Int, 1, G.WithName("lengths"), G.WithShape(2),
		G.WithValue(tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{3, 1}))))
	labels := G.NewTensor(g, tensor.Int, 1, G.WithName("labels"), G.WithShape(2),
		G.WithValue(tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{1, ops.IgnoreLabel}))))

	pooled, err := ops.Pool(ops.PoolMean, x, lengths) // (B, H)
	if err != nil {
		log.Fatal(err)
	}
	loss, err := ops.CrossEntropy(pooled, labels)
	if err != nil {
		log.Fatal(err)
	}
	var means, value G.Value
	G.Read(pooled, &means)
	G.Read(loss, &value)
	vm := G.NewTapeMachine(g)
	defer func() { _ = vm.Close() }()
	if err := vm.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(means.Data())
	fmt.Printf("%.4f\n", value.Data())
	// Output:
	// [2 5 7 9]
	// 0.0486
}
