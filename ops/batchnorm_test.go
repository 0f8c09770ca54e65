package ops

import (
	"fmt"
	"math"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
)

// naiveBatchNorm normalises x (B, H, L), of which the first lens[b] steps of
// row b count, by its own statistics, and returns them: mean and the unbiased
// variance.
func naiveBatchNorm(x []float64, nb, nh, nl int, lens []int, weight, bias []float64, eps float64) (y, mean, variance []float64) {
	y, mean, variance = make([]float64, len(x)), make([]float64, nh), make([]float64, nh)
	for h := range nh {
		var v []float64
		for b := range nb {
			v = append(v, x[(b*nh+h)*nl:][:lens[b]]...)
		}
		for _, e := range v {
			mean[h] += e / float64(len(v))
		}
		var biased float64
		for _, e := range v {
			biased += (e - mean[h]) * (e - mean[h]) / float64(len(v))
		}
		variance[h] = biased * float64(len(v)) / float64(len(v)-1)
		for b := range nb {
			for l := range lens[b] {
				i := (b*nh+h)*nl + l
				y[i] = (x[i] - mean[h]) / math.Sqrt(biased+eps)
				if weight != nil {
					y[i] = y[i]*weight[h] + bias[h]
				}
			}
		}
	}
	return y, mean, variance
}

func TestBatchNormTraining(t *testing.T) {
	const eps = 1e-3
	rng := newRand(1)
	for _, n := range [][3]int{{1, 1, 2}, {2, 3, 17}, {3, 17, 1}, {1, 4, 300}, {4, 2, 5}} {
		B, H, L := n[0], n[1], n[2]
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			x, w, bias := testutil.Normal(rng, "x", B, H, L), testutil.Normal(rng, "w", H), testutil.Normal(rng, "b", H)
			f := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				return BatchNorm(n[0], n[1], n[2], NewBatchNormStats(n[0].Dtype(), H), Eps(eps))
			}
			want, _, _ := naiveBatchNorm(x.F, B, H, L, fullLengths(B, L), w.F, bias.F, eps)
			checkValue(t, f, want, x, w, bias)
			testutil.Check(t, f, x, w, bias)

			plain := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				return BatchNorm(n[0], nil, nil, NewBatchNormStats(n[0].Dtype(), H), Eps(eps))
			}
			want, _, _ = naiveBatchNorm(x.F, B, H, L, fullLengths(B, L), nil, nil, eps)
			checkValue(t, plain, want, x)
			testutil.Check(t, plain, x)

			if B < 3 {
				return
			}
			lens := someLengths(B, L)
			masked := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
				return BatchNorm(n[0], n[1], n[2], NewBatchNormStats(n[0].Dtype(), H), Eps(eps), Lengths(n[3]))
			}
			want, _, _ = naiveBatchNorm(x.F, B, H, L, lens, w.F, bias.F, eps)
			checkValue(t, masked, want, x, w, bias, testutil.Ints("lengths", lens, B))
			testutil.Check(t, masked, x, w, bias, testutil.Ints("lengths", lens, B))

			v := testutil.Normal(rng, "x", B, H)
			want, _, _ = naiveBatchNorm(v.F, B, H, 1, fullLengths(B, 1), w.F, bias.F, eps)
			checkValue(t, f, want, v, w, bias)
			testutil.Check(t, f, v, w, bias)
		})
	}
}

