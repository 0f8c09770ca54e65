package ops

import (
	"fmt"
	"math"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// naiveLayerNorm normalises x (B, H, L) over H.
func naiveLayerNorm(x []float64, nb, nh, nl int, weight, bias []float64, eps float64) []float64 {
	y := make([]float64, len(x))
	for b := range nb {
		for l := range nl {
			at := func(h int) int { return (b*nh+h)*nl + l }
			var mean, variance float64
			for h := range nh {
				mean += x[at(h)] / float64(nh)
			}
			for h := range nh {
				d := x[at(h)] - mean
				variance += d * d / float64(nh)
			}
			for h := range nh {
				v := (x[at(h)] - mean) / math.Sqrt(variance+eps)
				if weight != nil {
					v *= weight[h]
				}
				if bias != nil {
					v += bias[h]
				}
				y[at(h)] = v
			}
		}
	}
	return y
}

func TestLayerNorm(t *testing.T) {
	const eps = 1e-3
	rng := newRand(1)
	for _, n := range bhlSizes {
		B, H, L := n[0], n[1], n[2]
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w, bias := testutil.Normal(rng, "w", H), testutil.Normal(rng, "b", H)
			x := testutil.Normal(rng, "x", B, H, L)
			f := build(func(n []*G.Node) (*G.Node, error) { return LayerNorm(n[0], n[1], n[2], eps) })
			checkValue(t, f, naiveLayerNorm(x.F, B, H, L, w.F, bias.F, eps), x, w, bias)
			testutil.Check(t, f, x, w, bias)

			f = build(func(n []*G.Node) (*G.Node, error) { return LayerNorm(n[0], nil, nil, eps) })
			checkValue(t, f, naiveLayerNorm(x.F, B, H, L, nil, nil, eps), x)
			testutil.Check(t, f, x)
			f = build(func(n []*G.Node) (*G.Node, error) { return LayerNorm(n[0], n[1], nil, eps) })
			checkValue(t, f, naiveLayerNorm(x.F, B, H, L, w.F, nil, eps), x, w)
			f = build(func(n []*G.Node) (*G.Node, error) { return LayerNorm(n[0], nil, n[1], eps) })
			checkValue(t, f, naiveLayerNorm(x.F, B, H, L, nil, bias.F, eps), x, bias)
			testutil.Check(t, f, x, bias)

			v := testutil.Normal(rng, "x", B, H)
			f = build(func(n []*G.Node) (*G.Node, error) { return LayerNorm(n[0], n[1], n[2], eps) })
			checkValue(t, f, naiveLayerNorm(v.F, B, H, 1, w.F, bias.F, eps), v, w, bias)
			testutil.Check(t, f, v, w, bias)
		})
	}
}

// A large common offset costs digits of the input, none of the sums.
func TestLayerNormOffset(t *testing.T) {
	const B, H, L, offset = 1, 64, 3, 1024
	p := newPass[float32](newLayerNorm[float32](normDims{b: B, h: H, l: L, weight: -1, bias: -1}, false, false), B*H*L, []int{B * H * L})
	x := make([]float64, len(p.out))
	for i := range x {
		p.in[0].F[i] += offset
		x[i] = float64(p.in[0].F[i])
	}
	p.forward(t)
	got := make([]float64, len(p.out))
	for i, v := range p.out {
		got[i] = float64(v)
	}
	const tol = offset * 6e-8 // the mean is rounded to float32
	if e := testutil.RelErr(got, naiveLayerNorm(x, B, H, L, nil, nil, 0)); !(e <= tol) {
		t.Errorf("relative error %.3g > %.3g", e, tol)
	}
}

func TestLayerNormCore(t *testing.T) {
	const B, H, L = 7, 33, 600
	d := normDims{b: B, h: H, l: L, weight: 1, bias: 2, eps: 1e-5}
	checkPass(t, newPass[float32](newLayerNorm[float32](d, false, false), B*H*L, []int{B * H * L, H, H}), once)
}

