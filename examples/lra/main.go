// Command lra trains state space models, and what they are compared with, on Long
// Range Arena (Tay et al. 2021, arXiv:2011.04006).
//
//	go run ./examples/lra                   ListOps, a preset for two cores and ten minutes, no download
//	go run ./examples/lra -model lstm       the same with another layer
//	go run ./examples/lra -preset paper     the published configuration of S4
//	go run ./examples/lra -task text -data aclImdb_v1.tar.gz
//	go run ./examples/lra -task retrieval -data lra_release/tsv_data
//	go run ./examples/lra -task image -data cifar-10-batches-bin
//	go run ./examples/lra -task pathfinder  pictures of dashed paths, drawn
//	go run ./examples/lra pictures -sheet pictures.png
//	mpirun -np 4 ./lra -mpi -sync-norm      on many machines, built with -tags mpi
//	go run ./examples/lra -h                every option
//	go run ./examples/lra eval -run runs/listops-quick
//	go run ./examples/lra predict -run runs/listops-quick expressions.txt
//
// Ctrl-C finishes the step, saves and stops; the same command with -resume goes
// on. A second Ctrl-C ends the program at once.
//
// The presets are files in presets, to copy and edit: -config reads one.
package main

import (
	"embed"
	"os"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/option"
)

//go:embed presets
var presets embed.FS

// program is the command.
var program = experiment.Program{
	Name: "lra", About: "Train a sequence model on a task of Long Range Arena. lra pictures shows those of Pathfinder.",
	Tasks: []experiment.Task{listOps, textTask, retrieval, image, pathFinder, pathX}, Presets: presets, Task: "listops", Preset: "quick",
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "pictures" {
		option.Exit("lra pictures", pictures(option.UntilInterrupt(), os.Args[2:], os.Stdout))
		return
	}
	program.Main()
}
