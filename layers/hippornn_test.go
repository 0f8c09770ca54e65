package layers_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/hippornn"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func TestHiPPORNNConfig(t *testing.T) {
	for want, cfg := range map[string]layers.HiPPORNNConfig{
		"want DModel >= 1, got 0":                            {},
		"want MemorySize >= 1, got -1":                       {DModel: 2, MemorySize: -1},
		"want MemoryOrder at most 32768, got 100000":         {DModel: 2, MemoryOrder: 100000},
		`want Measure "legs", "legt" or "lmu", got "fout"`:   {DModel: 2, Measure: hippo.FouT},
		`UpdateOrder: want an order, "code" or "paper", got`: {DModel: 2, UpdateOrder: "no"},
		`want Step 0 and Disc "bilinear" with Measure "legs", whose steps follow from the time, got 0.1 and "bilinear"`: {DModel: 2, Step: 0.1},
		`want Step 0 and Disc "bilinear" with Measure "legs", whose steps follow from the time, got 0 and "zoh"`:        {DModel: 2, Disc: ssm.ZOH},
		"want a finite Step > 0, or 0 for the default, got -1":                                                          {DModel: 2, Measure: hippo.LegT, Step: -1},
		"want a finite Step > 0, or 0 for the default, got NaN":                                                         {DModel: 2, Measure: hippo.LegT, Step: math.NaN()},
		"Disc: ":   {DModel: 2, Measure: hippo.LegT, Disc: ssm.Euler},
		"with LMU": {DModel: 2, LMU: true, Measure: hippo.LegT},
		`want MemoryToSignal and HiddenToHidden false with UpdateOrder "paper"`: {DModel: 2, UpdateOrder: hippornn.Paper, HiddenToHidden: true},
		"elements in the weights of the memory":                                 {DModel: 1 << 16, MemorySize: 1 << 10, MemoryOrder: 1 << 10},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "HiPPORNNConfig: "+want) && !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// The parameters of an LMU start as its own: what it writes is the sum of the inputs, and
