package main

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// example returns example i.
func example(t *testing.T, d tones, i int) ([]float32, int) {
	t.Helper()
	e, err := d.Example(i)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Features) != d.Length(i) {
		t.Fatalf("%d steps, want %d", len(e.Features), d.Length(i))
	}
	return e.Features, e.Label
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
		if _, err := d.Example(i); err == nil || !strings.Contains(err.Error(), "want an example in [0, 3)") {
			t.Errorf("example %d: got error %v", i, err)
		}
	}
}
