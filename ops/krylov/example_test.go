package krylov_test

import (
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// The kernel that reads the first coefficient of HiPPO-LegS, an exponential
// average of the past, from a trainable A.
func ExampleKernel() {
	const n = 4
	system, err := hippo.LSSL(hippo.LegS, n, hippo.MeasureOptions{})
	if err != nil {
		log.Fatal(err)
	}
	g := G.NewGraph()
	param := func(name string, v []float64, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name),
			G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(v))))
	}
	p := krylov.Params[*G.Node]{
		Dt: param("log_dt", []float64{math.Log(0.5)}, 1),
		A: ssm.Tridiagonal[*G.Node]{
			Pl: param("pl", system.Pl, n), Dl: param("dl", system.Dl, n-1), D: param("d", system.D, n), Du: param("du", system.Du, n-1),
			Pr: param("pr", system.Pr, n), C: param("c", system.C, n), B: param("b", system.B, n),
		},
		C: param("C", []float64{1, 0, 0, 0}, 1, 1, n),
	}
	k, err := krylov.Kernel(krylov.Config{L: 6}, p)
	if err != nil {
		log.Fatal(err)
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v %.3f\n", k.Shape(), k.Value().Data())
	// Output: (1, 1, 6) [0.400 0.240 0.144 0.086 0.052 0.031]
}
