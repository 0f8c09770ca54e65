package layers

import (
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers/hippo"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

// System is one kernel of one feature of a state space layer as a linear
// system, in float64 and without a graph: what the parameters stand for at the
// moment, to look at, to check or to compute with elsewhere. It shares no memory
// with the layer.
//
//	x'(t) = A x(t) + B u(t),          y(t) = C x(t) + D u(t)     Continuous
//	x_l   = Ab x_{l-1} + Bb u_l,      y_l  = C x_l  + D u_l      Discrete
//
// The state x is real, (N): of S4, S4D and DSS the real parts of the stored
// states, then the imaginary ones, N = DState or, for DSS, 2 DState (see
// [hippo.DPLR.Real]). Those of S4 with DtPerState are divided by the root of their
// step size: in such states A is diagonal plus low rank.
type System struct {
	// Dt is the step size, Disc the discretisation and Alpha that of ssm.GBT: the
	// discrete system is that of Continuous.Discretize(Dt, Disc, Alpha). Time is
	// that of the layer's parameters, but where every state has a step size of its
	// own (DtPerState of S4 and S4D, DtPerPart of DSS) it is counted in steps,
	// and Dt is 1.
	Dt    float64
	Disc  ssm.Disc
	Alpha float64
	// Lambda are the stored poles: for S4D and DSS the eigenvalues of A, for S4
	// those of its diagonal part, A = Lambda - P P^H; one of each conjugate pair.
	// It is nil for LSSL.
	Lambda []complex128

	Continuous *hippo.SSM
	Discrete   *hippo.Recurrence
}

// StateSpaceLayer is what S4, S4D, DSS and LSSL have in common.
type StateSpaceLayer interface {
	Mixer
	Stateful
	Stepper
	Kernels
	Systems
}

// System returns a kernel of a feature as a linear system: the kernel number in
// [0, CH), the feature in [0, H), as in the shape of Kernel. The second half
// of the kernels of a bidirectional layer reads the future: there time runs
// backwards, and D, which is in the first half, is zero.
func (l *ssmLayer) System(kernel, feature int) (*System, error) {
	if l.Base == nil {
		return nil, l.wrap("System", errNotMade)
	}
	c := l.common
	if kernel < 0 || kernel >= c.kernels() || feature < 0 || feature >= c.inner() {
		return nil, l.errorf("System", "want a kernel in [0, %d) and a feature in [0, %d), got %d and %d", c.kernels(), c.inner(), kernel, feature)
	}
	s, err := l.model.system(kernel, feature)
	if err != nil {
		return nil, l.wrap("System", err)
	}
	if kernel < c.Channels {
		d, err := floats(l.d)
		if err != nil {
			return nil, l.wrap("System", err)
		}
		s.Continuous.D = d[kernel*c.inner()+feature]
		s.Discrete.D = s.Continuous.D
	}
	return s, nil
}

// floats returns a copy of the values of a parameter; none for a nil node.
func floats(n *G.Node) ([]float64, error) {
	if n == nil {
		return nil, nil
	}
	if n.Dtype() == tensor.Float64 {
		var v []float64
		err := read(&v, n)
		return slices.Clone(v), err
	}
	var v []float32
	if err := read(&v, n); err != nil {
		return nil, err
	}
	f := make([]float64, len(v))
	for i, x := range v {
		f[i] = float64(x)
	}
	return f, nil
}

// rows reads rows of parameters. The first error sticks.
type rows struct{ err error }

// of returns row i, of width n, of a parameter; nil for a nil node.
func (r *rows) of(n *G.Node, i, width int) []float64 {
	v, err := floats(n)
	if err != nil && r.err == nil {
		r.err = err
	}
	if len(v) == 0 {
		return nil
	}
	return v[i*width : (i+1)*width]
}

// complexes returns pairs as complex numbers.
func complexes(v []float64) []complex128 {
	z := make([]complex128, len(v)/2)
	for i := range z {
		z[i] = complex(v[2*i], v[2*i+1])
	}
	return z
}

// diagonalSystem returns the parts of a System that follow from the diagonal
// models x' = lambda x + b u and x_l = ab x_{l-1} + bb u_l, y = 2 Re(c x).
func diagonalSystem(lambda, b, ab, bb, c []complex128) (*System, error) {
	continuous, err := (&hippo.DPLR{Lambda: lambda, B: b}).Real(c)
	if err != nil {
		return nil, err
	}
	discrete, err := (&hippo.DPLR{Lambda: ab, B: bb}).Real(c)
	if err != nil {
		return nil, err
	}
	return &System{
		Disc: ssm.ZOH, Lambda: lambda, Continuous: continuous,
		Discrete: &hippo.Recurrence{A: discrete.A, B: discrete.B, C: discrete.C},
	}, nil
}
