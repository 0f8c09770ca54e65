package attention_test

import (
	"fmt"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/attention"
)

// steps runs a Step over qkv (B, 3E, L) from a state and returns the outputs
// (B, E, L) and the state behind.
func steps[T num.Float](t *testing.T, s *attention.Step[T], qkv testutil.Input) []float64 {
	t.Helper()
	b, e3, l := qkv.Shape[0], qkv.Shape[1], qkv.Shape[2]
	x, y := make([]T, b*e3), make([]T, b*e3/3)
	out := make([]float64, len(qkv.F)/3)
	for j := range l {
		for i := range x {
			x[i] = T(qkv.F[i*l+j])
		}
		if err := s.Advance(y, x); err != nil {
			t.Fatal(err)
		}
		for i, v := range y {
			out[i*l+j] = float64(v)
		}
	}
	return out
}

func convert[T num.Float](v []float64) []T {
	y := make([]T, len(v))
	for i, x := range v {
		y[i] = T(x)
	}
	return y
}

// stateOf returns a state as Load takes it.
func stateOf[T num.Float](s state) attention.State[T] {
	x := attention.State[T]{Batch: len(s.positions)}
	for _, in := range s.in {
		x.Tensors = append(x.Tensors, convert[T](in.F))
	}
	if s.in[0].Name == "k" {
		x.Slots = s.in[0].Shape[2]
	}
	return x
}

func TestStep(t *testing.T) {
	for _, name := range causal {
		t.Run(name, func(t *testing.T) {
			checkStep[float64](t, configs[name], tensor.Float64, tol64)
			checkStep[float32](t, configs[name], tensor.Float32, tol32)
		})
	}
}

// checkStep holds steps against AttendState: outputs and states, from the start
// and from a state.
func checkStep[T num.Float](t *testing.T, c attention.Config, dt tensor.Dtype, tol float64) {
	t.Helper()
	rng := newRand()
	slots := 5
	if c.Window > 0 {
		slots = max(1, c.Window-1)
	}
	qkv := testutil.Normal(rng, "qkv", 3, 36, 70)
	for _, s := range []state{newState(rng, c, 12/c.Heads, slots, 0, 2, 1001), newState(rng, c, 12/c.Heads, min(slots, max(1, c.Window-1)), 0, 0, 0)} {
		if s.positions[2] == 0 {
			for i := range s.in {
				clear(s.in[i].F)
			}
		}
		step, err := attention.NewStep[T](c, 12)
		if err != nil {
			t.Fatal(err)
		}
		if s.positions[2] == 0 {
			err = step.Reset(3)
		} else {
			err = step.Load(stateOf[T](s))
		}
		if err != nil {
			t.Fatal(err)
		}
		got := [][]float64{steps(t, step, qkv)}
		for _, x := range step.Store().Tensors {
			got = append(got, testutil.Float64s(x))
		}
		for i, g := range got {
			want, err := testutil.Forward(dt, attendState(c, i), slices.Concat([]testutil.Input{qkv}, s.in)...)
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(g, want); !(e <= tol) {
				t.Errorf("positions %v: result %d of %d steps, %v: relative error %.3g > %g", s.positions, i, 70, dt, e, tol)
			}
		}
		checkReload(t, step, qkv)
	}
}

// checkReload holds a fork that loads what a step stores against it, bit for bit,
// and a row by itself.
func checkReload[T num.Float](t *testing.T, s *attention.Step[T], qkv testutil.Input) {
	t.Helper()
	x := s.Store()
	f := s.Fork()
	if err := f.Load(x); err != nil {
		t.Fatal(err)
	}
	one := s.Fork()
	last := attention.State[T]{Batch: 1, Slots: x.Slots}
	for _, v := range x.Tensors {
		last.Tensors = append(last.Tensors, v[len(v)/3*2:])
	}
	if err := one.Load(last); err != nil {
		t.Fatal(err)
	}
	want, got := steps(t, s, qkv), steps(t, f, qkv)
	if !slices.Equal(got, want) {
		t.Error("a fork that loads the state gives other outputs")
	}
	n := len(qkv.F) / 3
	row := testutil.Input{Shape: tensor.Shape{1, qkv.Shape[1], qkv.Shape[2]}, F: qkv.F[2*n:]}
	if got := steps(t, one, row); !slices.Equal(got, want[len(want)/3*2:]) {
		t.Error("a row by itself gives other outputs")
	}
}

