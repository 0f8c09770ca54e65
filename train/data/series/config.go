package series

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/train/data/internal/names"
)

// Missing says what becomes of a number that is not there: of an empty field, NaN,
// NA, null, None or ?.
type Missing string

// What can become of it. "" means MissingError.
const (
	MissingError   Missing = "error"
	MissingForward Missing = "forward" // the last number before it; the first one behind it at the start
	MissingLinear  Missing = "linear"  // on the line between its neighbours, which looks ahead
	MissingMask    Missing = "mask"    // the mean; a feature says what is there, and a target that is not does not count
)

// Uneven says what becomes of time stamps that are not evenly spaced.
type Uneven string

// What can become of them. "" means UnevenError. With the others a series is given at
// even steps from its first time on, and of rows of one time the last counts.
const (
	UnevenError   Uneven = "error"
	UnevenLast    Uneven = "last"    // the last row before a time
	UnevenLinear  Uneven = "linear"  // on the line between the rows around it, which looks ahead
	UnevenMissing Uneven = "missing" // missing numbers
)

// Header says whether the first row is names. "" finds out.
type Header string

// The answers.
const (
	HeaderYes Header = "yes"
	HeaderNo  Header = "no"
)

// NoTime is the name of a time column that there is none of: the rows are at even
// steps.
const NoTime = "-"

// Config says how a file is read, and how it is cut into examples.
type Config struct {
	// Header is HeaderYes or HeaderNo; columns without names are named for their
	// numbers, from 1 on.
	Header Header `json:"header,omitempty"`
	// Time is the name of the column of time stamps, or NoTime; "" means the first
	// that is called date, time or the like, or the first of all if it holds such.
	// TimeLayout is how they are written,
	// as for time.Parse; "" finds out.
	Time       string `json:"time,omitempty"`
	TimeLayout string `json:"time_layout,omitempty"`
	// Columns are those that are read; nil means all others. Targets are those of
	// them that are forecast, and are the first features; nil means all.
	Columns []string `json:"columns,omitempty"`
	Targets []string `json:"targets,omitempty"`

	Missing Missing `json:"missing,omitempty"`
	Uneven  Uneven  `json:"uneven,omitempty"`
	// Step is the distance of time stamps, as for time.ParseDuration, or a number of
	// months such as "1mo"; "" means the commonest.
	Step string `json:"step,omitempty"`
	// TimeFeatures adds four features in [-1/2, 1/2]: hour of the day, day of the
	// week, of the month and of the year.
	TimeFeatures bool `json:"time_features,omitempty"`

	// Lookback is the steps of a window, Horizon those that are forecast; 0 means 96.
	Lookback int `json:"lookback,omitempty"`
	Horizon  int `json:"horizon,omitempty"`
	// Stride is the steps from one window of the training part to the next,
	// EvalStride that of the others; 0 means 1.
	Stride     int `json:"stride,omitempty"`
	EvalStride int `json:"eval_stride,omitempty"`

	// Shares are the parts of the series for training, validation and test; all 0
	// means 0.7, 0.1, 0.2. Months, if not 0, are as many months of 30 days instead.
	// Windows of a part forecast its steps, and may begin before it.
	Shares [3]float64 `json:"shares,omitzero"`
	Months [3]int     `json:"months,omitzero"`
}

// ETT is the split of the files ETTh1 to ETTm2.
func ETT() Config { return Config{Months: [3]int{12, 4, 4}} }

// Electricity is the split of electricity and of the other files of its layout.
func Electricity() Config { return Config{Shares: [3]float64{0.7, 0.1, 0.2}} }

// Bounds on what a Config may ask for.
const (
	maxSteps  = 1 << 30 // of a window, and between windows
	maxMonths = 12000
)

func (c Config) withDefaults() Config {
	c.Missing = cmp.Or(c.Missing, MissingError)
	c.Uneven = cmp.Or(c.Uneven, UnevenError)
	c.Lookback = cmp.Or(c.Lookback, 96)
	c.Horizon = cmp.Or(c.Horizon, 96)
	c.Stride = cmp.Or(c.Stride, 1)
	c.EvalStride = cmp.Or(c.EvalStride, 1)
	if c.Shares == [3]float64{} {
		c.Shares = [3]float64{0.7, 0.1, 0.2}
	}
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	d := c.withDefaults()
	bad := func(field, want string, got any) error {
		return fmt.Errorf("series: Config.%s: want %s, got %v", field, want, got)
	}
	switch {
	case !slices.Contains([]Header{"", HeaderYes, HeaderNo}, c.Header):
		return bad("Header", fmt.Sprintf("%q, %q or none", HeaderYes, HeaderNo), names.Quote(c.Header))
	case !slices.Contains([]Missing{MissingError, MissingForward, MissingLinear, MissingMask}, d.Missing):
		return bad("Missing", fmt.Sprintf("%q, %q, %q or %q", MissingError, MissingForward, MissingLinear, MissingMask), names.Quote(c.Missing))
	case !slices.Contains([]Uneven{UnevenError, UnevenLast, UnevenLinear, UnevenMissing}, d.Uneven):
		return bad("Uneven", fmt.Sprintf("%q, %q, %q or %q", UnevenError, UnevenLast, UnevenLinear, UnevenMissing), names.Quote(c.Uneven))
	case d.Lookback < 1 || d.Lookback > maxSteps:
		return bad("Lookback", fmt.Sprintf("1 to %d", maxSteps), c.Lookback)
	case d.Horizon < 1 || d.Horizon > maxSteps:
		return bad("Horizon", fmt.Sprintf("1 to %d", maxSteps), c.Horizon)
	case d.Stride < 1 || d.Stride > maxSteps:
		return bad("Stride", fmt.Sprintf("1 to %d", maxSteps), c.Stride)
	case d.EvalStride < 1 || d.EvalStride > maxSteps:
		return bad("EvalStride", fmt.Sprintf("1 to %d", maxSteps), c.EvalStride)
	case c.Time == NoTime && (c.TimeFeatures || c.TimeLayout != "" || c.Step != "" || c.Months != [3]int{}):
		return bad("Time", "a column for TimeFeatures, TimeLayout, Step or Months", names.Quote(c.Time))
	}
	sum := 0.0
	for _, v := range d.Shares {
		if !(v > 0 && v < 1) {
			return bad("Shares", "three numbers in (0, 1)", c.Shares)
		}
		sum += v
	}
	if sum > 1+1e-9 {
		return bad("Shares", "a sum of at most 1", c.Shares)
	}
	for _, v := range c.Months {
		if (c.Months != [3]int{}) && (v < 1 || v > maxMonths) {
			return bad("Months", fmt.Sprintf("three numbers, 1 to %d", maxMonths), c.Months)
		}
	}
	for field, list := range map[string][]string{"Columns": c.Columns, "Targets": c.Targets} {
		if i := names.Repeated(list); i >= 0 {
			return bad(fmt.Sprintf("%s[%d]", field, i), "another name than those before", names.Quote(list[i]))
		}
	}
	if c.Step != "" {
		if _, err := parseStep(c.Step); err != nil {
			return fmt.Errorf("series: Config.Step: %w", err)
		}
	}
	return nil
}
