package vandermonde

import (
	"cmp"
	"fmt"
	"math"
	"math/cmplx"
	"slices"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// DSSVersion names a variant of the DSS kernel, as the published
// implementation does. They differ in how Lambda follows from its raw
// parameters and in the scale s of each state (see [DSSKernel]).
type DSSVersion string

// The DSS versions; (re, im) are the raw parameters of one state, and e^x of
// them is ssm.Exp.
const (
	// DSSSoftmax: Lambda = re + i im, s = 1/Lambda, and the powers of every
	// state are normalised to sum to one over the kernel, which bounds them
	// even where Re Lambda > 0 (paper, Proposition 1b).
	DSSSoftmax DSSVersion = "softmax"
	// DSSExp: Lambda = -e^re + i im, s = (e^(dt Lambda) - 1)/Lambda (paper,
	// Proposition 1a).
	DSSExp DSSVersion = "exp"
	// DSSExpReIm: as DSSExp with Im Lambda = e^im.
	DSSExpReIm DSSVersion = "exp-re-im"
	// DSSExpNoScale: as DSSExp with s = 1.
	DSSExpNoScale DSSVersion = "exp-no-scale"
	// DSSClip: Re Lambda = min(re, DSSMaxReal), Im Lambda = im, s as DSSExp. Here
	// and in DSSClipNoScale dt Re Lambda is at most DSSMaxGrowth.
	DSSClip DSSVersion = "clip"
	// DSSClipNoScale: as DSSClip with s = 1.
	DSSClipNoScale DSSVersion = "clip-no-scale"
)

// DSSVersions lists every version.
func DSSVersions() []DSSVersion {
	return []DSSVersion{DSSSoftmax, DSSExp, DSSExpReIm, DSSExpNoScale, DSSClip, DSSClipNoScale}
}

// Constants of the published implementation.
const (
	// dssEpsilon bounds the reciprocals in s: 1/x is conj(x)/(|x|^2 +
	// dssEpsilon) for softmax and conj(x)/max(|x|^2, dssEpsilon) otherwise.
	dssEpsilon = 1e-7
	// DSSMaxReal is the largest real part of Lambda in the clip versions.
	DSSMaxReal = 1e-4
)

// DSSMaxGrowth is the largest growth of a state in one step, dt Re Lambda, in
// the clip versions. It is not of the published implementation and takes effect
// where dt exceeds 10: without it a step size that runs away would make the
// kernel overflow, which so takes more than 80,000 steps in float32.
const DSSMaxGrowth = 1e-3

// DSSConfig says how the DSS kernel is computed from its parameters. The zero
// value, with L set, is the softmax version of the paper.
type DSSConfig struct {
	// Version: empty means DSSSoftmax.
	Version DSSVersion `json:"version,omitempty"`
	// DetachShift leaves a factor of the gradient out, as the published
	// implementation does: with softmax and Re Lambda > 0 the kernel contains
	// e^(-(L-1) dt Lambda), which that code takes for a constant. The default
	// is the true gradient. Elsewhere it makes no difference.
	DetachShift bool `json:"detach_shift,omitempty"`
	// Rate multiplies dt. 0: 1.
	Rate float64 `json:"rate,omitempty"`
	// L is the length of the kernel.
	L int `json:"l"`
}

// Validate returns an error that names the first field out of range.
func (c DSSConfig) Validate() error {
	if !slices.Contains(DSSVersions(), c.version()) {
		return fmt.Errorf("want Version one of %q, got %q", DSSVersions(), string(c.Version))
	}
	if err := c.dynamics().Validate(); err != nil {
		return err
	}
	return validateLength(c.L)
}

func (c DSSConfig) version() DSSVersion { return cmp.Or(c.Version, DSSSoftmax) }

// lambda returns Lambda and the derivatives of its parts by their raw
// parameters.
func (c DSSConfig) lambda(raw complex128) (lambda complex128, dRe, dIm float64) {
	re, im := real(raw), imag(raw)
	dRe, dIm = 1, 1
	switch c.version() {
	case DSSExp, DSSExpNoScale, DSSExpReIm:
		rate, dRate := ssm.Exp.Eval(re)
		re, dRe = -rate, -dRate
		if c.version() == DSSExpReIm {
			im, dIm = ssm.Exp.Eval(im)
		}
	case DSSClip, DSSClipNoScale:
		if re > DSSMaxReal {
			re, dRe = DSSMaxReal, 0
		}
	}
	return complex(re, im), dRe, dIm
}

// Lambda returns the pole of a state with the raw parameters re + i im.
func (c DSSConfig) Lambda(raw complex128) complex128 {
	lambda, _, _ := c.lambda(raw)
	return lambda
}

// Dt returns the step size of a raw parameter, Rate times ssm.Exp of it.
func (c DSSConfig) Dt(raw float64) float64 {
	dt, _ := c.dynamics().Dt(raw)
	return dt
}

// dynamics says how dt follows: Lambda is a matter of the version.
func (c DSSConfig) dynamics() ssm.Dynamics { return ssm.Dynamics{Rate: c.Rate} }

// DSSSize is the shape of a bank of DSS kernels.
type DSSSize struct {
	CH int // kernels of each feature (channels)
	H  int // features
	N  int // states, shared by all features; they come without conjugates
	// SeparateDt says that dt is (H, 2), one step size for the real and one for
	// the imaginary part of Lambda, rather than (H, 1).
	SeparateDt bool
}

// Validate returns an error that names the first size out of range.
func (s DSSSize) Validate() error {
	if s.H < 1 {
		return fmt.Errorf("want at least 1 feature H, got %d", s.H)
	}
	return ssm.CheckBank(s.CH, s.H, s.H, s.N)
}

func (s DSSSize) dtCols() int { return ssm.DtCols(2, s.SeparateDt) }

// DSSParams are the raw parameters of a bank of DSS kernels, or the gradients
// with respect to them. E is what holds one of them: a slice, row-major, or a
// node of a graph.
type DSSParams[E any] struct {
	LogDt  E // (H, 1), or (H, 2) with DSSSize.SeparateDt: raw step sizes, see DSSConfig.Dt
	Lambda E // (N, 2): raw poles; DSSVersion says how Lambda follows
	W      E // (CH, H, N, 2): weights of the states in the output
}

// checkDSSParams returns an error that names the first parameter of the wrong
// length. Where gradient is true, any may be nil.
func checkDSSParams[T num.Float](p *DSSParams[[]T], s DSSSize, gradient bool) error {
	for _, x := range []struct {
		name string
		v    []T
		want int
	}{
		{"LogDt", p.LogDt, s.H * s.dtCols()},
		{"Lambda", p.Lambda, s.N * 2},
		{"W", p.W, s.CH * s.H * s.N * 2},
	} {
		if err := num.CheckLen(x.name, x.v, x.want, gradient); err != nil {
			return err
		}
	}
	return nil
}

// dssState is one state of one feature.
type dssState struct {
	lambda   complex128
	dRe, dIm float64 // of the parts of lambda by their raw parameters
	// Derivatives of the parts of dt lambda: by those of lambda, which are the
	// step sizes unless the part is bounded, and by the raw step sizes.
	byRe, byIm   float64
	byDt0, byDt1 float64
	growing      bool       // Re lambda > 0 with softmax: l is counted from the end
	unreachable  bool       // growing, so fast that the recurrence leaves it out
	q            complex128 // dt lambda, or -dt lambda where growing
	ab           complex128 // e^q
	scale        complex128 // s
}

// maxReach returns the largest growth of a state over a kernel, as a power of
// e, that numbers of type T hold in a recurrence, with room for the rest of its
// factors.
func maxReach[T num.Float]() float64 {
	if _, single := any(T(0)).(float32); single {
		return 80
	}
	return 700
}

// setDSSStates computes the states of feature h.
func setDSSStates[T num.Float](dst []dssState, p *DSSParams[[]T], c *DSSConfig, s *DSSSize, h int) {
	cols := s.dtCols()
	dtRe, dRe := c.dynamics().Dt(float64(p.LogDt[h*cols]))
	dtIm, dIm := c.dynamics().Dt(float64(p.LogDt[h*cols+cols-1]))
	for n := range dst {
		st := dssState{byRe: dtRe, byIm: dtIm}
		st.lambda, st.dRe, st.dIm = c.lambda(num.Complex(p.Lambda, n))
		st.byDt0, st.byDt1 = dRe*real(st.lambda), dIm*imag(st.lambda)
		st.q = complex(dtRe*real(st.lambda), dtIm*imag(st.lambda))
		if cmplx.IsInf(st.q) {
			st.q = cmplx.NaN() // what is not finite stays visible, although e^-Inf is
		}
		switch growth := real(st.q); {
		case c.version() == DSSSoftmax && growth > 0:
			st.growing, st.q = true, -st.q
			st.unreachable = growth*float64(c.L) > maxReach[T]()
		case growth > DSSMaxGrowth:
			st.q = complex(DSSMaxGrowth, imag(st.q))
			st.byRe, st.byDt0 = 0, 0
		}
		st.ab = cmplx.Exp(st.q)
		st.scale = c.scale(&st)
		dst[n] = st
	}
}

// scale returns s:
//
//	softmax: (e^q - 1) r(x), x = (e^(L q) - 1) lambda, r(x) = conj(x)/(|x|^2 + eps)
//	no-scale: 1
//	others:  (e^q - 1) r(lambda), r(x) = conj(x)/max(|x|^2, eps)
func (c *DSSConfig) scale(st *dssState) complex128 {
	switch c.version() {
	case DSSExpNoScale, DSSClipNoScale:
		return 1
	case DSSSoftmax:
		r, _, _ := dampedReciprocal(expm1(complex(float64(c.L), 0)*st.q) * st.lambda)
		return expm1(st.q) * r
	}
	r, _, _ := boundedReciprocal(st.lambda)
	return expm1(st.q) * r
}

// scaleGrad carries the derivative g by s to q and lambda. Derivatives are as
// in plan.backwardFeature: the loss changes by Re(g ds). Since r depends on
// conj(x) too, Re(g dr) = Re((g r_x + conj(g r_conj)) dx).
func (c *DSSConfig) scaleGrad(st *dssState, g complex128) (gQ, gLambda complex128) {
	e := expm1(st.q)
	switch c.version() {
	case DSSExpNoScale, DSSClipNoScale:
		return 0, 0
	case DSSSoftmax:
		l := complex(float64(c.L), 0)
		den := expm1(l * st.q)
		r, rX, rConj := dampedReciprocal(den * st.lambda)
		gX := g*e*rX + cmplx.Conj(g*e*rConj)
		return g*r*st.ab + gX*st.lambda*l*(den+1), gX * den
	}
	r, rX, rConj := boundedReciprocal(st.lambda)
	return g * r * st.ab, g*e*rX + cmplx.Conj(g*e*rConj)
}

// dampedReciprocal returns r = conj(x)/(|x|^2 + dssEpsilon) and its
// derivatives by x and by conj(x).
func dampedReciprocal(x complex128) (r, rX, rConj complex128) {
	d := real(x)*real(x) + imag(x)*imag(x) + dssEpsilon
	r = cmplx.Conj(x) / complex(d, 0)
	return r, -r * r, complex(dssEpsilon/(d*d), 0)
}

// boundedReciprocal returns r = conj(x)/max(|x|^2, dssEpsilon) and its
// derivatives by x and by conj(x).
func boundedReciprocal(x complex128) (r, rX, rConj complex128) {
	d := real(x)*real(x) + imag(x)*imag(x)
	if d < dssEpsilon {
		return cmplx.Conj(x) / dssEpsilon, 0, 1 / dssEpsilon
	}
	r = cmplx.Conj(x) / complex(d, 0)
	return r, -r * r, 0
}

// expm1 returns e^z - 1 without cancellation near 0.
func expm1(z complex128) complex128 {
	s, c := math.Sincos(imag(z))
	half := math.Sin(imag(z) / 2)
	return complex(math.Expm1(real(z))*c-2*half*half, math.Exp(real(z))*s)
}

// dssPlan computes a bank of DSS kernels, see [DSSKernel], and its gradients. It
// owns its scratch memory, one set for every worker, and allocates nothing once made. Its
// methods may not run at the same time.
//
// Results do not depend on the number of workers.
type dssPlan[T num.Float] struct {
	cfg     DSSConfig
	size    DSSSize
	workers []dssWorker[T]
	part    []float64 // (H, N, 2) gradient of Lambda as used by each feature

	// The call in progress, for the two loop bodies, which are made once.
	k, gk             []T
	prm, grad         DSSParams[[]T]
	forward, backward func(worker, h int)
}

// dssWorker is the scratch memory of one worker. Complex rows are planar.
type dssWorker[T num.Float] struct {
	series      *series[T]
	states      []dssState
	growing     bool      // any state is
	ab, coef    []float64 // (2N)
	s0, s1      []float64 // (2N)
	r0, r1      []float64 // (2N) s0 and s1 of the reversed kernel
	reversed    []T       // (L)
	gScale, gAb []complex128
}

// newDSSPlan returns a plan for kernels of the given size.
func newDSSPlan[T num.Float](cfg DSSConfig, size DSSSize) (*dssPlan[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := size.Validate(); err != nil {
		return nil, err
	}
	p := &dssPlan[T]{
		cfg: cfg, size: size,
		workers: make([]dssWorker[T], min(par.Workers(), size.H)),
		part:    make([]float64, size.H*size.N*2),
	}
	n := size.N
	row := func() []float64 { return make([]float64, 2*n) }
	for i := range p.workers {
		p.workers[i] = dssWorker[T]{
			series: newSeries[T](n, cfg.L),
			states: make([]dssState, n),
			ab:     row(), coef: row(),
			s0: row(), s1: row(), r0: row(), r1: row(),
			reversed: make([]T, cfg.L),
			gScale:   make([]complex128, n), gAb: make([]complex128, n),
		}
	}
	p.forward, p.backward = p.forwardFeature, p.backwardFeature
	return p, nil
}

// setStates computes the states of feature h.
func (w *dssWorker[T]) setStates(p *dssPlan[T], h int) {
	setDSSStates(w.states, &p.prm, &p.cfg, &p.size, h)
	w.growing = false
	for n, st := range w.states {
		w.ab[n], w.ab[len(w.states)+n] = real(st.ab), imag(st.ab)
		w.growing = w.growing || st.growing
	}
}

// check returns an error if the kernels k, or a parameter, have the wrong length.
func (p *dssPlan[T]) check(name string, k []T, prm *DSSParams[[]T]) error {
	if err := checkDSSParams(prm, p.size, false); err != nil {
		return err
	}
	return num.CheckLen(name, k, p.size.CH*p.size.H*p.cfg.L, false)
}

// Forward writes the kernels (CH, H, L) to k. It returns an error if a length
// is wrong.
func (p *dssPlan[T]) Forward(k []T, prm DSSParams[[]T]) error {
	if err := p.check("k", k, &prm); err != nil {
		return err
	}
	p.k, p.prm = k, prm
	par.For(p.size.H, p.forward)
	p.k, p.prm = nil, DSSParams[[]T]{}
	return nil
}

func (p *dssPlan[T]) forwardFeature(worker, h int) {
	w, s, l := &p.workers[worker], &p.size, p.cfg.L
	w.setStates(p, h)
	w.series.prepareSum(w.ab)
	for c := range s.CH {
		row := c*s.H + h
		k := p.k[row*l:][:l]
		w.coefficients(p.prm.W[2*row*s.N:], false)
		w.series.sum(k, w.coef)
		if !w.growing {
			continue
		}
		w.coefficients(p.prm.W[2*row*s.N:], true)
		w.series.sum(w.reversed, w.coef)
		for i := range k {
			k[i] += w.reversed[l-1-i]
		}
	}
}

// coefficients writes W s to coef for the states that are growing, or for
// those that are not, and zero for the others.
func (w *dssWorker[T]) coefficients(weights []T, growing bool) {
	for n, st := range w.states {
		v := complex128(0)
		if st.growing == growing {
			v = num.Complex(weights, n) * st.scale
		}
		w.coef[n], w.coef[len(w.states)+n] = real(v), imag(v)
	}
}

// Backward writes to grad the gradients of sum(gk*K) with respect to the raw
// parameters, gk (CH, H, L) being the gradient of the kernels, overwriting
// them. Gradients of complex parameters are (d/dRe, d/dIm); that of Lambda is
// summed over the features. A nil slice of grad is left out. It returns an
// error if a length is wrong.
func (p *dssPlan[T]) Backward(grad DSSParams[[]T], prm DSSParams[[]T], gk []T) error {
	if err := p.check("gk", gk, &prm); err != nil {
		return err
	}
	if err := checkDSSParams(&grad, p.size, true); err != nil {
		return fmt.Errorf("gradient of %w", err)
	}
	p.grad, p.prm, p.gk = grad, prm, gk
	par.For(p.size.H, p.backward)
	p.reduce()
	p.grad, p.prm, p.gk = DSSParams[[]T]{}, DSSParams[[]T]{}, nil
	return nil
}

// backwardFeature writes the gradients of feature h: those of W and dt to
// their place, that of Lambda to part. Derivatives are as in
// plan.backwardFeature.
func (p *dssPlan[T]) backwardFeature(worker, h int) {
	w, s, l := &p.workers[worker], &p.size, p.cfg.L
	w.setStates(p, h)
	w.series.prepareAdjoint(w.ab)
	clear(w.gScale)
	clear(w.gAb)
	for c := range s.CH {
		row := c*s.H + h
		w.adjoint(p.gk[row*l:][:l])
		for n := range w.states {
			st := &w.states[n]
			s0, s1 := complex(w.s0[n], w.s0[s.N+n]), complex(w.s1[n], w.s1[s.N+n])
			wn := num.Complex(p.prm.W, row*s.N+n)
			w.gScale[n] += wn * s0
			w.gAb[n] += wn * s1 // but for the factor s
			if p.grad.W != nil {
				num.SetGrad(p.grad.W, row*s.N+n, st.scale*s0)
			}
		}
	}
	for n := range w.states {
		st := &w.states[n]
		gQ, gLambda := p.cfg.scaleGrad(st, w.gScale[n])
		gQ += st.scale * w.gAb[n] * st.ab
		if st.growing {
			if p.cfg.DetachShift {
				gQ -= complex(float64(l-1), 0) * st.scale * w.gScale[n]
			}
			gQ = -gQ // q = -dt lambda
		}
		w.gAb[n], w.gScale[n] = gQ, gLambda
	}
	p.carry(h, w.states, w.gAb, w.gScale)
}

// carry takes the derivatives by dt Lambda and, beside that, by Lambda of the
// states of feature h to those by Lambda, in part, and by dt.
func (p *dssPlan[T]) carry(h int, states []dssState, gQ, gLambda []complex128) {
	s := &p.size
	var gRe, gIm float64 // by the two raw step sizes
	for n := range states {
		st := &states[n]
		o := 2 * (h*s.N + n)
		p.part[o] = real(gQ[n])*st.byRe + real(gLambda[n])
		p.part[o+1] = -imag(gQ[n])*st.byIm - imag(gLambda[n])
		gRe += real(gQ[n]) * st.byDt0
		gIm -= imag(gQ[n]) * st.byDt1
	}
	switch d := p.grad.LogDt; {
	case d == nil:
	case s.SeparateDt:
		d[2*h], d[2*h+1] = T(gRe), T(gIm)
	default:
		d[h] = T(gRe + gIm)
	}
}

// adjoint writes the adjoint sums of one kernel gradient to s0 and s1: for
// growing states, those of the reversed gradient.
func (w *dssWorker[T]) adjoint(g []T) {
	w.series.adjoint(w.s0, w.s1, g)
	if !w.growing {
		return
	}
	for i, v := range g {
		w.reversed[len(g)-1-i] = v
	}
	w.series.adjoint(w.r0, w.r1, w.reversed)
	for n, st := range w.states {
		if st.growing {
			for _, i := range [2]int{n, len(w.states) + n} {
				w.s0[i], w.s1[i] = w.r0[i], w.r1[i]
			}
		}
	}
}

// reduce sums part over the features, in order, and carries it to the raw
// parameters.
func (p *dssPlan[T]) reduce() {
	if p.grad.Lambda == nil {
		return
	}
	s := &p.size
	for n := range s.N {
		var gRe, gIm float64
		for h := range s.H {
			gRe += p.part[2*(h*s.N+n)]
			gIm += p.part[2*(h*s.N+n)+1]
		}
		_, dRe, dIm := p.cfg.lambda(num.Complex(p.prm.Lambda, n))
		p.grad.Lambda[2*n], p.grad.Lambda[2*n+1] = T(dRe*gRe), T(dIm*gIm)
	}
}

// DiscretizeDSS returns the recurrence whose impulse response the kernel is, in
// float64 whatever T: for every feature h and state n
//
//	x_l = ab[h,n] x_{l-1} + bb[h,n] u_l,  y_l = Re sum_n W[h,n] x_l
//
// ab and bb are (H, N). DSSSize.CH and DSSParams.W are not used; DSSConfig.L
// is, because the scale of softmax depends on it. It returns an error if the
// configuration or a length is wrong.
//
// With softmax and Re Lambda > 0 it is exact for the first L steps, in which the
// state grows from Bb = s e^(-(L-1) dt Re Lambda) by the factor Ab a step. Beyond
// them it goes on growing. Rounding errors grow as the state does, and
// are not forgotten: after l steps the part that the state has in y is off by l
// times the relative error of Ab and of each step, up to about 2 L machine
// epsilons (5e-4 in float32 for L = 4096, more where states cancel). Where L dt
// Re Lambda exceeds 700, or 80 if T is float32, Bb and the powers of Ab are out of the
// range of T: such a state is left out, ab = bb = 0, and what the kernel has of
// it, s e^(-j dt Re Lambda) at j steps before its end, is missing from the
// output of the last steps.
func DiscretizeDSS[T num.Float](cfg DSSConfig, size DSSSize, prm DSSParams[[]T]) (ab, bb []complex128, err error) {
	size.CH = 1
	for _, e := range []error{cfg.Validate(), size.Validate()} {
		if e != nil {
			return nil, nil, fmt.Errorf("vandermonde: DiscretizeDSS: %w", e)
		}
	}
	prm.W = make([]T, size.H*size.N*2) // not used
	if err := checkDSSParams(&prm, size, false); err != nil {
		return nil, nil, fmt.Errorf("vandermonde: DiscretizeDSS: %w", err)
	}
	ab = make([]complex128, size.H*size.N)
	bb = make([]complex128, size.H*size.N)
	states := make([]dssState, size.N)
	for h := range size.H {
		setDSSStates(states, &prm, &cfg, &size, h)
		for n := range states {
			ab[h*size.N+n], bb[h*size.N+n] = states[n].recurrence(cfg.L)
		}
	}
	return ab, bb, nil
}

// recurrence returns Ab and Bb for a kernel of length l.
func (st *dssState) recurrence(l int) (ab, bb complex128) {
	switch {
	case st.unreachable:
		return 0, 0
	case st.growing:
		return cmplx.Exp(-st.q), st.scale * cmplx.Exp(complex(float64(l-1), 0)*st.q)
	}
	return st.ab, st.scale
}

// recurrenceGrad carries the derivatives by Ab and Bb for a kernel of length l
// to dt Lambda and, beside that, to Lambda.
func (c *DSSConfig) recurrenceGrad(st *dssState, gAb, gBb complex128) (gQ, gLambda complex128) {
	switch {
	case st.unreachable:
		return 0, 0
	case !st.growing:
		gQ, gLambda = c.scaleGrad(st, gBb)
		return gQ + gAb*st.ab, gLambda
	}
	ab, bb := st.recurrence(c.L)
	last := complex(float64(c.L-1), 0)
	gQ, gLambda = c.scaleGrad(st, gBb*cmplx.Exp(last*st.q))
	if !c.DetachShift {
		gQ += last * bb * gBb
	}
	return gAb*ab - gQ, gLambda
}
