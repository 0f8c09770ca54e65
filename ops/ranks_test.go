package ops

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
)

// part is what one rank has of a batch: the rows [lo, hi), and the weight of its loss.
type part struct {
	lo, hi int
	weight float64
}

// The ranks of a batch normalise by the statistics of all, and have the gradients and
// running statistics of one process: with rows of unequal lengths, with one that has
// no value, and with losses of unequal weights, one of which has no target.
func TestBatchNormOfRanks(t *testing.T) {
	t.Run("float64", func(t *testing.T) { checkBatchNormOfRanks[float64](t, tensor.Float64, 1e-12) })
	t.Run("float32", func(t *testing.T) { checkBatchNormOfRanks[float32](t, tensor.Float32, 1e-5) })
}

func checkBatchNormOfRanks[T num.Float](t *testing.T, dt tensor.Dtype, tol float64) {
	const B, H, L, offset = 6, 3, 7, 3
	lens := []int{L, 3, 0, 5, 1, 2}
	newCore := func(rows int, stats *BatchNormStats, ranks *Ranks) *pass[T] {
		d := normDims{b: rows, h: H, l: L, weight: 1, bias: 2, eps: 1e-5}
		return newPass[T](newBatchNorm[T](d, 0.25, *stats, ranks), rows*H*L, []int{rows * H * L, H, H}, lens[:rows])
	}
	whole := newCore(B, NewBatchNormStats(dt, H), nil)
	for i := range whole.in[0].F { // a mean that is not 0, and a gradient of its own
		whole.in[0].F[i] += offset
		whole.gout[i] = T(math.Sin(float64(i * i)))
	}
	for name, parts := range map[string][]part{
		"halves":      {{0, 3, 10}, {3, 6, 10}},
		"unequal":     {{0, 1, 7}, {1, 6, 2}},
		"one without": {{0, 2, 3}, {2, 3, 0}, {3, 6, 4}}, // no value
		"no target":   {{0, 2, 3}, {2, 5, 0}, {5, 6, 4}},
		"one":         {{0, 6, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			copyTo := func(p *pass[T], lo, hi int, w float64) {
				const n = H * L
				copy(p.in[0].F, whole.in[0].F[lo*n:hi*n])
				copy(p.in[1].F, whole.in[1].F)
				copy(p.in[2].F, whole.in[2].F)
				p.in[3].I = lens[lo:hi]
				for i, g := range whole.gout[lo*n : hi*n] {
					p.gout[i] = T(w * float64(g))
				}
			}
			// That of all: the sum of the losses times their weights.
			one := newCore(B, NewBatchNormStats(dt, H), nil)
			copyTo(one, 0, B, 1)
			for _, p := range parts {
				for i := p.lo * H * L; i < p.hi*H*L; i++ {
					one.gout[i] = T(p.weight * float64(whole.gout[i]))
				}
			}
			one.run(t)
			want := one.core.(*batchNorm[T])

			sums := testutil.Sums(len(parts))
			passes := make([]*pass[T], len(parts))
			var wg sync.WaitGroup
			for r, p := range parts {
				ranks := new(Ranks)
				ranks.Across(1, sums[r])
				ranks.Begin(Rows{Weight: p.weight})
				passes[r] = newCore(p.hi-p.lo, NewBatchNormStats(dt, H), ranks)
				w := 1.0
				if p.weight == 0 {
					w = 0 // the gradient of a loss without targets
				}
				copyTo(passes[r], p.lo, p.hi, w)
				wg.Go(func() {
					err := passes[r].core.Forward(passes[r].out, passes[r].in)
					if err == nil {
						err = passes[r].core.Backward(passes[r].grad, passes[r].in, nil, passes[r].gout)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			check := func(what string, got, want []T) {
				t.Helper()
				if e := testutil.RelErr(testutil.Float64s(got), testutil.Float64s(want)); !(e <= tol) {
					t.Errorf("%s: relative error %.3g", what, e)
				}
			}
			var out, dx []T
			dw, db := make([]T, H), make([]T, H)
			for r, p := range parts {
				w := p.weight
				if w == 0 {
					w = 1
				}
				out = append(out, passes[r].out...)
				for _, g := range passes[r].grad[0] {
					dx = append(dx, T(w)*g)
				}
				for h := range H {
					dw[h] += T(w) * passes[r].grad[1][h]
					db[h] += T(w) * passes[r].grad[2][h]
				}
				got := passes[r].core.(*batchNorm[T])
				check("running mean", got.stats.Mean.Data().([]T), want.stats.Mean.Data().([]T))
				check("running variance", got.stats.Var.Data().([]T), want.stats.Var.Data().([]T))
				for h := range H {
					if got.mean[h] != passes[0].core.(*batchNorm[T]).mean[h] || got.rstd[h] != passes[0].core.(*batchNorm[T]).rstd[h] {
						t.Errorf("ranks 0 and %d have other statistics", r)
					}
				}
			}
			check("outputs", out, one.out)
			check("gradient of x", dx, one.grad[0])
			check("gradient of the weight", dw, one.grad[1])
			check("gradient of the bias", db, one.grad[2])
		})
	}
}

// One that trains alone computes what it does without ranks, to the bit.
func TestBatchNormOfOneRank(t *testing.T) {
	const B, H, L = 3, 2, 5
	d := normDims{b: B, h: H, l: L, weight: -1, bias: -1, eps: 1e-5}
	run := func(r *Ranks) *pass[float32] {
		p := newPass[float32](newBatchNorm[float32](d, 0.1, *NewBatchNormStats(tensor.Float32, H), r), B*H*L, []int{B * H * L})
		p.run(t)
		return p
	}
	alone := new(Ranks)
	alone.Across(1, nil)
	alone.Begin(Rows{Weight: 3})
	want := run(nil)
	for name, r := range map[string]*Ranks{"zero": new(Ranks), "no sum": alone} {
		got := run(r)
		for i := range want.out {
			if got.out[i] != want.out[i] || got.grad[0][i] != want.grad[0][i] {
				t.Errorf("%s: element %d differs", name, i)
				break
			}
		}
	}
	var none *Ranks
	none.Across(1, nil)
	none.Begin(Rows{})
}

// Rows that are none, of a batch that has others elsewhere, change nothing, where a
// batch without values is an error.
func TestBatchNormOfNoRows(t *testing.T) {
	const B, H, L = 2, 2, 3
	stats := NewBatchNormStats(tensor.Float64, H)
	r := new(Ranks)
	p := newPass[float64](newBatchNorm[float64](normDims{b: B, h: H, l: L, weight: 1, bias: 2, eps: 1e-5}, 0.1, *stats, r), B*H*L, []int{B * H * L, H, H}, []int{0, 0})
	r.Begin(Rows{First: 2, N: B, Of: 4})
	p.run(t)
	for what, v := range map[string][]float64{"outputs": p.out, "gradient of x": p.grad[0], "gradient of the weight": p.grad[1], "gradient of the bias": p.grad[2]} {
		if slices.ContainsFunc(v, func(x float64) bool { return x != 0 }) {
			t.Errorf("%s: got %v, want zeros", what, v)
		}
	}
	if m, v := testutil.Floats(stats.Mean), testutil.Floats(stats.Var); !slices.Equal(m, []float64{0, 0}) || !slices.Equal(v, []float64{1, 1}) {
		t.Errorf("running statistics: got %v and %v", m, v)
	}
	for _, rows := range []Rows{{}, {N: B, Of: B}} {
		r.Begin(rows)
		wantError(t, p.core.Forward(p.out, p.in), "training: want at least 2 values per feature, got 0 in a batch of 2 sequences of 3 steps")
	}
	r.Begin(Rows{N: B, Of: 4})
	p.in[3].I = []int{1, 0}
	wantError(t, p.core.Forward(p.out, p.in), "training: want at least 2 values per feature, got 1 in a batch of 2 sequences of 3 steps")
}

func TestBatchNormOfRanksErrors(t *testing.T) {
	const H, L = 2, 3
	forward := func(r *Ranks, lens []int, training bool) error {
		d := normDims{b: len(lens), h: H, l: L, weight: -1, bias: -1, eps: 1e-5}
		c := newBatchNorm[float64](d, 0.1, *NewBatchNormStats(tensor.Float64, H), r)
		c.SetTraining(training)
		p := newPass[float64](c, len(lens)*H*L, []int{len(lens) * H * L}, lens)
		return c.Forward(p.out, p.in)
	}
	// all runs two ranks, whose ops have these ids.
	all := func(ids [2]int, lens [2][]int) (errs [2]error) {
		sums := testutil.Sums(2)
		var wg sync.WaitGroup
		for r := range errs {
			ranks := new(Ranks)
			ranks.Across(ids[r], sums[r])
			wg.Go(func() { errs[r] = forward(ranks, lens[r], true) })
		}
		wg.Wait()
		return errs
	}
	for _, c := range []struct {
		ids  [2]int
		lens [2][]int
		want string
	}{
		{[2]int{1, 1}, [2][]int{{1, 0}, {0}}, "training: want at least 2 values per feature, got 1 on all ranks together"},
		{[2]int{1, 1}, [2][]int{{0}, {0, 0}}, "training: want at least 2 values per feature, got 0 on all ranks together"},
		{[2]int{1, 2}, [2][]int{{3}, {3}}, "sum over ranks: want all of them in the same pass of the same op, got others: they have diverged"},
		{[2]int{1, 1}, [2][]int{{1}, {1}}, ""},
	} {
		for r, err := range all(c.ids, c.lens) {
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, rank %d: got error %v, want %q", c.lens, r, err, c.want)
			}
		}
	}
	own := errors.New("no such host")
	ranks := new(Ranks)
	ranks.Across(1, func([]float64) error { return own })
	if err := forward(ranks, []int{3}, true); !errors.Is(err, own) || err.Error() != "sum over ranks: no such host" {
		t.Errorf("got error %v", err)
	}
	if err := forward(ranks, []int{3}, false); err != nil { // evaluation asks nobody
		t.Error(err)
	}
}
