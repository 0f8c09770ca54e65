package portrait

import (
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

func TestEffectiveLength(t *testing.T) {
	decay := make([]float64, 1000)
	for l := range decay {
		decay[l] = math.Exp(-float64(l) / 50)
	}
	for _, c := range []struct {
		name string
		k    []float64
		want int
	}{
		{"no kernel", []float64{0, 0, 0}, 0},
		{"the present only", []float64{-3, 0, 0}, 1},
		{"a delay", []float64{0, 0, 0, 2, 0}, 4},
		{"what is below 1 % of the energy does not count", []float64{10, 0.5, 0.5, 0.5}, 1},
		{"what is above it does", []float64{10, 0, 0, 1.1}, 4},
		{"everywhere", []float64{1, 1, 1, 1}, 4},
		{"exponential: 50/2 log 100 = 115.1", decay, 116},
	} {
		if got := EffectiveLength(c.k); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestNormalisedKeepsTheEnvelope(t *testing.T) {
	if got, want := Normalised([]float64{1, -4, 2, 0, 0, 1, 3}, 4), []float64{-1, 0.5, 0.25, 0.75}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := Normalised([]float64{0, 0}, 4), []float64{0, 0}; !slices.Equal(got, want) {
		t.Errorf("a kernel of zeros: got %v, want %v", got, want)
	}
}

// What is said of a layer follows from its parameters: the kernels are in order of
// their reach, the poles come in pairs, and those of a diagonal layer are the
// eigenvalues of its matrix.
func TestLayer(t *testing.T) {
	const features, states, length = 3, 4, 40
	g := G.NewGraph()
	l, err := layers.NewS4D(g, tensor.Float64, layers.S4DConfig{DModel: features, DState: states})
	if err != nil {
		t.Fatal(err)
	}
	ks, err := Kernels(g, l, length)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for i, k := range ks {
		seen[k.Feature] = true
		if len(k.K) != length || i > 0 && k.Reach < ks[i-1].Reach {
			t.Errorf("kernel %d has %d steps and reaches %d", i, len(k.K), k.Reach)
		}
	}
	if len(seen) != features || Dense(l) {
		t.Errorf("got kernels of %d features, dense %v", len(seen), Dense(l))
	}
	systems, why := SystemsOf(l)
	if systems == nil {
		t.Fatal(why)
	}
	sys, err := systems.System(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Poles(sys)
	if err != nil {
		t.Fatal(err)
	}
	matrix, beyond, err := Eigenvalues(sys)
	if err != nil || beyond {
		t.Fatal(beyond, err)
	}
	if len(spec.A) != states || len(spec.Ab) != states || len(matrix.A) != states {
		t.Fatalf("got %d poles, %d discretised and %d eigenvalues", len(spec.A), len(spec.Ab), len(matrix.A))
	}
	for _, a := range matrix.A {
		if !slices.ContainsFunc(spec.A, func(p complex128) bool { return math.Hypot(real(a-p), imag(a-p)) < 1e-9 }) {
			t.Errorf("eigenvalue %g is none of the poles %g", a, spec.A)
		}
	}
}

func TestLayerWithoutSystems(t *testing.T) {
	g := G.NewGraph()
	free, err := layers.NewLongConv(g, tensor.Float64, layers.LongConvConfig{DModel: 2, LMax: 8})
	if err != nil {
		t.Fatal(err)
	}
	softmax, err := layers.NewDSS(g, tensor.Float64, layers.DSSConfig{DModel: 2, DState: 2})
	if err != nil {
		t.Fatal(err)
	}
	linear, err := layers.NewLinear(g, tensor.Float64, layers.LinearConfig{In: 2, Out: 2})
	if err != nil {
		t.Fatal(err)
	}
	for want, l := range map[string]layers.Layer{"free": free, "another system at every length": softmax, "no state space": linear} {
		if systems, why := SystemsOf(l); systems != nil || !strings.Contains(why, want) {
			t.Errorf("%T: got %v because %q, want %q", l, systems, why, want)
		}
	}
	if ks, err := Kernels(g, free, 100); err != nil || len(ks[0].K) != 8 {
		t.Errorf("want kernels as far as they reach, 8 steps, got %d (%v)", len(ks[0].K), err)
	}
}
