package layers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// snapshots are the layers whose recurrences are looked at as snapshots: those of
// the family and blocks of every norm on either side, of every layer.
func snapshots() []variant {
	vs := append(family(), s4Variant(layers.S4Config{DModel: 4, DState: 4, LMax: familyLength, SSM: layers.SSM{Gate: 2, Bottleneck: 2, Channels: 2, Activation: ops.ActReLU, MultActivation: ops.ActTanh}}))
	dense := vs[len(vs)-1]
	dense.name = "dense " + dense.name
	make := dense.make
	dense.make = func(g *G.ExprGraph, dt tensor.Dtype, opts ...layers.Option) (sequenceLayer, error) {
		l, err := make(g, dt, opts...)
		if err != nil {
			return nil, err
		}
		return denseS4{l.(*layers.S4)}, nil
	}
	vs = append(vs, dense)
	for _, norm := range []layers.NormKind{layers.LayerNorm, layers.BatchNorm, layers.NoNorm} {
		for _, pre := range []bool{false, true} {
			for _, b := range []layers.BlockConfig{
				{Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: familyLength}},
				{Mixer: layers.S4DConfig{DModel: 4, DState: 4}},
				{Mixer: layers.DSSConfig{DModel: 4, DState: 4, LMax: familyLength}},
				{Mixer: layers.LSSLConfig{DModel: 4, DState: 4}},
			} {
				b.Norm, b.PreNorm = norm, pre
				vs = append(vs, blockVariant(b))
			}
		}
	}
	return vs
}

// denseS4 is an S4 whose recurrence is the dense one.
type denseS4 struct{ *layers.S4 }

func (l denseS4) Recurrence(batch int) (*layers.Recurrence, error) {
	return layers.NewRecurrence(l.Dense(), batch)
}

// held is a tensor of a layer, a parameter or a buffer.
type held struct {
	name  string
	value *tensor.Dense
}

func heldBy(t *testing.T, l layers.Layer) []held {
	t.Helper()
	var hs []held
	for _, p := range l.Params() {
		v, err := p.Value()
		if err != nil {
			t.Fatal(err)
		}
		hs = append(hs, held{p.Name, v})
	}
	for _, b := range l.Buffers() {
		hs = append(hs, held{b.Name, b.Value})
	}
	return hs
}

// nudge changes every element of a tensor in place, and returns what undoes it.
func nudge(h held) (undo func()) {
	switch d := h.value.Data().(type) {
	case []float32:
		return perturbed(d)
	case []float64:
		return perturbed(d)
	case []int64:
		old := slices.Clone(d)
		for i := range d {
			d[i]++
		}
		return func() { copy(d, old) }
	}
	panic(h.name)
}

func perturbed[T float32 | float64](d []T) (undo func()) {
	old := slices.Clone(d)
	for i := range d {
		d[i] += T(0.01 + 0.001*float64(i))
	}
	return func() { copy(d, old) }
}

// outputs steps a recurrence from the zero state and returns all outputs and the
// last state.
func outputs(t *testing.T, r *layers.Recurrence, dt tensor.Dtype, x testutil.Input) []float64 {
	t.Helper()
	r.Reset()
	return append(stepAll(t, r, dt, x), numbers(r.State())...)
}

// immaterial says of a tensor that no step depends on it.
func immaterial(name string) bool {
	return strings.HasSuffix(name, ".rng") // of dropout
}

// A Recurrence is one snapshot: whichever tensor of the layer changes in place,
// its steps stay what they were to the bit until Refresh, and are those of a new
// Recurrence after it.
func TestRecurrenceIsASnapshot(t *testing.T) {
	for _, v := range snapshots() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
				testSnapshot(t, v.on(t, G.NewGraph(), dt), dt, v.dModel)
			}
		})
	}
}

