// Command kernels draws what the layers of a model compute that are convolutions:
// all kernels as a heat map, and, of one feature of a state space layer, the basis
// functions and the eigenvalues, as PNG.
//
//	go run ./examples/kernels                            every initialisation
//	go run ./examples/kernels -model runs/listops-quick  a trained model, or a checkpoint
//	go run ./examples/kernels -h                         every option
//
// The effective length of a kernel is the number of steps, counted from the
// present one, that hold 99 % of its energy, of all that it has within the
// length drawn.
package main

import (
	"os"

	"github.com/gorgonia-s4/s4/internal/option"
)

func main() { option.Exit("kernels", run(os.Args[1:], os.Stdout)) }
