package krylov

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// bank computes the kernels of all features and their gradients, for models of
// one form. Its arithmetic is in float64; T is the type of what goes in and
// out. It owns its scratch memory, one set for every worker.
//
// The gradient of a model is a sum over the features that share it. They are
// cut into pieces of a fixed size, each with its own sum, and the sums are
// added in order.
type bank[T num.Float] struct {
	cfg     Config
	size    Size
	parts   []part
	count   int // length of theta: the sum of their widths
	workers []worker

	// The parameters of the latest call, and what follows from them.
	raw   []float64 // (S, count) theta as given
	theta []float64 // (S, count) as used: differs from raw with Stable
	slope []float64 // (S, count) see form.stabilise
	rawDt []float64 // (H)
	dt    []float64 // (H)
	dDt   []float64 // (H) d dt / d raw
	fresh []bool    // (S) theta follows from raw
	kept  []factors // (H) with Frozen
	valid []bool    // (H) kept follows from theta and dt

	grain, pieces int       // features in a piece, pieces of a model
	part          []float64 // (S, pieces, count) sums of gradients of theta
	errs          []error   // (H) of the call in progress

	// The call in progress: prm and grad are set before it. The loop bodies are
	// made once.
	prm, grad                         values[T]
	k, gk                             []T
	modelLoop, forwardLoop, pieceLoop func(worker, i int)
}

// worker is the scratch memory of one worker.
type worker struct {
	*series
	*discretizer
}

// maxPieces bounds the number of pieces of one model, and with it the memory
// for partial sums.
const maxPieces = 32

// newBank returns a bank of the given kind of models, or an error if the
// configuration or the size is out of range.
func newBank[T num.Float](cfg Config, size Size, kind kind) (*bank[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("Config: %w", err)
	}
	if err := size.validate(kind.minN); err != nil {
		return nil, fmt.Errorf("Size: %w", err)
	}
	b := &bank[T]{cfg: cfg, size: size, parts: kind.parts(size.N), errs: make([]error, size.H)}
	for range min(par.Workers(), size.H) {
		b.workers = append(b.workers, worker{
			newSeries(size.N, size.CH, cfg.L, cfg.Frozen),
			newDiscretizer(kind.form(size.N), cfg, size.N),
		})
	}
	b.makeParameters()
	b.cut((size.H/size.S + maxPieces - 1) / maxPieces)
	b.modelLoop, b.forwardLoop, b.pieceLoop = b.stabilise, b.forwardFeature, b.backwardPiece
	return b, nil
}

// cut cuts the features of each model into pieces of a size.
func (b *bank[T]) cut(grain int) {
	b.grain, b.pieces = grain, (b.size.H/b.size.S+grain-1)/grain
	if !b.cfg.Frozen {
		b.part = make([]float64, b.size.S*b.pieces*b.count)
	}
}

// failure returns the first error of the latest loop, with its number, and
// forgets all.
func (b *bank[T]) failure(what string) (err error) {
	for i, e := range b.errs {
		if e != nil && err == nil {
			err = fmt.Errorf("%s %d: %w", what, i, e)
		}
		b.errs[i] = nil
	}
	return err
}

// forward writes the kernels (CH, H, L) of prm to k.
func (b *bank[T]) forward(k []T) error {
	if err := b.check(&b.prm, false); err != nil {
		return err
	}
	if err := num.CheckLen("k", k, b.size.CH*b.size.H*b.cfg.L, false); err != nil {
		return err
	}
	if err := b.load(); err != nil {
		return err
	}
	b.k = k
	par.For(b.size.H, b.forwardLoop)
	b.k = nil
	return b.failure("feature")
}

func (b *bank[T]) forwardFeature(worker, h int) {
	w := &b.workers[worker]
	f, err := b.factors(w, h)
	if err != nil {
		b.errs[h] = err
		return
	}
	b.loadC(w, h)
	w.sum(f)
	for c := range b.size.CH {
		k := b.k[(c*b.size.H+h)*b.cfg.L:][:b.cfg.L]
		for j := range w.j {
			round(k[j*w.t:], w.k[(j*b.size.CH+c)*w.t:][:w.t])
		}
	}
}

// factors returns the factors of feature h.
func (b *bank[T]) factors(w *worker, h int) (*factors, error) {
	if b.valid[h] {
		return &b.kept[h], nil
	}
	if err := w.step(w.power[0], w.own.q[:b.size.N], b.model(b.theta, h), b.dt[h]); err != nil {
		return nil, err
	}
	w.factorise()
	if !b.cfg.Frozen {
		return &w.own, nil
	}
	f := &b.kept[h]
	copy(f.q, w.own.q)
	copy(f.step, w.own.step)
	b.valid[h] = true
	return f, nil
}

// model returns the row of feature h of an array of all models.
func (b *bank[T]) model(v []float64, h int) []float64 {
	return v[ssm.Row(h, b.size.S)*b.count:][:b.count]
}

// loadC copies the rows of C of feature h.
func (b *bank[T]) loadC(w *worker, h int) {
	n := b.size.N
	for c := range b.size.CH {
		for i, v := range b.prm.c[(c*b.size.H+h)*n:][:n] {
			w.c[c*n+i] = float64(v)
		}
	}
}