// Two graphs share the running statistics: the one that trains updates them,
// the one that evaluates normalises by them.
func TestBatchNormRunningStatistics(t *testing.T) {
	const B, H, L, eps, momentum, steps = 3, 2, 5, 1e-5, 0.25, 4
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		tol := map[tensor.Dtype]float64{tensor.Float64: tolValue, tensor.Float32: 1e-6}[dt]
		stats := NewBatchNormStats(dt, H)
		newVM := func(opts ...G.VMOpt) (x *tensor.Dense, y *G.Value, vm G.VM) {
			g := G.NewGraph()
			x = tensor.New(tensor.Of(dt), tensor.WithShape(B, H, L))
			xn := G.NewTensor(g, dt, 3, G.WithShape(B, H, L), G.WithName("x"), G.WithValue(x))
			lens := G.NewTensor(g, tensor.Int, 1, G.WithShape(B), G.WithName("lengths"),
				G.WithValue(tensor.New(tensor.WithShape(B), tensor.WithBacking([]int{L, 2, 0}))))
			out, err := BatchNorm(xn, nil, nil, stats, Momentum(momentum), Lengths(lens))
			if err != nil {
				t.Fatal(err)
			}
			y = new(G.Value)
			G.Read(out, y)
			return x, y, G.NewTapeMachine(g, opts...)
		}
		trainX, _, train := newVM()
		evalX, evalY, eval := newVM(G.EvalMode())
		rng := newRand(2)
		wantMean, wantVar := []float64{0, 0}, []float64{1, 1}
		for step := range steps {
			batch := testutil.Normal(rng, "x", B, H, L)
			for i := range batch.F { // a mean and a variance to find
				batch.F[i] = 3*batch.F[i] + 2
			}
			x := testutil.Dense(dt, batch.F, B, H, L)
			if err := tensor.Copy(trainX, x); err != nil {
				t.Fatal(err)
			}
			if err := tensor.Copy(evalX, x); err != nil {
				t.Fatal(err)
			}
			if err := train.RunAll(); err != nil {
				t.Fatal(err)
			}
			train.Reset()
			_, mean, variance := naiveBatchNorm(batch.F, B, H, L, []int{L, 2, 0}, nil, nil, eps)
			for h := range H {
				wantMean[h] += momentum * (mean[h] - wantMean[h])
				wantVar[h] += momentum * (variance[h] - wantVar[h])
			}
			if err := eval.RunAll(); err != nil {
				t.Fatal(err)
			}
			eval.Reset()
			if e := testutil.RelErr(testutil.Floats(stats.Mean), wantMean); !(e <= tol) {
				t.Errorf("%v, step %d: running mean: got %v, want %v", dt, step, stats.Mean, wantMean)
			}
			if e := testutil.RelErr(testutil.Floats(stats.Var), wantVar); !(e <= tol) {
				t.Errorf("%v, step %d: running variance: got %v, want %v", dt, step, stats.Var, wantVar)
			}
			want := make([]float64, B*H*L)
			for i, v := range batch.F {
				if i%L < []int{L, 2, 0}[i/(H*L)] {
					h := i / L % H
					want[i] = (v - wantMean[h]) / math.Sqrt(wantVar[h]+eps)
				}
			}
			if e := testutil.RelErr(testutil.Floats(*evalY), want); !(e <= tol) {
				t.Errorf("%v, step %d: evaluation: relative error %g", dt, step, e)
			}
		}
	}
}

// In evaluation the statistics are constants: gradients do not flow through
// them.
func TestBatchNormEvaluationGradient(t *testing.T) {
	const B, H, L, eps = 2, 3, 4, 1e-2
	rng := newRand(3)
	stats := NewBatchNormStats(tensor.Float64, H)
	copy(stats.Mean.Data().([]float64), []float64{1, -2, 0.5})
	copy(stats.Var.Data().([]float64), []float64{0.5, 4, 1})
	lens := []int{L, 1}
	d := normDims{b: B, h: H, l: L, weight: 1, bias: 2, eps: eps}
	c := newBatchNorm[float64](d, 0.1, *stats, nil)
	c.SetTraining(false)
	p := newPass[float64](c, B*H*L, []int{B * H * L, H, H}, lens)
	for i := range p.gout {
		p.gout[i] = rng.NormFloat64()
	}
	before := append(testutil.Floats(stats.Mean), testutil.Floats(stats.Var)...)
	p.run(t)
	dx, dw, db := make([]float64, B*H*L), make([]float64, H), make([]float64, H)
	for i, g := range p.gout {
		h, b, l := i/L%H, i/(H*L), i%L
		if l >= lens[b] {
			continue
		}
		rstd := 1 / math.Sqrt(testutil.Floats(stats.Var)[h]+eps)
		dx[i] = g * rstd * p.in[1].F[h]
		dw[h] += g * (p.in[0].F[i] - testutil.Floats(stats.Mean)[h]) * rstd
		db[h] += g
	}
	for i, want := range [][]float64{dx, dw, db} {
		if e := testutil.RelErr(p.grad[i], want); !(e <= tolValue) {
			t.Errorf("gradient %d: relative error %g", i, e)
		}
	}
	if e := testutil.RelErr(append(testutil.Floats(stats.Mean), testutil.Floats(stats.Var)...), before); e != 0 {
		t.Error("evaluation changed the running statistics")
	}
}

// Values that are large beside their spread cost no digits beyond those of the
// input.
func TestBatchNormOffset(t *testing.T) {
	const B, H, L, offset = 4, 2, 500, 1000
	p := newPass[float32](newBatchNorm[float32](normDims{b: B, h: H, l: L, weight: -1, bias: -1}, 0.1, *NewBatchNormStats(tensor.Float32, H), nil), B*H*L, []int{B * H * L})
	x, got := make([]float64, B*H*L), make([]float64, B*H*L)
	for i := range x {
		p.in[0].F[i] += offset
		x[i] = float64(p.in[0].F[i])
	}
	p.forward(t)
	for i, v := range p.out {
		got[i] = float64(v)
	}
	want, _, _ := naiveBatchNorm(x, B, H, L, fullLengths(B, L), nil, nil, 0)
	const tol = offset * 6e-8 // the mean is rounded to float32
	if e := testutil.RelErr(got, want); !(e <= tol) {
		t.Errorf("relative error %.3g > %.3g", e, tol)
	}
}

