package series_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/series"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// table returns a CSV file of hours, in which a number is missing.
func table(hours int) string {
	var b strings.Builder
	b.WriteString("date,load,heat\n")
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for h := range hours {
		load := fmt.Sprint(h % 24)
		if h == 5 {
			load = ""
		}
		fmt.Fprintf(&b, "%s,%s,%d\n", start.Add(time.Duration(h)*time.Hour).Format(time.DateTime), load, h%7)
	}
	return b.String()
}

// A file of numbers becomes windows to forecast from; what is needed to forecast from
// another file goes with the model.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "series")
	check(err)
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "load.csv")
	check(os.WriteFile(file, []byte(table(24*20)), 0o644))
	ctx := context.Background()
	cfg := series.Config{Targets: []string{"load"}, Missing: series.MissingLinear, Uneven: series.UnevenError, Lookback: 48, Horizon: 24, TimeFeatures: true}
	check(cfg.Validate())
	d, err := series.Load(ctx, file, cfg, data.Room{})
	check(err)
	var test *series.Dataset = d.Test
	fmt.Println(d.Series.Len(), "steps,", test.Len(), "windows of", test.Encoding().Width(), "features;", test.Origin(0) != "", len(d.Notes) > 0)

	var step series.Step = d.Series.Step
	fmt.Println(step.Season(), "steps are a day;", d.Series.Time(25).Format(time.DateTime))
	mse, mae, err := test.Naive(ctx, step.Season()) // as it was a day before
	check(err)
	fmt.Printf("nothing learned: %.2f %.2f\n", mse, mae)

	// A forecast of what follows another file.
	now, err := series.Read(ctx, strings.NewReader(table(50)), cfg)
	check(err)
	var e series.Encoding = d.Encoding
	x, err := e.Window(now)
	check(err)
	fmt.Println(len(x)/e.Width(), "steps to forecast from; the mean in its unit:", e.Number(0, 0) == e.Mean[0])
	other, err := series.Cut(now, "now", series.Config{Targets: []string{"load"}, Lookback: 4, Horizon: 2, Missing: series.MissingLinear}, data.Room{})
	check(err)
	_, err = other.As(e)
	fmt.Println(err != nil) // of windows of another length
	// Output:
	// 480 steps, 73 windows of 6 features; true true
	// 24 steps are a day; 2020-01-02 01:00:00
	// nothing learned: 0.00 0.00
	// 48 steps to forecast from; the mean in its unit: true
	// true
}

// Files of other kinds: without names and times, with holes in the times; and the
// splits of the published benchmarks.
func ExampleRead() {
	ctx := context.Background()
	s, err := series.Read(ctx, strings.NewReader("1;2,5\n3;4,5\n"), series.Config{Header: series.HeaderNo, Time: series.NoTime})
	check(err)
	fmt.Println(s.Columns, s.Values, s.Time(0).IsZero())
	s, err = series.Read(ctx, strings.NewReader("date,a\n2020-01-01,1\n2020-01-02,?\n2020-01-03,3\n2020-01-05,5\n"), series.Config{
		Header: series.HeaderYes, Uneven: series.UnevenLinear, Missing: series.MissingForward,
	})
	check(err)
	fmt.Println(s.Values)
	fmt.Println(series.ETT().Months, series.Electricity().Shares, series.MissingMask, series.UnevenMissing)
	// Output:
	// [1 2] [1 2.5 3 4.5] true
	// [1 1 3 4 5]
	// [12 4 4] [0.7 0.1 0.2] mask missing
}
