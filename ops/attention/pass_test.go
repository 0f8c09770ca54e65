package attention

import (
	"testing"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// TestPasses holds the passes of every instruction set against the portable ones.
func TestPasses(t *testing.T) {
	for l := cpu.Generic; l <= cpu.Detected(); l++ {
		t.Run(l.String(), func(t *testing.T) {
			defer cpu.SetActive(cpu.SetActive(l))
			testPasses[float32](t, 1e-6)
			testPasses[float64](t, 1e-14)
		})
	}
}

func testPasses[T num.Float](t *testing.T, tol float64) {
	const guard = 5
	for _, hd := range []int{1, 2, 5, 16, 64} {
		for blocks := range 4 {
			n := blocks * stepsIn[T]()
			q, k := normal[T](hd), normal[T](hd*n)
			got, exact := normal[T](n+guard), normal[T](n+guard)
			scores(got[:n], q, k)
			scoresGeneric(exact[:n], q, k, blocks)
			if e := testutil.RelErr(testutil.Float64s(got), testutil.Float64s(exact)); !(e <= tol) {
				t.Errorf("scores, %d features, %d blocks: relative error %.3g > %g", hd, blocks, e, tol)
			}
			size := hd * sumsIn[T]()
			p := normal[T](n)
			got, exact = normal[T](size+guard), normal[T](size+guard)
			mix(got[:size], p, k)
			mixGeneric(exact[:size], p, k, hd, blocks)
			if e := testutil.RelErr(testutil.Float64s(got), testutil.Float64s(exact)); !(e <= tol) {
				t.Errorf("mix, %d features, %d blocks: relative error %.3g > %g", hd, blocks, e, tol)
			}
		}
	}
}
