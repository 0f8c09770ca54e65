package conv1d

import (
	"fmt"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// BenchmarkDepthwise is the convolution of a layer, each feature by itself.
func BenchmarkDepthwise(b *testing.B) {
	for _, k := range []int{3, 4, 31} {
		s := setting{b: 16, in: 128, out: 128, groups: 128, k: k, l: 1024, pad: -1}
		p := newPlan[float32](s)
		testutil.BenchPlan(b, fmt.Sprintf("B16_C128_L1024_K%d", k), p.forward, p.backward)
	}
}

// BenchmarkGrouped is the convolution of a layer, dense and in groups.
func BenchmarkGrouped(b *testing.B) {
	for _, groups := range []int{1, 8} {
		s := setting{b: 16, in: 128, out: 128, groups: groups, k: 4, l: 1024, pad: -1}
		p := newPlan[float32](s)
		testutil.BenchPlan(b, fmt.Sprintf("B16_C128_L1024_K4_G%d", groups), p.forward, p.backward)
	}
}

// BenchmarkStep is a step of a batch, depthwise and dense.
func BenchmarkStep(b *testing.B) {
	for _, groups := range []int{1, 128} {
		for _, batch := range []int{1, 16} {
			b.Run(fmt.Sprintf("C128_K4_G%d_B%d", groups, batch), func(b *testing.B) {
				w, err := NewWeights(Shape{128, 128, groups, 4, 1}, make([]float32, 128*128/groups*4), make([]float32, 128))
				if err != nil {
					b.Fatal(err)
				}
				step, err := w.NewStep(batch)
				if err != nil {
					b.Fatal(err)
				}
				y, u := make([]float32, batch*128), make([]float32, batch*128)
				testutil.Bench(b, func() error { return step.Advance(y, u) })
			})
		}
	}
}
