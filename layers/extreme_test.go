package layers_test

import (
	"math"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/exact"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// extremes are layers whose output is that of the state space model alone.
func extremes() []variant {
	const h, n, l = 2, 6, 12
	var vs []variant
	for _, init := range []hippo.Init{hippo.InitLegS, hippo.InitLegT, hippo.InitFouT} {
		for _, lMax := range []int{l, l + 1} {
			vs = append(vs, s4Variant(layers.S4Config{DModel: h, DState: n, Init: init, LMax: lMax, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}))
		}
	}
	vs = append(vs, s4Variant(layers.S4Config{DModel: h, DState: n, LMax: l, Dt: layers.DtPerState, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}))
	for _, disc := range []ssm.Disc{ssm.ZOH, ssm.Bilinear} {
		vs = append(vs, s4dVariant(layers.S4DConfig{DModel: h, DState: n, Disc: disc, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}))
	}
	for _, v := range vandermonde.DSSVersions() {
		vs = append(vs, dssVariant(layers.DSSConfig{DModel: h, DState: n, Version: v, LMax: l, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}))
	}
	for _, m := range []hippo.Measure{hippo.LegS, hippo.LegT, hippo.LagT} {
		for _, alpha := range []float64{0.5, 0.75, 1} {
			vs = append(vs, lsslVariant(layers.LSSLConfig{DModel: h, DState: n, Init: m, Alpha: alpha, SSM: layers.SSM{Mixing: layers.MixNone, Activation: "identity"}}))
		}
	}
	return vs
}

// setStep sets all step sizes of a layer to about dt.
func setStep(t *testing.T, l layers.Layer, dt float64) {
	t.Helper()
	for _, p := range l.Params() {
		if !strings.HasSuffix(p.Name, "log_dt") {
			continue
		}
		for i, v := range p.Node.Value().Data().([]float64) {
			p.Node.Value().Data().([]float64)[i] = math.Log(dt) + 0.01*math.Mod(v, 1)
		}
	}
}

// Kernels, recurrences and systems of every layer at steps of every length, against
// their continuous systems in numbers of 400 bits.
func TestEveryStepSize(t *testing.T) {
	const tol, l = 1e-10, 12
	for _, v := range extremes() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			for exp := -12; exp <= 13; exp++ {
				g := G.NewGraph()
				layer := v.on(t, g, tensor.Float64)
				model := stateSpace(t, layer)
				setStep(t, layer, math.Pow(10, float64(exp)))
				if s, ok := model.(*layers.S4); ok { // tune C to these
					s.Buffers()[0].Value.Data().([]int64)[0] = 0
					if err := s.Settle(); err != nil {
						t.Errorf("dt = 1e%d: %v", exp, err)
						continue
					}
				}
				k, shape := kernelValues(t, model, g, l)
				check := func(what string, got, want []float64) {
					t.Helper()
					if e := testutil.RelErr(got, want); !(e <= tol) {
						t.Errorf("dt = 1e%d: %s: relative error %.3g > %.3g", exp, what, e, tol)
					}
				}
				for h := range shape[1] {
					s, err := model.System(0, h)
					if err != nil {
						t.Fatal(err)
					}
					c := s.Continuous
					m := exact.Of(c.A.RawMatrix().Data, c.B, c.C, s.Dt)
					var step *exact.Step
					switch s.Disc {
					case ssm.ZOH:
						step = m.ZOH()
					case ssm.Bilinear:
						step, err = m.GBT(0.5)
					case ssm.GBT:
						step, err = m.GBT(s.Alpha)
					}
					if err != nil {
						t.Fatal(err)
					}
					ab, bb := step.Floats()
					check("Ab", s.Discrete.A.RawMatrix().Data, ab)
					check("Bb", s.Discrete.B, bb)
					check("kernel", k[h*l:][:l], step.Kernel(m.C, l))
				}
				checkImpulse(t, layer, k, shape, exp)
			}
		})
	}
}

// checkImpulse compares the impulse response of a recurrence with the kernels k.
func checkImpulse(t *testing.T, layer sequenceLayer, k []float64, shape tensor.Shape, exp int) {
	t.Helper()
	const tol = 1e-10
	for _, p := range layer.Params() {
		if strings.HasSuffix(p.Name, ".D") {
			clear(p.Node.Value().Data().([]float64))
		}
	}
	r, err := layer.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	h, l := shape[1], shape[2]
	x := testutil.Input{Name: "x", Shape: tensor.Shape{1, h, l}, F: make([]float64, h*l)}
	for i := range h {
		x.F[i*l] = 1
	}
	if e := testutil.RelErr(stepAll(t, r, tensor.Float64, x), k); !(e <= tol) {
		t.Errorf("dt = 1e%d: recurrence: relative error %.3g > %.3g", exp, e, tol)
	}
}

