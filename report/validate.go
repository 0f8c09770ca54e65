package report

import (
	"errors"
	"fmt"
	"slices"
)

// Bounds on what a test may hold: what is beyond them is no picture to look at.
const (
	maxClasses = 2048
	maxSamples = 512
	maxSteps   = 1 << 20 // of a text, a wave or a series, and pixels of an image
	maxSeries  = 256
)

// validate reports the first field that is out of range or does not fit others.
func (t *Test) validate() error {
	c := len(t.Classes)
	switch {
	case t.Examples < 0:
		return fmt.Errorf("want examples >= 0, got %d", t.Examples)
	case c > maxClasses:
		return fmt.Errorf("want at most %d classes, got %d", maxClasses, c)
	case len(t.Samples) > maxSamples:
		return fmt.Errorf("want at most %d samples, got %d", maxSamples, len(t.Samples))
	case t.Seconds < 0 || !finite(t.Seconds):
		return fmt.Errorf("want seconds >= 0, got %g", t.Seconds)
	case t.Floor != nil && !finite(t.Floor.Value):
		return fmt.Errorf("floor: want a number, got %g", t.Floor.Value)
	}
	for _, at := range t.Rates {
		if !(at.Rate > 0) || !finite(at.Rate) {
			return fmt.Errorf("rates: want rates > 0, got %g", at.Rate)
		}
	}
	for _, at := range t.Lengths {
		if at.Length < 1 {
			return fmt.Errorf("lengths: want lengths >= 1, got %d", at.Length)
		}
	}
	if err := checkConfusion(t.Confusion, c); err != nil {
		return err
	}
	for i := range t.Samples {
		if err := t.Samples[i].validate(c); err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
	}
	return nil
}

// checkConfusion reports counts that are not those of c classes.
func checkConfusion(counts [][]int, c int) error {
	if counts != nil && len(counts) != c {
		return fmt.Errorf("confusion: want %d rows, one for each class, got %d", c, len(counts))
	}
	for i, row := range counts {
		if len(row) != c {
			return fmt.Errorf("confusion: row %d: want %d counts, one for each class, got %d", i, c, len(row))
		}
		if n := slices.Min(row); n < 0 {
			return fmt.Errorf("confusion: row %d: want counts >= 0, got %d", i, n)
		}
	}
	return nil
}

func (s *Sample) validate(classes int) error {
	for _, class := range []int{s.Target, s.Prediction} {
		if class < 0 || class >= max(classes, 1) {
			return fmt.Errorf("want target and prediction in [0, %d), got %d", max(classes, 1), class)
		}
	}
	if s.Scores != nil && len(s.Scores) != classes {
		return fmt.Errorf("want %d scores, one for each class, got %d", classes, len(s.Scores))
	}
	if s.Index < 0 {
		return fmt.Errorf("want index >= 0, got %d", s.Index)
	}
	if s.Loss != nil && !finite(*s.Loss) {
		return fmt.Errorf("want a loss that is finite, got %g", *s.Loss)
	}
	if err := s.Picture.validate(s.Saliency); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	switch second := s.Picture.Second; {
	case second == nil && s.SecondSaliency != nil:
		return errors.New("second_saliency: want a second picture too")
	case second == nil:
		return nil
	case second.Second != nil:
		return errors.New("picture: want at most two pictures, got three")
	default:
		if err := second.validate(s.SecondSaliency); err != nil {
			return fmt.Errorf("second picture: %w", err)
		}
	}
	return nil
}

// validate reports the first field that is out of range, or a saliency that is
// not one of its steps.
func (p *Picture) validate(saliency Numbers) error {
	var steps int
	var err error
	switch p.Kind {
	case Text:
		steps = len(p.Pieces)
	case Image:
		steps, err = p.checkImage()
	case Wave:
		steps, err = p.checkWave(len(saliency))
	case Lines:
		steps, err = p.checkSeries()
	default:
		return fmt.Errorf("want kind %q, %q, %q or %q, got %q", Text, Image, Wave, Lines, p.Kind)
	}
	switch {
	case err != nil:
		return err
	case steps > maxSteps:
		return fmt.Errorf("want at most %d steps, got %d", maxSteps, steps)
	case saliency != nil && len(saliency) != steps:
		return fmt.Errorf("want a saliency of %d steps, got %d", steps, len(saliency))
	}
	return nil
}

// checkImage returns the number of steps of an image.
func (p *Picture) checkImage() (steps int, err error) {
	w, h, c := p.Width, p.Height, p.Channels
	switch {
	case w < 1 || h < 1 || w > maxSteps || h > maxSteps/w:
		return 0, fmt.Errorf("want width and height from 1, and at most %d pixels, got %d x %d", maxSteps, w, h)
	case c != 1 && c != 3:
		return 0, fmt.Errorf("want 1 or 3 channels, got %d", c)
	case len(p.Pixels) != w*h*c:
		return 0, fmt.Errorf("want %d x %d x %d bytes of pixels, got %d", h, w, c, len(p.Pixels))
	case len(p.Path) > maxSteps:
		return 0, fmt.Errorf("want a path of at most %d pixels, got %d", maxSteps, len(p.Path))
	}
	for _, list := range [][]int{p.Order, p.Path} {
		for i, at := range list {
			if at < 0 || at >= w*h {
				return 0, fmt.Errorf("want order and path in [0, %d), got %d at %d", w*h, at, i)
			}
		}
	}
	if p.Order != nil {
		return len(p.Order), nil
	}
	return w * h, nil
}

// checkWave returns the number of steps of a wave: that of the saliency, if
// there are not more than samples.
func (p *Picture) checkWave(saliency int) (steps int, err error) {
	n := len(p.Samples)
	switch {
	case p.Rate < 0:
		return 0, fmt.Errorf("want rate >= 0, got %d", p.Rate)
	case n > maxSteps:
		return n, nil
	case saliency > 0 && saliency <= n:
		return saliency, nil
	}
	return n, nil
}

// checkSeries returns the number of steps of a series.
func (p *Picture) checkSeries() (steps int, err error) {
	if n := len(p.Series); n < 1 || n > maxSeries {
		return 0, fmt.Errorf("want 1 to %d series, got %d", maxSeries, n)
	}
	steps, future := len(p.Series[0].Past), -1
	for i, s := range p.Series {
		if len(s.Past) != steps {
			return 0, fmt.Errorf("series %d: want a past of %d steps, as the first, got %d", i, steps, len(s.Past))
		}
		lists := []Numbers{s.Future, s.Forecast}
		for k, q := range s.Quantiles {
			if !(q.Level > 0 && q.Level < 1) || k > 0 && !(q.Level > s.Quantiles[k-1].Level) {
				return 0, fmt.Errorf("series %d: quantile %d: want levels in (0, 1), ascending, got %g", i, k, q.Level)
			}
			lists = append(lists, q.Values)
		}
		for _, l := range lists {
			if l != nil && future < 0 {
				future = len(l)
			}
			if l != nil && len(l) != future || len(l) > maxSteps {
				return 0, fmt.Errorf("series %d: want a future, a forecast and quantiles of one length, at most %d, got %d and %d", i, maxSteps, future, len(l))
			}
		}
	}
	return steps, nil
}