func TestStepErrors(t *testing.T) {
	c := attention.Config{Heads: 2, Causal: true}
	if _, err := attention.NewStep[float32](attention.Config{Heads: 2}, 4); err == nil {
		t.Error("without Causal: want an error, got none")
	}
	if _, err := attention.NewStep[float32](attention.Config{Heads: 2, Causal: true, Window: 1 << 30}, 4); err == nil {
		t.Error("a window of 2^30: want an error, got none")
	}
	if _, err := attention.NewStep[float32](attention.Config{Heads: 3, Causal: true}, 4); err == nil {
		t.Error("3 heads of 4 features: want an error, got none")
	}
	s, err := attention.NewStep[float64](c, 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(2); err != nil {
		t.Fatal(err)
	}
	steps(t, s, testutil.Normal(newRand(), "qkv", 2, 12, 3))
	before := fmt.Sprint(s.Store())
	f := func(n int) []float64 { return make([]float64, n) }
	good := func() attention.State[float64] {
		return attention.State[float64]{Batch: 2, Slots: 3, Tensors: [][]float64{f(24), f(24), f(2)}}
	}
	for want, err := range map[string]error{
		"attention: Step.Reset: want batch >= 1, got 0":                                      s.Reset(0),
		"attention: Step.Advance: qkv: want 24 elements, got 12":                             s.Advance(f(8), f(12)),
		"attention: Step.Advance: y: want 8 elements, got 4":                                 s.Advance(f(4), f(24)),
		"attention: Step.Load: want Batch >= 1, got 0":                                       s.Load(attention.State[float64]{}),
		"attention: Step.Load: want 3 tensors, got 2":                                        load(s, good(), func(x *attention.State[float64]) { x.Tensors = x.Tensors[:2] }),
		"attention: Step.Load: want Slots >= 1, got 0":                                       load(s, good(), func(x *attention.State[float64]) { x.Slots = 0 }),
		"attention: Step.Load: k: want 24 elements, got 25":                                  load(s, good(), func(x *attention.State[float64]) { x.Tensors[0] = f(25) }),
		"attention: Step.Load: v: want 24 elements, got 23":                                  load(s, good(), func(x *attention.State[float64]) { x.Tensors[1] = f(23) }),
		"attention: Step.Load: position: want 2 elements, got 3":                             load(s, good(), func(x *attention.State[float64]) { x.Tensors[2] = f(3) }),
		"attention: Step.Load: position[1]: want a whole number in [0, 1073741824], got 0.5": load(s, good(), func(x *attention.State[float64]) { x.Tensors[2][1] = 0.5 }),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("want error %q, got %v", want, err)
		}
	}
	if got := fmt.Sprint(s.Store()); got != before {
		t.Errorf("after errors: want the state %s, got %s", before, got)
	}
}

func load(s *attention.Step[float64], x attention.State[float64], change func(x *attention.State[float64])) error {
	change(&x)
	return s.Load(x)
}

func TestStepDoesNotAllocate(t *testing.T) {
	for name, c := range map[string]attention.Config{
		"cache":  {Heads: 2, Causal: true, Rotary: attention.RotaryHalf},
		"window": {Heads: 2, Causal: true, Window: 5},
		"linear": {Heads: 2, Causal: true, Form: attention.Linear},
	} {
		s, err := attention.NewStep[float32](c, 8)
		if err != nil {
			t.Fatal(err)
		}
		x, y := make([]float32, 24), make([]float32, 8)
		testutil.CheckNoAllocations(t, name, func() error { return s.Advance(y, x) })
	}
}

// TestLargeStep holds a step that is spread over the workers against its rows, which
// are not.
func TestLargeStep(t *testing.T) {
	const batch, slots, e = 3, 600, 64
	for _, window := range []int{0, slots + 1} {
		c := attention.Config{Heads: 4, Causal: true, Window: window, Rotary: attention.RotaryInterleaved}
		x := stateOf[float32](newState(newRand(), c, e/4, slots, 600, 599, 5000))
		s, err := attention.NewStep[float32](c, e)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Load(x); err != nil {
			t.Fatal(err)
		}
		qkv := testutil.Normal(newRand(), "qkv", batch, 3*e, 2)
		all := steps(t, s, qkv)
		for b := range batch {
			one := attention.State[float32]{Batch: 1, Slots: slots}
			for _, v := range x.Tensors {
				n := len(v) / batch
				one.Tensors = append(one.Tensors, v[b*n:(b+1)*n])
			}
			f := s.Fork()
			if err := f.Load(one); err != nil {
				t.Fatal(err)
			}
			row := testutil.Input{Shape: tensor.Shape{1, 3 * e, 2}, F: qkv.F[b*6*e : (b+1)*6*e]}
			if got := steps(t, f, row); !slices.Equal(got, all[b*2*e:(b+1)*2*e]) {
				t.Errorf("window %d, row %d: another output by itself", window, b)
			}
		}
	}
}