// A pole of exactly 0 is an integrator: its kernel is the constant 2 Re(C B) dt,
// the limit of small poles. Where the parameters of S4 cannot hold it, that is an
// error that names the feature and the pole, and kernel.C stays what it is.
func TestPoleAtZero(t *testing.T) {
	const l = 9
	for _, disc := range []ssm.Disc{ssm.ZOH, ssm.Bilinear} {
		g := G.NewGraph()
		layer, err := layers.NewS4D(g, tensor.Float64, layers.S4DConfig{DModel: 2, DState: 4, Disc: disc, ATransform: ssm.None, NSSM: 1})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, layer, "A_real", 0)
		fill(t, layer, "A_imag", 0)
		k, _ := kernelValues(t, layer, g, l)
		for h := range 2 {
			s, err := layer.System(0, h)
			if err != nil {
				t.Fatal(err)
			}
			var want float64
			for i, c := range s.Continuous.C {
				want += c * s.Continuous.B[i] * s.Dt
			}
			for i, v := range k[h*l:][:l] {
				if !(math.Abs(v-want) <= 1e-12*math.Abs(want)) {
					t.Errorf("%s: feature %d, step %d: %.15g, want %.15g", disc, h, i, v, want)
				}
			}
		}
	}
	for _, small := range []float64{1e-12, -1e-200, 0} {
		g := G.NewGraph()
		layer := newS4(t, g, tensor.Float64, layers.S4Config{DModel: 2, DState: 4, LMax: l, ATransform: ssm.None, NSSM: 1})
		tune := func() error { // the values of C at hand as C
			layer.Buffers()[0].Value.Data().([]int64)[0] = 0
			return layer.Settle()
		}
		fill(t, layer, "A_real", 0)
		fill(t, layer, "P", 0)
		fill(t, layer, "A_imag", small)
		if small == -1e-200 { // as good as 0, above all in the range of float32
			small = 0
		}
		c := values(t, layer, "C")
		before := append([]float64(nil), c...)
		err := tune()
		if small == 0 {
			const want = `layers: S4 "s4": Settle: cauchy: TuneC: feature 0: pole 0: Lambda = `
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "keeps nothing") {
				t.Errorf("got error %v, want %q", err, want)
			}
			for i, v := range c {
				if v != before[i] {
					t.Fatalf("kernel.C changed from %v to %v", before, c)
				}
			}
			layer.Buffers()[0].Value.Data().([]int64)[0] = l // as if it were C~
			_, err := layer.Kernel(l)
			if err != nil {
				t.Fatal(err)
			}
			vm := G.NewTapeMachine(g)
			if err := vm.RunAll(); err == nil || !strings.Contains(err.Error(), "feature 0: pole 0: Lambda = ") {
				t.Errorf("a kernel of that: got error %v", err)
			}
			vm.Close()
			for what, err := range map[string]error{"Recurrence": second(layer.Recurrence(1)), "System": second(layer.System(0, 0))} {
				if err == nil || !strings.Contains(err.Error(), "pole 0: Lambda = ") {
					t.Errorf("%s of that: got error %v", what, err)
				}
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		k, _ := kernelValues(t, layer, g, l)
		b, dt := values(t, layer, "B"), values(t, layer, "log_dt")
		for h := range 2 {
			var want float64
			for n := range 2 {
				want += 2 * math.Exp(dt[h]) * (before[(h*2+n)*2]*b[2*n] - before[(h*2+n)*2+1]*b[2*n+1])
			}
			for i, v := range k[h*l:][:l] {
				if !(math.Abs(v-want) <= 1e-10*math.Abs(want)) {
					t.Errorf("Im A = %g: feature %d, step %d: %.15g, want %.15g", small, h, i, v, want)
				}
			}
		}
	}
}

// values returns the values of a parameter of the kernel, in place.
func values(t *testing.T, l layers.Layer, name string) []float64 {
	t.Helper()
	for _, p := range l.Params() {
		if strings.HasSuffix(p.Name, "kernel."+name) {
			return p.Node.Value().Data().([]float64)
		}
	}
	t.Fatalf("no parameter kernel.%s", name)
	return nil
}

func fill(t *testing.T, l layers.Layer, name string, v float64) {
	t.Helper()
	for i := range values(t, l, name) {
		values(t, l, name)[i] = v
	}
}
