package tour_test

import (
	"fmt"
	"math"
	"math/cmplx"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

//tour:discretisation-slow

// bySmallSteps follows x' = a x + b u through one step of width dt, in which u is
// constant, by so many steps of Euler's rule.
func bySmallSteps(x, a, b complex128, u, dt float64, steps int) complex128 {
	small := complex(dt/float64(steps), 0)
	for range steps {
		x += small * (a*x + b*complex(u, 0))
	}
	return x
}

//tour:end

//tour:discretisation-fast

// zoh returns the factors of x_l = ab x_l-1 + bb u_l that do the same at once.
func zoh(a, b complex128, dt float64) (ab, bb complex128) {
	ab = cmplx.Exp(a * complex(dt, 0))
	return ab, (ab - 1) / a * b
}

// bilinear returns those of the bilinear transform: no exponential.
func bilinear(a, b complex128, dt float64) (ab, bb complex128) {
	z := a * complex(dt, 0)
	return (1 + z/2) / (1 - z/2), complex(dt, 0) * b / (1 - z/2)
}

//tour:end

func Example_discretisation() {
	//tour:discretisation-agree
	const a, b = -0.5 + 2*math.Pi*1i, 1 // one turn in a unit of time, which fades
	const x, u, dt = 1, 1, 0.1
	ab, bb := zoh(a, b, dt)
	want := ab*x + bb*u
	for _, steps := range []int{1, 10, 100, 1000, 10000} {
		got := bySmallSteps(x, a, b, u, dt, steps)
		fmt.Printf("%d small steps: off by %.0e\n", steps, cmplx.Abs(got-want))
	}
	ab, bb = bilinear(a, b, dt)
	fmt.Printf("1 bilinear: off by %.0e\n", cmplx.Abs(ab*x+bb*u-want))
	//tour:end
	// Output:
	// 1 small steps: off by 2e-01
	// 10 small steps: off by 2e-02
	// 100 small steps: off by 2e-03
	// 1000 small steps: off by 2e-04
	// 10000 small steps: off by 2e-05
	// 1 bilinear: off by 2e-02
}

func Example_discretisationOrder() {
	//tour:discretisation-order
	const pole = -0.5 + 2*math.Pi*1i
	truth := cmplx.Exp(pole)
	fmt.Println("dt       euler  backward  bilinear       zoh")
	for _, dt := range []float64{0.25, 0.05, 0.01, 0.002} {
		fmt.Printf("%-5g", dt)
		for _, rule := range []ssm.Disc{ssm.Euler, ssm.BackwardEuler, ssm.Bilinear, ssm.ZOH} {
			ab, _, err := hippo.DiscretizeDiagonal([]complex128{pole}, []complex128{1}, dt, rule, 0)
			check(err)
			off := cmplx.Abs(cmplx.Pow(ab[0], complex(1/dt, 0)) - truth)
			if off < 1e-9 {
				off = 0 // rounding
			}
			fmt.Printf("  %8.1g", off)
		}
		fmt.Println()
	}
	//tour:end
	// Output:
	// dt       euler  backward  bilinear       zoh
	// 0.25      1e+01       0.7       0.6         0
	// 0.05          1       0.4      0.03         0
	// 0.01        0.1       0.1     0.001         0
	// 0.002      0.02      0.02     5e-05         0
}

// The answer of the exercise.
func Example_discretisationExercise() {
	//tour:discretisation-exercise
	const dt = 0.1
	for _, turns := range []float64{0.5, 1, 2} {
		a := complex(-0.5, 2*math.Pi*turns)
		euler := 1 + a*dt
		ab, _ := bilinear(a, 1, dt)
		fmt.Printf("%g turns: Euler |Ab| = %.2f, bilinear |Ab| = %.2f\n",
			turns, cmplx.Abs(euler), cmplx.Abs(ab))
	}
	//tour:end
	// Output:
	// 0.5 turns: Euler |Ab| = 1.00, bilinear |Ab| = 0.95
	// 1 turns: Euler |Ab| = 1.14, bilinear |Ab| = 0.96
	// 2 turns: Euler |Ab| = 1.58, bilinear |Ab| = 0.96
}
