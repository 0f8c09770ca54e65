// Package testutil checks ops and layers: gradients against finite
// differences on both Gorgonia VMs and in both float types, and values against
// golden arrays.
package testutil

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// Input is one input of a function under test.
type Input struct {
	Name  string
	Shape tensor.Shape
	F     []float64 // values of a float input
	I     []int     // values of an integer input; F is nil
	Fixed bool      // has no gradient to check
}

// Normal returns a float input with independent N(0, 1) entries.
func Normal(rng *rand.Rand, name string, shape ...int) Input {
	s := tensor.Shape(shape)
	d := make([]float64, s.TotalSize())
	for i := range d {
		d[i] = rng.NormFloat64()
	}
	return Input{Name: name, Shape: s, F: d}
}

// Uniform returns a float input with independent entries in [lo, hi).
func Uniform(rng *rand.Rand, name string, lo, hi float64, shape ...int) Input {
	in := Normal(rng, name, shape...)
	for i := range in.F {
		in.F[i] = lo + (hi-lo)*rng.Float64()
	}
	return in
}

// Ints returns an integer input.
func Ints(name string, v []int, shape ...int) Input {
	return Input{Name: name, Shape: shape, I: v}
}

// Tensor returns the input as a new tensor of the given float type.
func (in Input) Tensor(dt tensor.Dtype) *tensor.Dense {
	if in.I != nil {
		return tensor.New(tensor.WithShape(in.Shape...), tensor.WithBacking(append([]int(nil), in.I...)))
	}
	return Dense(dt, in.F, in.Shape...)
}

// Dense returns a tensor of the given float type holding a copy of v.
func Dense(dt tensor.Dtype, v []float64, shape ...int) *tensor.Dense {
	if dt == tensor.Float32 {
		f := make([]float32, len(v))
		for i, x := range v {
			f[i] = float32(x)
		}
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(f))
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(append([]float64(nil), v...)))
}

// Floats returns a copy of a float value, scalar or tensor, as float64.
func Floats(v G.Value) []float64 {
	switch d := v.Data().(type) {
	case []float64:
		return append([]float64(nil), d...)
	case []float32:
		f := make([]float64, len(d))
		for i, x := range d {
			f[i] = float64(x)
		}
		return f
	case float64:
		return []float64{d}
	case float32:
		return []float64{float64(d)}
	}
	panic(fmt.Sprintf("testutil: not a float value: %T", v.Data()))
}

// RelErr returns |got-want| / |want| in the Euclidean norm (the plain norm of
// got where want is zero), and +Inf where the lengths differ or a value is not
// finite.
func RelErr(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var d, w float64
	for i := range want {
		e := got[i] - want[i]
		d += e * e
		w += want[i] * want[i]
	}
	if !num.Finite(d) {
		return math.Inf(1)
	}
	if w == 0 {
		return math.Sqrt(d)
	}
	return math.Sqrt(d / w)
}

// Build adds the function under test to a graph.
type Build func(g *G.ExprGraph, in []*G.Node) (*G.Node, error)

// Result is one run of a function: its output and the gradients of
// sum(W*output) with respect to every input that is not Fixed or integer (nil
// there).
type Result struct {
	Out   []float64
	Shape tensor.Shape
	Grads [][]float64
}

// VM names a Gorgonia virtual machine.
type VM string

// The two virtual machines.
const (
	Tape VM = "TapeMachine"
	Lisp VM = "LispMachine"
)

// Run evaluates f and its gradients for the loss sum(w*output). w has as many
// elements as the output; nil means all ones.
func Run(vm VM, dt tensor.Dtype, f Build, w []float64, in ...Input) (*Result, error) {
	return runOn(vm, dt, f, w, in, tensors(dt, in))
}

// tensors returns the inputs as new tensors.
func tensors(dt tensor.Dtype, in []Input) []*tensor.Dense {
	ts := make([]*tensor.Dense, len(in))
	for i := range in {
		ts[i] = in[i].Tensor(dt)
	}
	return ts
}

func runOn(vm VM, dt tensor.Dtype, f Build, w []float64, in []Input, ts []*tensor.Dense) (*Result, error) {
	l, err := newLoop(vm, dt, f, w, in, ts)
	if err != nil {
		return nil, err
	}
	defer l.close()
	return l.step(false)
}

