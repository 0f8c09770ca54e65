package models_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/task"
)

// worker is a copy of a model with a training graph and a machine.
type worker struct {
	ls G.Nodes
	vm G.VM
}

func newWorker(t *testing.T, m *models.Classifier, stream int) *worker {
	const b, l = 2, 5
	c, err := m.CloneTo(G.NewGraph(), layers.OnStream(uint64(stream)))
	if err != nil {
		t.Error(err)
		return nil
	}
	gr, err := c.Build(task.Training, b, l)
	if err != nil {
		t.Error(err)
		return nil
	}
	rng := rand.New(rand.NewPCG(9, uint64(stream)))
	ids := make([]int, b*l)
	for i := range ids {
		ids[i] = rng.IntN(7)
	}
	for n, v := range map[*G.Node]*tensor.Dense{
		gr.Inputs[task.X]:       tensor.New(tensor.WithShape(b, l), tensor.WithBacking(ids)),
		gr.Inputs[task.Lengths]: tensor.New(tensor.WithShape(b), tensor.WithBacking([]int{l, l - 1})),
		gr.Inputs[task.Target]:  tensor.New(tensor.WithShape(b), tensor.WithBacking([]int{stream % 3, 1})),
	} {
		if err := G.Let(n, v); err != nil {
			t.Error(err)
			return nil
		}
	}
	w := &worker{}
	for _, p := range gr.Params {
		if !p.Frozen {
			w.ls = append(w.ls, p.Node)
		}
	}
	if _, err := G.Grad(gr.Loss, w.ls...); err != nil {
		t.Error(err)
		return nil
	}
	w.vm = G.NewTapeMachine(gr.G, G.BindDualValues(w.ls...))
	return w
}

// fitParallel trains a model on several goroutines at once, or one after the
// other, and returns its parameters.
func fitParallel(t *testing.T, m *models.Classifier, steps int, parallel bool) (params [][]float64) {
	t.Helper()
	const n = 3
	each := func(f func(i int)) {
		var wg sync.WaitGroup
		for i := range n {
			if parallel {
				wg.Go(func() { f(i) })
			} else {
				f(n - 1 - i)
			}
		}
		wg.Wait()
	}
	var ws [n]*worker
	each(func(i int) { ws[i] = newWorker(t, m, i) })
	for _, w := range ws {
		if w == nil {
			t.FailNow()
		}
		defer w.vm.Close()
	}
	for range steps {
		each(func(i int) {
			if err := ws[i].vm.RunAll(); err != nil {
				t.Error(err)
			}
			ws[i].vm.Reset()
		})
		for k := range ws[0].ls {
			for _, w := range ws {
				g, err := w.ls[k].Grad()
				if err != nil {
					t.Fatal(err)
				}
				for e, v := range g.Data().([]float64) {
					ws[0].ls[k].Value().Data().([]float64)[e] -= 0.1 / n * v
				}
				G.ZeroValue(g)
			}
		}
	}
	for _, p := range m.Params() {
		params = append(params, testutil.Floats(p.Node.Value()))
	}
	return params
}

// Data-parallel training, with dropout, is the same bit for bit as copies that
// run one after the other, and as a run in two parts.
func TestDataParallelTraining(t *testing.T) {
	cfg := tokens()
	cfg.Stack.Blocks[0].Norm = layers.LayerNorm
	cfg.Stack.Blocks[0].Dropout = 0.4
	equal := func(a, b [][]float64) bool {
		return slices.EqualFunc(a, b, func(x, y []float64) bool { return slices.Equal(x, y) })
	}
	want := fitParallel(t, newClassifier(t, cfg, tensor.Float64), 5, false)
	if got := fitParallel(t, newClassifier(t, cfg, tensor.Float64), 5, true); !equal(got, want) {
		t.Error("copies that run at the same time learn other weights than one after the other")
	}
	dir := t.TempDir()
	m := newClassifier(t, cfg, tensor.Float64)
	fitParallel(t, m, 2, true)
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	m, err := models.LoadClassifier(G.NewGraph(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := fitParallel(t, m, 3, true); !equal(got, want) {
		t.Error("a run in two parts learns other weights than a whole one")
	}
}
