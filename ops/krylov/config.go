package krylov

import (
	"cmp"
	"fmt"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Config says how the kernel is computed from its parameters. The zero value,
// with L set, is LSSL as published: bilinear transform, dt = e^raw, everything
// trainable.
type Config struct {
	// Disc is the discretisation. Empty: ssm.Bilinear.
	Disc ssm.Disc `json:"disc,omitempty"`
	// Alpha is that of ssm.GBT, in [0, 1]. The others have none.
	Alpha float64 `json:"alpha,omitempty"`
	// DtTransform turns the raw step size into dt. Empty: ssm.Exp.
	DtTransform ssm.Transform `json:"dt_transform,omitempty"`
	// Rate multiplies dt: 2 computes the kernel for input sampled at half the
	// frequency. 0: 1.
	Rate float64 `json:"rate,omitempty"`
	// Stable keeps the state from growing whatever value the parameters take: see
	// the package documentation. It needs a discretisation that maps the left half
	// plane into the unit disc: not ssm.Euler, nor ssm.GBT with Alpha < 1/2.
	Stable bool `json:"stable,omitempty"`
	// Frozen declares all parameters but C constant. They have no gradient, and
	// what the kernel needs of them is kept from call to call, until one of their
	// values changes: LSSL-fixed.
	Frozen bool `json:"frozen,omitempty"`
	// L is the length of the kernel.
	L int `json:"l"`
}

// Validate returns an error that names the first field out of range.
func (c Config) Validate() error {
	if err := c.disc().Validate(); err != nil {
		return fmt.Errorf("field Disc: %w", err)
	}
	switch {
	case c.disc() != ssm.GBT && c.Alpha != 0:
		return fmt.Errorf("want no Alpha with Disc %q, got %g", string(c.disc()), c.Alpha)
	case !(c.Alpha >= 0 && c.Alpha <= 1):
		return fmt.Errorf("want Alpha in [0, 1], got %g", c.Alpha)
	}
	if err := c.dynamics().Validate(); err != nil {
		return err
	}
	if c.Stable && c.disc() != ssm.ZOH && c.alpha() < 0.5 {
		return fmt.Errorf("want with Stable a discretisation that keeps stability: zoh, bilinear, backward_diff or gbt with Alpha >= 1/2, got %q with alpha = %g", string(c.disc()), c.alpha())
	}
	if c.L < 1 {
		return fmt.Errorf("want kernel length L at least 1, got %d", c.L)
	}
	return nil
}

func (c Config) disc() ssm.Disc { return cmp.Or(c.Disc, ssm.Bilinear) }

// dynamics says how dt follows: A is free.
func (c Config) dynamics() ssm.Dynamics {
	return ssm.Dynamics{DtTransform: c.DtTransform, Rate: c.Rate}
}

// alpha returns the alpha of a generalised bilinear transform.
func (c Config) alpha() float64 {
	switch c.disc() {
	case ssm.Bilinear:
		return 0.5
	case ssm.BackwardEuler:
		return 1
	case ssm.GBT:
		return c.Alpha
	}
	return 0
}

// Size is the shape of a bank of kernels.
type Size struct {
	CH int // kernels of each feature (channels; M in LSSL)
	H  int // features
	S  int // state matrices; feature h uses number h mod S, and H is a multiple of S
	N  int // size of the state of one feature
}

// Validate returns an error that names the first size out of range.
func (s Size) Validate() error { return s.validate(structuredKind.minN) }

func (s Size) validate(minN int) error {
	if s.N < minN {
		return fmt.Errorf("want a state of size N at least %d, got %d", minN, s.N)
	}
	return ssm.CheckBank(s.CH, s.H, s.S, s.N)
}