// loop is a function and its gradients on a graph, to be run several times.
type loop struct {
	vm    VM
	g     *G.ExprGraph
	in    []Input
	ts    []*tensor.Dense // of the inputs
	w     *tensor.Dense   // nil: the output is a scalar, and its own loss
	nodes []*G.Node
	out   *G.Node
	tape  G.VM    // of a TapeMachine; a LispMachine is new in every step
	read  G.Value // the output, by the TapeMachine
}

func newLoop(vm VM, dt tensor.Dtype, f Build, w []float64, in []Input, ts []*tensor.Dense) (*loop, error) {
	g := G.NewGraph()
	nodes := make([]*G.Node, len(in))
	var wrt G.Nodes
	for i, x := range in {
		t := dt
		if x.I != nil {
			t = tensor.Int
		}
		nodes[i] = G.NewTensor(g, t, x.Shape.Dims(), G.WithShape(x.Shape...), G.WithName(x.Name), G.WithValue(ts[i]))
		if x.I == nil && !x.Fixed {
			wrt = append(wrt, nodes[i])
		}
	}
	out, err := f(g, nodes)
	if err != nil {
		return nil, err
	}
	loss := out
	l := &loop{vm: vm, g: g, in: in, ts: ts, nodes: nodes, out: out}
	if out.Shape().Dims() > 0 {
		l.w = Dense(dt, orOnes(w, out.Shape().TotalSize()), out.Shape()...)
		wn := G.NewTensor(g, dt, out.Shape().Dims(), G.WithShape(out.Shape()...), G.WithName("testutil.w"), G.WithValue(l.w))
		prod, err := G.HadamardProd(out, wn)
		if err != nil {
			return nil, err
		}
		if loss, err = G.Sum(prod); err != nil {
			return nil, err
		}
	}
	if vm == Tape {
		G.Read(out, &l.read)
		if len(wrt) > 0 {
			if _, err := G.Grad(loss, wrt...); err != nil {
				return nil, err
			}
		}
		l.tape = G.NewTapeMachine(g, G.BindDualValues(wrt...))
	}
	return l, nil
}

// orOnes returns w, or ones if that is nil.
func orOnes(w []float64, n int) []float64 {
	if w != nil {
		return w
	}
	w = make([]float64, n)
	for i := range w {
		w[i] = 1
	}
	return w
}

// set gives the loop other numbers.
func (l *loop) set(w []float64, in []Input) {
	for i, x := range in {
		if x.I != nil {
			copy(l.ts[i].Ints(), x.I)
		} else {
			setFloats(l.ts[i], x.F)
		}
	}
	if l.w != nil {
		setFloats(l.w, orOnes(w, l.w.Shape().TotalSize()))
	}
}

func setFloats(t *tensor.Dense, v []float64) {
	switch d := t.Data().(type) {
	case []float64:
		copy(d, v)
	case []float32:
		for i, x := range v {
			d[i] = float32(x)
		}
	case float64:
		t.Set(0, v[0])
	case float32:
		t.Set(0, float32(v[0]))
	}
}

func (l *loop) close() {
	if l.tape != nil {
		l.tape.Close()
	}
}

// step runs the graph once, and then unbinds its nodes if it is to.
func (l *loop) step(unbind bool) (*Result, error) {
	res := &Result{Shape: l.out.Shape().Clone(), Grads: make([][]float64, len(l.in))}
	m := l.tape
	if l.vm == Lisp {
		m = G.NewLispMachine(l.g)
		defer m.Close()
	}
	if err := m.RunAll(); err != nil {
		return nil, err
	}
	if l.vm == Lisp {
		l.read = l.out.Value()
	}
	res.Out = Floats(l.read)
	for i, x := range l.in {
		if x.I != nil || x.Fixed {
			continue
		}
		gv, err := l.nodes[i].Grad()
		if err != nil {
			return nil, fmt.Errorf("gradient of %s: %w", x.Name, err)
		}
		res.Grads[i] = Floats(gv)
		G.ZeroValue(gv) // the machines add to it
	}
	switch {
	case unbind && l.vm == Lisp:
		m.(interface{ UnbindAll() }).UnbindAll()
	case unbind:
		l.g.UnbindAllNonInputs()
	}
	m.Reset()
	return res, nil
}

