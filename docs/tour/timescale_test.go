package tour_test

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/layers/hippo"
)

//tour:timescale-reach

// reach returns how many steps of a kernel hold 99 % of its energy.
func reach(k []float64) int {
	var all, sum float64
	for _, v := range k {
		all += v * v
	}
	for l, v := range k {
		if sum += v * v; sum >= 0.99*all {
			return l + 1
		}
	}
	return len(k)
}

//tour:end

func Example_timescale() {
	//tour:timescale-run
	const N, L = 64, 10000
	a, b, err := hippo.DiagInit(hippo.InitLin, N, hippo.DiagOptions{})
	check(err)
	c := output(N / 2)
	for _, dt := range []float64{0.1, 0.01, 0.001} {
		k := vandermonde(a, b, c, dt, L)
		n := reach(k)
		fmt.Printf("dt = %-5g: reaches back %4d steps, that is %.2f units of time\n", dt, n, float64(n)*dt)
	}
	//tour:end
	// Output:
	// dt = 0.1  : reaches back   44 steps, that is 4.40 units of time
	// dt = 0.01 : reaches back  433 steps, that is 4.33 units of time
	// dt = 0.001: reaches back 4327 steps, that is 4.33 units of time
}

func Example_timescaleStretch() {
	a, b, err := hippo.DiagInit(hippo.InitLin, 16, hippo.DiagOptions{})
	check(err)
	c := output(8)
	//tour:timescale-stretch
	fine := vandermonde(a, b, c, 0.001, 2000) // the kernel at ten times the rate
	slow := make([]float64, 200)
	for l := range slow { // ten of its steps make one
		for j := range 10 {
			slow[l] += fine[10*l+j]
		}
	}
	fast := vandermonde(a, b, c, 0.01, 200) // one number is another
	fmt.Printf("apart by less than 1e-12 of it: %t\n", distance(fast, slow) < 1e-12)
	//tour:end
	// Output:
	// apart by less than 1e-12 of it: true
}

// The answer of the exercise.
func Example_timescaleExercise() {
	//tour:timescale-exercise
	const H, dtMin, dtMax = 8, 0.001, 0.1
	for h := range H { // evenly spaced in their logarithm
		dt := dtMin * math.Pow(dtMax/dtMin, float64(h)/(H-1))
		fmt.Printf("dt = %.4f: a state falls to 1/e in %.0f steps\n", dt, 2/dt)
	}
	//tour:end
	// Output:
	// dt = 0.0010: a state falls to 1/e in 2000 steps
	// dt = 0.0019: a state falls to 1/e in 1036 steps
	// dt = 0.0037: a state falls to 1/e in 537 steps
	// dt = 0.0072: a state falls to 1/e in 278 steps
	// dt = 0.0139: a state falls to 1/e in 144 steps
	// dt = 0.0268: a state falls to 1/e in 75 steps
	// dt = 0.0518: a state falls to 1/e in 39 steps
	// dt = 0.1000: a state falls to 1/e in 20 steps
}
