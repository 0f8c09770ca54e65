package layers_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// huge are sizes of which no tensor can be: times another they overflow, some
// to 0.
var huge = []int{1 << 40, 1 << 62, math.MaxInt}

// newLayer makes a layer of any configuration, given by pointer.
func newLayer(cfg any) (layers.Layer, error) {
	g, dt := G.NewGraph(), tensor.Float64
	switch c := cfg.(type) {
	case *layers.S4DConfig:
		return layers.NewS4D(g, dt, *c)
	case *layers.S4Config:
		return layers.NewS4(g, dt, *c)
	case *layers.DSSConfig:
		return layers.NewDSS(g, dt, *c)
	case *layers.LSSLConfig:
		return layers.NewLSSL(g, dt, *c)
	case *layers.LSTMConfig:
		return layers.NewLSTM(g, dt, *c)
	case *layers.GRUConfig:
		return layers.NewGRU(g, dt, *c)
	case *layers.RNNConfig:
		return layers.NewRNN(g, dt, *c)
	case *layers.LinearConfig:
		return layers.NewLinear(g, dt, *c)
	case *layers.FeedForwardConfig:
		return layers.NewFeedForward(g, dt, *c)
	case *layers.Conv1DConfig:
		return layers.NewConv1D(g, dt, *c)
	case *layers.TCNConfig:
		return layers.NewTCN(g, dt, *c)
	case *layers.CKConvConfig:
		return layers.NewCKConv(g, dt, *c)
	case *layers.CKBlockConfig:
		return layers.NewCKBlock(g, dt, *c)
	case *layers.RetentionConfig:
		return layers.NewRetention(g, dt, *c)
	case *layers.RetNetConfig:
		return layers.NewRetNet(g, dt, *c)
	case *layers.EMAConfig:
		return layers.NewEMA(g, dt, *c)
	case *layers.MegaAttentionConfig:
		return layers.NewMegaAttention(g, dt, *c)
	case *layers.MegaConfig:
		return layers.NewMega(g, dt, *c)
	case *layers.MambaConfig:
		return layers.NewMamba(g, dt, *c)
	case *layers.ConvNetConfig:
		return layers.NewConvNet(g, dt, *c)
	case *layers.LongConvConfig:
		return layers.NewLongConv(g, dt, *c)
	case *layers.AttentionConfig:
		return layers.NewAttention(g, dt, *c)
	case *layers.PositionConfig:
		return layers.NewPosition(g, dt, *c)
	case *layers.TransformerConfig:
		return layers.NewTransformer(g, dt, *c)
	case *layers.NormConfig:
		return layers.NewNorm(g, dt, *c)
	case *layers.EmbeddingConfig:
		return layers.NewEmbedding(g, dt, *c)
	case *layers.SoftmaxConfig:
		return layers.NewSoftmax(g, dt, *c)
	case *layers.AdaptiveEmbeddingConfig:
		return layers.NewAdaptiveEmbedding(g, dt, *c)
	case *layers.AdaptiveSoftmaxConfig:
		return layers.NewAdaptiveSoftmax(g, dt, *c)
	}
	return layers.New(g, dt, reflect.ValueOf(cfg).Elem().Interface().(layers.Config))
}

