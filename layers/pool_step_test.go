package layers_test

import (
	"math"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

// A pool step by step is the pool of the steps so far, of rows that began at different
// times, in float32 of a long stream too.
func TestRunningPool(t *testing.T) {
	x := [][]float64{{3, -1}, {1, 4}, {-2, 2}, {5, 0}}
	want := map[ops.PoolMode][][]float64{
		ops.PoolMean:  {{3, -1}, {2, 1.5}, {2. / 3, 5. / 3}, {7. / 4, 5. / 4}},
		ops.PoolSum:   {{3, -1}, {4, 3}, {2, 5}, {7, 5}},
		ops.PoolLast:  x,
		ops.PoolFirst: {{3, -1}, {3, -1}, {3, -1}, {3, -1}},
		ops.PoolMax:   {{3, -1}, {3, 4}, {3, 4}, {5, 4}},
	}
	for _, mode := range ops.PoolModes() {
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-15, tensor.Float32: 1e-7} {
			p, err := layers.NewRunningPool(dt, mode, 2)
			if err != nil {
				t.Fatal(err)
			}
			r, err := layers.NewRecurrence(p, 1)
			if err != nil {
				t.Fatal(err)
			}
			var states []layers.State
			for l, row := range x {
				y, err := r.Step(testutil.Dense(dt, row, 1, 2))
				if err != nil {
					t.Fatal(err)
				}
				if e := testutil.RelErr(testutil.Floats(y), want[mode][l]); !(e <= tol) {
					t.Errorf("%s, %v, step %d: got %v, want %v", mode, dt, l, y, want[mode][l])
				}
				states = append(states, r.State())
			}
			if mode == ops.PoolLast {
				continue
			}
			joined, err := layers.JoinStates(states[0], states[2])
			if err != nil {
				t.Fatal(err)
			}
			two, err := r.Fork(2)
			if err != nil {
				t.Fatal(err)
			}
			if err := two.SetState(joined); err != nil {
				t.Fatal(err)
			}
			y, err := two.Step(testutil.Dense(dt, append(append([]float64{}, x[1]...), x[3]...), 2, 2))
			if err != nil {
				t.Fatal(err)
			}
			if e := testutil.RelErr(testutil.Floats(y), append(append([]float64{}, want[mode][1]...), want[mode][3]...)); !(e <= tol) {
				t.Errorf("%s, %v, two rows: got %v", mode, dt, y)
			}
			r.Reset()
			if y, err = r.Step(testutil.Dense(dt, []float64{-7, -8}, 1, 2)); err != nil || testutil.RelErr(testutil.Floats(y), []float64{-7, -8}) > tol {
				t.Errorf("%s, %v, after Reset: got %v, %v", mode, dt, y, err)
			}
		}
	}
	p, err := layers.NewRunningPool(tensor.Float32, ops.PoolMean, 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers.NewRecurrence(p, 1)
	if err != nil {
		t.Fatal(err)
	}
	u := testutil.Dense(tensor.Float32, []float64{0.1}, 1, 1)
	for range 1 << 20 {
		if _, err := r.Step(u); err != nil {
			t.Fatal(err)
		}
	}
	if y, err := r.Step(u); err != nil || math.Abs(testutil.Floats(y)[0]-0.1) > 1e-8 {
		t.Errorf("the mean of a million steps of 0.1 is %v, %v", y, err)
	}
}

// A NaN is the largest step, as in ops.Pool, and stays it.
func TestRunningMaxOfNaN(t *testing.T) {
	p, err := layers.NewRunningPool(tensor.Float64, ops.PoolMax, 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers.NewRecurrence(p, 1)
	if err != nil {
		t.Fatal(err)
	}
	for l, v := range []float64{1, math.NaN(), 2} {
		y, err := r.Step(testutil.Dense(tensor.Float64, []float64{v}, 1, 1))
		if err != nil || math.IsNaN(testutil.Floats(y)[0]) != (l > 0) {
			t.Errorf("step %d: %v, %v", l, y, err)
		}
	}
}

func TestRunningPoolErrors(t *testing.T) {
	for want, f := range map[string]func() error{
		"layers: RunningPool: want dtype float32 or float64, got int": func() error { _, err := layers.NewRunningPool(tensor.Int, ops.PoolMax, 1); return err },
		"layers: RunningPool: want features >= 1, got 0":              func() error { _, err := layers.NewRunningPool(tensor.Float32, ops.PoolMax, 0); return err },
		"layers: RunningPool: want a pooling mode of":                 func() error { _, err := layers.NewRunningPool(tensor.Float32, "x", 1); return err },
		"layers: RunningPool: want a layer that its New function":     func() error { _, err := layers.NewRecurrence(&layers.RunningPool{}, 1); return err },
	} {
		if err := f(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	p, err := layers.NewRunningPool(tensor.Float32, ops.PoolMax, 2)
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers.NewRecurrence(p, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Step(testutil.Dense(tensor.Float32, []float64{1, 2, 3, 4}, 2, 2)); err != nil {
		t.Fatal(err)
	}
	x := func(name string, t *tensor.Dense) layers.StateTensor { return layers.StateTensor{Name: name, Value: t} }
	value, count := testutil.Dense(tensor.Float32, []float64{7, 7, 7, 7}, 2, 2), tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{1, 2}))
	for want, s := range map[string]layers.State{
		`want a state of ["value" "count"], got ["value"]`:           {x("value", value)},
		`want a state "value" (2, 2), got (2, 1)`:                    {x("value", testutil.Dense(tensor.Float32, []float64{1, 2}, 2, 1)), x("count", count)},
		`want a contiguous row-major state "value" of dtype float32`: {x("value", testutil.Dense(tensor.Float64, []float64{1, 2, 3, 4}, 2, 2)), x("count", count)},
		`want a contiguous row-major state "count" of dtype int64`:   {x("value", value), x("count", testutil.Dense(tensor.Float32, []float64{1, 2}, 2))},
		`want a state "count" of numbers >= 0, got -1`:               {x("value", value), x("count", tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{1, -1})))},
	} {
		if err := r.SetState(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if got := testutil.Floats(r.State()[0].Value); got[0] != 1 || got[3] != 4 {
			t.Errorf("after an error the state is %v", got)
		}
	}
	if _, err := r.Step(testutil.Dense(tensor.Float32, []float64{1, 2}, 1, 2)); err == nil || !strings.Contains(err.Error(), "want u (2, 2), got (1, 2)") {
		t.Errorf("got error %v", err)
	}
}
