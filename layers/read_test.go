package layers_test

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// testRead reads a sequence in parts, with steps in between, and checks that outputs and
// state are those of steps alone: to the bit, or for a softmax to tol.
func testRead(t *testing.T, what string, l layers.Stepper, x *tensor.Dense, tol float64, parts ...int) {
	t.Helper()
	stepped, err := layers.NewRecurrence(l, 1)
	if err != nil {
		t.Fatal(err)
	}
	read, err := stepped.Fork(1)
	if err != nil {
		t.Fatal(err)
	}
	features := x.Shape()[1]
	same := func(where string, got, want *tensor.Dense) {
		t.Helper()
		a, b := got.Data(), want.Data()
		if !got.Shape().Eq(want.Shape()) {
			t.Fatalf("%s, %s: want shape %v, got %v", what, where, want.Shape(), got.Shape())
		}
		if reflect.DeepEqual(a, b) {
			return
		}
		if e := testutil.RelErr(testutil.Floats(got), testutil.Floats(want)); tol == 0 || !(e <= tol) {
			t.Fatalf("%s, %s: off by %.3g > %g", what, where, e, tol)
		}
	}
	at := 0
	for i, n := range append(parts, 1) {
		part := func(lo, hi int) *tensor.Dense {
			u, err := x.Slice(G.S(lo, hi))
			if err != nil {
				t.Fatal(err)
			}
			d := u.Materialize().(*tensor.Dense)
			if err := d.Reshape(hi-lo, features); err != nil {
				t.Fatal(err)
			}
			return d
		}
		var want, got *tensor.Dense
		for k := range n {
			if want, err = stepped.Step(part(at+k, at+k+1)); err != nil {
				t.Fatal(err)
			}
		}
		if i == len(parts) {
			got, err = read.Step(part(at, at+1))
		} else {
			got, err = read.Read(context.Background(), part(at, at+n))
		}
		if err != nil {
			t.Fatal(err)
		}
		same("output", got, want)
		states := stepped.State()
		for k, s := range read.State() {
			same("state "+s.Name, s.Value, states[k].Value)
		}
		at += n
	}
}

// readTolerance is how far reading may be from stepping: the sums of a softmax are in
// another order.
func readTolerance(name string, dt tensor.Dtype) float64 {
	switch {
	case !strings.Contains(name, "\"heads\"") && !strings.Contains(name, "Attention") && !strings.Contains(name, "Transformer"):
		return 0
	case dt == tensor.Float32:
		return 1e-5
	}
	return 1e-13
}

// Reading is stepping.
func TestRead(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			x := testutil.Normal(rand.New(rand.NewPCG(12, 9)), "x", 40, v.dModel).Tensor(dt)
			testRead(t, dt.String(), v.on(t, G.NewGraph(), dt).(layers.Stepper), x, readTolerance(v.name, dt), 1, 17, 2, 19)
		}
	})
}

// The same of wide layers, of more steps than go through the layers at a time, on every
// instruction set.
func TestReadOfWideLayers(t *testing.T) {
	eachWideLayer(t, func(t *testing.T, cfg layers.MixerConfig, l *layers.Block) {
		in, _ := cfg.Features()
		x := testutil.Normal(rand.New(rand.NewPCG(12, 9)), "x", 530, in).Tensor(tensor.Float32)
		testRead(t, l.Name(), l, x, readTolerance(reflect.TypeOf(cfg).Name(), tensor.Float32), 515, 14)
	})
}

// What is behind the last layer with a state sees the last step alone.
func TestReadOfChains(t *testing.T) {
	layer := func(cfg layers.Config) layers.Stepper {
		l, err := layers.New(G.NewGraph(), tensor.Float64, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return l.(layers.Stepper)
	}
	head := layer(layers.LinearConfig{In: 3, Out: 2})
	s4d := layer(layers.S4DConfig{DModel: 3, DState: 4})
	foreign := layer(layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: foreignConfig{session: sumOf}}}})
	x := testutil.Normal(rand.New(rand.NewPCG(12, 9)), "x", 300, 3).Tensor(tensor.Float64)
	testRead(t, "a decoder", layers.Chain{layer(layers.NormConfig{DModel: 3}), s4d, layer(layers.NormConfig{DModel: 3}), head}, x, 0, 270, 29)
	testRead(t, "a chain in a chain", layers.Chain{layers.Chain{s4d, layer(layers.NormConfig{DModel: 3})}, head}, x, 0, 270, 29)
	testRead(t, "no state", layers.Chain{head}, x, 0, 270, 29)
	x2 := testutil.Normal(rand.New(rand.NewPCG(12, 9)), "x", 30, 2).Tensor(tensor.Float64)
	testRead(t, "another package", layers.Chain{foreign}, x2, 0, 27, 2)
}