func testSnapshot(t *testing.T, l sequenceLayer, dt tensor.Dtype, dModel int) {
	x := testutil.Normal(rand.New(rand.NewPCG(6, 1)), "x", 2, dModel, 5)
	make := func() *layers.Recurrence {
		r, err := l.Recurrence(2)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := make()
	before := outputs(t, r, dt, x)
	for _, h := range heldBy(t, l) {
		undo := nudge(h)
		if !slices.Equal(outputs(t, r, dt, x), before) {
			t.Errorf("%v: %s is read before Refresh: want a snapshot with a copy of it", dt, h.name)
		}
		if strings.HasSuffix(h.name, "l_kernel") { // a length that kernel.C is not tuned to
			undo()
			continue
		}
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		after := outputs(t, r, dt, x)
		if !slices.Equal(after, outputs(t, make(), dt, x)) {
			t.Errorf("%v: %s: after Refresh it is not what a new one is", dt, h.name)
		}
		if slices.Equal(after, before) != immaterial(h.name) {
			t.Errorf("%v: %s: want it to matter: %v, got the opposite", dt, h.name, !immaterial(h.name))
		}
		undo()
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(outputs(t, r, dt, x), before) {
			t.Errorf("%v: %s: put back, it is not as before", dt, h.name)
		}
	}
}

// Refresh keeps the state, to the bit.
func TestRefreshKeepsTheState(t *testing.T) {
	for _, v := range snapshots() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			x := testutil.Normal(rand.New(rand.NewPCG(6, 2)), "x", 2, v.dModel, 5)
			r, err := v.on(t, G.NewGraph(), tensor.Float32).Recurrence(2)
			if err != nil {
				t.Fatal(err)
			}
			stepAll(t, r, tensor.Float32, x)
			before := r.State()
			state := numbers(before)
			want := append(stepAll(t, r, tensor.Float32, x), numbers(r.State())...)
			if err := r.SetState(before); err != nil {
				t.Fatal(err)
			}
			if err := r.Refresh(); err != nil {
				t.Fatal(err)
			}
			if got := numbers(r.State()); !slices.Equal(got, state) {
				t.Error("the state changed")
			}
			if got := append(stepAll(t, r, tensor.Float32, x), numbers(r.State())...); !slices.Equal(got, want) {
				t.Error("it goes on differently")
			}
		})
	}
}

// spoil gives a parameter a value that it cannot be read from: of another shape,
// or of a layout that is not row-major.
func spoil(t *testing.T, p *G.Node, reshape bool) (undo func()) {
	t.Helper()
	good := p.Value().(*tensor.Dense)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if reshape {
		shape := good.Shape().Clone()
		check(good.Reshape(1, 1, 1, 1, shape.TotalSize()))
		return func() { check(good.Reshape(shape...)) }
	}
	wide := tensor.New(tensor.Of(good.Dtype()), tensor.WithShape(append(good.Shape().Clone(), 2)...))
	slices := make([]tensor.Slice, good.Dims()+1)
	slices[good.Dims()] = G.S(0)
	view, err := wide.Slice(slices...)
	check(err)
	check(G.UnsafeLet(p, view.(*tensor.Dense)))
	return func() { check(G.UnsafeLet(p, good)) }
}

// A Refresh that fails, because something that is no value of it is bound to one
// parameter, leaves all of the old snapshot and the state, whatever else has
// changed; and no Recurrence comes of it.
func TestRefreshThatFailsChangesNothing(t *testing.T) {
	for _, v := range snapshots() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			testFailedRefresh(t, v.on(t, G.NewGraph(), tensor.Float32), v.dModel)
		})
	}
}

func testFailedRefresh(t *testing.T, l sequenceLayer, dModel int) {
	x := testutil.Normal(rand.New(rand.NewPCG(6, 3)), "x", 2, dModel, 5)
	r, err := l.Recurrence(2)
	if err != nil {
		t.Fatal(err)
	}
	first := outputs(t, r, tensor.Float32, x)
	want := append(stepAll(t, r, tensor.Float32, x), numbers(r.State())...)
	hs := heldBy(t, l)
	for _, p := range l.Params() {
		if p.Node.Shape().TotalSize() == 1 {
			continue // of one number there is one layout
		}
		for _, reshape := range []bool{false, true} {
			outputs(t, r, tensor.Float32, x)
			var undo []func()
			for _, h := range hs {
				if !strings.HasSuffix(h.name, "l_kernel") {
					undo = append(undo, nudge(h))
				}
			}
			undo = append(undo, spoil(t, p.Node, reshape))
			text := fmt.Sprintf("%s, reshaped %v", p.Name, reshape)
			if err := r.Refresh(); err == nil || !strings.Contains(err.Error(), p.Name) {
				t.Errorf("%s: Refresh: got error %v", text, err)
			}
			if r, err := l.Recurrence(2); err == nil || r != nil {
				t.Errorf("%s: Recurrence: got %v and error %v", text, r, err)
			}
			if got := append(stepAll(t, r, tensor.Float32, x), numbers(r.State())...); !slices.Equal(got, want) {
				t.Errorf("%s: after a Refresh that failed the recurrence is another", text)
			}
			for _, f := range undo {
				f()
			}
		}
	}
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	if got := outputs(t, r, tensor.Float32, x); !slices.Equal(got, first) {
		t.Error("with everything put back it is another")
	}
}