// Forward evaluates f without gradients.
func Forward(dt tensor.Dtype, f Build, in ...Input) ([]float64, error) {
	r, err := forward(dt, f, in...)
	if err != nil {
		return nil, err
	}
	return r.Out, nil
}

func forward(dt tensor.Dtype, f Build, in ...Input) (*Result, error) {
	return Run(Tape, dt, f, nil, fixed(in)...)
}

// fixed returns inputs that have no gradients to check.
func fixed(in []Input) []Input {
	in = slices.Clone(in)
	for i := range in {
		in[i].Fixed = true
	}
	return in
}

// Tolerances of Check.
const (
	tolFinite = 2e-7 // float64 gradient against central differences
	tolVM     = 1e-12
	tolShared = 1e-12
	// TolFloat32 is how far float32 outputs and gradients may lie from float64.
	TolFloat32 = 2e-5
)

// Check verifies f: its float64 gradients against central finite differences,
// the LispMachine against the TapeMachine, float32 against float64, and two
// graphs that share the input tensors against one.
func Check(t testing.TB, f Build, in ...Input) {
	t.Helper()
	graphop.Poison(true) // nothing may read a gradient whose memory was given back
	fwd, err := forward(tensor.Float64, f, in...)
	if err != nil {
		t.Fatalf("forward: %v", err)
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(fwd.Out))))
	w := make([]float64, len(fwd.Out))
	for i := range w {
		w[i] = rng.NormFloat64()
	}
	if fwd.Shape.Dims() == 0 { // a scalar is its own loss
		w[0] = 1
	}
	want, err := Run(Tape, tensor.Float64, f, w, in...)
	if err != nil {
		t.Fatalf("TapeMachine float64: %v", err)
	}
	compare := func(what string, got *Result, err error, tol float64) {
		t.Helper()
		compareTo(t, what, got, err, want, in, tol)
	}
	lisp, err := Run(Lisp, tensor.Float64, f, w, in...)
	compare("LispMachine float64", lisp, err, tolVM)
	for _, vm := range []VM{Tape, Lisp} {
		r, err := Run(vm, tensor.Float32, f, w, in...)
		compare(string(vm)+" float32", r, err, TolFloat32)
	}
	ts := tensors(tensor.Float64, in)
	for _, vm := range []VM{Tape, Tape, Lisp} {
		r, err := runOn(vm, tensor.Float64, f, w, in, ts)
		compare("graphs sharing tensors, "+string(vm), r, err, tolShared)
	}
	checkEachAlone(t, f, w, in, want)
	for _, vm := range []VM{Tape, Lisp} {
		checkUnbound(t, vm, f, w, in)
	}
	l, err := newLoss(f, w, in)
	if err != nil {
		t.Fatalf("forward: %v", err)
	}
	defer l.graph.close()
	for i := range in {
		if want.Grads[i] != nil {
			checkFinite(t, l, i, want.Grads[i])
		}
	}
}

// compareTo reports where a result, or the error in its place, differs from
// another.
func compareTo(t testing.TB, what string, got *Result, err error, want *Result, in []Input, tol float64) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if e := RelErr(got.Out, want.Out); !(e <= tol) {
		t.Errorf("%s: output: relative error %.3g > %.3g", what, e, tol)
	}
	for i := range in {
		if want.Grads[i] == nil {
			continue
		}
		if e := RelErr(got.Grads[i], want.Grads[i]); !(e <= tol) {
			t.Errorf("%s: gradient of %s: relative error %.3g > %.3g", what, in[i].Name, e, tol)
		}
	}
}

// checkEachAlone differentiates with respect to one input at a time.
func checkEachAlone(t testing.TB, f Build, w []float64, in []Input, want *Result) {
	t.Helper()
	for i := range in {
		if want.Grads[i] == nil {
			continue
		}
		alone := append([]Input(nil), in...)
		for k := range alone {
			alone[k].Fixed = k != i
		}
		one := &Result{Out: want.Out, Grads: make([][]float64, len(in))}
		one.Grads[i] = want.Grads[i]
		r, err := Run(Tape, tensor.Float64, f, w, alone...)
		compareTo(t, "with respect to "+in[i].Name+" alone", r, err, one, in, tolShared)
	}
}

