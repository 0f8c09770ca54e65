package report

import (
	"html/template"
	"math"
)

// figure is a drawing with what is said about it.
type figure struct {
	Title   string
	Drawing template.HTML
	Legend  []key
	Note    string
}

// key says what a class of the style sheet stands for.
type key struct{ Class, Name string }

// curves returns the figures of a run.
func (h *history) figures() []figure {
	var fs []figure
	for _, c := range h.metrics {
		fs = append(fs, c.figure())
	}
	if h.steps == 0 {
		return fs
	}
	return append(fs,
		single("learning rate", "of the parameters without one of their own", &h.lr, false),
		single("gradient norm", "before clipping", &h.norm, true),
		single("samples per second", "of the steps alone, without evaluations", &h.pace, true))
}

// figure returns the curves of a metric.
func (c *metricCurves) figure() figure {
	p := newPlot("step", "")
	p.x.whole = true
	batch, train, val := c.batch.values(), c.train.values(), c.val.values()
	p.x.span(c.batch.x, c.train.x, c.val.x)
	p.y.log = wide(batch, train, val)
	p.y.span(batch, train, val)
	p.y.pad(0.04)
	p.frame()
	var legend []key
	if len(batch) > 1 {
		p.series("faint", "batch", c.batch.x, batch)
		legend = append(legend, key{"faint", "training batches"})
	}
	for _, l := range []struct {
		class, name, says string
		curve             *thin
		values            []float64
	}{
		{"first", "train", "training, since the evaluation before", &c.train, train},
		{"second", "validation", "validation", &c.val, val},
	} {
		if len(l.values) == 0 {
			continue
		}
		p.series(l.class, l.name, l.curve.x, l.values)
		if len(l.values) <= 40 {
			p.dots(l.class, l.curve.x, l.values)
		}
		legend = append(legend, key{l.class, l.says})
	}
	return figure{Title: c.name, Drawing: p.drawing(c.name + " over the steps"), Legend: legend}
}

// wide says whether values are positive and of so many magnitudes that an axis is
// better logarithmic.
func wide(lists ...[]float64) bool {
	lo, hi := math.Inf(1), 0.0
	for _, l := range lists {
		for _, v := range l {
			if finite(v) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	return lo > 0 && hi > 20*lo
}

// single returns the figure of one curve, with the range of the points that each of
// its points is the mean of. log lets the axis be logarithmic if that is better.
func single(name, note string, t *thin, log bool) figure {
	p := newPlot("step", "")
	p.x.whole = true
	values := t.values()
	p.x.span(t.x)
	p.y.log = log && wide(values)
	p.y.span(values)
	all := axis{log: p.y.log}
	all.span(values, t.lo, t.hi)
	p.y.hi = min(all.hi, 2*p.y.hi) // a rare one does not flatten the others
	if !p.y.log {
		p.y.lo = min(p.y.lo, 0)
	}
	p.y.widen()
	p.y.pad(0.03)
	p.frame()
	if t.each > 1 {
		p.band("first", t.x, t.lo, t.hi)
	}
	p.series("first", name, t.x, values)
	return figure{Title: name, Drawing: p.drawing(name + " over the steps"), Note: note}
}
