// Command finetune shows what it is worth to learn A, the state matrix. It
// trains a classifier of tones in noise with A as it starts, saves it, and goes
// on twice from there for as many steps: once with A still frozen, and once with
// A learned, with a learning rate of its own. It prints the accuracy of all
// three, how the eigenvalues of A moved, and their largest real part on the way:
// A stays stable, whatever the learning rate.
//
//	go run ./examples/finetune              S4D, in seconds, no download
//	go run ./examples/finetune -model s4    S4, diagonal plus low rank
//	go run ./examples/finetune -h           every option
//
// The periods of the tones lie close together and away from those that the
// states start with, so that there is something to learn in A.
package main

import (
	"os"

	"github.com/gorgonia-s4/s4/internal/option"
)

func main() { option.Exit("finetune", run(option.UntilInterrupt(), os.Args[1:], os.Stdout)) }
