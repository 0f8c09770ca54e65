package tour_test

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

//tour:views-recurrence

// recurrence is the model as a recurrent network: x_l = A x_l-1 + B u_l, y_l = C x_l.
func recurrence(a *mat.Dense, b, c, u []float64) []float64 {
	x, y := mat.NewVecDense(len(b), nil), make([]float64, len(u))
	for l := range u {
		var ax mat.VecDense
		ax.MulVec(a, x)
		x.AddScaledVec(&ax, u[l], mat.NewVecDense(len(b), b))
		y[l] = floats.Dot(c, x.RawVector().Data)
	}
	return y
}

//tour:end

//tour:views-kernel

// kernel returns K_l = C A^l B, l < n: what the model answers to a single 1.
func kernel(a *mat.Dense, b, c []float64, n int) []float64 {
	x, k := mat.VecDenseCopyOf(mat.NewVecDense(len(b), b)), make([]float64, n)
	for l := range k {
		k[l] = floats.Dot(c, x.RawVector().Data)
		var ax mat.VecDense
		ax.MulVec(a, x)
		x = &ax
	}
	return k
}

// convolve is the model as a convolution: y_l = sum_j K_j u_l-j.
func convolve(k, u []float64) []float64 {
	y := make([]float64, len(u))
	for l := range y {
		for j := 0; j <= l; j++ {
			y[l] += k[j] * u[l-j]
		}
	}
	return y
}

//tour:end

//tour:views-system

// system is the model of the chapter: a LegT memory of 8 coefficients, whose window is 40
// steps wide, and an output that reads it half a window ago.
func system() (a *mat.Dense, b, c []float64) {
	const n, window = 8, 40
	at, bt, err := hippo.Transition(hippo.LegT, n, hippo.MeasureOptions{})
	check(err)
	a, b, err = hippo.Discretize(at, bt, 2./window, ssm.ZOH, 0)
	check(err)
	c, err = hippo.Basis(hippo.LegT, n, 1, hippo.MeasureOptions{})
	check(err)
	return a, b, c
}

//tour:end

func Example_views() {
	//tour:views-agree
	a, b, c := system()
	u := make([]float64, 200)
	for l := range u {
		u[l] = math.Sin(float64(l) / 9)
	}
	y := recurrence(a, b, c, u)
	k := kernel(a, b, c, len(u))
	fmt.Printf("recurrence  %6.3f\n", y[195:])
	fmt.Printf("convolution %6.3f\n", convolve(k, u)[195:])
	ago := make([]float64, 5)
	for i := range ago { // 20 steps ago, counted from the end of a step to the middle of one
		ago[i] = math.Sin((float64(195+i) - 19.5) / 9)
	}
	fmt.Printf("u then      %6.3f\n", ago)
	fmt.Printf("apart by less than 1e-13 of it: %t\n", distance(convolve(k, u), y) < 1e-13)
	//tour:end
	// Output:
	// recurrence  [ 0.605  0.689  0.765  0.832  0.888]
	// convolution [ 0.605  0.689  0.765  0.832  0.888]
	// u then      [ 0.606  0.690  0.766  0.833  0.889]
	// apart by less than 1e-13 of it: true
}

// The answer of the exercise.
func Example_viewsExercise() {
	a, b, c := system()
	u := make([]float64, 200)
	for l := range u {
		u[l] = math.Sin(float64(l) / 9)
	}
	//tour:views-exercise
	model := hippo.Recurrence{A: a, B: b, C: c}
	x := make([]float64, len(b)) // the state, which Scan leaves where it ends
	_, err := model.Scan(x, u[:100])
	check(err)
	rest := convolve(kernel(a, b, c, 100), u[100:])
	fromState := kernel(a, mulVec(a, x), c, 100) // C A^(l+1) x
	floats.Add(rest, fromState)
	whole := recurrence(a, b, c, u)[100:]
	fmt.Printf("apart by less than 1e-13 of it: %t\n", distance(rest, whole) < 1e-13)
	//tour:end
	// Output:
	// apart by less than 1e-13 of it: true
}

// mulVec returns a x.
func mulVec(a *mat.Dense, x []float64) []float64 {
	var y mat.VecDense
	y.MulVec(a, mat.NewVecDense(len(x), x))
	return y.RawVector().Data
}
