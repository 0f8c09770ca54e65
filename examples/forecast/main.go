// Command forecast trains state space models, and what they are compared with, to
// forecast series of numbers from CSV files, and shows the quantiles of what may come.
//
//	go run ./examples/forecast                      a series that is generated: no download
//	go run ./examples/forecast -task csv -data sales.csv -lookback 60 -horizon 14
//	go run ./examples/forecast -task csv -data meter.csv -missing linear -uneven last
//	go run ./examples/forecast -task ett -data ETTh1.csv -horizon 96
//	go run ./examples/forecast -task ett -data ETTh1.csv -columns OT      one column alone
//	go run ./examples/forecast -task electricity -data electricity.csv -preset paper
//	go run ./examples/forecast -h                   every option
//	go run ./examples/forecast predict -run runs/csv-small sales.csv      what follows the last row
//	go run ./examples/forecast predict -run runs/csv-small -format csv sales.csv
//
// Errors are of standardised numbers, as papers report them, and in the units of the
// file; beside them are those of forecasts that nothing is trained for. -out has a
// picture, forecast.png, of some windows of the test set.
//
// A model learns quantiles (-quantiles, by the pinball loss) or, with -quantiles "", the
// mean. With -center it reads the last number of a window as 0 and forecasts the
// difference from it, which serves series whose level wanders.
package main

import (
	"embed"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
)

//go:embed presets
var presets embed.FS

// program is the command.
var program = experiment.Program{
	Name: "forecast", About: "Train a sequence model to forecast a series of numbers.",
	Tasks: []experiment.Task{waves, files, ett, electricity}, Presets: presets, Task: "waves", Preset: "small",
}

func main() { program.Main() }
