package ops

import (
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// A small sequence classifier of all ops at once: what one op keeps for its
// backward pass must survive the others.
func TestModel(t *testing.T) {
	const B, L, V, H, C = 3, 7, 5, 4, 3
	rng := newRand(1)
	in := []testutil.Input{
		testutil.Ints("ids", someIDs(B*L, V), B, L), testutil.Ints("lengths", []int{L, 3, 0}, B), testutil.Ints("labels", []int{2, 0, IgnoreLabel}, B),
		testutil.Normal(rng, "embedding", V, H), testutil.Normal(rng, "weight", H), testutil.Normal(rng, "bias", H),
		testutil.Normal(rng, "mix", 2*H, H), testutil.Normal(rng, "mix bias", 2*H), testutil.Normal(rng, "head", C, H),
	}
	model := func(_ *G.ExprGraph, n []*G.Node) (y *G.Node, err error) {
		ids, lengths, labels, embedding, weight, bias, mix, mixBias, head := n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8]
		x, err := Embedding(ids, embedding, Padding(0))
		if err != nil {
			return nil, err
		}
		masks := newMasks(1, 0)
		for _, block := range []func(*G.Node) (*G.Node, error){
			func(x *G.Node) (*G.Node, error) { return LayerNorm(x, weight, bias, 1e-5) },
			func(x *G.Node) (*G.Node, error) {
				return BatchNorm(x, weight, nil, NewBatchNormStats(embedding.Dtype(), H), Lengths(lengths))
			},
		} {
			if y, err = block(x); err != nil {
				return nil, err
			}
			for _, f := range []func(*G.Node) (*G.Node, error){
				GELU,
				func(x *G.Node) (*G.Node, error) { return Dropout(x, 0.3, masks) },
				SwapHL, SwapHL,
				func(x *G.Node) (*G.Node, error) { return LinearGLU(x, mix, mixBias) },
				func(x *G.Node) (*G.Node, error) { return Dropout(x, 0.3, masks, Tied()) },
				func(x *G.Node) (*G.Node, error) { return Mask(x, lengths) },
			} {
				if y, err = f(y); err != nil {
					return nil, err
				}
			}
			if x, err = Add(x, y); err != nil {
				return nil, err
			}
		}
		if y, err = Pool(PoolMean, x, lengths); err != nil {
			return nil, err
		}
		if y, err = Linear(y, head, nil); err != nil {
			return nil, err
		}
		return CrossEntropy(y, labels, LabelSmoothing(0.1))
	}
	testutil.Check(t, model, in...)

	// Padding leaks nowhere: what stands there does not change the loss.
	want, err := testutil.Forward(tensor.Float64, model, in...)
	if err != nil {
		t.Fatal(err)
	}
	for l := 3; l < L; l++ {
		in[0].I[1*L+l] = V - 1
	}
	for l := range L {
		in[0].I[2*L+l] = V - 1
	}
	checkValue(t, model, want, in...)
}
