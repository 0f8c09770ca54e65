package ndconv

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// longAxis is the length from which an axis goes by transforms (BenchmarkAxis).
const longAxis = 112

// inputs are the inputs of a convolution, or the gradients with respect to them. A
// gradient that is not wanted is nil.
type inputs[T num.Float] struct {
	U       []T          // (B, H, L)
	K       [MaxAxes][]T // of each axis (n, H, Lk)
	D       []T          // (CH, H), or nil for none
	Lengths []int        // (B), or nil for L: the samples of a row, in the order of memory, that count
}

// plan computes convolutions of one size, and their gradients. It allocates nothing once it
// has run. Its methods may not run at the same time.
type plan[T num.Float] struct {
	geometry
	tasks   int // pieces of the batch of a feature
	workers graphop.Common[[]*worker[T]]
	parts   graphop.Scratch[float64] // (pieces) gradients of the kernels and of d, of the layout of sums

	// The call in progress.
	in, grad            inputs[T]
	y                   []T // the output, or its gradient
	w                   []*worker[T]
	sums                []float64
	forwards, backwards *par.Loop
}

// worker is the memory of a worker.
type worker[T num.Float] struct {
	ws   gemm.Workspace[T]
	axes []axis[T]
	x    [][]T  // (L) what goes into each axis; the last is u
	g    [2][]T // (L) gradients on their way
	read []T    // (L) the samples of a row that count
}

// methodOf makes the memory of an axis, by the method for its length.
func methodOf[T num.Float](a line, ws *gemm.Workspace[T]) axis[T] {
	if a.n < longAxis {
		return newToeplitz[T](a, ws)
	}
	return newSpectral[T](a)
}

func newPlan[T num.Float](g geometry) *plan[T] { return newPlanBy(g, methodOf[T]) }

// newPlanBy is newPlan with other methods.
func newPlanBy[T num.Float](g geometry, method func(a line, ws *gemm.Workspace[T]) axis[T]) *plan[T] {
	p := &plan[T]{geometry: g, tasks: g.pieces()}
	key := fmt.Sprint(g.L, g.axes)
	p.workers = graphop.NewCommon(key, func() *[]*worker[T] {
		w := make([]*worker[T], par.Workers())
		for i := range w {
			w[i] = newWorker(&g, method)
		}
		return &w
	})
	p.forwards, p.backwards = par.NewLoop(p.forwardTask), par.NewLoop(p.backwardTask)
	return p
}

func newWorker[T num.Float](g *geometry, method func(a line, ws *gemm.Workspace[T]) axis[T]) *worker[T] {
	w := &worker[T]{read: num.Aligned[T](g.L), g: [2][]T{num.Aligned[T](g.L), num.Aligned[T](g.L)}}
	for i, a := range g.axes {
		w.axes = append(w.axes, method(a, &w.ws))
		x := []T(nil) // u itself
		if i+1 < len(g.axes) {
			x = num.Aligned[T](g.L)
		}
		w.x = append(w.x, x)
	}
	return w
}

// Rooms implements graphop.Roomy.
func (p *plan[T]) Rooms() []graphop.Holder { return []graphop.Holder{&p.workers, &p.parts} }

// task returns the feature of a task and the rows of the batch that are its own.
func (p *plan[T]) task(i int) (h, lo, hi int) {
	h, i = i/p.tasks, i%p.tasks
	return h, i * p.B / p.tasks, (i + 1) * p.B / p.tasks
}

// Forward writes the convolution of in to y, (B, CH, H, L).
func (p *plan[T]) Forward(y []T, in inputs[T]) error {
	if err := graphop.ValidLengths(in.Lengths, p.L); err != nil {
		return err
	}
	p.in, p.y, p.w = in, y, *p.workers.Get()
	p.forwards.Run(p.H * p.tasks)
	p.end()
	return nil
}

// end lets go of the arrays of a call, which are the caller's.
func (p *plan[T]) end() {
	for _, w := range p.w {
		w.x[len(w.x)-1] = nil
	}
	p.in, p.grad, p.y, p.w, p.sums = inputs[T]{}, inputs[T]{}, nil, nil, nil
}

func (p *plan[T]) forwardTask(worker, i int) {
	w := p.w[worker]
	h, lo, hi := p.task(i)
	for c := range p.CH {
		for r := range p.R {
			p.load(w, r, c, h)
			for b := lo; b < hi; b++ {
				w.forward(p.counting(w, uRow(&p.geometry, p.in.U, b, h), b))
				w.axes[0].apply(yRow(&p.geometry, p.y, b, c, h), w.x[0], r > 0)
			}
		}
		for b := lo; b < hi; b++ {
			p.finish(yRow(&p.geometry, p.y, b, c, h), uRow(&p.geometry, p.in.U, b, h), c, h, b)
		}
	}
}

// load gives the axes the kernels of a term. That of the last one has the mean over the
// terms.
func (p *plan[T]) load(w *worker[T], r, c, h int) {
	for a := range p.axes {
		scale := T(1)
		if a == len(p.axes)-1 {
			scale = 1 / T(p.R)
		}
		w.axes[a].load(kernel(&p.geometry, &p.axes[a], p.in.K[a], r, c, h), scale)
	}
}

// counting returns x, a row of what is like u or y, with zeros for the samples that do not
// count.
func (p *plan[T]) counting(w *worker[T], x []T, b int) []T {
	n := graphop.Length(p.in.Lengths, b, p.L)
	if n == p.L {
		return x
	}
	clear(w.read[copy(w.read, x[:n]):])
	return w.read
}

