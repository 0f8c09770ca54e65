package models_test

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/task"
)

// windows configures a forecaster.
func windows() models.ForecasterConfig {
	return models.ForecasterConfig{
		Features: 3, Horizon: 4, Outputs: 2,
		Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, PreNorm: true}}},
	}
}

func newForecaster(t testing.TB, cfg models.ForecasterConfig, dt tensor.Dtype) *models.Forecaster {
	t.Helper()
	m, err := models.NewForecaster(G.NewGraph(), dt, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// forecasters lists forecasters of all kinds.
func forecasters() map[string]models.ForecasterConfig {
	list := map[string]models.ForecasterConfig{"mse": windows()}
	for name, change := range map[string]func(*models.ForecasterConfig){
		"mae":                         func(c *models.ForecasterConfig) { c.Loss = models.LossMAE },
		"quantiles":                   func(c *models.ForecasterConfig) { c.Quantiles = []float64{0.1, 0.6, 0.9} },
		"center":                      func(c *models.ForecasterConfig) { c.Center = true },
		"center, weighted, quantiles": func(c *models.ForecasterConfig) { c.Center, c.Weighted, c.Quantiles = true, true, []float64{0.2, 0.9} },
		"weighted, mean":              func(c *models.ForecasterConfig) { c.Weighted, c.Pool, c.Outputs = true, ops.PoolMean, 0 },
	} {
		c := windows()
		change(&c)
		list[name] = c
	}
	return list
}

// outputs returns the numbers of a step of a forecast.
func outputs(cfg models.ForecasterConfig) int {
	if cfg.Outputs == 0 {
		return cfg.Features
	}
	return cfg.Outputs
}

// futures returns a batch of windows of 5, 3 and 0 steps.
func futures(t *testing.T, cfg models.ForecasterConfig) *task.Batch {
	t.Helper()
	rng := rand.New(rand.NewPCG(4, 4))
	n := cfg.Horizon * outputs(cfg)
	var x, y, w [][]float32
	for _, l := range []int{5, 3} {
		row := func(n int) (v []float32) {
			for range n {
				v = append(v, float32(rng.NormFloat64()))
			}
			return v
		}
		x, y = append(x, row(l*cfg.Features)), append(y, row(n))
		weights := make([]float32, n)
		for i := range weights {
			weights[i] = float32(i % 3)
		}
		w = append(w, weights)
	}
	return loaded(t, 3, 5, task.Col(task.Features(task.X, cfg.Features), x),
		task.Col(task.Numbers(task.Target, cfg.Horizon, outputs(cfg)), y), task.Col(task.Numbers(task.Weights, cfg.Horizon, outputs(cfg)), w))
}

// numbers returns a field as float64.
func numbers(t *testing.T, b *task.Batch, name string) []float64 {
	t.Helper()
	a, err := b.Array(name)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float64, a.Len())
	for i := range v {
		v[i] = a.At(i)
	}
	return v
}

// A forecast, and the loss over what is there, are what their formulas say.
func TestForecaster(t *testing.T) {
	for name, cfg := range forecasters() {
		t.Run(name, func(t *testing.T) {
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1e-5} {
				m, b := newForecaster(t, cfg, dt), futures(t, cfg)
				gr, err := m.Build(task.Evaluation, 3, 5)
				if err != nil {
					t.Fatal(err)
				}
				feed(t, gr, b)
				q := max(1, len(cfg.Quantiles))
				var loss, point, all G.Value
				G.Read(gr.Loss, &loss)
				G.Read(gr.Outputs[task.Output], &point)
				all = nil
				if n := gr.Outputs[task.Quantiles]; n != nil {
					G.Read(n, &all)
				}
				vm := G.NewTapeMachine(gr.G, G.EvalMode())
				defer vm.Close()
				if err := vm.RunAll(); err != nil {
					t.Fatal(err)
				}
				want := forecastByHand(t, m, cfg, b)
				if len(cfg.Quantiles) > 0 {
					if e := testutil.RelErr(testutil.Floats(all), want); !(e <= tol) || !all.Shape().Eq(tensor.Shape{3, 4, outputs(cfg), q}) {
						t.Errorf("%v: quantiles %v: relative error %.3g", dt, all.Shape(), e)
					}
				}
				median := []float64{}
				for i := map[string]int{"quantiles": 1}[name]; i < len(want); i += q {
					median = append(median, want[i])
				}
				if e := testutil.RelErr(testutil.Floats(point), median); !(e <= tol) || !point.Shape().Eq(tensor.Shape{3, 4, outputs(cfg)}) {
					t.Errorf("%v: output %v: relative error %.3g", dt, point.Shape(), e)
				}
				wantLoss, count := lossByHand(cfg, want, numbers(t, b, task.Target), numbers(t, b, task.Weights))
				if e := math.Abs(testutil.Floats(loss)[0]-wantLoss) / wantLoss; !(e <= tol) {
					t.Errorf("%v: loss: relative error %.3g", dt, e)
				}
				if n := gr.Count(b); n != count {
					t.Errorf("the loss counts %g numbers, want %g", n, count)
				}
			}
		})
	}
}

