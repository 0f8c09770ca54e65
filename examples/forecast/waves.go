package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/train/data/series"
)

// generate makes a series of hours: a temperature, with days, weather that comes and
// goes, and the turn of the seasons, and a load that follows it, the hours of work and
// the days of the week. Columns of other names are loads of their own.
func (o *options) generate(src experiment.Source) (*series.Data, error) {
	const name = "a series that is generated"
	cfg := o.config()
	cfg.Months = [3]int{}
	r := rand.New(rand.NewPCG(src.Seed, 0))
	s := &series.Series{
		Columns: waveColumns(cfg), Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Step: series.Step{Duration: time.Hour},
	}
	w, both := len(s.Columns), waveValues(o.Generated, r)
	s.Values = make([]float64, o.Generated*w)
	for j, column := range s.Columns {
		of, at := both, slices.Index(waveNames, column)
		if at < 0 {
			of, at = waveValues(o.Generated, r), 0
		}
		for i := range o.Generated {
			s.Values[i*w+j] = of[2*i+at]
		}
	}
	return series.Cut(s, name, cfg, src.Room)
}

// waveNames are the columns that go together.
var waveNames = []string{"load", "temperature"}

// waveColumns returns the columns of a series that is generated: the targets first.
func waveColumns(cfg series.Config) []string {
	all, more := slices.Clone(cfg.Targets), cfg.Columns
	other := func(name string) bool { return !slices.Contains(waveNames, name) }
	if more == nil && !slices.ContainsFunc(all, other) {
		more = waveNames
	}
	for _, c := range more {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// waveValues returns n hours of load and temperature.
func waveValues(n int, r *rand.Rand) []float64 {
	v := make([]float64, 0, 2*n)
	weather, demand := 0., 0.
	for i := range n {
		hour, day := float64(i%24), float64(i)/24
		weather = 0.99*weather + 0.4*r.NormFloat64()
		demand = 0.9*demand + 10*r.NormFloat64()
		temperature := 10 - 8*math.Cos(2*math.Pi*day/365) - 4*math.Cos(2*math.Pi*(hour-3)/24) + weather
		load := 600 + 120*math.Sin(2*math.Pi*(hour-8)/24) + 60*math.Sin(4*math.Pi*(hour-5)/24) + 6*math.Abs(temperature-15) + demand
		if int(day)%7 > 4 {
			load *= 0.85
		}
		v = append(v, load, temperature)
	}
	return v
}
