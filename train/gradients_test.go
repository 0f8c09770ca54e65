package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"
)

// distance is the norm of the difference of two vectors in terms of that of one.
func distance(a, b []float64) float64 {
	var d, n float64
	for i := range a {
		d += (a[i] - b[i]) * (a[i] - b[i])
		n += b[i] * b[i]
	}
	return math.Sqrt(d / n)
}

// The steps of a run are the same, to rounding, however its batches are split,
// though the parts have different numbers of targets, and the last batch of an
// epoch is not full.
func TestAnySplitOfABatchIsTheSameStep(t *testing.T) {
	const batch = 32
	for _, c := range []struct {
		dt  DType
		tol float64
	}{{Float64, 1e-12}, {Float32, 2e-4}} {
		for _, clip := range []float64{0, 0.3} {
			run := func(micro int) ([]float64, []StepEvent) {
				cfg := Config{Epochs: 3, BatchSize: batch, MicroBatch: micro, LR: 0.02, Clip: clip, DType: c.dt, Buckets: []int{12, 24}}
				data := newTokenData(70, 1, 24, tinyVocab, tinyClasses, 1).asFeatures(tinyClasses) // 32 + 32 + 6
				for i, e := range data.examples {                                                  // some labels of every example do not count
					for l := range e.Labels {
						if l%(i%4+2) == 1 {
							e.Labels[l] = -1
						}
					}
				}
				m := newTinyModel(tinyConfig{Features: 2, Hidden: 8, Classes: tinyClasses, Position: true}, c.dt.Tensor())
				var events []StepEvent
				tr := newTrainer(t, cfg, m, data, nil, stepHook{f: func(e StepEvent) error {
					events = append(events, e)
					return nil
				}})
				if _, err := tr.Fit(context.Background()); err != nil {
					t.Fatal(err)
				}
				return append(floats(m.w1), floats(m.w2)...), events
			}
			want, whole := run(0)
			for _, micro := range []int{32, 16, 8, 1} {
				got, events := run(micro)
				if d := distance(got, want); d > c.tol || micro == batch && d != 0 {
					t.Errorf("%s, clip %v: %d x %d differs from the whole batch by %.3g, want %g", c.dt, clip, batch/micro, micro, d, c.tol)
				}
				for i, e := range events {
					w := whole[i]
					if e.Batch.Count != w.Batch.Count || math.Abs(e.Batch.Loss-w.Batch.Loss) > c.tol || math.Abs(e.GradNorm/w.GradNorm-1) > c.tol || e.Sequences != w.Sequences {
						t.Errorf("%s: micro-batches of %d, step %d: %+v, want %+v", c.dt, micro, e.Step, e, w)
					}
				}
			}
		}
	}
}

// Clones of a model with parts of the data, summed up by hand, step as one.
func TestGradientsOfClones(t *testing.T) {
	shapes := []tensor.Shape{{4}, {3, 2}}
	grad := func(part int) func(i, j int) float64 {
		return func(i, j int) float64 { return math.Sin(float64(7*part + 3*i + j)) }
	}
	counts := []float64{5, 0, 2}
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		a, same := newBench(t, dt, nil, shapes...), newBench(t, dt, nil, shapes...)
		clones := []*bench{newBench(t, dt, a, shapes...), newBench(t, dt, a, shapes...), a}
		o, ref := NewAdamW(ParamGroups(a.params)), NewAdamW(ParamGroups(same.params), Clip(0.5))
		g := Gradients{Clip: 0.5}
		for step := range 3 {
			for i, c := range clones {
				c.grads(t, grad(step+i))
				err := error(nil)
				if i+1 < len(clones) {
					err = g.Add(c.params, counts[i])
				} else {
					err = g.Step(c.params, counts[i], o, 0.5)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range c.params {
					if d, err := p.Node.Grad(); err != nil || slices.ContainsFunc(floats(d), func(x float64) bool { return x != 0 }) {
						t.Fatalf("gradient %v (%v) after it was taken", d, err)
					}
				}
			}
			ref.SetFactor(0.5)
			mean := func(i, j int) float64 { return (5*grad(step)(i, j) + 2*grad(step+2)(i, j)) / 7 }
			if err := ref.Step(same.grads(t, mean)); err != nil {
				t.Fatal(err)
			}
			if e := math.Abs(g.Norm()/ref.GradNorm() - 1); e > 1e-6 {
				t.Errorf("norm %v, want %v", g.Norm(), ref.GradNorm())
			}
		}
		tol := 1e-12
		if dt == tensor.Float32 {
			tol = 1e-5
		}
		for i := range shapes {
			if d := distance(a.value(i), same.value(i)); d > tol {
				t.Errorf("%v: parameter %d differs by %.3g", dt, i, d)
			}
		}
	}
}

// meeting sums over two machines that are goroutines.
type meeting struct{ mine, theirs chan []float64 }

func (m meeting) Sum(gradients []Learned, count float64) (float64, error) {
	var all []float64
	for _, g := range gradients {
		all = append(all, g.Grad.Float64s...)
	}
	m.mine <- append(all, count)
	other := <-m.theirs
	for _, g := range gradients {
		for i := range g.Grad.Float64s {
			g.Grad.Float64s[i] += other[i]
		}
		other = other[len(g.Grad.Float64s):]
	}
	return count + other[0], nil
}

