// Command count prints how many instructions the passes of this module take for an
// element, as the table of docs/machines.md has them: those of the main loop, in the
// generated assembly and, for portable Go, in what the compiler makes of it for arm64.
//
//	go run ./internal/asm/count
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("count: ")
	if err := run("."); err != nil {
		log.Fatal(err)
	}
}

// run prints the table of the module whose root is given.
func run(root string) error {
	dir, err := os.MkdirTemp("", "count")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println(heading)
	fmt.Println(alignment)
	binaries := map[string]string{}
	for _, p := range passes {
		if binaries[p.pkg] == "" {
			binaries[p.pkg] = filepath.Join(dir, strings.ReplaceAll(p.pkg, "/", "_"))
			if err := compile(root, p.pkg, binaries[p.pkg]); err != nil {
				return err
			}
		}
		generic, err := p.portable(binaries[p.pkg])
		if err != nil {
			return err
		}
		r, err := p.row(root, generic)
		if err != nil {
			return err
		}
		fmt.Println(r)
	}
	return nil
}
