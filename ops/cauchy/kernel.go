package cauchy

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// plan computes a bank of DPLR kernels and its gradients,
//
//	K[c,h,l] = c Ab^l Bb,  l = 0..L-1
//
// for the discrete model of the package documentation. It owns its scratch
// memory, one set for every worker, and allocates nothing once made, but for
// the first Backward. Its methods may not run at the same time.
//
// All arithmetic is float64 whatever T. Results do not depend on the number of
// workers.
type plan[T num.Float] struct {
	cfg     Config
	size    Size
	workers []kernelWorker[T]
	// saved holds what the last Forward found at every feature and node, (H, R +
	// CH*R, 2, nodes), once there has been a Backward: a plan that never needs
	// gradients does without.
	saved graphop.Room[float64]
	saves bool
	parts []*gradient // (H) gradients by the model of each feature
	errs  []error     // (H) of the call in progress

	// The call in progress, for the two loop bodies, which are made once.
	k, gk             []T
	prm, grad         Params[[]T]
	forward, backward func(worker, h int)
}

// kernelWorker is the scratch memory of one worker.
type kernelWorker[T num.Float] struct {
	gen  *generator
	dft  *dft[T]
	bins []row // (CH, nodes)
	kept []row // (R + CH*R, nodes): of saved, during a call
}

// newPlan returns a plan for kernels of the given size.
func newPlan[T num.Float](cfg Config, size Size) (*plan[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := size.Validate(); err != nil {
		return nil, err
	}
	p := &plan[T]{
		cfg: cfg, size: size,
		workers: make([]kernelWorker[T], min(par.Workers(), size.H)),
		parts:   newGradients(&size),
		errs:    make([]error, size.H),
	}
	for i := range p.workers {
		p.workers[i] = kernelWorker[T]{
			gen: newGenerator(&size, cfg.nodes()), dft: newDFT[T](cfg.nodes()), bins: newBins(&size, cfg.nodes()), kept: make([]row, size.R+size.CH*size.R),
		}
	}
	p.forward, p.backward = p.forwardFeature, p.backwardFeature
	return p, nil
}

// check returns an error if the kernels k, or a parameter, have the wrong length.
func (p *plan[T]) check(name string, k []T, prm *Params[[]T]) error {
	if err := checkParams(prm, p.size, false); err != nil {
		return err
	}
	return num.CheckLen(name, k, p.size.CH*p.size.H*p.cfg.L, false)
}

// Forward writes the kernels (CH, H, L) to k. It returns an error if a length
// is wrong, or if a kernel does not follow from C~: where the input reaches, and C
// sees, a mode that repeats itself in the steps that C~ is tuned to. The error
// names the feature and the pole.
func (p *plan[T]) Forward(k []T, prm Params[[]T]) error {
	if err := p.check("k", k, &prm); err != nil {
		return err
	}
	p.k, p.prm = k, prm
	if p.saves {
		p.saved.Of(p.savedLen() * p.size.H) // before the workers ask for it
	}
	par.For(p.size.H, p.forward)
	p.forget()
	p.k, p.prm = nil, Params[[]T]{}
	return firstError(p.errs)
}

func (p *plan[T]) forwardFeature(worker, h int) {
	w := p.load(worker, h)
	if p.errs[h] = w.gen.f.singular(p.cfg.nodes()); p.errs[h] != nil {
		return
	}
	w.gen.values(w.bins, p.savedOf(w, h))
	if p.k == nil {
		return
	}
	for ch, bins := range w.bins {
		w.dft.inverse(p.row(p.k, ch, h), bins)
	}
}

// load returns the worker, ready for feature h.
func (p *plan[T]) load(worker, h int) *kernelWorker[T] {
	w := &p.workers[worker]
	load(w.gen.f, &p.prm, &p.cfg, &p.size, h)
	w.gen.prepare()
	return w
}

// savedLen is the number of elements that are saved of a feature.
func (p *plan[T]) savedLen() int {
	return 2 * (p.size.R + p.size.CH*p.size.R) * wholeVectors(p.cfg.nodes())
}

// savedOf returns what is saved of feature h, nil if nothing is.
func (p *plan[T]) savedOf(w *kernelWorker[T], h int) []row {
	if !p.saves {
		return nil
	}
	n := p.savedLen()
	cutRows(w.kept, p.saved.Of(n * p.size.H)[h*n:][:n])
	return w.kept
}

// forget lets go of what is saved: it is others' between runs.
func (p *plan[T]) forget() {
	for _, w := range p.workers {
		clear(w.kept)
		clear(w.gen.part)
	}
}

// row returns the kernel of channel ch, feature h in k (CH, H, L).
func (p *plan[T]) row(k []T, ch, h int) []T {
	return k[(ch*p.size.H+h)*p.cfg.L:][:p.cfg.L]
}

// Backward writes to grad the gradients of sum(gk*K) with respect to the raw
// parameters, gk (CH, H, L) being the gradient of the kernels, overwriting
// them. prm must be that of the last Forward, with the same values. Gradients
// of complex parameters are (d/dRe, d/dIm); those of shared ones are summed
// over the features. A nil slice of grad is left out. It returns an error if a
// length is wrong.
func (p *plan[T]) Backward(grad Params[[]T], prm Params[[]T], gk []T) error {
	if err := p.check("gk", gk, &prm); err != nil {
		return err
	}
	if err := checkParams(&grad, p.size, true); err != nil {
		return fmt.Errorf("gradient of %w", err)
	}
	p.grad, p.prm, p.gk = grad, prm, gk
	if !p.saves {
		p.saves = true
		p.saved.Of(p.savedLen() * p.size.H)
		par.For(p.size.H, p.forward)
	}
	par.For(p.size.H, p.backward)
	p.forget()
	store(&p.grad, &p.prm, &p.cfg, &p.size, p.parts)
	p.grad, p.prm, p.gk = Params[[]T]{}, Params[[]T]{}, nil
	return nil
}

// backwardFeature writes the gradient by the model of feature h to parts.
func (p *plan[T]) backwardFeature(worker, h int) {
	w := p.load(worker, h)
	for ch, bins := range w.bins {
		w.dft.adjoint(bins, p.row(p.gk, ch, h))
	}
	w.gen.gradients(p.parts[h], w.bins, p.savedOf(w, h))
}
