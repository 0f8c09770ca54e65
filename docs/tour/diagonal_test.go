package tour_test

import (
	"fmt"
	"math/cmplx"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

//tour:diagonal-kernel

// vandermonde returns the kernel of a diagonal model, one state of each conjugate pair
// stored: K_l = 2 Re sum_n C_n Bb_n Ab_n^l, by zero-order hold.
func vandermonde(a, b, c []complex128, dt float64, L int) []float64 {
	k := make([]float64, L)
	for n := range a {
		ab, bb := zoh(a[n], b[n], dt)
		v := 2 * c[n] * bb
		for l := range k {
			k[l] += real(v)
			v *= ab
		}
	}
	return k
}

//tour:end

func Example_diagonal() {
	//tour:diagonal-agree
	const N, dt, L = 64, 0.01, 256
	a, b, err := hippo.DiagInit(hippo.InitLin, N, hippo.DiagOptions{})
	check(err)
	c := output(N / 2)
	fast := vandermonde(a, b, c, dt, L)

	dense, err := (&hippo.DPLR{Lambda: a, B: b}).Real(c) // the same model as a real matrix
	check(err)
	r, err := dense.Discretize(dt, ssm.ZOH, 0)
	check(err)
	slow, err := r.Kernel(L)
	check(err)
	fmt.Printf("diagonal %7.4f\n", fast[:5])
	fmt.Printf("dense    %7.4f\n", slow[:5])
	fmt.Printf("apart by less than 1e-12 of it: %t\n", distance(fast, slow) < 1e-12)
	fmt.Printf("multiplications: %d and %d\n", N/2*L, N*N*L)
	//tour:end
	// Output:
	// diagonal [ 0.0183  0.0181  0.0184  0.0192  0.0199]
	// dense    [ 0.0183  0.0181  0.0184  0.0192  0.0199]
	// apart by less than 1e-12 of it: true
	// multiplications: 8192 and 1048576
}

// Without its low-rank part LegS keeps its kernels, as N grows.
func Example_diagonalLegS() {
	//tour:diagonal-legs
	const dt, L, rows = 0.01, 400, 4
	for _, n := range []int{16, 64, 256} {
		var off float64
		for row := range rows {
			c := make([]float64, n)
			c[row] = 1
			var k [2][]float64
			for i, m := range []hippo.Measure{hippo.LegS, hippo.LegSD} { // whole, and its normal part
				a, b, err := hippo.Transition(m, n, hippo.MeasureOptions{})
				check(err)
				ab, bb, err := hippo.Discretize(a, b, dt, ssm.Bilinear, 0)
				check(err)
				k[i] = kernel(ab, bb, c, L)
			}
			off = max(off, distance(k[1], k[0]))
		}
		fmt.Printf("N = %3d: the first %d kernels are off by at most %.2f\n", n, rows, off)
	}
	//tour:end
	// Output:
	// N =  16: the first 4 kernels are off by at most 1.80
	// N =  64: the first 4 kernels are off by at most 0.83
	// N = 256: the first 4 kernels are off by at most 0.19
}

//tour:diagonal-dss

// dss returns the kernel of DSS, all N states stored: each is a softmax over the length.
func dss(lambda, w []complex128, dt float64, L int) []float64 {
	k := make([]float64, L)
	for n := range lambda {
		z := lambda[n] * complex(dt, 0)
		var sum complex128
		for l := range k {
			sum += cmplx.Exp(z * complex(float64(l), 0))
		}
		for l := range k {
			k[l] += real(w[n] / lambda[n] * cmplx.Exp(z*complex(float64(l), 0)) / sum)
		}
	}
	return k
}

//tour:end

// The answer of the exercise.
func Example_diagonalExercise() {
	//tour:diagonal-exercise
	const dt, L = 0.05, 100
	lambda := []complex128{-0.5 + 1i, -0.5 + 4i, -0.5 + 9i}
	w, ones, c := output(3), []complex128{1, 1, 1}, make([]complex128, 3)
	for n := range c {
		c[n] = w[n] / (cmplx.Exp(lambda[n]*dt*L) - 1) / 2 // vandermonde adds the conjugates
	}
	off := distance(vandermonde(lambda, ones, c, dt, L), dss(lambda, w, dt, L))
	fmt.Printf("apart by less than 1e-12 of it: %t\n", off < 1e-12)
	//tour:end
	// Output:
	// apart by less than 1e-12 of it: true
}
