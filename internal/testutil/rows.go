package testutil

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"
)

// Runner evaluates a function of its inputs and the gradients of sum(w*output):
// Run, or what has gradients by parameters of its own behind those by the
// inputs. w may be nil, for ones.
type Runner func(vm VM, dt tensor.Dtype, w []float64, in ...Input) (*Result, error)

// RunnerOf returns the runner of a function that draws nothing. A graph is made once
// for each machine, type and shapes, and runs again for other numbers.
func RunnerOf(f Build) Runner {
	made := make(map[string]*loop)
	return func(vm VM, dt tensor.Dtype, w []float64, in ...Input) (*Result, error) {
		key := fmt.Sprint(vm, dt)
		for _, x := range in {
			key += fmt.Sprint(x.Shape)
		}
		l := made[key]
		if l == nil {
			var err error
			if l, err = newLoop(vm, dt, f, w, in, tensors(dt, in)); err != nil {
				return nil, err
			}
			made[key] = l
		}
		l.set(w, in)
		return l.step(false)
	}
}

// Tolerances of CheckRows: relative to the norm of a row, beside twice the error
// that the row has alone.
const (
	tolRows32 = 3e-6
	tolRows64 = 1e-13
)

// loudness is what row 0 of the inputs and of the gradient of the output are
// multiplied by.
type loudness struct{ in, out float64 }

var loudnesses = []loudness{
	{1e4, 1}, {1, 1e4}, {1e8, 1}, {1, 1e8}, {1e8, 1e-8}, {1e-8, 1e8}, {1e20, 1}, {1, 1e20}, {1e-20, 1}, {1, 1e-20},
	{math.Inf(1), 1}, {1, math.Inf(1)}, {math.NaN(), 1}, {1, math.NaN()},
}

// CheckRows verifies that no row of a batch changes another: whatever row 0 is
// multiplied by, the output of the others, and their part of the gradients, is
// what it is alone. The first inputs, batched of them, have a row for each
// sequence, and so does the output unless it is a scalar.
func CheckRows(t testing.TB, what string, f Runner, batched int, in ...Input) {
	t.Helper()
	first, err := f(Tape, tensor.Float64, nil, in...)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	rng := rand.New(rand.NewPCG(5, uint64(len(first.Out))))
	w := Normal(rng, "w", len(first.Out)).F
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float32: tolRows32, tensor.Float64: tolRows64} {
		c := rowCheck{t: t, f: f, batched: batched, dt: dt, tol: tol, w: w, isScalar: first.Shape.Dims() == 0}
		c.alone(in)
		for _, x := range loudnesses {
			c.run(fmt.Sprintf("%s, %v, row 0 times %v", what, dt, x), in, x)
		}
	}
}

type rowCheck struct {
	t        testing.TB
	f        Runner
	batched  int
	dt       tensor.Dtype
	tol      float64
	w        []float64
	isScalar bool

	exact, rounded []*Result // by row: alone, in float64 and in dt
}

// alone runs all rows but the first by themselves.
func (c *rowCheck) alone(in []Input) {
	c.t.Helper()
	batch := in[0].Shape[0]
	c.exact, c.rounded = make([]*Result, batch), make([]*Result, batch)
	for b := 1; b < batch; b++ {
		one := slices.Clone(in)
		for i := range c.batched {
			one[i] = rowOf(in[i], b)
		}
		w := []float64{1 / float64(batch)} // of a mean over the batch
		if !c.isScalar {
			w = cut(c.w, batch, b)
		}
		var err error
		if c.exact[b], err = c.f(Tape, tensor.Float64, w, one...); err != nil {
			c.t.Fatal(err)
		}
		if c.rounded[b], err = c.f(Tape, c.dt, w, one...); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *rowCheck) run(what string, in []Input, x loudness) {
	c.t.Helper()
	batch := in[0].Shape[0]
	loud := slices.Clone(in)
	for i := range c.batched {
		loud[i].F = timesRow(in[i].F, batch, x.in)
	}
	w := []float64{1}
	if !c.isScalar {
		w = timesRow(c.w, batch, x.out)
	}
	r, err := c.f(Tape, c.dt, w, loud...)
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	for b := 1; b < batch; b++ {
		if !c.isScalar {
			c.compare(fmt.Sprintf("%s: output of row %d", what, b), cut(r.Out, batch, b), c.rounded[b].Out, c.exact[b].Out)
		}
		for i := range c.batched {
			if r.Grads[i] == nil {
				continue
			}
			exact, rounded := c.exact[b].Grads[i], c.rounded[b].Grads[i]
			if c.isScalar {
				exact, rounded = times(exact, 1/float64(batch)), times(rounded, 1/float64(batch))
			}
			c.compare(fmt.Sprintf("%s: gradient of %s, row %d", what, in[i].Name, b), cut(r.Grads[i], batch, b), rounded, exact)
		}
	}
}

func (c *rowCheck) compare(what string, got, rounded, exact []float64) {
	c.t.Helper()
	if e, most := RelErr(got, exact), c.tol+2*RelErr(rounded, exact); !(e <= most) {
		c.t.Errorf("%s: relative error %.3g > %.3g", what, e, most)
	}
}

// cut returns row b of x.
func cut(x []float64, batch, b int) []float64 {
	n := len(x) / batch
	return x[b*n : (b+1)*n]
}

func rowOf(in Input, b int) Input {
	batch := in.Shape[0]
	in.Shape = in.Shape.Clone()
	in.Shape[0] = 1
	if in.I != nil {
		n := len(in.I) / batch
		in.I = in.I[b*n : (b+1)*n]
		return in
	}
	in.F = cut(in.F, batch, b)
	return in
}

// timesRow returns x with row 0 multiplied by v.
func timesRow(x []float64, batch int, v float64) []float64 {
	if x == nil {
		return nil
	}
	y := slices.Clone(x)
	n := len(x) / batch
	copy(y, times(x[:n], v))
	return y
}

func times(x []float64, v float64) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = x[i] * v
	}
	return y
}

