package layers_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// stepSizes returns the parameter log_dt of a layer.
func stepSizes(t *testing.T, l layers.Layer) []float64 {
	t.Helper()
	for _, p := range l.Params() {
		if strings.HasSuffix(p.Name, "kernel.log_dt") {
			return p.Node.Value().Data().([]float64)
		}
	}
	t.Fatal("no step sizes")
	return nil
}

// A copy at a rate is the layer with step sizes times the rate, as a
// convolution and as a recurrence. (For S4 that is so up to the change of the
// length to which C~ is tuned: see below.)
func TestAtRateScalesStepSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	const rate = 1.5
	for _, v := range []variant{
		s4dVariant(layers.S4DConfig{DModel: 3, DState: 6, Dt: layers.DtPerState}),
		dssVariant(layers.DSSConfig{DModel: 3, DState: 4, Version: vandermonde.DSSExp}),
		lsslVariant(layers.LSSLConfig{DModel: 3, DState: 5}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 3, DState: 6}}),
	} {
		x := testutil.Normal(rng, "x", 2, 3, 25)
		layer := v.on(t, G.NewGraph(), tensor.Float64)
		g := G.NewGraph()
		c, err := v.clone(layer, g, layers.AtRate(rate))
		if err != nil {
			t.Fatal(err)
		}
		got := forward(t, c, g, tensor.Float64, x)
		r, err := c.Recurrence(2)
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(stepAll(t, r, tensor.Float64, x), got); !(e <= tolRecurrence64) {
			t.Errorf("%s: recurrence at a rate off by %.3g", v.name, e)
		}
		log := stepSizes(t, layer)
		for i := range log {
			log[i] += math.Log(rate)
		}
		g = G.NewGraph()
		if c, err = v.clone(layer, g); err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(got, forward(t, c, g, tensor.Float64, x)); !(e <= 1e-12) {
			t.Errorf("%s: rate %g differs from step sizes times %[2]g by %.3g", v.name, rate, e)
		}
	}
}

// A smooth signal sampled half as often gives, at rate 2, half the samples of
// the output.
func TestAtRateResamples(t *testing.T) {
	const steps, tol = 400, 0.03
	x := testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, steps}}
	half := testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, steps / 2}}
	for h := range 2 {
		for s := range steps {
			v := 1 - math.Cos(2*math.Pi*float64(s*(h+1))/steps)
			x.F = append(x.F, v)
			if s%2 == 1 {
				half.F = append(half.F, v)
			}
		}
	}
	for _, v := range []variant{
		s4Variant(layers.S4Config{DModel: 2, DState: 8, LMax: steps, DtMax: 0.01, SSM: layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}}),
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 8, DtMax: 0.01, SSM: layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}}),
		dssVariant(layers.DSSConfig{DModel: 2, DState: 4, DtMax: 0.01, Version: vandermonde.DSSExp, SSM: layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}}),
		lsslVariant(layers.LSSLConfig{DModel: 2, DState: 8, DtMax: 0.01, SSM: layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}}),
	} {
		g := G.NewGraph()
		layer := v.on(t, g, tensor.Float64)
		full := forward(t, layer, g, tensor.Float64, x)
		var want []float64
		for i, y := range full {
			if i%2 == 1 {
				want = append(want, y)
			}
		}
		g = G.NewGraph()
		c, err := v.clone(layer, g, layers.AtRate(2))
		if err != nil {
			t.Fatal(err)
		}
		if e := testutil.RelErr(forward(t, c, g, tensor.Float64, half), want); !(e <= tol) {
			t.Errorf("%s: at half the sampling frequency the output is off by %.3g > %g", v.name, e, tol)
		}
	}
}

func TestCloneOptionErrors(t *testing.T) {
	layer := newS4(t, G.NewGraph(), tensor.Float32, layers.S4Config{DModel: 2, LMax: 8})
	for want, o := range map[string]layers.CloneOption{
		"AtRate: want a finite rate > 0, got 0":                          layers.AtRate(0),
		"AtRate: want a finite rate > 0, got NaN":                        layers.AtRate(math.NaN()),
		"ForLength: want a length in [1, 1073741824], got -1":            layers.ForLength(-1),
		"ForLength: want a length in [1, 1073741824], got 0":             layers.ForLength(0),
		"ForLength: want a length in [1, 1073741824], got 1099511627776": layers.ForLength(1 << 40),
	} {
		if _, err := layer.CloneTo(G.NewGraph(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	g := G.NewGraph()
	c, err := layer.CloneTo(g, layers.AtRate(4))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Kernel(3); err == nil || !strings.Contains(err.Error(), "want at most 2 steps") {
		t.Errorf("a kernel beyond l_kernel/rate: got error %v", err)
	}
	if _, err := c.Kernel(0); err == nil || !strings.Contains(err.Error(), "want seqLen in [1, 1073741824], got 0") {
		t.Errorf("an empty kernel: got error %v", err)
	}
}
