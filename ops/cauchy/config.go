package cauchy

import (
	"cmp"
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

// Config says how the DPLR kernel is computed from its parameters. The zero
// value, with L set, is S4 as published: dt = e^raw, Re A = -e^raw. The
// discretisation is bilinear.
type Config struct {
	ssm.Dynamics
	// LKernel is the number of steps, at Rate 1, that C~ = C (I - Ab^LKernel) is
	// tuned to. 0: L. The kernel is the inverse DFT of round(LKernel/Rate)
	// values, fastest where that number has small prime factors only.
	LKernel int `json:"l_kernel,omitempty"`
	// L is the length of the kernel, at most round(LKernel/Rate). For more,
	// [RetuneC] tunes C~ to twice the length.
	L int `json:"l"`
}

// Validate returns an error that names the first field out of range.
func (c Config) Validate() error {
	if err := c.validateModel(); err != nil {
		return err
	}
	if err := checkLength(c.L); err != nil {
		return err
	}
	if n := c.nodes(); c.L > n {
		return fmt.Errorf("want kernel length L at most round(LKernel/Rate) = %d, the length that C~ is tuned to, got %d: RetuneC tunes it to twice that", n, c.L)
	}
	return nil
}

func checkLength(l int) error {
	if l < 1 {
		return fmt.Errorf("want kernel length L at least 1, got %d", l)
	}
	return nil
}

// validateModel checks all that the recurrence depends on: all but L.
func (c Config) validateModel() error {
	if err := c.Dynamics.Validate(); err != nil {
		return err
	}
	if c.LKernel < 0 {
		return fmt.Errorf("want LKernel a length, not negative (0 means L), got %d", c.LKernel)
	}
	if n := float64(c.tuned()) / c.Factor(); n > maxNodes {
		return fmt.Errorf("want LKernel/Rate at most %d, got %.3g", maxNodes, n)
	}
	return nil
}

// maxNodes is the largest number of nodes that is taken for a length rather
// than for a mistake.
const maxNodes = 1 << 30

// tuned is the length that C~ is tuned to.
func (c Config) tuned() int { return cmp.Or(c.LKernel, c.L) }

// nodes is the number of roots of unity at which the generating function is
// evaluated. Halves round to even, as in state-spaces/s4.
func (c Config) nodes() int {
	return int(math.RoundToEven(float64(c.tuned()) / c.Factor()))
}

// Size is the shape of a bank of DPLR kernels.
type Size struct {
	CH int // kernels of each feature (channels)
	H  int // features
	S  int // state matrices; feature h uses number h mod S, and H is a multiple of S
	N  int // stored states of one feature: half the state size, one of each conjugate pair
	R  int // rank of the low-rank part: rows of P
	// DtPerState says that dt is (H, N), one step size for every state, rather
	// than (H, 1).
	DtPerState bool
}

// Validate returns an error that names the first size out of range.
func (s Size) Validate() error {
	if s.R < 1 {
		return fmt.Errorf("want rank R at least 1, got %d (without a low-rank part the kernel is vandermonde.Kernel)", s.R)
	}
	return ssm.CheckBank(s.CH, s.H, s.S, s.N)
}

// dtCols is the number of step sizes of a feature.
func (s Size) dtCols() int { return ssm.DtCols(s.N, s.DtPerState) }
