package series

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gorgonia-s4/s4/train/data/internal/names"
)

// Encoding is how a series becomes windows: what a model that has been trained has to
// be told, with the numbers that come from its training part. A program saves it
// beside the model.
type Encoding struct {
	Columns      []string  `json:"columns"` // the targets first
	Targets      int       `json:"targets"` // how many of them
	Step         Step      `json:"step,omitzero"`
	Lookback     int       `json:"lookback"`
	Horizon      int       `json:"horizon"`
	Mask         bool      `json:"mask,omitempty"`          // features say which numbers are there
	TimeFeatures bool      `json:"time_features,omitempty"` // and when
	Mean         []float64 `json:"mean"`                    // of each column
	Dev          []float64 `json:"dev"`                     // deviation
}

// timeWidth is the number of features that say when a step is.
const timeWidth = 4

// Width returns the number of features of a step: of each column its number, with Mask
// of each whether it is there (1 or 0), and with TimeFeatures four more.
func (e Encoding) Width() int {
	w := len(e.Columns)
	if e.Mask {
		w *= 2
	}
	if e.TimeFeatures {
		w += timeWidth
	}
	return w
}

// Validate reports the first field that is out of range.
func (e Encoding) Validate() error {
	n := len(e.Columns)
	switch {
	case n < 1 || n > maxColumns || names.Repeated(e.Columns) >= 0:
		return fmt.Errorf("series: Encoding.Columns: want 1 to %d names, got %.400q", maxColumns, e.Columns)
	case e.Targets < 1 || e.Targets > n:
		return fmt.Errorf("series: Encoding.Targets: want 1 to %d, got %d", n, e.Targets)
	case e.Lookback < 1 || e.Lookback > maxSteps || e.Horizon < 1 || e.Horizon > maxSteps:
		return fmt.Errorf("series: Encoding: want Lookback and Horizon in [1, %d], got %d and %d", maxSteps, e.Lookback, e.Horizon)
	case e.Step.Months < 0 || e.Step.Months > maxMonths || e.Step.Duration < 0 || e.TimeFeatures && e.Step == Step{}:
		return fmt.Errorf("series: Encoding.Step: want a step of time, got %v", e.Step)
	case len(e.Mean) != n || len(e.Dev) != n:
		return fmt.Errorf("series: Encoding: want %d means and deviations, got %d and %d", n, len(e.Mean), len(e.Dev))
	}
	for i, v := range e.Dev {
		if m := e.Mean[i]; !(v > 0) || math.IsInf(v, 0) || m-m != 0 {
			return fmt.Errorf("series: Encoding: column %q: want a finite mean and a deviation > 0, got %v and %v", e.Columns[i], m, v)
		}
	}
	return nil
}

// Window returns the features of the last Lookback steps of a series, (Lookback,
// Width), row-major, from which what follows it is forecast. A series has the columns
// of the training one, in any order, and its step.
func (e Encoding) Window(s *Series) ([]float32, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if s.Step != e.Step {
		return nil, fmt.Errorf("series: want steps of %v, as in training, got %v", e.Step, s.Step)
	}
	first := s.Len() - e.Lookback
	if first < 0 {
		return nil, fmt.Errorf("series: want at least %d steps to look back at, got %d", e.Lookback, s.Len())
	}
	from := make([]int, len(e.Columns))
	for i, name := range e.Columns {
		if from[i] = slices.Index(s.Columns, name); from[i] < 0 {
			return nil, fmt.Errorf("series: want a column %q, as in training, got %.400q", name, s.Columns)
		}
	}
	x := make([]float32, 0, e.Lookback*e.Width())
	row := make([]float32, len(e.Columns))
	for i := first; i < s.Len(); i++ {
		for j, c := range from {
			v := s.Values[i*len(s.Columns)+c]
			if math.IsNaN(v) && !e.Mask {
				return nil, fmt.Errorf("series: column %q of step %d: want a number, as in training, got none", e.Columns[j], i)
			}
			row[j] = e.scaled(v, j)
		}
		x = e.step(x, row, s.Time(i))
	}
	return x, nil
}

// scaled returns a number of a column as a model gets it; NaN remains.
func (e Encoding) scaled(v float64, column int) float32 {
	return float32((v - e.Mean[column]) / e.Dev[column])
}

// scale returns the numbers of a series as a model gets them; NaN remains.
func (e Encoding) scale(s *Series) ([]float32, error) {
	scaled := make([]float32, len(s.Values))
	w := len(s.Columns)
	for i, v := range s.Values {
		if scaled[i] = e.scaled(v, i%w); math.IsInf(float64(scaled[i]), 0) {
			return nil, fmt.Errorf("column %q of step %d: want a number that is less than %g deviations from the mean, got %g", s.Columns[i%w], i/w, math.MaxFloat32, v)
		}
	}
	return scaled, nil
}

// Number returns a number of a column in its unit of what a model gives.
func (e Encoding) Number(v float64, column int) float64 { return v*e.Dev[column] + e.Mean[column] }

// step appends the features of a step: its numbers, scaled, NaN where one is missing.
func (e Encoding) step(x, row []float32, at time.Time) []float32 {
	for _, v := range row {
		if v != v {
			v = 0 // the mean
		}
		x = append(x, v)
	}
	if e.Mask {
		for _, v := range row {
			there := float32(1)
			if v != v {
				there = 0
			}
			x = append(x, there)
		}
	}
	if e.TimeFeatures {
		x = append(x,
			float32(at.Hour())/23-0.5, float32((at.Weekday()+6)%7)/6-0.5, // from Monday on
			float32(at.Day()-1)/30-0.5, float32(at.YearDay()-1)/365-0.5)
	}
	return x
}

// standardize finds mean and deviation of each column in the first rows.
func (e *Encoding) standardize(s *Series, rows int) error {
	w := len(s.Columns)
	e.Mean, e.Dev = make([]float64, w), make([]float64, w)
	for c := range w {
		n, mean, squares := 0.0, 0.0, 0.0 // squared distances from the mean (Welford 1962)
		for i := range rows {
			v := s.Values[i*w+c]
			if math.IsNaN(v) {
				continue
			}
			n++
			d := v - mean
			mean += d / n
			squares += d * (v - mean)
		}
		if n == 0 {
			return fmt.Errorf("column %q: want numbers in the training part, got none in %d steps", s.Columns[c], rows)
		}
		e.Mean[c], e.Dev[c] = mean, math.Sqrt(squares/n)
		if !(e.Dev[c] > 0) {
			e.Dev[c] = 1
			s.note("column %q is %g in all of the training part", s.Columns[c], mean)
		}
		if d := e.Dev[c]; d-d != 0 || mean-mean != 0 {
			return fmt.Errorf("column %q: want numbers whose mean and deviation are finite, got ones that are too large", s.Columns[c])
		}
	}
	return nil
}

// errShort says that a series is too short.
var errShort = errors.New("the series is too short")