// TestAddLayerNorm compares AddLayerNorm with the ops it stands for, in a chain
// of residual connections and out of one.
func TestAddLayerNorm(t *testing.T) {
	const eps = 1e-3
	rng := newRand(2)
	apart := func(x, y, w, b *G.Node) (*G.Node, error) {
		s, err := Add(x, y)
		if err != nil {
			return nil, err
		}
		return LayerNorm(s, w, b, eps)
	}
	fused := func(x, y, w, b *G.Node) (*G.Node, error) { return AddLayerNorm(x, y, w, b, eps) }
	type end func(x, y, w, b *G.Node) (*G.Node, error)
	for _, n := range bhlSizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			in := []testutil.Input{testutil.Normal(rng, "x", n[0], n[1], n[2]), testutil.Normal(rng, "y", n[0], n[1], n[2]),
				testutil.Normal(rng, "w", n[1]), testutil.Normal(rng, "b", n[1])}
			direct := func(f end) testutil.Build {
				return build(func(n []*G.Node) (*G.Node, error) { return f(n[0], n[1], n[2], n[3]) })
			}
			chain := func(f end) testutil.Build {
				return build(func(n []*G.Node) (*G.Node, error) {
					x := n[0]
					for range 3 {
						y, err := GELU(x)
						if err != nil {
							return nil, err
						}
						if y, err = Add(y, n[1]); err != nil {
							return nil, err
						}
						if x, err = f(x, y, n[2], n[3]); err != nil {
							return nil, err
						}
					}
					return x, nil
				})
			}
			for _, form := range []func(end) testutil.Build{direct, chain} {
				testutil.Check(t, form(fused), in...)
				sameResults(t, form(fused), form(apart), in...)
			}
		})
	}
}

func TestAddLayerNormCore(t *testing.T) {
	const B, H, L = 7, 33, 600
	d := normDims{b: B, h: H, l: L, weight: 2, bias: 3, eps: 1e-5}
	p := newPass[float32](newLayerNorm[float32](d, true, false), B*H*L, []int{B * H * L, B * H * L, H, H})
	p.grad[1] = nil // is that of the first
	checkPass(t, p, once)
}

func TestLayerNormErrors(t *testing.T) {
	g := newGraph()
	x, w := g.f64("x", 2, 3, 5), g.f64("w", 3)
	for _, c := range []struct {
		x, w, b *G.Node
		eps     float64
		want    string
	}{
		{nil, w, w, 0, "ops.LayerNorm: want x (B, H, L) or (B, H), got nil"},
		{w, w, w, 0, "ops.LayerNorm: want x (B, H, L) or (B, H), got (3)"},
		{x, x, w, 0, "ops.LayerNorm: want weight (3), got (2, 3, 5)"},
		{x, w, g.f32("b", 3), 0, "ops.LayerNorm: want bias (3) of dtype float64, got dtype float32"},
		{x, w, w, -1, "ops.LayerNorm: want eps finite and at least 0, got -1"},
		{x, w, w, math.NaN(), "ops.LayerNorm: want eps finite and at least 0, got NaN"},
		{x, w, w, math.Inf(1), "ops.LayerNorm: want eps finite and at least 0, got +Inf"},
	} {
		_, err := LayerNorm(c.x, c.w, c.b, c.eps)
		wantError(t, err, c.want)
	}
}

func BenchmarkLayerNorm(b *testing.B) {
	const B, H, L = 50, 128, 1024
	d := normDims{b: B, h: H, l: L, weight: 1, bias: 2, eps: 1e-5}
	bench(b, newPass[float32](newLayerNorm[float32](d, false, false), B*H*L, []int{B * H * L, H, H}))
}

func BenchmarkAddLayerNorm(b *testing.B) {
	const B, H, L = 50, 128, 1024
	d := normDims{b: B, h: H, l: L, weight: 2, bias: 3, eps: 1e-5}
	p := newPass[float32](newLayerNorm[float32](d, true, false), B*H*L, []int{B * H * L, B * H * L, H, H})
	p.grad[1] = nil
	bench(b, p)
}
