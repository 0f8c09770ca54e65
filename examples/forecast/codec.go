package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/series"
)

// codec reads files as that of the training was, and says forecasts in their units.
type codec struct {
	Encoding  series.Encoding `json:"encoding"`
	Quantiles []float64       `json:"quantiles,omitempty"`
	File      series.Config   `json:"file"` // how a file is read

	behind map[string]behind // by origin
}

// behind is what is known of what follows a window.
type behind struct {
	times []time.Time // of the steps to come; nil if there are none
}

var (
	_ experiment.Teller    = (*codec)(nil)
	_ experiment.CSVTeller = (*codec)(nil)
	_ experiment.Plotter   = (*codec)(nil)
)

// Read implements experiment.Codec: the last window of a CSV file is one example, from
// which what follows its last row is forecast.
func (c *codec) Read(r io.Reader, name string, f func(experiment.Example) error) error {
	x, s, err := c.window(r)
	if at := new(data.LineError); errors.As(err, &at) {
		return fields.Speak(fmt.Errorf("%s:%d: %w", name, at.Line, at.Err))
	}
	if err != nil {
		return fields.Speak(fmt.Errorf("%s: %w", name, err))
	}
	var b behind
	if s.Step != (series.Step{}) {
		for i := range c.Encoding.Horizon {
			b.times = append(b.times, s.Time(s.Len()+i))
		}
	}
	if c.behind == nil {
		c.behind = make(map[string]behind)
	}
	c.behind[name] = b
	return f(experiment.Example{Origin: name, Features: x, Target: task.Ignore})
}

// window returns the last window of a file, and its series.
func (c *codec) window(r io.Reader) ([]float32, *series.Series, error) {
	s, err := series.Read(context.Background(), r, c.File)
	if err != nil {
		return nil, nil, err
	}
	x, err := c.Encoding.Window(s)
	return x, s, err
}

// Classes implements experiment.Codec.
func (c *codec) Classes() []string { return nil }

// told is what predict writes: of each step to come its time, and of each column that
// is forecast its number, and its quantiles by their levels.
type told struct {
	Origin string     `json:"origin"`
	Step   int        `json:"step,omitempty"` // steps that have been read
	Steps  []toldStep `json:"forecast"`
}

type toldStep struct {
	Time      string                        `json:"time,omitempty"`
	Values    map[string]float64            `json:"values"`
	Quantiles map[string]map[string]float64 `json:"quantiles,omitempty"`
}

// Tell implements experiment.Teller.
func (c *codec) Tell(e experiment.Example, f experiment.Forecast) (any, error) {
	t := told{Origin: f.Origin, Step: f.Step}
	times := c.behind[e.Origin].times
	for i, row := range f.Forecast {
		s := toldStep{Values: map[string]float64{}}
		if f.Step == 0 && i < len(times) {
			s.Time = times[i].Format(time.RFC3339)
		}
		for j, v := range row {
			name := c.Encoding.Columns[j]
			if s.Values[name] = c.Encoding.Number(v, j); math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("step %d of column %q: want a finite forecast, got %v", i, name, v)
			}
			if f.Quantiles == nil {
				continue
			}
			if s.Quantiles == nil {
				s.Quantiles = map[string]map[string]float64{}
			}
			of := map[string]float64{}
			for k, q := range f.Quantiles[i][j] {
				of[fmt.Sprint(c.Quantiles[k])] = c.Encoding.Number(q, j)
			}
			s.Quantiles[name] = of
		}
		t.Steps = append(t.Steps, s)
	}
	return t, nil
}

// TellCSV implements experiment.CSVTeller: a row for each step to come, of its file,
// its time, and for each column that is forecast its number and its quantiles.
func (c *codec) TellCSV(w io.Writer, first bool, e experiment.Example, f experiment.Forecast) error {
	out := csv.NewWriter(w)
	names := c.Encoding.Columns[:c.Encoding.Targets]
	if first {
		header := []string{"file", "time"}
		for _, name := range names {
			header = append(header, name)
			for _, q := range c.Quantiles {
				header = append(header, fmt.Sprintf("%s %g", name, q))
			}
		}
		if err := out.Write(header); err != nil {
			return err
		}
	}
	v, err := c.Tell(e, f)
	if err != nil {
		return err
	}
	for _, s := range v.(told).Steps {
		row := []string{f.Origin, s.Time}
		for _, name := range names {
			row = append(row, strconv.FormatFloat(s.Values[name], 'g', -1, 64))
			for _, q := range c.Quantiles {
				row = append(row, strconv.FormatFloat(s.Quantiles[name][fmt.Sprint(q)], 'g', -1, 64))
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// mostColumns bounds the columns that a picture shows.
const mostColumns = 4

// Show implements experiment.Codec: the columns that are forecast, in their units.
func (c *codec) Show(e experiment.Example) report.Picture {
	p := report.Picture{Kind: report.Lines}
	w, n := c.Encoding.Width(), c.Encoding.Targets
	for j := range min(n, mostColumns) {
		s := report.Series{Name: c.Encoding.Columns[j]}
		for at := j; at < len(e.Features); at += w {
			v := float32(c.Encoding.Number(float64(e.Features[at]), j))
			if c.Encoding.Mask && e.Features[at+len(c.Encoding.Columns)] == 0 {
				v = float32(math.NaN())
			}
			s.Past = append(s.Past, v)
		}
		for at := j; at < len(e.Future); at += n {
			s.Future = append(s.Future, float32(c.Encoding.Number(float64(e.Future[at]), j)))
		}
		for at := j; at < len(e.Forecast); at += n {
			s.Forecast = append(s.Forecast, float32(c.Encoding.Number(e.Forecast[at], j)))
		}
		for k, level := range c.Quantiles {
			q := report.Quantile{Level: level}
			for at := j*len(c.Quantiles) + k; at < len(e.Quantiles); at += n * len(c.Quantiles) {
				q.Values = append(q.Values, float32(c.Encoding.Number(e.Quantiles[at], j)))
			}
			if q.Values != nil {
				s.Quantiles = append(s.Quantiles, q)
			}
		}
		p.Series = append(p.Series, s)
	}
	return p
}
