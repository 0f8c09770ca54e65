package attention_test

import (
	"math"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// one is masks that are always the same.
type one uint64

func (m one) Draw() uint64  { return uint64(m) }
func (m one) Row(i int) int { return i }

// The gradients of attention with a mask are those of that mask.
func TestDropoutGradients(t *testing.T) {
	for name, c := range configs {
		if c.Form == attention.Linear {
			continue
		}
		c.Dropout, c.Masks = 0.4, one(5)
		t.Run(name, func(t *testing.T) {
			rng := newRand()
			testutil.Check(t, attend(c), testutil.Normal(rng, "qkv", 2, 36, 5))
			testutil.Check(t, attend(c), testutil.Normal(rng, "qkv", 3, 36, 5), testutil.Ints("lengths", []int{3, 0, 5}, 3))
		})
	}
	c := configs["half"]
	c.Dropout, c.Masks = 0.3, one(6)
	rng := newRand()
	qkv := testutil.Normal(rng, "qkv", 3, 36, 5)
	testutil.Check(t, weighted(c), append([]testutil.Input{qkv}, newState(rng, c, 6, 4, 0, 2, 1001).in...)...)
}

// weights runs attention with all scores equal on values that are unit vectors, so
// that the output is the weights, (B, H, keys, queries).
func weights(t *testing.T, c attention.Config, dt tensor.Dtype, b, l int, opts ...G.VMOpt) []float64 {
	t.Helper()
	e := c.Heads * l
	qkv := make([]float64, b*3*e*l)
	for r := range b {
		for h := range c.Heads {
			for j := range l {
				qkv[((r*3+2)*e+h*l+j)*l+j] = 1
			}
		}
	}
	g := G.NewGraph()
	x := G.NewTensor(g, dt, 3, G.WithShape(b, 3*e, l), G.WithName("qkv"), G.WithValue(testutil.Dense(dt, qkv, b, 3*e, l)))
	y, err := attention.Attend(x, c)
	if err != nil {
		t.Fatal(err)
	}
	var v G.Value
	G.Read(y, &v)
	vm := G.NewTapeMachine(g, opts...)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	return testutil.Floats(v)
}

// Every weight is dropped by itself, with the probability asked for, and the others
// make up for it. Both types drop the same; another mask drops others; evaluation
// none.
func TestDropoutOfWeights(t *testing.T) {
	const b, l, p = 2, 130, 0.3
	c := attention.Config{Heads: 2, Dropout: p, Masks: one(1)}
	w := weights(t, c, tensor.Float64, b, l)
	at := func(r, h, j, i int) bool { // dropped
		v := w[((r*2+h)*l+j)*l+i]
		if v != 0 && math.Abs(v*l*(1-p)-1) > 1e-5 {
			t.Fatalf("got a weight of %g, want 0 or %g", v, 1/(l*(1-p)))
		}
		return v == 0
	}
	// Neighbours along every axis are independent: as many pairs are dropped as chance
	// has it.
	counts := map[string][2]int{}
	count := func(axis string, yes bool) {
		n := counts[axis]
		if n[1]++; yes {
			n[0]++
		}
		counts[axis] = n
	}
	for r := range b {
		for h := range 2 {
			for j := range l {
				for i := range l {
					d := at(r, h, j, i)
					count("one", d)
					if j > 0 {
						count("keys", d && at(r, h, j-1, i))
					}
					if i > 0 {
						count("queries", d && at(r, h, j, i-1))
					}
					if h > 0 {
						count("heads", d && at(r, 0, j, i))
					}
					if r > 0 {
						count("rows", d && at(0, h, j, i))
					}
				}
			}
		}
	}
	for axis, n := range counts {
		want := p * p
		if axis == "one" {
			want = p
		}
		if got := float64(n[0]) / float64(n[1]); math.Abs(got-want) > 5*math.Sqrt(want*(1-want)/float64(n[1])) {
			t.Errorf("%s: got %g dropped, want %g", axis, got, want)
		}
	}
	if e := testutil.RelErr(weights(t, c, tensor.Float32, b, l), w); !(e <= 1e-6) {
		t.Errorf("float32 is off by %.3g", e)
	}
	other := c
	other.Masks = one(2)
	if e := testutil.RelErr(weights(t, other, tensor.Float64, b, l), w); !(e > 0.3) {
		t.Errorf("another mask differs by %.3g", e)
	}
	for _, v := range weights(t, c, tensor.Float64, b, l, G.EvalMode()) {
		if math.Abs(v-1./l) > 1e-14 {
			t.Fatalf("in evaluation: got a weight of %g, want %g", v, 1./l)
		}
	}
}

// Rows of a batch, of one input or of two above each other, drop the weights that the
// whole batch drops.
func TestDropoutOfRows(t *testing.T) {
	const b, l = 6, 70 // more queries than there are in a tile
	newMasks := func() *ops.Masks {
		m, err := ops.NewMasks(tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{5, 3})))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, c := range []attention.Config{{Heads: 2, Dropout: 0.3}, {Heads: 1, Causal: true, Window: 20, Dropout: 0.3}} {
		x := testutil.Normal(newRand(), "qkv", b, 6*c.Heads, l)
		lens := []int{l, 3, 0, 66, l, 12}
		run := func(m *ops.Masks, rows ...int) *testutil.Result {
			t.Helper()
			c.Masks = m
			var v []float64
			var ls []int
			for _, r := range rows {
				v, ls = append(v, x.F[r*6*c.Heads*l:(r+1)*6*c.Heads*l]...), append(ls, lens[r])
			}
			r, err := testutil.Run(testutil.Tape, tensor.Float64, attend(c), nil,
				testutil.Input{Name: "qkv", Shape: tensor.Shape{len(rows), 6 * c.Heads, l}, F: v}, testutil.Ints("lengths", ls, len(rows)))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		want := run(newMasks(), 0, 1, 2, 3, 4, 5)
		same := func(got *testutil.Result, rows ...int) {
			t.Helper()
			for i, r := range rows {
				for _, p := range [][2][]float64{{got.Out, want.Out}, {got.Grads[0], want.Grads[0]}} {
					n := len(p[1]) / b
					if e := testutil.RelErr(p[0][i*n:(i+1)*n], p[1][r*n:(r+1)*n]); !(e <= 1e-13) {
						t.Errorf("%+v: row %d of %v: relative error %.3g", c, r, rows, e)
					}
				}
			}
		}
		m := newMasks()
		m.Begin(ops.Rows{N: 2, Of: b})
		same(run(m, 0, 1), 0, 1)
		m.Begin(ops.Rows{First: 2, N: 4, Of: b, Later: true})
		same(run(m, 2, 3, 4, 5), 2, 3, 4, 5)
		m = newMasks()
		m.Begin(ops.Rows{First: 1, N: 2, Of: b / 2})
		same(run(m, 1, 2, 4, 5), 1, 2, 4, 5)
	}
}

func TestDropoutErrors(t *testing.T) {
	masks, err := ops.NewMasks(tensor.New(tensor.WithShape(2), tensor.Of(tensor.Int64)))
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]attention.Config{
		"want Dropout in [0, 1), got 1":                 {Heads: 1, Dropout: 1, Masks: masks},
		"want Dropout in [0, 1), got NaN":               {Heads: 1, Dropout: math.NaN(), Masks: masks},
		`want Dropout 0 with Form "linear", got 0.5`:    {Heads: 1, Form: attention.Linear, Dropout: 0.5, Masks: masks},
		"attention.Attend: want Masks with Dropout 0.5": {Heads: 1, Dropout: 0.5},
	} {
		x := G.NewTensor(G.NewGraph(), tensor.Float32, 3, G.WithShape(1, 6, 2), G.WithName("x"))
		if _, err := attention.Attend(x, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	first, second := masks.Draw(), masks.Draw()
	if first == second {
		t.Error("two masks are the same")
	}
}

// The mask of many queries and keys backward is that forward: derivatives along random
// directions against finite differences.
func TestDropoutOfLongSequences(t *testing.T) {
	for _, c := range []attention.Config{
		{Heads: 2}, {Heads: 2, Causal: true}, {Heads: 1, Causal: true, Window: 70}, {Heads: 1, Causal: true, Window: 200},
	} {
		c.Dropout, c.Masks = 0.25, one(3)
		rng := newRand()
		qkv := testutil.Normal(rng, "qkv", 2, 12, 230)
		lengths := testutil.Ints("lengths", []int{230, 131}, 2)
		w := testutil.Normal(rng, "w", 2*4*230).F
		loss := func() (sum float64, grad []float64) {
			r, err := testutil.Run(testutil.Tape, tensor.Float64, attend(c), w, qkv, lengths)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range r.Out {
				sum += v * w[i]
			}
			return sum, r.Grads[0]
		}
		_, grad := loss()
		for range 3 {
			const h = 1e-5
			dir := testutil.Normal(rng, "dir", len(qkv.F)).F
			var got float64
			for i, d := range dir {
				got += d * grad[i]
				qkv.F[i] += h * d
			}
			up, _ := loss()
			for i, d := range dir {
				qkv.F[i] -= 2 * h * d
			}
			down, _ := loss()
			for i, d := range dir {
				qkv.F[i] += h * d
			}
			if want := (up - down) / (2 * h); math.Abs(got-want) > 1e-7*(1+math.Abs(want)) {
				t.Errorf("%+v: derivative %.12g, finite difference %.12g", c, got, want)
			}
		}
	}
}
