package layers_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

func TestDSSErrors(t *testing.T) {
	for want, cfg := range map[string]layers.DSSConfig{
		"want DModel >= 1, got 0":                          {},
		"want DState >= 1, got -2":                         {DModel: 2, DState: -2},
		"want LMax >= 1":                                   {DModel: 2, LMax: -1},
		`got "x"`:                                          {DModel: 2, Version: "x"},
		`want Init "legs" or "random", got "lin"`:          {DModel: 2, Init: "lin"},
		"want 0 < DtMin <= DtMax":                          {DModel: 2, DtMin: 1},
		`want Frozen to name some of dt, A, C, D, got "B"`: {DModel: 2, SSM: layers.SSM{Frozen: []string{"B"}}},
	} {
		_, err := layers.NewDSS(G.NewGraph(), tensor.Float32, cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), `layers: DSS "dss": DSSConfig: `) {
			t.Errorf("%+v: got error %v, want %q", cfg, err, want)
		}
	}
	g := G.NewGraph()
	softmax, err := layers.NewDSS(g, tensor.Float64, layers.DSSConfig{DModel: 2, DState: 4})
	if err != nil {
		t.Fatal(err)
	}
	x := node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 5}, F: make([]float64, 10)})
	if _, err := softmax.Recurrence(1); err == nil || !strings.Contains(err.Error(), `layers: DSS "dss": Recurrence: version "softmax" without LMax is another model at every length`) {
		t.Errorf("got error %v", err)
	}
	if _, _, err := softmax.FwdState(x, nil); err == nil || !strings.Contains(err.Error(), `layers: DSS "dss": FwdState: version "softmax" without LMax`) {
		t.Errorf("got error %v", err)
	}
	g = G.NewGraph()
	cut, err := layers.NewDSS(g, tensor.Float64, layers.DSSConfig{DModel: 2, DState: 4, LMax: 4})
	if err != nil {
		t.Fatal(err)
	}
	x = node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 5}, F: make([]float64, 10)})
	if _, _, err := cut.FwdState(x, nil); err == nil || !strings.Contains(err.Error(), "want at most LMax = 4 steps") {
		t.Errorf("got error %v", err)
	}
}
