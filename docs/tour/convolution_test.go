package tour_test

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"
	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/ops/fftconv"
)

//tour:convolution-fast

// convolveFFT is convolve by transforms of n samples.
func convolveFFT(k, u []float64, n int) []float64 {
	fft := fourier.NewFFT(n)
	pad := func(v []float64) []float64 {
		return append(append(make([]float64, 0, n), v...), make([]float64, n-len(v))...)
	}
	spectrum, kernel := fft.Coefficients(nil, pad(u)), fft.Coefficients(nil, pad(k))
	for i := range spectrum {
		spectrum[i] *= kernel[i] / complex(float64(n), 0)
	}
	return fft.Sequence(nil, spectrum)[:len(u)]
}

//tour:end

// noise returns n numbers in [-1, 1), the same in every run.
func noise(n int) []float64 {
	v := make([]float64, n)
	s := uint32(1)
	for i := range v {
		s = s*1664525 + 1013904223
		v[i] = float64(s)/(1<<31) - 1
	}
	return v
}

// fading is a kernel of n samples.
func fading(n int) []float64 {
	k := make([]float64, n)
	for l := range k {
		k[l] = math.Exp(-4*float64(l)/float64(n)) * math.Cos(float64(l)/3)
	}
	return k
}

func Example_convolution() {
	//tour:convolution-agree
	const L = 1000
	u, k := noise(L), fading(L)
	want := convolve(k, u)
	right, leaks := convolveFFT(k, u, 2*L), convolveFFT(k, u, L)
	fmt.Printf("transforms of 2L samples: off by less than 1e-13: %t\n", distance(right, want) < 1e-13)
	fmt.Printf("transforms of L samples:  off by %.2f\n", distance(leaks, want))
	//tour:end
	// Output:
	// transforms of 2L samples: off by less than 1e-13: true
	// transforms of L samples:  off by 0.41
}

//tour:convolution-rows

// convolveTwo convolves two rows with one kernel by one complex transform: the kernel is
// real, so the rows stay apart as real and imaginary part.
func convolveTwo(k, u, v []float64) (y, z []float64) {
	n := 2 * len(u)
	fft := fourier.NewCmplxFFT(n)
	rows, kernel := make([]complex128, n), make([]complex128, n)
	for l := range u {
		rows[l], kernel[l] = complex(u[l], v[l]), complex(k[l], 0)
	}
	fft.Coefficients(rows, rows)
	fft.Coefficients(kernel, kernel)
	for i := range rows {
		rows[i] *= kernel[i] / complex(float64(n), 0)
	}
	fft.Sequence(rows, rows)
	for l := range u {
		y, z = append(y, real(rows[l])), append(z, imag(rows[l]))
	}
	return y, z
}

//tour:end

func Example_convolutionRows() {
	//tour:convolution-op
	const L = 500
	rows, k := noise(2*L), fading(L)
	y, z := convolveTwo(k, rows[:L], rows[L:])

	g := G.NewGraph() // the op: a batch of two, one feature, one kernel, no skip
	conv, err := fftconv.Conv(
		input(g, "u", rows, 2, 1, L), input(g, "k", k, 1, L), input(g, "d", []float64{0}, 1))
	check(err)
	op := values(g, conv)[0]
	apart := distance(append(y, z...), op)
	fmt.Printf("by hand and by the op: apart by less than 1e-13: %t\n", apart < 1e-13)
	//tour:end
	// Output:
	// by hand and by the op: apart by less than 1e-13: true
}

// What the chapter counts.
func Example_convolutionCost() {
	//tour:convolution-cost
	for _, L := range []int{64, 1024, 16384} {
		direct := L * (L + 1) / 2
		fft := 3 * L * int(math.Log2(float64(2*L))) * 2 // three transforms of 2L real samples
		ratio := float64(direct) / float64(fft)
		fmt.Printf("L = %5d: %9d and %7d multiplications, a ratio of %.1f\n", L, direct, fft, ratio)
	}
	//tour:end
	// Output:
	// L =    64:      2080 and    2688 multiplications, a ratio of 0.8
	// L =  1024:    524800 and   67584 multiplications, a ratio of 7.8
	// L = 16384: 134225920 and 1474560 multiplications, a ratio of 91.0
}

// The answer of the exercise.
func Example_convolutionExercise() {
	const L = 300
	u, k := noise(L), fading(L)
	//tour:convolution-exercise
	back := slices.Clone(u)
	slices.Reverse(back)
	y := convolveFFT(k, back, 2*L)
	slices.Reverse(y)

	var want float64 // y_10, by the definition
	for j := range L - 10 {
		want += k[j] * u[10+j]
	}
	fmt.Printf("apart by less than 1e-12: %t\n", math.Abs(y[10]-want) < 1e-12)
	//tour:end
	// Output:
	// apart by less than 1e-12: true
}
