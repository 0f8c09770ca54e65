package series

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// layouts are how time stamps are written. A digit may be missing where there is one
// here, and a fraction may follow the seconds.
var layouts = []string{
	"2006-1-2 15:04:05", "2006-1-2 15:04", "2006-1-2",
	"2006-1-2T15:04:05Z07:00", "2006-1-2T15:04:05", "2006-1-2T15:04", "2006-1-2 15:04:05Z07:00",
	"2006/1/2 15:04:05", "2006/1/2 15:04", "2006/1/2",
	"1/2/2006 15:04:05", "1/2/2006 15:04", "1/2/2006",
	"2/1/2006 15:04:05", "2/1/2006 15:04", "2/1/2006",
	"2.1.2006 15:04:05", "2.1.2006 15:04", "2.1.2006",
	"2006-01", "Jan 2006", "Jan 2 2006", "2 Jan 2006",
}

// digitLayouts are time stamps that are digits alone, by their number. Those are
// taken for time stamps only where a column is called so.
var digitLayouts = map[int]string{4: "2006", 6: "200601", 8: "20060102", 10: unixSeconds, 13: unixMillis, 14: "20060102150405"}

// Seconds and milliseconds since 1970.
const (
	unixSeconds = "unix"
	unixMillis  = "unix-ms"
)

// timeNames are what columns of time stamps are called.
var timeNames = []string{"date", "time", "timestamp", "datetime", "date_time", "ds", "day", "month", "year", "time_hour"}

// parseTime reads a time stamp.
func parseTime(layout, text string) (time.Time, error) {
	switch layout {
	case unixSeconds, unixMillis:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < -maxUnix || n > 1000*maxUnix {
			return time.Time{}, fmt.Errorf("want a time stamp as %s, got %.40q", layout, text)
		}
		if layout == unixMillis {
			return time.UnixMilli(n).UTC(), nil
		}
		return time.Unix(min(n, maxUnix), 0).UTC(), nil
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return t, fmt.Errorf("want a time stamp as %q, got %.40q", layout, text)
	}
	t = t.UTC()
	if t.Year() < 1700 || t.Year() > 2261 {
		return t, fmt.Errorf("want a time stamp from 1700 to 2261, got %.40q", text)
	}
	return t, nil
}

// maxUnix is in the year 2261: the nanoseconds of what is before it are an int64.
const maxUnix = 9_214_646_400

// isTime says whether a text is a time stamp of a layout, or with "" of any.
func isTime(layout, text string) bool {
	among := layouts
	if layout != "" {
		among = []string{layout}
	}
	return slices.ContainsFunc(among, func(l string) bool {
		_, err := parseTime(l, text)
		return err == nil
	})
}

// clock finds out how time stamps are written, and reads them.
type clock struct {
	layouts []string      // that have fitted all so far
	times   [][]time.Time // by each of them
}

// newClock returns one for a layout, or for all that fit the first time stamp.
// digits says whether digits alone may be a time stamp.
func newClock(layout, first string, digits bool) *clock {
	c := &clock{}
	switch of, ok := digitLayouts[len(first)]; {
	case layout != "":
		c.layouts = []string{layout}
	case digits && ok && strings.Trim(first, "0123456789") == "":
		c.layouts = []string{of}
	default:
		for _, l := range layouts {
			if _, err := parseTime(l, first); err == nil {
				c.layouts = append(c.layouts, l)
			}
		}
	}
	c.times = make([][]time.Time, len(c.layouts))
	return c
}

// add reads a time stamp.
func (c *clock) add(text string) error {
	if len(c.layouts) == 0 {
		return fmt.Errorf("want a time stamp, got %.40q", text)
	}
	var failed error
	for i := 0; i < len(c.layouts); {
		t, err := parseTime(c.layouts[i], text)
		if err == nil {
			c.times[i] = append(c.times[i], t)
			i++
			continue
		}
		failed = err
		if len(c.layouts) == 1 {
			return failed
		}
		c.layouts, c.times = slices.Delete(c.layouts, i, i+1), slices.Delete(c.times, i, i+1)
	}
	return nil
}

