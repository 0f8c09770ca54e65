package cauchy_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/cauchy"
)

// The kernel and its gradients with every instruction set against portable Go,
// at every length from 1 to 600 and at some whose half internal/fft transforms.
func TestLevelsAtEveryLength(t *testing.T) {
	const tol = 1e-11
	rng := rand.New(rand.NewPCG(8, 1))
	lengths := []int{768, 1024, 1280, 2048, 4096}
	for L := 1; L <= 600; L++ {
		lengths = append(lengths, L)
	}
	for _, L := range lengths {
		cfg := cauchy.Config{L: L}
		size := cauchy.Size{CH: 1 + L%3, H: 1, S: 1, N: 1 + L%4, R: 1 + L%2}
		p := randomParams(rng, cfg, size)
		gk := make([]float64, size.CH*L)
		for i := range gk {
			gk[i] = rng.NormFloat64()
		}
		at := func(l cpu.Level) (k []float64, grad params64) {
			defer cpu.SetActive(cpu.SetActive(l))
			return forward(t, cfg, size, p), backward(t, cfg, size, p, gk)
		}
		wantK, wantGrad := at(cpu.Generic)
		for l := cpu.Generic + 1; l <= cpu.Detected(); l++ {
			k, grad := at(l)
			if e := testutil.RelErr(k, wantK); !(e <= tol) {
				t.Errorf("%v, L = %d: kernel: relative error %.3g", l, L, e)
			}
			got, want := named(grad), named(wantGrad)
			for i := range want {
				if L == 1 && got[i].name == "Dt" { // -C~ M^-1 b does not depend on dt
					if e := math.Abs(got[i].v[0]); !(e <= tol*math.Abs(grad.AReal[0])) {
						t.Errorf("%v, L = 1: gradient of Dt: %.3g, want 0", l, got[i].v[0])
					}
					continue
				}
				if e := testutil.RelErr(got[i].v, want[i].v); !(e <= tol) {
					t.Errorf("%v, L = %d: gradient of %s: relative error %.3g", l, L, want[i].name, e)
				}
			}
		}
	}
}
