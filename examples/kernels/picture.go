package main

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gorgonia-s4/s4/internal/figure"
	"github.com/gorgonia-s4/s4/internal/portrait"
	"github.com/gorgonia-s4/s4/layers"
)

// columns is the largest number of columns of a heat map.
const columns = 512

// picture is what is drawn of a layer.
type picture struct {
	title    string
	kernels  []portrait.Kernel
	feature  int
	basis    [][]float64
	ofOthers portrait.Spectrum // stored poles of all features
	of       portrait.Spectrum // stored poles of the feature
	matrix   portrait.Spectrum // eigenvalues of its A where that is not diagonal, if known
	dense    bool              // A is more than its stored poles
	beyond   bool              // and its eigenvalues are not known
	unit     string            // of time
	// noSystem says why there is nothing but kernels; "" if there is.
	noSystem string
}

// newPicture computes what is drawn of a layer.
func newPicture(s subject, ks []portrait.Kernel, o *options) (*picture, error) {
	p := &picture{title: s.title, kernels: ks, feature: ks[len(ks)/2].Feature}
	if o.feature != nil {
		p.feature = *o.feature
	}
	features := 0
	for _, k := range ks {
		features = max(features, k.Feature+1)
	}
	if p.feature >= features {
		return nil, fmt.Errorf("-feature: %s has features 0 to %d, got %d", s.title, features-1, p.feature)
	}
	systems, why := portrait.SystemsOf(s.layer)
	if systems == nil {
		p.noSystem = why
		return p, nil
	}
	for h := range features {
		sys, err := systems.System(0, h)
		if err != nil {
			return nil, err
		}
		spec, err := portrait.Poles(sys)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.layer.Name(), err)
		}
		p.ofOthers.A, p.ofOthers.Ab = append(p.ofOthers.A, spec.A...), append(p.ofOthers.Ab, spec.Ab...)
		if h == p.feature {
			p.of = spec
			if err := p.addFeature(s.layer, sys, o.states); err != nil {
				return nil, fmt.Errorf("%s: %w", s.layer.Name(), err)
			}
		}
	}
	return p, nil
}

// addFeature computes what is drawn of the one feature.
func (p *picture) addFeature(l layers.Layer, sys *layers.System, states int) error {
	p.unit = "time"
	if sys.Dt == 1 {
		p.unit = "step"
	}
	var err error
	if p.basis, err = basis(l, sys, p.feature, states, len(p.kernels[0].K)); err != nil {
		return err
	}
	if p.dense = portrait.Dense(l); p.dense {
		p.matrix, p.beyond, err = portrait.Eigenvalues(sys)
	}
	return err
}

// save writes the picture.
func (p *picture) save(path string) error {
	if p.noSystem != "" {
		return figure.Save(path, []figure.Panel{p.heatMap(), figure.Message("basis functions, eigenvalues", p.noSystem)})
	}
	return figure.Save(path,
		[]figure.Panel{p.heatMap(), p.basisFunctions()},
		[]figure.Panel{p.continuous(), p.discrete()})
}

// heatMap shows all kernels.
func (p *picture) heatMap() figure.Panel {
	length := len(p.kernels[0].K)
	per := portrait.PerColumn(length, columns)
	g := figure.Grid{X0: float64(per-1) / 2, DX: float64(per)}
	var reach, rank []float64
	for i, k := range p.kernels {
		g.Rows = append(g.Rows, portrait.Normalised(k.K, columns))
		reach, rank = append(reach, float64(k.Reach)-0.5), append(rank, float64(i)) // the end of the last step
	}
	plt := figure.NewPlot(fmt.Sprintf("%s: all kernels (%d)\nline: effective length, 99 %% of the energy", p.title, len(p.kernels)), "lag (steps)", "kernel, by effective length")
	h := figure.NewHeatMap(plt, g, "K / max |K|")
	plt.Add(figure.Line(reach, rank, figure.Black, 1.5))
	return h
}

// basisFunctions shows the states of the feature after an impulse.
func (p *picture) basisFunctions() figure.Panel {
	plt := figure.NewPlot(fmt.Sprintf("basis functions of feature %d", p.feature), "lag (steps)", "state after an impulse")
	figure.AddGrid(plt)
	colours := figure.Series(len(p.basis))
	plt.Legend.Top = true
	shown := 0
	for _, phi := range p.basis {
		shown = max(shown, 2*portrait.EffectiveLength(phi))
	}
	for n, phi := range p.basis {
		phi = phi[:min(shown, len(phi))]
		lags := make([]float64, len(phi))
		for l := range lags {
			lags[l] = float64(l)
		}
		line := figure.Line(lags, phi, colours[n], 1)
		plt.Add(line)
		plt.Legend.Add(fmt.Sprintf("n = %d", n), line)
	}
	plt.X.Max *= 1.2 // room for the legend
	return plt
}

// continuous shows the eigenvalues of A.
func (p *picture) continuous() figure.Panel {
	return p.spectra("eigenvalues, continuous", "1/"+p.unit, func(s portrait.Spectrum) []complex128 { return s.A }, func(plt *plot.Plot) figure.Panel {
		plt.X.Max = max(plt.X.Max, 0)
		return plt
	})
}

// discrete shows the eigenvalues of Ab in the unit disc.
func (p *picture) discrete() figure.Panel {
	return p.spectra("eigenvalues, discretised", "per step", func(s portrait.Spectrum) []complex128 { return s.Ab }, func(plt *plot.Plot) figure.Panel {
		var xs, ys []float64
		for i := range 361 {
			s, c := math.Sincos(float64(i) * math.Pi / 180)
			xs, ys = append(xs, c), append(ys, s)
		}
		plt.Add(figure.Line(xs, ys, figure.Grey, 1))
		return figure.Square{Plot: plt}
	})
}

// spectra draws the eigenvalues of one kind; finish completes the plot.
func (p *picture) spectra(title, unit string, of func(portrait.Spectrum) []complex128, finish func(*plot.Plot) figure.Panel) figure.Panel {
	if len(p.of.A)+len(p.matrix.A) == 0 {
		return figure.Message(title, "beyond double precision: A is too far from normal")
	}
	plt := figure.NewPlot(title+"\n"+p.legend(), "Re ("+unit+")", "Im ("+unit+")")
	figure.AddGrid(plt)
	plt.Add(
		figure.Dots(of(p.ofOthers), draw.CircleGlyph{}, figure.Grey, 1.5),
		figure.Dots(of(p.of), draw.RingGlyph{}, figure.Series(3)[1], 4),
		figure.Dots(of(p.matrix), draw.CrossGlyph{}, figure.Black, 3.5),
	)
	panel := finish(plt)
	pad(&plt.X)
	pad(&plt.Y)
	return panel
}

// legend says which eigenvalues are whose.
func (p *picture) legend() string {
	switch {
	case len(p.of.A) == 0:
		return fmt.Sprintf("crosses: feature %d", p.feature)
	case !p.dense:
		return fmt.Sprintf("rings: feature %d, dots: all features", p.feature)
	case p.beyond:
		return fmt.Sprintf("rings: \u039b of feature %d, dots: of all (A: beyond double precision)", p.feature)
	}
	return fmt.Sprintf("crosses: A of feature %d, rings: its \u039b, dots: \u039b of all features", p.feature)
}

// pad widens the range of an axis.
func pad(a *plot.Axis) {
	d := 0.06 * (a.Max - a.Min)
	if d == 0 {
		d = 1
	}
	a.Min, a.Max = a.Min-d, a.Max+d
}