// what it sees the memory alone.
func TestLMUStart(t *testing.T) {
	l, err := layers.NewHiPPORNN(G.NewGraph(), tensor.Float64, layers.HiPPORNNConfig{DModel: 2, Hidden: 3, MemoryOrder: 4, LMU: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range l.Params() {
		name := strings.TrimPrefix(p.Name, "hippornn.")
		names = append(names, name)
		v := p.Node.Value().Data().([]float64)
		switch name {
		case "W_uxh.weight":
			if !slices.Equal(v, []float64{1, 1, 0, 0, 0}) {
				t.Errorf("%s starts at %g", name, v)
			}
		case "W_um", "W_hh.weight":
			if slices.ContainsFunc(v, func(x float64) bool { return x != 0 }) {
				t.Errorf("%s starts at %g, want 0", name, v)
			}
		case "W_hxm.weight":
			for i, x := range v {
				if (x == 0) != (i%6 < 2) {
					t.Errorf("%s starts at %g, want 0 for the inputs alone", name, v)
				}
			}
		}
	}
	if want := []string{"W_uxh.weight", "W_um", "W_hxm.weight", "W_hh.weight"}; !slices.Equal(names, want) {
		t.Errorf("parameters %q, want %q", names, want)
	}
}

// Steps at irregular times: a sequence, its parts and its steps one by one agree; steps
// of 1 are those without times, and steps of any one length are too, but for the first.
func TestHiPPORNNAtIrregularTimes(t *testing.T) {
	const batch, n = 2, 11
	rng := rand.New(rand.NewPCG(4, 1))
	x, dt := testutil.Normal(rng, "x", batch, 3, n), testutil.Uniform(rng, "dt", 0.2, 3, batch, n)
	cfg := layers.HiPPORNNConfig{DModel: 3, MemoryOrder: 5}
	run := func(dt *testutil.Input) []float64 {
		g := G.NewGraph()
		l, err := layers.NewHiPPORNN(g, tensor.Float64, cfg, layers.WithSeed(3))
		if err != nil {
			t.Fatal(err)
		}
		xn := node(g, tensor.Float64, x)
		var y *G.Node
		if dt == nil {
			y, err = l.Fwd(xn)
		} else {
			y, err = l.FwdSteps(xn, node(g, tensor.Float64, *dt), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return testutil.Floats(valueOf(t, g, y))
	}
	whole, ones := run(&dt), testutil.Uniform(rng, "dt", 1, 1, batch, n)
	if e := testutil.RelErr(run(&ones), run(nil)); !(e <= 0) {
		t.Errorf("steps of 1 differ from none by %.3g", e)
	}
	l, err := layers.NewHiPPORNN(G.NewGraph(), tensor.Float64, cfg, layers.WithSeed(3))
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Recurrence(batch)
	if err != nil {
		t.Fatal(err)
	}
	for s := range n {
		u, d := make([]float64, batch*3), make([]float64, batch)
		for i := range u {
			u[i] = x.F[i*n+s]
		}
		for b := range d {
			d[b] = dt.F[b*n+s]
		}
		y, err := r.StepAfter(testutil.Dense(tensor.Float64, u, batch, 3), testutil.Dense(tensor.Float64, d, batch))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range testutil.Floats(y) {
			if math.Abs(v-whole[i*n+s]) > 1e-12 {
				t.Fatalf("step %d: got %g, want %g", s, v, whole[i*n+s])
			}
		}
	}
	if _, err := r.StepAfter(testutil.Dense(tensor.Float64, make([]float64, 6), batch, 3), testutil.Dense(tensor.Float64, []float64{1, -1}, batch)); err == nil || !strings.Contains(err.Error(), "dt[1]: want a step > 0") {
		t.Errorf("a step backwards: got error %v", err)
	}
}

// valueOf runs a graph for the value of a node.
func valueOf(t *testing.T, g *G.ExprGraph, n *G.Node) G.Value {
	t.Helper()
	var v G.Value
	G.Read(n, &v)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestHiPPORNNTimeErrors(t *testing.T) {
	g := G.NewGraph()
	legs, err := layers.NewHiPPORNN(g, tensor.Float64, layers.HiPPORNNConfig{DModel: 2})
	if err != nil {
		t.Fatal(err)
	}
	legt, err := layers.NewHiPPORNN(g, tensor.Float64, layers.HiPPORNNConfig{DModel: 2, Measure: hippo.LegT}, layers.WithName("legt"))
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	x, dt := f("x", 1, 2, 3), f("dt", 1, 3)
	for _, c := range []struct {
		l    *layers.HiPPORNN
		dt   *G.Node
		want string
	}{
		{legs, nil, "want dt (1, 3) of dtype float64, got nil"}, {legs, f("short", 1, 2), "dt: want (1, 3), got (1, 2)"},
		{legt, dt, "steps that are not equally far apart are those of Measure legs alone"},
		{new(layers.HiPPORNN), dt, "want a layer that its New function made, got the zero value"},
	} {
		if _, err := c.l.FwdSteps(x, c.dt, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("FwdSteps: got error %v, want %q", err, c.want)
		}
		if _, _, err := c.l.FwdStepsState(x, c.dt, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("FwdStepsState: got error %v, want %q", err, c.want)
		}
	}
	r, err := legs.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	s := r.State()
	s[2].Value = testutil.Dense(tensor.Float64, []float64{0.5}, 1)
	if err := r.SetState(s); err == nil || !strings.Contains(err.Error(), "position of row 0: want 0, at the start, or a finite number >= 1, got 0.5") {
		t.Errorf("a position between steps: got error %v", err)
	}
	if err := r.Regroup([]int{0}, s); err == nil || !strings.Contains(err.Error(), "position of row 0") {
		t.Errorf("a position between steps that joins: got error %v", err)
	}
	rt, err := legt.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.StepAfter(testutil.Dense(tensor.Float64, make([]float64, 2), 1, 2), testutil.Dense(tensor.Float64, []float64{1}, 1)); err == nil || !strings.Contains(err.Error(), "Measure legs alone") {
		t.Errorf("a time of a window: got error %v", err)
	}
}
