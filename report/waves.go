package report

import (
	"fmt"
	"math"
)

// The heights of these plots.
const (
	waveHeight   = 170
	seriesHeight = 210
)

// showWave returns a wave over its saliency.
func (p *Picture) showWave(saliency Numbers) (shownPicture, error) {
	n := len(p.Samples)
	label, scale := "sample", 1.0
	if p.Rate > 0 {
		label, scale = "seconds", 1/float64(p.Rate)
	}
	pl := newPlot(label, "amplitude")
	pl.setHeight(waveHeight)
	pl.x.lo, pl.x.hi = 0, scale*float64(max(n, 1))
	lo, hi, xs := outline(p.Samples, waveColumns, scale)
	pl.y.span(lo, hi)
	pl.y.lo, pl.y.hi = min(pl.y.lo, -pl.y.hi), max(pl.y.hi, -pl.y.lo)
	pl.y.widen()
	pl.y.pad(0.05)
	if err := pl.stripes(saliency, pl.x.from, pl.x.to); err != nil {
		return shownPicture{}, err
	}
	pl.frame()
	pl.band("wave", xs, lo, hi)
	v := shownPicture{Drawings: []figure{{Title: "wave", Drawing: pl.drawing("wave")}}}
	if p.Rate > 0 {
		v.Note = fmt.Sprintf("%d samples at %d Hz", n, p.Rate)
	}
	return v, nil
}

// outline returns the smallest and the largest of samples in at most n columns, and
// where those are.
func outline(samples Numbers, n int, scale float64) (lo, hi, xs []float64) {
	per := max((len(samples)+n-1)/n, 1)
	for from := 0; from < len(samples); from += per {
		a, b := math.Inf(1), math.Inf(-1)
		for _, v := range samples[from:min(from+per, len(samples))] {
			if v := float64(v); finite(v) {
				a, b = min(a, v), max(b, v)
			}
		}
		lo, hi, xs = append(lo, a), append(hi, b), append(xs, scale*(float64(from)+float64(per)/2))
	}
	return lo, hi, xs
}

// stripes draws a saliency behind the data, from one end to another: what steps that
// are too many for columns of their own amount to together.
func (p *plot) stripes(saliency Numbers, from, to float64) error {
	if len(saliency) == 0 {
		return nil
	}
	row := make([]float64, min(len(saliency), waveColumns))
	for i, v := range saliency {
		if finite(float64(v)) {
			row[i*len(row)/len(saliency)] += float64(v)
		}
	}
	uri, err := signedImage([][]float64{row}, limitOf(row))
	if err != nil {
		return err
	}
	p.WriteString(`<g class="stripes">`)
	p.image(uri, from, p.y.to, to-from, p.y.from-p.y.to)
	p.WriteString("</g>")
	return nil
}

// showSeries returns the variables of a series with their forecasts.
func (p *Picture) showSeries(saliency Numbers) (shownPicture, error) {
	var v shownPicture
	for i := range p.Series {
		if i == shownSeries {
			v.Note = fmt.Sprintf("%d of %d variables", shownSeries, len(p.Series))
			break
		}
		f, err := p.Series[i].figure(saliency)
		if err != nil {
			return v, err
		}
		v.Drawings = append(v.Drawings, f)
	}
	return v, nil
}

// figure draws a variable.
func (s *Series) figure(saliency Numbers) (figure, error) {
	const future = 2 // so many times as long as the future is what is shown of the past
	ahead := max(len(s.Future), len(s.Forecast))
	first := max(0, len(s.Past)-max(future*ahead, 64))
	past, pastAt := steps(s.Past[first:], first-len(s.Past)+1)
	came, cameAt := steps(s.Future, 1)
	said, saidAt := steps(s.Forecast, 1)
	p := newPlot("steps from now", "")
	p.x.whole = true
	p.setHeight(seriesHeight)
	lists := [][]float64{past, came, said}
	quantiles := make([][]float64, len(s.Quantiles))
	var at []float64
	for i, q := range s.Quantiles {
		quantiles[i], at = steps(q.Values, 1)
		lists = append(lists, quantiles[i])
	}
	p.x.lo, p.x.hi = float64(first-len(s.Past)+1), max(float64(ahead), 1)
	p.x.widen()
	p.y.span(lists...)
	p.y.pad(0.05)
	if saliency != nil {
		if err := p.stripes(saliency[first:], p.x.from, p.x.at(0)); err != nil {
			return figure{}, err
		}
	}
	p.frame()
	for i := range len(quantiles) / 2 {
		p.band("second", at, quantiles[i], quantiles[len(quantiles)-1-i])
	}
	legend := []key{{"first", "past"}}
	p.series("first", "past", pastAt, past)
	if len(came) > 0 {
		p.series("future", "came", cameAt, came)
		legend = append(legend, key{"future", "what came"})
	}
	if len(said) > 0 {
		p.series("second", "forecast", saidAt, said)
		legend = append(legend, key{"second", "forecast"})
	}
	return figure{Title: s.Name, Drawing: p.drawing("forecast of " + s.Name), Legend: legend, Note: s.bands()}, nil
}

// bands says which quantiles are drawn.
func (s *Series) bands() string {
	note := ""
	for i := range len(s.Quantiles) / 2 {
		note = joined(note, fmt.Sprintf("band from %g to %g %%", 100*s.Quantiles[i].Level, 100*s.Quantiles[len(s.Quantiles)-1-i].Level))
	}
	return note
}

// steps returns values as a list of numbers, and where they are from a first step on,
// at most as many as a curve has.
func steps(values Numbers, first int) (ys, xs []float64) {
	for _, i := range spread(len(values), 2*curvePoints) {
		ys, xs = append(ys, float64(values[i])), append(xs, float64(first+i))
	}
	return ys, xs
}
