package ops

import (
	"fmt"
	"math"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// naivePool reduces every row of x (B, H, L), of which the first lens[b] steps
// count.
func naivePool(mode PoolMode, x []float64, nb, nh, nl int, lens []int) []float64 {
	y := make([]float64, nb*nh)
	for r := range y {
		n := lens[r/nh]
		if n == 0 {
			continue
		}
		row := x[r*nl : r*nl+n]
		switch mode {
		case PoolMean, PoolSum:
			for _, v := range row {
				y[r] += v
			}
			if mode == PoolMean {
				y[r] /= float64(n)
			}
		case PoolFirst:
			y[r] = row[0]
		case PoolLast:
			y[r] = row[n-1]
		case PoolMax:
			y[r] = math.Inf(-1)
			for _, v := range row {
				y[r] = math.Max(y[r], v)
			}
		}
	}
	return y
}

// fullLengths returns lengths that leave nothing out.
func fullLengths(b, l int) []int {
	n := make([]int, b)
	for i := range n {
		n[i] = l
	}
	return n
}

// someLengths returns lengths in [0, l], L and 0 among them where B allows.
func someLengths(b, l int) []int {
	n := make([]int, b)
	for i := range n {
		n[i] = []int{(l + 1) / 2, 0, l}[i%3]
	}
	return n
}

func TestPool(t *testing.T) {
	rng := newRand(1)
	for _, mode := range poolModes {
		for _, n := range bhlSizes {
			B, H, L := n[0], n[1], n[2]
			t.Run(fmt.Sprint(mode, n), func(t *testing.T) {
				x := testutil.Normal(rng, "x", B, H, L)
				f := build(func(n []*G.Node) (*G.Node, error) { return Pool(mode, n[0], nil) })
				checkValue(t, f, naivePool(mode, x.F, B, H, L, fullLengths(B, L)), x)
				testutil.Check(t, f, x)

				lens := someLengths(B, L)
				f = build(func(n []*G.Node) (*G.Node, error) { return Pool(mode, n[0], n[1]) })
				checkValue(t, f, naivePool(mode, x.F, B, H, L, lens), x, testutil.Ints("lengths", lens, B))
				testutil.Check(t, f, x, testutil.Ints("lengths", lens, B))
			})
		}
	}
}

func TestPoolMaxTiesAndNaN(t *testing.T) {
	p := newPass[float64](newPool[float64](PoolMax, 1, 2, 3), 2, []int{6})
	copy(p.in[0].F, []float64{1, 2, 2, 1, math.NaN(), 3})
	p.gout = []float64{5, 7}
	p.run(t)
	if p.out[0] != 2 || !math.IsNaN(p.out[1]) {
		t.Errorf("got %v, want [2 NaN]", p.out)
	}
	want := []float64{0, 5, 0, 0, 7, 0}
	for i, g := range p.grad[0] {
		if g != want[i] {
			t.Errorf("gradient: got %v, want %v", p.grad[0], want)
			break
		}
	}
}

func TestMask(t *testing.T) {
	rng := newRand(2)
	f := build(func(n []*G.Node) (*G.Node, error) { return Mask(n[0], n[1]) })
	for _, n := range bhlSizes {
		B, H, L := n[0], n[1], n[2]
		x, lens := testutil.Normal(rng, "x", B, H, L), someLengths(B, L)
		want := make([]float64, len(x.F))
		for i, v := range x.F {
			if i%L < lens[i/(H*L)] {
				want[i] = v
			}
		}
		checkValue(t, f, want, x, testutil.Ints("lengths", lens, B))
		testutil.Check(t, f, x, testutil.Ints("lengths", lens, B))
	}
}

// What stands in masked steps does not matter, NaN included.
func TestMaskedStepsDoNotLeak(t *testing.T) {
	x := testutil.Input{Name: "x", Shape: tensor.Shape{1, 2, 3}, F: []float64{1, 2, math.NaN(), 3, math.Inf(1), math.NaN()}}
	lens := testutil.Ints("lengths", []int{1}, 1)
	checkValue(t, build(func(n []*G.Node) (*G.Node, error) { return Mask(n[0], n[1]) }), []float64{1, 0, 0, 3, 0, 0}, x, lens)
	for _, mode := range poolModes {
		checkValue(t, build(func(n []*G.Node) (*G.Node, error) { return Pool(mode, n[0], n[1]) }), []float64{1, 3}, x, lens)
	}
}

func TestPoolCores(t *testing.T) {
	const B, H, L = 3, 70, 300
	for _, mode := range poolModes {
		checkPass(t, newPass[float32](newPool[float32](mode, B, H, L), B*H, []int{B * H * L}), once)
		checkPass(t, newPass[float32](newPool[float32](mode, B, H, L), B*H, []int{B * H * L}, someLengths(B, L)), once)
	}
	checkPass(t, newPass[float32](mask[float32]{h: H, l: L}, B*H*L, []int{B * H * L}, someLengths(B, L)), once)
}

func TestPoolErrors(t *testing.T) {
	g := newGraph()
	x, n := g.f64("x", 2, 3, 5), g.ints("n", 2)
	for _, c := range []struct {
		mode PoolMode
		x, n *G.Node
		want string
	}{
		{"avg", x, nil, `ops.Pool: want a pooling mode of ["mean" "last" "first" "sum" "max"], got "avg"`},
		{PoolMean, g.f64("x2", 2, 3), nil, "ops.Pool: want x (B, H, L), got (2, 3)"},
		{PoolMean, x, g.ints("n3", 3), "ops.Pool: want lengths (2) of dtype int, got (3) of dtype int"},
		{PoolMean, x, g.ints("n2", 2, 1), "ops.Pool: want lengths (2) of dtype int, got (2, 1) of dtype int"},
		{PoolMean, x, g.f64("nf", 2), "ops.Pool: want lengths (2) of dtype int, got (2) of dtype float64"},
	} {
		_, err := Pool(c.mode, c.x, c.n)
		wantError(t, err, c.want)
	}
	_, err := Mask(x, nil)
	wantError(t, err, "ops.Mask: want lengths (B), got nil")
	_, err = Mask(n, n)
	wantError(t, err, "ops.Mask: want x (B, H, L) or (B, H) of dtype float32 or float64, got dtype int")
	_, err = Mask(x, g.ints("n4", 4))
	wantError(t, err, "ops.Mask: want lengths (2) of dtype int, got (4) of dtype int")

	xv := testutil.Normal(newRand(3), "x", 2, 3, 5)
	for _, bad := range [][]int{{5, 6}, {0, -1}} {
		lens := testutil.Ints("lengths", bad, 2)
		want := fmt.Sprintf("lengths[1]: want a length in [0, 5], got %d", bad[1])
		_, err := testutil.Forward(tensor.Float64, build(func(n []*G.Node) (*G.Node, error) { return Pool(PoolMean, n[0], n[1]) }), xv, lens)
		wantError(t, err, "ops.Pool: "+want)
		_, err = testutil.Forward(tensor.Float64, build(func(n []*G.Node) (*G.Node, error) { return Mask(n[0], n[1]) }), xv, lens)
		wantError(t, err, "ops.Mask: "+want)
	}
}
