package ops

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// tolValue is how far a float64 output may lie from a naive implementation.
const tolValue = 1e-13

// sizes of axes every op is tested with, odd ones and one included.
var bhlSizes = [][3]int{{1, 1, 1}, {2, 3, 17}, {3, 17, 1}, {1, 4, 300}, {3, 2, 5}}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// checkValue compares the float64 output of f with want.
func checkValue(t *testing.T, f testutil.Build, want []float64, in ...testutil.Input) {
	t.Helper()
	got, err := testutil.Forward(tensor.Float64, f, in...)
	if err != nil {
		t.Fatal(err)
	}
	if e := testutil.RelErr(got, want); !(e <= tolValue) {
		t.Errorf("relative error %.3g > %.3g\ngot  %v\nwant %v", e, tolValue, head(got), head(want))
	}
}

// sameResults compares the outputs and gradients of two functions, on both
// virtual machines and in both float types.
func sameResults(t *testing.T, f, want testutil.Build, in ...testutil.Input) {
	t.Helper()
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-13, tensor.Float32: 3e-6} {
		for _, vm := range []testutil.VM{testutil.Tape, testutil.Lisp} {
			a, err := testutil.Run(vm, dt, f, nil, in...)
			if err != nil {
				t.Fatal(err)
			}
			b, err := testutil.Run(vm, dt, want, nil, in...)
			if err != nil {
				t.Fatal(err)
			}
			for i := range in {
				if e := testutil.RelErr(a.Grads[i], b.Grads[i]); b.Grads[i] != nil && !(e <= tol) {
					t.Errorf("%s, %v: gradient of %s: relative error %.3g > %.3g", vm, dt, in[i].Name, e, tol)
				}
			}
			if e := testutil.RelErr(a.Out, b.Out); !(e <= tol) {
				t.Errorf("%s, %v: relative error %.3g > %.3g", vm, dt, e, tol)
			}
		}
	}
}

func head(x []float64) []float64 { return x[:min(len(x), 12)] }

// build makes a testutil.Build of a function on nodes.
func build(f func(n []*G.Node) (*G.Node, error)) testutil.Build {
	return func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) { return f(n) }
}

// wantError reports an error that does not contain want.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v\nwant        %s", err, want)
	}
}

// graph makes nodes for tests of errors.
type graph struct{ g *G.ExprGraph }

func newGraph() graph { return graph{G.NewGraph()} }

func (g graph) node(dt tensor.Dtype, name string, shape ...int) *G.Node {
	return G.NewTensor(g.g, dt, len(shape), G.WithShape(shape...), G.WithName(name))
}

func (g graph) f64(name string, shape ...int) *G.Node { return g.node(tensor.Float64, name, shape...) }
func (g graph) f32(name string, shape ...int) *G.Node { return g.node(tensor.Float32, name, shape...) }
func (g graph) ints(name string, shape ...int) *G.Node {
	return g.node(tensor.Int, name, shape...)
}

// pass is a core with its arguments.
type pass[T num.Float] struct {
	core    graphop.Core[T]
	in      []graphop.Arg[T]
	out     []T
	gout    []T
	grad    [][]T
	readOut bool // Backward reads out
}

func randoms[T num.Float](n int) []T {
	rng := newRand(uint64(n))
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	return x
}

// newPass returns a pass with random float inputs of the sizes given, which
// all get gradients, and the integer inputs given.
func newPass[T num.Float](core graphop.Core[T], out int, floats []int, ints ...[]int) *pass[T] {
	p := &pass[T]{core: core, out: make([]T, out), gout: randoms[T](out)}
	for _, n := range floats {
		p.in = append(p.in, graphop.Arg[T]{F: randoms[T](n)})
		p.grad = append(p.grad, make([]T, n))
	}
	for _, v := range ints {
		p.in = append(p.in, graphop.Arg[T]{I: v})
		p.grad = append(p.grad, nil)
	}
	return p
}

func (p *pass[T]) run(t testing.TB) {
	p.forward(t)
	p.backward(t)
}

func (p *pass[T]) forward(t testing.TB) {
	if err := p.core.Forward(p.out, p.in); err != nil {
		t.Fatal(err)
	}
}

func (p *pass[T]) backward(t testing.TB) {
	out := p.out
	if !p.readOut {
		out = nil
	}
	if err := p.core.Backward(p.grad, p.in, out, p.gout); err != nil {
		t.Fatal(err)
	}
}

// results returns a copy of the output and the gradients.
func (p *pass[T]) results() [][]T {
	var all [][]T
	for _, s := range append([][]T{p.out}, p.grad...) {
		all = append(all, slices.Clone(s))
	}
	return all
}

// spoil fills the output and the gradients with NaN.
func (p *pass[T]) spoil() {
	for _, s := range append([][]T{p.out}, p.grad...) {
		for i := range s {
			s[i] = T(math.NaN())
		}
	}
}

// checkPass verifies that a core writes every element, that its results do not
// depend on the number of processors, and that it makes no garbage but the
// closures that par runs. repeat is called before every run.
func checkPass[T num.Float](t *testing.T, p *pass[T], repeat func()) {
	t.Helper()
	one := func() {
		p.spoil()
		repeat()
		p.run(t)
	}
	par.Workers() // start the pool before limiting it
	procs := runtime.GOMAXPROCS(1)
	one()
	want := p.results()
	runtime.GOMAXPROCS(procs)
	for range 3 {
		one()
		for i, s := range p.results() {
			if !slices.Equal(s, want[i]) {
				t.Fatalf("result %d differs between 1 and %d processors, or is not written in full", i, procs)
			}
		}
	}
	const runs, limit = 5, 16 << 10
	least := uint64(math.MaxUint64) // a run may be the first of a worker, whose scratch grows
	for range runs {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		one()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if least > limit {
		t.Errorf("allocates %d bytes per forward and backward pass, want at most %d", least, limit)
	}
}

// once is the repeat of a core without state.
func once() {}

// bench times the forward and the backward pass of a core.
func bench[T num.Float](b *testing.B, p *pass[T]) {
	b.Run("fwd", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.forward(b)
		}
	})
	b.Run("bwd", func(b *testing.B) {
		p.forward(b)
		b.ReportAllocs()
		for b.Loop() {
			p.backward(b)
		}
	})
}
