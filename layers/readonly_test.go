package layers_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// contents returns copies of all that a layer keeps: the elements of its
// parameters and buffers, by name.
func contents(t *testing.T, l layers.Layer) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, p := range l.Params() {
		v, err := p.Value()
		if err != nil {
			t.Fatal(err)
		}
		all[p.Name] = copied(v)
	}
	for _, b := range l.Buffers() {
		all[b.Name] = copied(b.Value)
	}
	return all
}

func copied(d *tensor.Dense) any {
	switch v := d.Data().(type) {
	case []float32:
		return slices.Clone(v)
	case []float64:
		return slices.Clone(v)
	case []int64:
		return slices.Clone(v)
	}
	return fmt.Sprint(d.Data())
}

// configOf returns the configuration of a layer as JSON.
func configOf(t *testing.T, l layers.Layer) string {
	t.Helper()
	b, err := json.Marshal(reflect.ValueOf(l).MethodByName("Config").Call(nil)[0].Interface())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// readings are all ways to ask something of a layer, for the length n. An error
// is an answer too.
func readings(t *testing.T, v variant, l sequenceLayer, n int) map[string]func() {
	var inner any = l
	if b, ok := l.(*layers.Block); ok {
		inner = b.Mixer()
	}
	onClone := func(build func(c sequenceLayer, x *G.Node) *G.Node, opts ...layers.CloneOption) func() {
		return func() {
			g := G.NewGraph()
			c, err := v.clone(l, g, opts...)
			if err != nil {
				t.Fatal(err)
			}
			x := node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{2, v.dModel, n}, F: make([]float64, 2*v.dModel*n)})
			if y := build(c, x); y != nil {
				vm := G.NewTapeMachine(g, G.EvalMode())
				defer vm.Close()
				if err := vm.RunAll(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	fwd := func(c sequenceLayer, x *G.Node) *G.Node { y, _ := c.Fwd(x); return y }
	calls := map[string]func(){
		"Fwd":         onClone(fwd),
		"Fwd AtRate":  onClone(fwd, layers.AtRate(0.5)),
		"Fwd longer":  onClone(fwd, layers.ForLength(4*n)),
		"FwdLengths":  onClone(func(c sequenceLayer, x *G.Node) *G.Node { y, _ := c.FwdLengths(x, nil); return y }),
		"FwdState":    onClone(func(c sequenceLayer, x *G.Node) *G.Node { y, _, _ := c.FwdState(x, nil); return y }),
		"WithFrozen":  onClone(fwd, layers.WithFrozen("D")),
		"StateShape":  func() { l.StateShapes(3) },
		"Params":      func() { l.Params(); l.Learnables(); l.Buffers() },
		"Recurrence":  func() { stepOnce(l.Recurrence(2)) },
		"Config":      func() { configOf(t, l) },
		"Kernel":      func() {},
		"System":      func() {},
		"DenseKernel": func() {},
	}
	if k, ok := inner.(interface{ Kernel(int) (*G.Node, error) }); ok {
		calls["Kernel"] = func() { _, _ = k.Kernel(n) }
	}
	if s, ok := inner.(interface {
		System(kernel, feature int) (*layers.System, error)
	}); ok {
		calls["System"] = func() { _, _ = s.System(0, 0) }
	}
	if d, ok := inner.(*layers.S4); ok {
		calls["DenseKernel"] = func() { stepOnce(layers.NewRecurrence(d.Dense(), 2)) }
	}
	return calls
}

// stepOnce puts a recurrence through all that it can do.
func stepOnce(r *layers.Recurrence, err error) {
	if err != nil {
		return
	}
	x := r.State()
	_ = r.SetState(x)
	_ = r.Refresh()
	r.Reset()
}

// No way to ask a layer for something changes a parameter, a buffer or its
// configuration, whatever has been asked before.
func TestReadingDoesNotWrite(t *testing.T) {
	vs := append(family(),
		s4Variant(layers.S4Config{DModel: 2, DState: 4}),
		s4Variant(layers.S4Config{DModel: 2, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4Config{DModel: 2, DState: 4}, Norm: layers.BatchNorm, PreNorm: true, Dropout: 0.1}),
	)
	for _, v := range vs {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{5, 16} {
				l := v.on(t, G.NewGraph(), tensor.Float64)
				before, config := contents(t, l), configOf(t, l)
				for what, call := range readings(t, v, l, n) {
					call()
					if after := contents(t, l); !reflect.DeepEqual(after, before) {
						t.Fatalf("%s, length %d: changed the layer\nfrom %v\nto   %v", what, n, before, after)
					}
					if got := configOf(t, l); got != config {
						t.Fatalf("%s, length %d: changed the configuration from %s to %s", what, n, config, got)
					}
				}
			}
		})
	}
}