func TestHugeFields(t *testing.T) {
	for _, newConfig := range []func() any{
		func() any { return &layers.S4DConfig{DModel: 4, DState: 4} },
		func() any {
			return &layers.S4DConfig{DModel: 4, DState: 4, Init: hippo.InitLegS, SSM: layers.SSM{Bidirectional: true}}
		},
		func() any { return &layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Mixing: layers.MixNone}} },
		func() any { return &layers.S4Config{DModel: 4, DState: 4, LMax: 8} },
		func() any { return &layers.S4Config{DModel: 4, DState: 4, SSM: layers.SSM{Gate: 2, Bottleneck: 2}} },
		func() any { return &layers.DSSConfig{DModel: 4, DState: 4, LMax: 8} },
		func() any { return &layers.DSSConfig{DModel: 4, DState: 4, Init: layers.DSSInitRandom} },
		func() any { return &layers.LSSLConfig{DModel: 4, DState: 4, NSSM: 2} },
		func() any { return &layers.LSTMConfig{DModel: 3} },
		func() any { return &layers.GRUConfig{DModel: 4, Layers: 2, Bidirectional: true} },
		func() any { return &layers.RNNConfig{DModel: 3, Hidden: 4} },
		func() any { return &layers.LinearConfig{In: 3, Out: 3} },
		func() any { return &layers.FeedForwardConfig{DModel: 3} },
		func() any { return &layers.FeedForwardConfig{DModel: 3, FF: 5, Gate: true} },
		func() any { return &layers.Conv1DConfig{In: 3, Out: 3, Kernel: 3} },
		func() any { return &layers.Conv1DConfig{In: 3, Out: 3, Kernel: 3, Groups: 3, Same: true} },
		func() any { return &layers.TCNConfig{In: 3, Out: 3} },
		func() any { return &layers.CKConvConfig{In: 3, Out: 3, LMax: 8} },
		func() any { return &layers.CKBlockConfig{In: 3, Out: 3, LMax: 8} },
		func() any { return &layers.ConvNetConfig{DModel: 3} },
		func() any { return &layers.RetentionConfig{DModel: 4, Heads: 2} },
		func() any { return &layers.RetNetConfig{DModel: 4, Heads: 2} },
		func() any { return &layers.EMAConfig{DModel: 3, DState: 2} },
		func() any { return &layers.MegaAttentionConfig{DModel: 3, DState: 2, Causal: true, Chunk: 4} },
		func() any { return &layers.MegaConfig{DModel: 3, DState: 2, Causal: true, Chunk: 4} },
		func() any { return &layers.MambaConfig{DModel: 3, DState: 2} },
		func() any { return &layers.ESNConfig{DModel: 3, Reservoir: 4} },
		func() any { return &layers.HiPPORNNConfig{DModel: 3, Hidden: 2, MemoryOrder: 4, LMU: true} },
		func() any { return &layers.CKConvConfig{In: 3, Out: 2, Hidden: 3, LMax: 4} },
		func() any { return &layers.S4NDConfig{DModel: 3, TRank: 2, S4NDAxis: layers.S4NDAxis{DState: 4}} },
		func() any { return &layers.LongConvConfig{DModel: 3, LMax: 8} },
		func() any { return &layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true} },
		func() any { return &layers.PositionConfig{DModel: 4, Positions: layers.LearnedPositions, MaxLen: 3} },
		func() any {
			return &layers.TransformerConfig{DModel: 4, Heads: 2, Causal: true, Positions: layers.LearnedPositions, MaxLen: 3}
		},
		func() any { return &layers.NormConfig{DModel: 3} },
		func() any { return &layers.EmbeddingConfig{Vocab: 3, DModel: 3} },
		func() any { return &layers.SoftmaxConfig{Vocab: 3, DModel: 3} },
		func() any {
			return &layers.AdaptiveEmbeddingConfig{Vocab: 5, DModel: 3, DEmbed: 4, Cutoffs: []int{2}, DivVal: 2}
		},
		func() any {
			return &layers.AdaptiveSoftmaxConfig{Vocab: 5, DModel: 3, DEmbed: 4, Cutoffs: []int{2}, DivVal: 2}
		},
	} {
		config := reflect.TypeOf(newConfig()).Elem()
		for i := range config.NumField() {
			field := config.Field(i)
			if field.Type.Kind() != reflect.Int {
				continue
			}
			for _, v := range huge {
				cfg := newConfig()
				reflect.ValueOf(cfg).Elem().Field(i).SetInt(int64(v))
				_, err := newLayer(cfg)
				for _, want := range []string{"layers: ", config.Name(), "want ", field.Name, fmt.Sprintf("got %d", v)} {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s of %d: got error %v, want %q in it", field.Name, v, err, want)
					}
				}
			}
		}
	}
}

