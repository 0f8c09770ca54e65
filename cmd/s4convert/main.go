// Command s4convert turns checkpoints of the public PyTorch code of S4 into models of
// this module, and models into what load_state_dict of that code takes.
//
//	s4convert -prenorm model.pt dir                    .pt, .ckpt or .safetensors to a model
//	s4convert dir model.safetensors                    a model to safetensors, by the names it came with
//	s4convert -style sequence dir model.safetensors    or by those of the public sequence model
//	s4convert -inspect model.ckpt                      what is in a checkpoint, and what nothing says
//	s4convert -prenorm -check x.npy y.npy model.pt dir and hold the output for x against y
//	s4convert -raw lstm.pt lstm.safetensors            the tensors of any module, for param.Loader
//
// No code in a checkpoint is run. See package statespaces for what is read.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "s4convert:", err)
		os.Exit(1)
	}
}
