package layers_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// results are the output of a layer and the gradients of its sum.
type results [][]float64

func (r results) equal(s results) bool {
	return slices.EqualFunc(r, s, func(a, b []float64) bool { return slices.Equal(a, b) })
}

// trainAlone makes a machine for a layer on a graph of its own, and runs it a few
// times.
func trainAlone(t *testing.T, vm testutil.VM, g *G.ExprGraph, l layers.Layer, x testutil.Input, steps int, opts ...G.VMOpt) (all results) {
	dt := tensor.Float64
	if x.I != nil {
		dt = tensor.Int
	}
	y, err := l.Fwd(node(g, dt, x))
	if err != nil {
		t.Error(err)
		return nil
	}
	cost := G.Must(G.Sum(G.Must(G.Square(y))))
	ls := l.Learnables()
	var read G.Value
	var tape G.VM
	if vm == testutil.Tape {
		G.Read(y, &read)
		if len(ls) > 0 {
			if _, err := G.Grad(cost, ls...); err != nil {
				t.Error(err)
				return nil
			}
		}
		tape = G.NewTapeMachine(g, append(opts, G.BindDualValues(ls...))...)
		defer tape.Close()
	}
	for range steps {
		m := tape
		if vm == testutil.Lisp {
			m = G.NewLispMachine(g, opts...)
		}
		if err := m.RunAll(); err != nil {
			t.Error(err)
			return nil
		}
		m.Reset()
		if vm == testutil.Lisp {
			read = y.Value()
		}
		all = append(all, testutil.Floats(read))
		for _, n := range ls {
			v, err := n.Grad()
			if err != nil {
				t.Error(err)
				return nil
			}
			all = append(all, testutil.Floats(v))
		}
	}
	return all
}

// Copies of one layer, each on a graph of its own, are made, given machines and
// run by as many goroutines, each with a recurrence too. All give what one gives
// alone: the masks of a copy's dropouts are those of its stream.
func TestCopiesRunAtTheSameTime(t *testing.T) {
	const goroutines, steps = 3, 2
	for _, v := range family() {
		for _, vm := range []testutil.VM{testutil.Tape, testutil.Lisp} {
			var opts []G.VMOpt
			if strings.Contains(v.name, `"norm":"batch"`) { // whose copies train in turn
				opts = append(opts, G.EvalMode())
			}
			x := testutil.Normal(rand.New(rand.NewPCG(4, 4)), "x", 2, v.dModel, 5)
			run := func(each func(f func(i int))) (got [goroutines]results, steps2 [goroutines][]float64) {
				original := v.on(t, G.NewGraph(), tensor.Float64)
				each(func(i int) {
					g := G.NewGraph()
					l, err := v.clone(original, g, layers.OnStream(uint64(i)))
					if err != nil {
						t.Error(err)
						return
					}
					r, err := original.Recurrence(2)
					if err != nil {
						t.Error(err)
						return
					}
					got[i] = trainAlone(t, vm, g, l, x, steps, opts...)
					u := testutil.Dense(tensor.Float64, x.F[:2*v.dModel], 2, v.dModel)
					for range steps {
						y, err := r.Step(u)
						if err != nil {
							t.Error(err)
							return
						}
						steps2[i] = testutil.Floats(y)
					}
				})
				return got, steps2
			}
			want, wantStep := run(func(f func(i int)) {
				for i := range goroutines {
					f(goroutines - 1 - i)
				}
			})
			got, gotStep := run(func(f func(i int)) {
				var wg sync.WaitGroup
				for i := range goroutines {
					wg.Go(func() { f(i) })
				}
				wg.Wait()
			})
			for i := range goroutines {
				if !got[i].equal(want[i]) || !slices.Equal(gotStep[i], wantStep[i]) {
					t.Errorf("%s, %s: copy %d differs beside others from what it is alone", v.name, vm, i)
				}
			}
		}
	}
}

