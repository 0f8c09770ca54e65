package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/series"
)

// The tasks.
var (
	waves = forecast("waves", "two series of hours with days, weeks and trends, which are generated", "", "", func() series.Config { return series.Config{} })
	files = forecast("csv", "a CSV file of your own",
		"a CSV file: a column of time stamps, if there are any, and columns of numbers; or a .gz, .zip or folder of one",
		"a CSV file", func() series.Config { return series.Config{} })
	ett = forecast("ett", "electricity transformers: ETTh1 to ETTm2, 12, 4 and 4 months",
		"ETTh1.csv, ETTh2.csv, ETTm1.csv or ETTm2.csv",
		"ETTh1.csv or another of the ETDataset", series.ETT)
	electricity = forecast("electricity", "electricity, traffic, weather: files of one layout, 70, 10 and 20 per cent",
		"electricity.csv, or another file of its layout",
		"electricity.csv, or another file of date and columns", series.Electricity)
)

// forecast returns a task. path says what -data names, and where that is from.
func forecast(name, about, path, from string, cfg func() series.Config) experiment.Task {
	return experiment.Task{
		Name: name, About: about, Path: path,
		Options: func() experiment.Options { return &options{name: name, from: from, base: cfg()} },
		Codec:   func() experiment.Codec { return new(codec) },
	}
}

// options say how a file is read, and what is forecast.
type options struct {
	Lookback   int            `json:"lookback"`
	Horizon    int            `json:"horizon"`
	Stride     int            `json:"stride,omitempty"`
	EvalStride int            `json:"eval_stride,omitempty"`
	Time       string         `json:"time,omitempty"`
	TimeLayout string         `json:"time_layout,omitempty"`
	Step       string         `json:"step,omitempty"`
	Columns    []string       `json:"columns,omitempty"`
	Targets    []string       `json:"targets,omitempty"`
	Missing    series.Missing `json:"missing,omitempty"`
	Uneven     series.Uneven  `json:"uneven,omitempty"`
	Calendar   bool           `json:"calendar,omitempty"`
	Shares     []float64      `json:"shares,omitempty"`
	Quantiles  []float64      `json:"quantiles,omitempty"`
	Center     bool           `json:"center,omitempty"`
	Season     int            `json:"season,omitempty"`
	Generated  int            `json:"generated,omitempty"` // hours of a series, in the place of -data

	name string // of the task
	from string // where its data are from
	base series.Config
}

// Flags implements experiment.Options.
func (o *options) Flags(fs *flag.FlagSet) {
	if o.Missing == "" {
		o.Missing = series.MissingError
	}
	if o.Uneven == "" {
		o.Uneven = series.UnevenError
	}
	o.Stride, o.EvalStride = max(o.Stride, 1), max(o.EvalStride, 1)
	fs.IntVar(&o.Lookback, "lookback", o.Lookback, "steps that are read")
	fs.IntVar(&o.Horizon, "horizon", o.Horizon, "steps that are forecast")
	fs.IntVar(&o.Stride, "window-stride", o.Stride, "steps from one window of the training to the next")
	fs.IntVar(&o.EvalStride, "eval-stride", o.EvalStride, "steps from one window of validation and test to the next")
	fs.StringVar(&o.Time, "time", o.Time, "`name` of the column of time stamps; -: there is none; empty: found")
	fs.StringVar(&o.TimeLayout, "time-layout", o.TimeLayout, "`layout` of the time stamps, as Go writes Mon Jan 2 15:04:05 2006; empty: found")
	fs.StringVar(&o.Step, "step", o.Step, "`distance` of time stamps, such as 15m, 24h or 1mo; empty: the commonest")
	option.Strings(fs, "columns", &o.Columns, "comma-separated `list` of the columns that are read; empty: all")
	option.Strings(fs, "targets", &o.Targets, "comma-separated `list` of the columns that are forecast; empty: all that are read")
	option.Choice(fs, "missing", &o.Missing, "what to do about numbers that are missing: end with an error, repeat the last, draw a line, or mask them", []series.Missing{series.MissingError, series.MissingForward, series.MissingLinear, series.MissingMask})
	option.Choice(fs, "uneven", &o.Uneven, "what to do about time stamps that are not evenly spaced: end with an error, or give even steps the last row, a line between rows, or missing numbers", []series.Uneven{series.UnevenError, series.UnevenLast, series.UnevenLinear, series.UnevenMissing})
	fs.BoolVar(&o.Calendar, "calendar", o.Calendar, "read the hour of the day, and the day of the week, of the month and of the year, too")
	option.Floats(fs, "shares", &o.Shares, "comma-separated `parts` of the series for training, validation and test; empty: those of the task")
	option.Floats(fs, "quantiles", &o.Quantiles, "comma-separated `list` of the quantiles that are forecast, ascending; empty: the mean")
	fs.BoolVar(&o.Center, "center", o.Center, "forecast the difference from the last number of a window")
	fs.IntVar(&o.Season, "season", o.Season, "steps after which a series is likely to be as it was, for comparison; 0: those of a day, week or year")
	fs.IntVar(&o.Generated, "generated", o.Generated, "`hours` of a series that is generated, for a try without -data; 0: none")
}

