// Command lra trains state space models, and what they are compared with, on Long
// Range Arena (Tay et al. 2021, arXiv:2011.04006).
//
//	go run ./examples/lra                   ListOps, a preset for two cores and ten minutes, no download
//	go run ./examples/lra -layer lstm       the same with another layer
//	go run ./examples/lra -preset paper     the configuration of the S4D paper
//	go run ./examples/lra -task image -data cifar-10-batches-bin
//	go run ./examples/lra -h                every option
//
// Ctrl-C finishes the step, saves and stops; the same command with -resume goes
// on. A second Ctrl-C ends the program at once.
package main

import (
	"os"

	"github.com/gorgonia-s4/s4/examples/internal/option"
)

func main() { option.Exit("lra", run(option.UntilInterrupt(), os.Args[1:], os.Stdout)) }