// The same of the layers that are not state space layers.
func TestPlainCopiesRunAtTheSameTime(t *testing.T) {
	const goroutines = 3
	const b, h, l = 2, 3, 4
	features := testutil.Normal(rand.New(rand.NewPCG(4, 5)), "x", b, h, l)
	for name, newLayer := range map[string]func(g *G.ExprGraph) (clone func(g *G.ExprGraph, i int) (layers.Layer, error), err error){
		"Linear": func(g *G.ExprGraph) (func(*G.ExprGraph, int) (layers.Layer, error), error) {
			l, err := layers.NewLinear(g, tensor.Float64, layers.LinearConfig{In: h, Out: 2})
			return func(g *G.ExprGraph, _ int) (layers.Layer, error) { return l.CloneTo(g) }, err
		},
		"Norm": func(g *G.ExprGraph) (func(*G.ExprGraph, int) (layers.Layer, error), error) {
			l, err := layers.NewNorm(g, tensor.Float64, layers.NormConfig{DModel: h})
			return func(g *G.ExprGraph, _ int) (layers.Layer, error) { return l.CloneTo(g) }, err
		},
		"Embedding": func(g *G.ExprGraph) (func(*G.ExprGraph, int) (layers.Layer, error), error) {
			l, err := layers.NewEmbedding(g, tensor.Float64, layers.EmbeddingConfig{Vocab: 3, DModel: h})
			return func(g *G.ExprGraph, _ int) (layers.Layer, error) { return l.CloneTo(g) }, err
		},
		"Dropout": func(g *G.ExprGraph) (func(*G.ExprGraph, int) (layers.Layer, error), error) {
			l, err := layers.NewDropout(g, tensor.Float64, layers.DropoutConfig{P: 0.5, Untied: true})
			return func(g *G.ExprGraph, i int) (layers.Layer, error) { return l.CloneTo(g, layers.OnStream(uint64(i))) }, err
		},
	} {
		x := features
		if name == "Embedding" {
			x = testutil.Ints("ids", []int{0, 1, 2, 2}, 2, 2)
		}
		run := func(parallel bool) (got [goroutines]results) {
			clone, err := newLayer(G.NewGraph())
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for i := range goroutines {
				f := func() {
					g := G.NewGraph()
					l, err := clone(g, i)
					if err != nil {
						t.Error(err)
						return
					}
					got[i] = trainAlone(t, testutil.Tape, g, l, x, 3)
				}
				if parallel {
					wg.Go(f)
				} else {
					f()
				}
			}
			wg.Wait()
			return got
		}
		want, got := run(false), run(true)
		for i := range goroutines {
			if !got[i].equal(want[i]) {
				t.Errorf("%s: copy %d differs beside others from what it is alone", name, i)
			}
			if name == "Dropout" && i > 0 && got[i].equal(got[0]) {
				t.Errorf("copies 0 and %d have the same masks", i)
			}
		}
	}
}

// Copies that are not told otherwise take the streams in order, and copies in
// turn go on with the masks of their original.
func TestStreamsOfCopies(t *testing.T) {
	const b, h = 4, 16
	mask := func(l *layers.Dropout, g *G.ExprGraph) string {
		var s strings.Builder
		for _, v := range dropped(t, g, l, b, h, 1) {
			if v == 0 {
				s.WriteByte('0')
			} else {
				s.WriteByte('1')
			}
		}
		return s.String()
	}
	on := func(opts ...layers.CloneOption) []string {
		g := G.NewGraph()
		original := newDropout(t, g, layers.DropoutConfig{P: 0.5})
		masks := []string{mask(original, g)}
		for range 2 {
			g := G.NewGraph()
			c, err := original.CloneTo(g, opts...)
			if err != nil {
				t.Fatal(err)
			}
			masks = append(masks, mask(c, g))
		}
		return masks
	}
	plain, turns, first, second := on(), on(layers.InTurn()), on(layers.OnStream(1)), on(layers.OnStream(2))
	if plain[1] != first[1] || plain[2] != second[1] || plain[0] == plain[1] || plain[1] == plain[2] {
		t.Errorf("copies draw %v, want streams 0, 1, 2", plain)
	}
	g := G.NewGraph()
	alone := newDropout(t, g, layers.DropoutConfig{P: 0.5})
	y, err := alone.Fwd(placeholder(g, tensor.Float64, "x", b, h, 1))
	if err != nil {
		t.Fatal(err)
	}
	one := make([]float64, b*h)
	for i := range one {
		one[i] = 1
	}
	if err := G.Let(g.ByName("x")[0], testutil.Dense(tensor.Float64, one, b, h, 1)); err != nil {
		t.Fatal(err)
	}
	var read G.Value
	G.Read(y, &read)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	for i := range turns {
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		vm.Reset()
		for k, v := range testutil.Floats(read) {
			if (v == 0) != (turns[i][k] == '0') {
				t.Fatalf("copy %d in turn does not draw mask %d of its original", i, i)
			}
		}
	}
}
