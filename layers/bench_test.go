package layers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// A layer under test is made with h features and states of n dimensions, for l
// steps.
type makeLayer func(g *G.ExprGraph, h, n, l int) (layers.Layer, error)

func makeS4D(g *G.ExprGraph, h, n, _ int) (layers.Layer, error) {
	return layers.NewS4D(g, tensor.Float32, layers.S4DConfig{DModel: h, DState: n, FixedB: true})
}

func makeS4(g *G.ExprGraph, h, n, l int) (layers.Layer, error) {
	return layers.NewS4(g, tensor.Float32, layers.S4Config{DModel: h, DState: n, LMax: l})
}

func makeDSS(g *G.ExprGraph, h, n, _ int) (layers.Layer, error) {
	return layers.NewDSS(g, tensor.Float32, layers.DSSConfig{DModel: h, DState: n})
}

func makeLSSL(g *G.ExprGraph, h, n, _ int) (layers.Layer, error) {
	return layers.NewLSSL(g, tensor.Float32, layers.LSSLConfig{DModel: h, DState: n})
}

func BenchmarkS4D(b *testing.B)  { benchmarkLayer(b, makeS4D) }
func BenchmarkS4(b *testing.B)   { benchmarkLayer(b, makeS4) }
func BenchmarkDSS(b *testing.B)  { benchmarkLayer(b, makeDSS) }
func BenchmarkLSSL(b *testing.B) { benchmarkLayer(b, makeLSSL) }

// heads of the attentions under test.
const heads = 8

func BenchmarkLSTM(b *testing.B) { benchmarkOther(b, 16, 1024, layers.LSTMConfig{DModel: 128}) }
func BenchmarkGRU(b *testing.B)  { benchmarkOther(b, 16, 1024, layers.GRUConfig{DModel: 128}) }
func BenchmarkRNN(b *testing.B)  { benchmarkOther(b, 16, 1024, layers.RNNConfig{DModel: 128}) }

func BenchmarkFeedForward(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.FeedForwardConfig{DModel: 128})
}

// BenchmarkConv1D is a depthwise convolution.
func BenchmarkConv1D(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.Conv1DConfig{In: 128, Out: 128, Kernel: 4, Groups: 128})
}

func BenchmarkTCN(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.TCNConfig{In: 128, Out: 128})
}

func BenchmarkConvNet(b *testing.B) { benchmarkOther(b, 16, 1024, layers.ConvNetConfig{DModel: 128}) }

func BenchmarkLongConv(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.LongConvConfig{DModel: 128, LMax: 1024})
}

// BenchmarkS4ND is a layer for images of 32 x 32 pixels, as the public code has it.
func BenchmarkS4ND(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.S4NDConfig{DModel: 128, Shape: []int{32, 32}, SSM: layers.SSM{Bidirectional: true, OffByOne: true}})
}

func BenchmarkMega(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.MegaAttentionConfig{DModel: 128, Causal: true})
}

func BenchmarkRetention(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.RetentionConfig{DModel: 128, Heads: 4})
}

// The features are those of the published runs.
func BenchmarkCKConv(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.CKConvConfig{In: 32, Out: 32, LMax: 1024})
}

func BenchmarkMamba(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.MambaConfig{DModel: 128})
}

// The states of S5 are half stored, those of the LRU all, and both are linear maps of all
// features.
func BenchmarkS5(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.S5Config{DModel: 128, DState: 256})
}

func BenchmarkLRU(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.LRUConfig{DModel: 128, DState: 128})
}

// The memory is LegS, of one signal of 128 coefficients.
func BenchmarkHiPPORNN(b *testing.B) {
	benchmarkOther(b, 16, 1024, layers.HiPPORNNConfig{DModel: 128})
}

func BenchmarkTransformer(b *testing.B) {
	cfg := layers.TransformerConfig{DModel: 128, Heads: heads}
	benchmarkOther(b, 16, 1024, cfg)
	benchmarkOther(b, 2, 4096, cfg)
}

