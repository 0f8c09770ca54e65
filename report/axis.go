package report

import "math"

// axis maps values to a length of the drawing.
type axis struct {
	lo, hi   float64 // values at the ends
	from, to float64 // and where those are
	log      bool
	mirrored bool // it shows the values with the other sign
	whole    bool // it shows numbers of something: ticks are whole
	label    string
}

// tick returns the label of a value.
func (a *axis) tick(v float64) string {
	if a.mirrored {
		v = -v
	}
	return short(v)
}

// span makes an axis that shows all of some values, of which those that are not
// finite do not count. An axis of nothing is from 0 to 1.
func (a *axis) span(lists ...[]float64) {
	a.lo, a.hi = math.Inf(1), math.Inf(-1)
	for _, l := range lists {
		for _, v := range l {
			if finite(v) && (!a.log || v > 0) {
				a.lo, a.hi = min(a.lo, v), max(a.hi, v)
			}
		}
	}
	switch {
	case a.lo > a.hi && a.log:
		a.lo, a.hi = 1, 10
	case a.lo > a.hi:
		a.lo, a.hi = 0, 1
	}
	a.widen()
}

// widen gives an axis of one value a length.
func (a *axis) widen() {
	switch {
	case a.hi > a.lo && a.hi-a.lo > 1e-12*max(math.Abs(a.lo), math.Abs(a.hi)):
	case a.log:
		a.lo, a.hi = a.lo/1.5, a.hi*1.5
	default:
		d := max(math.Abs(a.lo)/10, 1e-9)
		a.lo, a.hi = a.lo-d, a.hi+d
	}
}

// pad widens the axis by a part of its length at both ends.
func (a *axis) pad(part float64) {
	if a.log {
		f := math.Pow(a.hi/a.lo, part)
		a.lo, a.hi = a.lo/f, a.hi*f
		return
	}
	d := part * (a.hi - a.lo)
	a.lo, a.hi = a.lo-d, a.hi+d
}

// at returns where a value is; one beyond an end is at that end.
func (a *axis) at(v float64) float64 {
	var f float64
	if a.log {
		if v <= 0 {
			return a.from
		}
		f = math.Log(v/a.lo) / math.Log(a.hi/a.lo)
	} else {
		f = v/(a.hi-a.lo) - a.lo/(a.hi-a.lo)
	}
	return a.from + (a.to-a.from)*min(max(f, 0), 1)
}

// ticks returns values at round distances, about n of them.
func (a *axis) ticks(n int) []float64 {
	if a.log {
		return a.logTicks(n)
	}
	step := roundStep((a.hi - a.lo) / float64(n))
	if a.whole {
		step = max(step, 1)
	}
	if !finite(step) || step <= 0 {
		return nil
	}
	var ts []float64
	first := math.Ceil(a.lo/step - 1e-9)
	for i := range 4 * n {
		v := (first + float64(i)) * step
		if !(v <= a.hi+1e-9*step) {
			break
		}
		ts = append(ts, v)
	}
	return ts
}

// roundStep returns the 1, 2 or 5 times a power of ten next to v.
func roundStep(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	switch f := v / p; {
	case f < 1.5:
		return p
	case f < 3.5:
		return 2 * p
	case f < 7.5:
		return 5 * p
	}
	return 10 * p
}

// logTicks returns powers of ten, and multiples of them where there are few.
func (a *axis) logTicks(n int) []float64 {
	lo, hi := math.Ceil(math.Log10(a.lo)-1e-9), math.Floor(math.Log10(a.hi)+1e-9)
	if hi-lo < 2 {
		return a.multiples(lo-1, hi+1)
	}
	every := math.Ceil((hi - lo + 1) / float64(n+1))
	var ts []float64
	for e := lo; e <= hi && len(ts) < 4*n; e += every {
		ts = append(ts, math.Pow(10, e))
	}
	return ts
}

// multiples returns 1, 2 and 5 times powers of ten on the axis.
func (a *axis) multiples(lo, hi float64) []float64 {
	var ts []float64
	for e := lo; e <= hi && len(ts) < 20; e++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, e); v >= a.lo*(1-1e-9) && v <= a.hi*(1+1e-9) {
				ts = append(ts, v)
			}
		}
	}
	if len(ts) < 2 {
		return []float64{a.lo, a.hi}
	}
	return ts
}
