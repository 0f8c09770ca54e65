// Command pixels trains sequence models on images read pixel by pixel: sequential
// MNIST, permuted MNIST, Fashion-MNIST and sequential CIFAR in colour.
//
//	go run ./examples/pixels -data mnist                       sequential MNIST, under an hour on two cores
//	go run ./examples/pixels -task pmnist -data mnist          its pixels in another order
//	go run ./examples/pixels -task fashion                     Debian's dataset-fashion-mnist
//	go run ./examples/pixels -task scifar -data cifar-10-batches-bin
//	go run ./examples/pixels -preset smoke                     a few seconds, on images that are drawn
//	go run ./examples/pixels -h                                every option
//	go run ./examples/pixels predict -run runs/smnist-small digit.png
//
// The presets are files in presets, to copy and edit: -config reads one. Those named
// paper are the recipe of the S4 papers for sequential CIFAR in colour; for MNIST, for
// which they print none, the same for half as many epochs.
package main

import (
	"embed"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
)

//go:embed presets
var presets embed.FS

// program is the command.
var program = experiment.Program{
	Name: "pixels", About: "Train a sequence model on images, pixel by pixel.",
	Tasks: []experiment.Task{sMNIST, pMNIST, fashion, sCIFAR}, Presets: presets, Task: "smnist", Preset: "small",
}

func main() { program.Main() }
