package layers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// A kernel has the length asked for, and is what Fwd convolves an impulse with.
func TestKernelIsTheImpulseResponse(t *testing.T) {
	const h, lMax = 2, 4
	for _, v := range []variant{
		s4dVariant(layers.S4DConfig{DModel: h, DState: 4, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}),
		s4Variant(layers.S4Config{DModel: h, DState: 4, LMax: lMax, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}),
		dssVariant(layers.DSSConfig{DModel: h, DState: 4, LMax: lMax, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}),
		dssVariant(layers.DSSConfig{DModel: h, DState: 4, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}),
		dssVariant(layers.DSSConfig{DModel: h, DState: 4, LMax: lMax, Version: vandermonde.DSSExp, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}),
		lsslVariant(layers.LSSLConfig{DModel: h, DState: 4, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}),
		longConvVariant(layers.LongConvConfig{DModel: h, LMax: lMax, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}),
	} {
		for l := 1; l <= lMax; l++ {
			g := G.NewGraph()
			layer := v.on(t, g, tensor.Float64)
			impulse := testutil.Input{Name: "x", Shape: tensor.Shape{1, h, l}, F: make([]float64, h*l)}
			for i := range h {
				impulse.F[i*l] = 1
			}
			y, err := layer.Fwd(node(g, tensor.Float64, impulse))
			if err != nil {
				t.Fatal(err)
			}
			want := run(t, g, y)
			for _, p := range layer.Params() {
				if strings.HasSuffix(p.Name, ".D") {
					for i, d := range p.Node.Value().Data().([]float64) {
						want[i*l] -= d
					}
				}
			}
			g = G.NewGraph()
			clone, err := v.clone(layer, g)
			if err != nil {
				t.Fatal(err)
			}
			k, err := clone.(layers.StateSpaceLayer).Kernel(l)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(k.Shape(), tensor.Shape{1, h, l}) {
				t.Errorf("%s: Kernel(%d): got shape %v", v.name, l, k.Shape())
			}
			if e := testutil.RelErr(run(t, g, k), want); !(e <= 1e-12) {
				t.Errorf("%s: Kernel(%d) is not the impulse response: off by %.3g", v.name, l, e)
			}
		}
	}
}

func TestKernelErrors(t *testing.T) {
	for _, v := range []variant{
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 4}),
		s4Variant(layers.S4Config{DModel: 2, DState: 4}),
		s4Variant(layers.S4Config{DModel: 2, DState: 4, LMax: 4}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4, LMax: 4}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4, LMax: 4, Version: vandermonde.DSSExp}),
		lsslVariant(layers.LSSLConfig{DModel: 2, DState: 4}),
	} {
		layer := v.on(t, G.NewGraph(), tensor.Float64).(layers.StateSpaceLayer)
		for _, l := range []int{0, -1} {
			want := fmt.Sprintf("Kernel: want seqLen in [1, 1073741824], got %d", l)
			if _, err := layer.Kernel(l); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "layers: ") {
				t.Errorf("%s: got error %v, want %q", v.name, err, want)
			}
		}
		if _, ok := layer.(*layers.DSS); ok && strings.Contains(v.name, "l_max") {
			const want = "want at most 4 steps, beyond which the kernel is 0, got 9"
			if _, err := layer.Kernel(9); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", v.name, err, want)
			}
		}
	}
}