// read returns the times. Of several layouts that fit, as days and months may be in
// either order, only one may ascend.
func (c *clock) read() ([]time.Time, error) {
	if len(c.layouts) > 1 {
		var ascending []int
		for i, ts := range c.times {
			if slices.IsSortedFunc(ts, time.Time.Compare) && !slices.ContainsFunc(ascending, func(j int) bool { return slices.EqualFunc(c.times[j], ts, time.Time.Equal) }) {
				ascending = append(ascending, i)
			}
		}
		if len(ascending) != 1 {
			return nil, fmt.Errorf("want time stamps that are written in one way, got ones that may be %q: say which by TimeLayout", c.layouts)
		}
		return c.times[ascending[0]], nil
	}
	return c.times[0], nil
}

// Step is the distance of the times of a series: a number of months, or a duration.
type Step struct {
	Months   int
	Duration time.Duration
}

// parseStep reads "1h30m" or "3mo".
func parseStep(text string) (Step, error) {
	if digits, ok := strings.CutSuffix(text, "mo"); ok {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > maxMonths {
			return Step{}, fmt.Errorf("want 1 to %d months, got %q", maxMonths, text)
		}
		return Step{Months: n}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return Step{}, fmt.Errorf(`want a duration such as "1h30m", or months such as "1mo", got %q`, text)
	}
	return Step{Duration: d}, nil
}

// String returns "1h0m0s" or "3mo".
func (s Step) String() string {
	if s.Months > 0 {
		return fmt.Sprintf("%dmo", s.Months)
	}
	return s.Duration.String()
}

// MarshalText and UnmarshalText write and read a Step as text.
func (s Step) MarshalText() ([]byte, error) {
	if s == (Step{}) {
		return nil, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Step) UnmarshalText(text []byte) (err error) {
	if *s = (Step{}); len(text) > 0 {
		*s, err = parseStep(string(text))
	}
	return err
}

// after returns the time n steps after t. The 31st of a month that has none is its
// last day.
func (s Step) after(t time.Time, n int) time.Time {
	if s.Months == 0 {
		return t.Add(time.Duration(n) * s.Duration)
	}
	y, m, d := t.Date()
	first := time.Date(y, m+time.Month(n*s.Months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(d, last)-1)
}

// between returns how many whole steps after t the time u is, at most, for u >= t.
func (s Step) between(t, u time.Time) int {
	if s.Months == 0 {
		return int(u.Sub(t) / s.Duration)
	}
	n := ((u.Year()-t.Year())*12 + int(u.Month()) - int(t.Month())) / s.Months
	for n > 0 && s.after(t, n).After(u) {
		n--
	}
	return n
}

// day returns how many steps a day has, 0 if it has less than one.
func (s Step) day() int {
	if s.Months > 0 {
		return 0
	}
	return int(24 * time.Hour / s.Duration)
}

// Season returns the steps after which a series is likely to be as it was: a day, a
// week of days, or a year of weeks, months or quarters; 1 if there is no such number.
func (s Step) Season() int {
	const day = 24 * time.Hour
	switch d := s.Duration; {
	case s.Months > 0:
		return max(1, 12/s.Months)
	case d > 0 && d < day && day%d == 0:
		return int(day / d)
	case d == day:
		return 7
	case d == 7*day:
		return 52
	}
	return 1
}

// findStep returns the commonest distance of ascending times: in months, if all are
// at one time of one day of a month, and otherwise as a duration.
func findStep(times []time.Time) (Step, error) {
	if len(times) < 2 {
		return Step{}, errors.New("want at least two rows to know the step of time, got one")
	}
	durations, months := map[time.Duration]int{}, map[int]int{}
	monthly := true
	for i, t := range times[1:] {
		before := times[i]
		if d := t.Sub(before); d > 0 {
			durations[d]++
		}
		n := (t.Year()-before.Year())*12 + int(t.Month()) - int(before.Month())
		if monthly = monthly && dayTime(t) == dayTime(before); n > 0 {
			months[n]++
		}
	}
	if monthly && len(months) > 0 {
		return Step{Months: commonest(months)}, nil
	}
	if len(durations) == 0 {
		return Step{}, errors.New("want time stamps that differ, got one alone")
	}
	return Step{Duration: commonest(durations)}, nil
}

// dayTime is what monthly times have in common. The last day of any month is day 31.
func dayTime(t time.Time) [5]int {
	day := t.Day()
	if t.AddDate(0, 0, 1).Day() == 1 {
		day = 31
	}
	return [5]int{day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond()}
}

// commonest returns the value that was counted most often, the least of equals.
func commonest[T cmp.Ordered](counts map[T]int) T {
	var best T
	n := 0
	for v, c := range counts {
		if c > n || c == n && v < best {
			best, n = v, c
		}
	}
	return best
}
