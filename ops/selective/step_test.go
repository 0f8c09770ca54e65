package selective_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/ops/selective"
)

// stepped has the operands of steps: the inputs step by step, (L, B, D) and (L, B, N).
type stepped[T num.Float] struct {
	step  *selective.Step[T]
	in    []selective.Inputs[[]T]
	start []T
}

// turned returns step l of x (B, I, L), as (B, I).
func turned[T num.Float](x testutil.Input, l int) []T {
	var v []T
	for i := l; i < len(x.F); i += x.Shape[2] {
		v = append(v, T(x.F[i]))
	}
	return v
}

func as[T num.Float](x []float64) []T {
	v := make([]T, len(x))
	for i := range x {
		v[i] = T(x[i])
	}
	return v
}

func newStepped[T num.Float](t testing.TB, in []testutil.Input, s sizes) *stepped[T] {
	t.Helper()
	m := byName(in, func(i int) testutil.Input { return in[i] })
	st, err := selective.NewStep(selective.Config{Softplus: true}, s.D, s.N, selective.Inputs[[]T]{A: as[T](m["A"].F), D: as[T](m["D"].F), Bias: as[T](m["Bias"].F)})
	if err != nil {
		t.Fatal(err)
	}
	x := &stepped[T]{step: st, start: as[T](m["start"].F)}
	for l := range s.L {
		x.in = append(x.in, selective.Inputs[[]T]{
			U: turned[T](m["U"], l), Delta: turned[T](m["Delta"], l), B: turned[T](m["B"], l), C: turned[T](m["C"], l), Z: turned[T](m["Z"], l),
		})
	}
	return x
}

// run steps from the start, and returns the outputs (L, B, D) and the states.
func (x *stepped[T]) run(t testing.TB, s sizes) (y, state []T) {
	t.Helper()
	states := make([]T, x.step.StateLen(s.B))
	if err := x.step.Load(states, x.start); err != nil {
		t.Fatal(err)
	}
	y = make([]T, s.L*s.B*s.D)
	for l, in := range x.in {
		if err := x.step.Advance(y[l*s.B*s.D:][:s.B*s.D], states, in); err != nil {
			t.Fatal(err)
		}
	}
	return y, x.step.Store(states)
}

var whole = operands{softplus: true, skip: true, gate: true, bias: true, start: true}

// Steps are the scan.
func TestStep(t *testing.T) {
	for _, s := range []sizes{{1, 1, 1, 3}, {2, 5, 3, 9}, {3, 33, 4, 7}, {2, 16, 16, 70}} {
		in := whole.draw(rand.New(rand.NewPCG(9, 3)), s, nil)
		want, wantEnd := whole.scan(in, s)
		for tol, run := range map[float64]func() (y, end []float64){
			tolScan: func() (y, end []float64) { a, b := newStepped[float64](t, in, s).run(t, s); return a, b },
			2e-6: func() (y, end []float64) {
				a, b := newStepped[float32](t, in, s).run(t, s)
				return as[float64](wide(a)), wide(b)
			},
		} {
			y, end := run()
			var turned []float64 // (B, D, L)
			for i := range s.B * s.D {
				for l := range s.L {
					turned = append(turned, y[l*s.B*s.D+i])
				}
			}
			if e := testutil.RelErr(turned, want); !(e <= tol) {
				t.Errorf("%v: output off by %.3g > %.3g", s, e, tol)
			}
			if e := testutil.RelErr(end, wantEnd); !(e <= tol) {
				t.Errorf("%v: state off by %.3g > %.3g", s, e, tol)
			}
		}
	}
}

func wide(x []float32) []float64 {
	return testutil.Floats(tensor.New(tensor.WithBacking(slices.Clone(x))))
}

// Many steps at once are as many steps to the bit, and so is a row in a batch.
func TestStepBits(t *testing.T) {
	t.Run("float32", testStepBits[float32])
	t.Run("float64", testStepBits[float64])
}

