package fftconv

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
)

// inputs are the inputs of a convolution, or the gradients with respect to
// them. All are row-major.
type inputs[T num.Float] struct {
	U []T // (B, H, L)
	K []T // (CH, H, LK); in both bidirectional modes (2 CH, H, LK), the causal kernels first
	D []T // (CH, H), or nil for none

	// Lengths (B), or nil for L, are the numbers of samples of the rows that
	// count: the others of u, and of dy, are not read, and those of y, and of the
	// gradient of u, are 0. Gradients have none.
	Lengths []int
}

// plan computes convolutions of one size, and their gradients. It owns its
// scratch memory, one set for every worker, and allocates nothing once it has
// run. Its methods may not run at the same time.
//
// Results do not depend on the number of workers.
type plan[T num.Float] struct {
	geometry geometry
	method   method[T]
	call     call[T] // in progress
}

// call is the arguments of one call of Forward or Backward.
type call[T num.Float] struct {
	in, grad inputs[T]
	y        []T // (B, CH, H, L): output, or its gradient
}

// length returns how many of the l samples of row b count.
func (a *call[T]) length(b, l int) int {
	return graphop.Length(a.in.Lengths, b, l)
}

// method is one way to convolve, and the scratch memory for it.
type method[T num.Float] interface {
	forward(a *call[T])
	backward(a *call[T])
}

// newPlan returns a plan for convolutions of the given size.
func newPlan[T num.Float](cfg config, size sizes) (*plan[T], error) {
	if err := errors.Join(cfg.validate(), size.validate()); err != nil {
		return nil, err
	}
	p := &plan[T]{geometry: newGeometry(cfg, size)}
	if g := p.geometry; g.taps[0]+g.taps[1] <= maxDirectTaps {
		p.method = newDirect[T](g)
	} else {
		p.method = newSpectral[T](g)
	}
	return p, nil
}

// Forward writes the convolution of in to y, (B, CH, H, L), which must not overlap an input.
func (p *plan[T]) Forward(y []T, in inputs[T]) error {
	if err := p.check(y, "y", in); err != nil {
		return err
	}
	if overlap(y, in.U) {
		return errors.New("y: want memory of its own, got an overlap with U")
	}
	p.call = call[T]{in: in, y: y}
	p.method.forward(&p.call)
	p.call = call[T]{} // the arrays are the caller's: keep none alive
	return nil
}

// Backward writes to grad the gradients of sum(dy*y) with respect to the
// inputs; a member of grad that is nil is not computed. dy is (B, CH, H, L). The
// gradients must not overlap each other, an input, or dy.
func (p *plan[T]) Backward(grad, in inputs[T], dy []T) error {
	if err := p.check(dy, "dy", in); err != nil {
		return err
	}
	if err := p.checkInputs(grad, "grad.", true); err != nil {
		return err
	}
	if overlap(grad.U, in.U) || overlap(grad.U, dy) {
		return errors.New("grad.U: want memory of its own, got an overlap with U or dy")
	}
	p.call = call[T]{in: in, grad: grad, y: dy}
	p.method.backward(&p.call)
	p.call = call[T]{}
	return nil
}

// check returns an error that names the first array of the wrong length.
func (p *plan[T]) check(y []T, name string, in inputs[T]) error {
	g := &p.geometry
	if want := g.B * g.CH * g.H * g.L; len(y) != want {
		return fmt.Errorf("%s: want B CH H L = %d elements, got %d", name, want, len(y))
	}
	if err := p.checkInputs(in, "", false); err != nil {
		return err
	}
	if in.Lengths != nil && len(in.Lengths) != g.B {
		return fmt.Errorf("want Lengths of B = %d elements, got %d", g.B, len(in.Lengths))
	}
	return graphop.ValidLengths(in.Lengths, g.L)
}

// checkInputs is check for inputs or, where any may be nil, gradients.
func (p *plan[T]) checkInputs(in inputs[T], prefix string, gradient bool) error {
	g := &p.geometry
	for _, x := range []struct {
		name, form string
		v          []T
		want       int
		optional   bool
	}{
		{"U", "B H L", in.U, g.B * g.H * g.L, gradient},
		{"K", [...]string{1: "CH H LK", 2: "2 CH H LK"}[g.directions], in.K, g.directions * g.CH * g.H * g.LK, gradient},
		{"D", "CH H", in.D, g.CH * g.H, true},
	} {
		if len(x.v) != x.want && (x.v != nil || !x.optional) {
			return fmt.Errorf("%s%s: want %s = %d elements, got %d", prefix, x.name, x.form, x.want, len(x.v))
		}
	}
	return nil
}

// overlap reports whether a and b share memory.
func overlap[T num.Float](a, b []T) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	size := unsafe.Sizeof(a[0])
	startA, startB := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return startA < startB+uintptr(len(b))*size && startB < startA+uintptr(len(a))*size
}