// BenchmarkAttention is attention in all its forms: of all steps, of a window and
// linear.
func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct {
		name string
		cfg  layers.AttentionConfig
	}{
		{"all", layers.AttentionConfig{}},
		{"window", layers.AttentionConfig{Causal: true, Window: 64}},
		{"linear", layers.AttentionConfig{Causal: true, Form: attention.Linear}},
	} {
		c.cfg.DModel, c.cfg.Heads = 128, heads
		b.Run(c.name, func(b *testing.B) {
			benchmarkOther(b, 16, 1024, c.cfg)
			benchmarkOther(b, 2, 4096, c.cfg)
		})
	}
}

// benchmarkOther is benchmarkLayer for a layer that is no state space.
func benchmarkOther(b *testing.B, batch, l int, cfg layers.MixerConfig) {
	layer := func(g *G.ExprGraph, _, _, _ int) (layers.Layer, error) { return layers.New(g, tensor.Float32, cfg) }
	h, _ := cfg.Features()
	size := fmt.Sprintf("B%d_H%d_L%d", batch, h, l)
	b.Run(size+"/fwd", func(b *testing.B) { benchmarkForward(b, layer, batch, h, 0, l) })
	b.Run(size+"/fwdbwd", func(b *testing.B) { benchmarkBackward(b, layer, batch, h, 0, l) })
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

// BenchmarkFwdState measures whole layers that go on from a state, in float32:
// output and final state (fwd), and besides the gradients of both by the input,
// the state and all parameters (fwdbwd).
func BenchmarkFwdState(b *testing.B) {
	const batch, h, n, l = 16, 128, 64, 1024
	for _, c := range []struct {
		name  string
		layer makeLayer
	}{{"S4D", makeS4D}, {"S4", makeS4}, {"DSS", func(g *G.ExprGraph, h, n, l int) (layers.Layer, error) {
		return layers.NewDSS(g, tensor.Float32, layers.DSSConfig{DModel: h, DState: n, LMax: l})
	}}, {"LSSL", makeLSSL}} {
		size := fmt.Sprintf("%s/B%d_H%d_N%d_L%d", c.name, batch, h, n, l)
		b.Run(size+"/fwd", func(b *testing.B) {
			_, in, out := buildStateLayer(b, c.layer, batch, h, n, l)
			benchmarkGraph(b, in, out, G.EvalMode())
		})
		b.Run(size+"/fwdbwd", func(b *testing.B) {
			lay, in, out := buildStateLayer(b, c.layer, batch, h, n, l)
			var gout G.Nodes
			for i, y := range out {
				gout = append(gout, normalNode(y.Graph(), fmt.Sprintf("gout%d", i), y.Shape()...))
			}
			learn := lay.Learnables()
			grads, err := G.Backpropagate(out, gout, slices.Concat(in, learn))
			if err != nil {
				b.Fatal(err)
			}
			benchmarkGraph(b, slices.Concat(in, gout), slices.Concat(out, grads), G.BindDualValues(learn...))
		})
	}
}

// buildStateLayer puts a layer on a graph of its own: in are an input and an
// initial state, out the output and the final state.
func buildStateLayer(b *testing.B, layer makeLayer, batch, h, n, l int) (lay layers.StateSpaceLayer, in, out G.Nodes) {
	b.Helper()
	g := G.NewGraph()
	made, err := layer(g, h, n, l)
	if err != nil {
		b.Fatal(err)
	}
	lay = made.(layers.StateSpaceLayer)
	in = G.Nodes{normalNode(g, "x", batch, h, l), normalNode(g, "x0", lay.StateShapes(batch)[0].Shape...)}
	y, state, err := lay.FwdState(in[0], G.Nodes{in[1]})
	if err != nil {
		b.Fatal(err)
	}
	return lay, in, append(G.Nodes{y}, state...)
}

// buildLayer puts a layer on a graph of its own, with an input.
func buildLayer(b *testing.B, layer makeLayer, batch, h, n, l int) (lay layers.Layer, x, y *G.Node) {
	b.Helper()
	g := G.NewGraph()
	lay, err := layer(g, h, n, l)
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