func testStepBits[T num.Float](t *testing.T) {
	s := sizes{3, 21, 5, 131}
	in := whole.draw(rand.New(rand.NewPCG(10, 3)), s, nil)
	x := newStepped[T](t, in, s)
	y, end := x.run(t, s)
	for b := range s.B {
		one := x.step.Fork()
		states := make([]T, one.StateLen(1))
		if err := one.Load(states, x.start[b*s.D*s.N:][:s.D*s.N]); err != nil {
			t.Fatal(err)
		}
		var all selective.Inputs[[]T]
		var want []T
		for l, in := range x.in {
			row := func(v []T, n int) []T { return v[b*n:][:n] }
			all.U, all.Delta, all.Z = append(all.U, row(in.U, s.D)...), append(all.Delta, row(in.Delta, s.D)...), append(all.Z, row(in.Z, s.D)...)
			all.B, all.C = append(all.B, row(in.B, s.N)...), append(all.C, row(in.C, s.N)...)
			want = append(want, y[(l*s.B+b)*s.D:][:s.D]...)
		}
		got := make([]T, s.L*s.D)
		if err := one.Scan(got, states, all); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("row %d: outputs are others", b)
		}
		if !slices.Equal(one.Store(states), end[b*s.D*s.N:][:s.D*s.N]) {
			t.Errorf("row %d: states are others", b)
		}
	}
}

func TestStepRows(t *testing.T) {
	s := sizes{3, 18, 2, 1}
	x := newStepped[float32](t, whole.draw(rand.New(rand.NewPCG(11, 3)), s, nil), s)
	states, few := make([]float32, x.step.StateLen(3)), make([]float32, x.step.StateLen(2))
	if err := x.step.Load(states, x.start); err != nil {
		t.Fatal(err)
	}
	x.step.CopyRows(few, 0, states, []int{2, 0})
	if want := slices.Concat(x.start[2*s.D*s.N:], x.start[:s.D*s.N]); !slices.Equal(x.step.Store(few), want) {
		t.Error("rows are others")
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	s := sizes{4, 64, 16, 1}
	x := newStepped[float32](t, whole.draw(rand.New(rand.NewPCG(12, 3)), s, nil), s)
	states, y := make([]float32, x.step.StateLen(s.B)), make([]float32, s.B*s.D)
	if n := testing.AllocsPerRun(20, func() {
		if err := x.step.Advance(y, states, x.in[0]); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("a step allocates %g times", n)
	}
}

func TestStepErrors(t *testing.T) {
	for want, prm := range map[string]selective.Inputs[[]float64]{
		"selective: NewStep: A: want 6 elements, got 5":    {A: make([]float64, 5)},
		"selective: NewStep: D: want 3 elements, got 2":    {A: make([]float64, 6), D: make([]float64, 2)},
		"selective: NewStep: Bias: want 3 elements, got 4": {A: make([]float64, 6), Bias: make([]float64, 4)},
	} {
		if _, err := selective.NewStep(selective.Config{}, 3, 2, prm); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := selective.NewStep(selective.Config{}, 3, 0, selective.Inputs[[]float64]{}); err == nil || err.Error() != "selective: NewStep: want N >= 1, got 0" {
		t.Errorf("got error %v", err)
	}
	s, err := selective.NewStep(selective.Config{}, 3, 2, selective.Inputs[[]float64]{A: make([]float64, 6)})
	if err != nil {
		t.Fatal(err)
	}
	x, f := make([]float64, s.StateLen(2)), func(n int) []float64 { return make([]float64, n) }
	ok := selective.Inputs[[]float64]{U: f(6), Delta: f(6), B: f(4), C: f(4)}
	short := ok
	short.C = f(3)
	for want, err := range map[string]error{
		"selective: Step.Advance: want at least one row, got none": s.Advance(f(6), x[:5], ok),
		"selective: Step.Advance: y: want 6 elements, got 5":       s.Advance(f(5), x, ok),
		"selective: Step.Advance: C: want 4 elements, got 3":       s.Advance(f(6), x, short),
		"selective: Step.AdvanceRows: C: want 4 elements, got 3":   s.AdvanceRows(0, f(6), x, short),
		"selective: Step.Scan: C: want 4 elements, got 3":          s.Scan(f(6), x[:s.StateLen(1)], short),
		"selective: Step.Load: src: want 12 elements, got 11":      s.Load(x, f(11)),
		"selective: Step.Scan: want at least one row, got none":    s.Scan(nil, x[:s.StateLen(1)], ok),
		"selective: Step.Advance: Delta: want 6 elements, got 0":   s.Advance(f(6), x, selective.Inputs[[]float64]{U: f(6)}),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
