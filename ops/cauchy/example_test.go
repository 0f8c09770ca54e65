package cauchy_test

import (
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/ops/cauchy"
)

// The kernel of one feature with one conjugate pair, Lambda = -1/2 - 2i pi, and
// P = 1/2 at dt = 1/8. A layer stores C~, not C.
func ExampleKernel() {
	const l = 9
	size := cauchy.Size{CH: 1, H: 1, S: 1, N: 1, R: 1}
	cfg := cauchy.Config{L: l}
	prm := cauchy.Params[[]float64]{
		Dt:    []float64{math.Log(1. / 8)},
		AReal: []float64{math.Log(0.5)},
		AImag: []float64{2 * math.Pi},
		P:     []float64{0.5, 0},
		B:     []float64{1, 0},
		C:     []float64{4, 0},
	}
	if err := cauchy.TuneC(prm.C, cfg, size, prm, l); err != nil {
		log.Fatal(err)
	}

	g := G.NewGraph()
	param := func(name string, v []float64, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name),
			G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v))))
	}
	k, err := cauchy.Kernel(cfg, cauchy.Params[*G.Node]{
		Dt: param("log_dt", prm.Dt, 1, 1), AReal: param("A_real", prm.AReal, 1, 1), AImag: param("A_imag", prm.AImag, 1, 1),
		P: param("P", prm.P, 1, 1, 1, 2), B: param("B", prm.B, 1, 1, 2), C: param("C", prm.C, 1, 1, 1, 2),
	})
	if err != nil {
		log.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v %.2f\n", k.Shape(), k.Value().Data())
	// Output: (1, 1, 9) [0.83 0.34 -0.24 -0.62 -0.63 -0.32 0.10 0.41 0.46]
}
