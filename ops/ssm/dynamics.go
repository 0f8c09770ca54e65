package ssm

import (
	"cmp"
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Dynamics says how step sizes and poles follow from raw parameters. The zero
// value is that of the papers: dt = e^raw, Re A = -e^raw.
type Dynamics struct {
	// DtTransform turns the raw step size into dt. Empty: Exp.
	DtTransform Transform `json:"dt_transform,omitempty"`
	// ATransform turns the raw real part of A into the decay rate -Re A. Empty:
	// Exp. With None nothing keeps A in the left half plane.
	ATransform Transform `json:"a_transform,omitempty"`
	// Rate multiplies dt: 2 computes the kernel for input sampled at half the
	// frequency. 0: 1.
	Rate float64 `json:"rate,omitempty"`
}

// Validate returns an error that names the first field out of range.
func (d Dynamics) Validate() error {
	if err := d.DtTransform.Validate(); err != nil {
		return fmt.Errorf("field DtTransform: %w", err)
	}
	if err := d.ATransform.Validate(); err != nil {
		return fmt.Errorf("field ATransform: %w", err)
	}
	if d.Rate < 0 || !num.Finite(d.Rate) {
		return fmt.Errorf("want Rate a finite number, not negative (0 means 1), got %g", d.Rate)
	}
	return nil
}

// Factor returns what dt is multiplied by: Rate, or 1 where that is 0.
func (d Dynamics) Factor() float64 { return cmp.Or(d.Rate, 1) }

// Dt returns the step size of a raw parameter, and its derivative.
func (d Dynamics) Dt(raw float64) (dt, deriv float64) {
	dt, deriv = d.DtTransform.Eval(raw)
	return dt * d.Factor(), deriv * d.Factor()
}

// Lambda returns the pole -ATransform(re) - i im of raw parameters: a positive im
// stores the member of a conjugate pair below the real axis, as state-spaces/s4
// does.
func (d Dynamics) Lambda(re, im float64) complex128 {
	decay, _ := d.ATransform.Eval(re)
	return complex(-decay, -im)
}
