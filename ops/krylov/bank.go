package krylov

import (
	"errors"
	"fmt"
	"math"

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

	// The call in progress, for the loop bodies, which are made once.
	k, gk                             []T
	prm, grad                         values[T]
	modelLoop, forwardLoop, pieceLoop func(worker, i int)
}

// kind describes a form of models.
type kind struct {
	minN  int                // the least N
	parts func(n int) []part // of theta
	form  func(n int) form
}

// part is one parameter of a form: some of theta's numbers.
type part struct {
	name  string
	width int
}

// values are the parameters of a bank, or the gradients with respect to them.
type values[T num.Float] struct {
	dt    []T   // (H)
	parts [][]T // (S, width) each
	c     []T   // (CH, H, N)
}

// worker is the scratch memory of one worker.
type worker struct {
	*series
	*discretiser
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
	b := &bank[T]{cfg: cfg, size: size, parts: kind.parts(size.N)}
	for _, p := range b.parts {
		b.count += p.width
	}
	for range min(par.Workers(), size.H) {
		b.workers = append(b.workers, worker{
			newSeries(size.N, size.CH, cfg.L, cfg.Frozen),
			newDiscretiser(kind.form(size.N), cfg, size.N),
		})
	}
	sharers := size.H / size.S
	b.grain = (sharers + maxPieces - 1) / maxPieces
	b.pieces = (sharers + b.grain - 1) / b.grain
	models := func() []float64 { return make([]float64, size.S*b.count) }
	features := func() []float64 { return make([]float64, size.H) }
	b.raw, b.rawDt, b.dt, b.dDt = models(), features(), features(), features()
	for h := range b.rawDt {
		b.rawDt[h] = math.NaN() // differs from every value
	}
	b.theta = b.raw
	if cfg.Stable {
		b.theta, b.slope = models(), models()
	}
	b.fresh, b.valid, b.errs = make([]bool, size.S), make([]bool, size.H), make([]error, size.H)
	if cfg.Frozen {
		for range size.H {
			b.kept = append(b.kept, b.workers[0].newFactors())
		}
	} else {
		b.part = make([]float64, size.S*b.pieces*b.count)
	}
	b.modelLoop, b.forwardLoop, b.pieceLoop = b.stabilise, b.forwardFeature, b.backwardPiece
	return b, nil
}

// check returns an error that names the first array of the wrong length. Where
// gradient is true, any may be nil.
func (b *bank[T]) check(v *values[T], gradient bool) error {
	if err := checkLength("Dt", v.dt, b.size.H, gradient); err != nil {
		return err
	}
	for i, p := range b.parts {
		if err := checkLength(p.name, v.parts[i], b.size.S*p.width, gradient); err != nil {
			return err
		}
	}
	return checkLength("C", v.c, b.size.CH*b.size.H*b.size.N, gradient)
}

func checkLength[T num.Float](name string, v []T, want int, optional bool) error {
	if len(v) != want && (v != nil || !optional) {
		return fmt.Errorf("%s: want %d elements, got %d", name, want, len(v))
	}
	return nil
}

// checkFrozen returns an error if a gradient of a frozen parameter is asked for.
func (b *bank[T]) checkFrozen(grad *values[T]) error {
	frozen := grad.dt
	for _, v := range grad.parts {
		if v != nil {
			frozen = v
		}
	}
	if b.cfg.Frozen && frozen != nil {
		return errors.New("want no gradient but that of C with Config.Frozen")
	}
	return nil
}

// load takes over the parameters but C. What follows from values that have not
// changed stays valid.
func (b *bank[T]) load(v *values[T]) error {
	for h, x := range v.dt {
		if raw := float64(x); raw != b.rawDt[h] {
			b.rawDt[h], b.valid[h] = raw, false
			dt, deriv := b.cfg.DtTransform.Eval(raw)
			b.dt[h], b.dDt[h] = dt*b.cfg.rate(), deriv*b.cfg.rate()
		}
	}
	for s := range b.size.S {
		if b.loadModel(b.raw[s*b.count:][:b.count], v.parts, s) {
			b.fresh[s] = false
			for h := s; h < b.size.H; h += b.size.S {
				b.valid[h] = false
			}
		}
	}
	if b.cfg.Stable {
		par.For(b.size.S, b.modelLoop)
		return b.failure("state matrix")
	}
	return nil
}

