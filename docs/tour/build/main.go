// Command build makes the tour of docs/tour: from the text in docs/tour/source it
// writes the Markdown that a code host shows, and a static site of HTML.
//
//	go run -C docs/tour/build .             writes docs/tour/README.md and the chapters
//	go run -C docs/tour/build . -check      says what is broken or out of date, and writes nothing
//	go run -C docs/tour/build . -out DIR    writes the site to DIR too; DIR as seen from docs/tour/build
//
// # The text
//
// A chapter is docs/tour/source/NN-name.md: Markdown whose formulas are LaTeX, $...$
// within a line and $$ on lines around a displayed one. What is not text comes by a
// directive, alone on its line but for number:
//
//	{{code NAME}}             the lines of docs/tour/*_test.go between //tour:NAME and //tour:end
//	{{func FILE NAME}}        the function NAME of a Go file, or the method Type.NAME; FILE from the root
//	{{output Example_NAME}}   what an Example of docs/tour prints
//	{{output FILE Example}}   the same of an Example in another file
//	{{table FILE START}}      the table of a Markdown file whose first line begins with START
//	{{picture FILE ALT}}      docs/tour/pictures/FILE, which docs/tour/pictures draws
//	{{number SOURCE REGEXP}}  the group of the one match of REGEXP in SOURCE: an Example's output, or a file
//	{{contents}}              the list of the chapters
//
// Every region and every picture is shown in some chapter. Numbers in the running text come by number. Other digits there are an error: a size
// or a setting stands in a formula, and eq. 3, section 3.2 or chapter 4 are references.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run is the command.
func run(args []string, out io.Writer) error {
	f := flag.NewFlagSet("build", flag.ContinueOnError)
	dir := f.String("tour", "..", "the `directory` docs/tour")
	site := f.String("out", "", "write the site to this `directory`")
	check := f.Bool("check", false, "write nothing, and fail if the Markdown is not that of the text")
	code := f.String("code", "", "the `address` of the repository's files, which the site then links to")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("build: want options only, got %q", f.Arg(0))
	}
	t, err := read(*dir)
	if err != nil {
		return err
	}
	pages, err := t.pages(*code)
	if err != nil {
		return err
	}
	if *check {
		return t.upToDate()
	}
	if err := t.writeMarkdown(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d chapters in %s\n", len(t.chapters)-1, filepath.Clean(*dir))
	if *site == "" {
		return nil
	}
	if err := writeSite(*site, pages, filepath.Join(*dir, "pictures")); err != nil {
		return err
	}
	fmt.Fprintf(out, "the site: %s\n", filepath.Join(*site, "index.html"))
	return nil
}
