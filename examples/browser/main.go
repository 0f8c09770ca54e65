// Command browser puts a trained classifier of digits on a page: it reads what is drawn
// pixel by pixel, as a recurrent network compiled to WebAssembly, and shows its kernels,
// its states, and what it believes after every pixel.
//
//	go run ./examples/browser                       builds the page, and serves it on this machine
//	go run ./examples/browser -out site             writes it as files, for any server of files
//	go run ./examples/browser train -data mnist     trains the classifier, in minutes on two cores
//	go run ./examples/browser -h                    every option
//
// What is trained as a convolution runs as a recurrence, with the same numbers: the page
// computes both, and says how far they differ.
package main

import (
	"context"
	"io"
	"os"

	"github.com/gorgonia-s4/s4/internal/option"
)

func main() { option.Exit("browser", run(option.UntilInterrupt(), os.Args[1:], os.Stdout)) }

// run does what the arguments say.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "train" {
		return trainDigits(ctx, args[1:], out)
	}
	return show(ctx, args, out)
}
