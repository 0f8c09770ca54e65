package train

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/weights"
	"github.com/gorgonia-s4/s4/param"
)

// NonFiniteError reports a NaN or an infinity in a parameter or its gradient.
type NonFiniteError struct {
	// Param is the name of the parameter.
	Param string
	// Gradient says that the gradient was not finite; otherwise the parameter
	// itself.
	Gradient bool
	// Element is the index of the first such element, in row-major order, and
	// Value what was found there.
	Element int
	Value   float64
}

// Error implements error.
func (e *NonFiniteError) Error() string {
	of := ""
	if e.Gradient {
		of = "gradient of "
	}
	return fmt.Sprintf("%sparameter %q is %v at element %d", of, e.Param, e.Value, e.Element)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// firstNonFinite returns the index of the first NaN or infinity, or -1.
func firstNonFinite[T num.Float](s []T) int {
	for i, v := range s {
		if v-v != 0 { // NaN, and so it is of an infinity
			return i
		}
	}
	return -1
}

// findNonFinite returns where the first NaN or infinity is among the parameters
// of a graph that has been run, or nil. It looks at all values first: a bad
// value is the cause of bad gradients, not the other way round.
func findNonFinite(params []param.Param) *NonFiniteError {
	if e := nonFiniteValue(params); e != nil {
		return e
	}
	for _, p := range params {
		if p.Frozen {
			continue
		}
		g, err := p.Node.Grad()
		if err != nil {
			continue
		}
		if e := nonFiniteIn(p.Name, g); e != nil {
			e.Gradient = true
			return e
		}
	}
	return nil
}

// nonFiniteValue returns where the first NaN or infinity is among the values of
// the parameters, or nil.
func nonFiniteValue(params []param.Param) *NonFiniteError {
	for _, p := range params {
		if e := nonFiniteIn(p.Name, p.Node.Value()); e != nil {
			return e
		}
	}
	return nil
}

func nonFiniteIn(name string, v G.Value) *NonFiniteError {
	if s, ok := weights.Memory[float32](v); ok {
		return nonFiniteAt(name, s)
	}
	if s, ok := weights.Memory[float64](v); ok {
		return nonFiniteAt(name, s)
	}
	return nil
}

func nonFiniteAt[T num.Float](name string, s []T) *NonFiniteError {
	i := firstNonFinite(s)
	if i < 0 {
		return nil
	}
	return &NonFiniteError{Param: name, Element: i, Value: float64(s[i])}
}
