package layers_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// A language model ends with a head, which has the weights of the embedding in front.
// Its loss needs no scores of all tokens in memory.
func ExampleHead() {
	const vocab, features = 50, 8
	g := G.NewGraph()
	table, err1 := layers.NewEmbedding(g, tensor.Float64, layers.EmbeddingConfig{Vocab: vocab, DModel: features})
	check(err1)
	small, err2 := layers.NewSoftmax(g, tensor.Float64, layers.SoftmaxConfig{Vocab: vocab, DModel: features, Tie: true}, layers.TiedTo(table))
	check(err2)

	// Of many tokens the rare ones have few features, and are in clusters.
	tables, err3 := layers.NewAdaptiveEmbedding(g, tensor.Float64, layers.AdaptiveEmbeddingConfig{
		Vocab: vocab, DModel: features, Cutoffs: []int{10, 30}, DivVal: 2,
	})
	check(err3)
	large, err4 := layers.NewAdaptiveSoftmax(g, tensor.Float64, layers.AdaptiveSoftmaxConfig{
		Variant: layers.AdaptiveProjected, Vocab: vocab, DModel: features, Cutoffs: []int{10, 30}, DivVal: 2, Tie: true,
	}, layers.TiedTo(tables))
	check(err4)

	ids := sample.Of(g, "ids", []int{3, 41, 7, 12}, 1, 4)
	next := sample.Of(g, "next", []int{41, 7, 12, ops.IgnoreLabel}, 1, 4)
	for _, model := range []struct {
		table layers.Layer
		head  layers.Head
	}{{table, small}, {tables, large}} {
		hidden, err := model.table.Fwd(ids) // (B, L) -> (B, H, L)
		check(err)
		nll, err := model.head.NLL(hidden, next, nil) // (B, L)
		check(err)
		scores, err := model.head.Fwd(hidden) // (B, Vocab, L), where all are wanted
		check(err)
		loss := sample.Run(nll)[0]
		fmt.Println(model.head.Vocab(), nll.Shape(), scores.Shape(), loss[2] > 0, loss[3])
	}
	// Output:
	// 50 (1, 4) (1, 50, 4) true 0
	// 50 (1, 4) (1, 50, 4) true 0
}

// A norm and a dropout between layers of one's own.
func ExampleNewNorm() {
	g := G.NewGraph()
	x := sample.Node(g, "x", 2, 4, 10)
	for _, kind := range layers.NormKinds() {
		if kind == layers.NoNorm {
			continue
		}
		norm, err := layers.NewNorm(g, tensor.Float64, layers.NormConfig{Kind: kind, DModel: 4}, layers.WithName(string(kind)))
		check(err)
		y, err := norm.Fwd(x)
		check(err)
		fmt.Println(norm, len(norm.Buffers()), "buffers", y.Shape())
	}
	drop, err := layers.NewDropout(g, tensor.Float64, layers.DropoutConfig{P: 0.5})
	check(err)
	y, err := drop.Fwd(x)
	check(err)
	fmt.Println("dropped in evaluation:", sample.Apart(sample.Run(y)[0], sample.Dense(2, 4, 10).Float64s()) > 0)
	// Output:
	// Norm "layer": 2 parameters of 8 elements 0 buffers (2, 4, 10)
	// Norm "rms": 1 parameters of 4 elements 0 buffers (2, 4, 10)
	// Norm "batch": 2 parameters of 8 elements 2 buffers (2, 4, 10)
	// dropped in evaluation: false
}