// CheckPadding verifies that nothing behind lengths is read, in the inputs and in
// the gradient of the output: no bit of the output or of a gradient depends on
// what stands there, and the output and the gradients of the inputs are 0 there.
// steps is the axis of the steps of each of the first inputs; the output has them
// last, or has none. lengths is the last input.
func CheckPadding(t testing.TB, what string, f Runner, steps []int, in ...Input) {
	t.Helper()
	lengths := in[len(in)-1].I
	for _, vm := range []VM{Tape, Lisp} {
		for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
			var want *Result
			var w []float64
			for _, junk := range []float64{0, 1e8, math.NaN(), math.Inf(-1)} {
				padded := slices.Clone(in)
				for i, axis := range steps {
					padded[i] = pad(in[i], axis, lengths, junk)
				}
				if want == nil {
					r, err := f(vm, dt, nil, padded...)
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					w = Normal(rand.New(rand.NewPCG(6, 6)), "w", len(r.Out)).F
				}
				r, err := f(vm, dt, weights(w, want, lengths, junk), padded...)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				name := fmt.Sprintf("%s, %s, %v, padding %v", what, vm, dt, junk)
				if want == nil {
					want = r
					checkZeros(t, name, r, steps, lengths, in)
				}
				checkBits(t, name, r, want)
			}
		}
	}
}

// weights returns w with junk behind the lengths of an output that has steps.
func weights(w []float64, out *Result, lengths []int, junk float64) []float64 {
	if out == nil || out.Shape.Dims() != 3 {
		return w
	}
	return pad(Input{Shape: out.Shape, F: w}, 2, lengths, junk).F
}

// pad returns an input with junk behind the lengths.
func pad(in Input, axis int, lengths []int, junk float64) Input {
	in.F, in.I = slices.Clone(in.F), slices.Clone(in.I)
	behind(in.Shape, axis, lengths, func(i int) {
		if in.I != nil {
			in.I[i] = int(min(max(junk, -1), 1e8)) // no id
		} else {
			in.F[i] = junk
		}
	})
	return in
}

// behind calls f for every element behind the lengths.
func behind(shape tensor.Shape, axis int, lengths []int, f func(i int)) {
	inner := tensor.Shape(shape[axis+1:]).TotalSize()
	perRow := tensor.Shape(shape[1:]).TotalSize()
	if axis == len(shape)-1 {
		inner = 1
	}
	for i := range shape.TotalSize() {
		if i/inner%shape[axis] >= lengths[i/perRow] {
			f(i)
		}
	}
}

func checkZeros(t testing.TB, what string, r *Result, steps, lengths []int, in []Input) {
	t.Helper()
	if r.Shape.Dims() == 3 {
		behind(r.Shape, 2, lengths, func(i int) {
			if r.Out[i] != 0 {
				t.Fatalf("%s: want output 0 behind the lengths, got %v at %d", what, r.Out[i], i)
			}
		})
	}
	for k, axis := range steps {
		if r.Grads[k] == nil {
			continue
		}
		behind(in[k].Shape, axis, lengths, func(i int) {
			if r.Grads[k][i] != 0 {
				t.Fatalf("%s: want gradient 0 of %s behind the lengths, got %v at %d", what, in[k].Name, r.Grads[k][i], i)
			}
		})
	}
}

func checkBits(t testing.TB, what string, got, want *Result) {
	t.Helper()
	if !slices.Equal(got.Out, want.Out) {
		t.Errorf("%s: the output is another", what)
	}
	for i, g := range got.Grads {
		if !slices.Equal(g, want.Grads[i]) {
			t.Errorf("%s: gradient %d is another", what, i)
		}
	}
}
