package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/gorgonia-s4/s4/internal/portrait"
)

// The size of a heat map in elements, at most.
const (
	mapRows    = 96
	mapColumns = 220
)

// moments are a layer before and after training; either may be nil.
type moments struct{ before, after *look }

// each calls f for the moments that there are.
func (m moments) each(f func(class, name string, k *look)) {
	if m.before != nil {
		f("before", "before training", m.before)
	}
	if m.after != nil {
		f("after", "after training", m.after)
	}
}

// any returns one of the moments.
func (m moments) any() *look {
	if m.after != nil {
		return m.after
	}
	return m.before
}

// legend returns the keys of the moments.
func (m moments) legend() (ks []key) {
	m.each(func(class, name string, _ *look) { ks = append(ks, key{class, name}) })
	return ks
}

// figures returns what is drawn of a layer.
func (m moments) figures() ([]figure, error) {
	var fs []figure
	var err error
	lags := 0
	m.each(func(_, _ string, k *look) { lags = max(lags, k.longest()) })
	lags += lags/5 + 2
	m.each(func(_, name string, k *look) {
		f, mapErr := k.heatMap("kernels "+name, lags)
		if err == nil {
			err = mapErr
		}
		fs = append(fs, f)
	})
	if err != nil {
		return nil, err
	}
	fs = append(fs, m.quantiles("effective length", "steps that hold 99 % of a kernel's energy", "steps", (*look).reaches))
	if m.any().steps != nil {
		fs = append(fs, m.quantiles("step size", "Δ, of the features", "Δ", func(k *look) []float64 {
			return slices.Sorted(slices.Values(k.steps))
		}))
	}
	if len(m.any().a) > 0 {
		fs = append(fs, m.continuous(), m.discrete())
	}
	return fs, nil
}

// heatMap draws kernels by effective length, as far as lags.
func (k *look) heatMap(name string, lags int) (figure, error) {
	lags = min(lags, len(k.kernels[0].K))
	chosen := spread(len(k.kernels), mapRows)
	rows := make([][]float64, len(chosen))
	reach := make([]float64, len(chosen))
	for i, c := range chosen {
		kernel := k.kernels[c]
		rows[len(rows)-1-i] = portrait.Normalised(kernel.K[:lags], mapColumns)
		reach[i] = min(float64(kernel.Reach), float64(lags))
	}
	uri, err := signedImage(rows, 1)
	if err != nil {
		return figure{}, err
	}
	p := newPlot("lag (steps)", "kernel, by effective length")
	p.x.whole = true
	per := portrait.PerColumn(lags, mapColumns)
	p.x.lo, p.x.hi = 0, float64(per*len(rows[0]))
	p.y.lo, p.y.hi = 0, float64(len(rows))
	p.y.label += fmt.Sprintf(" (%d of %d)", len(chosen), len(k.kernels))
	p.image(uri, p.x.from, p.y.to, p.x.to-p.x.from, p.y.from-p.y.to)
	p.level()
	var xs, ys []float64
	for i, r := range reach {
		xs, ys = append(xs, r, r), append(ys, float64(i), float64(i+1))
	}
	p.series("reach", "", xs, ys)
	return figure{Title: name, Drawing: p.drawing("heat map of " + name), Legend: []key{{"negative", "K < 0"}, {"positive", "K > 0"}, {"reach", "effective length"}}}, nil
}

// quantiles draws how a quantity is distributed over the kernels or features.
func (m moments) quantiles(title, note, unit string, of func(*look) []float64) figure {
	p := newPlot("share of them (%)", title+" ("+unit+")")
	var all [][]float64
	m.each(func(_, _ string, k *look) { all = append(all, of(k)) })
	p.x.lo, p.x.hi = 0, 100
	p.y.log = wide(all...)
	p.y.span(all...)
	p.y.pad(0.05)
	p.frame()
	m.each(func(class, name string, k *look) {
		values := of(k)
		is := spread(len(values), curvePoints)
		var xs, ys []float64
		for _, i := range is {
			xs, ys = append(xs, 100*(float64(i)+0.5)/float64(len(values))), append(ys, values[i])
		}
		p.series(class, name, xs, ys)
	})
	return figure{Title: title, Drawing: p.drawing(title + " by share"), Legend: m.legend(), Note: note}
}

