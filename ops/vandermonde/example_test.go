package vandermonde_test

import (
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// The kernel of one feature with one conjugate pair, A = -1/2 - 2i pi, at
// dt = 1/8: a damped oscillation of period 8.
func ExampleKernel() {
	g := G.NewGraph()
	param := func(name string, v []float64, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name),
			G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v))))
	}
	p := vandermonde.Params[*G.Node]{
		Dt:    param("log_dt", []float64{math.Log(1. / 8)}, 1, 1),
		AReal: param("A_real", []float64{math.Log(0.5)}, 1, 1),
		AImag: param("A_imag", []float64{2 * math.Pi}, 1, 1),
		C:     param("C", []float64{4, 0}, 1, 1, 1, 2),
	}
	k, err := vandermonde.Kernel(vandermonde.Config{L: 9}, p)
	if err != nil {
		log.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v %.2f\n", k.Shape(), k.Value().Data())
	// Output: (1, 1, 9) [0.87 0.34 -0.32 -0.72 -0.68 -0.27 0.25 0.56 0.53]
}
