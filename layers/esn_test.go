package layers_test

import (
	"math"
	"math/cmplx"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

func TestESNConfig(t *testing.T) {
	for want, cfg := range map[string]layers.ESNConfig{
		"want DModel >= 1, got 0":                    {},
		"want Reservoir at most 4096, got 5000":      {DModel: 2, Reservoir: 5000},
		"want a finite SpectralRadius > 0":           {DModel: 2, SpectralRadius: -1},
		"want Density in (0, 1], or 0":               {DModel: 2, Density: 1.5},
		"want Leak in (0, 1], or 0 for 1, got NaN":   {DModel: 2, Leak: math.NaN()},
		"want a finite InputScale > 0, or 0 for the": {DModel: 2, InputScale: math.Inf(1)},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "ESNConfig: "+want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// The reservoir is not learned, and is of the spectral radius, the density and the scale
// that were asked for.
func TestReservoir(t *testing.T) {
	for _, cfg := range []layers.ESNConfig{
		{DModel: 2, Reservoir: 60, SpectralRadius: 0.7, Density: 0.2, InputScale: 0.5},
		{DModel: 2, Reservoir: 1}, // as good as without an eigenvalue
	} {
		l, err := layers.NewESN(G.NewGraph(), tensor.Float64, cfg, layers.WithSeed(5))
		if err != nil {
			t.Fatal(err)
		}
		cfg = l.Config()
		var learned []string
		for _, p := range l.Params() {
			learned = append(learned, p.Name)
		}
		if got := strings.Join(learned, " "); got != "esn.readout.weight esn.readout.bias" {
			t.Errorf("parameters %q", got)
		}
		found := 0
		for _, b := range l.Buffers() {
			v := b.Value.Data().([]float64)
			var most float64
			set := 0
			for _, x := range v {
				most = max(most, math.Abs(x))
				if x != 0 {
					set++
				}
			}
			switch b.Name {
			case "esn.weight_ih", "esn.bias_ih":
				found++
				if !(most <= cfg.InputScale) {
					t.Errorf("%s: up to %g, want %g", b.Name, most, cfg.InputScale)
				}
			case "esn.weight_hh":
				found++
				var e mat.Eigen
				if !e.Factorize(mat.NewDense(cfg.Reservoir, cfg.Reservoir, v), mat.EigenNone) {
					t.Fatal("no eigenvalues")
				}
				var radius float64
				for _, z := range e.Values(nil) {
					radius = max(radius, cmplx.Abs(z))
				}
				if math.Abs(radius-cfg.SpectralRadius) > 1e-9 {
					t.Errorf("spectral radius %g, want %g", radius, cfg.SpectralRadius)
				}
				if part := float64(set) / float64(len(v)); cfg.Reservoir > 1 && math.Abs(part-cfg.Density) > 0.03 {
					t.Errorf("density %g, want %g", part, cfg.Density)
				}
			}
		}
		if found != 3 {
			t.Errorf("buffers %v", l.Buffers())
		}
	}
}
