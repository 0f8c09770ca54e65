package attention

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/size"
)

// Form says how scores become weights.
type Form string

// The forms.
const (
	Softmax Form = "softmax" // also ""
	Linear  Form = "linear"  // phi = elu + 1, normaliser + 1e-6, no 1/sqrt(hd)
)

// Rotary says which pairs of the features of a head the position of its step
// rotates, in queries and keys: pair i by the angle position Theta^(-2i/hd).
type Rotary string

// The rotations.
const (
	NoRotary          Rotary = ""
	RotaryInterleaved Rotary = "interleaved" // pairs (2i, 2i+1)
	RotaryHalf        Rotary = "half"        // pairs (i, i + hd/2)
)

// DefaultTheta is the base of the angles of a Rotary.
const DefaultTheta = 10000

// Config describes attention. The zero value of every field but Heads is a
// default.
type Config struct {
	Heads  int     // H, which divides the features E
	Form   Form    // default Softmax
	Causal bool    // a step sees itself and those before it
	Window int     // the number of steps that a step sees, itself included; 0: all. Wants Causal and Softmax
	Rotary Rotary  // default NoRotary. In the linear form the rotation comes before phi
	Theta  float64 // base of the angles of Rotary, at least 1; 0: DefaultTheta

	// Dropout is the probability, rounded to 1/65536, with which, in training, a weight
	// of the softmax is dropped; the others are multiplied by 1/(1-Dropout). Masks
	// decides which. A Step is evaluation.
	Dropout float64
	Masks   Masks
}

// Validate returns an error unless the configuration is one of attention on that
// many features.
func (c Config) Validate(features int) error {
	switch {
	case features < 1:
		return fmt.Errorf("want features >= 1, got %d", features)
	case c.Heads < 1:
		return fmt.Errorf("want Heads >= 1, got %d", c.Heads)
	case features%c.Heads != 0:
		return fmt.Errorf("want Heads that divide the %d features, got %d", features, c.Heads)
	case c.Form != "" && c.Form != Softmax && c.Form != Linear:
		return fmt.Errorf("want Form %q or %q, got %q", Softmax, Linear, c.Form)
	}
	if err := c.validateWindow(); err != nil {
		return err
	}
	if err := c.validateRotary(features / c.Heads); err != nil {
		return err
	}
	return size.First(c.validateDropout(), size.Field("features", features))
}

func (c Config) validateWindow() error {
	switch {
	case c.Window < 0 || c.Window > size.MaxLength:
		return fmt.Errorf("want Window in [0, %d], got %d", size.MaxLength, c.Window)
	case c.Window > 0 && !c.Causal:
		return fmt.Errorf("want Window %d with Causal, got it without", c.Window)
	case c.Window > 0 && c.Form == Linear:
		return fmt.Errorf("want Window 0 with Form %q, got %d", Linear, c.Window)
	}
	return nil
}

func (c Config) validateRotary(hd int) error {
	switch {
	case c.Rotary != NoRotary && c.Rotary != RotaryInterleaved && c.Rotary != RotaryHalf:
		return fmt.Errorf("want Rotary %q, %q or %q, got %q", NoRotary, RotaryInterleaved, RotaryHalf, c.Rotary)
	case c.Rotary != NoRotary && hd%2 != 0:
		return fmt.Errorf("want an even number of features of a head with Rotary, got %d", hd)
	case !(c.Theta == 0 || c.Theta >= 1) || !num.Finite(c.Theta):
		return fmt.Errorf("want a finite Theta >= 1, or 0 for %d, got %g", DefaultTheta, c.Theta)
	}
	return nil
}

// base returns the base of the angles.
func (c Config) base() float64 {
	if c.Theta == 0 {
		return DefaultTheta
	}
	return c.Theta
}

// scale returns what scores are multiplied by.
func (c Config) scale(hd int) float64 {
	if c.Form == Linear {
		return 1
	}
	return 1 / math.Sqrt(float64(hd))
}

// slots returns the number of steps that a cache of a window holds.
func (c Config) slots() int { return max(1, c.Window-1) }

// hasPosition reports whether the state of the recurrence has positions.
func (c Config) hasPosition() bool { return c.Form != Linear || c.Rotary != NoRotary }
