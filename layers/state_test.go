package layers_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// A state matrix from a checkpoint that is not stable is refused where the
// layer is put on a graph, and where it becomes a recurrence or a system.
func TestUnstableStateMatrixIsRefused(t *testing.T) {
	for _, v := range []variant{
		s4Variant(layers.S4Config{DModel: 2, DState: 4, LMax: 8, ATransform: ssm.None}),
		s4dVariant(layers.S4DConfig{DModel: 2, DState: 4, ATransform: ssm.None}),
	} {
		g := G.NewGraph()
		layer := v.on(t, g, tensor.Float64)
		for _, p := range layer.Params() {
			if strings.HasSuffix(p.Name, "kernel.A_real") {
				p.Node.Value().Data().([]float64)[1] = -0.5
			}
		}
		const want = `kernel.A_real: want decay rates -Re A >= 0, as the transform "none" does not make them so, got -0.5 at element 1`
		_, err := layer.Fwd(node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 8}, F: make([]float64, 16)}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Fwd: got error %v", v.name, err)
		}
		if _, err := layer.Recurrence(1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Recurrence: got error %v", v.name, err)
		}
		if _, err := layer.(layers.StateSpaceLayer).System(0, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: System: got error %v", v.name, err)
		}
	}
}

func TestStateErrorsOfLayers(t *testing.T) {
	g := G.NewGraph()
	x := node(g, tensor.Float32, testutil.Input{Name: "x", Shape: tensor.Shape{2, 3, 4}, F: make([]float64, 24)})
	wrong := node(g, tensor.Float32, testutil.Input{Name: "wrong", Shape: tensor.Shape{1, 3, 2, 2}, F: make([]float64, 12)})
	double := node(g, tensor.Float64, testutil.Input{Name: "double", Shape: tensor.Shape{2, 3, 2, 2}, F: make([]float64, 24)})
	away := node(G.NewGraph(), tensor.Float32, testutil.Input{Name: "away", Shape: tensor.Shape{2, 3, 2, 2}, F: make([]float64, 24)})
	layer := newS4(t, g, tensor.Float32, layers.S4Config{DModel: 3, DState: 4}, layers.WithName("a"))
	bi := newS4(t, g, tensor.Float32, layers.S4Config{DModel: 3, DState: 4, SSM: layers.SSM{Bidirectional: true}}, layers.WithName("b"))
	for want, f := range map[string]func() (*G.Node, G.Nodes, error){
		`layers: S4 "a": FwdState: want a state "x" (2, 3, 2, 2), got (1, 3, 2, 2)`: func() (*G.Node, G.Nodes, error) { return layer.FwdState(x, G.Nodes{wrong}) },
		`layers: S4 "a": FwdState: want a state "x" of dtype float32, got float64`:  func() (*G.Node, G.Nodes, error) { return layer.FwdState(x, G.Nodes{double}) },
		`x0 is on another graph than the layer`:                                     func() (*G.Node, G.Nodes, error) { return layer.FwdState(x, G.Nodes{away}) },
		`layers: S4 "b": FwdState: a bidirectional layer has no state`:              func() (*G.Node, G.Nodes, error) { return bi.FwdState(x, nil) },
		`layers: S4 "a": Fwd: want x (B, 3, L), got nil`:                            func() (*G.Node, G.Nodes, error) { return layer.FwdState(nil, nil) },
	} {
		if _, _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestLengthsErrors(t *testing.T) {
	g := G.NewGraph()
	x := node(g, tensor.Float32, testutil.Input{Name: "x", Shape: tensor.Shape{2, 3, 4}, F: make([]float64, 24)})
	layer := newS4(t, g, tensor.Float32, layers.S4Config{DModel: 3, DState: 4})
	for want, lengths := range map[string]*G.Node{
		`layers: S4 "s4": Fwd: want lengths (2) of dtype int, got (3) of dtype int`:     G.NewVector(g, tensor.Int, G.WithShape(3), G.WithName("three")),
		`layers: S4 "s4": Fwd: want lengths (2) of dtype int, got (2) of dtype float32`: G.NewVector(g, tensor.Float32, G.WithShape(2), G.WithName("floats")),
		`layers: S4 "s4": Fwd: want lengths (2) of dtype int, got (2, 1) of dtype int`:  G.NewMatrix(g, tensor.Int, G.WithShape(2, 1), G.WithName("column")),
	} {
		if _, err := layer.FwdLengths(x, lengths); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestScanStates(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		rng := rand.New(rand.NewPCG(5, 4))
		const l = 5
		x := testutil.Normal(rng, "x", 2, v.dModel, l)
		layer := v.on(t, G.NewGraph(), tensor.Float64)
		r, err := layer.Recurrence(2)
		if err != nil {
			t.Fatal(err)
		}
		y, states, err := layers.ScanStates(r, x.Tensor(tensor.Float64))
		if err != nil {
			t.Fatal(err)
		}
		shapes := layer.StateShapes(2)
		for i, s := range shapes {
			want := append(tensor.Shape{l}, s.Shape...)
			if s.Grows > 0 {
				want[1+s.Grows] = l
			}
			if !states[i].Value.Shape().Eq(want) {
				t.Fatalf("state %q %v, want %v", s.Name, states[i].Value.Shape(), want)
			}
		}
		r.Reset()
		if e := testutil.RelErr(testutil.Floats(y), stepAll(t, r, tensor.Float64, x)); e != 0 {
			t.Errorf("outputs differ from those of Step by %.3g", e)
		}
		// at returns the state after a step, without what is in front of a tensor
		// that grew later.
		at := func(step int) []float64 {
			var all []float64
			for i, s := range shapes {
				d := testutil.Floats(states[i].Value)
				d = d[step*len(d)/l : (step+1)*len(d)/l]
				if s.Grows == 0 {
					all = append(all, d...)
					continue
				}
				n := s.Shape[s.Grows:].TotalSize()
				for ; len(d) > 0; d = d[l*n:] {
					all = append(all, d[(l-1-step)*n:l*n]...)
				}
			}
			return all
		}
		if e := testutil.RelErr(at(l-1), numbers(r.State())); e != 0 {
			t.Errorf("the last state differs from that of Step by %.3g", e)
		}
		r.Reset()
		first := testutil.Input{Shape: tensor.Shape{2, v.dModel, 1}}
		for i := range 2 * v.dModel {
			first.F = append(first.F, x.F[i*l])
		}
		stepAll(t, r, tensor.Float64, first)
		if e := testutil.RelErr(at(0), numbers(r.State())); e != 0 {
			t.Errorf("the first state differs from that of Step by %.3g", e)
		}
	})
	layer := newS4(t, G.NewGraph(), tensor.Float32, layers.S4Config{DModel: 3, DState: 4})
	r, err := layer.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	for want, u := range map[string]*tensor.Dense{
		"layers: ScanStates: want u (B, DModel, L), got ()":     nil,
		"layers: ScanStates: want u (B, DModel, L), got (2, 3)": testutil.Dense(tensor.Float32, make([]float64, 6), 2, 3),
		"want u (2, 3), got (2, 4)":                             testutil.Dense(tensor.Float32, make([]float64, 40), 2, 4, 5),
		"want u contiguous, row-major, of dtype float32":        testutil.Dense(tensor.Float64, make([]float64, 30), 2, 3, 5),
	} {
		if _, _, err := layers.ScanStates(r, u); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestStepsDoNotAllocate(t *testing.T) {
	for _, v := range family() {
		layer := v.on(t, G.NewGraph(), tensor.Float32)
		r, err := layer.Recurrence(2)
		if err != nil {
			t.Fatal(err)
		}
		u := testutil.Dense(tensor.Float32, make([]float64, 2*v.dModel), 2, v.dModel)
		for range 70 { // a state that grows doubles its memory at 64
			if _, err := r.Step(u); err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(20, func() {
			if _, err := r.Step(u); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: a step allocates %v times, want 0", v.name, n)
		}
	}
}
