package tour_test

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
)

//tour:limits-gap

// recallFirst returns how well a linear read-out of a state tells the first of two numbers
// that came at times of their own: the share of its variance that is explained, on as many
// sequences as numbers of the read-out were fit on.
func recallFirst(state func(u []float64) []float64, free bool) float64 {
	const sequences, L = 200, 40
	draws := noise(4 * 2 * sequences)
	var x [2][]float64
	var want [2][]float64
	for s := range 2 * sequences {
		d := draws[4*s:]
		first, second := 5, 25
		if free { // anywhere, and anywhere behind it
			first = int(19 * (d[2] + 1))
			second = first + 1 + int(float64(L-1-first)/2*(d[3]+1))
		}
		u := make([]float64, L)
		u[first], u[second] = d[0], d[1]
		half := s / sequences
		x[half] = append(x[half], state(u)...)
		want[half] = append(want[half], d[0])
	}
	told := mulVec(mat.NewDense(sequences, len(x[1])/sequences, x[1]), leastSquares(x[0], want[0]))
	return 1 - math.Pow(distance(told, want[1]), 2)
}

//tour:end

// leastSquares returns the read-out of rows of states x that is nearest to what is wanted.
func leastSquares(x, want []float64) []float64 {
	n := len(x) / len(want)
	seen := mat.NewDense(len(want), n, x)
	var square mat.Dense
	var cross, fit mat.VecDense
	square.Mul(seen.T(), seen)
	for i := range n {
		square.Set(i, i, square.At(i, i)+1e-6) // a little ridge
	}
	cross.MulVec(seen.T(), mat.NewVecDense(len(want), want))
	check(fit.SolveVec(&square, &cross))
	return fit.RawVector().Data
}

func Example_limits() {
	//tour:limits-run
	memory := func(u []float64) []float64 { // all of the past, in 16 coefficients
		m, err := hippo.NewMemory(hippo.LegS, 16, hippo.MemoryOptions{})
		check(err)
		for _, v := range u {
			check(m.Push(v))
		}
		return m.Coefficients()
	}
	selected := func(u []float64) []float64 { // two slots; each number that comes moves the last one on
		x := make([]float64, 2)
		for _, v := range u {
			if v != 0 {
				x[1], x[0] = x[0], v
			}
		}
		return x
	}
	fmt.Printf("fixed times:   linear memory %.2f, selective %.2f\n",
		recallFirst(memory, false), recallFirst(selected, false))
	fmt.Printf("times at will: linear memory %.2f, selective %.2f\n",
		recallFirst(memory, true), recallFirst(selected, true))
	//tour:end
	// Output:
	// fixed times:   linear memory 1.00, selective 1.00
	// times at will: linear memory 0.53, selective 1.00
}
