package audio

import (
	"errors"
	"fmt"
	"math"
	"sync"
)

// Encoding is how a recording becomes the steps of a sequence: what of a Config a
// model that has been trained has to be told, with the numbers that come from its
// training set. A program saves it beside the model.
type Encoding struct {
	Rate         int        `json:"rate"` // samples per second
	Resample     bool       `json:"resample,omitempty"`
	Length       int        `json:"length,omitempty"` // the most samples; 0: all
	Short        Short      `json:"short,omitempty"`
	Subsample    int        `json:"subsample"` // every so many samples one step
	Features     Features   `json:"features"`
	Coefficients MFCCConfig `json:"mfcc,omitzero"`
	// Mean is subtracted from a feature, and it is divided by Dev.
	Mean []float64 `json:"mean"`
	Dev  []float64 `json:"dev"`
}

// newEncoding returns the encoding of a configuration for recordings of a rate.
func newEncoding(cfg Config, rate int) Encoding {
	e := Encoding{Rate: rate, Resample: cfg.Resample, Length: cfg.Length, Short: cfg.Short, Subsample: cfg.Subsample, Features: cfg.Features}
	n := 1
	if cfg.Features == FeaturesMFCC {
		e.Coefficients = cfg.Coefficients.withDefaults()
		e.Coefficients.Rate = rate
		n = e.Coefficients.Coefficients
	}
	e.Mean, e.Dev = make([]float64, n), make([]float64, n)
	for i := range e.Dev {
		e.Dev[i] = 1
	}
	return e
}

// Validate reports the first field that is out of range.
func (e Encoding) Validate() error {
	c := Config{Rate: e.Rate, Resample: e.Resample, Length: e.Length, Short: e.Short, Features: e.Features, Coefficients: e.Coefficients, Subsample: e.Subsample}
	c.Coefficients.Rate = 0
	switch err := c.Validate(); {
	case err != nil:
		return err
	case e.Rate == 0 || e.Subsample == 0 || e.Features == "":
		return fmt.Errorf("audio: Encoding: want a Rate, Subsample and Features, got %d, %d and %q", e.Rate, e.Subsample, e.Features)
	case e.Features == FeaturesMFCC && e.Coefficients.Rate != e.Rate:
		return fmt.Errorf("audio: Encoding: want coefficients of the rate %d, got %d", e.Rate, e.Coefficients.Rate)
	case len(e.Mean) != e.Width() || len(e.Dev) != e.Width():
		return fmt.Errorf("audio: Encoding: want %d means and deviations, got %d and %d", e.Width(), len(e.Mean), len(e.Dev))
	}
	for i, v := range e.Dev {
		if m := e.Mean[i]; !(v > 0) || math.IsInf(v, 0) || m-m != 0 {
			return fmt.Errorf("audio: Encoding: feature %d: want a finite mean and a deviation > 0, got %v and %v", i, m, v)
		}
	}
	return nil
}

// Width returns the number of features of a step.
func (e Encoding) Width() int {
	if e.Features == FeaturesMFCC {
		return e.Coefficients.withDefaults().Coefficients
	}
	return 1
}

// Encode returns the steps of a recording, (L, Width), row-major. A recording of
// another rate is an error unless Resample is set.
func (e Encoding) Encode(w *Wave) ([]float32, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	w, err := e.fit(w)
	if err != nil {
		return nil, err
	}
	samples := e.padded(w.Samples)
	if e.Features == FeaturesRaw {
		x := make([]float32, steps(len(samples), e.Subsample))
		for i := range x {
			x[i] = e.scaled(samples[i*e.Subsample], 0)
		}
		return x, nil
	}
	m, err := NewMFCC(e.Coefficients)
	if err != nil {
		return nil, err
	}
	c, err := m.Compute(nil, samples)
	if err != nil {
		return nil, err
	}
	x := make([]float32, len(c))
	for i, v := range c {
		x[i] = e.scaled(float32(v), i%e.Width())
	}
	return x, nil
}

// errEmpty is about a recording without samples.
var errEmpty = errors.New("want at least one sample, got none")

// fit returns a recording at the rate, cut to the length.
func (e Encoding) fit(w *Wave) (*Wave, error) {
	if len(w.Samples) == 0 {
		return nil, errEmpty
	}
	if w.Rate != e.Rate {
		if !e.Resample {
			return nil, fmt.Errorf("want %d samples a second, got %d: say that recordings are to be resampled if they are", e.Rate, w.Rate)
		}
		var err error
		if w, err = w.Resample(e.Rate); err != nil {
			return nil, err
		}
	}
	if e.Length > 0 && len(w.Samples) > e.Length {
		w = &Wave{w.Rate, w.Samples[:e.Length]}
	}
	return w, nil
}

// padded returns samples with zeros up to the length if they are to have it.
func (e Encoding) padded(samples []float32) []float32 {
	if e.Short == Pad && len(samples) < e.Length {
		return append(samples[:len(samples):len(samples)], make([]float32, e.Length-len(samples))...)
	}
	return samples
}

// scaled returns a value of a feature as a model gets it.
func (e Encoding) scaled(v float32, feature int) float32 {
	return float32((float64(v) - e.Mean[feature]) / e.Dev[feature])
}

// steps returns how many of n samples are left of every k-th, from the first on.
func steps(n, k int) int { return (n + k - 1) / k }

// deviationOffset is added to a deviation, as the reference does.
const deviationOffset = 1e-5

// moments sums up the values of a feature.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(o moments) {
	m.n += o.n
	m.sum += o.sum
	m.squares += o.squares
}

// scale returns the mean and the deviation, as the reference has it.
func (m moments) scale() (mean, dev float64) {
	mean = m.sum / m.n
	variance := 0.0
	if m.n > 1 {
		variance = max(0, (m.squares-m.sum*mean)/(m.n-1))
	}
	return mean, math.Sqrt(variance) + deviationOffset
}

// buffers is memory for the steps of an example.
var buffers = sync.Pool{New: func() any { return new([]float32) }}
