package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/gemm"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/vec"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/vandermonde"
)

// Recurrence returns the layer as a recurrent network for batches of the given
// size: Step maps (batch, DModel) to (batch, DOut) in O(DState) per feature.
// Its state is (batch, DModel, DState/2, 2): re and im of each stored pair.
// A bidirectional layer has none.
func (l *S4D) Recurrence(batch int) (Recurrence, error) {
	if batch < 1 {
		return nil, l.errorf("Recurrence", "want batch >= 1, got %d", batch)
	}
	if l.cfg.Bidirectional {
		return nil, l.errorf("Recurrence", "a bidirectional layer needs the future: want Bidirectional false")
	}
	if l.dt == tensor.Float32 {
		return newS4DRecurrence[float32](l, batch)
	}
	return newS4DRecurrence[float64](l, batch)
}

// s4dRecurrence steps x = dA x + dB u, y = 2 Re(C x) + D u, then activation
// and mixing.
type s4dRecurrence[T num.Float] struct {
	l     *S4D
	batch int

	// Discretised parameters, (H, N/2), and (CH, H, N/2) for C.
	aRe, aIm, bRe, bIm, cRe, cIm []T
	d, w, bias                   []T // nil w: no mixing

	xRe, xIm []T // state (B, H, N/2)
	y, z     []T // (B, CH*H) before mixing, (B, out) after the linear map
	out      *tensor.Dense
	outData  []T
	act      func(dst, x []T)
	ws       gemm.Workspace[T]
}

func newS4DRecurrence[T num.Float](l *S4D, batch int) (*s4dRecurrence[T], error) {
	c := l.cfg
	states := batch * c.DModel * c.DState / 2
	r := &s4dRecurrence[T]{
		l: l, batch: batch,
		xRe: num.Aligned[T](states), xIm: num.Aligned[T](states),
		y:       num.Aligned[T](batch * c.Channels * c.DModel),
		outData: num.Aligned[T](batch * l.DOut()),
		act:     ops.ActivationFunc[T](c.Activation),
	}
	r.out = tensor.New(tensor.WithShape(batch, l.DOut()), tensor.WithBacking(r.outData))
	return r, r.Refresh()
}

// values returns the data of a parameter node.
func values[T num.Float](n *G.Node) ([]T, error) {
	d, ok := weights.Memory[T](n.Value())
	if !ok {
		return nil, fmt.Errorf("parameter %s: want a contiguous row-major tensor of dtype %T, its node holds %T", n.Name(), *new(T), n.Value())
	}
	return d, nil
}

// Refresh implements Recurrence.
func (r *s4dRecurrence[T]) Refresh() error {
	l := r.l
	var p vandermonde.Params[T]
	for _, v := range []struct {
		dst *[]T
		n   *G.Node
	}{{&p.Dt, l.logDt}, {&p.AReal, l.aReal}, {&p.AImag, l.aImag}, {&p.B, l.b}, {&p.C, l.c}, {&r.d, l.d}, {&r.w, l.mixWeight()}, {&r.bias, l.mixBias()}} {
		if v.n == nil {
			continue
		}
		d, err := values[T](v.n)
		if err != nil {
			return l.wrap("Recurrence", err)
		}
		*v.dst = d
	}
	dA, dB, err := vandermonde.Discretise(l.disc, l.size(), p)
	if err != nil {
		return l.wrap("Recurrence", err)
	}
	r.aRe, r.aIm = split[T](dA)
	r.bRe, r.bIm = split[T](dB)
	r.cRe, r.cIm = make([]T, len(p.C)/2), make([]T, len(p.C)/2)
	for i := range r.cRe { // the factor 2 of y = 2 Re(C x) goes into C
		r.cRe[i], r.cIm[i] = 2*p.C[2*i], 2*p.C[2*i+1]
	}
	return nil
}

// size is the shape of the layer's kernels.
func (l *S4D) size() vandermonde.Size {
	c := l.cfg
	return vandermonde.Size{CH: c.Channels, H: c.DModel, S: c.NSSM, N: c.DState / 2, DtPerState: c.UntiedDt}
}

func (l *S4D) mixWeight() *G.Node {
	if l.mix == nil {
		return nil
	}
	return l.mix.w
}

func (l *S4D) mixBias() *G.Node {
	if l.mix == nil {
		return nil
	}
	return l.mix.b
}

// split returns real and imaginary parts.
func split[T num.Float](z []complex128) (re, im []T) {
	re, im = num.Aligned[T](len(z)), num.Aligned[T](len(z))
	for i, v := range z {
		re[i], im[i] = T(real(v)), T(imag(v))
	}
	return re, im
}

