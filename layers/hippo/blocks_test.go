package hippo_test

import (
	"math/cmplx"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/testutil/golden"
	"github.com/gorgonia-s4/s4/layers/hippo"
)

// Every block is V diag(Lambda) V^H, the normal part of LegS, and V is orthonormal; with
// pairs the conjugates are added.
func TestNormalBlocks(t *testing.T) {
	const tol = 1e-12
	a, _, err := hippo.Transition(hippo.LegSD, 8, hippo.MeasureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pairs := range []bool{true, false} {
		b, err := hippo.NormalBlocks(24, 3, pairs)
		if err != nil {
			t.Fatal(err)
		}
		n, m := b.V.Dims()
		if want := map[bool]int{true: 4, false: 8}[pairs]; n != 8 || m != want || len(b.Eigenvalues()) != 3*want {
			t.Fatalf("pairs %t: V (%d, %d), %d eigenvalues", pairs, n, m, len(b.Eigenvalues()))
		}
		for i := range n {
			for k := range n {
				var sum complex128
				for j, l := range b.Lambda {
					sum += b.V.At(i, j) * l * cmplx.Conj(b.V.At(k, j))
				}
				if pairs {
					sum += cmplx.Conj(sum)
				}
				if cmplx.Abs(sum-complex(a.At(i, k), 0)) > tol {
					t.Fatalf("pairs %t: element (%d, %d) is %g, want %g", pairs, i, k, sum, a.At(i, k))
				}
			}
		}
		for j := 1; j < m; j++ {
			if imag(b.Lambda[j]) < imag(b.Lambda[j-1]) {
				t.Errorf("pairs %t: the eigenvalues %g are not in order", pairs, b.Lambda)
			}
		}
	}
}

// V^H B0 and C0 V do not depend on the phases of V in their product.
func TestBlocksMapInputsAndOutputs(t *testing.T) {
	const tol = 1e-10
	for _, c := range golden.Cases(t, "s5_init") {
		n, h := c.Int("N", 0), c.Int("H", 0)
		b, err := hippo.NormalBlocks(n, c.Int("J", 0), c.Meta["conj_sym"] == true)
		if err != nil {
			t.Fatal(err)
		}
		in, err := b.Inputs(c.F(t, "B0"), h)
		if err != nil {
			t.Fatal(err)
		}
		c0 := make([]complex128, h*n)
		for i := range c0 {
			c0[i] = complex(c.F(t, "C0")[2*i], c.F(t, "C0")[2*i+1])
		}
		out, err := b.Outputs(c0, h)
		if err != nil {
			t.Fatal(err)
		}
		p := len(in) / h
		want := c.F(t, "CB")
		for i := range h * p {
			got := out[i] * in[i%p*h+i/p]
			if w := complex(want[2*i], want[2*i+1]); cmplx.Abs(got-w) > tol {
				t.Fatalf("%s: element %d: got %g, want %g", c.Name, i, got, w)
			}
		}
	}
}

func TestBlocksRefuse(t *testing.T) {
	fails := func(n, blocks int) error {
		_, err := hippo.NormalBlocks(n, blocks, true)
		return err
	}
	b, err := hippo.NormalBlocks(4, 2, true)
	if err != nil {
		t.Fatal(err)
	}
	_, errIn := b.Inputs(make([]float64, 7), 2)
	_, errOut := b.Outputs(make([]complex128, 9), 2)
	for _, c := range []struct {
		err  error
		want string
	}{
		{fails(0, 1), "got N = 0, blocks = 1"}, {fails(8, 0), "got N = 8, blocks = 0"}, {fails(8, 3), "got N = 8, blocks = 3"}, {fails(12, 4), "got N = 12, blocks = 4"},
		{fails(1<<16, 1), "want blocks of at most 32768 states, got 65536"},
		{errIn, "hippo: Blocks.Inputs: b0: want 8 elements, got 7"}, {errOut, "hippo: Blocks.Outputs: c0: want 8 elements, got 9"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}