// Fields that are within bounds by themselves may ask for too much together.
func TestHugeTensors(t *testing.T) {
	for want, cfg := range map[string]any{
		"output_linear.weight (2*DModel, features), got 2 x 65536 x 65536":     &layers.S4DConfig{DModel: 1 << 16},
		"output_linear.weight (DModel, features), got 65536 x 65536":           &layers.S4DConfig{DModel: 1 << 16, SSM: layers.SSM{Mixing: layers.MixLinear}},
		"kernel.C (kernels, H, DState), got 2 x 65536 x 65536":                 &layers.S4DConfig{DModel: 1 << 16, DState: 1 << 16, SSM: layers.SSM{Mixing: layers.MixNone, Bidirectional: true}},
		"D (Channels, H), got 2147483647 x 4":                                  &layers.S4DConfig{DModel: 4, SSM: layers.SSM{Channels: math.MaxInt32}},
		`want DState at most 32768 for init "legs", which makes a dense matri`: &layers.S4DConfig{DModel: 1, DState: 1 << 17, Init: hippo.InitLegS},
		"want DState at most 16384 for init":                                   &layers.DSSConfig{DModel: 1, DState: 1 << 17},
		"want DState at most 32768, got 131072":                                &layers.S4Config{DModel: 1, DState: 1 << 17},
		"kernel.P (Rank, NSSM, DState), got 16777216 x 4 x 64":                 &layers.S4Config{DModel: 4, Rank: 1 << 24},
		"the state matrices (NSSM, DState, DState), got 1024 x 4096 x 4096":    &layers.S4Config{DModel: 1024, DState: 1 << 12},
		"input_gate.weight (Gate*DModel, DModel), got 33554432 x 64 x 64":      &layers.S4Config{DModel: 64, SSM: layers.SSM{Gate: 1 << 25}},
		"kernel.W (kernels, H, 2*DState), got 1 x 65536 x 65536":               &layers.DSSConfig{DModel: 1 << 16, DState: 1 << 15, Init: layers.DSSInitRandom, SSM: layers.SSM{Mixing: layers.MixNone}},
		"the kernels (kernels, H, LMax), got 1 x 64 x 1073741824":              &layers.DSSConfig{DModel: 64, LMax: 1 << 30},
		"the discretised state matrices (H, DState, DState), got 1024 x 4096":  &layers.LSSLConfig{DModel: 1024, DState: 1 << 12},
		"weight (Out, In/Groups, Kernel), got 65536 x 65536 x 1":               &layers.Conv1DConfig{In: 1 << 16, Out: 1 << 16, Kernel: 1},
		"want (Kernel-1)*Dilation at most 1073741824, got 2*1073741824":        &layers.Conv1DConfig{In: 1, Out: 1, Kernel: 3, Dilation: 1 << 30},
		"cconv2: want at most": &layers.CKBlockConfig{In: 1, Out: 1 << 16, Hidden: 1, LMax: 2},
		"0.conv2.weight (Out, Out, Kernel), got 65536 x 65536 x 3":             &layers.TCNConfig{In: 1, Out: 1 << 16, Kernel: 3},
		"want (Kernel-1)*DilationBase^(Levels-1) at most 1073741824, got 6*2^": &layers.TCNConfig{In: 1, Out: 1, Levels: 40},
		"0.conv.weight (DModel, DModel, Kernel), got 65536 x 65536 x 3":        &layers.ConvNetConfig{DModel: 1 << 16},
		"in_proj (2*Expand*DModel, DModel), got 2 x 2 x 65536 x 65536":         &layers.MambaConfig{DModel: 1 << 16},
		"q_proj.weight (DModel, DModel), got 65536 x 65536":                    &layers.RetentionConfig{DModel: 1 << 16, Heads: 1},
		"v_proj.weight (VWidth, DModel), got 1048576 x 4096":                   &layers.RetNetConfig{DModel: 1 << 12, VWidth: 1 << 20, Heads: 1},
		"gamma (directions*DModel, DState), got 2 x 65536 x 65536":             &layers.EMAConfig{DModel: 1 << 16, DState: 1 << 16, Bidirectional: true},
		"v_proj.weight (VDim, DModel), got 131072 x 65536":                     &layers.MegaConfig{DModel: 1 << 16},
		"A (Expand*DModel, DState), got 2 x 1024 x 2097152":                    &layers.MambaConfig{DModel: 1 << 10, DState: 1 << 21},
		"kernel (kernels, H, LMax), got 2 x 4096 x 1048576":                    &layers.LongConvConfig{DModel: 1 << 12, LMax: 1 << 20, SSM: layers.SSM{Bidirectional: true}},
		"weight (Out, In), got 65536 x 65536":                                  &layers.LinearConfig{In: 1 << 16, Out: 1 << 16},
		"in_proj_weight (3*Inner, DModel), got 3 x 65536 x 65536":              &layers.AttentionConfig{DModel: 1 << 16, Heads: 1},
		"weight (MaxLen, DModel), got 65536 x 65536":                           &layers.PositionConfig{DModel: 1 << 16, Positions: layers.LearnedPositions, MaxLen: 1 << 16},
		"weight (Vocab, DModel), got 65536 x 65536":                            &layers.EmbeddingConfig{Vocab: 1 << 16, DModel: 1 << 16},
		"SoftmaxConfig: want at most 2147483647 elements in weight (Vocab, DM": &layers.SoftmaxConfig{Vocab: 1 << 16, DModel: 1 << 16},
		"elements in the largest table (Vocab, DEmbed), got 65536 x 65536":     &layers.AdaptiveEmbeddingConfig{Vocab: 1 << 16, DModel: 1 << 16},
		"elements in a projection (DModel, DEmbed), got 65536 x 65537":         &layers.AdaptiveSoftmaxConfig{Vocab: 5, DModel: 1 << 16, DEmbed: 1<<16 + 1},
	} {
		if _, err := newLayer(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want %q", cfg, err, want)
		}
	}
}