// forecastByHand runs encoder and blocks on windows as they are read, and the rest on
// slices. The row that only fills is what the decoder makes of zeros.
func forecastByHand(t *testing.T, m *models.Forecaster, cfg models.ForecasterConfig, b *task.Batch) []float64 {
	t.Helper()
	x, f, h := numbers(t, b, task.X), cfg.Features, 4
	last := func(row, feature int) float64 {
		if n := b.Lengths[row]; cfg.Center && n > 0 {
			return x[(row*5+n-1)*f+feature]
		}
		return 0
	}
	g := G.NewGraph()
	parts := map[string][]float64{}
	for _, p := range m.Params() {
		parts[p.Name] = testutil.Floats(p.Node.Value())
	}
	block, err := layers.NewStack(g, tensor.Float64, cfg.Stack, layers.WithName("blocks"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range block.Params() {
		copy(p.Node.Value().Data().([]float64), parts[p.Name])
	}
	e := make([]float64, 3*h*5)
	for row := range 3 {
		for l := range b.Lengths[row] {
			for i := range h {
				v := parts["encoder.bias"][i]
				for k := range f {
					v += parts["encoder.weight"][i*f+k] * (x[(row*5+l)*f+k] - last(row, k))
				}
				e[(row*h+i)*5+l] = v
			}
		}
	}
	in := G.NewTensor(g, tensor.Float64, 3, G.WithShape(3, h, 5), G.WithName("e"), G.WithValue(testutil.Dense(tensor.Float64, e, 3, h, 5)))
	lengths := G.NewVector(g, tensor.Int, G.WithShape(3), G.WithName("n"), G.WithValue(tensor.New(tensor.WithShape(3), tensor.WithBacking(slices.Clone(b.Lengths)))))
	y, err := block.FwdLengths(in, lengths)
	if err != nil {
		t.Fatal(err)
	}
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g, G.EvalMode())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	states := testutil.Floats(v)
	q := max(1, len(cfg.Quantiles))
	n := cfg.Horizon * outputs(cfg) * q
	var out []float64
	for row := range 3 {
		z := make([]float64, h)
		for i := range z {
			steps := states[(row*h+i)*5:][:b.Lengths[row]]
			for k, v := range steps {
				if cfg.Pool == ops.PoolMean {
					z[i] += v / float64(len(steps))
				} else if k == len(steps)-1 {
					z[i] = v
				}
			}
		}
		for j := range n {
			v := parts["decoder.bias"][j]
			for i := range z {
				v += parts["decoder.weight"][j*h+i] * z[i]
			}
			if cfg.Center && b.Lengths[row] == 0 {
				v = 0
			}
			out = append(out, v+last(row, j/q%outputs(cfg)))
		}
	}
	return out
}

func lossByHand(cfg models.ForecasterConfig, y, target, w []float64) (loss, count float64) {
	q := max(1, len(cfg.Quantiles))
	n := cfg.Horizon * outputs(cfg)
	for i, t := range target[:2*n] { // the third row only fills
		weight := 1.0
		if cfg.Weighted {
			weight = w[i]
		}
		count += weight
		for k := range q {
			e := t - y[i*q+k]
			switch {
			case q > 1:
				loss += weight * math.Max(cfg.Quantiles[k]*e, (cfg.Quantiles[k]-1)*e) / float64(q)
			case cfg.Loss == models.LossMAE:
				loss += weight * math.Abs(e)
			default:
				loss += weight * e * e
			}
		}
	}
	return loss / count, count
}

// The gradients of the parameters and of the windows are exact.
func TestForecasterGradients(t *testing.T) {
	for name, cfg := range forecasters() {
		if cfg.Loss == models.LossMAE || strings.Contains(name, ",") {
			continue
		}
		x := testutil.Normal(rand.New(rand.NewPCG(2, 2)), "x", 2, 5, 3)
		testutil.Check(t, func(g *G.ExprGraph, n []*G.Node) (*G.Node, error) {
			m, err := models.NewForecaster(g, n[0].Dtype(), cfg, 1)
			if err != nil {
				return nil, err
			}
			return m.Fwd(n[0], n[1])
		}, x, testutil.Ints("lengths", []int{5, 3}, 2))
	}
}

// forecastRunner runs a forecaster on windows and lengths, nil without.
func forecastRunner(cfg models.ForecasterConfig, eval bool) testutil.Runner {
	return func(vm testutil.VM, dt tensor.Dtype, w []float64, in ...testutil.Input) (*testutil.Result, error) {
		g := G.NewGraph()
		m, err := models.NewForecaster(g, dt, cfg, 1)
		if err != nil {
			return nil, err
		}
		nodes := nodesOf(g, dt, in, 2)
		y, err := m.Fwd(nodes[0], nodes[1])
		if err != nil {
			return nil, err
		}
		if y, err = ops.Reshape(y, in[0].Shape[0], y.Shape().TotalSize()/in[0].Shape[0]); err != nil { // no steps
			return nil, err
		}
		return differentiated(vm, dt, eval, g, y, m.Learnables(), w, len(in))
	}
}

// Nothing behind a length is read, and a series changes no other.
func TestForecasterPaddingAndRows(t *testing.T) {
	for name, cfg := range forecasters() {
		x := testutil.Normal(rand.New(rand.NewPCG(2, 2)), "x", 4, 9, 3)
		testutil.CheckPadding(t, name, forecastRunner(cfg, false), []int{1}, x, testutil.Ints("lengths", []int{9, 5, 0, 1}, 4))
		testutil.CheckRows(t, name, forecastRunner(cfg, true), 1, x)
	}
}

// A forecast after every step is that of the window so far.
func TestForecasterStepByStep(t *testing.T) {
	for name, cfg := range forecasters() {
		if cfg.Center {
			continue
		}
		m := newForecaster(t, cfg, tensor.Float64)
		x := testutil.Normal(rand.New(rand.NewPCG(3, 3)), "x", streamed, cfg.Features).F
		want := prefixes(t, m, x, nil)
		n := len(want) / streamed
		r, err := m.Recurrence(1)
		if err != nil {
			t.Fatal(err)
		}
		for l := range streamed {
			y, err := r.Step(testutil.Dense(tensor.Float64, slices.Clone(x[3*l:3*l+3]), 1, 3))
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(testutil.Floats(y), want[l*n:(l+1)*n]); !(e <= 1e-11) {
				t.Errorf("%s, step %d: relative error %.3g", name, l, e)
			}
		}
	}
}

func TestForecasterSaveAndLoad(t *testing.T) {
	for name, cfg := range forecasters() {
		dir := filepath.Join(t.TempDir(), "model")
		m, b := newForecaster(t, cfg, tensor.Float64), futures(t, cfg)
		run := func(m models.Model) []float64 {
			gr, err := m.Build(task.Evaluation, 3, 5)
			if err != nil {
				t.Fatal(err)
			}
			return output(t, gr, b, task.Output)
		}
		if err := m.Save(dir); err != nil {
			t.Fatal(err)
		}
		l, err := models.LoadForecaster(G.NewGraph(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(run(l), run(m)) {
			t.Errorf("%s: the loaded model forecasts something else", name)
		}
		if s := m.Summary(); !strings.Contains(s, "pool ("+string(map[bool]ops.PoolMode{true: ops.PoolMean, false: ops.PoolLast}[cfg.Pool != ""])+") (B, 4), decoder (B, 4, ") {
			t.Errorf("got\n%s", s)
		}
	}
}

func TestForecasterErrors(t *testing.T) {
	for want, change := range map[string]func(*models.ForecasterConfig){
		"want Features >= 1, got 0":                                        func(c *models.ForecasterConfig) { c.Features = 0 },
		"want Horizon >= 1, got -1":                                        func(c *models.ForecasterConfig) { c.Horizon = -1 },
		"want Outputs >= 1, or 0 for Features, got -1":                     func(c *models.ForecasterConfig) { c.Outputs = -1 },
		"want at most 3 Outputs, the Features, with Center, got 4":         func(c *models.ForecasterConfig) { c.Outputs, c.Center = 4, true },
		`want Loss "mse" or "mae", got "rmse"`:                             func(c *models.ForecasterConfig) { c.Loss = "rmse" },
		`want no Loss beside Quantiles`:                                    func(c *models.ForecasterConfig) { c.Loss, c.Quantiles = "mse", []float64{0.5} },
		"want Quantiles in (0, 1), ascending, got [0.5 0.5]":               func(c *models.ForecasterConfig) { c.Quantiles = []float64{0.5, 0.5} },
		"want Quantiles in (0, 1), ascending, got [0 0.5]":                 func(c *models.ForecasterConfig) { c.Quantiles = []float64{0, 0.5} },
		"want Quantiles in (0, 1), ascending, got [NaN]":                   func(c *models.ForecasterConfig) { c.Quantiles = []float64{math.NaN()} },
		"want a pooling mode of":                                           func(c *models.ForecasterConfig) { c.Pool = "x" },
		"StackConfig: want at least one of Blocks":                         func(c *models.ForecasterConfig) { c.Stack.Blocks = nil },
		"want at most 2147483647 elements in a forecast":                   func(c *models.ForecasterConfig) { c.Horizon = math.MaxInt },
		"encoder, with In = Features: LinearConfig: want In at most":       func(c *models.ForecasterConfig) { c.Features = math.MaxInt },
		"decoder, with Out = Horizon*Outputs*len(Quantiles): LinearConfig": func(c *models.ForecasterConfig) { c.Horizon = 1 << 29 },
	} {
		cfg := windows()
		change(&cfg)
		if m, err := models.NewForecaster(G.NewGraph(), tensor.Float32, cfg, 0); m != nil || err == nil || !strings.HasPrefix(err.Error(), "models: ForecasterConfig: "+want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	m := newForecaster(t, windows(), tensor.Float32)
	if _, err := m.Build(task.Training, 1, 0); err == nil || err.Error() != "models: Forecaster: Build: want batch and length >= 1, got 1 and 0" {
		t.Errorf("got error %v", err)
	}
}