// checkUnbound runs a graph three times and unbinds its nodes in between, which
// hands their tensors back, and takes new ones. It is to give what a graph gives
// that is not unbound.
func checkUnbound(t testing.TB, vm VM, f Build, w []float64, in []Input) {
	t.Helper()
	var loops [2]*loop
	for i := range loops {
		l, err := newLoop(vm, tensor.Float64, f, w, in, tensors(tensor.Float64, in))
		if err != nil {
			t.Error(err)
			return
		}
		defer l.close()
		loops[i] = l
	}
	const last = 2
	var taken []*tensor.Dense
	for i := range 3 {
		want, err := loops[0].step(false)
		if err != nil {
			t.Errorf("%s, run %d: %v", vm, i, err)
			return
		}
		got, err := loops[1].step(true)
		compareTo(t, fmt.Sprintf("%s, run %d of a graph that was unbound", vm, i), got, err, want, in, tolVM)
		for range 8 {
			taken = append(taken, tensor.New(tensor.WithBacking([]float64{0, 1, last})))
		}
	}
	for _, d := range taken {
		if v, ok := d.Data().([]float64); !ok || v[len(v)-1] != last {
			t.Fatalf("%s: a tensor was overwritten: %v", vm, d)
		}
	}
}

// checkFinite compares the gradient of input i with central differences of a loss,
// fourth order.
func checkFinite(t testing.TB, l *loss, i int, grad []float64) {
	t.Helper()
	const probes = 24 // elements probed of a large input
	in := l.in[i]
	n := len(in.F)
	at := make([]int, 0, probes)
	if n <= probes {
		for k := range n {
			at = append(at, k)
		}
	} else {
		rng := rand.New(rand.NewPCG(2, uint64(n)))
		for range probes {
			at = append(at, rng.IntN(n))
		}
	}
	got := make([]float64, len(at))
	for j, k := range at {
		got[j] = grad[k]
	}
	// One that draws anew in each run of a graph, as a dropout does, is differentiated by
	// graphs of which each runs once.
	var e float64
	for _, value := range []func(i, k int, v float64) (float64, error){l.again, l.anew} {
		want := make([]float64, len(at))
		for j, k := range at {
			var err error
			if want[j], err = difference(in.F[k], func(v float64) (float64, error) { return value(i, k, v) }); err != nil {
				t.Fatalf("forward: %v", err)
			}
		}
		if e = RelErr(got, want); e <= tolFinite {
			return
		}
	}
	t.Errorf("gradient of %s against finite differences: relative error %.3g > %.3g", in.Name, e, tolFinite)
}

// difference returns the derivative of f at x.
func difference(x float64, f func(v float64) (float64, error)) (float64, error) {
	h := 1e-3 * max(1, math.Abs(x))
	var y [4]float64
	for i, d := range []float64{-h, -h / 2, h / 2, h} {
		var err error
		if y[i], err = f(x + d); err != nil {
			return 0, err
		}
	}
	return (8*(y[2]-y[1]) - (y[3] - y[0])) / (6 * h), nil
}

// loss is sum(w*f) in float64, of inputs of which one element is changed.
type loss struct {
	f     Build
	w     []float64
	in    []Input
	graph *loop
}

func newLoss(f Build, w []float64, in []Input) (*loss, error) {
	l := &loss{f: f, w: w, in: fixed(in)}
	var err error
	l.graph, err = newLoop(Tape, tensor.Float64, f, w, l.in, tensors(tensor.Float64, in))
	return l, err
}

// again returns the loss with v for element k of input i, by another run of its graph.
func (l *loss) again(i, k int, v float64) (float64, error) {
	l.graph.set(l.w, l.moved(i, k, v))
	r, err := l.graph.step(false)
	if err != nil {
		return 0, err
	}
	return l.sum(r.Out), nil
}

// anew is again, by a graph of its own.
func (l *loss) anew(i, k int, v float64) (float64, error) {
	y, err := Forward(tensor.Float64, l.f, l.moved(i, k, v)...)
	return l.sum(y), err
}

func (l *loss) moved(i, k int, v float64) []Input {
	in := slices.Clone(l.in)
	in[i].F = slices.Clone(in[i].F)
	in[i].F[k] = v
	return in
}

func (l *loss) sum(y []float64) (sum float64) {
	for j := range y {
		sum += l.w[j] * y[j]
	}
	return sum
}
