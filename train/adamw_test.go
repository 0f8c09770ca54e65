package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
)

// bench is a graph whose gradients are whatever one wants: the loss is the sum
// of the products of the parameters with the inputs.
type bench struct {
	params []param.Param
	inputs G.Nodes
	vm     G.VM
}

// newBench shares the tensors of from, if it is not nil.
func newBench(t testing.TB, dt tensor.Dtype, from *bench, shapes ...tensor.Shape) *bench {
	t.Helper()
	g := G.NewGraph()
	b := &bench{}
	var loss *G.Node
	rng := rand.New(rand.NewPCG(1, 2))
	for i, s := range shapes {
		v := tensor.New(tensor.Of(dt), tensor.WithShape(s...))
		fill(v, func(int) float64 { return rng.NormFloat64() })
		if from != nil {
			v = from.params[i].Node.Value().(*tensor.Dense)
		}
		name := fmt.Sprintf("p%d", i)
		p := G.NewTensor(g, dt, len(s), G.WithShape(s...), G.WithName(name), G.WithValue(v))
		c := G.NewTensor(g, dt, len(s), G.WithShape(s...), G.WithName("c"+name))
		sum := G.Must(G.Sum(G.Must(G.HadamardProd(p, c))))
		if loss == nil {
			loss = sum
		} else {
			loss = G.Must(G.Add(loss, sum))
		}
		b.params = append(b.params, param.Param{Name: name, Node: p})
		b.inputs = append(b.inputs, c)
	}
	nodes := b.nodes()
	if _, err := G.Grad(loss, nodes...); err != nil {
		t.Fatal(err)
	}
	b.vm = G.NewTapeMachine(g, G.BindDualValues(nodes...))
	t.Cleanup(func() { b.vm.Close() })
	return b
}

func (b *bench) nodes() (ns G.Nodes) {
	for _, p := range b.params {
		ns = append(ns, p.Node)
	}
	return ns
}