// Batches and lengths that no tensor can have are errors of the call, not of the
// run.
func TestHugeInputs(t *testing.T) {
	seen := []layers.Layer{new(layers.Linear), new(layers.FeedForward), new(layers.S4ND)} // below
	for _, v := range []variant{
		s4dVariant(layers.S4DConfig{DModel: 4, DState: 4}),
		s4Variant(layers.S4Config{DModel: 4, DState: 4}),
		s4Variant(layers.S4Config{DModel: 4, DState: 4, LMax: 8, SSM: layers.SSM{Gate: 2, Bottleneck: 2}}),
		dssVariant(layers.DSSConfig{DModel: 4, DState: 4, Version: vandermonde.DSSExp}),
		dssVariant(layers.DSSConfig{DModel: 4, DState: 4, LMax: 8}),
		lsslVariant(layers.LSSLConfig{DModel: 4, DState: 4}),
		lstmVariant(layers.LSTMConfig{DModel: 4}),
		gruVariant(layers.GRUConfig{DModel: 4, Layers: 2}),
		rnnVariant(layers.RNNConfig{DModel: 4}),
		blockVariant(layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 4, DState: 4}, Norm: layers.BatchNorm}),
		conv1dVariant(layers.Conv1DConfig{In: 4, Out: 4, Kernel: 3}),
		tcnVariant(layers.TCNConfig{In: 4, Out: 4, Kernel: 3, Levels: 2}),
		ckConvVariant(layers.CKConvConfig{In: 4, Out: 4, LMax: 8}),
		ckBlockVariant(layers.CKBlockConfig{In: 4, Out: 4, LMax: 8}),
		convNetVariant(layers.ConvNetConfig{DModel: 4}),
		mambaVariant(layers.MambaConfig{DModel: 4, DState: 2}),
		retentionVariant(layers.RetentionConfig{DModel: 4, Heads: 2}),
		retNetVariant(layers.RetNetConfig{DModel: 4, Heads: 2}),
		emaVariant(layers.EMAConfig{DModel: 4, DState: 2}),
		megaVariant(layers.MegaConfig{DModel: 4, DState: 2, Causal: true, Chunk: 4}),
		megaAttentionVariant(layers.MegaAttentionConfig{DModel: 4, DState: 2, Causal: true, Chunk: 4}),
		s5Variant(layers.S5Config{DModel: 4, DState: 4}),
		lruVariant(layers.LRUConfig{DModel: 4, DState: 4}),
		esnVariant(layers.ESNConfig{DModel: 4, Reservoir: 3}),
		hippoRNNVariant(layers.HiPPORNNConfig{DModel: 4}),
		ckConvVariant(layers.CKConvConfig{In: 4, Out: 4, LMax: 8}),
		longConvVariant(layers.LongConvConfig{DModel: 4, LMax: 8}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true}),
		attentionVariant(layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Form: attention.Linear}),
		positionVariant(layers.PositionConfig{DModel: 4, Positions: layers.LearnedPositions, MaxLen: 1 << 20}),
		positionVariant(layers.PositionConfig{DModel: 4}),
		transformerVariant(layers.TransformerConfig{DModel: 4, Heads: 2, Causal: true}),
	} {
		g := G.NewGraph()
		layer, err := v.make(g, tensor.Float64, layers.WithName("x"))
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, layer)
		check := func(what string, err error, wants ...string) {
			t.Helper()
			for _, want := range append(wants, "layers: ", `"x`, "want ") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %s: got error %v, want %q in it", v.name, what, err, want)
				}
			}
		}
		for _, n := range huge {
			_, err := layer.Recurrence(n)
			check("Recurrence", err, "Recurrence", fmt.Sprint(n))
			for _, shape := range [][]int{{2, 4, n}, {n, 4, 2}} {
				x := G.NewTensor(g, tensor.Float64, 3, G.WithShape(shape...), G.WithName(fmt.Sprint(shape)))
				_, err = layer.Fwd(x)
				check("Fwd", err, "Fwd", fmt.Sprint(n))
				_, _, err = layer.FwdState(x, nil)
				check("FwdState", err, "Fwd", fmt.Sprint(n))
			}
			if l, ok := layer.(layers.StateSpaceLayer); ok {
				_, err := l.Kernel(n)
				check("Kernel", err, "Kernel: want seqLen in [1, 1073741824]", fmt.Sprint(n))
			}
		}
		// In bounds, and too much all the same.
		x := G.NewTensor(g, tensor.Float64, 3, G.WithShape(1, 4, 1<<30), G.WithName("long"))
		_, err = layer.Fwd(x)
		check("Fwd", err, "want at most 2147483647 elements in x, got 1 x 4 x 1073741824")
	}
	wantEveryKind(t, "layers", seen...)
}

