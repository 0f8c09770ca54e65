package series

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gorgonia-s4/s4/train/data"
)

var nan = math.NaN()

// even returns the rows at even steps of time.
func (t *table) even(cfg Config) (*Series, error) {
	s := &Series{}
	for _, i := range t.used {
		s.Columns = append(s.Columns, t.names[i])
	}
	for i, n := range t.absent {
		if n > 0 {
			s.note("column %q: %d of %d numbers are missing (%s)", s.Columns[i], n, len(t.lines), cfg.Missing)
		}
		if n == len(t.lines) {
			return nil, fmt.Errorf("column %q: want numbers, got none: all are missing", s.Columns[i])
		}
	}
	if t.time < 0 {
		if cfg.TimeFeatures || cfg.Months != [3]int{} || cfg.Step != "" {
			return nil, fmt.Errorf("want a column of time stamps, got %.400q", t.names)
		}
		s.Values = t.values
		return s, nil
	}
	times, err := t.clock.read()
	if err != nil {
		return nil, err
	}
	return s, t.evenTimes(s, cfg, times)
}

func (s *Series) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// evenTimes fills the series with the rows at even steps of time.
func (t *table) evenTimes(s *Series, cfg Config, times []time.Time) error {
	order, err := t.ascending(s, cfg, times)
	if err != nil {
		return err
	}
	sorted := make([]time.Time, len(order))
	for i, row := range order {
		sorted[i] = times[row]
	}
	if cfg.Step != "" {
		s.Step, err = parseStep(cfg.Step)
	} else {
		s.Step, err = findStep(sorted)
	}
	if err != nil {
		return err
	}
	s.Start = sorted[0]
	uneven := 0
	for uneven < len(sorted) && s.Time(uneven).Equal(sorted[uneven]) {
		uneven++
	}
	switch {
	case uneven < len(sorted) && cfg.Uneven == UnevenError:
		return &data.LineError{Line: int(t.lines[order[uneven]]), Err: fmt.Errorf("want the time %s, a step of %v after the one before, got %s: say what to do about uneven steps (Config.Uneven)",
			stamp(s.Time(uneven)), s.Step, stamp(sorted[uneven]))}
	case uneven < len(sorted):
		return t.resample(s, cfg, order, sorted)
	case !slices.IsSorted(order) || len(order) < len(times):
		s.Values = t.rows(order)
	default:
		s.Values = t.values
	}
	return nil
}

// stamp writes a time.
func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }

// ascending returns the rows in the order of time, of those of one time the last.
func (t *table) ascending(s *Series, cfg Config, times []time.Time) ([]int, error) {
	order := make([]int, len(times))
	for i := range order {
		order[i] = i
	}
	moved := 0
	for i := 1; i < len(times); i++ {
		switch c := times[i].Compare(times[i-1]); {
		case c > 0:
			continue
		case cfg.Uneven == UnevenError && c == 0:
			return nil, &data.LineError{Line: int(t.lines[i]), Err: fmt.Errorf("want a time after %s, got it again: say what to do about uneven steps (Config.Uneven)", stamp(times[i-1]))}
		case cfg.Uneven == UnevenError:
			return nil, &data.LineError{Line: int(t.lines[i]), Err: fmt.Errorf("want a time after %s, got %s: say what to do about uneven steps (Config.Uneven)", stamp(times[i-1]), stamp(times[i]))}
		case c < 0:
			moved++
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return times[i].Compare(times[j]) })
	if moved > 0 {
		s.note("%d rows are before the one above them: all are sorted by time", moved)
	}
	kept := order[:0]
	for i, row := range order {
		if i+1 == len(order) || !times[row].Equal(times[order[i+1]]) {
			kept = append(kept, row)
		}
	}
	if n := len(times) - len(kept); n > 0 {
		s.note("%d rows have the time of another: of those the last counts", n)
	}
	return kept, nil
}

// rows returns the numbers of some rows.
func (t *table) rows(order []int) []float64 {
	w := len(t.used)
	out := make([]float64, 0, w*len(order))
	for _, row := range order {
		out = append(out, t.values[w*row:w*(row+1)]...)
	}
	return out
}

// Even steps may be more than rows are: so many times, and so many at least.
const (
	mostSteps  = 64
	leastSteps = 1 << 16
)

// resample fills the series with what there is at even times, of rows in the order of
// their times.
func (t *table) resample(s *Series, cfg Config, order []int, times []time.Time) error {
	n := s.Step.between(s.Start, times[len(times)-1]) + 1
	w := len(t.used)
	if n > max(leastSteps, mostSteps*len(times)) || n > maxNumbers/w {
		return fmt.Errorf("want at most %d even steps for %d rows, got %d of %v from %s to %s: say a Step", max(leastSteps, mostSteps*len(times)), len(times), n, s.Step, stamp(s.Start), stamp(times[len(times)-1]))
	}
	s.Values = make([]float64, 0, n*w)
	row, made := 0, 0 // the last row that is not after the time
	for i := range n {
		at := s.Time(i)
		for row+1 < len(times) && !times[row+1].After(at) {
			row++
		}
		before := t.values[w*order[row] : w*(order[row]+1)]
		if times[row].Equal(at) {
			s.Values = append(s.Values, before...)
			continue
		}
		made++
		switch cfg.Uneven {
		case UnevenLast:
			s.Values = append(s.Values, before...)
		case UnevenMissing:
			for range w {
				s.Values = append(s.Values, nan)
			}
		default:
			after := t.values[w*order[row+1] : w*(order[row+1]+1)]
			share := float64(at.Sub(times[row])) / float64(times[row+1].Sub(times[row]))
			for j, v := range before {
				s.Values = append(s.Values, v+share*(after[j]-v))
			}
		}
	}
	s.note("%d rows are not %v apart: of %d even steps from %s on, %d are made (%s), and %d rows are between them", len(times), s.Step, n, stamp(s.Start), made, cfg.Uneven, len(times)-(n-made))
	if made > 0 && cfg.Uneven == UnevenMissing && cfg.Missing == MissingError {
		return fmt.Errorf("%d of %d steps are missing: say what to do about missing numbers (Config.Missing)", made, n)
	}
	return nil
}

// fill replaces what is missing. No column is missing as a whole.
func (s *Series) fill(how Missing) error {
	w, n := len(s.Columns), s.Len()
	for c := range w {
		last := -1 // row of the last number
		for i := range n + 1 {
			if i < n && math.IsNaN(s.Values[i*w+c]) {
				continue
			}
			if last+1 < i {
				if err := s.fillGap(how, c, last, i); err != nil {
					return err
				}
			}
			last = i
		}
	}
	return nil
}

// fillGap fills column c between the rows before and after, which may be beyond the
// ends.
func (s *Series) fillGap(how Missing, c, before, after int) error {
	w, n := len(s.Columns), s.Len()
	if before < 0 && after == n {
		return fmt.Errorf("column %q: want numbers, got none: all are missing", s.Columns[c])
	}
	for i := before + 1; i < after; i++ {
		at := &s.Values[i*w+c]
		switch {
		case before < 0:
			*at = s.Values[after*w+c]
		case how == MissingForward || after == n:
			*at = s.Values[before*w+c]
		default:
			v := s.Values[before*w+c]
			*at = v + float64(i-before)/float64(after-before)*(s.Values[after*w+c]-v)
		}
	}
	if before < 0 {
		s.note("column %q: the first %d numbers are missing, and made the one behind them", s.Columns[c], after)
	}
	return nil
}
