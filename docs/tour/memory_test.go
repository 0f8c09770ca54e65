package tour_test

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
)

//tour:memory-signal

// signal is the function to remember: two waves, on [0, 1].
func signal(t float64) float64 { return math.Sin(2*math.Pi*2*t) + 0.5*math.Cos(2*math.Pi*5*t*t) }

//tour:end

//tour:memory-matrix

// legS returns the matrices of x'(t) = (A x + B u)/t.
func legS(n int) (a *mat.Dense, b []float64) {
	a, b = mat.NewDense(n, n, nil), make([]float64, n)
	for i := range n {
		b[i] = math.Sqrt(float64(2*i + 1))
		for k := range i {
			a.Set(i, k, -b[i]*math.Sqrt(float64(2*k+1)))
		}
		a.Set(i, i, -float64(i+1))
	}
	return a, b
}

//tour:end

//tour:memory-slow

// project returns the coefficients of everything that was seen, input by input: the
// integral of u times each Legendre polynomial over the whole past, by the midpoint rule.
func project(n int, u []float64) []float64 {
	x := make([]float64, n)
	for l, v := range u {
		s := (float64(l) + 0.5) / float64(len(u)) // from 0, the first, to 1, now
		for i, p := range legendre(n, 2*s-1) {
			x[i] += math.Sqrt(float64(2*i+1)) * p * v / float64(len(u))
		}
	}
	return x
}

// legendre returns the polynomials P_0(z) to P_n-1(z).
func legendre(n int, z float64) []float64 {
	p := make([]float64, n)
	before, now := 0.0, 1.0
	for i := range p {
		p[i] = now
		k := float64(i)
		before, now = now, ((2*k+1)*z*now-k*before)/(k+1)
	}
	return p
}

//tour:end

func Example_memoryMatrix() {
	a, b := legS(4)
	fmt.Printf("A = %.2f\n", mat.Formatted(a, mat.Prefix("    ")))
	fmt.Printf("B = %.2f\n", b)
	// Output:
	// A = ⎡-1.00   0.00   0.00   0.00⎤
	//     ⎢-1.73  -2.00   0.00   0.00⎥
	//     ⎢-2.24  -3.87  -3.00   0.00⎥
	//     ⎣-2.65  -4.58  -5.92  -4.00⎦
	// B = [1.00 1.73 2.24 2.65]
}

func Example_memory() {
	//tour:memory-fast
	const L = 1000
	for _, n := range []int{8, 16, 32} {
		memory, err := hippo.NewMemory(hippo.LegS, n, hippo.MemoryOptions{})
		check(err)
		var u []float64
		for l := range L {
			u = append(u, signal((float64(l)+0.5)/L))
			check(memory.Push(u[l]))
		}
		fmt.Printf("N = %2d: from the definition within %.0e, recalls u within %.0e\n",
			n, distance(memory.Coefficients(), project(n, u)), distance(recall(memory, L), u))
	}
	//tour:end
	// Output:
	// N =  8: from the definition within 3e-05, recalls u within 3e-01
	// N = 16: from the definition within 2e-04, recalls u within 3e-01
	// N = 32: from the definition within 7e-04, recalls u within 4e-04
}

// recall returns what a memory holds of its last n inputs, in their order.
func recall(memory *hippo.Memory, n int) []float64 {
	ages := make([]float64, n)
	for l := range ages {
		ages[l] = float64(n-l) - 0.5 // the middle of each step
	}
	u, err := memory.Reconstruct(ages)
	check(err)
	return u
}

// distance is the error of x as a part of what it should be: of root mean squares.
func distance(x, want []float64) float64 {
	var d, w float64
	for i := range x {
		d += (x[i] - want[i]) * (x[i] - want[i])
		w += want[i] * want[i]
	}
	return math.Sqrt(d / w)
}

// The answer of the exercise: the past at every time, under a window of 200 inputs.
func Example_memoryExercise() {
	//tour:memory-exercise
	const L, window = 1000, 200
	memory, err := hippo.NewMemory(hippo.LegT, 16, hippo.MemoryOptions{Dt: 2. / window})
	check(err)
	var u []float64
	for l := range L {
		u = append(u, signal((float64(l)+0.5)/L))
		check(memory.Push(u[l]))
	}
	ages := make([]float64, window)
	for l := range ages {
		ages[l] = (float64(window-l) - 0.5) * 2 / window
	}
	recalled, err := memory.Reconstruct(ages)
	check(err)
	fmt.Printf("the last %d inputs within %.3f\n", window, distance(recalled, u[L-window:]))
	//tour:end
	// Output:
	// the last 200 inputs within 0.001
}
