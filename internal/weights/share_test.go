package weights

import (
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func TestShare(t *testing.T) {
	d := dense([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	s := Share(d)
	if s == d || !Same(s, d) || !s.Shape().Eq(d.Shape()) {
		t.Fatalf("got %v of shape %v, want another tensor of the same memory", s, s.Shape())
	}
	s.Float32s()[5] = -1
	if got := d.Float32s()[5]; got != -1 {
		t.Errorf("a write to one is read from the other as %g, want -1", got)
	}
	transposed := dense([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err := transposed.T(); err != nil {
		t.Fatal(err)
	}
	for _, odd := range []*tensor.Dense{tensor.New(tensor.FromScalar(5.0)), transposed} {
		if Share(odd) != odd {
			t.Errorf("%v: want the tensor itself", odd)
		}
	}
}

func TestSame(t *testing.T) {
	d := dense([]float32{1, 2, 3, 4}, 4)
	half, err := d.Slice(G.S(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	a, b := G.NewF32(1), G.NewF32(1)
	for _, c := range []struct {
		a, b G.Value
		want bool
	}{
		{d, d, true}, {d, Share(d), true}, {d, d.Clone().(*tensor.Dense), false}, {d, half.(*tensor.Dense), false},
		{a, a, true}, {a, b, false}, {nil, d, false}, {nil, nil, false},
	} {
		if got := Same(c.a, c.b); got != c.want {
			t.Errorf("Same(%v, %v) = %t, want %t", c.a, c.b, got, c.want)
		}
	}
}