// brokenLine is a machine that cannot reach the others.
type brokenLine struct{ err error }

func (b brokenLine) Sum([]Learned, float64) (float64, error) { return 0, b.err }

func TestReducer(t *testing.T) {
	ab, ba := make(chan []float64, 1), make(chan []float64, 1)
	grad := func(machine int) func(i, j int) float64 {
		return func(i, j int) float64 { return float64(machine*3 + 2*i + j) }
	}
	var benches []*bench
	for range 3 {
		benches = append(benches, newBench(t, tensor.Float64, nil, tensor.Shape{4}, tensor.Shape{3}))
	}
	done := make(chan error, 2)
	for machine, r := range []Reducer{meeting{ab, ba}, meeting{ba, ab}} {
		b := benches[machine]
		b.grads(t, grad(machine))
		go func() {
			g := Gradients{Reducer: r}
			done <- g.Step(b.params, float64(1+2*machine), NewAdamW(ParamGroups(b.params)), 1)
		}()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	mean := func(i, j int) float64 { return (grad(0)(i, j) + 3*grad(1)(i, j)) / 4 }
	if err := NewAdamW(ParamGroups(benches[2].params)).Step(benches[2].grads(t, mean)); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if d := distance(benches[0].value(i), benches[2].value(i)); d > 1e-12 || !slices.Equal(benches[0].value(i), benches[1].value(i)) {
			t.Errorf("parameter %d: %v and %v on two machines, %v on one", i, benches[0].value(i), benches[1].value(i), benches[2].value(i))
		}
	}
	// In a run, a machine that is lost ends it with what was before.
	cfg, mc, train, val := tinyRun(t.TempDir())
	lost := errors.New("no route to host")
	tr, err := New(cfg, newTinyModel(mc, tensor.Float32), train, val, WithReducer(brokenLine{lost}))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Fit(context.Background()); !errors.Is(err, lost) || !strings.Contains(err.Error(), "train: step 1: in the batch of examples ") || !strings.Contains(err.Error(), "sum over ranks: ") {
		t.Errorf("got error %v", err)
	}
}

func TestGradientsReject(t *testing.T) {
	b := newBench(t, tensor.Float64, nil, tensor.Shape{2}, tensor.Shape{3})
	one := func(i, j int) float64 { return 1 }
	o := NewAdamW(ParamGroups(b.params))
	before := fmt.Sprint(b.value(0), b.value(1))
	for want, f := range map[string]func(g *Gradients) error{
		"want a count of targets >= 0, got -1":        func(g *Gradients) error { return g.Step(b.params, -1, o, 1) },
		"want a count of targets >= 0, got NaN":       func(g *Gradients) error { return g.Add(b.params, math.NaN()) },
		"got it in 0 of 1 before":                     func(g *Gradients) error { return errors.Join(g.Add(b.params[:1], 1), g.Step(b.params, 1, o, 1)) },
		`"p0": want it once in each part of a step`:   func(g *Gradients) error { return g.Add(append(b.params, b.params[0]), 1) },
		`optimiser: AdamW: parameter "p1" is in none`: func(g *Gradients) error { return g.Step(b.params, 1, NewAdamW(ParamGroups(b.params[:1])), 1) },
	} {
		b.grads(t, one)
		var g Gradients
		if err := f(&g); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		g.Drop(b.params)
		if got := fmt.Sprint(b.value(0), b.value(1)); got != before {
			t.Errorf("%s: the parameters are %s, were %s", want, got, before)
		}
	}
}

func TestGradientsMakeNoGarbage(t *testing.T) {
	b := newBench(t, tensor.Float32, nil, tensor.Shape{5, pieceSize}, tensor.Shape{7})
	o := NewAdamW(ParamGroups(b.params))
	b.grads(t, func(i, j int) float64 { return 1 })
	g := Gradients{Clip: 1}
	step := func() {
		if err := errors.Join(g.Add(b.params, 2), g.Step(b.params, 1, o, 1)); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(20, step); n > 8 { // the goroutines of par
		t.Errorf("%v allocations a step", n)
	}
}

// A step that fails leaves nothing behind: the trainer goes on as if it had not
// been tried.
func TestFitGoesOnAfterAFailedStep(t *testing.T) {
	run := func(micro, failAt int) []float64 {
		cfg, mc, train, _ := tinyRun("")
		cfg.MicroBatch, mc.Drop = micro, 0
		m := newTinyModel(mc, tensor.Float32)
		left, no := failAt, errors.New("no")
		tr, err := New(cfg, m, train, nil, WithMetrics(failing{Accuracy(), &left, no}))
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if _, err := tr.Fit(context.Background()); failAt > 0 {
			if !errors.Is(err, no) {
				t.Fatalf("got error %v", err)
			}
			_, err = tr.Fit(context.Background())
			if err != nil {
				t.Fatal(err)
			}
		}
		return slices.Concat(floats(m.w1), floats(m.w2))
	}
	for _, micro := range []int{16, 4} {
		want := run(micro, 0)
		for _, at := range []int{1, 7, 8} {
			if got := run(micro, at); !slices.Equal(got, want) {
				t.Errorf("micro-batches of %d, failed in the %dth: got other parameters", micro, at)
			}
		}
	}
}
