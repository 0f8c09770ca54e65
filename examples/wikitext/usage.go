package main

import (
	"flag"
	"fmt"
	"io"

	"github.com/gorgonia-s4/s4/internal/option"
)

// usage prints the options of a subcommand.
func usage(fs *flag.FlagSet, out io.Writer, command, about string) {
	fmt.Fprintf(out, "usage: wikitext %s\n\n%s\n\n", command, about)
	fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
}
