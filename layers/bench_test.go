package layers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// A layer under test is made with h features and states of n dimensions.
type makeLayer func(g *G.ExprGraph, h, n int) (layers.Layer, error)

func BenchmarkS4D(b *testing.B) {
	benchmarkLayer(b, func(g *G.ExprGraph, h, n int) (layers.Layer, error) {
		return layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: h, DState: n, FixedB: true})
	})
}

func BenchmarkS4(b *testing.B) {
	benchmarkLayer(b, func(g *G.ExprGraph, h, n int) (layers.Layer, error) {
		return layers.NewS4(g, tensor.Float32, layers.S4Config{DModel: h, DState: n})
	})
}

func BenchmarkDSS(b *testing.B) {
	benchmarkLayer(b, func(g *G.ExprGraph, h, n int) (layers.Layer, error) {
		return layers.NewDSS(g, tensor.Float32, layers.DSSConfig{DModel: h, DState: n})
	})
}

func BenchmarkLSSL(b *testing.B) {
	benchmarkLayer(b, func(g *G.ExprGraph, h, n int) (layers.Layer, error) {
		return layers.NewLSSL(g, tensor.Float32, layers.LSSLConfig{DModel: h, DState: n})
	})
}

// benchmarkLayer measures a whole layer in float32 on a TapeMachine: forward
// in evaluation mode (fwd), and forward and backward to the input and all
// parameters (fwdbwd).
func benchmarkLayer(b *testing.B, layer makeLayer) {
	for _, c := range []struct{ batch, h, n, l int }{
		{16, 128, 64, 1024}, {16, 128, 64, 4096}, {8, 64, 64, 16384},
	} {
		size := fmt.Sprintf("B%d_H%d_N%d_L%d", c.batch, c.h, c.n, c.l)
		b.Run(size+"/fwd", func(b *testing.B) { benchmarkForward(b, layer, c.batch, c.h, c.n, c.l) })
		b.Run(size+"/fwdbwd", func(b *testing.B) { benchmarkBackward(b, layer, c.batch, c.h, c.n, c.l) })
	}
}

func benchmarkForward(b *testing.B, layer makeLayer, batch, h, n, l int) {
	_, x, y := buildLayer(b, layer, batch, h, n, l)
	benchmarkGraph(b, G.Nodes{x}, G.Nodes{y}, G.EvalMode())
}

func benchmarkBackward(b *testing.B, layer makeLayer, batch, h, n, l int) {
	lay, x, y := buildLayer(b, layer, batch, h, n, l)
	gy := normalNode(x.Graph(), "gy", y.Shape()...)
	learn := lay.Learnables()
	grads, err := G.Backpropagate(G.Nodes{y}, G.Nodes{gy}, append(G.Nodes{x}, learn...))
	if err != nil {
		b.Fatal(err)
	}
	benchmarkGraph(b, G.Nodes{x, gy}, append(G.Nodes{y}, grads...), G.BindDualValues(learn...))
	b.ReportMetric(float64(testutil.Size(learn)), "params")
}

// buildLayer puts a layer on a graph of its own, with an input.
func buildLayer(b *testing.B, layer makeLayer, batch, h, n, l int) (lay layers.Layer, x, y *G.Node) {
	b.Helper()
	g := G.NewGraph()
	lay, err := layer(g, h, n)
	if err != nil {
		b.Fatal(err)
	}
	x = normalNode(g, "x", batch, h, l)
	if y, err = lay.Fwd(x); err != nil {
		b.Fatal(err)
	}
	return lay, x, y
}

// normalNode adds an input of independent N(0, 1) values to a graph.
func normalNode(g *G.ExprGraph, name string, shape ...int) *G.Node {
	v := testutil.Normal(rand.New(rand.NewPCG(1, 1)), name, shape...).Tensor(tensor.Float32)
	return G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(v))
}

// benchmarkGraph measures one run of the part of a graph that leads from in to
// out.
func benchmarkGraph(b *testing.B, in, out G.Nodes, opts ...G.VMOpt) {
	b.Helper()
	g := in[0].Graph()
	prog, locs, err := G.CompileFunction(g, in, out)
	if err != nil {
		b.Fatal(err)
	}
	vm := G.NewTapeMachine(g, append(opts, G.WithPrecompiled(prog, locs))...)
	defer vm.Close()
	testutil.Bench(b, func() error {
		defer vm.Reset()
		return vm.RunAll()
	})
}
