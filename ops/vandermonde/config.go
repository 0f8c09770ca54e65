package vandermonde

import (
	"cmp"
	"fmt"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Config says how the S4D kernel is computed from its parameters. The zero
// value, with L set, is S4D-Lin/-Inv/-LegS as published: zero-order hold,
// dt = e^raw, Re A = -e^raw.
type Config struct {
	// Disc is the discretisation, ssm.ZOH or ssm.Bilinear. Empty: ssm.ZOH.
	Disc ssm.Disc `json:"disc,omitempty"`
	ssm.Dynamics
	// L is the length of the kernel.
	L int `json:"l"`
}

// Validate returns an error that names the first field out of range.
func (c Config) Validate() error {
	if err := c.validateStep(); err != nil {
		return err
	}
	return validateLength(c.L)
}

// validateStep checks all that one step of the recurrence depends on.
func (c Config) validateStep() error {
	if err := c.disc().Validate(ssm.ZOH, ssm.Bilinear); err != nil {
		return fmt.Errorf("field Disc: %w", err)
	}
	return c.Dynamics.Validate()
}

func validateLength(l int) error {
	if l < 1 {
		return fmt.Errorf("want kernel length L at least 1, got %d", l)
	}
	return nil
}

func (c Config) disc() ssm.Disc { return cmp.Or(c.Disc, ssm.ZOH) }

// pole discretises one pole, z = dt a.
func (c Config) pole(z complex128) ssm.Pole {
	if c.disc() == ssm.Bilinear {
		return ssm.GBTPole(z, 0.5)
	}
	return ssm.ZOHPole(z)
}

// Size is the shape of a bank of S4D kernels.
type Size struct {
	CH int // kernels of each feature (channels)
	H  int // features
	S  int // state matrices; feature h uses number h mod S, and H is a multiple of S
	N  int // stored states of one feature: half the state size, one of each conjugate pair
	// DtPerState says that dt is (H, N), one step size for every state, rather
	// than (H, 1).
	DtPerState bool
}

// Validate returns an error that names the first size out of range.
func (s Size) Validate() error { return ssm.CheckBank(s.CH, s.H, s.S, s.N) }

// dtCols is the number of step sizes of one feature.
func (s Size) dtCols() int { return ssm.DtCols(s.N, s.DtPerState) }
