package main

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// example returns example i.
func example(t *testing.T, d tones, i int) ([]float32, int) {
	t.Helper()
	b := task.NewBatch(d)
	if err := b.Load([]int{i}, 1, d.Length(i)); err != nil {
		t.Fatal(err)
	}
	x, err1 := b.Array(task.X)
	y, err2 := b.Array(task.Target)
	if err := errors.Join(err1, err2); err != nil || x.Len() != d.Length(i) {
		t.Fatalf("%d steps, want %d, error %v", x.Len(), d.Length(i), err)
	}
	return x.Float32s, y.Ints[0]
}

// Without noise, an example is a tone of amplitude 1 of the period of its class.
func TestTonesWithoutNoise(t *testing.T) {
	d := tones{periods: []float64{4, 8}, length: 16, count: 10}
	for i := range d.Len() {
		x, label := example(t, d, i)
		if label != i%2 {
			t.Errorf("example %d: label %d", i, label)
		}
		for class, period := range d.periods {
			var c, s float64
			for l, v := range x {
				sin, cos := math.Sincos(2 * math.Pi * float64(l) / period)
				c, s = c+2*cos*float64(v)/16, s+2*sin*float64(v)/16
			}
			want := 0.0
			if class == label {
				want = 1
			}
			if got := math.Hypot(c, s); math.Abs(got-want) > 1e-6 {
				t.Errorf("example %d of class %d: amplitude %g of class %d, want %g", i, label, got, class, want)
			}
		}
	}
}

func TestTonesAreAFunctionOfSeedSplitAndNumber(t *testing.T) {
	d := tones{periods: []float64{4, 8}, length: 16, noise: 1, count: 10, seed: 1}
	x, _ := example(t, d, 3)
	if again, _ := example(t, d, 3); !slices.Equal(again, x) {
		t.Error("the same example twice differs")
	}
	seed, split := d, d
	seed.seed, split.split = 2, 1
	for i := range d.Len() {
		for name, other := range map[string]tones{"seed": seed, "split": split} {
			if y, _ := example(t, other, i); slices.Equal(y, x) {
				t.Errorf("another %s has the same example", name)
			}
		}
		if y, _ := example(t, d, i); i != 3 && slices.Equal(y, x) {
			t.Errorf("examples 3 and %d are the same", i)
		}
	}
}

func TestTonesNoise(t *testing.T) {
	const noise = 2
	d := tones{periods: []float64{4}, length: 20000, noise: noise, count: 1}
	x, _ := example(t, d, 0)
	var power float64
	for _, v := range x {
		power += float64(v) * float64(v) / float64(len(x))
	}
	if want := 0.5 + noise*noise; math.Abs(power-want) > 0.2 {
		t.Errorf("power %g, want %g", power, want)
	}
}

func TestTonesOutside(t *testing.T) {
	d := tones{periods: []float64{4}, length: 2, count: 3}
	for _, i := range []int{-1, 3} {
		if err := d.Example(i, nil); err == nil || !strings.Contains(err.Error(), "want an example in [0, 3)") {
			t.Errorf("example %d: got error %v", i, err)
		}
	}
}