func TestHugeInputsOfSimpleLayers(t *testing.T) {
	const n = 1 << 40
	for _, cfg := range []any{
		&layers.LinearConfig{In: 4, Out: 2}, &layers.NormConfig{DModel: 4}, &layers.LinearConfig{In: 1, Out: 1 << 10},
		&layers.LinearConfig{In: 1, Out: 1 << 10, ChannelsLast: true}, &layers.EmbeddingConfig{Vocab: 2, DModel: 1 << 10},
		&layers.FeedForwardConfig{DModel: 4}, &layers.FeedForwardConfig{DModel: 2, FF: 1 << 10, Gate: true},
		&layers.SoftmaxConfig{DModel: 4, Vocab: 1 << 10}, &layers.AdaptiveEmbeddingConfig{Vocab: 2, DModel: 1 << 10}, &layers.AdaptiveSoftmaxConfig{DModel: 4, Vocab: 1 << 10, Cutoffs: []int{2}},
		&layers.S4NDConfig{DModel: 4, S4NDAxis: layers.S4NDAxis{DState: 4}},
	} {
		layer, err := newLayer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		g := layer.Params()[0].Node.Graph()
		var xs []*G.Node
		switch c := cfg.(type) {
		case *layers.EmbeddingConfig, *layers.AdaptiveEmbeddingConfig:
			xs = append(xs, G.NewMatrix(g, tensor.Int, G.WithShape(2, n), G.WithName("long")),
				G.NewMatrix(g, tensor.Int, G.WithShape(2, 1<<24), G.WithName("large")))
		case *layers.LinearConfig:
			shape, large := []int{2, c.In, n}, []int{2, c.In, 1 << 30}
			if c.ChannelsLast {
				shape, large = []int{2, n, c.In}, []int{2, 1 << 24, c.In}
			}
			xs = append(xs, G.NewTensor(g, tensor.Float64, 3, G.WithShape(shape...), G.WithName("long")),
				G.NewTensor(g, tensor.Float64, 3, G.WithShape(large...), G.WithName("large")))
		case *layers.S4NDConfig:
			xs = append(xs, G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, 4, n), G.WithName("long")),
				G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, 4, 1<<30), G.WithName("large")))
		case *layers.FeedForwardConfig:
			xs = append(xs, G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, c.DModel, n), G.WithName("long")),
				G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, c.DModel, 1<<28), G.WithName("large")))
		case *layers.SoftmaxConfig, *layers.AdaptiveSoftmaxConfig:
			xs = append(xs, G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, 4, n), G.WithName("long")),
				G.NewTensor(g, tensor.Float64, 3, G.WithShape(2, 4, 1<<22), G.WithName("large")))
		case *layers.NormConfig:
			xs = append(xs, G.NewMatrix(g, tensor.Float64, G.WithShape(n, 4), G.WithName("long")))
		}
		for _, x := range xs {
			if _, err := layer.Fwd(x); err == nil || !strings.Contains(err.Error(), "want ") || !strings.Contains(err.Error(), "Fwd") {
				t.Errorf("%+v: %v: got error %v", cfg, x.Shape(), err)
			}
		}
	}
}

