package adaptive_test

import (
	"errors"
	"fmt"
	"log"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil/sample"
	"github.com/gorgonia-s4/s4/ops/adaptive"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// values returns the values of a node: an adaptive.Reader.
func values(n *G.Node) ([]float64, error) {
	v, ok := n.Value().Data().([]float64)
	if !ok {
		return nil, fmt.Errorf("want float64, got %v", n.Dtype())
	}
	return v, nil
}

// Twelve tokens, of which the first four are frequent and have four features, and the
// others two: on a graph, and a step at a time without one.
func Example() {
	const vocab, h = 12, 4
	cutoffs := []int{4}
	check(adaptive.ValidCutoffs(vocab, cutoffs))
	g := G.NewGraph()
	frequent, rare := sample.Node(g, "frequent", 4, 4), sample.Node(g, "rare", 8, 2)
	down := sample.Node(g, "down", h, 2)
	table := adaptive.Table{
		Vocab: vocab, Cutoffs: cutoffs, Scale: 1,
		Weights: []adaptive.Rows{{Node: frequent}, {Node: rare}}, Projs: []*G.Node{nil, down},
	}
	softmax := adaptive.Softmax{
		Vocab: vocab, Cutoffs: cutoffs,
		Clusters:      []adaptive.Cluster{{Weight: adaptive.Rows{Node: frequent}}, {Weight: adaptive.Rows{Node: rare}, Proj: down}},
		ClusterWeight: sample.Node(g, "cluster", 1, h),
	}
	ids, next := sample.Of(g, "ids", []int{2, 9, 0}, 1, 3), sample.Of(g, "next", []int{9, 0, -1}, 1, 3)
	hidden, err := adaptive.Embedding(ids, nil, table, h) // (B, H, L)
	check(err)
	nll, err1 := adaptive.NLL(hidden, next, nil, softmax)
	logp, err2 := adaptive.LogProbs(hidden, nil, softmax) // (B, Vocab, L)
	check(err1, err2)
	ys := sample.Run(nll, logp)
	fmt.Println(nll.Shape(), logp.Shape(), "the same:", math.Abs(ys[0][0]+ys[1][3*9]) < 1e-12)

	var read adaptive.Reader[float64] = values
	tables, err1 := adaptive.NewTableWeights(table, h, read)
	weights, err2 := adaptive.NewWeights(softmax, h, read)
	check(err1, err2)
	x, p := make([]float64, h), make([]float64, vocab)
	tables.NewStep().Apply(x, []int{2})
	weights.NewStep().Apply(p, x, 1)
	fmt.Println("a step:", math.Abs(p[9]-ys[1][3*9]) < 1e-12)
	// Output:
	// (1, 3) (1, 12, 3) the same: true
	// a step: true
}
