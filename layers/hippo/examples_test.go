package hippo_test

import (
	"errors"
	"fmt"
	"log"
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/mat"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// A measure that a user names, and whether its system forgets: the eigenvalues say so,
// and the largest real part sums them up.
func ExampleSpectralAbscissa() {
	m, err := hippo.ParseMeasure("legt")
	check(err)
	a, _, err := hippo.Transition(m, 8, hippo.MeasureOptions{})
	check(err)
	values, uncertainty, err := hippo.Eigenvalues(a)
	check(err)
	slowest, err := hippo.SpectralAbscissa(a)
	check(err)
	fmt.Printf("%s: %d eigenvalues, known to 6 digits: %t\n", m, len(values), uncertainty < 1e-6)
	fmt.Printf("what is forgotten last goes as e^(%.3f t)\n", slowest)

	_, err = hippo.ParseMeasure("legz")
	fmt.Println(err)
	_, _, err = hippo.Transition(m, hippo.MaxN+1, hippo.MeasureOptions{})
	fmt.Println(err)
	// Output:
	// legt: 8 eigenvalues, known to 6 digits: true
	// what is forgotten last goes as e^(-2.343 t)
	// hippo: want measure one of ["legs" "legt" "lmu" "lagt" "tlagt" "glagt" "fout" "legsd" "foud"], got "legz"
	// hippo: measure "legt": want N in [1, 32768], got 32769
}

// The rules of discretisation, each by its own name: how far each is from the exact
// one, which is that of an input held constant over a step.
func ExampleZOH() {
	a, b, err := hippo.Transition(hippo.LegT, 4, hippo.MeasureOptions{})
	check(err)
	const dt = 0.01
	exact, _, err := hippo.ZOH(a, b, dt)
	check(err)
	for _, rule := range []struct {
		name  string
		alpha float64
	}{{"Euler", 0}, {"bilinear", 0.5}, {"backward Euler", 1}} {
		ab, _, err := hippo.GBT(a, b, dt, rule.alpha)
		check(err)
		ab.Sub(ab, exact)
		fmt.Printf("%-15s %.1e\n", rule.name, mat.Max(ab))
	}
	// Output:
	// Euler           7.3e-04
	// bilinear        4.4e-06
	// backward Euler  7.5e-04
}

// The models that an S4D layer may start from, and the kernel of each with all outputs 1.
func ExampleDiagonalKernel() {
	for _, init := range hippo.DiagInits() {
		if init == hippo.InitRandom {
			continue
		}
		a, b, err := hippo.DiagInit(init, 8, hippo.DiagOptions{Copies: 2})
		check(err)
		c := []complex128{1, 1, 1, 1}
		k, err := hippo.DiagonalKernel(a[:4], b[:4], c, 0.1, ssm.ZOH, 0, 3) // the first copy
		check(err)
		fmt.Printf("%-5s %.3f\n", init, k)
	}
	// Output:
	// lin   [0.737 0.487 0.182]
	// inv   [0.687 0.370 0.385]
	// inv2  [0.667 0.251 0.130]
	// quad  [0.689 0.305 0.123]
	// real  [0.709 0.559 0.446]
	// legs  [1.041 0.613 -0.166]
	// diag  [0.687 0.370 0.385]
}

// What S4 computes: C tuned to a length, the generating function at the roots of unity,
// and from that, by a discrete Fourier transform, the kernel.
func ExampleDPLR_GeneratingFunction() {
	const n, steps, dt = 8, 6, 0.1
	models, err := hippo.DPLRInit(hippo.InitLegS, n, 1, hippo.DPLROptions{ClipB: hippo.ReferenceClipB})
	check(err)
	d, c := models[0], []complex128{1, 1i, -1, -1i}
	ct, err := d.TuneC(c, dt, steps)
	check(err)
	kernel := make([]float64, steps)
	for k := range steps {
		w := cmplx.Exp(complex(0, -2*math.Pi*float64(k)/steps))
		at, err := d.GeneratingFunction(ct, dt, w)
		check(err)
		for l := range steps {
			kernel[l] += real(at*cmplx.Pow(w, complex(-float64(l), 0))) / steps
		}
	}
	slow, err := d.Kernel(c, dt, steps) // by powers of the matrix
	check(err)
	untuned, err := d.UntuneC(ct, dt, steps)
	check(err)
	fmt.Printf("fast %.4f\nslow %.4f\n", kernel, slow)
	fmt.Printf("and C again: %t\n", cmplx.Abs(untuned[1]-c[1]) < 1e-9)

	// How an S4 layer may start.
	fmt.Println(hippo.DPLRInits(), hippo.InitLin.Validate(hippo.DPLRInits()...))
	// Output:
	// fast [-0.1524 -0.1542 -0.1956 0.0277 0.1783 0.1681]
	// slow [-0.1524 -0.1542 -0.1956 0.0277 0.1783 0.1681]
	// and C again: true
	// [legs legt lagt fout hippo all random] hippo: want initialisation one of ["legs" "legt" "lagt" "fout" "hippo" "all" "random"], got "lin"
}

// A complex model as a real one of twice as many states, step by step, and its C tuned
// to a length and back.
func ExampleDPLR_Real() {
	d, err := hippo.NPLR(hippo.LegS, 4, 1, hippo.NPLROptions{})
	check(err)
	model, err := d.Real([]complex128{1, 1i})
	check(err)
	r, err := model.Discretize(0.1, ssm.Bilinear, 0)
	check(err)
	x := hippo.RealState([]complex128{0, 0})
	for _, u := range []float64{1, 0, 0} {
		y, err := r.Step(x, u)
		check(err)
		fmt.Printf("%.4f\n", y)
	}
	fmt.Printf("state %.4f\n", hippo.ComplexState(x))
	ct, err := r.TuneC(16)
	check(err)
	c, err := r.UntuneC(ct, 16)
	check(err)
	fmt.Printf("and C again: %t\n", mat.EqualApprox(mat.NewVecDense(4, c), mat.NewVecDense(4, r.C), 1e-9))
	// Output:
	// 0.0194
	// 0.1485
	// 0.1574
	// state [(0.0918-0.0233i) (0.0195+0.0131i)]
	// and C again: true
}

// LSSL trains five vectors in the place of a dense matrix: what they start from, and the
// matrix that they stand for.
func ExampleUntridiagonal() {
	for _, m := range hippo.LSSLMeasures() {
		t, err := hippo.LSSL(m, 6, hippo.MeasureOptions{})
		check(err)
		a, _, err := hippo.Untridiagonal(t)
		check(err)
		want, _, err := hippo.Transition(m, 6, hippo.MeasureOptions{})
		check(err)
		a.Sub(a, want)
		fmt.Println(m, mat.Norm(a, 1) < 1e-9)
	}
	fmt.Println(len(hippo.Measures()), "measures in all")
	// Output:
	// legs true
	// legt true
	// lmu true
	// lagt true
	// tlagt true
	// glagt true
	// 9 measures in all
}

// What S5 starts from: equal blocks, by the eigenvalues of each, and matrices of its
// inputs and outputs in their eigenbasis.
func ExampleNormalBlocks() {
	const n, features = 8, 2
	blocks, err := hippo.NormalBlocks(n, 2, true) // one of each conjugate pair
	check(err)
	b0, c0 := make([]float64, n*features), make([]complex128, features*n)
	for i := range b0 {
		b0[i], c0[i] = math.Sin(float64(i)), complex(math.Cos(float64(i)), 0) // as a layer draws them
	}
	b, err := blocks.Inputs(b0, features)
	check(err)
	c, err := blocks.Outputs(c0, features)
	check(err)
	fmt.Printf("%.3f\n", blocks.Eigenvalues())
	fmt.Println(blocks.J, "blocks;", len(b)/features, "inputs", len(c)/features, "outputs of each feature")
	// Output:
	// [(-0.500-4.603i) (-0.500-0.557i) (-0.500-4.603i) (-0.500-0.557i)]
	// 2 blocks; 4 inputs 4 outputs of each feature
}
