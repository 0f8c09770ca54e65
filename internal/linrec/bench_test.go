package linrec_test

import (
	"fmt"
	"testing"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/linrec"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// BenchmarkCores times both cores for one feature of 64 states, forward and
// backward.
func BenchmarkCores(b *testing.B) {
	for _, x := range []struct{ batch, l int }{{1, 1024}, {16, 1024}, {16, 16384}} {
		s := linrec.Size{B: x.batch, CH: 1, H: 1, N: 64, L: x.l, Complex: true, Tuned: x.l}
		m := newModel(linrec.Size{B: x.batch, CH: 1, H: 1, N: 64, L: 1}) // whose inputs but u are those of all lengths
		u := make([]float64, x.batch*x.l)
		for name, c := range map[string]struct {
			core graphop.Core[float64]
			in   [][]float64
			out  int
		}{
			"output": {linrec.NewOutput(&plain[float64]{}, s), [][]float64{m.e.F, m.b.F, m.c.F, m.x0.F}, len(u)},
			"final":  {linrec.NewFinal(&plain[float64]{}, s), [][]float64{m.e.F, m.b.F, u, m.x0.F}, len(m.x0.F)},
		} {
			var in []graphop.Arg[float64]
			var grad [][]float64
			for _, v := range c.in {
				in, grad = append(in, graphop.Arg[float64]{F: v}), append(grad, make([]float64, len(v)))
			}
			out := make([]float64, c.out)
			size := fmt.Sprintf("%s/B%d_N%d_L%d", name, s.B, s.N, s.L)
			b.Run(size+"/fwd", func(b *testing.B) {
				testutil.Bench(b, func() error { return c.core.Forward(out, in) })
			})
			b.Run(size+"/bwd", func(b *testing.B) {
				testutil.Bench(b, func() error { return c.core.Backward(grad, in, nil, out) })
			})
		}
	}
}
