package report

import (
	"encoding/json"
	"math"
	"strconv"
)

// Numbers are float32 that JSON writes with null for what is not finite: a value
// that is missing.
type Numbers []float32

// MarshalJSON implements json.Marshaler.
func (n Numbers) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 2+10*len(n)), '[')
	for i, v := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if finite(float64(v)) {
			b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
		} else {
			b = append(b, "null"...)
		}
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler: null is NaN.
func (n *Numbers) UnmarshalJSON(text []byte) error {
	var v []*float32
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	*n = nil
	if v == nil {
		return nil
	}
	*n = make(Numbers, len(v))
	for i, p := range v {
		(*n)[i] = float32(math.NaN())
		if p != nil {
			(*n)[i] = *p
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