// continuous draws the eigenvalues of A. Those that decay are left of 0, on a
// logarithmic axis.
func (m moments) continuous() figure {
	unit, note := m.any().unit, ""
	var re, im []float64
	stable := true
	m.each(func(_, _ string, k *look) {
		for _, z := range k.a {
			re, im = append(re, -real(z)), append(im, imag(z))
			stable = stable && real(z) < 0
		}
		if k.note != "" {
			note = k.note
		}
	})
	p := newPlot("Re (1/"+unit+")", "Im (1/"+unit+")")
	p.x.from, p.x.to = p.x.to, p.x.from
	p.x.mirrored = true
	p.x.span(re)
	p.x.log = stable && p.x.hi > 3*p.x.lo
	p.x.pad(0.06)
	p.y.span(im)
	p.y.log = skewed(im)
	if p.y.log {
		p.y.span(im)
	}
	p.y.pad(0.04)
	p.frame()
	m.points(p, func(k *look) []complex128 { return k.a }, func(z complex128) (x, y float64) { return -real(z), imag(z) })
	return figure{Title: "eigenvalues", Drawing: p.drawing("eigenvalues on the complex plane"), Legend: m.legend(),
		Note: joined("one of each conjugate pair, some features", note)}
}

// skewed says whether most values from 0 are far below the largest.
func skewed(values []float64) bool {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return false
	}
	last, middle := sorted[len(sorted)-1], sorted[len(sorted)/2]
	return middle > 0 && last > 8*middle
}

// joined joins what is not empty.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// discrete draws the discretised eigenvalues in the upper half of the unit disc.
func (m moments) discrete() figure {
	const over = 1.04
	p := newPlot("Re", "Im")
	unit := (p.x.to - p.x.from) / (2 * over)
	p.y.from = p.y.to + over*unit
	p.height = p.y.from + plotBottom
	p.x.lo, p.x.hi, p.y.lo, p.y.hi = -over, over, 0, over
	p.frame()
	var xs, ys []float64
	for i := range 91 {
		s, c := math.Sincos(float64(i) * math.Pi / 90)
		xs, ys = append(xs, c), append(ys, s)
	}
	p.series("circle", "", xs, ys)
	outside := 0
	m.each(func(_, _ string, k *look) {
		for _, z := range k.ab {
			if math.Hypot(real(z), imag(z)) > 1 {
				outside++
			}
		}
	})
	m.points(p, func(k *look) []complex128 { return k.ab }, func(z complex128) (x, y float64) { return real(z), imag(z) })
	note := "the closer to the circle, the longer a state lasts"
	if outside > 0 {
		note = fmt.Sprintf("%d of them are outside of the unit circle: those states grow", outside)
	}
	return figure{Title: "eigenvalues, discretised", Drawing: p.drawing("discretised eigenvalues in the unit disc"), Legend: m.legend(), Note: note}
}

// points draws the eigenvalues of the moments, and from where to where each went.
func (m moments) points(p *plot, of func(*look) []complex128, place func(complex128) (x, y float64)) {
	if b, a := m.before, m.after; b != nil && a != nil && b.paired && a.paired && len(of(b)) == len(of(a)) {
		p.open("path", "moves")
		p.WriteString(` d="`)
		for i, z := range of(b) {
			x, y := place(z)
			p.WriteString("M")
			p.pair(p.x.at(x), p.y.at(y))
			x, y = place(of(a)[i])
			p.WriteString("L")
			p.pair(p.x.at(x), p.y.at(y))
		}
		p.WriteString(`"/>`)
	}
	m.each(func(class, _ string, k *look) {
		var xs, ys []float64
		for _, z := range of(k) {
			x, y := place(z)
			xs, ys = append(xs, x), append(ys, y)
		}
		p.dots(class, xs, ys)
	})
}
