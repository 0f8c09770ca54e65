package ssm

import (
	"fmt"
	"slices"
	"strings"
)

// Disc names a discretisation of x' = A x + B u. The names are those of the
// published implementations and are what a configuration file holds. The zero
// value means the default of whoever reads it.
type Disc string

// The discretisations. All but ZOH are the generalised bilinear transform
// Ab = (I - alpha dt A)^-1 (I + (1-alpha) dt A), Bb = dt (I - alpha dt A)^-1 B
// with the alpha given here.
const (
	ZOH           Disc = "zoh"           // zero-order hold: Ab = e^(dt A), Bb = A^-1 (Ab - I) B
	Bilinear      Disc = "bilinear"      // Tustin: alpha = 1/2
	Euler         Disc = "euler"         // forward Euler: alpha = 0
	BackwardEuler Disc = "backward_diff" // backward Euler: alpha = 1
	GBT           Disc = "gbt"           // alpha given beside it, in [0, 1]
)

// discs lists every discretisation.
func discs() []Disc { return []Disc{ZOH, Bilinear, Euler, BackwardEuler, GBT} }

// Validate returns an error unless d is one of allowed, or any of them where
// allowed is empty. The error lists the allowed names. The zero value is not a
// name: replace it by a default first.
func (d Disc) Validate(allowed ...Disc) error {
	return validate("discretisation", d, allowed, discs())
}

// validate is Validate of both kinds of name.
func validate[S ~string](what string, name S, allowed, all []S) error {
	if len(allowed) == 0 {
		allowed = all
	}
	if slices.Contains(allowed, name) {
		return nil
	}
	var list strings.Builder
	for i, a := range allowed {
		switch {
		case i == 0:
		case i == len(allowed)-1:
			list.WriteString(" or ")
		default:
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "%q", string(a))
	}
	return fmt.Errorf("ssm: want %s %s, got %q", what, list.String(), string(name))
}
