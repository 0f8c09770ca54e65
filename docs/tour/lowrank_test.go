package tour_test

import (
	"fmt"
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
)

func Example_lowRank() {
	//tour:lowrank-normal
	const n = 4
	a, _ := legS(n)
	for i := range n {
		for k := range n {
			p := math.Sqrt(float64(i)+0.5) * math.Sqrt(float64(k)+0.5)
			a.Set(i, k, a.At(i, k)+p) // A + P P^T
		}
	}
	fmt.Printf("%5.2f\n", mat.Formatted(a))
	//tour:end
	// Output:
	// ⎡-0.50   0.87   1.12   1.32⎤
	// ⎢-0.87  -0.50   1.94   2.29⎥
	// ⎢-1.12  -1.94  -0.50   2.96⎥
	// ⎣-1.32  -2.29  -2.96  -0.50⎦
}

//tour:lowrank-cauchy

// atRoot returns the generating function of the kernel, C~ (I - w Ab)^-1 Bb, at a root of
// unity w: four sums over the eigenvalues, and no matrix.
func atRoot(d *hippo.DPLR, ct []complex128, dt float64, w complex128) complex128 {
	cauchy := func(a, b []complex128) (sum complex128) {
		for n, lambda := range d.Lambda {
			z := (1 + w) * complex(dt, 0)
			v := complex(dt, 0) * a[n] * b[n]
			sum += v/(2*(1-w)-z*lambda) + cmplx.Conj(v)/(2*(1-w)-z*cmplx.Conj(lambda))
		}
		return sum
	}
	p, q := d.P[0], conj(d.P[0])
	low := (1 + w) * cauchy(ct, p) * cauchy(q, d.B) / (1 + (1+w)*cauchy(q, p))
	return 2 * (cauchy(ct, d.B) - low)
}

//tour:end

func conj(v []complex128) []complex128 {
	c := make([]complex128, len(v))
	for i := range v {
		c[i] = cmplx.Conj(v[i])
	}
	return c
}

// output is a row C for a model of n pairs: the same in every run.
func output(n int) []complex128 {
	c := make([]complex128, n)
	for i := range c {
		c[i] = cmplx.Rect(1/float64(i+1), float64(i))
	}
	return c
}

func Example_lowRankKernel() {
	//tour:lowrank-agree
	const n, dt, L = 64, 0.01, 256
	d, err := hippo.NPLR(hippo.LegS, n, 1, hippo.NPLROptions{})
	check(err)
	c := output(n / 2)
	ct, err := d.TuneC(c, dt, L) // C (I - Ab^L)
	check(err)
	spectrum := make([]complex128, L/2+1)
	for k := range spectrum {
		spectrum[k] = atRoot(d, ct, dt, cmplx.Rect(1, -2*math.Pi*float64(k)/L))
	}
	fast := fourier.NewFFT(L).Sequence(nil, spectrum)
	for l := range fast {
		fast[l] /= L
	}
	slow, err := d.Kernel(c, dt, L) // powers of the dense matrix
	check(err)
	fmt.Printf("fast %8.5f\n", fast[:5])
	fmt.Printf("slow %8.5f\n", slow[:5])
	fmt.Printf("apart by less than 1e-10 of it: %t\n", distance(fast, slow) < 1e-10)
	//tour:end
	fmt.Printf("multiplications: %d by powers, %d by Cauchy sums\n", n*n*L, 4*n*(L/2+1))
	// Output:
	// fast [ 0.04875 -0.03440  0.02661 -0.02024  0.01521]
	// slow [ 0.04875 -0.03440  0.02661 -0.02024  0.01521]
	// apart by less than 1e-10 of it: true
	// multiplications: 1048576 by powers, 33024 by Cauchy sums
}
