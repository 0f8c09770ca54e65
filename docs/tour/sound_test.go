package tour_test

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/layers/hippo"
)

// chord is a sound of n samples: a few waves, the fastest of ten samples each.
func chord(n int, samples float64) []float64 {
	u := make([]float64, n)
	for l := range u {
		t := float64(l) * samples
		u[l] = math.Sin(t/40) + 0.5*math.Sin(t/9+1) + 0.2*math.Sin(2*math.Pi*t/10)
	}
	return u
}

// every returns each n-th element.
func every(n int, v []float64) []float64 {
	var w []float64
	for i := 0; i < len(v); i += n {
		w = append(w, v[i])
	}
	return w
}

func Example_sound() {
	//tour:sound-run
	const L = 2000
	cfg := layers.S4DConfig{DModel: 1, DState: 32, DtMin: 0.01, DtMax: 0.01}
	g := G.NewGraph()
	layer, err := layers.NewS4D(g, tensor.Float64, cfg, layers.WithSeed(2))
	check(err)
	y, err := layer.Fwd(input(g, "u", chord(L, 1), 1, 1, L))
	check(err)
	want := every(2, values(g, y)[0])

	for _, rate := range []float64{1, 2} {
		g := G.NewGraph()
		half, err := layer.CloneTo(g, layers.AtRate(rate))
		check(err)
		y, err := half.Fwd(input(g, "u", chord(L/2, 2), 1, 1, L/2))
		check(err)
		off := distance(values(g, y)[0], want)
		fmt.Printf("every second sample, step width times %g: off by %.3f\n", rate, off)
	}
	//tour:end
	// Output:
	// every second sample, step width times 1: off by 0.474
	// every second sample, step width times 2: off by 0.010
}

// The slow way: put the samples back that are missing.
func Example_soundSlow() {
	//tour:sound-slow
	const L = 2000
	cfg := layers.S4DConfig{DModel: 1, DState: 32, DtMin: 0.01, DtMax: 0.01}
	g := G.NewGraph()
	layer, err := layers.NewS4D(g, tensor.Float64, cfg, layers.WithSeed(2))
	check(err)
	half := chord(L/2, 2)
	filled := make([]float64, L)
	for l := range filled {
		filled[l] = (half[l/2] + half[min((l+1)/2, L/2-1)]) / 2
	}
	slow, err := layer.Fwd(input(g, "filled", filled, 1, 1, L))
	check(err)
	want, err := layer.Fwd(input(g, "u", chord(L, 1), 1, 1, L))
	check(err)
	v := values(g, slow, want)
	off := distance(every(2, v[0]), every(2, v[1]))
	fmt.Printf("filled up, twice the steps: off by %.3f\n", off)
	//tour:end
	// Output:
	// filled up, twice the steps: off by 0.001
}

// The answer of the exercise.
func Example_soundExercise() {
	//tour:sound-exercise
	a, _, err := hippo.DiagInit(hippo.InitLin, 64, hippo.DiagOptions{})
	check(err)
	for _, dt := range []float64{0.001, 0.01, 0.1} {
		fast := 0
		for _, pole := range a {
			if -imag(pole)*2*dt > math.Pi { // more than half a turn in a step of twice the width
				fast++
			}
		}
		fmt.Printf("dt = %-5g: %2d of %d states are too fast for half the rate\n", dt, fast, len(a))
	}
	//tour:end
	// Output:
	// dt = 0.001:  0 of 32 states are too fast for half the rate
	// dt = 0.01 :  0 of 32 states are too fast for half the rate
	// dt = 0.1  : 26 of 32 states are too fast for half the rate
}
