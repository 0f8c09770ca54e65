package hippo_test

import (
	"fmt"
	"log"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// A memory of 24 numbers follows a signal of 1000 samples and gives it back.
func ExampleMemory() {
	const L = 1000
	signal := func(t float64) float64 { return math.Sin(12*t) * math.Exp(-t) }

	memory, err := hippo.NewMemory(hippo.LegS, 24, hippo.MemoryOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for l := range L {
		if err := memory.Push(signal((float64(l) + 0.5) / L)); err != nil {
			log.Fatal(err)
		}
	}

	ages := []float64{100, 300, 500, 700, 900} // samples ago
	recalled, err := memory.Reconstruct(ages)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("age  signal  recalled")
	for i, age := range ages {
		fmt.Printf("%.0f  %6.3f  %6.3f\n", age, signal((L-age)/L), recalled[i])
	}
	// Output:
	// age  signal  recalled
	// 100  -0.399  -0.399
	// 300   0.424   0.424
	// 500  -0.169  -0.169
	// 700  -0.328  -0.328
	// 900   0.843   0.843
}

// Project keeps the coefficients after every input. Under LegT with Dt = 2/100
// they describe the last 100 inputs, and Reconstruct reads them at any age.
func ExampleProject() {
	u := make([]float64, 300)
	for l := range u {
		u[l] = math.Cos(2 * math.Pi * (float64(l) + 0.5) / 80)
	}
	x, err := hippo.Project(hippo.LegT, 16, u, hippo.MemoryOptions{Dt: 2. / 100})
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range []int{149, 289} {
		v, err := hippo.Reconstruct(hippo.LegT, x.RawRowView(l), []float64{40 * 2. / 100}, hippo.MeasureOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("after %d inputs, 40 ago: %.2f, recalled %.2f\n", l+1, math.Cos(2*math.Pi*float64(l+1-40)/80), v[0])
	}
	// Output:
	// after 150 inputs, 40 ago: -0.71, recalled -0.71
	// after 290 inputs, 40 ago: 0.71, recalled 0.71
}

func ExampleTransition() {
	a, b, err := hippo.Transition(hippo.LegS, 4, hippo.MeasureOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("A = %.3f\n", mat.Formatted(a, mat.Prefix("    ")))
	fmt.Printf("B = %.3f\n", b)
	// Output:
	// A = ⎡-1.000   0.000   0.000   0.000⎤
	//     ⎢-1.732  -2.000   0.000   0.000⎥
	//     ⎢-2.236  -3.873  -3.000   0.000⎥
	//     ⎣-2.646  -4.583  -5.916  -4.000⎦
	// B = [1.000 1.732 2.236 2.646]
}

// The eigenvalues that an S4 layer of state size 8 starts from.
func ExampleNPLR() {
	d, err := hippo.NPLR(hippo.LegS, 8, 1, hippo.NPLROptions{})
	if err != nil {
		log.Fatal(err)
	}
	for n, l := range d.Lambda {
		fmt.Printf("Lambda %.4f  P %.4f  B %.4f\n", l, d.P[0][n], d.B[n])
	}
	// Output:
	// Lambda (-0.5000-19.8574i)  P (0.0918+3.6444i)  B (0.1298+5.1540i)
	// Lambda (-0.5000-5.3542i)  P (0.1212+1.2982i)  B (0.1714+1.8359i)
	// Lambda (-0.5000-1.9578i)  P (0.2056+0.8050i)  B (0.2907+1.1384i)
	// Lambda (-0.5000-0.4275i)  P (0.4297+0.3674i)  B (0.6076+0.5195i)
}

// One system, twice: as a recurrent network and as a convolution.
func ExampleRecurrence() {
	a, b, err := hippo.Transition(hippo.LegT, 8, hippo.MeasureOptions{})
	if err != nil {
		log.Fatal(err)
	}
	model := hippo.SSM{A: a, B: b, C: []float64{1, 0, -1, 0, 1, 0, -1, 0}}
	r, err := model.Discretize(0.1, ssm.Bilinear, 0)
	if err != nil {
		log.Fatal(err)
	}
	u := []float64{1, 0, -2, 0.5}
	rnn, err := r.Scan(nil, u)
	if err != nil {
		log.Fatal(err)
	}
	k, err := r.Kernel(len(u))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("recurrence   %.6f\n", rnn)
	fmt.Printf("convolution  %.6f\n", hippo.Convolve(k, u))
	// Output:
	// recurrence   [-0.020662 0.054671 0.070936 -0.145643]
	// convolution  [-0.020662 0.054671 0.070936 -0.145643]
}