// fields are the options by the fields that they set.
var fields = option.Fields{
	"Config.Lookback": "-lookback", "Config.Horizon": "-horizon", "Config.Stride": "-window-stride", "Config.EvalStride": "-eval-stride",
	"Config.Time": "-time", "Config.TimeLayout": "-time-layout", "Config.Step": "-step", "Config.Shares": "-shares",
	"TimeFeatures": "-calendar", "Config.Missing": "-missing", "Config.Uneven": "-uneven",
}

// config describes the data.
func (o *options) config() series.Config {
	c := o.base
	c.Lookback, c.Horizon, c.Stride, c.EvalStride = o.Lookback, o.Horizon, o.Stride, o.EvalStride
	c.Time, c.TimeLayout, c.Step = o.Time, o.TimeLayout, o.Step
	c.Columns, c.Targets, c.Missing, c.Uneven, c.TimeFeatures = o.Columns, o.Targets, o.Missing, o.Uneven, o.Calendar
	if len(o.Shares) == 3 {
		c.Shares, c.Months = [3]float64(o.Shares), [3]int{}
	}
	return c
}

// Bend implements experiment.Bender: rows without time stamps have no calendar.
func (o *options) Bend(set func(name string) bool) {
	if o.Time == series.NoTime && !set("calendar") {
		o.Calendar = false
	}
}

// Making implements experiment.Maker.
func (*options) Making() []string { return []string{"generated"} }

// Validate implements experiment.Options.
func (o *options) Validate() error {
	const most = 1 << 20
	switch {
	case o.Lookback < 1:
		return fmt.Errorf("-lookback: want >= 1, got %d", o.Lookback)
	case o.Horizon < 1:
		return fmt.Errorf("-horizon: want >= 1, got %d", o.Horizon)
	case len(o.Shares) != 0 && len(o.Shares) != 3:
		return fmt.Errorf("-shares: want three numbers, got %v", o.Shares)
	case o.Season < 0:
		return fmt.Errorf("-season: want >= 0, got %d", o.Season)
	case o.Generated < 0 || o.Generated > most:
		return fmt.Errorf("-generated: want 0 to %d, got %d", most, o.Generated)
	}
	return fields.Speak(o.config().Validate())
}

// Shape implements experiment.Options.
func (o *options) Shape() experiment.Shape {
	s := experiment.Shape{
		Kind: experiment.Forecaster, Length: o.Lookback, Horizon: o.Horizon, Outputs: len(o.Targets),
		Quantiles: o.Quantiles, Center: o.Center, Weighted: o.Missing == series.MissingMask,
	}
	if len(o.Quantiles) == 0 {
		s.Loss = models.LossMSE
	}
	return s
}

// Load implements experiment.Options.
func (o *options) Load(ctx context.Context, src experiment.Source) (*experiment.Data, error) {
	d, err := o.read(ctx, src)
	if err != nil {
		return nil, fields.Speak(err)
	}
	e := d.Encoding
	shape := o.Shape()
	shape.Features, shape.Outputs = e.Width(), e.Targets
	out := &experiment.Data{
		Title: o.title(src), Model: shape, Notes: slices.Clone(d.Notes), Metrics: o.metrics(e),
		Codec: &codec{Encoding: e, Quantiles: o.Quantiles, File: o.fileConfig(e)},
	}
	out.Splits, err = data.Map(d.Splits, func(part *series.Dataset) (task.Dataset, error) { return part, nil })
	if err != nil {
		return nil, err
	}
	return out, o.compare(ctx, out, d)
}

