// Package series is numbers at times, from a CSV file, as windows to forecast from:
// the layout of ETT and of electricity (Zhou et al. 2021, arXiv:2012.07436), a column
// of time stamps and columns of numbers, and what else people have.
//
//	d, err := series.Load(ctx, "sales.csv", series.Config{Lookback: 60, Horizon: 14}, data.Room{})
//	trainer, err := train.New(cfg, forecaster, d.Train, d.Val)    // a models.Forecaster
//	x, err := d.Encoding.Window(latest)                           // what to forecast from
//
// The splits of the published files are
//
//	ETT()          12, 4 and 4 months for training, validation and test
//	Electricity()  70, 10 and 20 per cent
//
// An example is a window of Lookback steps, (Lookback, features), and the Horizon
// steps that follow it, (Horizon, targets). Windows are cut out of one series in
// memory. Numbers are standardised by mean and deviation of the training part, as
// papers report errors; [Encoding] turns them back.
//
// A file is rarely as it should be. Missing numbers, time stamps that are missing,
// twice there, or in no order are errors that name line and column, unless the
// configuration says what to do about them; what was done is in [Data.Notes].
package series
