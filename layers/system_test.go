package layers_test

import (
	"fmt"
	"math"
	"math/cmplx"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// stateSpace returns the state space layer of a variant, or inside a block.
func stateSpace(t testing.TB, l sequenceLayer) layers.StateSpaceLayer {
	t.Helper()
	if b, ok := l.(*layers.Block); ok {
		return b.Mixer().(layers.StateSpaceLayer)
	}
	s, ok := l.(layers.StateSpaceLayer)
	if !ok {
		t.Fatalf("%T is no StateSpaceLayer", l)
	}
	return s
}

// kernelValues runs Kernel: (CH, H, L).
func kernelValues(t testing.TB, l layers.StateSpaceLayer, g *G.ExprGraph, seqLen int) (k []float64, shape tensor.Shape) {
	t.Helper()
	n, err := l.Kernel(seqLen)
	if err != nil {
		t.Fatal(err)
	}
	var v G.Value
	G.Read(n, &v)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(v), n.Shape()
}

// checkSystems compares the kernels of a layer with those of its systems.
func checkSystems(t *testing.T, l layers.StateSpaceLayer, g *G.ExprGraph, seqLen int, tol float64) {
	t.Helper()
	k, shape := kernelValues(t, l, g, seqLen)
	for c := range shape[0] {
		for h := range shape[1] {
			s, err := l.System(c, h)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("kernel %d of feature %d", c, h)
			got, err := s.Discrete.Kernel(seqLen)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := k[(c*shape[1]+h)*shape[2]:][:seqLen]
			if e := testutil.RelErr(got, want); !(e <= tol) {
				t.Errorf("%s: the discrete system is off by %.3g", name, e)
			}
			r, err := s.Continuous.Discretize(s.Dt, s.Disc, s.Alpha)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err = r.Kernel(seqLen); err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(got, want); !(e <= tol) {
				t.Errorf("%s: the continuous system, discretised, is off by %.3g", name, e)
			}
			if s.Continuous.D != s.Discrete.D {
				t.Errorf("%s: D = %g and %g", name, s.Continuous.D, s.Discrete.D)
			}
			switch l.(type) {
			case *layers.S4D, *layers.DSS:
				checkPoles(t, name, s)
			}
		}
	}
}

// checkPoles checks that the poles of a diagonal layer are the eigenvalues of A
// above or below the real axis.
func checkPoles(t *testing.T, name string, s *layers.System) {
	t.Helper()
	const tol = 1e-12
	eig, _, err := hippo.Eigenvalues(s.Continuous.A)
	if err != nil {
		t.Fatal(err)
	}
	if len(eig) != 2*len(s.Lambda) {
		t.Fatalf("%s: %d poles, %d eigenvalues", name, len(s.Lambda), len(eig))
	}
	for _, l := range s.Lambda {
		nearest := math.Inf(1)
		for _, e := range eig {
			nearest = min(nearest, cmplx.Abs(e-l))
		}
		if !(nearest <= tol*(1+cmplx.Abs(l))) {
			t.Errorf("%s: pole %g is %.3g off the nearest eigenvalue", name, l, nearest)
		}
	}
}

// What System says of every kernel of every layer is what the layer computes.
func TestSystemIsTheLayer(t *testing.T) {
	const tol = 1e-10
	eachStateSpace(t, func(t *testing.T, v variant) {
		for _, rate := range []float64{1, 1.5} {
			g := G.NewGraph()
			l, err := v.clone(v.on(t, G.NewGraph(), tensor.Float64), g, layers.AtRate(rate))
			if err != nil {
				t.Fatal(err)
			}
			checkSystems(t, stateSpace(t, l), g, familyLength/2, tol)
		}
	})
}

func TestSystemOfFloat32IsThatOfItsParameters(t *testing.T) {
	const tol = 1e-5
	eachStateSpace(t, func(t *testing.T, v variant) {
		g := G.NewGraph()
		checkSystems(t, stateSpace(t, v.on(t, g, tensor.Float32)), g, familyLength/2, tol)
	})
}

// The second half of the kernels reads the future, and has no skip of its own.
func TestSystemOfBothDirections(t *testing.T) {
	const tol = 1e-10
	g := G.NewGraph()
	l, err := layers.NewS4D(g, tensor.Float64, layers.S4DConfig{DModel: 3, DState: 4, SSM: layers.SSM{Channels: 2, Bidirectional: true}})
	if err != nil {
		t.Fatal(err)
	}
	checkSystems(t, l, g, 20, tol)
	for k := range 4 {
		s, err := l.System(k, 1)
		if err != nil {
			t.Fatal(err)
		}
		if skip := s.Discrete.D != 0; skip != (k < 2) {
			t.Errorf("kernel %d: D = %g", k, s.Discrete.D)
		}
	}
}

// An S4 layer that has seen no sequence stores C itself, and System leaves it so.
func TestSystemOfUntunedS4(t *testing.T) {
	const tol = 1e-10
	g := G.NewGraph()
	l, err := layers.NewS4(g, tensor.Float64, layers.S4Config{DModel: 2, DState: 6})
	if err != nil {
		t.Fatal(err)
	}
	before, err := l.System(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	checkSystems(t, l, g, 40, tol)
	after, err := l.System(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(after.Discrete.C, before.Discrete.C); !(e <= tol) {
		t.Errorf("C is off by %.3g after the layer was tuned to a length", e)
	}
	start, err := hippo.NPLR(hippo.LegS, 6, 1, hippo.NPLROptions{})
	if err != nil {
		t.Fatal(err)
	}
	eig, uncertainty, err := hippo.Eigenvalues(before.Continuous.A)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range before.Lambda {
		if e := cmplx.Abs(l - start.Lambda[i]); !(e <= tol) {
			t.Errorf("pole %d: got %g, want %g", i, l, start.Lambda[i])
		}
	}
	for i, v := range eig { // of LegS -1..-6
		nearest := math.Inf(1)
		for n := range eig {
			nearest = min(nearest, cmplx.Abs(v+complex(float64(n+1), 0)))
		}
		if !(nearest <= uncertainty) || uncertainty > 1e-6 {
			t.Errorf("eigenvalue %d: got %g, %.3g off, uncertain by %.3g", i, v, nearest, uncertainty)
		}
	}
}

func TestSystemErrors(t *testing.T) {
	g := G.NewGraph()
	s4d, err := layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: 3, DState: 2, SSM: layers.SSM{Channels: 2}})
	if err != nil {
		t.Fatal(err)
	}
	dss, err := layers.NewDSS(g, tensor.Float32, layers.DSSConfig{DModel: 3, DState: 2, Version: vandermonde.DSSSoftmax})
	if err != nil {
		t.Fatal(err)
	}
	system := func(l layers.StateSpaceLayer, kernel, feature int) error {
		_, err := l.System(kernel, feature)
		return err
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{system(s4d, 2, 0), `layers: S4D "s4d": System: want a kernel in [0, 2) and a feature in [0, 3), got 2 and 0`},
		{system(s4d, -1, 0), "got -1 and 0"},
		{system(s4d, 0, 3), "got 0 and 3"},
		{system(s4d, 0, -1), "got 0 and -1"},
		{system(dss, 0, 0), `layers: DSS "dss": System: version "softmax" without LMax is another model at every length`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
