package ops

import (
	"fmt"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// dropping is an op that drops, of an input x and of parameters.
type dropping struct {
	x, params []testutil.Input
	f         func(in, out *Masks, n []*G.Node) (*G.Node, error)
}

// droppings are the ops that drop. Their sizes are odd, so that pairs of elements
// that share random bits go over the ends of rows.
func droppings() map[string]dropping {
	const B, H, L = 6, 3, 5
	rng := newRand(11)
	x := []testutil.Input{testutil.Normal(rng, "x", B, H, L)}
	flat := []testutil.Input{testutil.Normal(rng, "x", B, H)}
	long := []testutil.Input{testutil.Normal(rng, "x", B, H, 1)}
	wide := []testutil.Input{testutil.Normal(rng, "x", B, 2*H, L)}
	w := []testutil.Input{testutil.Normal(rng, "w", 4, H), testutil.Normal(rng, "b", 4)}
	net := func(gated bool) dropping {
		in := feedForwardInputs(4, B, H, 7, H, L, gated)
		return dropping{x: in[:1], params: in[1:]}
	}
	linear := func(opts func(in, out *Masks) []LinearOption) func(in, out *Masks, n []*G.Node) (*G.Node, error) {
		return func(in, out *Masks, n []*G.Node) (*G.Node, error) { return Linear(n[0], n[1], n[2], opts(in, out)...) }
	}
	tied := func(in, out *Masks) []LinearOption {
		return []LinearOption{Activated(ActGELU), DropInput(0.4, in), DropOutput(0.3, out)}
	}
	elements := func(in, out *Masks) []LinearOption {
		return []LinearOption{DropInputElements(0.4, in), DropOutput(0.3, out)}
	}
	all := map[string]dropping{
		"elements":          {x, nil, func(in, _ *Masks, n []*G.Node) (*G.Node, error) { return Dropout(n[0], 0.4, in) }},
		"elements of rows":  {flat, nil, func(in, _ *Masks, n []*G.Node) (*G.Node, error) { return Dropout(n[0], 0.4, in) }},
		"tied":              {x, nil, func(in, _ *Masks, n []*G.Node) (*G.Node, error) { return Dropout(n[0], 0.4, in, Tied()) }},
		"tied of rows":      {flat, nil, func(in, _ *Masks, n []*G.Node) (*G.Node, error) { return Dropout(n[0], 0.4, in, Tied()) }},
		"linear":            {x, w, linear(tied)},
		"linear, elements":  {x, w, linear(elements)},
		"linear, one step":  {long, w, linear(tied)},
		"elements, one":     {long, w, linear(elements)},
		"linear, both once": {x, w, linear(func(in, _ *Masks) []LinearOption { return tied(in, in) })},
		"gated": {wide, w, linear(func(in, out *Masks) []LinearOption {
			return []LinearOption{Gated(ActSiLU), DropInputElements(0.4, in), DropOutput(0.3, out)}
		})},
		"GLU": {x, w, func(in, out *Masks, n []*G.Node) (*G.Node, error) {
			return LinearGLU(n[0], n[1], n[2], tied(in, out)...)
		}},
	}
	for name, gated := range map[string]bool{"feed-forward": false, "feed-forward, gated": true} {
		d := net(gated)
		act := Activated(ActGELU)
		if gated {
			act = Gated(ActGELU)
		}
		d.f = func(in, out *Masks, n []*G.Node) (*G.Node, error) {
			return FeedForward(n[0], weightsOf(n), act, DropInputElements(0.4, in), DropOutput(0.3, out))
		}
		all[name] = d
	}
	return all
}

// rowsOf returns some rows of an input, [lo, hi), of each of its halves where there
// are two documents.
func rowsOf(x testutil.Input, lo, hi, documents int) testutil.Input {
	b := x.Shape[0]
	of, n := b/documents, len(x.F)/b
	part := testutil.Input{Name: x.Name, Shape: x.Shape.Clone()}
	part.Shape[0] = documents * (hi - lo)
	for d := range documents {
		part.F = append(part.F, x.F[(d*of+lo)*n:(d*of+hi)*n]...)
	}
	return part
}

// A batch in micro-batches, and in rows that are elsewhere, drops what the whole batch
// drops: outputs and gradients are its own, for two steps.
func TestDroppingRows(t *testing.T) {
	const seed, counter, steps = 5, 7, 2
	for name, d := range droppings() {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			for _, documents := range []int{1, 2} {
				t.Run(fmt.Sprint(name, " ", dt, " ", documents), func(t *testing.T) {
					rows := d.x[0].Shape[0] / documents
					run := func(lo, hi int, in, out *Masks) *testutil.Result {
						t.Helper()
						f := build(func(n []*G.Node) (*G.Node, error) { return d.f(in, out, n) })
						r, err := testutil.Run(testutil.Tape, dt, f, nil, append([]testutil.Input{rowsOf(d.x[0], lo, hi, documents)}, d.params...)...)
						if err != nil {
							t.Fatal(err)
						}
						return r
					}
					begin := func(lo, hi int, later bool, ms ...*Masks) {
						for _, m := range ms {
							m.Begin(Rows{First: lo, N: hi - lo, Of: rows, Later: later})
						}
					}
					one, two := newMasks(seed, counter), newMasks(seed+1, counter)
					a, b := newMasks(seed, counter), newMasks(seed+1, counter) // micro-batches
					c, e := newMasks(seed, counter), newMasks(seed+1, counter) // another rank
					for range steps {
						want := run(0, rows, one, two)
						var got [3]*testutil.Result
						cuts := []int{0, 1, rows - 1, rows}
						for i := range got {
							ms := []*Masks{a, b}
							if i == 2 {
								ms = []*Masks{c, e}
							}
							begin(cuts[i], cuts[i+1], i == 1, ms...)
							if cuts[i] < cuts[i+1] {
								got[i] = run(cuts[i], cuts[i+1], ms[0], ms[1])
							}
						}
						checkParts(t, dt, documents, got[:], want)
					}
					for _, m := range []*Masks{one, a, c} {
						if n := m.shared.state[1]; n != one.shared.state[1] {
							t.Errorf("the counter is %d, want %d", n, one.shared.state[1])
						}
					}
				})
			}
		}
	}
}

