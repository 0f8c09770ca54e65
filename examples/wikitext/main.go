// Command wikitext trains language models, measures them, and lets them write.
//
//	go run ./examples/wikitext                      a preset for two cores and ten minutes, no download
//	go run ./examples/wikitext -model transformer   the same with another layer
//	go run ./examples/wikitext -preset small -data wikitext-2
//	go run ./examples/wikitext -preset paper -data wikitext-103
//	go run ./examples/wikitext -h                   every option
//	go run ./examples/wikitext eval -run runs/wikitext-quick -mode sliding
//	go run ./examples/wikitext generate -run runs/wikitext-quick -prompt "It was "
//	go run ./examples/wikitext serve -run runs/wikitext-quick
//	go run ./examples/wikitext tokenize -tokenizer bpe -vocab-size 4096 -save bpe.json
//	go run ./examples/wikitext predict -run runs/wikitext-quick lines.txt
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
	Name: "wikitext", About: "Train a language model.",
	Tasks: []experiment.Task{text}, Presets: presets, Task: taskName, Preset: "quick",
}

func init() {
	// Which ask the program for its runs.
	program.Commands = []experiment.Command{
		{Name: "eval", About: "measure the model of a run", Run: evalText},
		{Name: "generate", About: "let the model of a run write", Run: writeText},
		{Name: "serve", About: "answer requests for texts over HTTP", Run: serveText},
		{Name: "tokenize", About: "make a vocabulary, and say what the tokens of a text are", Run: tokenize},
	}
}

func main() { program.Main() }
