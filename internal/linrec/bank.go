package linrec

import (
	"fmt"
	"math/bits"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// Bank is where A and b of the features come from, and their gradients go.
// Methods with a worker number run at the same time for different numbers, on
// different features.
type Bank[T num.Float] interface {
	// Bind takes over the parameters, the first inputs of an op, and where their
	// gradients go: grad is nil in a forward pass. It returns how many inputs
	// those are.
	Bind(in []graphop.Arg[T], grad [][]T) (int, error)
	// Discretize writes e = A - I (N, N) and b (N) of feature h, and with Size.Tuned
	// plus = A + I (N, N), which is nil otherwise. The bank may read e and b until it
	// is called by the same worker again.
	Discretize(worker, h int, e, plus, b []float64) error
	// Carry takes the gradients of A and b of feature h to its parameters, after
	// Discretize by the same worker. It may overwrite them.
	Carry(worker, h int, ga, gb []float64)
	// Store writes the gradients of the parameters, after Carry of all features.
	Store()
}

// Size is the shape of an op on states.
type Size struct {
	B  int // sequences
	CH int // outputs of one feature, of Output only
	H  int // features
	N  int // real numbers in a state
	L  int // steps

	// Complex says that states and C are stored as N/2 complex numbers, real and
	// imaginary parts by turns, one of each conjugate pair. A and b are those of
	// the states (Re x, Im x), and y = 2 Re(C x).
	Complex bool
	// Tuned, if not 0, is the number n of steps for which the input C of Output is
	// C~ = C (I - A^n): see package cauchy.
	Tuned int
}

// features runs the loops over the features of a bank.
type features[T num.Float] struct {
	bank              Bank[T]
	size              Size
	errs              []error // (H)
	forward, backward *par.Loop
}

func newFeatures[T num.Float](bank Bank[T], size Size, forward, backward func(worker, h int) error) features[T] {
	f := features[T]{bank: bank, size: size, errs: make([]error, size.H)}
	f.forward = par.NewLoop(func(worker, h int) { f.errs[h] = forward(worker, h) })
	f.backward = par.NewLoop(func(worker, h int) { f.errs[h] = backward(worker, h) })
	return f
}

// run runs a loop and returns its first error.
func (f *features[T]) run(loop *par.Loop) error {
	loop.Run(f.size.H)
	for h, err := range f.errs {
		if err != nil {
			return fmt.Errorf("feature %d: %w", h, err)
		}
	}
	return nil
}

// row returns row (b, h) of states (B, H, N).
func (s *Size) row(b, h int) int { return (b*s.H + h) * s.N }

// load reads a state from x to dst (N).
func load[T num.Float](dst []float64, x []T, isComplex bool) {
	if !isComplex {
		for i := range dst {
			dst[i] = float64(x[i])
		}
		return
	}
	re, im := halves(dst)
	for i := range re {
		re[i], im[i] = float64(x[2*i]), float64(x[2*i+1])
	}
}

// store writes the state src (N) to x.
func store[T num.Float](x []T, src []float64, isComplex bool) {
	if !isComplex {
		for i, v := range src {
			x[i] = T(v)
		}
		return
	}
	re, im := halves(src)
	for i := range re {
		x[2*i], x[2*i+1] = T(re[i]), T(im[i])
	}
}

// halves returns the real and the imaginary parts of a state.
func halves(x []float64) (re, im []float64) { return x[:len(x)/2], x[len(x)/2:] }

// dual takes a row that is to be multiplied with states, as load reads it, to
// one in real form: 2 Re(c x) = 2 Re c Re x - 2 Im c Im x. It is its own
// adjoint.
func dual(c []float64, isComplex bool) {
	if !isComplex {
		return
	}
	re, im := halves(c)
	for i := range re {
		re[i] *= 2
		im[i] *= -2
	}
}

// bitsOf returns the exponents of the powers of two that add up to n.
func bitsOf(n int) (ks []int) {
	for k := range bits.Len(uint(n)) {
		if n>>k&1 == 1 {
			ks = append(ks, k)
		}
	}
	return ks
}