// forward leaves in x what goes into each axis, from the last, which reads u, to the first.
func (w *worker[T]) forward(u []T) {
	last := len(w.axes) - 1
	w.x[last] = u
	for a := last; a > 0; a-- {
		w.axes[a].apply(w.x[a-1], w.x[a], false)
	}
}

// finish adds the skip from x to y, both rows of the output or of the gradient of u, and
// makes zero what does not count.
func (p *plan[T]) finish(y, x []T, c, h, b int) {
	n := graphop.Length(p.in.Lengths, b, p.L)
	if p.skip {
		vec.Axpy(y[:n], p.in.D[c*p.H+h], x[:n])
	}
	clear(y[n:])
}

// Backward writes to grad the gradients of sum(dy*y) with respect to the inputs.
func (p *plan[T]) Backward(grad, in inputs[T], dy []T) error {
	if err := graphop.ValidLengths(in.Lengths, p.L); err != nil {
		return err
	}
	p.in, p.grad, p.y, p.w = in, grad, dy, *p.workers.Get()
	p.sums = p.parts.Of(p.tasks * p.sumsLen())
	p.backwards.Run(p.H * p.tasks)
	p.addUp()
	p.end()
	return nil
}

// sumsLen is the number of gradients of the kernels and of d together.
func (p *plan[T]) sumsLen() int {
	n := p.CH * p.H
	for a := range p.axes {
		n += p.kernels(&p.axes[a]) * p.axes[a].lk
	}
	return n
}

// ofAxis returns the part of the sums, of one piece, that belongs to the kernels of an axis.
// Those of d are behind all.
func (p *plan[T]) ofAxis(sums []float64, axis int) []float64 {
	for a := range axis {
		sums = sums[p.kernels(&p.axes[a])*p.axes[a].lk:]
	}
	if axis == len(p.axes) {
		return sums[:p.CH*p.H]
	}
	return sums[:p.kernels(&p.axes[axis])*p.axes[axis].lk]
}

// toK reports whether the gradients of the kernels are wanted.
func (p *plan[T]) toK() bool {
	for _, k := range p.grad.K {
		if k != nil {
			return true
		}
	}
	return false
}

func (p *plan[T]) backwardTask(worker, i int) {
	w := p.w[worker]
	h, lo, hi := p.task(i)
	piece := i % p.tasks
	sums := p.sums[piece*p.sumsLen():][:p.sumsLen()]
	for c := range p.CH {
		for r := range p.R {
			p.load(w, r, c, h)
			for _, a := range w.axes {
				a.begin()
			}
			for b := lo; b < hi; b++ {
				p.backwardRow(w, r, c, h, b)
			}
			p.gradients(w, sums, r, c, h)
		}
		p.skips(sums, c, h, lo, hi)
	}
}

// backwardRow adds what a row contributes to the gradients of a term, but for the skip.
func (p *plan[T]) backwardRow(w *worker[T], r, c, h, b int) {
	toK := p.toK()
	if toK {
		w.forward(p.counting(w, uRow(&p.geometry, p.in.U, b, h), b))
	}
	g := yRow(&p.geometry, p.y, b, c, h)
	if n := graphop.Length(p.in.Lengths, b, p.L); n < p.L {
		clear(w.g[1][copy(w.g[1], g[:n]):])
		g = w.g[1]
	}
	last := len(w.axes) - 1
	for a := range w.axes {
		var x, dx []T
		if toK {
			x = w.x[a]
		}
		if a < last {
			dx = w.g[a%2]
			w.axes[a].back(dx, g, x, false)
			g = dx
			continue
		}
		if p.grad.U != nil {
			dx = uRow(&p.geometry, p.grad.U, b, h)
		}
		w.axes[a].back(dx, g, x, c > 0 || r > 0)
	}
}

// gradients writes the sums of the axes to their place.
func (p *plan[T]) gradients(w *worker[T], sums []float64, r, c, h int) {
	if !p.toK() {
		return
	}
	for a := range p.axes {
		scale := 1.0
		if a == len(p.axes)-1 {
			scale = 1 / float64(p.R)
		}
		w.axes[a].gradient(kernel(&p.geometry, &p.axes[a], p.ofAxis(sums, a), r, c, h), scale)
	}
}

// skips adds the part of the skip of a channel to the gradients of u and of d.
func (p *plan[T]) skips(sums []float64, c, h, lo, hi int) {
	var s float64
	for b := lo; b < hi; b++ {
		n := graphop.Length(p.in.Lengths, b, p.L)
		g := yRow(&p.geometry, p.y, b, c, h)
		if p.grad.D != nil {
			s += float64(vec.Dot(g[:n], uRow(&p.geometry, p.in.U, b, h)[:n]))
		}
		if p.grad.U != nil {
			p.finish(uRow(&p.geometry, p.grad.U, b, h), g, c, h, b)
		}
	}
	p.ofAxis(sums, len(p.axes))[c*p.H+h] = s
}

// addUp writes the sums of all pieces to the gradients.
func (p *plan[T]) addUp() {
	for a := range len(p.axes) + 1 {
		var to []T
		if a < len(p.axes) {
			to = p.grad.K[a]
		} else {
			to = p.grad.D
		}
		for i := range to {
			var s float64
			for piece := range p.tasks {
				s += p.ofAxis(p.sums[piece*p.sumsLen():], a)[i]
			}
			to[i] = T(s)
		}
	}
}
