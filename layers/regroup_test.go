package layers_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/cpu"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/attention"
	"github.com/gorgonia-s4/s4/ops/retention"
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
		if !x.Value.Shape().Eq(want[i].Value.Shape()) || !reflect.DeepEqual(x.Value.Data(), want[i].Value.Data()) {
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
	if len(three) == 0 {                                   // a state without tensors is of one row
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
	const h = 72
	return []layers.MixerConfig{
		layers.S4Config{DModel: h, DState: 16, LMax: 64},
		layers.S4DConfig{DModel: h, DState: 16},
		layers.DSSConfig{DModel: h, DState: 8, LMax: 64},
		layers.LSSLConfig{DModel: 40, DState: 20},
		layers.LSTMConfig{DModel: h},
		layers.GRUConfig{DModel: h},
		layers.MambaConfig{DModel: h},
		layers.RetNetConfig{DModel: h, Heads: 3, Positions: retention.XPos},
		layers.MegaConfig{DModel: h, Causal: true, Chunk: 5},
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

// eachWideLayer calls f with layers that are as wide as those in use, with a norm around
// them, on every instruction set.
func eachWideLayer(t *testing.T, f func(t *testing.T, cfg layers.MixerConfig, l *layers.Block)) {
	for level := cpu.Generic; level <= cpu.Detected(); level++ {
		t.Run(level.String(), func(t *testing.T) {
			defer cpu.SetActive(cpu.SetActive(level))
			for _, cfg := range widths() {
				b := layers.BlockConfig{Mixer: cfg, PreNorm: true, NoResidual: layers.HasResidual(cfg)}
				l, err := layers.NewBlock(G.NewGraph(), tensor.Float32, b)
				if err != nil {
					t.Fatal(err)
				}
				f(t, cfg, l)
			}
		})
	}
}

// The same of wide layers.
func TestRegroupOfWideLayers(t *testing.T) {
	eachWideLayer(t, func(t *testing.T, cfg layers.MixerConfig, l *layers.Block) {
		in, _ := cfg.Features()
		testRegroup(t, l, tensor.Float32, in)
	})
}

// A language model, whose embedding, norms and pool have no state or one of their own,
// and mixers of another package, whose sessions cannot regroup.
func TestRegroupOfChains(t *testing.T) {
	pool := func(mode ops.PoolMode) layers.Stepper {
		l, err := layers.NewRunningPool(tensor.Float64, mode, 4)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	g := G.NewGraph()
	layer := func(cfg layers.Config) layers.Stepper {
		l, err := layers.New(g, tensor.Float64, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return l.(layers.Stepper)
	}
	linear := layer(layers.LinearConfig{In: 2, Out: 4})
	for _, mode := range ops.PoolModes() {
		testRegroup(t, layers.Chain{linear, pool(mode)}, tensor.Float64, 2)
	}
	testRegroup(t, pool(ops.PoolLast), tensor.Float64, 4)
	foreign := layers.BlockConfig{Mixer: foreignConfig{session: sumOf}}
	testRegroup(t, layers.Chain{layer(layers.StackConfig{Blocks: []layers.BlockConfig{foreign, {Mixer: layers.S4DConfig{DModel: 2, DState: 4}}}}), linear}, tensor.Float64, 2)
}

// sumOf is a session of another package that adds its inputs up.
func sumOf(batch int) (layers.Session, error) {
	s := &sumSession{foreignSession{state: layers.State{{Name: "s", Value: floats(batch, 2)}}}}
	return s, nil
}

type sumSession struct{ foreignSession }

func (s *sumSession) Step(u *tensor.Dense) (*tensor.Dense, error) {
	x := s.state[0].Value.Float64s()
	for i, v := range u.Float64s() {
		x[i] += v
	}
	return s.state[0].Value, nil
}

// What cannot be is an error that says so, after which all is as it was.
func TestRegroupErrors(t *testing.T) {
	g := G.NewGraph()
	stack, err := layers.NewStack(g, tensor.Float64, layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4DConfig{DModel: 4, DState: 4}},
		{Mixer: layers.LSTMConfig{DModel: 4}},
		{Mixer: layers.AttentionConfig{DModel: 4, Heads: 2, Causal: true, Rotary: attention.RotaryHalf}},
		{Mixer: layers.Conv1DConfig{In: 4, Out: 4, Kernel: 3}},
		{Mixer: layers.PositionConfig{DModel: 4, Positions: layers.LearnedPositions, MaxLen: 9}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := must(stack.Recurrence(2))
	rng := rand.New(rand.NewPCG(12, 6))
	rows := []*stream{streamOf(rng, 9, 4), streamOf(rng, 9, 4)}
	for range 3 {
		stepStreams(t, r, tensor.Float64, rows)
	}
	good := r.State()
	end := len(good) - 1
	with := func(i int, v *tensor.Dense) layers.State {
		x := good.Clone()
		x[i].Value = v
		return x
	}
	beyond := good.Clone()
	beyond[end].Value.Float64s()[1] = 10
	half := good.Clone()
	half[5].Value.Float64s()[0] = 1.5
	column := tensor.New(tensor.WithShape(2, 2), tensor.AsFortran(make([]float64, 4)))
	for _, c := range []struct {
		want string
		keep []int
		join layers.State
	}{
		{"want at least one row that stays or joins, got none", nil, layers.State{}[:0:0]},
		{"keep[1]: want a row in [0, 2), got 2", []int{0, 2}, good},
		{"keep[0]: want a row in [0, 2), got -1", []int{-1}, good},
		{"join[0]: 0.x: want a tensor (B, ...), got nil", []int{0}, with(0, nil)},
		{"join[0]: 1.c: want 2 rows, as those before, got 3", []int{0}, with(2, floats(3, 1, 4))},
		{`want a state "x" (2, 4, 2, 2), got (2, 4, 3, 2)`, []int{0}, with(0, floats(2, 4, 3, 2))},
		{`want a state "h" (2, 1, 4), got (2, 1, 5)`, []int{0}, with(1, floats(2, 1, 5))},
		{`want "k" and "v" of one length T, got 3 and 1`, []int{0}, with(4, floats(2, 2, 1, 2))},
		{"join[0]: position[0]: want a whole number", []int{0}, half},
		{`want a state "x" (2, 4, 2), got (2, 4, 1)`, []int{0}, with(6, floats(2, 4, 1))},
		{`"position" of row 1: want a whole number in [0, 9], got 10`, []int{0}, beyond},
		{`position: want a contiguous row-major tensor`, []int{0}, with(end, column)},
		{`want a state of ["x"], got []`, []int{0}, good[1:]},
		{"want tensors of", []int{0}, layers.State{{Name: "7.x", Value: floats(1, 2)}}},
		{`layers: S4D "stack.0.layer": SetState: want a state of ["x"], got []`, []int{0}, layers.State{}},
	} {
		var join []layers.State
		if len(c.join) > 0 || c.keep != nil {
			join = append(join, c.join)
		}
		errorSays(t, c.want, r.Regroup(c.keep, join...), c.want)
		for i, x := range r.State() {
			if !slices.Equal(testutil.Floats(x.Value), testutil.Floats(good[i].Value)) {
				t.Fatalf("%s: state %q has changed", c.want, x.Name)
			}
		}
	}
	stepStreams(t, r, tensor.Float64, rows)
	for b, s := range rows {
		checkAlone(t, "a row after errors", stack, tensor.Float64, s, rowState(t, stack, r, b))
	}
	var none layers.Recurrence
	errorSays(t, "the zero value", none.Regroup([]int{0}), "want one that NewRecurrence or Fork made")
}

// What a mixer of another package does wrong when rows change is an error, after which
// its neighbours are as they were.
func TestForeignRegroup(t *testing.T) {
	for want, session := range map[string]func(batch int) (layers.Session, error){
		"a panic at regroup_test.go:":  func(int) (layers.Session, error) { panic(1) },
		"as asked for":                 func(int) (layers.Session, error) { return nil, errors.New("as asked for") },
		"to return a session, got nil": func(int) (layers.Session, error) { return nil, nil },
	} {
		first := true
		cfg := foreignConfig{session: func(batch int) (layers.Session, error) {
			if first {
				first = false
				return sumOf(batch)
			}
			return session(batch)
		}}
		stack, err := layers.NewStack(G.NewGraph(), tensor.Float64, layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 2, DState: 4}}, {Mixer: cfg}}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := stack.Recurrence(1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Step(floats(1, 2)); err != nil {
			t.Fatal(err)
		}
		errorSays(t, want, r.Regroup([]int{0, 0}), want)
		if _, err := r.Step(floats(1, 2)); err != nil || r.Batch() != 1 {
			t.Errorf("%s: a batch of %d, error %v", want, r.Batch(), err)
		}
	}
}

// A batch that changes little by little, and the steps in between, allocate a little
// for each layer, whatever the batch: no state, and no parameters.
func TestRegroupAllocatesLittle(t *testing.T) {
	const h = 64
	stack, err := layers.NewStack(G.NewGraph(), tensor.Float32, layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: h, DState: 64}}, {Mixer: layers.LSTMConfig{DModel: h}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stack.Recurrence(64)
	if err != nil {
		t.Fatal(err)
	}
	keep := make([]int, 64)
	for i := range keep {
		keep[i] = 63 - i/2
	}
	if err := r.Regroup(keep); err != nil { // makes room for another
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 10
	for range times {
		if err := r.Regroup(keep); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	bytes := (after.TotalAlloc - before.TotalAlloc) / times
	if most := uint64(16 << 10); bytes > most { // a row of the state is more
		t.Errorf("want at most %d bytes, got %d", most, bytes)
	}
}