// loadModel copies model s to theta and reports whether it has changed.
func (b *bank[T]) loadModel(theta []float64, parts [][]T, s int) (changed bool) {
	for i, p := range b.parts {
		for k, x := range parts[i][s*p.width:][:p.width] {
			if v := float64(x); v != theta[k] {
				theta[k], changed = v, true
			}
		}
		theta = theta[p.width:]
	}
	return changed
}

// stabilise makes theta of model s from raw.
func (b *bank[T]) stabilise(worker, s int) {
	if b.fresh[s] {
		return
	}
	o := s * b.count
	copy(b.theta[o:][:b.count], b.raw[o:])
	b.errs[s] = b.workers[worker].form.stabilise(b.theta[o:][:b.count], b.slope[o:][:b.count])
	b.fresh[s] = b.errs[s] == nil
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

// forward writes the kernels (CH, H, L) to k.
func (b *bank[T]) forward(k []T, prm values[T]) error {
	if err := b.check(&prm, false); err != nil {
		return err
	}
	if err := checkLength("k", k, b.size.CH*b.size.H*b.cfg.L, false); err != nil {
		return err
	}
	if err := b.load(&prm); err != nil {
		return err
	}
	b.k, b.prm = k, prm
	par.For(b.size.H, b.forwardLoop)
	b.k, b.prm = nil, values[T]{}
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

// backward writes to grad the gradients of sum(gk*K), gk (CH, H, L).
func (b *bank[T]) backward(grad, prm values[T], gk []T) error {
	if err := b.check(&prm, false); err != nil {
		return err
	}
	if err := b.check(&grad, true); err != nil {
		return fmt.Errorf("gradient of %w", err)
	}
	if err := b.checkFrozen(&grad); err != nil {
		return err
	}
	if err := checkLength("gk", gk, b.size.CH*b.size.H*b.cfg.L, false); err != nil {
		return err
	}
	if err := b.load(&prm); err != nil {
		return err
	}
	b.grad, b.prm, b.gk = grad, prm, gk
	par.For(b.size.S*b.pieces, b.pieceLoop)
	b.grad, b.prm, b.gk = values[T]{}, values[T]{}, nil
	if err := b.failure("feature"); err != nil {
		return err
	}
	if !b.cfg.Frozen {
		b.storeGrads(grad.parts)
	}
	return nil
}

// backwardPiece adds up the features of one piece.
func (b *bank[T]) backwardPiece(worker, p int) {
	w := &b.workers[worker]
	var sum []float64
	if !b.cfg.Frozen {
		sum = b.part[p*b.count:][:b.count]
		clear(sum)
	}
	s, first := p/b.pieces, p%b.pieces*b.grain
	for i := first; i < min(first+b.grain, b.size.H/b.size.S); i++ {
		h := s + i*b.size.S
		b.errs[h] = b.backwardFeature(w, h, sum)
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

// storeGrads writes the gradients of the parts of theta, each (S, its width),
// where they are not nil.
func (b *bank[T]) storeGrads(parts [][]T) {
	for s := range b.size.S {
		g := b.gradModel(s)
		for i, p := range b.parts {
			if parts[i] != nil {
				round(parts[i][s*p.width:][:p.width], g)
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

// discretise returns Ab (H, N, N) and Bb (H, N) of all features. Of cfg and
// size it does not need the length and the channels, nor C of prm.
func discretise[T num.Float](cfg Config, size Size, kind kind, prm values[T]) (ab, bb []float64, err error) {
	cfg.L, cfg.Frozen, size.CH = 1, false, 1
	b, err := newBank[T](cfg, size, kind)
	if err != nil {
		return nil, nil, err
	}
	prm.c = make([]T, size.H*size.N)
	if err := b.check(&prm, false); err != nil {
		return nil, nil, err
	}
	if err := b.load(&prm); err != nil {
		return nil, nil, err
	}
	n := b.size.N
	ab, bb = make([]float64, b.size.H*n*n), make([]float64, b.size.H*n)
	for h := range b.size.H {
		if err := b.workers[0].step(ab[h*n*n:][:n*n], bb[h*n:][:n], b.model(b.theta, h), b.dt[h]); err != nil {
			return nil, nil, fmt.Errorf("feature %d: %w", h, err)
		}
	}
	return ab, bb, nil
}
