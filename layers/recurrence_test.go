package layers_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// recurrenceOf returns the recurrence of a layer with the weights of seed 0.
func recurrenceOf(t *testing.T, layer func(g *G.ExprGraph) (recurrent, error), batch int) *layers.Recurrence {
	t.Helper()
	l, err := layer(G.NewGraph())
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Recurrence(batch)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func step(t *testing.T, r *layers.Recurrence, u *tensor.Dense) []float32 {
	t.Helper()
	y, err := r.Step(u)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(y.Data().([]float32))
}

// TestStepOfManyRows checks that a row of a batch so large that a step is spread
// over the workers is, bit for bit, what it is alone, and that such a step does
// not allocate.
func TestStepOfManyRows(t *testing.T) {
	const h = 256
	for name, layer := range map[string]func(g *G.ExprGraph) (recurrent, error){
		"S4D": func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: h, DState: 64})
		},
		"LSSL": func(g *G.ExprGraph) (recurrent, error) {
			return layers.NewLSSL(g, tensor.Float32, layers.LSSLConfig{DModel: h, DState: 64})
		},
	} {
		t.Run(name, func(t *testing.T) { testStepOfManyRows(t, layer, h) })
	}
}

func testStepOfManyRows(t *testing.T, layer func(g *G.ExprGraph) (recurrent, error), h int) {
	const batch, steps = 40, 3
	all := recurrenceOf(t, layer, batch)
	u := testutil.Normal(rand.New(rand.NewPCG(1, 2)), "u", batch, h).Tensor(tensor.Float32)
	rows := u.Data().([]float32)
	var want [steps][]float32
	for i := range want {
		want[i] = step(t, all, u)
	}
	for b := 0; b < batch; b += 13 {
		one := recurrenceOf(t, layer, 1)
		row := tensor.New(tensor.WithShape(1, h), tensor.WithBacking(slices.Clone(rows[b*h:][:h])))
		for i := range want {
			if got := step(t, one, row); !slices.Equal(got, want[i][b*h:][:h]) {
				t.Errorf("row %d, step %d: differs from the row alone", b, i)
			}
		}
	}
	if n := testing.AllocsPerRun(5, func() {
		if _, err := all.Step(u); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a step allocates %v times", n)
	}
}

// TestBlockRefresh checks that Refresh reads parameters and running statistics
// again, and that nothing does before.
func TestBlockRefresh(t *testing.T) {
	const h = 6
	block, err := layers.NewBlock(G.NewGraph(), tensor.Float32, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: h, DState: 4}, Norm: layers.BatchNorm, PreNorm: true})
	if err != nil {
		t.Fatal(err)
	}
	recurrence := func() *layers.Recurrence {
		r, err := block.Recurrence(1)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	u := testutil.Normal(rand.New(rand.NewPCG(3, 4)), "u", 1, h).Tensor(tensor.Float32)
	r := recurrence()
	before := step(t, r, u)
	for _, b := range block.Buffers() {
		if v, ok := b.Value.Data().([]float32); ok {
			for i := range v {
				v[i] += float32(i + 1)
			}
		}
	}
	r.Reset()
	if got := step(t, r, u); !slices.Equal(got, before) {
		t.Errorf("before Refresh: want %v, got %v", before, got)
	}
	for _, p := range block.Params() {
		for i, v := range p.Node.Value().Data().([]float32) {
			p.Node.Value().Data().([]float32)[i] = 0.9 * v
		}
	}
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	want := step(t, recurrence(), u)
	if got := step(t, r, u); !slices.Equal(got, want) || slices.Equal(got, before) {
		t.Errorf("after Refresh: want %v, got %v (before %v)", want, got, before)
	}
}
