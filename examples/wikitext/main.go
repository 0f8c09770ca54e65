// Command wikitext trains language models and lets them write.
//
//	go run ./examples/wikitext              a preset for two cores and ten minutes, no download
//	go run ./examples/wikitext -model lstm  the same with another layer
//	go run ./examples/wikitext -data wikitext-103
//	go run ./examples/wikitext -h           every option
//
// Ctrl-C finishes the step, saves and stops; the same command with -resume goes
// on. A second Ctrl-C ends the program at once.
//
// The presets are files in presets, to copy and edit: -config reads one.
package main

import (
	"embed"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
)

//go:embed presets
var presets embed.FS

// program is the command.
var program = experiment.Program{
	Name: "wikitext", About: "Train a language model, and let it write.",
	Tasks: []experiment.Task{text}, Presets: presets, Task: "wikitext", Preset: "quick",
}

func main() { program.Main() }
