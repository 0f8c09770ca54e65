package ops

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// widened returns numbers in float64.
func widened[T num.Float](x []T) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// linearOf is y = W x + b of rows x by the definition.
func linearOf[T num.Float](in, out int, w, bias, x []T) []float64 {
	var y []float64
	for len(x) > 0 {
		for o := range out {
			v := float64(bias[o])
			for i := range in {
				v += float64(w[o*in+i]) * float64(x[i])
			}
			y = append(y, v)
		}
		x = x[in:]
	}
	return y
}

func TestLinearStep(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testLinearStep[float32](t, 1e-6) })
	t.Run("float64", func(t *testing.T) { testLinearStep[float64](t, 1e-14) })
}

// testLinearStep has products that are spread over the workers, by rows and by outputs, and
// others, and halves that are whole spans and others. A row of many is that row alone.
func testLinearStep[T num.Float](t *testing.T, tol float64) {
	for _, c := range []struct{ batch, in, out int }{{1, 3, 2}, {3, 5, 10}, {1, 300, 1024}, {4, 300, 512}, {5, 300, 300}, {16, 128, 128}, {19, 130, 200}, {17, 64, 512}, {0, 3, 4}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			rng := newRand(1)
			normal := func(n int) []T {
				v := make([]T, n)
				for i := range v {
					v[i] = T(rng.NormFloat64())
				}
				return v
			}
			w, bias, x := normal(c.out*c.in), normal(c.out), normal(c.batch*c.in)
			weights := NewLinearWeights(c.in, c.out, w, bias)
			want := linearOf(c.in, c.out, w, bias, x)
			check := func(name string, got []T, want []float64) {
				t.Helper()
				if e := testutil.RelErr(widened(got), want); !(e <= tol) {
					t.Errorf("%s: relative error %.3g > %.3g", name, e, tol)
				}
			}
			check("Apply", weights.NewStep().Apply(x, c.batch), want)

			y := normal(c.batch * c.out)
			weights.NewStep().ApplyTo(y, x, c.batch)
			check("ApplyTo", y, want)

			silu := make([]float64, len(want))
			for i, v := range want {
				silu[i] = v / (1 + math.Exp(-v))
			}
			check("Then", weights.NewStep().Then(vec.SiLU[T]).Apply(x, c.batch), silu)

			half := c.out / 2
			gated := make([]T, half)
			var glu []float64
			for b := range c.batch {
				for i, v := range want[b*c.out:][:half] {
					glu = append(glu, v/(1+math.Exp(-want[b*c.out+half+i])))
				}
			}
			z := normal(c.batch * half)
			weights.NewStep().ApplyGLU(z, x, c.batch)
			check("ApplyGLU", z, glu)

			row := weights.NewStep()
			for b := range c.batch {
				if got := row.Apply(x[b*c.in:][:c.in], 1); !slices.Equal(got, y[b*c.out:][:c.out]) {
					t.Errorf("row %d of %d: other numbers than alone", b, c.batch)
				}
				if row.ApplyGLU(gated, x[b*c.in:][:c.in], 1); !slices.Equal(gated, z[b*half:][:half]) {
					t.Errorf("row %d of %d behind a gate: other numbers than alone", b, c.batch)
				}
			}
		})
	}
}
