// Command beliefs trains a sequence model to tell the next token of a hidden Markov
// process, and finds what it has learned to know of it: the exact belief about the hidden
// state is read from its residual stream by a linear map, and drawn.
//
//	go run ./examples/beliefs                      Mess3, a Transformer
//	go run ./examples/beliefs -model s4d           or mamba, gru
//	go run ./examples/beliefs -process rrxor       or z1r
//	go run ./examples/beliefs -h                   every option
//
// Shai, Marzen, Teixeira, Oldenziel, Riechers, "Transformers Represent Belief State
// Geometry in their Residual Stream", 2024, arXiv:2405.15943.
package main

import (
	"os"

	"github.com/gorgonia-s4/s4/internal/option"
)

func main() { option.Exit("beliefs", run(option.UntilInterrupt(), os.Args[1:], os.Stdout)) }
