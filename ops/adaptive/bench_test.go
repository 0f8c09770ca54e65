package adaptive

import (
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// BenchmarkTied times a training step of the embedding and the softmax of the WikiText-103
// model, tied, of 1,024 tokens that are as frequent as words are.
func BenchmarkTied(b *testing.B) {
	const vocab, h, l = 267735, 1024, 1024
	cutoffs := []int{19997, 39997, 199997}
	g := G.NewGraph()
	var learned G.Nodes
	param := func(name string, shape ...int) *G.Node {
		d := num.Aligned[float32](tensor.Shape(shape).TotalSize())
		rng := rand.New(rand.NewPCG(1, uint64(len(d))))
		for i := range d {
			d[i] = rng.Float32() * 0.01
		}
		n := G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(d))))
		learned = append(learned, n)
		return n
	}
	s := Softmax{Vocab: vocab, Cutoffs: cutoffs, Reversed: true, ClusterWeight: param("cluster_weight", 3, h), ClusterBias: param("cluster_bias", 3)}
	t := Table{Vocab: vocab, Cutoffs: cutoffs, Scale: 32}
	at, d := bounds(vocab, cutoffs), h
	for i := range 4 {
		name := string(rune('0' + i))
		c := Cluster{Weight: Rows{Node: param("w"+name, at[i+1]-at[i], d)}, Bias: Rows{Node: param("b"+name, at[i+1]-at[i])}, Proj: param("p"+name, h, d)}
		s.Clusters = append(s.Clusters, c)
		t.Weights, t.Projs = append(t.Weights, c.Weight), append(t.Projs, c.Proj)
		d /= 4
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(2, 1)), 1.1, 3, vocab-1)
	ints := func(name string) *G.Node {
		v := make([]int, l)
		for i := range v {
			v[i] = int(zipf.Uint64())
		}
		return G.NewMatrix(g, tensor.Int, G.WithShape(1, l), G.WithName(name), G.WithValue(tensor.New(tensor.WithShape(1, l), tensor.WithBacking(v))))
	}
	x, err := Embedding(ints("ids"), nil, t, h)
	if err != nil {
		b.Fatal(err)
	}
	nll, err := NLL(x, ints("labels"), nil, s)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := G.Grad(G.Must(G.Sum(nll)), learned...); err != nil {
		b.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(learned...))
	defer vm.Close()
	for b.Loop() {
		if err := vm.RunAll(); err != nil {
			b.Fatal(err)
		}
		vm.Reset()
	}
}
