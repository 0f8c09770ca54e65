package pictures

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// through sends sequences u (1, H, L) through a layer that is on graph g, each by itself, and
// returns what comes out of each.
func through(g *G.ExprGraph, l layers.Mixer, h int, us ...[]float64) ([][]float64, error) {
	ys, read := make([][]float64, len(us)), make([]G.Value, len(us))
	for i, u := range us {
		n := G.NewTensor(g, tensor.Float64, 3, G.WithShape(1, h, len(u)/h), G.WithName(fmt.Sprintf("u%d", i)),
			G.WithValue(tensor.New(tensor.WithShape(1, h, len(u)/h), tensor.WithBacking(u))))
		y, err := l.Fwd(n)
		if err != nil {
			return nil, err
		}
		G.Read(y, &read[i])
	}
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, err
	}
	for i := range ys {
		ys[i] = append(ys[i], read[i].Data().([]float64)...)
	}
	return ys, nil
}
