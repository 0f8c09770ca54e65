package cauchy

import (
	"math/cmplx"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// stateOutput is what initial states x0 add to the output,
//
//	y[b,c,h,l] = 2 Re(C Ab^(l+1) x0),  l = 0..L-1
//
// behind graphop: inputs dt, aReal, aImag, p, c (CH, H, N, 2) and x0 (B, H, N,
// 2), output (B, CH*H, L). It is the kernel of a model whose B is the one that
// takes x0 to Ab x0 with the input 1, that is
//
//	Bb = Ab x0,  B = (I + dt/2 M) x0 / dt
//
// Spectra are not kept from the forward pass for the backward one: that would
// take as much memory as the output.
type stateOutput[T num.Float] struct {
	cfg     Config
	size    Size
	batch   int
	workers []stateWorker[T]
	parts   []*gradient // (H) the models' gradients, summed over the batch

	// The call in progress.
	prm               Params[T]
	out, x0, gout, gx []T
	forward, backward func(worker, h int)
}

// stateWorker is the scratch memory of one worker.
type stateWorker[T num.Float] struct {
	gen   *generator
	dft   *dft[T]
	bins  []row        // (CH, nodes)
	saved []row        // (R + CH*R, nodes)
	grad  *gradient    // of one element of the batch
	x, gx []complex128 // (N) initial state, its gradient
	phi   []float64    // (R) p_r^H x
}

func newStateOutput[T num.Float](cfg Config, size Size, batch int) *stateOutput[T] {
	k := &stateOutput[T]{
		cfg: cfg, size: size, batch: batch,
		workers: make([]stateWorker[T], min(par.Workers(), size.H)), parts: newGradients(&size),
	}
	for i := range k.workers {
		k.workers[i] = stateWorker[T]{
			gen: newGenerator(&size, cfg.nodes()), dft: newDFT[T](cfg.nodes()), bins: newBins(&size, cfg.nodes()),
			saved: newSaved(&size, cfg.nodes()), grad: newGradient(&size),
			x: make([]complex128, size.N), gx: make([]complex128, size.N), phi: make([]float64, size.R),
		}
	}
	k.forward, k.backward = k.forwardFeature, k.backwardFeature
	return k
}

func (k *stateOutput[T]) bind(in []graphop.Arg[T]) {
	k.prm = Params[T]{Dt: in[0].F, AReal: in[1].F, AImag: in[2].F, P: in[3].F, C: in[4].F}
	k.x0 = in[5].F
}

// Forward implements graphop.Core.
func (k *stateOutput[T]) Forward(out []T, in []graphop.Arg[T]) error {
	k.bind(in)
	k.out = out
	par.For(k.size.H, k.forward)
	return nil
}

// row returns row (b, ch, h) of an array (B, CH*H, L).
func (k *stateOutput[T]) row(y []T, b, ch, h int) []T {
	return y[((b*k.size.CH+ch)*k.size.H+h)*k.cfg.L:][:k.cfg.L]
}

func (k *stateOutput[T]) forwardFeature(worker, h int) {
	w := &k.workers[worker]
	load(w.gen.f, &k.prm, &k.cfg, &k.size, h)
	for b := range k.batch {
		w.start(k.x0, b*k.size.H+h)
		w.gen.values(w.bins, nil)
		for ch, bins := range w.bins {
			w.dft.inverse(k.row(k.out, b, ch, h), bins)
		}
	}
}

// start sets B of the model loaded for row (b, h) of x0.
func (w *stateWorker[T]) start(x0 []T, row int) {
	f := w.gen.f
	for n := range w.x {
		w.x[n] = at(x0, row*len(w.x)+n)
		f.b[n] = w.x[n] * (complex(1/f.dt, 0) + f.a[n]/2)
	}
	for r, p := range f.p {
		w.phi[r] = 0
		for n, x := range w.x {
			w.phi[r] += 2 * real(cmplx.Conj(p[n])*x)
		}
		for n := range f.b {
			f.b[n] -= complex(w.phi[r]/2, 0) * p[n]
		}
	}
	w.gen.prepare()
}

// Backward implements graphop.Core.
func (k *stateOutput[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	k.bind(in)
	k.gout, k.gx = gout, grad[5]
	par.For(k.size.H, k.backward)
	g := Params[T]{Dt: grad[0], AReal: grad[1], AImag: grad[2], P: grad[3], C: grad[4]}
	store(&g, &k.prm, &k.cfg, &k.size, k.parts)
	return nil
}

func (k *stateOutput[T]) backwardFeature(worker, h int) {
	w := &k.workers[worker]
	load(w.gen.f, &k.prm, &k.cfg, &k.size, h)
	k.parts[h].clear()
	for b := range k.batch {
		row := b*k.size.H + h
		w.start(k.x0, row)
		w.gen.values(w.bins, w.saved)
		for ch, bins := range w.bins {
			w.dft.adjoint(bins, k.row(k.gout, b, ch, h))
		}
		w.gen.gradients(w.grad, w.bins, w.saved)
		w.startGrad()
		k.parts[h].add(w.grad)
		if k.gx == nil {
			continue
		}
		for n, g := range w.gx {
			put(k.gx, row*k.size.N+n, g)
		}
	}
}

// startGrad carries the gradient by B to the model and to x0, in gx.
func (w *stateWorker[T]) startGrad() {
	f, g := w.gen.f, w.grad
	for n, gb := range g.b {
		w.gx[n] = gb * (complex(1/f.dt, 0) + f.a[n]/2)
		g.a[n] += gb * w.x[n] / 2
		g.dt -= real(gb*w.x[n]) / (f.dt * f.dt)
	}
	for r, p := range f.p {
		var gPhi float64
		for n, gb := range g.b {
			gPhi -= real(gb*p[n]) / 2
			g.p[r][n] -= gb * complex(w.phi[r]/2, 0)
		}
		for n := range p { // phi = 2 Re(conj(P) x)
			w.gx[n] += complex(2*gPhi, 0) * cmplx.Conj(p[n])
			g.p[r][n] += complex(2*gPhi, 0) * cmplx.Conj(w.x[n])
		}
	}
}