func TestBatchNormCore(t *testing.T) {
	const B, H, L = 5, 33, 300
	stats := NewBatchNormStats(tensor.Float32, H)
	d := normDims{b: B, h: H, l: L, weight: 1, bias: 2, eps: 1e-5}
	params := []int{B * H * L, H, H}
	checkPass(t, newPass[float32](newBatchNorm[float32](d, 0.1, *stats, nil), B*H*L, params), once)
	checkPass(t, newPass[float32](newBatchNorm[float32](d, 0.1, *stats, nil), B*H*L, params, someLengths(B, L)), once)
}

func TestBatchNormErrors(t *testing.T) {
	g := newGraph()
	x, w, s := g.f64("x", 2, 3, 5), g.f64("w", 3), NewBatchNormStats(tensor.Float64, 3)
	view, err := tensor.New(tensor.Of(tensor.Float64), tensor.WithShape(3, 2)).Slice(nil, span{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		x, w, b *G.Node
		s       *BatchNormStats
		opt     BatchNormOption
		want    string
	}{
		{nil, w, w, s, Eps(0), "ops.BatchNorm: want x (B, H, L) or (B, H), got nil"},
		{x, x, w, s, Eps(0), "ops.BatchNorm: want weight (3), got (2, 3, 5)"},
		{x, w, x, s, Eps(0), "ops.BatchNorm: want bias (3), got (2, 3, 5)"},
		{x, w, w, nil, Eps(0), "ops.BatchNorm: want running statistics, got nil"},
		{x, w, w, &BatchNormStats{}, Eps(0), "ops.BatchNorm: want stats.Mean (3), got nil"},
		{x, w, w, NewBatchNormStats(tensor.Float32, 3), Eps(0), "ops.BatchNorm: want stats.Mean (3) of dtype float64, got dtype float32"},
		{x, w, w, &BatchNormStats{s.Mean, NewBatchNormStats(tensor.Float64, 4).Var}, Eps(0), "ops.BatchNorm: want stats.Var (3), got (4)"},
		{x, w, w, &BatchNormStats{view.(*tensor.Dense), s.Var}, Eps(0), "ops.BatchNorm: want stats.Mean (3) contiguous, got a view"},
		{x, w, w, s, Eps(-1), "ops.BatchNorm: want eps finite and at least 0, got -1"},
		{x, w, w, s, Momentum(1.5), "ops.BatchNorm: want momentum in [0, 1], got 1.5"},
		{x, w, w, s, Momentum(math.NaN()), "ops.BatchNorm: want momentum in [0, 1], got NaN"},
		{x, w, w, s, Lengths(g.ints("n", 3)), "ops.BatchNorm: want lengths (2) of dtype int, got (3) of dtype int"},
		{x, w, w, s, Lengths(w), "ops.BatchNorm: want lengths (2) of dtype int, got (3) of dtype float64"},
	} {
		_, err := BatchNorm(c.x, c.w, c.b, c.s, c.opt)
		wantError(t, err, c.want)
	}

	f := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return BatchNorm(n[0], nil, nil, NewBatchNormStats(n[0].Dtype(), n[0].Shape()[1]), Lengths(n[1]))
	}
	rng := newRand(4)
	for _, c := range []struct {
		lens []int
		want string
	}{
		{[]int{1, 0}, "ops.BatchNorm: training: want at least 2 values per feature, got 1 in a batch of 2 sequences of 5 steps"},
		{[]int{0, 0}, "ops.BatchNorm: training: want at least 2 values per feature, got 0 in a batch of 2 sequences of 5 steps"},
		{[]int{0, 6}, "ops.BatchNorm: lengths[1]: want a length in [0, 5], got 6"},
	} {
		_, err := testutil.Forward(tensor.Float64, f, testutil.Normal(rng, "x", 2, 3, 5), testutil.Ints("lengths", c.lens, 2))
		wantError(t, err, c.want)
	}
	one := func(_ *G.ExprGraph, n []*G.Node) (*G.Node, error) {
		return BatchNorm(n[0], nil, nil, NewBatchNormStats(n[0].Dtype(), 3))
	}
	_, err = testutil.Forward(tensor.Float64, one, testutil.Normal(rng, "x", 1, 3))
	wantError(t, err, "ops.BatchNorm: training: want at least 2 values per feature, got 1")
}

func BenchmarkBatchNorm(b *testing.B) {
	const B, H, L = 50, 128, 1024
	d := normDims{b: B, h: H, l: L, weight: 1, bias: 2, eps: 1e-5}
	bench(b, newPass[float32](newBatchNorm[float32](d, 0.1, *NewBatchNormStats(tensor.Float32, H), nil), B*H*L, []int{B * H * L, H, H}))
}
