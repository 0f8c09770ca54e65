package layers_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// stream is a sequence that is in a batch for a while: its inputs, and what has come
// out, are its own.
type stream struct {
	in  [][]float64
	out [][]float64
}

// next returns the inputs of its next step.
func (s *stream) next() []float64 { return s.in[len(s.out)] }

// streamOf draws a sequence of as many steps.
func streamOf(rng *rand.Rand, steps, features int) *stream {
	s := &stream{}
	for range steps {
		s.in = append(s.in, testutil.Normal(rng, "u", features).F)
	}
	return s
}

// copied is another sequence with the same past.
func (s *stream) copied(rng *rand.Rand, features int) *stream {
	c := streamOf(rng, len(s.in), features)
	copy(c.in, s.in[:len(s.out)])
	c.out = slices.Clone(s.out)
	return c
}

// stepStreams takes a step of all rows of a batch.
func stepStreams(t *testing.T, r *layers.Recurrence, dt tensor.Dtype, rows []*stream) {
	t.Helper()
	if r.Batch() != len(rows) {
		t.Fatalf("want a batch of %d rows, got %d", len(rows), r.Batch())
	}
	u := testutil.Input{Name: "u", Shape: tensor.Shape{len(rows), len(rows[0].next())}}
	for _, s := range rows {
		u.F = append(u.F, s.next()...)
	}
	y, err := r.Step(u.Tensor(dt))
	if err != nil {
		t.Fatal(err)
	}
	all := testutil.Floats(y)
	n := len(all) / len(rows)
	for b, s := range rows {
		s.out = append(s.out, all[b*n:][:n])
	}
}

// checkAlone reports where a sequence has not, bit for bit, what it has when nothing is
// beside it, its state included.
func checkAlone(t *testing.T, what string, l layers.Stepper, dt tensor.Dtype, s *stream, state layers.State) {
	t.Helper()
	r, err := layers.NewRecurrence(l, 1)
	if err != nil {
		t.Fatal(err)
	}
	alone := &stream{in: s.in}
	for range s.out {
		stepStreams(t, r, dt, []*stream{alone})
	}
	for i, y := range s.out {
		if !slices.Equal(y, alone.out[i]) {
			t.Fatalf("%v, %s: step %d differs from that of the row alone by %.3g", dt, what, i, testutil.RelErr(y, alone.out[i]))
		}
	}
	want := r.State()
	for i, x := range state {
		if !x.Value.Shape().Eq(want[i].Value.Shape()) || !slices.Equal(testutil.Floats(x.Value), testutil.Floats(want[i].Value)) {
			t.Fatalf("%v, %s: state %q differs from that of the row alone", dt, what, x.Name)
		}
	}
}

// rowState returns the state of row b of a batch, of a tensor that grows no more than it
// needs.
func rowState(t *testing.T, l layers.Stepper, r *layers.Recurrence, b int) layers.State {
	t.Helper()
	f, err := r.Fork(1)
	if err != nil {
		t.Fatal(err)
	}
	x := r.State()
	if len(x) == 0 {
		return nil
	}
	sizes := make([]int, r.Batch())
	for i := range sizes {
		sizes[i] = 1
	}
	parts, err := x.Split(sizes...)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SetState(parts[b]); err != nil {
		t.Fatal(err)
	}
	return f.State()
}

