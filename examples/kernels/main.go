// Command kernels draws what the state space layers of a model compute: all
// kernels as a heat map, and of one feature the basis functions and the
// eigenvalues, as PNG.
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
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}