// backward writes to grad the gradients of sum(gk*K) at prm, gk (CH, H, L).
func (b *bank[T]) backward(gk []T) error {
	if err := b.check(&b.prm, false); err != nil {
		return err
	}
	if err := b.check(&b.grad, true); err != nil {
		return fmt.Errorf("gradient of %w", err)
	}
	if err := b.checkFrozen(); err != nil {
		return err
	}
	if err := num.CheckLen("gk", gk, b.size.CH*b.size.H*b.cfg.L, false); err != nil {
		return err
	}
	if err := b.load(); err != nil {
		return err
	}
	b.gk = gk
	par.For(b.size.S*b.pieces, b.pieceLoop)
	b.gk = nil
	if err := b.failure("feature"); err != nil {
		return err
	}
	if !b.cfg.Frozen {
		b.storeGrads()
	}
	return nil
}

// backwardPiece adds up the features of one piece, one after the other.
func (b *bank[T]) backwardPiece(worker, p int) {
	var sum []float64 // gradient of theta, nil with Frozen
	if !b.cfg.Frozen {
		sum = b.part[p*b.count:][:b.count]
		clear(sum)
	}
	s, first := p/b.pieces, p%b.pieces*b.grain
	for i := first; i < min(first+b.grain, b.size.H/b.size.S); i++ {
		h := s + i*b.size.S
		b.errs[h] = b.backwardFeature(&b.workers[worker], h, sum)
	}
}

func (b *bank[T]) backwardFeature(w *worker, h int, sum []float64) error {
	f, err := b.factors(w, h)
	if err != nil {
		return err
	}
	n := b.size.N
	for c := range b.size.CH {
		g := b.gk[(c*b.size.H+h)*b.cfg.L:][:b.cfg.L]
		for j := range w.j {
			to := w.k[(j*b.size.CH+c)*w.t:][:w.t]
			clear(to[widen(to, g[j*w.t:]):])
		}
	}
	gc := w.gradC(f)
	if b.grad.c != nil {
		for c := range b.size.CH {
			round(b.grad.c[(c*b.size.H+h)*n:][:n], gc[c*n:])
		}
	}
	if b.cfg.Frozen {
		return nil
	}
	b.loadC(w, h)
	gab, gbb := w.gradFactors()
	gDt := w.stepGrad(sum, b.model(b.theta, h), gab, gbb)
	if b.grad.dt != nil {
		b.grad.dt[h] = T(gDt * b.dDt[h])
	}
	return nil
}

// gradModel returns the gradient of the raw theta of model s: the sum of its
// parts.
func (b *bank[T]) gradModel(s int) []float64 {
	sum := b.part[s*b.pieces*b.count:][:b.count]
	for p := 1; p < b.pieces; p++ {
		vec.Add(sum, sum, b.part[(s*b.pieces+p)*b.count:][:b.count])
	}
	if b.cfg.Stable {
		o := s * b.count
		b.workers[0].form.stabiliseGrad(sum, b.raw[o:][:b.count], b.slope[o:][:b.count])
	}
	return sum
}

// storeGrads writes the gradients of theta to grad.
func (b *bank[T]) storeGrads() {
	for s := range b.size.S {
		g := b.gradModel(s)
		for i, p := range b.parts {
			if to := b.grad.parts[i]; to != nil {
				round(to[s*p.width:][:p.width], g)
			}
			g = g[p.width:]
		}
	}
}

// round rounds src to dst, as far as both go.
func round[T num.Float](dst []T, src []float64) {
	for i := range min(len(dst), len(src)) {
		dst[i] = T(src[i])
	}
}

// widen copies src to dst, as far as both go, and returns how far that is.
func widen[T num.Float](dst []float64, src []T) int {
	n := min(len(dst), len(src))
	for i, v := range src[:n] {
		dst[i] = float64(v)
	}
	return n
}

// discretize returns Ab (H, N, N) and Bb (H, N) of all features of prm, whose C
// it does not need.
func (b *bank[T]) discretize() (ab, bb []float64, err error) {
	n := b.size.N
	if err := b.loadModels(); err != nil {
		return nil, nil, err
	}
	ab, bb = make([]float64, b.size.H*n*n), make([]float64, b.size.H*n)
	for h := range b.size.H {
		if err := b.workers[0].step(ab[h*n*n:][:n*n], bb[h*n:][:n], b.model(b.theta, h), b.dt[h]); err != nil {
			return nil, nil, fmt.Errorf("feature %d: %w", h, err)
		}
	}
	return ab, bb, nil
}

// loadModels checks and loads all parameters but C.
func (b *bank[T]) loadModels() error {
	b.prm.c = make([]T, b.size.CH*b.size.H*b.size.N)
	if err := b.check(&b.prm, false); err != nil {
		return err
	}
	return b.load()
}

// continuous returns the models (S, N, N) and (S, N) that discretize takes.
func (b *bank[T]) continuous() (a, in []float64, err error) {
	n := b.size.N
	if err := b.loadModels(); err != nil {
		return nil, nil, err
	}
	a, in = make([]float64, b.size.S*n*n), make([]float64, b.size.S*n)
	f := b.workers[0].form
	for s := range b.size.S {
		theta := b.model(b.theta, s)
		if err := f.yosida(a[s*n*n:][:n*n], theta, 0); err != nil {
			return nil, nil, fmt.Errorf("state matrix %d: %w", s, err)
		}
		f.input(in[s*n:][:n], theta)
	}
	return a, in, nil
}
