package layers_test

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
)

// Every layer inside another has an entry with its own number of elements, in the
// order of the parameters; one that is nothing but the layer inside has that of the
// other; one without parameters has none.
func TestSummaryOfLayersInsideOthers(t *testing.T) {
	g := G.NewGraph()
	stack, err := layers.NewStack(g, tensor.Float32, layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 4, DState: 2, SSM: layers.SSM{Bottleneck: 2, Frozen: []string{"A"}}}, PreNorm: true},
		{Mixer: layers.LinearConfig{In: 4, Out: 4}, Norm: layers.NoNorm},
	}})
	if err != nil {
		t.Fatal(err)
	}
	drop, err := layers.NewDropout(g, tensor.Float32, layers.DropoutConfig{P: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	const want = `
layer              kind    shape         parameters
stack.0            Block                 58
  layer            S4D                   50
    input_linear   Linear                10
      weight               (2, 4)        8
      bias                 (2)           2
    kernel.log_dt          (2, 1)        2
    kernel.A_real          (2, 1)        2 frozen
    kernel.A_imag          (2, 1)        2 frozen
    kernel.B               (2, 1, 2)     4
    kernel.C               (1, 2, 1, 2)  4
    D                      (1, 2)        2
    output_linear  Linear                24
      weight               (8, 2)        16
      bias                 (8)           8
  norm             Norm                  8
    weight                 (4)           4
    bias                   (4)           4
stack.1.layer      Linear                20
  weight                   (4, 4)        16
  bias                     (4)           4
parameters: 78, of which frozen: 4
`
	if got := "\n" + layers.Summary(drop, stack); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

// Of a mixer of several layers each has its own number of elements.
func TestSummaryOfCompositeMixers(t *testing.T) {
	stack, err := layers.NewStack(G.NewGraph(), tensor.Float32, layers.StackConfig{Norm: layers.LayerNorm, Blocks: []layers.BlockConfig{
		{Mixer: layers.TransformerConfig{DModel: 2, Heads: 1, FF: 3}, Norm: layers.NoNorm, NoResidual: true},
		{Mixer: layers.TCNConfig{In: 2, Out: 2, Kernel: 3, Levels: 1, NoWeightNorm: true}, Norm: layers.NoNorm, NoResidual: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `
layer                  kind         shape      parameters
stack.0.layer          Transformer             49
  self_attn            Block                   28
    layer              Attention               24
      in_proj_weight                (6, 2)     12
      in_proj_bias                  (6)        6
      out_proj.weight               (2, 2)     4
      out_proj.bias                 (2)        2
    norm               Norm                    4
      weight                        (2)        2
      bias                          (2)        2
  feedforward          Block                   21
    layer              FeedForward             17
      linear1          Linear                  9
        weight                      (3, 2)     6
        bias                        (3)        3
      linear2          Linear                  8
        weight                      (2, 3)     6
        bias                        (2)        2
    norm               Norm                    4
      weight                        (2)        2
      bias                          (2)        2
stack.1.layer          TCN                     28
  0.conv1              Conv1D                  14
    weight                          (2, 2, 3)  12
    bias                            (2)        2
  0.conv2              Conv1D                  14
    weight                          (2, 2, 3)  12
    bias                            (2)        2
stack.norm             Norm                    4
  weight                            (2)        2
  bias                              (2)        2
parameters: 81, of which frozen: 0
`
	if got := "\n" + layers.Summary(stack); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

// A copy is summarised as its original.
func TestSummaryOfACopy(t *testing.T) {
	l, err := layers.NewBlock(G.NewGraph(), tensor.Float64, layers.BlockConfig{Mixer: layers.S4DConfig{DModel: 2, DState: 2}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.CloneTo(G.NewGraph())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := layers.Summary(c), layers.Summary(l); got != want || !strings.Contains(got, "S4D") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
