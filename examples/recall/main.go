// Command recall trains sequence models on small tasks that tell them apart by what they
// remember, all of which are drawn: nothing is downloaded, and no example comes twice.
//
//	go run ./examples/recall                          selective copying, Mamba
//	go run ./examples/recall -model s4d               whose dynamics do not depend on the input
//	go run ./examples/recall -task induction          trained at 64 steps, tested at 64 to 16384
//	go run ./examples/recall -task delay -length 500  copying after a delay
//	go run ./examples/recall -task adding             the sum of two marked numbers
//	go run ./examples/recall -h                       every option
//	echo '0 0 5 0 3 0 0 2 7 0 0 1 1 4 6 0 15 15 15 15 15 15 15 15' | go run ./examples/recall predict -run runs/selective-copying-quick -
//
// predict reads an example a line, its steps with spaces between them: tokens, or numbers
// of which two are marked by a star, 0.25 0.5* 0.125 0.75*. What is to be told may follow
// the tokens behind an equals sign.
//
// Package recall of train/data says what the tasks are, and who they are from.
package main

import (
	"embed"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/train/data/recall"
)

//go:embed presets
var presets embed.FS

// program is the command.
var program = experiment.Program{
	Name: "recall", About: "Train a sequence model on a task of memory.",
	Tasks:   []experiment.Task{selective, induction, delay, adding},
	Presets: presets, Task: string(recall.SelectiveCopying), Preset: "quick",
}

func main() { program.Main() }
