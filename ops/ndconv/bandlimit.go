package ndconv

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/graphop"
	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/ssmop"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Band says which states of a model are below a band limit.
type Band struct {
	// Limit (alpha) is the share of the frequencies below half the sampling rate that is
	// kept: a state is if dt |Im A| / 2 pi < Limit / 2.
	Limit float64
	// DtTransform turns the raw step size into dt. Empty: ssm.Exp.
	DtTransform ssm.Transform
}

func (b Band) validate() error {
	if !(b.Limit > 0 && b.Limit < math.Inf(1)) {
		return fmt.Errorf("want a Limit above 0, got %g", b.Limit)
	}
	return b.DtTransform.Validate()
}

// BandLimit adds the output matrix c to its graph, with zeros for the states that are not
// below a band limit, and returns it, of the shape of c. The kernel of such a state
// oscillates so fast that samples do not tell it from a slow one. At a finer resolution
// they would, though nothing was learned of it: dt is that of training, whatever the rate,
// and what was left out then stays out. S4ND, section 3.3. The shapes are
//
//	c      (CH, H, N, 2)
//	dt     (H, 1) or (H): raw step sizes of each feature; or (H, N): of each state
//	aImag  (S, N): minus the frequencies; feature h has those of row h mod S
//
// All are float32 or all float64. The gradient of c is exact, and 0 for what is left out.
// dt and aImag have none: where a state begins to be left out, there is a jump. An error
// names the argument, the wanted shape and what came.
func BandLimit(b Band, c, dt, aImag *G.Node) (*G.Node, error) {
	const name = "ndconv.BandLimit"
	if err := b.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in, err := graphop.Floats(name, graphop.Named("c", c), graphop.Named("dt", dt), graphop.Named("aImag", aImag))
	if err != nil {
		return nil, err
	}
	size, err := readBank(c, dt, aImag)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return graphop.Apply(graphop.Spec{Name: name, Out: c.Shape().Clone(), NoGrad: []int{1, 2}, Unread: []int{0}},
		func() graphop.Core[float32] { return bandCore[float32]{b, size} },
		func() graphop.Core[float64] { return bandCore[float64]{b, size} },
		in...)
}

// readBank reads the sizes off the shapes of the nodes.
func readBank(c, dt, aImag *G.Node) (b ssmop.Bank, err error) {
	cs, as := c.Shape(), aImag.Shape()
	if cs.Dims() != 4 || cs[3] != 2 {
		return b, fmt.Errorf("c: want (CH, H, N, 2), got %v", cs)
	}
	b.CH, b.H, b.N = cs[0], cs[1], cs[2]
	if as.Dims() != 2 || as[1] != b.N {
		return b, fmt.Errorf("aImag: want (S, %d), got %v", b.N, as)
	}
	b.S = as[0]
	if err := ssm.CheckBank(b.CH, b.H, b.S, b.N); err != nil {
		return b, err
	}
	b.DtPerState, err = ssmop.Steps("dt", dt, b.H, b.N)
	return b, err
}

// bandCore is the arithmetic of BandLimit.
type bandCore[T num.Float] struct {
	Band
	ssmop.Bank
}

func (c bandCore[T]) Forward(out []T, in []graphop.Arg[T]) error {
	c.limit(out, in[0].F, in[1].F, in[2].F)
	return nil
}

func (c bandCore[T]) Backward(grad [][]T, in []graphop.Arg[T], _, gout []T) error {
	c.limit(grad[0], gout, in[1].F, in[2].F)
	return nil
}

// limit copies what is like c, but for the states that are left out.
func (c bandCore[T]) limit(dst, src, dt, aImag []T) {
	perFeature := len(dt) / c.H
	for i := range c.CH * c.H * c.N {
		h, n := i/c.N%c.H, i%c.N
		step, _ := c.DtTransform.Eval(float64(dt[h*perFeature+n%perFeature]))
		if step*math.Abs(float64(aImag[ssm.Row(h, c.S)*c.N+n]))/(2*math.Pi) < c.Limit/2 {
			dst[2*i], dst[2*i+1] = src[2*i], src[2*i+1]
		} else {
			dst[2*i], dst[2*i+1] = 0, 0
		}
	}
}