// grads runs the graph so that the gradient of parameter i is grad(i, j) at
// element j.
func (b *bench) grads(t testing.TB, grad func(i, j int) float64) []G.ValueGrad {
	t.Helper()
	for i, c := range b.inputs {
		v := tensor.New(tensor.Of(c.Dtype()), tensor.WithShape(c.Shape()...))
		fill(v, func(j int) float64 { return grad(i, j) })
		if err := G.Let(c, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	b.vm.Reset()
	return G.NodesToValueGrads(b.nodes())
}

func (b *bench) value(i int) []float64 { return floats(b.params[i].Node.Value()) }

func fill(v *tensor.Dense, f func(int) float64) {
	if s, ok := weights.Memory[float32](v); ok {
		for i := range s {
			s[i] = float32(f(i))
		}
	}
	if s, ok := weights.Memory[float64](v); ok {
		for i := range s {
			s[i] = f(i)
		}
	}
}

// floats returns a copy of the elements of a value.
func floats(v G.Value) []float64 {
	if s, ok := weights.Memory[float32](v); ok {
		out := make([]float64, len(s))
		for i, x := range s {
			out[i] = float64(x)
		}
		return out
	}
	s, _ := weights.Memory[float64](v)
	return slices.Clone(s)
}

// torchAdamW is torch.optim.AdamW with torch.nn.utils.clip_grad_norm_ before
// it, written from their documentation.
type torchAdamW struct {
	lr, wd []float64
	clip   float64
	p      [][]float64
	m, v   [][]float64
	t      int
	norm   float64
}

func (o *torchAdamW) step(factor float64, grad func(i, j int) float64) {
	const beta1, beta2, eps = 0.9, 0.999, 1e-8
	o.t++
	var sum float64
	for i := range o.p {
		for j := range o.p[i] {
			sum += grad(i, j) * grad(i, j)
		}
	}
	o.norm = math.Sqrt(sum)
	coef := 1.0
	if o.clip > 0 {
		coef = min(1, o.clip/(o.norm+1e-6))
	}
	for i := range o.p {
		lr := o.lr[i] * factor
		for j := range o.p[i] {
			g := coef * grad(i, j)
			p := o.p[i][j] - lr*o.wd[i]*o.p[i][j]
			o.m[i][j] = beta1*o.m[i][j] + (1-beta1)*g
			o.v[i][j] = beta2*o.v[i][j] + (1-beta2)*g*g
			mHat := o.m[i][j] / (1 - math.Pow(beta1, float64(o.t)))
			vHat := o.v[i][j] / (1 - math.Pow(beta2, float64(o.t)))
			o.p[i][j] = p - lr*mHat/(math.Sqrt(vHat)+eps)
		}
	}
}

func TestAdamWFollowsPyTorch(t *testing.T) {
	shapes := []tensor.Shape{{3, 5}, {7}, {2, pieceSize}, {1}}
	for _, c := range []struct {
		dt  tensor.Dtype
		tol float64
	}{{tensor.Float64, 1e-12}, {tensor.Float32, 2e-6}} {
		for _, clip := range []float64{0, 3} {
			b := newBench(t, c.dt, nil, shapes...)
			lr, decay := 2e-2, 0.0
			b.params[1].LR, b.params[1].WeightDecay = &lr, &decay
			opt := NewAdamW(ParamGroups(b.params, LR(1e-2), WeightDecay(0.1)), Clip(clip))
			want := &torchAdamW{lr: []float64{1e-2, 2e-2, 1e-2, 1e-2}, wd: []float64{0.1, 0, 0.1, 0.1}, clip: clip}
			for i := range shapes {
				want.p = append(want.p, b.value(i))
				want.m = append(want.m, make([]float64, len(b.value(i))))
				want.v = append(want.v, make([]float64, len(b.value(i))))
			}
			for step := range 6 {
				grad := func(i, j int) float64 {
					return float64(float32(math.Sin(float64(1+7*i+j+3*step)) / float64(1+step)))
				}
				factor := 1 / float64(1+step)
				opt.SetFactor(factor)
				if err := opt.Step(b.grads(t, grad)); err != nil {
					t.Fatal(err)
				}
				want.step(factor, grad)
				if e := math.Abs(opt.GradNorm()/want.norm - 1); e > 1e-7 {
					t.Errorf("%v, step %d: norm %v, want %v", c.dt, step, opt.GradNorm(), want.norm)
				}
			}
			for i := range shapes {
				for j, got := range b.value(i) {
					if e := math.Abs(got - want.p[i][j]); e > c.tol*max(1, math.Abs(got)) {
						t.Fatalf("%v, clip %v: parameter %d, element %d: %v, want %v", c.dt, clip, i, j, got, want.p[i][j])
					}
				}
			}
		}
	}
}

func TestAdamWZeroesGradientsAndLeavesFrozen(t *testing.T) {
	b := newBench(t, tensor.Float64, nil, tensor.Shape{4}, tensor.Shape{3})
	b.params[1].Frozen = true
	before := b.value(1)
	opt := NewAdamW(ParamGroups(b.params))
	for range 2 {
		if err := opt.Step(b.grads(t, func(i, j int) float64 { return 1 })); err != nil {
			t.Fatal(err)
		}
		for _, p := range b.params {
			g, err := p.Node.Grad()
			if err != nil {
				t.Fatal(err)
			}
			if x := floats(g); slices.Max(x) != 0 || slices.Min(x) != 0 {
				t.Errorf("%s: gradient %v after the step", p.Name, x)
			}
		}
	}
	if got := b.value(1); !slices.Equal(got, before) {
		t.Errorf("frozen parameter is %v, was %v", got, before)
	}
	if want := math.Sqrt(4); opt.GradNorm() != want {
		t.Errorf("norm %v, want %v: without the frozen parameter", opt.GradNorm(), want)
	}
}

func TestAdamWKnowsParametersOnOtherGraphs(t *testing.T) {
	shapes := []tensor.Shape{{4}, {3}}
	one := func(i, j int) float64 { return 1 }
	a, same := newBench(t, tensor.Float32, nil, shapes...), newBench(t, tensor.Float32, nil, shapes...)
	b := newBench(t, tensor.Float32, a, shapes...)
	opt, ref := NewAdamW(ParamGroups(a.params)), NewAdamW(ParamGroups(same.params))
	for _, on := range []*bench{a, b, b, a} {
		if err := opt.Step(on.grads(t, one)); err != nil {
			t.Fatal(err)
		}
		if err := ref.Step(same.grads(t, one)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(a.value(0), same.value(0)) {
		t.Errorf("alternating graphs give %v, one graph %v", a.value(0), same.value(0))
	}
	if err := opt.Step(same.grads(t, one)); err == nil || !strings.Contains(err.Error(), `node "p0" is none of the parameters`) {
		t.Errorf("another model's node: error %v", err)
	}
}

func TestAdamWRefusesNonFiniteGradients(t *testing.T) {
	b := newBench(t, tensor.Float32, nil, tensor.Shape{4}, tensor.Shape{2, pieceSize})
	opt := NewAdamW(ParamGroups(b.params))
	before := [][]float64{b.value(0), b.value(1)}
	const at = pieceSize + 5
	err := opt.Step(b.grads(t, func(i, j int) float64 {
		if i == 1 && j == at {
			return math.Inf(-1)
		}
		return 1
	}))
	var bad *NonFiniteError
	if !errors.As(err, &bad) || *bad != (NonFiniteError{"p1", true, at, math.Inf(-1)}) {
		t.Fatalf("got error %v", err)
	}
	for i := range before {
		if !slices.Equal(b.value(i), before[i]) {
			t.Errorf("parameter %d was updated", i)
		}
	}
	if len(stateOf(t, opt)) != 0 {
		t.Error("the step was counted")
	}
	// The square of this one overflows float32; that is not an error.
	huge := newBench(t, tensor.Float32, nil, tensor.Shape{4})
	opt = NewAdamW(ParamGroups(huge.params))
	if err := opt.Step(huge.grads(t, func(i, j int) float64 { return 1e20 })); err != nil {
		t.Error(err)
	}
	if e := math.Abs(opt.GradNorm()/2e20 - 1); e > 1e-6 {
		t.Errorf("norm %v, want 2e20", opt.GradNorm())
	}
}

func TestAdamWReadsTransposedGradients(t *testing.T) {
	grad := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float64{1, 2, 3, 4, 5, 6}))
	if err := grad.T(); err != nil {
		t.Fatal(err)
	}
	value := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking(make([]float64, 6)))
	n := G.NewMatrix(G.NewGraph(), tensor.Float64, G.WithShape(3, 2), G.WithName("w"), G.WithValue(value), G.WithGrad(grad))
	p := param.Param{Name: "w", Node: n}
	of, err := newGradient(p)
	if err != nil {
		t.Fatal(err)
	}
	s := of.(*gradientOf[float64])
	if err := s.bind(p, 0); err != nil {
		t.Fatal(err)
	}
	if want := []float64{1, 4, 2, 5, 3, 6}; !slices.Equal(s.g, want) {
		t.Errorf("gradient read as %v, want %v", s.g, want)
	}
	s.zero()
	if v, err := grad.At(2, 1); err != nil || v != 0.0 {
		t.Errorf("gradient is %v (%v) after it was zeroed", v, err)
	}
}

func TestAdamWRejects(t *testing.T) {
	b := newBench(t, tensor.Float64, nil, tensor.Shape{2}, tensor.Shape{3})
	ones := func(i, j int) float64 { return 1 }
	noValue := G.NewVector(G.NewGraph(), tensor.Float64, G.WithShape(2), G.WithName("empty"))
	ints := G.NewVector(G.NewGraph(), tensor.Int, G.WithShape(1), G.WithValue(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int{1}))))
	for want, opt := range map[string]*AdamW{
		"want at least one parameter":            NewAdamW(nil),
		"want betas in [0, 1), got 1 and 0.999":  NewAdamW(ParamGroups(b.params), Betas(1, 0.999)),
		"want eps > 0, got 0":                    NewAdamW(ParamGroups(b.params), Eps(0)),
		"want clip >= 0, got NaN":                NewAdamW(ParamGroups(b.params), Clip(math.NaN())),
		`parameter "p0": want LR >= 0, got -1`:   NewAdamW(ParamGroups(b.params, LR(-1))),
		`"p0": want WeightDecay >= 0, got NaN`:   NewAdamW(ParamGroups(b.params, WeightDecay(math.NaN()))),
		`two parameters are named "p0"`:          NewAdamW(append(ParamGroups(b.params), ParamGroups(b.params)...)),
		`"x": want a node, got nil`:              NewAdamW([]ParamGroup{{Name: "x", LR: 1}}),
		`"x": the node has no value`:             NewAdamW([]ParamGroup{{Name: "x", Node: noValue, LR: 1}}),
		`want dtype float32 or float64, got int`: NewAdamW([]ParamGroup{{Name: "x", Node: ints, LR: 1}}),
		`"x": want LR > 0, or Frozen for`:        NewAdamW([]ParamGroup{{Name: "x", Node: b.params[0].Node}}),
		`"p0": want LR > 0, or Frozen for`:       NewAdamW(ParamGroups(b.params, LR(0))),
	} {
		if err := opt.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		if err := opt.Step(b.grads(t, ones)); err == nil || err != opt.Err() {
			t.Errorf("Step returns %v, want %v", err, opt.Err())
		}
	}
	frozen := ParamGroups(b.params)
	frozen[0].LR, frozen[0].Frozen = 0, true
	if err := NewAdamW(frozen).Err(); err != nil {
		t.Errorf("a frozen parameter without a rate: got error %v", err)
	}
	opt := NewAdamW(ParamGroups(b.params))
	vg := b.grads(t, ones)
	for want, nodes := range map[string][]G.ValueGrad{
		`parameter "p0": want it once in each part of a step`: {vg[0], vg[1], vg[0]},
		"want a *gorgonia.Node, got train.notANode":           {notANode{}},
		`parameter "p1": want a gradient, got none`:           {vg[0], newUnbound(b.params[1].Node.Value())},
	} {
		if err := opt.Step(nodes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

// notANode is a value and gradient that Gorgonia's solvers would take.
type notANode struct{ G.ValueGrad }

// newUnbound returns a node that holds v and has no gradient.
func newUnbound(v G.Value) *G.Node {
	return G.NewTensor(G.NewGraph(), v.Dtype(), v.Shape().Dims(), G.WithShape(v.Shape()...), G.WithName("unbound"), G.WithValue(v))
}

func TestAdamWStateContinues(t *testing.T) {
	shapes := []tensor.Shape{{3}, {2, 2}, {1}}
	grad := func(step int) func(i, j int) float64 {
		return func(i, j int) float64 { return math.Cos(float64(step + 3*i + j)) }
	}
	run := func(b *bench, opt *AdamW, from, to int) {
		for s := from; s < to; s++ {
			if err := opt.Step(b.grads(t, grad(s))); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole := newBench(t, tensor.Float32, nil, shapes...)
	run(whole, NewAdamW(ParamGroups(whole.params)), 0, 9)

	first := newBench(t, tensor.Float32, nil, shapes...)
	opt := NewAdamW(ParamGroups(first.params))
	run(first, opt, 0, 4)
	saved := stateOf(t, opt)
	rest := NewAdamW(ParamGroups(first.params))
	if err := rest.SetState(saved); err != nil {
		t.Fatal(err)
	}
	run(first, rest, 4, 9)
	for i := range shapes {
		if !slices.Equal(first.value(i), whole.value(i)) {
			t.Errorf("parameter %d: %v, unbroken %v", i, first.value(i), whole.value(i))
		}
	}
	// An empty state starts anew, whatever was there.
	again, fresh := newBench(t, tensor.Float32, nil, shapes...), newBench(t, tensor.Float32, nil, shapes...)
	used := NewAdamW(ParamGroups(again.params))
	if err := used.SetState(saved); err != nil {
		t.Fatal(err)
	}
	if err := used.SetState(nil); err != nil {
		t.Fatal(err)
	}
	run(again, used, 0, 3)
	run(fresh, NewAdamW(ParamGroups(fresh.params)), 0, 3)
	if !slices.Equal(again.value(1), fresh.value(1)) {
		t.Errorf("after an empty state %v, fresh %v", again.value(1), fresh.value(1))
	}
	state := func(name string, m, v any, step ...int64) []Tensor {
		return []Tensor{{Name: "m." + name, Data: m}, {Name: "v." + name, Data: v}, {Name: "step." + name, Data: step}}
	}
	ones := []float32{1, 1, 1}
	for want, ts := range map[string][]Tensor{
		`no parameter is named "p9"`:                             state("p9", nil, nil, 1),
		"want moments []float32, got []float64":                  state("p0", make([]float64, 3), make([]float64, 3), 1),
		"want moments of 3 elements, got 2 and 3":                state("p0", make([]float32, 2), make([]float32, 3), 1),
		"want a step >= 1, got [0]":                              state("p0", ones, ones, 0),
		"want a step >= 1, got [1 2]":                            state("p0", ones, ones, 1, 2),
		`parameter "p0": want both moments and the number of st`: state("p0", ones, ones, 1)[:2],
		"v.p0: element 1: want a finite number >= 0, got -1":     state("p0", ones, []float32{1, -1, 1}, 1),
		`want tensors "m.", "v." and "step." of parameters, got`: {{Name: "momentum.p0", Data: ones}},
	} {
		if err := rest.SetState(ts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	if got := stateOf(t, rest)[2].Data.([]int64)[0]; got != 9 {
		t.Errorf("a refused state changed the step to %d", got)
	}
}

// stateOf returns the state of an optimiser.
func stateOf(t *testing.T, o Optimizer) []Tensor {
	t.Helper()
	ts, err := o.State()
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

func TestAdamWIsIndependentOfWorkers(t *testing.T) {
	run := func() []float64 {
		b := newBench(t, tensor.Float32, nil, tensor.Shape{5, pieceSize + 1}, tensor.Shape{7})
		opt := NewAdamW(ParamGroups(b.params), Clip(1))
		for s := range 3 {
			if err := opt.Step(b.grads(t, func(i, j int) float64 { return math.Sin(float64(s*i + j)) })); err != nil {
				t.Fatal(err)
			}
		}
		return append(b.value(0), opt.GradNorm())
	}
	many := run()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if !slices.Equal(run(), many) {
		t.Error("one worker gives other parameters than several")
	}
}

func TestAdamWMakesNoGarbage(t *testing.T) {
	b := newBench(t, tensor.Float32, nil, tensor.Shape{5, pieceSize}, tensor.Shape{7})
	opt := NewAdamW(ParamGroups(b.params), Clip(1))
	vg := b.grads(t, func(i, j int) float64 { return 1 })
	var before, after runtime.MemStats
	const steps = 100
	for i := range steps + 1 {
		if i == 1 { // the first step makes the moments
			runtime.ReadMemStats(&before)
		}
		if err := opt.Step(vg); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / steps; per > 4<<10 {
		t.Errorf("%d bytes per step, the moments have %d", per, 8*5*pieceSize)
	}
}

// A solver for Gorgonia's own training loop.
func ExampleNewAdamW() {
	g := G.NewGraph()
	x := G.NewVector(g, tensor.Float64, G.WithShape(3), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithBacking([]float64{1, 2, 3}))))
	w := G.NewVector(g, tensor.Float64, G.WithShape(3), G.WithName("w"),
		G.WithValue(tensor.New(tensor.WithBacking([]float64{0, 0, 0}))))
	loss := G.Must(G.Sum(G.Must(G.Square(G.Must(G.Sub(w, x))))))
	if _, err := G.Grad(loss, w); err != nil {
		fmt.Println(err)
		return
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(w))
	defer vm.Close()
	params := []param.Param{{Name: "w", Node: w}}
	solver := NewAdamW(ParamGroups(params, LR(0.1), WeightDecay(0)))
	for range 200 {
		if err := vm.RunAll(); err != nil {
			fmt.Println(err)
			return
		}
		if err := solver.Step(G.NodesToValueGrads(G.Nodes{w})); err != nil {
			fmt.Println(err)
			return
		}
		vm.Reset()
	}
	fmt.Printf("%.2f\n", w.Value().Data())
	// Output: [1.00 2.00 3.00]
}
