// Command speech trains state space models, and what they are compared with, to tell
// spoken words from raw audio, one sample a step, and tests them at half the sampling
// rate without training them for it (Gu, Goel and Ré 2022, arXiv:2111.00396, section
// 4.4).
//
//	go run ./examples/speech                        tones that are generated: no download
//	go run ./examples/speech -task digits -data free-spoken-digit-dataset.tar.gz
//	go run ./examples/speech -task sc35 -data speech_commands_v0.02.tar.gz -preset paper
//	go run ./examples/speech -task sc10 -data speech_commands -features mfcc
//	go run ./examples/speech -task folders -data recordings    a folder for each class
//	go run ./examples/speech -h                     every option
//	go run ./examples/speech eval -run runs/digits-small
//	go run ./examples/speech eval -run runs/digits-small -rate 0.5 -band-limited
//	go run ./examples/speech predict -run runs/digits-small word.wav
//	arecord -d 1 -t raw -f S16_LE -r 8000 | go run ./examples/speech predict -run runs/digits-small -
//	go run ./examples/speech predict -run RUN -stream -every 800 word.wav    one sample after the other
//
// A state space layer knows its time step: at half the rate it is twice as long, and
// the model hears the same word in half as many samples. The accuracy on every second
// sample is printed after that on all of them, and that on what a recorder at that rate
// has, from which what is too high for it is gone: in every second sample it is heard as
// lower tones.
package main

import (
	"embed"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
)

//go:embed presets
var presets embed.FS

// program is the command.
var program = experiment.Program{
	Name: "speech", About: "Train a sequence model to tell spoken words from raw audio.",
	Tasks: []experiment.Task{tones, digits, sc10, sc35, folders}, Presets: presets, Task: "tones", Preset: "small",
}

func main() { program.Main() }