func (o *options) title(src experiment.Source) string {
	if src.Path == "" {
		return "a series that is generated"
	}
	return filepath.Base(src.Path)
}

// read reads the file, or makes a series.
func (o *options) read(ctx context.Context, src experiment.Source) (*series.Data, error) {
	d, err := o.open(ctx, src)
	trained, ok := src.Codec.(*codec)
	if err != nil || !ok {
		return d, err
	}
	e := trained.Encoding
	if src.Start { // the scales alone
		if !slices.Equal(e.Columns, d.Encoding.Columns) {
			return d, nil
		}
		mean, dev := e.Mean, e.Dev
		e = d.Encoding
		e.Mean, e.Dev = mean, dev
	}
	return d.As(e)
}

func (o *options) open(ctx context.Context, src experiment.Source) (*series.Data, error) {
	if src.Path != "" {
		return series.Load(ctx, src.Path, o.config(), src.Room)
	}
	if o.Generated == 0 {
		return nil, fmt.Errorf("-task %s needs -data: %s (or -generated 4000, for a try with a series that is generated)", o.name, o.from)
	}
	return o.generate(src)
}

// metrics are measured on standardised numbers, as papers do, and in the units of the
// file.
func (o *options) metrics(e series.Encoding) []train.Metric {
	var opts []train.MetricOption
	if e.Mask {
		opts = append(opts, train.Weighted(task.Weights))
	}
	with := func(more ...train.MetricOption) []train.MetricOption { return append(slices.Clone(opts), more...) }
	units := train.InUnits(e.Dev[:e.Targets]...)
	ms := []train.Metric{
		train.MSE(opts...), train.MAE(opts...),
		train.MSE(with(units, train.Called("mse_in_units"))...), train.MAE(with(units, train.Called("mae_in_units"))...),
	}
	if len(o.Quantiles) > 1 {
		ms = append(ms, coverage(e.Mask))
	}
	return ms
}

// coverage is the part of the numbers that are between the least and the greatest
// quantile of their forecast.
func coverage(mask bool) train.Metric {
	return train.NewMean("coverage", train.Higher, func(out *task.Outputs, b *task.Batch) (sum, count float64, err error) {
		q, err1 := out.Array(task.Quantiles)
		target, err2 := b.Array(task.Target)
		var weights task.Array
		if mask {
			weights, err = b.Array(task.Weights)
		}
		if err := errors.Join(err, err1, err2); err != nil {
			return 0, 0, err
		}
		n := q.Len() / target.Len()
		err = b.Counts(task.Target, func(i int) {
			w := 1.
			if mask {
				w = weights.At(i)
			}
			count += w
			if v := target.At(i); v >= q.At(i*n) && v <= q.At(i*n+n-1) {
				sum += w
			}
		})
		return sum, count, err
	})
}

// compare says how good forecasts are that nothing is trained for: the last number, and
// that of a season before.
func (o *options) compare(ctx context.Context, out *experiment.Data, d *series.Data) error {
	season := o.Season
	if season == 0 {
		season = d.Series.Step.Season()
	}
	for _, n := range slices.Compact([]int{1, season}) {
		mse, mae, err := d.Test.Naive(ctx, n)
		if err != nil {
			return err
		}
		if math.IsNaN(mse) {
			continue
		}
		what := "persistence, the last number"
		if n > 1 {
			what = fmt.Sprintf("the number %d steps before", n)
		}
		out.Notes = append(out.Notes, fmt.Sprintf("%s: mse %.4g, mae %.4g on the test windows", what, mse, mae))
		if out.Floor == nil || mse < out.Floor.Value {
			out.Floor = &report.Floor{What: what, Value: mse}
		}
	}
	return nil
}

// fileConfig is how a file that is forecast from is read: as that of the training, but
// for columns that are not used, which it may not have.
func (o *options) fileConfig(e series.Encoding) series.Config {
	c := o.config()
	c.Columns, c.Targets = e.Columns, nil
	if e.Step != (series.Step{}) {
		c.Step = e.Step.String()
	}
	return c
}
