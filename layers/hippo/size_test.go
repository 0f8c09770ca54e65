package hippo_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func TestHugeSizes(t *testing.T) {
	for _, n := range []int{1 << 40, 1 << 62, math.MaxInt - 1} {
		r := &hippo.Recurrence{A: mat.NewDense(1, 1, []float64{0.5}), B: []float64{1}, C: []float64{1}}
		for name, f := range map[string]func() error{
			"Transition": func() error { _, _, err := hippo.Transition(hippo.LegS, n, hippo.MeasureOptions{}); return err },
			"NPLR":       func() error { _, err := hippo.NPLR(hippo.LegS, n, 1, hippo.NPLROptions{}); return err },
			"NPLR rank":  func() error { _, err := hippo.NPLR(hippo.LegS, 4, n, hippo.NPLROptions{}); return err },
			"Basis":      func() error { _, err := hippo.Basis(hippo.LegT, n, 0.5, hippo.MeasureOptions{}); return err },
			"LSSL":       func() error { _, err := hippo.LSSL(hippo.LegT, n, hippo.MeasureOptions{}); return err },
			"NewMemory":  func() error { _, err := hippo.NewMemory(hippo.LegS, n, hippo.MemoryOptions{}); return err },
			"DiagInit":   func() error { _, _, err := hippo.DiagInit(hippo.InitLin, n, hippo.DiagOptions{}); return err },
			"DiagInit legs": func() error {
				_, _, err := hippo.DiagInit(hippo.InitLegS, n, hippo.DiagOptions{})
				return err
			},
			"DiagInit copies": func() error { _, _, err := hippo.DiagInit(hippo.InitLin, 4, hippo.DiagOptions{Copies: n}); return err },
			"DPLRInit":        func() error { _, err := hippo.DPLRInit(hippo.InitLegS, n, 1, hippo.DPLROptions{}); return err },
			"DPLRInit rank":   func() error { _, err := hippo.DPLRInit(hippo.InitAll, 4, n, hippo.DPLROptions{Copies: 4}); return err },
			"DPLRInit copies": func() error { _, err := hippo.DPLRInit(hippo.InitLegS, 4, 1, hippo.DPLROptions{Copies: n}); return err },
			"Kernel":          func() error { _, err := r.Kernel(n); return err },
			"TuneC":           func() error { _, err := r.TuneC(n); return err },
			"DiagonalKernel": func() error {
				one := []complex128{1}
				_, err := hippo.DiagonalKernel(one, one, one, 1, ssm.ZOH, 0, n)
				return err
			},
		} {
			err := f()
			if err == nil || !strings.HasPrefix(err.Error(), "hippo: ") || !strings.Contains(err.Error(), "want ") || !strings.Contains(err.Error(), fmt.Sprint(n)) {
				t.Errorf("%s of %d: got error %v", name, n, err)
			}
		}
	}
}