// Step implements Recurrence.
func (r *s4dRecurrence[T]) Step(u *tensor.Dense) (*tensor.Dense, error) {
	h := r.l.cfg.DModel
	if s := shapeOf(u); len(s) != 2 || s[0] != r.batch || s[1] != h {
		return nil, r.l.errorf("Step", "want u (%d, %d), got %v", r.batch, h, s)
	}
	d, ok := weights.Memory[T](u)
	if !ok {
		return nil, r.l.errorf("Step", "want u contiguous, row-major, of dtype %v, got dtype %v, strides %v", r.l.dt, u.Dtype(), u.Strides())
	}
	r.ssm(d)
	r.act(r.y, r.y)
	r.mixing()
	return r.out, nil
}

func shapeOf(t *tensor.Dense) tensor.Shape {
	if t == nil {
		return nil
	}
	return t.Shape()
}

// ssm advances the state by u (B, H) and writes y (B, CH, H).
func (r *s4dRecurrence[T]) ssm(u []T) {
	c := r.l.cfg
	h, n, ch := c.DModel, c.DState/2, c.Channels
	for b := range r.batch {
		for i := range h {
			v := u[b*h+i]
			x := (b*h + i) * n
			xRe, xIm := r.xRe[x:x+n], r.xIm[x:x+n]
			r.advance(xRe, xIm, i*n, v)
			for k := range ch {
				r.y[(b*ch+k)*h+i] = r.read(xRe, xIm, (k*h+i)*n) + r.d[k*h+i]*v
			}
		}
	}
}

// advance sets x = dA x + dB v for one feature, whose parameters start at o.
func (r *s4dRecurrence[T]) advance(xRe, xIm []T, o int, v T) {
	n := len(xRe)
	aRe, aIm, bRe, bIm := r.aRe[o:o+n], r.aIm[o:o+n], r.bRe[o:o+n], r.bIm[o:o+n]
	for k := range n {
		re, im := xRe[k], xIm[k]
		xRe[k] = aRe[k]*re - aIm[k]*im + bRe[k]*v
		xIm[k] = aRe[k]*im + aIm[k]*re + bIm[k]*v
	}
}

// read returns 2 Re(C x) for the row of C that starts at o.
func (r *s4dRecurrence[T]) read(xRe, xIm []T, o int) T {
	n := len(xRe)
	return vec.Dot(r.cRe[o:o+n], xRe) - vec.Dot(r.cIm[o:o+n], xIm)
}

// mixing maps y (B, CH*H) to the output (B, DOut).
func (r *s4dRecurrence[T]) mixing() {
	if r.w == nil {
		copy(r.outData, r.y)
		return
	}
	in, out := len(r.y)/r.batch, len(r.bias)
	r.z = num.Grow(r.z, r.batch*out)
	for b := range r.batch {
		copy(r.z[b*out:], r.bias)
	}
	gemm.Gemm(&r.ws, false, true, r.batch, out, in, r.y, in, r.w, in, r.z, out, true)
	if r.l.cfg.Mixing == MixLinear {
		copy(r.outData, r.z)
		return
	}
	half := out / 2
	for b := range r.batch {
		z := r.z[b*out : (b+1)*out]
		vec.GLU(r.outData[b*half:(b+1)*half], z[:half], z[half:])
	}
}

// State implements Recurrence.
func (r *s4dRecurrence[T]) State() *tensor.Dense {
	d := make([]T, 2*len(r.xRe))
	for i := range r.xRe {
		d[2*i], d[2*i+1] = r.xRe[i], r.xIm[i]
	}
	return tensor.New(tensor.WithShape(r.stateShape()...), tensor.WithBacking(d))
}

func (r *s4dRecurrence[T]) stateShape() tensor.Shape {
	return tensor.Shape{r.batch, r.l.cfg.DModel, r.l.cfg.DState / 2, 2}
}

// SetState implements Recurrence.
func (r *s4dRecurrence[T]) SetState(x *tensor.Dense) error {
	if x == nil || !x.Shape().Eq(r.stateShape()) {
		return r.l.errorf("SetState", "want a state %v, got %v", r.stateShape(), shapeOf(x))
	}
	d, ok := weights.Memory[T](x)
	if !ok {
		return r.l.errorf("SetState", "want a contiguous row-major state of dtype %v, got dtype %v, strides %v", r.l.dt, x.Dtype(), x.Strides())
	}
	for i := range r.xRe {
		r.xRe[i], r.xIm[i] = d[2*i], d[2*i+1]
	}
	return nil
}

// Reset implements Recurrence.
func (r *s4dRecurrence[T]) Reset() {
	clear(r.xRe)
	clear(r.xIm)
}
