package krylov_test

import (
	"fmt"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/krylov"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// BenchmarkKernel times the kernels of one layer in float32: LegS, one state
// matrix for all features, everything trainable or all but C frozen.
func BenchmarkKernel(b *testing.B) {
	for _, x := range []struct{ h, n, l int }{{64, 64, 1024}, {64, 64, 16384}, {16, 256, 1024}} {
		for _, frozen := range []bool{false, true} {
			cfg := krylov.Config{L: x.l, Frozen: frozen}
			size := krylov.Size{CH: 1, H: x.h, S: 1, N: x.n}
			plan, err := krylov.NewPlan[float32](cfg, size)
			if err != nil {
				b.Fatal(err)
			}
			p := to32(measure(b, hippo.LegS, cfg, size))
			g := gradOf(cfg, p)
			benchmark(b, x.h, x.n, x.l, frozen, "",
				func(k []float32) error { return plan.Forward(k, p) },
				func(k []float32) error { return plan.Backward(g, p, k) })
		}
	}
}

// BenchmarkDenseKernel is BenchmarkKernel for dense state matrices.
func BenchmarkDenseKernel(b *testing.B) {
	for _, disc := range []ssm.Disc{ssm.Bilinear, ssm.ZOH} {
		const h, n, l = 64, 64, 1024
		size := krylov.Size{CH: 1, H: h, S: 1, N: n}
		cfg := krylov.Config{Disc: disc, L: l}
		plan, err := krylov.NewDensePlan[float32](cfg, size)
		if err != nil {
			b.Fatal(err)
		}
		p := denseTo32(denseOf(b, size, measure(b, hippo.LegS, cfg, size)))
		g := krylov.DenseParams[[]float32]{Dt: testutil.Unwritten[float32](h), A: testutil.Unwritten[float32](n * n), B: testutil.Unwritten[float32](n), C: testutil.Unwritten[float32](h * n)}
		benchmark(b, h, n, l, false, "/"+string(disc),
			func(k []float32) error { return plan.Forward(k, p) },
			func(k []float32) error { return plan.Backward(g, p, k) })
	}
}

func benchmark(b *testing.B, h, n, l int, frozen bool, suffix string, forward, backward func(k []float32) error) {
	k := make([]float32, h*l)
	state := "trainable"
	if frozen {
		state = "frozen"
	}
	name := fmt.Sprintf("H%d_N%d_L%d/%s%s", h, n, l, state, suffix)
	b.Run(name+"/fwd", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := forward(k); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(name+"/fwdbwd", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := forward(k); err != nil {
				b.Fatal(err)
			}
			if err := backward(k); err != nil {
				b.Fatal(err)
			}
		}
	})
}
