package tour_test

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

//tour:naive-vectors

// eigenvectors returns those of LegS, in columns: the eigenvalue of column j is -(j+1).
func eigenvectors(n int) *mat.Dense {
	v := mat.NewDense(n, n, nil)
	for j := range n {
		binomial := 1.0 // of i+j over i-j, with a sign
		for i := j; i < n; i++ {
			v.Set(i, j, math.Sqrt(float64(2*i+1))*binomial)
			binomial *= -float64(i+j+1) / float64(i-j+1)
		}
	}
	return v
}

//tour:end

//tour:naive-diagonal

// byEigenvalues returns the kernel as sums of powers of eigenvalues: O(N) for each element.
func byEigenvalues(b, c []float64, dt float64, L int) []float64 {
	n := len(b)
	v := eigenvectors(n)
	var cv, vb mat.VecDense
	cv.MulVec(v.T(), mat.NewVecDense(n, c))
	vb.SolveVec(v, mat.NewVecDense(n, b)) // an error: V is close to singular
	k := make([]float64, L)
	for j := range n {
		lambda := -float64(j + 1)
		ab := math.Exp(lambda * dt)
		w := cv.AtVec(j) * vb.AtVec(j) * (ab - 1) / lambda
		for l := range k {
			k[l] += w * math.Pow(ab, float64(l))
		}
	}
	return k
}

//tour:end

// alternating is an output row: what the memory LegS holds of its beginning.
func alternating(n int) []float64 {
	c := make([]float64, n)
	for i := range c {
		c[i] = math.Sqrt(float64(2*i+1)) * math.Pow(-1, float64(i))
	}
	return c
}

func Example_naive() {
	//tour:naive-agree
	const dt, L = 0.01, 100
	for _, n := range []int{4, 8, 16, 32} {
		a, b := legS(n)
		ab, bb, err := hippo.Discretize(a, b, dt, ssm.ZOH, 0)
		check(err)
		c := alternating(n)
		off := distance(byEigenvalues(b, c, dt, L), kernel(ab, bb, c, L))
		fmt.Printf("N = %2d: V up to %.0e, the kernel is off by %s\n", n, largest(eigenvectors(n)), between(off))
	}
	//tour:end
	// Output:
	// N =  4: V up to 2e+01, the kernel is off by 1e-15 to 1e-12
	// N =  8: V up to 8e+02, the kernel is off by 1e-12 to 1e-09
	// N = 16: V up to 2e+06, the kernel is off by 1e-06 to 1e-03
	// N = 32: V up to 9e+12, the kernel is off by more than all of it
}

// between says how large an error is, as far as it does not depend on the machine: it is
// made of rounding.
func between(off float64) string {
	if off > 1 {
		return "more than all of it"
	}
	hi := 1.0
	for off < hi/1e3 {
		hi /= 1e3
	}
	return fmt.Sprintf("%.0e to %.0e", hi/1e3, hi)
}

// largest returns the largest magnitude in a matrix.
func largest(a *mat.Dense) float64 { return max(mat.Max(a), -mat.Min(a)) }

// What the chapter counts.
func Example_naiveCost() {
	//tour:naive-cost
	const H, N, L = 256, 64, 16384
	fmt.Printf("powers of A: %.1e multiplications\n", float64(H*N*N*L))
	fmt.Printf("all of K at once: %.1f GB for the states alone, in float32\n", float64(H*N*L)*4/1e9)
	fmt.Printf("O(N + L) for each feature: %.1e times a small factor\n", float64(H*(N+L)))
	//tour:end
	// Output:
	// powers of A: 1.7e+10 multiplications
	// all of K at once: 1.1 GB for the states alone, in float32
	// O(N + L) for each feature: 4.2e+06 times a small factor
}

// The answer of the exercise: V has the eigenvectors.
func Example_naiveExercise() {
	//tour:naive-exercise
	const n = 8
	a, _ := legS(n)
	v := eigenvectors(n)
	var av, vl mat.Dense
	av.Mul(a, v)
	vl.Apply(func(_, j int, x float64) float64 { return -float64(j+1) * x }, v)
	av.Sub(&av, &vl)
	fmt.Printf("A V - V Lambda is below 1e-12 of V: %t\n", largest(&av) < 1e-12*largest(v))
	//tour:end
	// Output:
	// A V - V Lambda is below 1e-12 of V: true
}
