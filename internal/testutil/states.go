package testutil

import (
	"slices"
	"testing"

	"gorgonia.org/tensor"
)

// StateOps are the two ops on the states of a bank of models, with what they are
// judged by.
type StateOps struct {
	Output, Final             Build
	OutputParams, FinalParams []Input // the parameters, before x0, and u and x0 or u alone
	U, X0                     Input
	// Scan runs the recurrence over u from x0, nil for zeros, and returns the
	// outputs and the last states.
	Scan func(u, x0 []float64) (y, x []float64)
	// NoGradients leaves these out.
	NoGradients bool
}

// CheckStateOps holds the ops, and their gradients, against the recurrence.
func CheckStateOps(t testing.TB, tol float64, o StateOps) {
	t.Helper()
	response, _ := o.Scan(make([]float64, len(o.U.F)), o.X0.F)
	_, end := o.Scan(o.U.F, o.X0.F)
	_, endFromZero := o.Scan(o.U.F, nil)
	for _, c := range []struct {
		what  string
		build Build
		in    []Input
		want  []float64
	}{
		{"output of the state", o.Output, append(slices.Clone(o.OutputParams), o.X0), response},
		{"final state", o.Final, append(slices.Clone(o.FinalParams), o.U, o.X0), end},
		{"final state from zero", o.Final, append(slices.Clone(o.FinalParams), o.U), endFromZero},
	} {
		got, err := Forward(tensor.Float64, c.build, c.in...)
		if err != nil {
			t.Fatal(err)
		}
		if e := RelErr(got, c.want); !(e <= tol) {
			t.Errorf("%s: relative error %.3g > %g", c.what, e, tol)
		}
		if !o.NoGradients {
			Check(t, c.build, c.in...)
		}
	}
}

// Stepper is the recurrence of a bank of kernels, as each kernel package has it.
type Stepper interface {
	StateLen(batch int) int
	Load(x, src []float64) error
	Store(x []float64) []float64
	Advance(y, x, u []float64) error
}

// Scan runs a recurrence of ch outputs for each of h features over u (batch, h, l)
// from x0, nil for zeros, and returns the outputs (batch, ch*h, l) and the last
// states.
func Scan(t testing.TB, s Stepper, u, x0 []float64, batch, ch, h, l int) (y, x []float64) {
	t.Helper()
	x = make([]float64, s.StateLen(batch))
	if x0 != nil {
		if err := s.Load(x, x0); err != nil {
			t.Fatal(err)
		}
	}
	y = make([]float64, batch*ch*h*l)
	now, in := make([]float64, batch*ch*h), make([]float64, batch*h)
	for step := range l {
		for i := range in {
			in[i] = u[i*l+step]
		}
		if err := s.Advance(now, x, in); err != nil {
			t.Fatal(err)
		}
		for i, v := range now {
			y[i*l+step] = v
		}
	}
	return y, s.Store(x)
}