// testRegroup has rows join, leave, change places and part, and checks that each is what
// it is alone.
func testRegroup(t *testing.T, l layers.Stepper, dt tensor.Dtype, features int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(12, 5))
	const steps = 30
	r, err := layers.NewRecurrence(l, 2)
	if err != nil {
		t.Fatal(err)
	}
	other, err := r.Fork(3)
	if err != nil {
		t.Fatal(err)
	}
	sequence := func() *stream { return streamOf(rng, steps, features) }
	rows := []*stream{sequence(), sequence()}
	ended := map[string]*stream{}
	take := func(n int) {
		for range n {
			stepStreams(t, r, dt, rows)
		}
	}
	take(3)
	joined := []*stream{sequence(), sequence(), sequence()}
	for range 5 { // to another position
		stepStreams(t, other, dt, joined)
	}
	regroup := func(keep []int, join []layers.State, streams ...*stream) {
		t.Helper()
		if err := r.Regroup(keep, join...); err != nil {
			t.Fatal(err)
		}
		var next []*stream
		kept := map[int]bool{}
		for _, b := range keep {
			s := rows[b]
			if kept[b] {
				s = s.copied(rng, features)
			}
			kept[b] = true
			next = append(next, s)
		}
		rows = append(next, streams...)
	}
	start, err := r.Fork(1)
	if err != nil {
		t.Fatal(err)
	}
	three := other.State()
	one := rowState(t, l, other, 1)
	regroup([]int{0, 1}, []layers.State{three}, joined...) // three rows join
	if len(three) == 0 {                                    // a state without tensors is of one row
		rows = rows[:3]
	}
	take(2)
	again := joined[1].copied(rng, features)
	again.out = again.out[:5]
	copy(again.in[5:], streamOf(rng, steps, features).in)
	regroup([]int{2, 1}, []layers.State{start.State(), one}, sequence(), again) // rows change places, others leave
	take(2)
	regroup([]int{3, 0, 3, 2, 2, 1}, nil) // some go on in several ways
	take(2)
	ended["a row that has left"] = rows[4]
	regroup([]int{0, 1, 2, 3, 5}, nil)
	take(1)
	regroup([]int{0, 2, 4}, nil)
	take(3)
	var many []layers.State
	for range 15 { // as many as a tile of a product
		many = append(many, start.State())
		joined = append(joined, sequence())
	}
	regroup([]int{0, 1, 2}, many, joined[3:]...)
	take(2)
	for b, s := range rows {
		if b < 6 {
			checkAlone(t, "row", l, dt, s, rowState(t, l, r, b))
		}
	}
	for what, s := range ended {
		checkAlone(t, what, l, dt, s, nil)
	}
	regroup([]int{1}, nil)
	take(2)
	checkAlone(t, "the last row", l, dt, rows[0], r.State())
	regroup(nil, []layers.State{start.State()}, sequence())
	take(2)
	checkAlone(t, "another", l, dt, rows[0], r.State())
}

// Whatever joins and leaves beside it, a row is bit for bit what it is alone.
func TestRegroup(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant) {
		for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
			testRegroup(t, v.on(t, G.NewGraph(), dt).(layers.Stepper), dt, v.dModel)
		}
	})
}

// widths are layers as wide as those in use: with whole registers, tiles and blocks of
// products, and a rest.
func widths() []layers.MixerConfig {
	const h = 296
	return []layers.MixerConfig{
		layers.S4Config{DModel: h, DState: 16, LMax: 64},
		layers.S4DConfig{DModel: h, DState: 16},
		layers.DSSConfig{DModel: h, DState: 8, LMax: 64},
		layers.LSSLConfig{DModel: 40, DState: 20},
		layers.LSTMConfig{DModel: h},
		layers.GRUConfig{DModel: h},
		layers.FeedForwardConfig{DModel: h},
		layers.FeedForwardConfig{DModel: h, Gate: true, Activation: ops.ActSiLU},
		layers.Conv1DConfig{In: h, Out: h, Kernel: 4},
		layers.Conv1DConfig{In: h, Out: h, Kernel: 4, Groups: h},
		layers.AttentionConfig{DModel: h, Heads: 4, Causal: true, Rotary: attention.RotaryHalf},
		layers.AttentionConfig{DModel: h, Heads: 4, Causal: true, Window: 7},
		layers.AttentionConfig{DModel: h, Heads: 4, Causal: true, Form: attention.Linear},
		layers.TransformerConfig{DModel: h, Heads: 4, Causal: true, PreNorm: true},
	}
}

// The same of layers that are as wide as those in use, with a norm around them, on
// every instruction set.
func TestRegroupOfWideLayers(t *testing.T) {
	for level := cpu.Generic; level <= cpu.Detected(); level++ {
		t.Run(level.String(), func(t *testing.T) {
			defer cpu.SetActive(cpu.SetActive(level))
			for _, cfg := range widths() {
				b := layers.BlockConfig{Mixer: cfg, PreNorm: true, NoResidual: layers.HasResidual(cfg)}
				l, err := layers.NewBlock(G.NewGraph(), tensor.Float32, b)
				if err != nil {
					t.Fatal(err)
				}
				in, _ := cfg.Features()
				testRegroup(t, l, tensor.Float32, in)
			}
		})
	}
}