// A rate or a buffer kernel.l_kernel that no sequence fits is reported as such.
func TestTunedLengthOutOfRange(t *testing.T) {
	layer := newS4(t, G.NewGraph(), tensor.Float64, layers.S4Config{DModel: 1, DState: 4, LMax: 8})
	fwd := func(l *layers.S4, g *G.ExprGraph) error {
		_, err := l.Fwd(node(g, tensor.Float64, testutil.Input{Name: "x", Shape: tensor.Shape{1, 1, 4}, F: make([]float64, 4)}))
		return err
	}
	g := G.NewGraph()
	slow, err := layer.CloneTo(g, layers.AtRate(1e-300))
	if err != nil {
		t.Fatal(err)
	}
	const want = "want a rate at which kernel.C, tuned to 8 steps at rate 1, has at most 1073741824 steps, got 1e-300"
	if err := fwd(slow, g); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
	if _, err := layer.CloneTo(G.NewGraph(), layers.AtRate(1e300), layers.ForLength(8)); err == nil || !strings.Contains(err.Error(), "ForLength") {
		t.Errorf("a length of 8e300 steps: got error %v", err)
	}
	for _, n := range []int64{math.MinInt64, -1, 0, 1<<30 + 1, math.MaxInt64} {
		g := G.NewGraph()
		c, err := layer.CloneTo(g)
		if err != nil {
			t.Fatal(err)
		}
		layer.Buffers()[0].Value.Data().([]int64)[0] = n
		want := fmt.Sprintf(`layers: S4 "s4": Fwd: buffer kernel.l_kernel, the length that kernel.C is tuned to: want one in [1, 1073741824], got %d`, n)
		if err := fwd(c, g); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if _, err := layer.CloneTo(G.NewGraph(), layers.ForLength(16)); err == nil || !strings.Contains(err.Error(), "kernel.l_kernel") {
			t.Errorf("ForLength with l_kernel of %d: got error %v", n, err)
		}
		if _, err := c.System(0, 0); err == nil || !strings.Contains(err.Error(), "kernel.l_kernel") {
			t.Errorf("System with l_kernel of %d: got error %v", n, err)
		}
		if _, err := c.Recurrence(1); err == nil || !strings.Contains(err.Error(), "kernel.l_kernel") {
			t.Errorf("Recurrence with l_kernel of %d: got error %v", n, err)
		}
	}
}