// checkParts compares the results of parts of a batch with those of the whole.
func checkParts(t *testing.T, dt tensor.Dtype, documents int, parts []*testutil.Result, want *testutil.Result) {
	t.Helper()
	tol := map[tensor.Dtype]float64{tensor.Float64: 1e-13, tensor.Float32: 1e-5}[dt]
	var out, dx []float64
	for d := range documents {
		for _, p := range parts {
			if p == nil {
				continue
			}
			of := func(v []float64) []float64 { return v[d*len(v)/documents : (d+1)*len(v)/documents] }
			out, dx = append(out, of(p.Out)...), append(dx, of(p.Grads[0])...)
		}
	}
	if e := testutil.RelErr(out, want.Out); !(e <= tol) {
		t.Errorf("outputs: relative error %.3g", e)
	}
	if e := testutil.RelErr(dx, want.Grads[0]); !(e <= tol) {
		t.Errorf("gradient of x: relative error %.3g", e)
	}
	for i := 1; i < len(want.Grads); i++ {
		sum := make([]float64, len(want.Grads[i]))
		for _, p := range parts {
			if p == nil {
				continue
			}
			for j, v := range p.Grads[i] {
				sum[j] += v
			}
		}
		if e := testutil.RelErr(sum, want.Grads[i]); !(e <= tol) {
			t.Errorf("gradient %d: relative error %.3g", i, e)
		}
	}
}

// The rows that are said hold until others are said, of one stream only, and a state
// that is restored amid a step begins again.
func TestMasksBegin(t *testing.T) {
	m := newMasks(7, 3)
	want := keys(newMasks(7, 3), 6)
	next := m.Next()
	m.Begin(Rows{})
	first := keys(m, 2)
	m.Begin(Rows{First: 4, N: 2, Of: 8, Later: true})
	if got := m.Row(1); got != 5 {
		t.Errorf("row 1 is %d, want 5", got)
	}
	if got := m.Row(2); got != 12 {
		t.Errorf("row 2, of the second document, is %d, want 12", got)
	}
	if got := next.Row(2); got != 2 {
		t.Errorf("row 2 of another stream is %d, want 2", got)
	}
	if again := keys(m, 2); !slices.Equal(first, want[:2]) || !slices.Equal(again, first) {
		t.Errorf("got %v and again %v, want %v", first, again, want[:2])
	}
	m.Begin(Rows{})
	if got := keys(m, 2); !slices.Equal(got, want[2:4]) {
		t.Errorf("the next step: got %v, want %v", got, want[2:4])
	}
	m.shared.state[1] = 3
	m.Begin(Rows{Later: true})
	if got := keys(m, 2); !slices.Equal(got, want[:2]) {
		t.Errorf("after the state was set: got %v, want %v", got, want[:2])
	}
}
