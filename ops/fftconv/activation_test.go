package fftconv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops"
)

// The fused activation, and its gradient, are what a convolution and an
// activation after it give.
func TestActivationIsThatOfSeparateOps(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testActivation[float32](t, tol32) })
	t.Run("float64", func(t *testing.T) { testActivation[float64](t, tol64) })
}

func testActivation[T num.Float](t *testing.T, tol float64) {
	rng := rand.New(rand.NewPCG(2, 1))
	for _, size := range []Size{{1, 1, 1, 1, 1}, {3, 2, 1, 9, 5}, {3, 2, 1, 50, 50}, {4, 3, 1, 300, 300}, {3, 2, 2, 60, 41}, {2, 1, 3, 784, 500}, {9, 1, 1, 5000, 5000}} {
		for _, mode := range modes {
			for _, byFFT := range []bool{true, false} {
				if !byFFT && size.L > 100 {
					continue
				}
				plain := newPlan[T](t, Config{Mode: mode}, size, byFFT)
				fused := newPlan[T](t, Config{Mode: mode, Activation: ops.ActGELU}, size, byFFT)
				in, dy := randomInputs[T](rng, &plain.geometry), random[T](rng, size.B*size.CH*size.H*size.L)
				pre := forward(t, plain, in)
				y, dpre := slices.Clone(pre), slices.Clone(pre)
				vec.GELU(y, pre)
				vec.GELUGrad(dpre, pre, dy)
				grad := backward(t, plain, in, dpre)
				what := fmt.Sprintf("%s %+v fft %v", mode, size, byFFT)
				want := Inputs[float64]{U: toFloat64(grad.U), K: toFloat64(grad.K), D: toFloat64(grad.D)}
				checkPlan(t, what, fused, in, dy, toFloat64(y), want, tol)

				// One gradient alone.
				for i := range 3 {
					only := unwritten[T](&plain.geometry)
					members := []*[]T{&only.U, &only.K, &only.D}
					wants := [][]float64{want.U, want.K, want.D}
					for j := range members {
						if j != i {
							*members[j] = nil
						}
					}
					if err := fused.Backward(only, in, dy); err != nil {
						t.Fatal(err)
					}
					check(t, fmt.Sprintf("%s: gradient %d alone", what, i), *members[i], wants[i], tol)
				}
			}
		}
	}
}

func TestActivationDoesNotAllocate(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, size := range []Size{{3, 4, 1, 200, 200}, {3, 4, 2, 200, 200}, {3, 4, 1, 9, 9}, {8, 2, 1, 4096, 4096}} {
		p, err := NewPlan[float32](Config{Activation: ops.ActGELU}, size)
		if err != nil {
			t.Fatal(err)
		}
		in := randomInputs[float32](rng, &p.geometry)
		y, grad := forward(t, p, in), unwritten[float32](&p.geometry)
		if n := testing.AllocsPerRun(5, func() {
			if err := p.Forward(y, in); err != nil {
				t.Error(err)
			}
			if err := p.Backward(grad, in, y); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%+v: %v allocations", size, n)
		}
	}
}
